//! Changes of the client that a command acts as.

use super::*;
use crate::cli::api::SecretMethod;

const ADMIN: &str = "client add --name Admin --client-id admin --grant client_credentials --scope users:read \
                     --scope users:write --audience urn:symbolon:admin";

/// Where commands act as the client `admin`, with its uid.
async fn logged_in() -> (Bench, String) {
    let mut bench = Bench::new().await;
    let added = bench.json("", ADMIN).await;
    bench.login = Some(Login {
        server: "https://a.example".to_owned(),
        token_endpoint: "https://a.example/token".to_owned(),
        client_id: "admin".to_owned(),
        client_secret: "sbs_secret".to_owned().into(),
        auth_method: SecretMethod::Basic,
        scope: "users:read users:write".to_owned(),
        ca_file: None,
    });
    (bench, added["uid"].as_str().unwrap().to_owned())
}

async fn secret_ids(bench: &Bench) -> Vec<String> {
    let listed = bench.run("client secret list admin --json").await.json();
    let secrets = listed["secrets"].as_array().unwrap().iter();
    secrets
        .map(|secret| secret["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn nobody_is_shut_out_by_mistake() {
    let (bench, uid) = logged_in().await;
    let secret = &secret_ids(&bench).await[0];
    for id in ["admin", &uid] {
        for (line, how) in [
            (format!("disable {id}"), "ends with it"),
            (format!("delete {id} --yes"), "ends with it"),
            (
                format!("rotate-secret {id} --overlap 0s --yes"),
                "ends with its secret",
            ),
            (
                format!("secret delete {id} {secret} --yes"),
                "ends with its last secret",
            ),
            (
                format!("secret expire {id} {secret} --in 0s"),
                "ends with its last secret",
            ),
            (
                format!("update {id} --scope users:read"),
                "ends without the scope users:write",
            ),
            (
                format!("update {id} --clear scope"),
                "ends without the scope users:read",
            ),
            (
                format!("update {id} --grant password"),
                "ends without client_credentials",
            ),
            (
                format!("update {id} --clear audience --clear grant"),
                "ends without client_credentials",
            ),
            (
                format!("update {id} --auth-method client_secret_post"),
                "ends without client_secret_basic",
            ),
        ] {
            let outcome = bench.run(&format!("client {line}")).await;
            outcome.refused(2, &format!("acts as client admin itself, whose login {how}"));
            outcome.refused(2, "or give --own");
        }
    }
    assert_eq!(secret_ids(&bench).await.len(), 1);
}

#[tokio::test]
async fn what_is_meant_is_done() {
    let (bench, _) = logged_in().await;
    let secret = &secret_ids(&bench).await[0];
    for line in [
        "update admin --scope users:read --own",
        "rotate-secret admin --overlap 0s --own",
        "disable admin --own",
        "delete admin --own --yes",
    ] {
        assert_eq!(bench.run(&format!("client {line}")).await.error, None, "{line}");
    }
    let (bench, _) = logged_in().await;
    let ended = &secret_ids(&bench).await[0];
    assert_ne!(secret, ended);
    let line = format!("client secret expire admin {ended} --in 0s --own");
    assert_eq!(bench.run(&line).await.error, None);
}

#[tokio::test]
async fn what_leaves_the_login_good_is_not_refused() {
    let (bench, _) = logged_in().await;
    for line in [
        "update admin --name A --default-scope other --scope other --scope users:read --scope users:write",
        "update admin --grant client_credentials --auth-method client_secret_basic --access-token-lifetime 1m",
        "add --name B --client-id b --grant client_credentials --scope users:read --audience urn:symbolon:admin",
        "rotate-secret b --overlap 0s",
        "update b --clear scope --clear grant --clear audience --serves urn:b",
        "disable b",
        "delete b --yes",
    ] {
        let outcome = bench.run(&format!("client {line}")).await;
        assert_eq!(outcome.error, None, "{line}");
        assert!(!outcome.err.contains("stored login"), "{}", outcome.err);
    }
}

#[tokio::test]
async fn a_stored_login_that_holds_an_old_secret_is_told() {
    let (bench, uid) = logged_in().await;
    for id in ["admin", &uid] {
        let line = format!("client rotate-secret {id} --overlap 1h --yes");
        let rotated = bench.run(&line).await;
        assert_eq!(rotated.error, None);
        let last = rotated.err.lines().last().unwrap();
        assert!(
            last.starts_with("warning: ") && last.contains("is good until 2023-11-14T23:13:2"),
            "{last}"
        );
        assert!(last.contains("run `symbolon login` again"), "{last}");
    }
    let rotated = bench
        .run("client rotate-secret admin --overlap 0s --own --yes")
        .await;
    assert!(
        rotated.err.contains("an old secret, which has ended"),
        "{rotated:?}"
    );

    let old = &secret_ids(&bench).await[0];
    assert_eq!(bench.run("client secret add admin").await.error, None);
    let deleted = bench
        .run(&format!("client secret delete admin {old} --yes"))
        .await;
    assert_eq!(deleted.error, None, "another is live");
    assert!(
        deleted
            .err
            .contains("where its stored login holds the secret that has ended"),
        "{}",
        deleted.err
    );
}
