//! Published vectors.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::{KeyError, PrivateKey, PublicJwk, PublicKey, SigningAlg};

fn jwk(json: &str) -> PublicJwk {
    serde_json::from_str(json).unwrap()
}

#[test]
fn thumbprint_of_the_rsa_key_of_rfc_7638() {
    let jwk = jwk(
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
    );
    assert_eq!(
        jwk.thumbprint().as_str(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert_eq!(PublicKey::from_jwk(&jwk).unwrap().kid().as_str(), "2011-04-29");
}

#[test]
fn thumbprint_of_an_ec_key_by_hand() {
    // SHA-256, by other means, over {"crv":"P-256","kty":"EC","x":"f83O...","y":"x_FE..."}.
    let jwk = jwk(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    );
    assert_eq!(jwk.kid().as_str(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    assert_eq!(jwk.alg(), SigningAlg::Es256);
    assert!(PublicKey::from_jwk(&jwk).is_ok());
}

#[test]
fn thumbprint_and_signature_of_rfc_8037() {
    let jwk = jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    assert_eq!(jwk.kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let signature = BASE64_URL_SAFE_NO_PAD
        .decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
        .unwrap();
    let key = PublicKey::from_jwk(&jwk).unwrap();
    key.verify(
        b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        &signature,
    )
    .unwrap();
}

#[test]
fn the_seed_of_rfc_8037_gives_its_key_and_its_signatures() {
    let seed = BASE64_URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let key = PrivateKey::from_ed25519_seed(&seed.try_into().unwrap()).unwrap();
    assert_eq!(key.kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(key.alg(), SigningAlg::EdDsa);
    let document = key.sign_document("JWT", b"{}", 1000).unwrap();
    assert_eq!(
        key.sign_document("JWT", b"{}", 1000).unwrap(),
        document,
        "it hangs on nothing else"
    );
}

/// The key of RFC 8410 section 10.3 with attributes and the public key: `OneAsymmetricKey` version 2.
pub(super) const RFC_8410_VERSION_2: &str = "-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
";

#[test]
fn reads_both_versions_of_the_ed25519_key_of_rfc_8410() {
    let version_1 = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
    let first = PrivateKey::from_pem(version_1, SigningAlg::Rs256).unwrap();
    let second = PrivateKey::from_pem(RFC_8410_VERSION_2, SigningAlg::Rs256).unwrap();
    assert_eq!(first.kid(), second.kid());
    assert_eq!(first.to_pkcs8_der(), second.to_pkcs8_der());
    assert!(
        serde_json::to_string(first.public().jwk())
            .unwrap()
            .contains("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE")
    );
}

#[test]
fn rejects_a_version_2_key_with_the_public_key_of_another() {
    let other = RFC_8410_VERSION_2.replace("Z9w7l", "Z9w8l");
    assert_eq!(
        PrivateKey::from_pem(&other, SigningAlg::Rs256).unwrap_err(),
        KeyError::Inconsistent
    );
}
