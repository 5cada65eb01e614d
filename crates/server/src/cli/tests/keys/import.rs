//! `keys import`.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use symbolon_core::Rng as _;
use symbolon_jose::PrivateKey;

use super::*;

/// RFC 7515 appendix A.3.1.
const EC_JWK: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
/// RFC 8037 appendix A.1.
const ED_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// As a browser writes it.
const RSA_JWK: &str = include_str!("../../../../../jose/src/tests/fixtures/rsa2048_webcrypto.jwk");
const TWO_RSA: &[SigningAlg] = &[SigningAlg::Es256, SigningAlg::Ps256, SigningAlg::Rs256];

fn pem(alg: SigningAlg) -> String {
    let key = PrivateKey::generate(alg, &mut |dest| SystemRng.fill(dest)).unwrap();
    let body = BASE64_STANDARD.encode(key.to_pkcs8_der());
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

impl Bench {
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Imports what stands on standard input with these flags, by a dry run: what the key would sign with.
    async fn alg_of(&self, text: &str, flags: &str) -> String {
        let line = format!("keys import - --dry-run --json{flags}");
        let plan = self.run_typed(text, &line).await.json();
        let made = plan["steps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|step| step["from"] == Value::Null);
        made.unwrap()["alg"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn takes_the_place_of_the_pending_key() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let withdrawn = bench.in_state("pending").await.kid;
    let path = bench.file("key.pem", pem(SigningAlg::Es256));
    let text = std::fs::read_to_string(&path).unwrap();
    let kid = PrivateKey::from_pem(&text, SigningAlg::Es256)
        .unwrap()
        .kid()
        .clone();
    let line = format!("keys import {}", path.display());
    let (plan, outcome) = bench.planned_and_done(&line, "imported").await;
    assert_eq!(
        steps(&plan),
        [
            format!("ES256 {withdrawn} pending retired now"),
            format!("ES256 {kid} - pending now"),
            format!("ES256 {kid} pending active 2024-02-12T22:13:20.000Z"),
        ]
    );
    assert_eq!(outcome.err, "");
    let pending = bench.in_state("pending").await;
    assert_eq!(pending.kid, kid);
    assert!(
        bench
            .keys
            .encryption_keys
            .unwrap(&format!("signing-key/ES256/{kid}"), &pending.wrapped)
            .is_ok()
    );

    // Once is enough, whatever became of it.
    let said = format!("key {kid} exists already (ES256, pending); a key is imported once");
    bench.refusal(4, &line, &said).await;
    assert_eq!(bench.run(&format!("keys retire {kid}")).await.error, None);
    let said = format!("key {kid} exists already (ES256, retired); a key is imported once");
    bench.refusal(4, &line, &said).await;
}

#[tokio::test]
async fn signs_at_once_where_there_is_no_key() {
    let mut bench = Bench::new().await;
    bench.keys.rotation.algorithms = vec![SigningAlg::Es256, SigningAlg::EdDsa];
    let path = bench.file("key.jwk", ED_JWK);
    let (plan, _) = bench
        .planned_and_done(&format!("keys import {}", path.display()), "imported")
        .await;
    let es256 = bench
        .history()
        .await
        .into_iter()
        .find(|key| key.alg == SigningAlg::Es256)
        .unwrap();
    assert_eq!(
        steps(&plan),
        [
            "EdDSA kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k - active now".to_owned(),
            format!("ES256 {} - active now", es256.kid),
        ]
    );
    // The first start finds an active key of each algorithm.
    bench.start().await.unwrap();
    let states: Vec<_> = bench
        .history()
        .await
        .iter()
        .map(|key| key.state.as_str())
        .collect();
    assert_eq!(states.iter().filter(|state| **state == "active").count(), 2);
    assert_eq!(states.iter().filter(|state| **state == "pending").count(), 2);
}

#[tokio::test]
async fn the_key_decides_its_algorithm_and_for_rsa_the_flag_or_the_jwk_or_the_configuration() {
    let mut bench = Bench::started(&[SigningAlg::Es256]).await;
    assert_eq!(bench.alg_of(EC_JWK, "").await, "ES256");
    assert_eq!(bench.alg_of(&pem(SigningAlg::Es256), "").await, "ES256");
    bench.keys.rotation.algorithms = TWO_RSA.to_vec();
    let rsa = pem(SigningAlg::Rs256);
    assert_eq!(bench.alg_of(&rsa, "").await, "PS256");
    assert_eq!(bench.alg_of(&rsa, " --alg RS256").await, "RS256");
    let of = |alg: &str| {
        let mut jwk: Value = serde_json::from_str(RSA_JWK).unwrap();
        jwk["alg"] = alg.into();
        jwk.to_string()
    };
    let mut unnamed: Value = serde_json::from_str(RSA_JWK).unwrap();
    unnamed.as_object_mut().unwrap().remove("alg");
    assert_eq!(bench.alg_of(&unnamed.to_string(), "").await, "PS256");
    assert_eq!(bench.alg_of(&of("RS256"), "").await, "RS256");
    assert_eq!(bench.alg_of(&of("RS256"), " --alg RS256").await, "RS256");

    let refused = async |text: String, flags: &str, said: &str| {
        let mut script = Script {
            stdin: text.into(),
            ..Script::default()
        };
        bench
            .refusal_of(&mut script, 2, &format!("keys import -{flags}"), said)
            .await;
    };
    let said = "--alg: the key is for RS256: leave this out, or give that key";
    refused(of("RS256"), " --alg PS256", said).await;
    let said = said.replace("RS256", "ES256");
    refused(EC_JWK.to_owned(), " --alg PS256", &said).await;
    let said = "standard input: EdDSA is not in `keys.algorithms`; add it there and restart the server";
    refused(ED_JWK.to_owned(), "", said).await;
    bench.keys.rotation.algorithms = vec![SigningAlg::Es256];
    let mut script = Script {
        stdin: rsa.into(),
        ..Script::default()
    };
    let said = "standard input: RS256 is not in `keys.algorithms`; add it there and restart the server";
    bench.refusal_of(&mut script, 2, "keys import -", said).await;
}

#[tokio::test]
async fn says_what_is_wrong_with_a_file() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let encoded = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    let der = BASE64_STANDARD
        .decode(pem(SigningAlg::Es256).lines().nth(1).unwrap())
        .unwrap();
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let long = "x".repeat(64 * 1024 + 1);
    let no_key = "no key found; expected PEM (`-----BEGIN PRIVATE KEY-----`) or a JWK (`{\"kty\": ...}`)";
    for (name, bytes, said) in [
        (
            "long",
            long.as_bytes(),
            "it is longer than 65536 bytes; that is no key",
        ),
        ("fits", &long.as_bytes()[1..], no_key),
        (
            "der",
            &der,
            "it is not text; convert it to PEM: `openssl pkey -inform der -in key.der -out key.pem`",
        ),
        ("empty", b"", no_key),
        ("random", encoded.as_bytes(), no_key),
        (
            "public",
            public.as_bytes(),
            "the file holds a public key; give the private key",
        ),
    ] {
        let path = bench.file(name, bytes);
        let line = format!("keys import {}", path.display());
        bench
            .refusal(2, &line, &format!("\"{}\": {said}", path.display()))
            .await;
        let mut script = Script {
            stdin: bytes.to_vec(),
            ..Script::default()
        };
        let said = format!("standard input: {said}");
        bench.refusal_of(&mut script, 2, "keys import -", &said).await;
    }
}

#[tokio::test]
async fn says_what_is_no_file() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let dir = bench.dir.path().display();
    let said = format!("\"{dir}\" is not a file; name a file, or give - and the key on standard input");
    bench.refusal(2, &format!("keys import {dir}"), &said).await;
    // A pipe without a writer would be waited for.
    let pipe = bench.dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let said = format!(
        "\"{}\" is not a file; name a file, or give - and the key on standard input",
        pipe.display()
    );
    bench
        .refusal(2, &format!("keys import {}", pipe.display()), &said)
        .await;
    let said = format!(
        "\"{dir}/a\\u{{1b}}b\" can't be read: No such file or directory (os error 2); name a file that can be read, or give \
         - and the key on standard input"
    );
    bench
        .refusal(1, &format!("keys import {dir}/a\u{1b}b"), &said)
        .await;
}

#[tokio::test]
async fn publishes_certificates_beside_the_key() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    // The key of the certificate, and one that has none.
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["as.example".to_owned()]).unwrap();
    let chain = bench.file("chain.pem", params.self_signed(&pair).unwrap().pem());
    let own = bench.file("own.pem", pair.serialize_pem());
    let other = pem(SigningAlg::Es256);
    let kid = PrivateKey::from_pem(&other, SigningAlg::Es256)
        .unwrap()
        .kid()
        .clone();
    let other = bench.file("other.pem", other);
    let line = |key: &PathBuf, chain: &PathBuf| {
        format!("keys import {} --certificates {}", key.display(), chain.display())
    };
    bench
        .refusal(
            2,
            &line(&other, &chain),
            &format!(
                "\"{}\": the certificates can't be published beside key {kid}: the first certificate belongs to another \
                 key; give the chain of this key, its own certificate first",
                chain.display()
            ),
        )
        .await;
    let outcome = bench.run(&line(&own, &own)).await;
    let error = outcome.error.unwrap().1;
    assert!(error.contains("own.pem"), "{error}");
    let absent = bench.dir.path().join("absent.pem");
    let error = bench.run(&line(&own, &absent)).await.error.unwrap().1;
    assert!(error.contains("absent.pem\" can't be read"), "{error}");

    bench.planned_and_done(&line(&own, &chain), "imported").await;
    let kid = bench.in_state("pending").await.kid;
    let set = bench.json("", &format!("keys export-public {kid}")).await;
    assert_eq!(set["keys"][0]["x5c"].as_array().unwrap().len(), 1, "{set}");
}
