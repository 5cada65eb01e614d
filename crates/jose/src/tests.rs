//! Rules that concern several modules, and what their tests share. The keys in `fixtures/` were made by OpenSSL for these
//! tests and are used nowhere else; those in JWKs are some of them as WebCrypto writes them.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BigUint, RsaPrivateKey};
use sha2::{Digest as _, Sha256};

use crate::{PrivateKey, PublicKey, SigningAlg, backend, pem};

/// The text of a fixture.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name))
    };
}

mod certificates;
mod compact;
mod fuzz;
mod import_jwk;
mod import_pem;
mod interop;
mod jwk;
mod kek;
mod keys;
mod vectors;

/// SHA-256 in counter mode: the same keys in every run.
fn counter(seed: &'static str) -> impl FnMut(&mut [u8]) {
    let mut block = 0_u64;
    move |buffer| {
        for chunk in buffer.chunks_mut(32) {
            let digest = Sha256::new()
                .chain_update(seed)
                .chain_update(block.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&digest[..chunk.len()]);
            block += 1;
        }
    }
}

/// Generated once: RSA keys take their time.
static RSA: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(SigningAlg::Rs256, &mut counter("rsa")).unwrap());

/// A generated key; the RSA ones share their numbers.
fn key(alg: SigningAlg) -> PrivateKey {
    match alg {
        SigningAlg::Rs256 => RSA.clone(),
        SigningAlg::Ps256 => PrivateKey::from_pkcs8_der(RSA.to_pkcs8_der(), alg).unwrap(),
        _ => PrivateKey::generate(alg, &mut counter("keys")).unwrap(),
    }
}

fn shared(key: &PrivateKey) -> Option<Arc<PublicKey>> {
    Some(Arc::new(key.public().clone()))
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A correct signature of `key` under any header, which `sign_compact` would not make.
fn sign_any(key: &PrivateKey, header: &str, payload: &[u8]) -> String {
    let input = format!("{}.{}", base64url(header), base64url(payload));
    let signature = backend::signer(key.alg(), key.to_pkcs8_der())
        .unwrap()
        .sign(input.as_bytes())
        .unwrap();
    format!("{input}.{}", base64url(signature))
}

/// The bytes of the only block of a PEM text.
fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(body).unwrap()
}

/// Any bytes as a PEM block.
fn armour(label: &str, der: &[u8]) -> String {
    let mut text = String::new();
    pem::write_block(label, der, &mut text);
    text
}

/// The numbers of the generated RSA key, big-endian: n, e, d, p, q.
fn rsa_numbers() -> [Vec<u8>; 5] {
    let key = RsaPrivateKey::from_pkcs8_der(RSA.to_pkcs8_der()).unwrap();
    [key.n(), key.e(), key.d(), &key.primes()[0], &key.primes()[1]].map(BigUint::to_bytes_be)
}

fn assert_send_sync<T: Send + Sync>() {}

#[test]
fn keys_cross_threads() {
    assert_send_sync::<PrivateKey>();
    assert_send_sync::<PublicKey>();
    assert_send_sync::<crate::KeyEncryptionKey>();
}
