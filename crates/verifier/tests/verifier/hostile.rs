//! Tokens that nobody may get in with.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use symbolon_jose::SigningAlg;
use symbolon_verifier::{
    Claims, KeySet, KeySetError, Refused, RevocationCheck, RevocationKind, UnixMillis, Verdict,
};

use crate::support::{
    AUDIENCE, ISSUER, NOW, algorithm, builder, claims, claims_with, decode, encode, es256, header, key,
    key_set, sign, sign_header, sign_texts, token, verifier,
};

async fn verify(token: &str) -> Result<Claims, Refused> {
    let outcome = verifier(&[es256()]).verify(token).await;
    outcome.map(|claims| (*claims).clone())
}

async fn refusal(token: &str) -> Refused {
    verify(token).await.expect_err("the token must be refused")
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[tokio::test]
async fn accepts_what_the_issuer_signs_with_any_of_its_algorithms() {
    for alg in SigningAlg::ALL {
        let key = key(alg, 11);
        let claims = verifier(&[&key]).verify(&token(&key)).await.unwrap();
        assert_eq!(claims.client_id, "shop", "{alg}");
        assert_eq!(claims.kid, key.kid().as_str());
        assert_eq!(claims.scope.to_string(), "orders:read orders:write");
        assert_eq!(
            (claims.issuer.as_str(), claims.audiences.as_slice()),
            (ISSUER, &[AUDIENCE.to_owned()][..])
        );
    }
    assert!(verify(&sign_header(&header(es256()))).await.is_ok());
}

#[tokio::test]
async fn j1_none_in_any_spelling_and_empty_signatures() {
    for alg in [
        "none", "None", "NONE", "nOnE", "", " ES256", "es256", "ES256\0", "ES512", "HS256", "RS1",
    ] {
        let header = with(header(es256()), "alg", json!(alg));
        let signed = sign_header(&header);
        let unsigned = &signed[..=signed.rfind('.').unwrap()];
        assert_eq!(refusal(&signed).await, Refused::Algorithm, "{alg:?}");
        assert_eq!(refusal(unsigned).await, Refused::Algorithm, "{alg:?}");
    }
    let good = token(es256());
    assert_eq!(
        refusal(&good[..=good.rfind('.').unwrap()]).await,
        Refused::Signature
    );
    assert_eq!(
        refusal(&good[..good.rfind('.').unwrap()]).await,
        Refused::Malformed
    );
    for alg in [json!(null), json!(1), json!(["ES256"])] {
        assert_eq!(
            refusal(&sign_header(&with(header(es256()), "alg", alg))).await,
            Refused::Header("alg")
        );
    }
}

#[tokio::test]
async fn j1_critical_extensions_and_unencoded_payloads() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("epk", json!({})),
    ] {
        let header = with(header(es256()), name, value);
        assert_eq!(refusal(&sign_header(&header)).await, Refused::Header(name));
    }
    let unencoded = with(with(header(es256()), "b64", json!(false)), "crit", json!(["b64"]));
    assert_eq!(refusal(&sign_header(&unencoded)).await, Refused::Header("b64"));
}

/// CVE-2023-48223 and its many relatives.
#[tokio::test]
async fn j2_the_public_key_is_no_secret() {
    let rsa = key(SigningAlg::Rs256, 0);
    for key in [es256(), &rsa] {
        let pem = key.public().to_pem();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = BASE64_STANDARD.decode(body).unwrap();
        let jwk = serde_json::to_vec(key.public().jwk()).unwrap();
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &der, &jwk, b""] {
            for (alg, name) in [
                (jsonwebtoken::Algorithm::HS256, "HS256"),
                (jsonwebtoken::Algorithm::HS384, "HS384"),
                (jsonwebtoken::Algorithm::HS512, "HS512"),
            ] {
                let header = with(header(key), "alg", json!(name));
                let message = format!("{}.{}", encode(header.to_string()), encode(claims().to_string()));
                let secret = EncodingKey::from_secret(secret);
                let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, alg).unwrap();
                let forged = format!("{message}.{mac}");
                assert_eq!(
                    verifier(&[key]).verify(&forged).await.unwrap_err(),
                    Refused::Algorithm
                );
            }
        }
    }
}

