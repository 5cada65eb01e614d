//! `keys export-public`.

use symbolon_jose::{JwkSet, PublicKey};

use super::*;

#[tokio::test]
async fn writes_the_key_set_and_nothing_else() {
    let bench = Bench::started(&[SigningAlg::Es256, SigningAlg::EdDsa]).await;
    let outcome = bench.run("keys export-public").await;
    assert_eq!(
        (outcome.error, outcome.err.as_str(), outcome.waited.len()),
        (None, "", 0)
    );
    let set: JwkSet = serde_json::from_str(&outcome.out).unwrap();
    let mut exported: Vec<_> = set.keys.iter().map(|key| key.kid().clone()).collect();
    let mut kept: Vec<_> = bench.history().await.into_iter().map(|key| key.kid).collect();
    exported.sort();
    kept.sort();
    assert_eq!(exported, kept);
    assert!(!outcome.out.contains("\"d\""), "{}", outcome.out);
    assert_eq!(bench.run("keys export-public --json").await.out, outcome.out);

    let kid = &kept[0];
    let one = bench
        .run(&format!("keys export-public {kid} --format jwks"))
        .await
        .out;
    let one: JwkSet = serde_json::from_str(&one).unwrap();
    assert_eq!(one.keys.iter().map(|key| key.kid()).collect::<Vec<_>>(), [kid]);
}

#[tokio::test]
async fn writes_pem() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let set = bench.run("keys export-public").await.out;
    let set: JwkSet = serde_json::from_str(&set).unwrap();
    let pem = |index: usize| PublicKey::from_jwk(&set.keys[index]).unwrap().to_pem();
    let both = bench.run("keys export-public --format pem").await;
    assert_eq!((both.out, both.err.as_str()), (pem(0) + &pem(1), ""));
    let kid = set.keys[1].kid();
    let one = bench
        .run(&format!("keys export-public --format pem {kid}"))
        .await
        .out;
    assert_eq!(one, pem(1));
    assert!(one.starts_with("-----BEGIN PUBLIC KEY-----\n") && one.ends_with("-----END PUBLIC KEY-----\n"));
    assert_eq!(
        bench
            .run(&format!("keys export-public --format pem {kid} --json"))
            .await
            .json(),
        serde_json::json!({ "keys": [{ "kid": kid, "alg": "ES256", "pem": pem(1) }] })
    );
}

#[tokio::test]
async fn refuses_keys_that_are_not_published() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let pending = bench.in_state("pending").await.kid;
    assert_eq!(bench.run(&format!("keys retire {pending}")).await.error, None);
    let said = format!("key {pending} is retired: it is not published and its private key is erased");
    bench
        .refusal(3, &format!("keys export-public {pending}"), &said)
        .await;
    let said = "there is no signing key nobody; see `symbolon keys list --all`";
    bench.refusal(3, "keys export-public nobody", said).await;
}

#[tokio::test]
async fn names_the_key_encryption_key_that_is_missing() {
    let mut bench = Bench::started(&[SigningAlg::Es256]).await;
    bench.keys.encryption_keys = encryption_keys(2, &[3]);
    let kid = bench.in_state("active").await.kid;
    let said = format!(
        "signing key {kid} (ES256) is encrypted under the key-encryption key {}, and the configured ones are {}, {}: ",
        id_of(1),
        id_of(2),
        id_of(3)
    );
    let before = bench.picture().await;
    bench
        .run(&format!("keys export-public {kid}"))
        .await
        .refused(1, &said);
    assert_eq!(bench.picture().await, before);
}
