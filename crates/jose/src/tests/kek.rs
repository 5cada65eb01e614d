//! Encryption at rest.

use proptest::prelude::*;

use super::{base64url, counter, key};
use crate::{EncryptionKeys, KeyEncryptionKey, KeyError, PrivateKey, SigningAlg, WrapError};

const PURPOSE: &str = "signing-key:a";

fn kek(seed: &'static str) -> KeyEncryptionKey {
    KeyEncryptionKey::generate(&mut counter(seed))
}

#[test]
fn wraps_and_unwraps_a_private_key() {
    let (kek, key) = (kek("a"), key(SigningAlg::Es256));
    let jwe = kek.wrap(PURPOSE, key.to_pkcs8_der()).unwrap();
    let der = kek.unwrap(PURPOSE, &jwe).unwrap();
    assert_eq!(
        PrivateKey::from_pkcs8_der(&der, SigningAlg::Es256).unwrap().kid(),
        key.kid()
    );
    assert_eq!(KeyEncryptionKey::key_id_of(&jwe).as_ref(), Some(kek.id()));
    assert_ne!(
        kek.wrap(PURPOSE, b"a").unwrap(),
        kek.wrap(PURPOSE, b"a").unwrap(),
        "the IV must be fresh"
    );
    for plaintext in [&b""[..], &vec![7; 64 * 1024]] {
        let jwe = kek.wrap(PURPOSE, plaintext).unwrap();
        assert_eq!(kek.unwrap(PURPOSE, &jwe).unwrap().as_slice(), plaintext);
    }
    assert_eq!(
        kek.wrap(PURPOSE, &vec![7; 64 * 1024 + 1]),
        Err(WrapError::TooLong { limit: 64 * 1024 })
    );
}

#[test]
fn another_implementation_reads_the_records() {
    let kek = kek("a");
    let jwe = kek.wrap(PURPOSE, b"secret").unwrap();
    let raw = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, kek.to_base64().as_bytes()).unwrap();
    let decrypter = josekit::jwe::Dir.decrypter_from_bytes(raw).unwrap();
    let (payload, header) = josekit::jwe::deserialize_compact(&jwe, &decrypter).unwrap();
    assert_eq!(payload, b"secret");
    assert_eq!(header.key_id(), Some(kek.id().as_ref()));
    assert_eq!(header.claim("purpose"), Some(&PURPOSE.into()));
}

#[test]
fn reads_base64_of_each_kind_and_names_the_remedy_otherwise() {
    let standard = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let kek = KeyEncryptionKey::from_base64(standard).unwrap();
    // By other means: base64url of the first 8 bytes of SHA-256 over "symbolon kek" and bytes 0 to 31.
    assert_eq!(kek.id().as_ref(), "xzE5zo-C1FY");
    assert_eq!(kek.to_base64().as_str(), standard);
    for text in [standard.trim_end_matches('='), &format!("  {standard}\r\n")] {
        assert_eq!(KeyEncryptionKey::from_base64(text).unwrap().id(), kek.id());
    }
    let high = [0xfb; 31].into_iter().chain([0xff]).collect::<Vec<u8>>();
    let url = KeyEncryptionKey::from_base64(&base64url(&high)).unwrap();
    let plain = KeyEncryptionKey::from_base64(&url.to_base64()).unwrap();
    assert_eq!(url.id(), plain.id());
    for text in [
        "",
        "password",
        &standard[..40],
        &format!("{standard}="),
        &format!("{standard}AAAA"),
        &standard.replace("BgcI", "Bg I"),
        &"00".repeat(32),
        &"A".repeat(1 << 20),
        &base64url([1; 31]),
        &base64url([1; 33]),
    ] {
        assert_eq!(
            KeyEncryptionKey::from_base64(text).unwrap_err(),
            KeyError::KekFormat,
            "{text:.60}"
        );
    }
    assert_eq!(
        KeyEncryptionKey::from_base64(&base64url([0; 32])).unwrap_err(),
        KeyError::KekNotRandom
    );
    assert!(
        KeyError::KekFormat
            .to_string()
            .contains("openssl rand -base64 32")
    );
}

#[test]
fn tells_a_wrong_key_from_a_wrong_place_and_from_damage() {
    let (kek, other) = (kek("a"), kek("b"));
    let jwe = kek.wrap(PURPOSE, b"secret").unwrap();
    assert_eq!(
        other.unwrap(PURPOSE, &jwe),
        Err(WrapError::WrongKey {
            wanted: kek.id().clone()
        })
    );
    assert_eq!(kek.unwrap("signing-key:b", &jwe), Err(WrapError::WrongPurpose));
    let parts: Vec<&str> = jwe.split('.').collect();
    for part in [2, 3, 4] {
        for at in 0..parts[part].len() {
            let mut changed = parts[part].to_owned();
            let other = if &changed[at..=at] == "A" { "B" } else { "A" };
            changed.replace_range(at..=at, other);
            let mut all = parts.clone();
            all[part] = &changed;
            assert_eq!(kek.unwrap(PURPOSE, &all.join(".")), Err(WrapError::Corrupt));
        }
    }
}

