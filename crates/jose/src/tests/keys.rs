//! Generation, encoding and judgement of keys.

use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPrivateKey};

use super::{RSA, counter, der, key, rsa_numbers};
use crate::key_material::{PrivateMaterial, PublicMaterial};
use crate::{KeyError, PrivateKey, PublicKey, SigningAlg};

#[test]
fn generated_keys_survive_their_encoding() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        let again = PrivateKey::from_pkcs8_der(key.to_pkcs8_der(), alg).unwrap();
        assert_eq!(
            (again.alg(), again.kid(), again.public().jwk()),
            (alg, key.kid(), key.public().jwk())
        );
        assert_eq!(again.to_pkcs8_der(), key.to_pkcs8_der());
        assert_eq!(key.kid(), &key.public().jwk().thumbprint());
        let signature_len = key.public().signature_len();
        assert_eq!(
            signature_len,
            match alg {
                SigningAlg::Es256 | SigningAlg::EdDsa => 64,
                SigningAlg::Es384 => 96,
                _ => 256,
            }
        );
    }
}

#[test]
fn generated_rsa_keys_have_2048_bits_and_the_usual_exponent() {
    let numbers = RsaPrivateKey::from_pkcs8_der(RSA.to_pkcs8_der()).unwrap();
    assert_eq!(
        (numbers.n().bits(), numbers.e()),
        (2048, &BigUint::from(65537_u32))
    );
}

#[test]
fn generation_uses_the_randomness_given() {
    for alg in [SigningAlg::Es256, SigningAlg::Es384, SigningAlg::EdDsa] {
        let make = |seed| PrivateKey::generate(alg, &mut counter(seed)).unwrap();
        assert_eq!(make("a").kid(), make("a").kid());
        assert_ne!(make("a").kid(), make("b").kid());
    }
}

#[test]
fn generation_rejects_a_source_stuck_at_the_ends_of_the_range() {
    for alg in [SigningAlg::Es256, SigningAlg::Es384] {
        for byte in [0, 0xff] {
            let error = PrivateKey::generate(alg, &mut |buffer| buffer.fill(byte)).unwrap_err();
            assert_eq!(error, KeyError::Randomness);
        }
    }
}

#[test]
fn public_keys_in_spki_are_those_of_the_private_keys() {
    let pairs = [
        (fixture!("rsa2048_pkcs8.pem"), fixture!("rsa2048_public.pem")),
        (fixture!("p256_pkcs8.pem"), fixture!("p256_public.pem")),
        (fixture!("ed25519_pkcs8.pem"), fixture!("ed25519_public.pem")),
    ];
    for (private, pem) in pairs {
        let private = PrivateKey::from_pem(private, SigningAlg::Ps256).unwrap();
        let public = PublicKey::from_spki_der(&der(pem), private.alg()).unwrap();
        assert_eq!(public.to_pem(), pem, "what OpenSSL wrote");
        assert_eq!(public.jwk(), private.public().jwk());
    }
    let error = PublicKey::from_spki_der(&der(fixture!("p256_public.pem")), SigningAlg::Es384).unwrap_err();
    assert_eq!(
        error,
        KeyError::AlgorithmMismatch {
            key: "a P-256",
            alg: SigningAlg::Es384
        }
    );
}

#[test]
fn rejects_a_key_for_the_algorithm_of_another_type() {
    for alg in SigningAlg::ALL {
        for other in SigningAlg::ALL {
            let result = PrivateKey::from_pkcs8_der(key(alg).to_pkcs8_der(), other);
            let both_rsa = [alg, other]
                .iter()
                .all(|a| matches!(a, SigningAlg::Ps256 | SigningAlg::Rs256));
            if alg == other || both_rsa {
                assert_eq!(result.unwrap().alg(), other);
            } else {
                assert!(matches!(result, Err(KeyError::AlgorithmMismatch { alg, .. }) if alg == other));
            }
        }
    }
    let error = PrivateKey::from_pem(fixture!("rsa2048_pkcs8.pem"), SigningAlg::Es256).unwrap_err();
    assert_eq!(
        error,
        KeyError::AlgorithmMismatch {
            key: "an RSA",
            alg: SigningAlg::Es256
        }
    );
}

#[test]
fn rejects_rsa_numbers_that_contradict_each_other() {
    let [n, e, d, p, q] = rsa_numbers();
    assert!(PrivateMaterial::rsa(&n, &e, &d, &p, &q).is_ok());
    let plus = |bytes: &[u8], by: u32| (BigUint::from_bytes_be(bytes) + by).to_bytes_be();
    let one = vec![1];
    let long = [&[1][..], &n].concat();
    for (n, d, p, q) in [
        (&plus(&n, 2), &d, &p, &q),
        (&n, &plus(&d, 2), &p, &q),
        (&n, &d, &plus(&p, 2), &q),
        (&n, &d, &one, &n),
        (&n, &d, &p, &p),
        (&n, &long, &p, &q),
    ] {
        assert_eq!(
            PrivateMaterial::rsa(n, &e, d, p, q).err(),
            Some(KeyError::Inconsistent)
        );
    }
}

