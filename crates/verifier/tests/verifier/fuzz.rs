//! Texts that nobody thought of: none may be accepted unless it is the good token, and none may cause a panic.

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};
use symbolon_verifier::{Claims, KeySet, Refused, Verifier};

use crate::support::{ISSUER, NOW, claims, es256, header, sign_texts, token, verifier};

fn verify(verifier: &Verifier, token: &str) -> Result<Claims, Refused> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(verifier.verify(token))
        .map(|claims| (*claims).clone())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!(NOW)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(512) })]

    #[test]
    fn any_text(text in ".{0,200}") {
        prop_assert!(verify(&verifier(&[es256()]), &text).is_err());
    }

    #[test]
    fn any_three_segments(a in "[A-Za-z0-9_=-]{0,60}", b in "[A-Za-z0-9_-]{0,60}", c in "[A-Za-z0-9_-]{0,90}") {
        let text = [a, b, c].join(".");
        prop_assert!(verify(&verifier(&[es256()]), &text).is_err());
    }

    #[test]
    fn any_texts_that_are_signed(header in ".{0,80}", payload in ".{0,80}") {
        prop_assert!(verify(&verifier(&[es256()]), &sign_texts(&header, &payload)).is_err());
    }

    #[test]
    fn a_good_token_with_one_change(at in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let good = token(es256());
        let at = at.index(good.len());
        let mut bytes = good.clone().into_bytes();
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(verify(&verifier(&[es256()]), &changed).is_ok(), changed == good);
    }

    #[test]
    fn a_good_token_that_is_cut(at in any::<prop::sample::Index>()) {
        let good = token(es256());
        let cut = &good[..at.index(good.len())];
        prop_assert!(verify(&verifier(&[es256()]), cut).is_err());
    }

    /// Whatever a header member becomes: it is accepted only where it means the same.
    #[test]
    fn any_header_member(name in "alg|typ|kid|crit|b64|jwk|jku|x5c|x5u|zip|[a-z]{1,5}", value in json_value()) {
        let mut header = header(es256());
        let known = header.get(&name).cloned();
        header[&name] = value.clone();
        let outcome = verify(&verifier(&[es256()]), &sign_texts(&header.to_string(), &claims().to_string()));
        let harmless = match known {
            Some(good) => good == value,
            None => !["crit", "b64", "jwk", "jku", "x5c", "x5u", "zip", "enc", "epk"].contains(&&*name),
        };
        prop_assert_eq!(outcome.is_ok(), harmless, "{:?}", outcome);
    }

    /// Whatever a claim becomes: what is accepted has the types and the meaning that were asked for.
    #[test]
    fn any_claim(name in "iss|sub|aud|exp|iat|nbf|jti|client_id|scope|sid|cnf|[a-z]{1,5}", value in json_value()) {
        let mut claims = claims();
        claims[&name] = value.clone();
        let payload = claims.to_string();
        let outcome = verify(&verifier(&[es256()]), &sign_texts(&header(es256()).to_string(), &payload));
        match (&*name, outcome) {
            ("iss" | "sub" | "aud" | "jti" | "sid" | "cnf", outcome) => prop_assert!(outcome.is_err()),
            ("exp" | "iat" | "nbf", Ok(accepted)) => {
                prop_assert!(value.is_u64());
                prop_assert!(accepted.expires.as_secs() + 10 > NOW && accepted.issued.as_secs() <= NOW + 10);
            }
            ("client_id" | "scope", Ok(_)) => prop_assert!(value.is_string()),
            (_, Ok(accepted)) => {
                prop_assert_eq!(accepted.issuer, ISSUER);
                prop_assert_eq!(accepted.other.len(), 1);
            }
            (_, Err(_)) => {}
        }
    }

    #[test]
    fn any_key_set(text in ".{0,200}", keys in prop::collection::vec(json_value(), 0..4)) {
        prop_assert!(KeySet::from_json(text.as_bytes()).is_err());
        let set = json!({ "keys": keys }).to_string();
        prop_assert!(KeySet::from_json(set.as_bytes()).is_err());
    }

    /// A key set with any change to its key is refused or still does no harm.
    #[test]
    fn any_member_of_a_key(name in "kty|crv|alg|use|key_ops|kid|x|y|d|n|e|k", value in json_value()) {
        let mut jwk = serde_json::to_value(es256().public().jwk()).unwrap();
        jwk[&name] = value;
        if let Ok(set) = KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()) {
            let verifier = crate::support::builder().build_with_keys(set).unwrap();
            let _ = verify(&verifier, &token(es256()));
        }
    }
}
