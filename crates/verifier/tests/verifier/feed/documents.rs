//! Documents that nobody may make a verifier believe: J1 to J6 of what is known of hostile tokens, and what is the feed's
//! own.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use symbolon_jose::{PrivateKey, SigningAlg};
use symbolon_verifier::feed::{Batch, Document, FeedKeys, Head, Snapshot, read};
use symbolon_verifier::{KeySetError, RevocationKind};

use super::{
    History, LOG, at, batch_json, block, feed_key, signed, signed_batch, signed_head, signed_snapshot,
    stranger,
};
use crate::support::{ISSUER, decode, encode, es256, jwks, key};

fn keys() -> FeedKeys {
    FeedKeys::from_json(jwks(&[&feed_key()]).as_bytes()).unwrap()
}

fn refusal<D: Document>(text: &str) -> &'static str {
    match read::<D>(text, ISSUER, &keys()) {
        Ok(_) => panic!("it must be refused: {text:.200}"),
        Err(error) => error.reason(),
    }
}

fn log() -> History {
    History::new(LOG).with([block(RevocationKind::Key, "k"), stranger(1), stranger(2)])
}

fn head() -> Value {
    json!(log().head(at(0)))
}

fn header() -> Value {
    let key = feed_key();
    json!({ "alg": "EdDSA", "kid": key.kid().as_str(), "typ": "revocation-head+jwt" })
}

/// Any two texts with a good signature of the feed's key.
fn sign_texts(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let key = EncodingKey::from_ed_der(feed_key().to_pkcs8_der());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[test]
fn reads_what_the_issuer_signs() {
    let log = log();
    let head: Head = read(&signed_head(&log.head(at(0))), ISSUER, &keys()).unwrap();
    assert_eq!(head, log.head(at(0)));
    let batch: Batch = read(&signed_batch(&log.batch(0, 3)), ISSUER, &keys()).unwrap();
    assert_eq!(batch, log.batch(0, 3));
    assert_eq!(batch.tips.len(), 2);
    let snapshot: Snapshot = read(&signed_snapshot(&log.snapshot(at(0))), ISSUER, &keys()).unwrap();
    assert_eq!(snapshot, log.snapshot(at(0)));
    // Members that are not known are ignored.
    let more = signed(
        "revocation-head+jwt",
        &with(json!(log.head(at(0))), "x", json!([{"a": 1}])),
    );
    assert!(read::<Head>(&more, ISSUER, &keys()).is_ok());
    let plain = sign_texts(&header().to_string(), &json!(log.head(at(0))).to_string());
    assert!(read::<Head>(&plain, ISSUER, &keys()).is_ok());
}

#[test]
fn j1_algorithms_that_are_none() {
    for alg in ["none", "None", "", "eddsa", "Ed25519", "ES256", "RS256", "HS256"] {
        let text = sign_texts(
            &with(header(), "alg", json!(alg)).to_string(),
            &head().to_string(),
        );
        assert_eq!(refusal::<Head>(&text), "algorithm", "{alg:?}");
        let unsigned = &text[..=text.rfind('.').unwrap()];
        assert_eq!(refusal::<Head>(unsigned), "algorithm", "{alg:?}");
    }
    let good = signed_head(&log().head(at(0)));
    assert_eq!(refusal::<Head>(&good[..=good.rfind('.').unwrap()]), "signature");
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jwk", json!(feed_key().public().jwk())),
        ("jku", json!("https://evil.example")),
        ("x5c", json!([])),
    ] {
        let text = sign_texts(&with(header(), name, value).to_string(), &head().to_string());
        assert_eq!(refusal::<Head>(&text), "header", "{name}");
    }
}

#[test]
fn j2_the_public_key_is_no_secret() {
    let key = feed_key();
    let pem = key.public().to_pem();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64_STANDARD.decode(body).unwrap();
    for secret in [pem.as_bytes(), &der, b""] {
        let header = with(header(), "alg", json!("HS256"));
        let message = format!("{}.{}", encode(header.to_string()), encode(head().to_string()));
        let secret = EncodingKey::from_secret(secret);
        let algorithm = jsonwebtoken::Algorithm::HS256;
        let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, algorithm).unwrap();
        assert_eq!(refusal::<Head>(&format!("{message}.{mac}")), "algorithm");
    }
}