#[test]
fn rejects_rsa_primes_that_are_equal_or_composite() {
    let [_, e, d, p, q] = rsa_numbers();
    let [p, q] = [p, q].map(|bytes| BigUint::from_bytes_be(&bytes));
    // de = 1 mod p - 1 holds for n = p * p as well, so that the numbers alone look right.
    let square = (&p * &p).to_bytes_be();
    let equal = PrivateMaterial::rsa(&square, &e, &d, &p.to_bytes_be(), &p.to_bytes_be());
    assert_eq!(equal.err(), Some(KeyError::RsaWeakPrimes));

    // A multiple of three in the place of a prime, with a d that fits it.
    let e = BigUint::from(65537_u32);
    let composite = (0_u32..1000)
        .map(|i| &q + 2 * i)
        .filter(|candidate| candidate % 3_u32 == BigUint::from(0_u32))
        .find_map(|candidate| RsaPrivateKey::from_p_q(p.clone(), candidate, e.clone()).ok())
        .unwrap();
    let der = composite.to_pkcs8_der().unwrap();
    assert_eq!(
        PrivateKey::from_pkcs8_der(der.as_bytes(), SigningAlg::Rs256).unwrap_err(),
        KeyError::Inconsistent
    );
}

#[test]
fn judges_rsa_size_parity_and_exponent() {
    let odd = |len: usize| [&[0x80][..], &vec![1; len - 1]].concat();
    let judge = |n: &[u8], e: &[u8]| PublicMaterial::rsa(n, e).err();
    let e = [1, 0, 1];
    assert_eq!(judge(&odd(256), &e), None);
    assert_eq!(judge(&odd(1024), &e), None);
    assert_eq!(judge(&[&[0; 3][..], &odd(256)].concat(), &e), None);
    assert_eq!(judge(&odd(255), &e), Some(KeyError::RsaSize { bits: 2040 }));
    assert_eq!(
        judge(&[&[0x7f][..], &odd(256)[1..]].concat(), &e),
        Some(KeyError::RsaSize { bits: 2047 })
    );
    assert_eq!(
        judge(&[&[0; 9][..], &odd(255)].concat(), &e),
        Some(KeyError::RsaSize { bits: 2040 })
    );
    assert_eq!(judge(&odd(1025), &e), Some(KeyError::RsaSize { bits: 8200 }));
    assert_eq!(judge(&[], &e), Some(KeyError::RsaSize { bits: 0 }));
    assert_eq!(
        judge(&[&odd(256)[..255], &[2]].concat(), &e),
        Some(KeyError::RsaModulus)
    );
    for e in [
        &[][..],
        &[1],
        &[3],
        &[1, 0, 0],
        &[1, 0, 2],
        &[1, 0, 0, 0, 1],
        &[0xff; 8],
    ] {
        assert_eq!(judge(&odd(256), e), Some(KeyError::RsaExponent), "{e:?}");
    }
    for e in [&[0, 1, 0, 1][..], &[0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(judge(&odd(256), e), None, "{e:?}");
    }
}

#[test]
fn rejects_ed25519_points_of_small_order_and_odd_encodings() {
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let variant = |change: &dyn Fn(&mut [u8; 32])| {
        let mut point = p;
        change(&mut point);
        point
    };
    let mut one = [0; 32];
    one[0] = 1;
    let points = [
        [0; 32],
        one,
        p,
        variant(&|point| point[0] = 0xec),
        variant(&|point| point[0] = 0xee),
        [0xff; 32],
        hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ];
    for mut point in points {
        for sign in [0, 0x80] {
            point[31] ^= sign;
            assert_eq!(PublicMaterial::ed25519(point).err(), Some(KeyError::Point));
        }
    }
    assert!(PublicMaterial::ed25519(variant(&|point| point[0] = 0xeb)).is_ok());
}

fn hex(text: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

#[test]
fn debug_shows_no_key() {
    let key = key(SigningAlg::Es256);
    let secret: String = key.to_pkcs8_der()[36..68]
        .iter()
        .map(|byte| format!("{byte}, "))
        .collect();
    for text in [
        format!("{key:?}"),
        format!("{key:#?}"),
        format!("{:?}", key.public()),
    ] {
        assert!(text.contains(key.kid().as_str()));
        assert!(!text.contains(&secret) && text.len() < 160, "{text}");
    }
}