#[test]
fn rejects_a_record_relabelled_for_another_key_or_place() {
    let (kek, other) = (kek("a"), kek("b"));
    let jwe = kek.wrap(PURPOSE, b"secret").unwrap();
    let relabel = |id: &str, purpose: &str| {
        let header = format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"{id}","purpose":"{purpose}"}}"#);
        format!("{}{}", base64url(header), &jwe[jwe.find('.').unwrap()..])
    };
    assert_eq!(relabel(kek.id().as_ref(), PURPOSE), jwe);
    assert_eq!(
        kek.unwrap("signing-key:b", &relabel(kek.id().as_ref(), "signing-key:b")),
        Err(WrapError::Corrupt)
    );
    assert_eq!(
        other.unwrap(PURPOSE, &relabel(other.id().as_ref(), PURPOSE)),
        Err(WrapError::Corrupt)
    );
}

#[test]
fn rejects_truncated_tags_and_ivs() {
    let kek = kek("a");
    let jwe = kek.wrap(PURPOSE, b"secret").unwrap();
    let parts: Vec<&str> = jwe.split('.').collect();
    for len in [0, 2, 4, 6, 8, 16, 20] {
        for part in [2, 4] {
            let mut all = parts.clone();
            if len < all[part].len() {
                all[part] = &all[part][..len];
                assert_eq!(
                    kek.unwrap(PURPOSE, &all.join(".")),
                    Err(WrapError::Corrupt),
                    "{part} {len}"
                );
            }
        }
    }
}

#[test]
fn rejects_other_headers_before_any_work() {
    let kek = kek("a");
    let (id, rest) = (kek.id(), "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
    for header in [
        format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"{id}","purpose":"{PURPOSE}","zip":"DEF"}}"#),
        format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"{id}","purpose":"{PURPOSE}","p2c":2147483647}}"#),
        format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"{id}","kid":"{id}","purpose":"{PURPOSE}"}}"#),
        format!(r#"{{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","kid":"{id}","purpose":"{PURPOSE}"}}"#),
        format!(r#"{{"alg":"dir","enc":"A128CBC-HS256","kid":"{id}","purpose":"{PURPOSE}"}}"#),
        format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"","purpose":"{PURPOSE}"}}"#),
        format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"{id}"}}"#),
        "{}".to_owned(),
        String::new(),
    ] {
        let jwe = format!("{}{rest}", base64url(&header));
        assert_eq!(kek.unwrap(PURPOSE, &jwe), Err(WrapError::Corrupt), "{header}");
        assert_eq!(KeyEncryptionKey::key_id_of(&jwe), None, "{header}");
    }
    let jwe = kek.wrap(PURPOSE, b"secret").unwrap();
    for text in [
        "",
        ".",
        "....",
        &".".repeat(1_000_000),
        &format!("{jwe}."),
        &format!("{jwe}\n"),
        &jwe.replace("..", ".AAAA."),
    ] {
        assert_eq!(kek.unwrap(PURPOSE, text), Err(WrapError::Corrupt));
    }
}

#[test]
fn bounds_the_purpose() {
    let kek = kek("a");
    for purpose in ["", "a b", "a\"b", "é", &"a".repeat(193)] {
        assert_eq!(kek.wrap(purpose, b""), Err(WrapError::Purpose));
        assert_eq!(kek.unwrap(purpose, ""), Err(WrapError::Purpose));
    }
}

#[test]
fn debug_shows_the_id_alone() {
    let kek = kek("a");
    assert_eq!(
        format!("{kek:?}"),
        format!("KeyEncryptionKey {{ id: {:?}, .. }}", kek.id())
    );
}

proptest! {
    #[test]
    fn no_text_makes_unwrap_panic(text in "(eyJ[A-Za-z0-9_-]{0,60}|\\.|\\PC){0,20}") {
        prop_assert_eq!(kek("a").unwrap(PURPOSE, &text), Err(WrapError::Corrupt));
    }
}

#[test]
fn a_previous_key_opens_and_never_encrypts() {
    let keys = EncryptionKeys::new(kek("b"), vec![kek("c"), kek("a")]);
    let old = kek("a").wrap(PURPOSE, b"secret").unwrap();
    assert_eq!(&**keys.unwrap(PURPOSE, &old).unwrap(), b"secret");
    let new = keys.rewrap(PURPOSE, &old).unwrap().unwrap();
    assert_eq!(&**kek("b").unwrap(PURPOSE, &new).unwrap(), b"secret");
    assert_eq!(keys.rewrap(PURPOSE, &new), Ok(None));
    assert_eq!(keys.rewrap("other", &new), Err(WrapError::WrongPurpose));
    assert_eq!(
        keys.unwrap(PURPOSE, &kek("d").wrap(PURPOSE, b"secret").unwrap()),
        Err(WrapError::WrongKey {
            wanted: kek("d").id().clone()
        })
    );
}
