//! `keys rewrap`.

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{ConnectOptions as _, query};

use super::*;

/// A server that has had the first key-encryption key and was given the second.
async fn given_another_key() -> Bench {
    let mut bench = Bench::started(&[SigningAlg::Es256, SigningAlg::EdDsa]).await;
    bench.keys.encryption_keys = encryption_keys(2, &[1]);
    bench
}

/// Everything that is encrypted.
async fn wrapped(bench: &Bench) -> Vec<String> {
    let keys = bench.store.signing_keys().await.unwrap();
    let secrets = bench.store.secrets().await.unwrap();
    let keys = keys.into_iter().map(|key| key.wrapped);
    keys.chain(secrets.into_iter().map(|secret| secret.wrapped))
        .collect()
}

/// Which key-encryption keys the records name.
async fn names(bench: &Bench) -> Vec<String> {
    let wrapped = wrapped(bench).await;
    let mut ids: Vec<_> = wrapped
        .iter()
        .map(|jwe| KeyEncryptionKey::key_id_of(jwe).unwrap().to_string())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

#[tokio::test]
async fn encrypts_everything_again_and_says_that_the_old_key_can_go() {
    let bench = given_another_key().await;
    let before = wrapped(&bench).await;
    let planned = bench.run("keys rewrap --dry-run --json").await;
    assert_eq!((wrapped(&bench).await, planned.waited.len()), (before, 0));
    let planned = planned.json();
    let counts = serde_json::json!({ "total": 4, "changed": 4 });
    assert_eq!((&planned["signing_keys"], planned.get("done")), (&counts, None));
    assert_eq!(
        (&planned["dry_run"], &planned["removable"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(planned["needed"][0]["encryption_key"], id_of(1));
    assert_eq!(planned["needed"][0]["setting"], "keys.previous_encryption_key");
    assert_eq!(planned["needed"][0]["records"].as_array().unwrap().len(), 9);

    let keys = bench.store.signing_keys().await.unwrap();
    let outcome = bench.run("keys rewrap --json").await;
    assert_eq!((outcome.err.as_str(), outcome.waited.len()), ("", 0));
    let mut done = outcome.json();
    let records = done["needed"][0]["records"].take();
    assert_eq!(
        done,
        serde_json::json!({
            "done": "rewrapped",
            "encryption_key": id_of(2),
            "signing_keys": { "total": 4, "changed": 4 },
            "server_secrets": { "total": 5, "changed": 5 },
            "needed": [{ "encryption_key": id_of(2), "setting": "keys.encryption_key", "records": null }],
            "removable": [id_of(1)],
        })
    );
    let records: Vec<_> = records
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let key = &keys[0];
    assert!(
        records.contains(&format!("signing key {} ({})", key.kid, key.alg).as_str()),
        "{records:?}"
    );
    assert!(records.contains(&"server secret refresh-seal 1"), "{records:?}");
    assert_eq!(names(&bench).await, [id_of(2)]);

    // The old key is not needed: the server starts without it, and with the keys it had.
    let mut bench = bench;
    bench.keys.encryption_keys = encryption_keys(2, &[]);
    bench.start().await.unwrap();
    assert_eq!(bench.history().await.len(), 4);
}

#[tokio::test]
async fn says_it_in_words() {
    let bench = given_another_key().await;
    let planned = bench.run("keys rewrap --dry-run").await;
    let shown = |line: usize| planned.out.lines().nth(line).unwrap().to_owned();
    assert_eq!(shown(0), "RECORDS         TOTAL  ENCRYPTED AGAIN");
    assert_eq!(shown(1), "signing keys    4      4");
    assert_eq!(shown(2), "server secrets  5      5");
    assert!(shown(5).starts_with(&format!(
        "{}  keys.previous_encryption_key  signing key ",
        id_of(1)
    )));
    assert!(shown(5).ends_with(" and 6 more"), "{}", planned.out);
    assert!(planned.out.ends_with("\n\ndry run: nothing was changed\n") && planned.err.is_empty());

    let done = bench.run("keys rewrap").await;
    assert_eq!(
        done.out,
        format!(
            "RECORDS         TOTAL  ENCRYPTED AGAIN\n\
             signing keys    4      4\n\
             server secrets  5      5\n\
             \n\
             NEEDED KEY   SETTING              BY\n\
             {}  keys.encryption_key  9 records\n\
             \n\
             keys.previous_encryption_key ({}) is no longer needed: remove it, once every server has the new \
             keys.encryption_key. Backups that were made before need it still\n",
            id_of(2),
            id_of(1)
        )
    );
    // A second time there is nothing to do, and what can go is said again.
    let again = bench.run("keys rewrap --json").await.json();
    assert_eq!(again["signing_keys"]["changed"], 0);
    assert_eq!(again["removable"], serde_json::json!([id_of(1)]));
}

#[tokio::test]
async fn touches_nothing_where_a_record_can_not_be_opened() {
    let mut bench = given_another_key().await;
    bench.keys.encryption_keys = encryption_keys(2, &[3]);
    let before = wrapped(&bench).await;
    let said = format!("is encrypted under the key-encryption key {}", id_of(1));
    for line in ["keys rewrap", "keys rewrap --dry-run"] {
        bench.run(line).await.refused(1, &said);
    }
    // A server secret alone is enough.
    bench.keys.encryption_keys = encryption_keys(1, &[]);
    let secret = bench.store.secrets().await.unwrap().remove(0);
    let purpose = format!("server-secret/{}/1", secret.purpose.as_str());
    let foreign = encryption_keys(9, &[]).wrap(&purpose, &[1; 32]).unwrap();
    let replaced = bench
        .store
        .rewrap_secret(secret.purpose, 1, &secret.wrapped, &foreign)
        .await;
    assert!(replaced.unwrap());
    bench.keys.encryption_keys = encryption_keys(2, &[1]);
    let said = format!(
        "the server secret {} 1 is encrypted under the key-encryption key {} and could not be opened; nothing was \
         changed; set keys.encryption_key or keys.previous_encryption_key to that key",
        secret.purpose.as_str(),
        id_of(9)
    );
    bench.run("keys rewrap").await.refused(1, &said);
    let after = wrapped(&bench).await;
    assert_eq!(
        before.iter().filter(|jwe| after.contains(jwe)).count(),
        before.len() - 1
    );
}

/// As if somebody else kept encrypting server secrets under the old key: none is replaced.
async fn keep_server_secrets(bench: &Bench) {
    let file = bench.dir.path().join("test.db");
    let mut database = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    query("CREATE TRIGGER kept BEFORE UPDATE ON server_secrets BEGIN SELECT RAISE(IGNORE); END")
        .execute(&mut database)
        .await
        .unwrap();
}

#[tokio::test]
async fn says_what_needs_the_old_key_still() {
    let bench = given_another_key().await;
    keep_server_secrets(&bench).await;
    let outcome = bench.run("keys rewrap").await;
    let said = format!(
        "warning: keys.previous_encryption_key ({}) is still needed: a server went on to encrypt under it; give every \
         server the new keys.encryption_key, and do this again\n",
        id_of(1)
    );
    assert_eq!((outcome.error, outcome.err), (None, said));
    assert!(!outcome.out.contains("no longer needed"), "{}", outcome.out);
    let mut lines: Vec<_> = outcome.out.lines().skip(5).map(str::to_owned).collect();
    lines.sort();
    let mut expected = vec![
        format!("{}  keys.encryption_key           4 records", id_of(2)),
        format!(
            "{}  keys.previous_encryption_key  server secret audit-signing 1, server secret client-secret-hash 1, \
             server secret cursor 1 and 2 more",
            id_of(1)
        ),
    ];
    expected.sort();
    assert_eq!(lines, expected);
    let listed = bench.run("keys rewrap --json").await.json();
    assert_eq!(listed["removable"], serde_json::json!([]));
}
