//! Import of private JWKs: what is read, and the message of each refusal.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{base64url, key, rsa_numbers};
use crate::{KeyError, PrivateKey, SigningAlg};

/// The fixtures in the order RSA, P-256, P-384, Ed25519, as WebCrypto writes them.
const WEB_CRYPTO: [&str; 4] = [
    fixture!("rsa2048_webcrypto.jwk"),
    fixture!("p256_webcrypto.jwk"),
    fixture!("p384_webcrypto.jwk"),
    fixture!("ed25519_webcrypto.jwk"),
];

fn import(text: &str) -> Result<PrivateKey, KeyError> {
    let result = PrivateKey::from_text(text, SigningAlg::Ps256);
    assert_eq!(
        PrivateKey::from_jwk(text, SigningAlg::Ps256).err(),
        result.as_ref().err().cloned()
    );
    result
}

fn message(text: &str) -> String {
    import(text).unwrap_err().to_string()
}

fn rsa() -> Value {
    let mut jwk = json!({"kty": "RSA"});
    for (member, number) in ["n", "e", "d", "p", "q"].into_iter().zip(rsa_numbers()) {
        jwk[member] = json!(base64url(number));
    }
    jwk
}

fn fixture(index: usize) -> Value {
    serde_json::from_str(WEB_CRYPTO[index]).unwrap()
}

fn p256() -> Value {
    fixture(1)
}

fn ed25519() -> Value {
    fixture(3)
}

/// The JWK with other values; null takes a member away.
fn with(mut jwk: Value, members: Value) -> String {
    let object = jwk.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => _ = object.remove(name),
            value => _ = object.insert(name.clone(), value.clone()),
        }
    }
    jwk.to_string()
}

#[test]
fn reads_what_webcrypto_writes_as_the_same_key_as_pem() {
    for ((jwk, pem), alg) in WEB_CRYPTO
        .into_iter()
        .zip([
            fixture!("rsa2048_pkcs8.pem"),
            fixture!("p256_pkcs8.pem"),
            fixture!("p384_pkcs8.pem"),
            fixture!("ed25519_pkcs8.pem"),
        ])
        .zip([
            SigningAlg::Rs256,
            SigningAlg::Es256,
            SigningAlg::Es384,
            SigningAlg::EdDsa,
        ])
    {
        let from_jwk = import(jwk).unwrap();
        let from_pem = PrivateKey::from_text(pem, SigningAlg::Rs256).unwrap();
        assert_eq!(from_jwk.alg(), alg);
        assert_eq!(from_jwk.public().jwk(), from_pem.public().jwk());
        assert_eq!(from_jwk.to_pkcs8_der(), from_pem.to_pkcs8_der());
    }
}

#[test]
fn reads_the_private_keys_of_rfc_7515_and_rfc_8037() {
    for (jwk, kid) in [
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#,
            "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        ),
    ] {
        assert_eq!(import(jwk).unwrap().kid().as_str(), kid);
    }
}

#[test]
fn alg_decides_for_an_rsa_key_and_the_argument_where_it_is_absent() {
    for (member, argument, wanted) in [
        (json!("RS256"), SigningAlg::Ps256, SigningAlg::Rs256),
        (json!("PS256"), SigningAlg::Rs256, SigningAlg::Ps256),
        (json!("PS256"), SigningAlg::Es256, SigningAlg::Ps256),
        (Value::Null, SigningAlg::Rs256, SigningAlg::Rs256),
        (Value::Null, SigningAlg::Ps256, SigningAlg::Ps256),
    ] {
        let jwk = with(rsa(), json!({"alg": member}));
        assert_eq!(PrivateKey::from_jwk(&jwk, argument).unwrap().alg(), wanted);
    }
    let error = PrivateKey::from_jwk(&rsa().to_string(), SigningAlg::Es256).unwrap_err();
    assert_eq!(error.to_string(), "an RSA key can't be used for ES256");
    for alg in ["EdDSA", "Ed25519"] {
        let key = import(&with(ed25519(), json!({"alg": alg}))).unwrap();
        assert_eq!(key.alg(), SigningAlg::EdDsa);
    }
}

#[test]
fn ignores_kid_and_members_that_nobody_knows() {
    let kid = import(&p256().to_string()).unwrap().kid().clone();
    for members in [
        json!({"kid": "their-key-1"}),
        json!({"kid": "../../etc/passwd"}),
        json!({"kid": 7}),
        json!({"nbf": 1, "exp": 2, "x5t": "a", "x5c": ["no certificate"], "comment": {"deep": [[[]]]}}),
        json!({"use": "sig", "key_ops": ["verify", "sign"]}),
        json!({"use": null, "key_ops": null, "ext": null}),
    ] {
        assert_eq!(import(&with(p256(), members)).unwrap().kid(), &kid);
    }
}