#[tokio::test]
async fn j2_each_key_has_one_algorithm() {
    let [pss, pkcs1] = [SigningAlg::Ps256, SigningAlg::Rs256].map(|alg| key(alg, 0));
    assert_eq!(pss.kid(), pkcs1.kid());
    assert_eq!(
        verifier(&[&pss]).verify(&token(&pkcs1)).await.unwrap_err(),
        Refused::Algorithm
    );
    assert_eq!(
        verifier(&[&pkcs1]).verify(&token(&pss)).await.unwrap_err(),
        Refused::Algorithm
    );
    // An EC key's `kid` under another curve's algorithm.
    let header = with(header(es256()), "alg", json!("ES384"));
    assert_eq!(refusal(&sign_header(&header)).await, Refused::Algorithm);
}

#[tokio::test]
async fn accepts_configured_algorithms_only() {
    for alg in SigningAlg::ALL {
        let key = key(alg, 11);
        let others = symbolon_verifier::Algorithm::ALL
            .into_iter()
            .filter(|a| *a != algorithm(alg));
        let without = builder()
            .algorithms(others)
            .build_with_keys(key_set(&[&key]))
            .unwrap();
        assert_eq!(
            without.verify(&token(&key)).await.unwrap_err(),
            Refused::Algorithm
        );
        let only = builder()
            .algorithms([algorithm(alg)])
            .build_with_keys(key_set(&[&key]))
            .unwrap();
        assert!(only.verify(&token(&key)).await.is_ok());
    }
}

/// Nothing could be fetched here; the tests of keys over time count what is.
#[tokio::test]
async fn j3_keys_that_a_token_brings_along() {
    let own = key(SigningAlg::Es256, 99);
    let own_jwk = serde_json::to_value(own.public().jwk()).unwrap();
    for (name, value) in [
        ("jwk", own_jwk),
        ("jku", json!("https://evil.example/jwks")),
        ("x5c", json!(["MIIB"])),
        ("x5u", json!("https://evil.example/cert")),
        ("jwk", json!(null)),
    ] {
        let header = with(header(es256()), name, value);
        assert_eq!(refusal(&sign_header(&header)).await, Refused::Header(name));
    }
    // Signed by a stranger in the name of a key that is trusted.
    let message = token(&own);
    let (_, rest) = message.split_once('.').unwrap();
    let forged = format!("{}.{rest}", encode(header(es256()).to_string()));
    assert_eq!(refusal(&forged).await, Refused::Signature);
    assert_eq!(refusal(&token(&own)).await, Refused::KeyUnknown);
}

/// CVE-2026-25537.
#[tokio::test]
async fn j4_claims_of_the_wrong_type() {
    let good = claims_with(json!({ "nbf": NOW }));
    assert!(verify(&sign(es256(), &good)).await.is_ok());
    for name in ["exp", "iat", "nbf"] {
        let number = good[name].to_string();
        for wrong in [
            &*format!("\"{number}\""),
            "true",
            "null",
            "1e400",
            "-1",
            "-0.5",
            &format!("{number}.5"),
            &format!("{number}e0"),
            "1e9",
            "253402300800",
            "18446744073709551616",
            "[]",
            "{}",
            "\"\"",
        ] {
            let payload = good
                .to_string()
                .replace(&format!("\"{name}\":{number}"), &format!("\"{name}\":{wrong}"));
            let token = sign_texts(&header(es256()).to_string(), &payload);
            assert_eq!(refusal(&token).await, Refused::Claim(name), "{name} = {wrong}");
        }
    }
    for wrong in ["1e400", "-1e400"] {
        let payload = good
            .to_string()
            .replacen('{', &format!("{{\"custom\":{wrong},"), 1);
        let token = sign_texts(&header(es256()).to_string(), &payload);
        assert_eq!(refusal(&token).await, Refused::Malformed);
    }
}