/// A key for tokens signs no feed, also where it has the right algorithm and claims the right `kid`.
#[test]
fn j3_keys_that_are_not_those_of_the_feed() {
    let payload = head().to_string();
    let of = |key: &PrivateKey| {
        key.sign_compact("revocation-head+jwt", payload.as_bytes())
            .unwrap()
    };
    assert_eq!(refusal::<Head>(&of(&key(SigningAlg::EdDsa, 3))), "key_unknown");
    assert_eq!(refusal::<Head>(&of(es256())), "algorithm");
    let forged = of(&key(SigningAlg::EdDsa, 3));
    let (_, rest) = forged.split_once('.').unwrap();
    let forged = format!("{}.{rest}", encode(header().to_string()));
    assert_eq!(refusal::<Head>(&forged), "signature");
    // A set of the feed's keys has no others.
    let mixed = FeedKeys::from_json(jwks(&[&feed_key(), es256()]).as_bytes()).unwrap();
    assert_eq!(
        read::<Head>(&of(es256()), ISSUER, &mixed).unwrap_err().reason(),
        "algorithm"
    );
    let none = FeedKeys::from_json(jwks(&[es256()]).as_bytes());
    assert_eq!(none.unwrap_err(), KeySetError::Empty);
}

#[test]
fn j4_members_of_the_wrong_type_or_absent() {
    let good = head();
    for name in ["iss", "log", "seq", "as_of", "max_stale"] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(
            refusal::<Head>(&signed("revocation-head+jwt", &without)),
            "claim",
            "{name}"
        );
        for wrong in [
            json!(null),
            json!(true),
            json!(-1),
            json!(1.5),
            json!([]),
            json!(""),
        ] {
            let text = signed("revocation-head+jwt", &with(good.clone(), name, wrong.clone()));
            let reason = refusal::<Head>(&text);
            assert!(
                reason == "claim" || (name == "iss" && reason == "issuer"),
                "{name} = {wrong}"
            );
        }
    }
    for tip in [
        json!(null),
        json!("AAAA"),
        json!(7),
        json!("AAAAAAAAAAAAAAAAAAAAKg=="),
    ] {
        let text = signed("revocation-head+jwt", &with(good.clone(), "tip", tip));
        assert_eq!(refusal::<Head>(&text), "claim");
    }
    for number in ["1e400", "18446744073709551616", "-0.0"] {
        let payload = good
            .to_string()
            .replace("\"seq\":3", &format!("\"seq\":{number}"));
        assert_ne!(payload, good.to_string());
        let reason = refusal::<Head>(&sign_texts(&header().to_string(), &payload));
        assert!(reason == "claim" || reason == "malformed", "{number}: {reason}");
    }
}

#[test]
fn j5_documents_and_tokens_are_not_taken_for_each_other() {
    let log = log();
    let (head, batch, snapshot) = (
        json!(log.head(at(0))),
        batch_json(&log.batch(0, 3)),
        json!(log.snapshot(at(0))),
    );
    let types = [
        "revocation-head+jwt",
        "revocation-batch+jwt",
        "revocation-snapshot+jwt",
        "at+jwt",
        "JWT",
        "jwt",
    ];
    for typ in types {
        let is = |expected: &str, reason: &dyn Fn() -> &'static str| {
            if typ != expected {
                assert_eq!(reason(), "type", "{typ} for {expected}");
            }
        };
        is(types[0], &|| refusal::<Head>(&signed(typ, &head)));
        is(types[1], &|| refusal::<Batch>(&signed(typ, &batch)));
        is(types[2], &|| refusal::<Snapshot>(&signed(typ, &snapshot)));
    }
}

#[test]
fn j6_repeated_members_and_key_ids_that_are_more_than_a_name() {
    let payload = head().to_string();
    for (name, value) in [
        ("seq", "1"),
        ("\\u0073eq", "99"),
        ("iss", "\"x\""),
        ("unknown", "{\"a\":1,\"a\":2}"),
    ] {
        let twice = payload.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        assert_eq!(
            refusal::<Head>(&sign_texts(&header().to_string(), &twice)),
            "malformed",
            "{name}"
        );
    }
    let twice = payload.replacen('{', "{\"x\":1,\"x\":1,", 1);
    assert_eq!(
        refusal::<Head>(&sign_texts(&header().to_string(), &twice)),
        "malformed"
    );
    for kid in ["../../dev/null", "' OR '1'='1", "", "a b"] {
        let text = sign_texts(&with(header(), "kid", json!(kid)).to_string(), &payload);
        assert_eq!(refusal::<Head>(&text), "header", "{kid:?}");
    }
    let huge = with(header(), "kid", json!("k".repeat(1 << 20)));
    assert_eq!(
        refusal::<Snapshot>(&sign_texts(&huge.to_string(), &payload)),
        "too_long"
    );
}