#[test]
fn computes_the_crt_values_of_an_rsa_key_anew() {
    let plain = import(&rsa().to_string()).unwrap();
    let wrong = with(rsa(), json!({"dp": "AQ", "dq": "AQ", "qi": "AQ"}));
    assert_eq!(import(&wrong).unwrap().to_pkcs8_der(), plain.to_pkcs8_der());
    assert_eq!(plain.kid(), key(SigningAlg::Ps256).kid());
}

#[test]
fn tolerates_white_space_and_a_byte_order_mark_and_reads_a_set_of_one() {
    let jwk = p256();
    let kid = import(&jwk.to_string()).unwrap().kid().clone();
    for text in [
        format!("\n\t {jwk}\r\n"),
        format!("{jwk:#}"),
        json!({"keys": [jwk]}).to_string(),
        json!({"keys": [jwk], "comment": "exported"}).to_string(),
    ] {
        assert_eq!(import(&text).unwrap().kid(), &kid);
    }
    let marked = PrivateKey::from_text(&format!("\u{feff}\n{jwk}"), SigningAlg::Ps256);
    assert_eq!(marked.unwrap().kid(), &kid);
}

const PUBLIC: &str = "the file holds a public key; give the private key";
const CONTRADICTION: &str = "the parts of the key contradict each other";
const ALG: &str =
    "the JWK member `alg` names no supported algorithm; use one of ES256, ES384, EdDSA, PS256, RS256";
const ONE_KEY: &str = "the JWK set must hold exactly one key; give the private key alone";
const NOT_OBJECT: &str = "a JWK must be a JSON object with at most 32 members";
const REPEATED: &str = "the JWK holds a member more than once; each may occur once";

fn member(name: &str) -> String {
    format!("the JWK member `{name}` is missing or malformed")
}