#[tokio::test]
async fn j4_claims_that_are_absent() {
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        let token = sign(es256(), &claims_with(json!({ name: null })));
        assert_eq!(refusal(&token).await, Refused::Claim(name));
    }
    let plain = sign(es256(), &claims_with(json!({ "scope": null, "sid": null })));
    let claims = verify(&plain).await.unwrap();
    assert!(claims.scope.is_empty() && claims.session.is_none());
}

#[tokio::test]
async fn j5_other_kinds_of_token() {
    for typ in [
        "JWT",
        "jwt",
        "logout+jwt",
        "id+jwt",
        "at+jwt ",
        "at+jw",
        "application/jwt",
        "text/at+jwt",
        "",
    ] {
        let token = sign_header(&with(header(es256()), "typ", json!(typ)));
        assert_eq!(refusal(&token).await, Refused::Type, "{typ:?}");
    }
    let mut none = header(es256());
    none.as_object_mut().unwrap().remove("typ");
    assert_eq!(refusal(&sign_header(&none)).await, Refused::Header("typ"));
    assert_eq!(
        refusal(&sign_header(&with(header(es256()), "typ", json!(1)))).await,
        Refused::Header("typ")
    );
    for typ in ["AT+JWT", "application/at+jwt", "Application/AT+JWT"] {
        assert!(
            verify(&sign_header(&with(header(es256()), "typ", json!(typ))))
                .await
                .is_ok(),
            "{typ}"
        );
    }
}

