//! Tokens that were not issued (D4, CVE-2023-52428, CVE-2024-29371; and what else a JWT can lie about, such as
//! CVE-2023-48223 and CVE-2026-25537). Every forgery is shown to introspection, revocation and refresh.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use symbolon_tests::{Harness, HarnessOptions};

/// A server whose signing key the test holds too: nothing is refused for its signature that need not be.
struct Forge {
    h: Harness,
    pair: rcgen::KeyPair,
    /// The header of an access token.
    header: Value,
    /// The claims of an access token that is good.
    claims: Value,
    genuine: String,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn part(token: &str, index: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(index).unwrap())
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

impl Forge {
    async fn start() -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("known.pem"), pair.serialize_pem()).unwrap();
        let h = Harness::with(HarnessOptions {
            settings: vec![("keys.import_dir", dir.path().display().to_string())],
            ..HarnessOptions::default()
        })
        .await;
        let genuine = h.login(&h.app).await.text("access_token");
        Self {
            header: part(&genuine, 0),
            claims: part(&genuine, 1),
            genuine,
            pair,
            h,
        }
    }

    /// Signs texts as they stand with the server's key.
    fn sign(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        let key = EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes()).unwrap();
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &key, Algorithm::ES256).unwrap();
        format!("{input}.{signature}")
    }

    /// A good token but for members of its header; `null` leaves one out.
    fn with_header(&self, changes: Value) -> String {
        self.sign(
            &changed(&self.header, changes).to_string(),
            &self.claims.to_string(),
        )
    }

    /// A good token but for its claims.
    fn with_claims(&self, changes: Value) -> String {
        self.sign(
            &self.header.to_string(),
            &changed(&self.claims, changes).to_string(),
        )
    }

    /// That header, the good claims, and a signature of one's own making.
    fn unsigned(&self, changes: Value, signature: &str) -> String {
        let header = changed(&self.header, changes).to_string();
        format!(
            "{}.{}.{signature}",
            encode(header),
            encode(self.claims.to_string())
        )
    }

    /// Nobody takes it for a token, and nothing comes of it.
    async fn refused(&self, forgeries: &[String]) {
        let h = &self.h;
        let before = h.footprint().await;
        for token in forgeries {
            let told = h.introspect(token).await;
            assert_eq!(
                (told.status.as_u16(), &told.body[..]),
                (200, &br#"{"active":false}"#[..]),
                "{token}"
            );
            let revoked = h.revoke(&h.app, token).await;
            assert_eq!((revoked.status.as_u16(), revoked.body.len()), (200, 0), "{token}");
            assert_eq!(h.refresh(&h.app, token).await.status, 400, "{token}");
        }
        assert_eq!(h.footprint().await, before);
        assert!(
            h.is_active(&self.genuine).await,
            "the token that was imitated lives"
        );
    }
}

fn changed(object: &Value, changes: Value) -> Value {
    let mut object = object.as_object().unwrap().clone();
    for (member, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.remove(member);
        } else {
            object.insert(member.clone(), value.clone());
        }
    }
    object.into()
}

#[tokio::test]
async fn a_copy_that_is_signed_by_the_servers_key_is_good() {
    let forge = Forge::start().await;
    for token in [
        forge.with_header(json!({})),
        forge.with_header(json!({"typ": "application/at+jwt"})),
        forge.with_header(json!({"typ": "AT+JWT", "unknown": 1})),
        forge.with_claims(json!({"unknown": {"deep": [1]}})),
    ] {
        assert!(
            forge.h.is_active(&token).await,
            "or the tests beside this one show nothing"
        );
    }
}

