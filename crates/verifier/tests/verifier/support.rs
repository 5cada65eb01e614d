//! An issuer whose tokens can be good or anything else, and a clock that stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use symbolon_jose::{PrivateKey, SigningAlg};
use symbolon_verifier::{Algorithm, Builder, Clock, KeySet, UnixMillis, Verifier};

pub(crate) const ISSUER: &str = "https://as.example/tenant";
pub(crate) const AUDIENCE: &str = "https://api.example";
/// When tests take place, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const SUBJECT: &str = "01a201d3-0000-7000-8000-000000000001";
pub(crate) const SESSION: &str = "01a201d4-0000-7000-8000-000000000002";
pub(crate) const TOKEN: &str = "01a201d5-0000-7000-8000-000000000003";

/// A clock that moves when told to.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW * 1000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that are the same in each run.
fn fill(mut state: u64) -> impl FnMut(&mut [u8]) {
    move |dest| {
        for byte in dest {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (z ^ (z >> 31)) as u8;
        }
    }
}

/// A key of the issuer.
pub(crate) fn key(alg: SigningAlg, seed: u64) -> PrivateKey {
    static RSA: OnceLock<Vec<u8>> = OnceLock::new();
    match alg {
        // One key in all tests: to make one takes a second.
        SigningAlg::Ps256 | SigningAlg::Rs256 => {
            let der = RSA.get_or_init(|| {
                let key = PrivateKey::generate(SigningAlg::Rs256, &mut fill(1)).unwrap();
                key.to_pkcs8_der().to_vec()
            });
            PrivateKey::from_pkcs8_der(der, alg).unwrap()
        }
        _ => PrivateKey::generate(alg, &mut fill(seed)).unwrap(),
    }
}

/// The ES256 key that most tests sign with.
pub(crate) fn es256() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| key(SigningAlg::Es256, 7))
}

pub(crate) fn jwks(keys: &[&PrivateKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.public().jwk()).collect();
    json!({ "keys": keys }).to_string()
}

pub(crate) fn key_set(keys: &[&PrivateKey]) -> KeySet {
    KeySet::from_json(jwks(keys).as_bytes()).unwrap()
}

/// A verifier of the issuer's tokens with these keys, its clock at [`NOW`].
pub(crate) fn verifier(keys: &[&PrivateKey]) -> Verifier {
    builder().build_with_keys(key_set(keys)).unwrap()
}

pub(crate) fn builder() -> Builder {
    Verifier::builder(ISSUER, AUDIENCE).clock(TestClock::new())
}

/// The claims of a good token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "jti": TOKEN,
        "client_id": "shop", "scope": "orders:read orders:write", "sid": SESSION,
    })
}

/// The claims with some of them replaced; `null` takes one away.
pub(crate) fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    claims
}

/// The header of a good token.
pub(crate) fn header(key: &PrivateKey) -> Value {
    json!({ "alg": key.alg().as_str(), "kid": key.kid().as_str(), "typ": "at+jwt" })
}

/// A good token, signed by the issuer's own implementation.
pub(crate) fn token(key: &PrivateKey) -> String {
    sign(key, &claims())
}

/// A token with these claims, signed by the issuer's own implementation.
pub(crate) fn sign(key: &PrivateKey, claims: &Value) -> String {
    key.sign_compact("at+jwt", claims.to_string().as_bytes()).unwrap()
}

/// A token of any two texts, with a good ES256 signature over them.
pub(crate) fn sign_texts(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let key = EncodingKey::from_ec_der(es256().to_pkcs8_der());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

/// A token with this header and good claims, with a good ES256 signature.
pub(crate) fn sign_header(header: &Value) -> String {
    sign_texts(&header.to_string(), &claims().to_string())
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub(crate) fn algorithm(alg: SigningAlg) -> Algorithm {
    let same = |algorithm: &Algorithm| algorithm.as_str() == alg.as_str();
    Algorithm::ALL.into_iter().find(same).unwrap()
}
