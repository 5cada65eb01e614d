//! JWKs and sets of them.

use serde_json::{Value, json};

use super::key;
use crate::{JwkSet, KeyError, Kid, PublicJwk, PublicKey, SigningAlg};

fn value(alg: SigningAlg) -> Value {
    serde_json::to_value(key(alg).public().jwk()).unwrap()
}

fn with(alg: SigningAlg, member: &str, content: Value) -> Value {
    let mut jwk = value(alg);
    jwk[member] = content;
    jwk
}

fn read(value: Value) -> Result<PublicJwk, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn publishes_public_members_only() {
    for alg in SigningAlg::ALL {
        let value = value(alg);
        let members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted: &[&str] = match alg {
            SigningAlg::Es256 | SigningAlg::Es384 => &["use", "alg", "kid", "crv", "kty", "x", "y"],
            SigningAlg::EdDsa => &["use", "alg", "kid", "crv", "kty", "x"],
            SigningAlg::Ps256 | SigningAlg::Rs256 => &["use", "alg", "kid", "e", "kty", "n"],
        };
        assert_eq!(members, wanted);
        assert_eq!(
            (value["use"].as_str(), value["alg"].as_str()),
            (Some("sig"), Some(alg.as_str()))
        );
    }
}

#[test]
fn sets_survive_their_encoding() {
    let set = JwkSet {
        keys: SigningAlg::ALL
            .map(|alg| key(alg).public().jwk().clone())
            .to_vec(),
    };
    let again: JwkSet = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
    assert_eq!(again, set);
    for jwk in &again.keys {
        assert_eq!(PublicKey::from_jwk(jwk).unwrap().kid(), jwk.kid());
    }
}

#[test]
fn rejects_private_and_symmetric_members() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for alg in [SigningAlg::Es256, SigningAlg::EdDsa, SigningAlg::Rs256] {
            let error = read(with(alg, member, json!("AAAA"))).unwrap_err();
            assert_eq!(error, KeyError::JwkPrivate(member).to_string());
            assert!(read(with(alg, member, Value::Null)).is_err());
        }
    }
    assert!(read(json!({"kty": "oct", "alg": "HS256", "kid": "a"})).is_err());
}

#[test]
fn rejects_repeated_missing_and_malformed_members() {
    let text = value(SigningAlg::Es256).to_string();
    assert!(serde_json::from_str::<PublicJwk>(&text).is_ok());
    assert!(serde_json::from_str::<PublicJwk>(&text.replacen('{', r#"{"kid":"a","#, 1)).is_err());
    for member in ["kty", "crv", "x", "y"] {
        for content in [
            Value::Null,
            json!(1),
            json!(""),
            json!("a b"),
            json!("a\"b"),
            json!("A".repeat(1401)),
        ] {
            let refused = match read(with(SigningAlg::Es256, member, content)) {
                Ok(jwk) => PublicKey::from_jwk(&jwk).is_err(),
                Err(_) => true,
            };
            assert!(refused, "{member}");
        }
        let mut jwk = value(SigningAlg::Es256);
        jwk.as_object_mut().unwrap().remove(member);
        assert!(read(jwk).is_err());
    }
    for (member, content) in [
        ("use", json!("enc")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES384")),
        ("kid", json!("../key")),
        ("kty", json!("RSA")),
        ("crv", json!("P-384")),
        ("crv", json!("P-521")),
        ("crv", json!("secp256k1")),
    ] {
        assert!(
            read(with(SigningAlg::Es256, member, content)).is_err(),
            "{member}"
        );
    }
}

#[test]
fn an_absent_alg_is_implied_by_the_curve_and_by_nothing_else() {
    for alg in SigningAlg::ALL {
        let mut jwk = value(alg);
        jwk.as_object_mut().unwrap().remove("alg");
        match read(jwk) {
            Ok(jwk) => assert_eq!(jwk.alg(), alg),
            Err(error) => {
                assert!(matches!(alg, SigningAlg::Ps256 | SigningAlg::Rs256));
                assert_eq!(error, KeyError::JwkMember("alg").to_string());
            }
        }
    }
}

#[test]
fn keeps_a_foreign_kid_and_fills_in_an_absent_one() {
    let foreign = read(with(SigningAlg::Es256, "kid", json!("their-key-1"))).unwrap();
    assert_eq!(
        PublicKey::from_jwk(&foreign).unwrap().kid(),
        &Kid::parse("their-key-1").unwrap()
    );
    let mut jwk = value(SigningAlg::Es256);
    jwk.as_object_mut().unwrap().remove("kid");
    assert_eq!(read(jwk).unwrap().kid(), key(SigningAlg::Es256).kid());
}

#[test]
fn judges_the_numbers_when_the_key_is_made() {
    let refused = |value| PublicKey::from_jwk(&read(value).unwrap()).unwrap_err();
    let x = value(SigningAlg::Es256)["x"].clone();
    assert_eq!(refused(with(SigningAlg::Es256, "y", x)), KeyError::Point);
    assert_eq!(
        refused(with(SigningAlg::Es256, "x", json!("AAAA"))),
        KeyError::JwkMember("x")
    );
    assert_eq!(
        refused(with(SigningAlg::EdDsa, "x", json!("A".repeat(43)))),
        KeyError::Point
    );
    assert_eq!(
        refused(with(SigningAlg::Rs256, "e", json!("Aw"))),
        KeyError::RsaExponent
    );
    // Leading zeros would give the same key another thumbprint (RFC 7638 section 3.3).
    assert_eq!(
        refused(with(SigningAlg::Rs256, "e", json!("AAEAAQ"))),
        KeyError::JwkMember("e")
    );
    // The last digit has bits to spare: a second spelling of the same bytes.
    let x = value(SigningAlg::EdDsa)["x"].as_str().unwrap().to_owned();
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = digits.find(&x[42..]).unwrap();
    let other = format!("{}{}", &x[..42], &digits[last + 1..last + 2]);
    assert_eq!(
        refused(with(SigningAlg::EdDsa, "x", json!(other))),
        KeyError::JwkMember("x")
    );
}

#[test]
fn bounds_the_number_of_keys() {
    let set = |n: usize| json!({"keys": vec![value(SigningAlg::EdDsa); n]});
    assert_eq!(
        serde_json::from_value::<JwkSet>(set(100)).unwrap().keys.len(),
        100
    );
    assert!(serde_json::from_value::<JwkSet>(set(101)).is_err());
}