#[tokio::test]
async fn rejects_encrypted_tokens_before_any_work() {
    let forge = Forge::start().await;
    let jwe = |header: Value| {
        let parts = [
            encode(header.to_string()),
            encode([1; 40]),
            encode([2; 12]),
            encode([3; 1000]),
            encode([4; 16]),
        ];
        parts.join(".")
    };
    let kid = forge.header["kid"].clone();
    let pbes2 = json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647_u32, "p2s": "AAAA", "kid": kid, "typ": "at+jwt"});
    let zip = json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF", "kid": kid, "typ": "at+jwt"});
    let members = [
        pbes2.clone(),
        zip.clone(),
        json!({"alg": "RSA-OAEP", "enc": "A128CBC-HS256"}),
        json!({"alg": "RSA1_5", "enc": "A128GCM", "kid": kid}),
        json!({"alg": "ECDH-ES", "enc": "A128GCM", "epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}),
    ];
    let mut all: Vec<_> = members.iter().cloned().map(jwe).collect();
    // The same headers on three parts, and well signed.
    for header in members {
        all.push(forge.sign(&header.to_string(), &forge.claims.to_string()));
    }
    all.push(forge.with_header(json!({"zip": "DEF"})));
    all.push(forge.with_header(json!({"enc": "A128GCM"})));
    all.push(forge.with_header(json!({"p2c": 4_294_967_295_u32, "alg": "PBES2-HS512+A256KW"})));
    forge.refused(&all).await;
}

#[tokio::test]
async fn rejects_tokens_without_a_signature_of_the_key() {
    let forge = Forge::start().await;
    let genuine = forge.genuine.rsplit('.').next().unwrap();
    let mut all: Vec<_> = ["none", "None", "NONE", "nOnE", "", "ES256", "es256", "HS256"]
        .iter()
        .map(|alg| forge.unsigned(json!({"alg": alg}), ""))
        .collect();
    all.extend(
        ["none", "None", "RS256", "ES384", "EdDSA", "PS256", "ES256K"]
            .map(|alg| forge.unsigned(json!({"alg": alg}), genuine)),
    );
    let other = rcgen::KeyPair::generate().unwrap();
    let input = forge.unsigned(json!({}), "");
    let foreign = EncodingKey::from_ec_pem(other.serialize_pem().as_bytes()).unwrap();
    let foreign =
        jsonwebtoken::crypto::sign(input.trim_end_matches('.').as_bytes(), &foreign, Algorithm::ES256)
            .unwrap();
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(&order[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    for signature in [
        foreign,
        encode([0; 64]),
        encode([[0; 32], [1; 32]].concat()),
        encode([[1; 32], [0; 32]].concat()),
        encode([order.clone(), order].concat()),
        encode([0xff; 64]),
        encode([0; 63]),
        encode([0; 65]),
        encode([0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]),
        format!("{genuine}AA"),
        format!("{genuine}="),
        STANDARD.encode([0xfb; 64]),
    ] {
        all.push(forge.unsigned(json!({}), &signature));
    }
    forge.refused(&all).await;
}

/// The public key is public: it is no secret to compute a MAC with.
#[tokio::test]
async fn rejects_macs_keyed_with_the_public_key() {
    let forge = Forge::start().await;
    let jwks = forge.h.get("/.well-known/jwks.json").await;
    let kid = &forge.header["kid"];
    let jwk = jwks.json()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == *kid)
        .unwrap()
        .clone();
    let pem = forge.pair.public_key_pem();
    let secrets = [
        pem.clone().into_bytes(),
        pem.trim_end().as_bytes().to_vec(),
        pem.replace("\r\n", "\n").into_bytes(),
        rcgen::PublicKeyData::subject_public_key_info(&forge.pair),
        jwk.to_string().into_bytes(),
        jwks.body.to_vec(),
        jwk["x"].as_str().unwrap().as_bytes().to_vec(),
        kid.as_str().unwrap().as_bytes().to_vec(),
        Vec::new(),
    ];
    let mut all = Vec::new();
    for secret in secrets {
        for (name, alg) in [
            ("HS256", Algorithm::HS256),
            ("HS384", Algorithm::HS384),
            ("HS512", Algorithm::HS512),
        ] {
            for named in [name, "ES256"] {
                let token = forge.unsigned(json!({"alg": named}), "");
                let input = token.trim_end_matches('.');
                let key = EncodingKey::from_secret(&secret);
                let mac = jsonwebtoken::crypto::sign(input.as_bytes(), &key, alg).unwrap();
                all.push(format!("{input}.{mac}"));
            }
        }
    }
    forge.refused(&all).await;
}

/// A key that a token brings along verifies nothing, and nothing is fetched; a header that tries is refused even where
/// the signature is good.
#[tokio::test]
async fn rejects_headers_that_bring_or_change_the_key() {
    let forge = Forge::start().await;
    let own = rcgen::KeyPair::generate().unwrap();
    let point = own.public_key_raw();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65])});
    let mut all = Vec::new();
    for header in [
        json!({"jwk": jwk}),
        json!({"jku": "https://evil.example/jwks.json"}),
        json!({"x5u": "https://evil.example/x.pem"}),
        json!({"x5c": [STANDARD.encode(point)]}),
        json!({"crit": ["exp"], "exp": 1}),
        json!({"crit": []}),
        json!({"b64": false, "crit": ["b64"]}),
        json!({"b64": true}),
        json!({"epk": jwk}),
    ] {
        all.push(forge.with_header(header.clone()));
        for kid in [forge.header["kid"].clone(), json!("own"), Value::Null] {
            let full = changed(&changed(&forge.header, header.clone()), json!({"kid": kid}));
            let input = format!(
                "{}.{}",
                encode(full.to_string()),
                encode(forge.claims.to_string())
            );
            let key = EncodingKey::from_ec_pem(own.serialize_pem().as_bytes()).unwrap();
            let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &key, Algorithm::ES256).unwrap();
            all.push(format!("{input}.{signature}"));
        }
    }
    forge.refused(&all).await;
}

