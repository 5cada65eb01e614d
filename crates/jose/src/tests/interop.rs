//! A second JOSE implementation checks ours, in both directions.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};

use super::{key, shared};
use crate::{JwkSet, SigningAlg, verify_compact};

#[test]
fn jsonwebtoken_verifies_our_tokens_from_our_jwks() {
    let set = JwkSet {
        keys: SigningAlg::ALL
            .map(|alg| key(alg).public().jwk().clone())
            .to_vec(),
    };
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
    for alg in SigningAlg::ALL {
        let claims = json!({"iss": "https://as.example", "exp": 4_102_444_800_u64, "sub": "a"});
        let token = key(alg)
            .sign_compact("at+jwt", claims.to_string().as_bytes())
            .unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        let jwk = set
            .keys
            .iter()
            .find(|jwk| {
                jwk.common.key_id == header.kid
                    && jwk.common.key_algorithm.unwrap().to_string() == alg.as_str()
            })
            .unwrap();
        let mut validation = Validation::new(alg.as_str().parse::<Algorithm>().unwrap());
        validation.set_issuer(&["https://as.example"]);
        let read = decode::<Value>(&token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap();
        assert_eq!(read.claims, claims);
        // A verifier that accepts anything would prove nothing.
        let mut changed = token.clone();
        changed.replace_range(
            token.len() - 20..token.len() - 19,
            if &token[token.len() - 20..token.len() - 19] == "A" {
                "B"
            } else {
                "A"
            },
        );
        assert!(decode::<Value>(&changed, &DecodingKey::from_jwk(jwk).unwrap(), &validation).is_err());
    }
}

#[test]
fn we_verify_what_jsonwebtoken_signs_with_our_keys() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(key.to_pkcs8_der())
        );
        let signing_key = match alg {
            SigningAlg::Es256 | SigningAlg::Es384 => EncodingKey::from_ec_pem(pem.as_bytes()),
            SigningAlg::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
            SigningAlg::Ps256 | SigningAlg::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let mut header = Header::new(alg.as_str().parse().unwrap());
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key.kid().to_string());
        let token = encode(&header, &json!({"sub": "a"}), &signing_key.unwrap()).unwrap();
        let verified = verify_compact(&token, "at+jwt", |_| shared(&key)).unwrap();
        assert_eq!(verified.payload(), br#"{"sub":"a"}"#, "{alg}");
    }
}