#[test]
fn j6_eddsa_signatures_that_are_not_canonical() {
    let good = signed_head(&log().head(at(0)));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = decode(signature);
    let (r, s) = signature.split_at(32);
    let zero = [0; 32];
    for bad in [
        [r, &zero].concat(),
        [&zero, s].concat(),
        [&zero[..], &zero].concat(),
        [r, &[0xff; 32]].concat(),
        [r, s, &[0]].concat(),
        r.to_vec(),
        vec![],
    ] {
        assert_eq!(
            refusal::<Head>(&format!("{message}.{}", encode(bad))),
            "signature"
        );
    }
}

#[test]
fn feeds_of_other_issuers() {
    for iss in ["https://as.example", "https://as.example/tenant/", ""] {
        let text = signed("revocation-head+jwt", &with(head(), "iss", json!(iss)));
        assert_eq!(refusal::<Head>(&text), "issuer", "{iss}");
    }
}

/// Whoever skips what they do not understand accepts what it revokes.
#[test]
fn entries_that_are_not_understood_make_the_document_invalid() {
    let log = log();
    for bad in [
        json!(["pardon", "4ZmVWuGZJx9GSQ-fQVeAKQ", null]),
        json!(["block", "4ZmVWuGZJx9GSQ-fQVeAKQ", null, 1]),
        json!(["block", "4ZmVWuGZJx9GSQ-fQVeAK", null]),
        json!(["cutoff", "4ZmVWuGZJx9GSQ-fQVeAKQ", null, "1"]),
        json!({}),
        json!(null),
    ] {
        let mut batch = batch_json(&log.batch(0, 3));
        batch["entries"][1] = bad.clone();
        assert_eq!(
            refusal::<Batch>(&signed("revocation-batch+jwt", &batch)),
            "claim",
            "{bad}"
        );
        let mut snapshot = json!(log.snapshot(at(0)));
        snapshot["entries"][1] = bad.clone();
        assert_eq!(
            refusal::<Snapshot>(&signed("revocation-snapshot+jwt", &snapshot)),
            "claim",
            "{bad}"
        );
    }
}

#[test]
fn batches_that_can_not_be() {
    let good = batch_json(&log().batch(1, 3));
    let entry = json!(["block", "4ZmVWuGZJx9GSQ-fQVeAKQ", null]);
    for (name, value) in [
        ("from", json!(3)),
        ("from", json!(4)),
        ("to", json!(0)),
        ("entries", json!([entry, entry, entry])),
        ("tips", json!([null, null])),
        ("tips", json!([7])),
        ("tips", json!(null)),
    ] {
        let text = signed("revocation-batch+jwt", &with(good.clone(), name, value.clone()));
        assert_eq!(refusal::<Batch>(&text), "claim", "{name} = {value}");
    }
    let many: Vec<_> = (0..4097).map(|_| entry.clone()).collect();
    let many = json!({ "iss": ISSUER, "log": LOG, "from": 0, "to": 5000, "entries": many });
    assert_eq!(refusal::<Batch>(&signed("revocation-batch+jwt", &many)), "claim");
}

#[test]
fn documents_are_bounded() {
    let long = |typ: &str, len: usize| signed(typ, &json!({ "iss": ISSUER, "x": "x".repeat(len) }));
    assert_eq!(
        refusal::<Head>(&long("revocation-head+jwt", 8 * 1024)),
        "too_long"
    );
    assert_eq!(
        refusal::<Batch>(&long("revocation-batch+jwt", 512 * 1024)),
        "too_long"
    );
    assert_eq!(refusal::<Snapshot>(&"x".repeat(64 * 1024 * 1024 + 1)), "too_long");
    for text in ["", ".", "..", "a.b", "a.b.c.d", "a.b.c", "{}", "é.é.é"] {
        assert_eq!(refusal::<Head>(text), "malformed", "{text}");
    }
}

/// The last character of a part has bits that say nothing, and a body may end in a line feed: a document has one spelling.
#[test]
fn a_document_has_one_spelling() {
    let good = signed_head(&log().head(at(0)));
    for other in [
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}="),
        good.to_lowercase(),
    ] {
        assert!(read::<Head>(&other, ISSUER, &keys()).is_err());
    }
}