#[test]
fn names_what_is_wrong_with_the_text() {
    let text = p256().to_string();
    let many: serde_json::Map<String, Value> = (0..33).map(|i| (format!("m{i}"), json!(i))).collect();
    let syntax = |line, column| format!("the JWK is not well-formed JSON: line {line}, column {column}");
    for (text, wanted) in [
        ("{".to_owned(), syntax(1, 1)),
        (text[..text.len() - 1].to_owned(), syntax(1, text.len() - 1)),
        (format!("{text}{text}"), syntax(1, text.len() + 1)),
        ("{\n  kty: 'EC'}".to_owned(), syntax(2, 3)),
        (
            text.replace("\"ext\":true", "\"ext\":tru"),
            syntax(1, text.find("true").unwrap() + 4),
        ),
        (text.replacen('{', r#"{"d":"AA","#, 1), REPEATED.to_owned()),
        (text.replacen('{', r#"{"\u0064":"AA","#, 1), REPEATED.to_owned()),
        (
            text.replacen('{', r#"{"kid":"a","kid":"a","#, 1),
            REPEATED.to_owned(),
        ),
        (Value::Object(many).to_string(), NOT_OBJECT.to_owned()),
        (
            format!("{text}{}", " ".repeat(64 * 1024)),
            "the input is longer than 65536 bytes; that is no key".to_owned(),
        ),
        (json!({"keys": []}).to_string(), ONE_KEY.to_owned()),
        (
            json!({"keys": [p256(), ed25519()]}).to_string(),
            ONE_KEY.to_owned(),
        ),
        (json!({"keys": ["a"]}).to_string(), NOT_OBJECT.to_owned()),
        (json!({"keys": [{"keys": [p256()]}]}).to_string(), member("kty")),
        (json!({"keys": p256()}).to_string(), member("keys")),
        (
            r#"{"keys":[{"kty":"EC","kty":"EC"}]}"#.to_owned(),
            REPEATED.to_owned(),
        ),
        (json!({}).to_string(), member("kty")),
    ] {
        assert_eq!(message(&text), wanted, "{text:.80}");
    }
    let array = PrivateKey::from_jwk("[]", SigningAlg::Ps256).unwrap_err();
    assert_eq!(array.to_string(), NOT_OBJECT);
    let deep = format!(r#"{{"kty":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(message(&deep), member("kty"));
}

#[test]
fn names_the_kind_of_key_that_is_refused() {
    let curve = |name: &str| format!("the curve {name} is not supported; use P-256, P-384 or Ed25519");
    let algorithm = |name: &str| {
        format!("the key algorithm {name} is not supported; use RSA, EC on P-256 or P-384, or Ed25519")
    };
    let symmetric = "the JWK holds a symmetric key; give the private key of a pair: RSA, EC or Ed25519";
    let mismatch = |key: &str, alg: &str| format!("{key} key can't be used for {alg}");
    let not_signing = |name: &str| {
        format!("the JWK member `{name}` says that the key does not sign; give a key for signatures")
    };
    for (text, wanted) in [
        (with(p256(), json!({"d": null})), PUBLIC.to_owned()),
        (with(ed25519(), json!({"d": null})), PUBLIC.to_owned()),
        (
            with(rsa(), json!({"d": null, "p": null, "q": null})),
            PUBLIC.to_owned(),
        ),
        (
            serde_json::to_string(key(SigningAlg::Es384).public().jwk()).unwrap(),
            PUBLIC.to_owned(),
        ),
        (
            json!({"kty": "oct", "k": "AAAA"}).to_string(),
            symmetric.to_owned(),
        ),
        (
            json!({"kty": "oct", "k": "AAAA", "alg": "HS256"}).to_string(),
            symmetric.to_owned(),
        ),
        (
            json!({"kty": "AKP", "priv": "AAAA", "alg": "ML-DSA-44"}).to_string(),
            algorithm("AKP"),
        ),
        (json!({"kty": "ec"}).to_string(), algorithm("ec")),
        (json!({"kty": "\u{7f}"}).to_string(), algorithm("with this name")),
        (
            json!({"kty": "A".repeat(41)}).to_string(),
            algorithm("with this name"),
        ),
        (with(p256(), json!({"crv": "P-521"})), curve("P-521")),
        (with(p256(), json!({"crv": "secp256k1"})), curve("secp256k1")),
        (with(ed25519(), json!({"crv": "Ed448"})), curve("Ed448")),
        (with(ed25519(), json!({"crv": "X25519"})), curve("X25519")),
        (with(p256(), json!({"crv": "Ed25519"})), CONTRADICTION.to_owned()),
        (with(ed25519(), json!({"crv": "P-256"})), CONTRADICTION.to_owned()),
        (with(p256(), json!({"use": "enc"})), not_signing("use")),
        (with(p256(), json!({"use": ""})), not_signing("use")),
        (with(p256(), json!({"use": 1})), member("use")),
        (
            with(p256(), json!({"key_ops": ["verify"]})),
            not_signing("key_ops"),
        ),
        (with(p256(), json!({"key_ops": []})), not_signing("key_ops")),
        (with(p256(), json!({"key_ops": "sign"})), member("key_ops")),
        (with(p256(), json!({"key_ops": ["sign", 1]})), member("key_ops")),
        (
            with(p256(), json!({"alg": "ES384"})),
            mismatch("a P-256", "ES384"),
        ),
        (
            with(p256(), json!({"alg": "Ed25519"})),
            mismatch("a P-256", "EdDSA"),
        ),
        (with(rsa(), json!({"alg": "ES256"})), mismatch("an RSA", "ES256")),
        (
            with(ed25519(), json!({"alg": "RS256"})),
            mismatch("an Ed25519", "RS256"),
        ),
        (with(rsa(), json!({"alg": "RS512"})), ALG.to_owned()),
        (with(rsa(), json!({"alg": "RSA-OAEP"})), ALG.to_owned()),
        (with(p256(), json!({"alg": "none"})), ALG.to_owned()),
        (with(p256(), json!({"alg": "es256"})), ALG.to_owned()),
        (with(p256(), json!({"alg": ["ES256"]})), member("alg")),
    ] {
        assert_eq!(message(&text), wanted, "{text:.80}");
    }
}

#[test]
fn names_the_member_that_is_missing_or_malformed() {
    for (index, members) in [
        (0, &["kty", "n", "e", "d", "p", "q"][..]),
        (1, &["kty", "crv", "x", "y", "d"]),
        (2, &["kty", "crv", "x", "y", "d"]),
        (3, &["kty", "crv", "x", "d"]),
    ] {
        for name in members {
            let wanted = member(name);
            let private = ["d", "priv"].contains(name);
            if !(private && index != 0) {
                assert_eq!(message(&with(fixture(index), json!({*name: null}))), wanted);
            }
            for value in [json!(1), json!(true), json!(["AA"]), json!({}), json!(1e300)] {
                assert_eq!(message(&with(fixture(index), json!({*name: value}))), wanted);
            }
            let null = with(fixture(index), json!({*name: "?"})).replace("\"?\"", "null");
            assert_eq!(message(&null), wanted);
            if ["kty", "crv"].contains(name) {
                continue;
            }
            let text = fixture(index)[name].as_str().unwrap().to_owned();
            let escaped = with(fixture(index), json!({*name: "?"})).replace(
                '?',
                &format!("\\u{:04x}{}", u32::from(text.as_bytes()[0]), &text[1..]),
            );
            assert_eq!(message(&escaped), wanted, "an escape");
            for other in [
                String::new(),
                format!("{text}="),
                format!("{text}===="),
                format!(" {text}"),
                format!("{text}\n"),
                text.replacen(&text[..1], "+", 1),
                text.replacen(&text[..1], "/", 1),
                text[..text.len() - 1].to_owned() + "!",
                "A".to_owned(),
                "AA".to_owned(),
                format!("AAAA{text}"),
            ] {
                assert_eq!(
                    message(&with(fixture(index), json!({*name: other}))),
                    wanted,
                    "{other}"
                );
            }
        }
    }
    for name in ["dp", "dq", "qi"] {
        for value in [json!(1), json!(""), json!("AA=="), json!("A+"), json!("AAEB")] {
            assert_eq!(message(&with(rsa(), json!({name: value}))), member(name));
        }
    }
}

#[test]
fn judges_the_numbers_as_those_of_pem() {
    const RANGE: &str =
        "the private number of the EC key must be at least 1 and less than the order of its curve";
    const POINT: &str = "the public key is a weak or invalid point";
    const EXPONENT: &str =
        "the RSA public exponent must be odd and between 65537 and 2^32; make a new key with 65537";
    let primes = "RSA keys with more than two primes are not supported; make a key with two";
    let x = |jwk: Value| jwk["x"].clone();
    let [n, _, d, p, _] = rsa_numbers();
    let changed = |bytes: &[u8], mask: u8| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= mask;
        base64url(bytes)
    };
    let other_point = serde_json::to_value(key(SigningAlg::Es256).public().jwk()).unwrap();
    for (text, wanted) in [
        (with(p256(), json!({"d": base64url([0; 32])})), RANGE),
        (with(p256(), json!({"d": base64url([0xff; 32])})), RANGE),
        (with(p256(), json!({"d": base64url([1; 32])})), CONTRADICTION),
        (with(p256(), json!({"y": x(p256())})), POINT),
        (
            with(p256(), json!({"x": other_point["x"], "y": other_point["y"]})),
            CONTRADICTION,
        ),
        (with(fixture(2), json!({"d": base64url([0; 48])})), RANGE),
        (with(fixture(2), json!({"d": base64url([1; 48])})), CONTRADICTION),
        (with(ed25519(), json!({"d": base64url([1; 32])})), CONTRADICTION),
        (with(ed25519(), json!({"x": base64url([0; 32])})), CONTRADICTION),
        (
            with(rsa(), json!({"n": base64url([0xff; 128])})),
            "the RSA key has 1024 bits; use 2048 to 8192",
        ),
        (
            with(rsa(), json!({"n": base64url([0xff; 4096])})),
            "the RSA key has 32768 bits; use 2048 to 8192",
        ),
        (
            with(rsa(), json!({"n": changed(&n, 1)})),
            "the RSA modulus is even; make a new key",
        ),
        (with(rsa(), json!({"e": "Aw"})), EXPONENT),
        (with(rsa(), json!({"e": "AQAC"})), EXPONENT),
        (with(rsa(), json!({"e": base64url([1; 9])})), EXPONENT),
        (with(rsa(), json!({"n": changed(&n, 2)})), CONTRADICTION),
        (with(rsa(), json!({"d": changed(&d, 2)})), CONTRADICTION),
        (with(rsa(), json!({"p": changed(&p, 2)})), CONTRADICTION),
        (with(rsa(), json!({"p": base64url(&n), "q": "AQ"})), CONTRADICTION),
        (with(rsa(), json!({"d": base64url([0xff; 4096])})), CONTRADICTION),
        (with(rsa(), json!({"oth": []})), primes),
        (with(rsa(), json!({"oth": "none"})), primes),
    ] {
        assert_eq!(message(&text), wanted, "{text:.80}");
    }
}

proptest! {
    /// The first character that is no white space decides who reads the text, so that the message speaks of that form.
    #[test]
    fn the_first_character_tells_a_jwk_from_pem(white in "[ \t\r\n]{0,8}", rest in "\\PC{0,40}") {
        let error = PrivateKey::from_text(&format!("{white}{{{rest}"), SigningAlg::Ps256).unwrap_err();
        prop_assert!(error.to_string().contains("JWK"), "{error}");
    }
}