#[tokio::test]
async fn j6_ecdsa_signatures_out_of_range() {
    for (alg, half, order) in [
        (
            SigningAlg::Es256,
            32,
            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        ),
        (
            SigningAlg::Es384,
            48,
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        ),
    ] {
        let key = key(alg, 11);
        let token = token(&key);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (r, s) = decode(signature).split_at(half).into_owned_pair();
        let zero = vec![0; half];
        let order: Vec<u8> = (0..half)
            .map(|i| u8::from_str_radix(&order[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let max = vec![0xff; half];
        let der = [
            &[0x30, 4 + 2 * half as u8, 2, half as u8][..],
            &r,
            &[2, half as u8],
            &s,
        ]
        .concat();
        for bad in [
            [&zero[..], &s].concat(),
            [&r[..], &zero].concat(),
            [&zero[..], &zero].concat(),
            [&order[..], &s].concat(),
            [&r[..], &order].concat(),
            [&max[..], &max].concat(),
            [&s[..], &r].concat(),
            [&r[..], &s, &[0]].concat(),
            [&[0][..], &r, &s].concat(),
            [&r[..], &s[1..]].concat(),
            r.clone(),
            der,
        ] {
            let forged = format!("{message}.{}", encode(&bad));
            let outcome = verifier(&[&key]).verify(&forged).await;
            assert_eq!(outcome.unwrap_err(), Refused::Signature, "{alg} {}", bad.len());
        }
    }
}

#[tokio::test]
async fn j6_eddsa_signatures_that_are_not_canonical() {
    // The order of the base point, little-endian.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = key(SigningAlg::EdDsa, 11);
    let token = token(&key);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (r, s) = decode(signature).split_at(32).into_owned_pair();
    let mut plus_l = Vec::new();
    let mut carry = 0;
    for (a, b) in s.iter().zip(L) {
        let sum = u16::from(*a) + u16::from(b) + carry;
        plus_l.push(sum as u8);
        carry = sum >> 8;
    }
    let zero = vec![0; 32];
    for bad in [
        [&r[..], &plus_l].concat(),
        [&r[..], &zero].concat(),
        [&zero[..], &s].concat(),
        [&zero[..], &zero].concat(),
        [&r[..], &s, &[0]].concat(),
        r.clone(),
    ] {
        let outcome = verifier(&[&key])
            .verify(&format!("{message}.{}", encode(&bad)))
            .await;
        assert_eq!(outcome.unwrap_err(), Refused::Signature);
    }
}

#[tokio::test]
async fn j6_repeated_members() {
    let (header, payload) = (header(es256()).to_string(), claims().to_string());
    for (name, value) in [
        ("alg", "\"ES256\""),
        ("\\u0061lg", "\"none\""),
        ("typ", "\"at+jwt\""),
        ("kid", "\"x\""),
    ] {
        let twice = header.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        assert_eq!(refusal(&sign_texts(&twice, &payload)).await, Refused::Malformed);
    }
    for (name, value) in [
        ("exp", "1"),
        ("\\u0065xp", "9999999999"),
        ("iss", "\"x\""),
        ("sub", "null"),
    ] {
        let twice = payload.replacen('{', &format!("{{\"{name}\":{value},"), 1);
        assert_eq!(refusal(&sign_texts(&header, &twice)).await, Refused::Malformed);
    }
    let nested = payload.replacen('{', r#"{"custom":{"a":1,"a":2},"#, 1);
    assert_eq!(refusal(&sign_texts(&header, &nested)).await, Refused::Malformed);
}

#[tokio::test]
async fn j6_key_ids_that_are_more_than_a_name() {
    for kid in [
        "../../../../dev/null",
        "' OR '1'='1",
        "https://evil.example/key",
        "a b",
        "a\0",
        "é",
        "",
        &"k".repeat(129),
    ] {
        let token = sign_header(&with(header(es256()), "kid", json!(kid)));
        assert_eq!(refusal(&token).await, Refused::Header("kid"), "{kid:?}");
    }
    for kid in [json!(null), json!(7), json!(["a"])] {
        assert_eq!(
            refusal(&sign_header(&with(header(es256()), "kid", kid))).await,
            Refused::Header("kid")
        );
    }
    let long = sign_header(&with(header(es256()), "kid", json!("k".repeat(4000))));
    assert_eq!(refusal(&long).await, Refused::TooLong);
    let huge = sign_header(&with(header(es256()), "kid", json!("k".repeat(1 << 20))));
    assert_eq!(refusal(&huge).await, Refused::TooLong);
}

#[tokio::test]
async fn d3_texts_that_are_no_token() {
    let good = token(es256());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    for text in [
        "".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        ".".repeat(16 * 1024),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}=="),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}.{payload}.{}é", &signature[2..]),
        format!("{}+/{payload}.{signature}", &header[..header.len() - 2]),
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
    ] {
        let refused = refusal(&text).await;
        assert!(
            matches!(refused, Refused::Malformed | Refused::Signature),
            "{text:.60}: {refused:?}"
        );
    }
    assert_eq!(refusal(&".".repeat(1_000_000)).await, Refused::TooLong);
    let long = format!("{header}.{payload}.{}", "A".repeat(1367));
    assert_eq!(refusal(&long).await, Refused::TooLong);
}

/// The last character of a part has bits that say nothing. Were they ignored, one token would have many spellings.
#[tokio::test]
async fn a_token_has_one_spelling() {
    let good = token(es256());
    let last = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut accepted = 0;
    for c in alphabet.chars() {
        let spelled = format!("{}{c}", &good[..good.len() - 1]);
        match verify(&spelled).await {
            Ok(_) => accepted += 1,
            Err(refused) => assert!(c != last && refused != Refused::Expired),
        }
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn tokens_of_others_and_for_others() {
    for iss in [
        "https://as.example",
        "https://as.example/tenant/",
        "https://AS.example/tenant",
        "",
    ] {
        assert_eq!(
            refusal(&sign(es256(), &claims_with(json!({ "iss": iss })))).await,
            Refused::Issuer
        );
    }
    for aud in [
        json!("https://api.example/"),
        json!(["https://a", "https://b"]),
        json!("https://api.example https://b"),
    ] {
        assert_eq!(
            refusal(&sign(es256(), &claims_with(json!({ "aud": aud })))).await,
            Refused::Audience
        );
    }
    let both = sign(
        es256(),
        &claims_with(json!({ "aud": ["https://other", AUDIENCE] })),
    );
    assert_eq!(verify(&both).await.unwrap().audiences.len(), 2);
    let bound = sign(es256(), &claims_with(json!({ "cnf": { "jkt": "x" } })));
    assert_eq!(refusal(&bound).await, Refused::SenderConstrained);
}

#[tokio::test]
async fn times_with_ten_seconds_of_leeway() {
    for (changes, expected) in [
        (json!({ "exp": NOW - 9 }), None),
        (json!({ "exp": NOW - 10 }), Some(Refused::Expired)),
        (json!({ "exp": 0 }), Some(Refused::Expired)),
        (json!({ "iat": NOW + 10 }), None),
        (json!({ "iat": NOW + 11 }), Some(Refused::NotYetValid)),
        (json!({ "nbf": NOW + 10 }), None),
        (json!({ "nbf": NOW + 11 }), Some(Refused::NotYetValid)),
    ] {
        let outcome = verify(&sign(es256(), &claims_with(changes.clone()))).await;
        assert_eq!(outcome.err(), expected, "{changes}");
    }
}

#[tokio::test]
async fn no_leeway_where_none_is_wanted() {
    let strict = builder()
        .leeway(std::time::Duration::ZERO)
        .build_with_keys(key_set(&[es256()]))
        .unwrap();
    let outcome = |changes| {
        let token = sign(es256(), &claims_with(changes));
        let strict = strict.clone();
        async move { strict.verify(&token).await.err() }
    };
    assert_eq!(outcome(json!({ "exp": NOW + 1 })).await, None);
    assert_eq!(outcome(json!({ "exp": NOW })).await, Some(Refused::Expired));
    assert_eq!(
        outcome(json!({ "iat": NOW + 1 })).await,
        Some(Refused::NotYetValid)
    );
}

#[tokio::test]
async fn custom_claims_are_at_hand() {
    let token = sign(
        es256(),
        &claims_with(json!({ "tenant": { "id": 7 }, "sid": null })),
    );
    let claims = verify(&token).await.unwrap();
    assert_eq!(claims.other["tenant"], json!({ "id": 7 }));
    assert_eq!(claims.other.len(), 1);
}

/// Says the same of every token.
struct Always(Verdict);

impl RevocationCheck for Always {
    fn check(&self, token: &symbolon_verifier::Revocable<'_>, now: UnixMillis) -> Verdict {
        assert_eq!(
            (token.client_id, token.kid),
            ("shop", Some(es256().kid().as_str()))
        );
        assert_eq!(token.started, UnixMillis(0x01a2_01d4_0000));
        assert_eq!(now, UnixMillis(NOW * 1000));
        self.0
    }
}

#[tokio::test]
async fn revoked_tokens_and_those_of_which_nothing_is_known() {
    for (verdict, expected) in [
        (Verdict::Live, None),
        (
            Verdict::Revoked(RevocationKind::Session),
            Some(Refused::Revoked(RevocationKind::Session)),
        ),
        (Verdict::Unknown, Some(Refused::RevocationUnknown)),
    ] {
        let verifier = builder()
            .revocation(Always(verdict))
            .build_with_keys(key_set(&[es256()]))
            .unwrap();
        assert_eq!(verifier.verify(&token(es256())).await.err(), expected);
    }
}

/// A key that is no point of its curve is none, and does no harm to others.
#[test]
fn keys_off_the_curve() {
    let good = serde_json::to_value(es256().public().jwk()).unwrap();
    let mut jwk = good.clone();
    jwk["kid"] = json!("off-the-curve");
    for (x, y) in [
        (encode([1; 32]), encode([1; 32])),
        (encode([0; 32]), encode([0; 32])),
        (encode([255; 32]), encode([255; 32])),
    ] {
        jwk["x"] = json!(x);
        jwk["y"] = json!(y);
        let read = |keys: Value| KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes());
        assert_eq!(read(json!([jwk])).unwrap_err(), KeySetError::Empty);
        assert_eq!(read(json!([jwk, good])).unwrap().len(), 1);
    }
}

trait IntoOwnedPair {
    fn into_owned_pair(self) -> (Vec<u8>, Vec<u8>);
}

impl IntoOwnedPair for (&[u8], &[u8]) {
    fn into_owned_pair(self) -> (Vec<u8>, Vec<u8>) {
        (self.0.to_vec(), self.1.to_vec())
    }
}