#[tokio::test]
async fn rejects_kids_that_name_no_key() {
    let forge = Forge::start().await;
    let long = "x".repeat(10_000);
    let kids = [
        "",
        "x",
        "../../../../dev/null",
        "/etc/passwd",
        "' OR 1=1 --",
        "x' UNION SELECT 'AA",
        "\0",
        "\r\n",
        "${jndi:ldap://x}",
        "http://169.254.169.254/",
        &long,
    ];
    let mut all: Vec<_> = kids
        .iter()
        .map(|kid| forge.with_header(json!({"kid": kid})))
        .collect();
    let own = forge.header["kid"].as_str().unwrap();
    all.extend(
        [
            json!(own.to_uppercase()),
            json!(format!("{own} ")),
            json!([own]),
            json!({"kid": own}),
            json!(7),
            json!(true),
        ]
        .map(|kid| forge.with_header(json!({"kid": kid}))),
    );
    all.push(forge.with_header(json!({"kid": null})));
    forge.refused(&all).await;
}

#[tokio::test]
async fn rejects_tokens_of_another_kind() {
    let forge = Forge::start().await;
    let typs = [
        "JWT",
        "jwt",
        "id_token+jwt",
        "logout+jwt",
        "dpop+jwt",
        "statuslist+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "at+jwt ",
        "at-jwt",
        "application/application/at+jwt",
        "text/at+jwt",
        "",
    ];
    let mut all: Vec<_> = typs
        .iter()
        .map(|typ| forge.with_header(json!({"typ": typ})))
        .collect();
    all.extend([json!(null), json!(["at+jwt"]), json!(1)].map(|typ| forge.with_header(json!({"typ": typ}))));
    forge.refused(&all).await;
}

#[tokio::test]
async fn rejects_claims_of_the_wrong_type_and_foreign_ones() {
    let forge = Forge::start().await;
    let text = forge.claims.to_string();
    let exp = format!("\"exp\":{}", forge.claims["exp"]);
    assert!(text.contains(&exp));
    let header = forge.header.to_string();
    let mut all = Vec::new();
    for value in [
        "\"9999999999\"",
        "true",
        "null",
        "1e400",
        "-1",
        "9999999999.5",
        "[]",
        "{}",
        "1e10",
        "99999999999999999999999",
    ] {
        all.push(forge.sign(&header, &text.replace(&exp, &format!("\"exp\":{value}"))));
    }
    all.push(forge.sign(&header, &text.replace(&exp, &format!("{exp},\"exp\":9999999999"))));
    for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"] {
        all.push(forge.with_claims(json!({claim: null})));
    }
    for claims in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": "https://as.example/"}),
        json!({"iss": "HTTPS://AS.EXAMPLE"}),
        json!({"iss": ["https://as.example"]}),
        json!({"exp": 1}),
        json!({"client_id": "nobody"}),
        json!({"client_id": "a:b"}),
        json!({"sub": "alice"}),
        json!({"jti": "x"}),
        json!({"sid": "x"}),
        json!({"sid": 7}),
        json!({"aud": 7}),
        json!({"scope": ["orders:read"]}),
        json!({"scope": "a\"b"}),
    ] {
        all.push(forge.with_claims(claims));
    }
    for claims in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{}",
        "{",
        "\u{0}",
        "{\"iss\":\"https://as.example\"}",
    ] {
        all.push(forge.sign(&header, claims));
    }
    forge.refused(&all).await;
}

/// Where even the signature is the server's, what is claimed is held against what is known.
#[tokio::test]
async fn well_signed_claims_are_judged_by_the_facts() {
    let forge = Forge::start().await;
    for claims in [
        json!({"aud": "https://other.example"}),
        json!({"aud": "https://api.example/"}),
        json!({"aud": []}),
        json!({"sub": "00000000-0000-0000-0000-000000000000"}),
        json!({"sub": forge.h.app.uid.to_string()}),
        json!({"sid": null}),
        json!({"client_id": "api"}),
        json!({"scope": "admin"}),
        json!({"scope": ""}),
    ] {
        let told = forge.h.introspect(&forge.with_claims(claims.clone())).await;
        assert_eq!(told.body, r#"{"active":false}"#, "{claims}");
    }
    let more = forge.with_claims(json!({"scope": "admin orders:read users:write"}));
    assert_eq!(forge.h.introspect(&more).await.ok()["scope"], "orders:read");
}

#[tokio::test]
async fn rejects_whatever_is_not_exactly_one_compact_jws() {
    let forge = Forge::start().await;
    let good = &forge.genuine;
    let parts: Vec<_> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts")
    };
    let twice = forge.header.to_string().replacen('{', "{\"alg\":\"none\",", 1);
    let all = vec![
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("Bearer {good}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{claims}"),
        format!("{header}={claims}.{signature}"),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}=.{signature}"),
        format!("{header}\r\n.{claims}.{signature}"),
        good.replace('-', "+").replace('_', "/") + "+",
        json!({"protected": header, "payload": claims, "signature": signature}).to_string(),
        json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]}).to_string(),
        forge.sign(&twice, &forge.claims.to_string()),
        forge.sign("[]", &forge.claims.to_string()),
        forge.sign("null", &forge.claims.to_string()),
        forge.sign("\u{feff}{}", &forge.claims.to_string()),
        forge.sign(&format!("{}x", forge.header), &forge.claims.to_string()),
    ];
    forge.refused(&all).await;
}
