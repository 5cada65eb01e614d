//! Users of other systems: imported beside a running server, and logged in with the passwords that they have.

use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

use super::{Cast, Dev};

const PASSWORD: &str = "password";

/// Users, each with a hash of [`PASSWORD`] that another implementation made.
fn users() -> Vec<(&'static str, Value)> {
    let keycloak = json!({
        "type": "password",
        "credentialData": "{\"hashIterations\":1000,\"algorithm\":\"pbkdf2-sha512\",\"additionalParameters\":{}}",
        "secretData": "{\"value\":\"FLVyHbNpZwII5kLEMD6fKsKEUbkhHwnuw/0dE1tawhAB/tXRTKjwsxJrtQYrJGk52kxsKG3eeiA87jrJSODscA==\",\
                       \"salt\":\"+//+IHNhbHRzYWx0++++\"}",
    });
    vec![
        (
            "argon2id",
            json!("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
        ),
        (
            "argon2i",
            json!("$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY"),
        ),
        (
            "bcrypt",
            json!("$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"),
        ),
        (
            "bcrypt-django",
            json!("bcrypt_sha256$$2b$05$abcdefghijklmnopqrstuuE94Q3eTNjN48w2NX2tPsDTNeG6w2MH2"),
        ),
        (
            "scrypt",
            json!("$scrypt$ln=4,r=8,p=1$+//+IHNhbHRzYWx0++++$PuLFzwuENI8hqGcyWQSTIhsPzm0D0B7HCtsi8rMVJDQ"),
        ),
        (
            "scrypt-django",
            json!(
                "scrypt$32$seasalt12345$4$2$LIlROaY2NcfkNN74l1aI+QtfME2W3Q5pZySt+WDCwRnVu+KH7B2kTMiWG8yy5JhgM62w9osgBuBLRaAQXJcP7A=="
            ),
        ),
        (
            "pbkdf2-sha1",
            json!("$pbkdf2$1000$.//.IHNhbHRzYWx0....$xz8.bZtUv4OfcYvSFm9Uhagcjio"),
        ),
        (
            "pbkdf2-sha256",
            json!(
                "$pbkdf2-sha256$i=1000,l=32$+//+IHNhbHRzYWx0++++$iKzOGkjJk1aBQtjW9Gnv3aRikc5G9AAZFPKCw2j2YO8"
            ),
        ),
        (
            "pbkdf2-django",
            json!("pbkdf2_sha256$1000$seasalt12345$JL/9NQDGRPJL1xTV6KjoSC1b+RVZTUm/L4Q7yYnAKIY="),
        ),
        ("keycloak", keycloak),
    ]
}

/// What is kept of each user's password.
async fn kept(dev: &Dev) -> Vec<(String, String)> {
    let url = format!("sqlite://{}", dev.site.path("data/symbolon.db").display());
    let database = Database::connect(url).await.unwrap();
    let ask = "SELECT username, password_hash FROM users";
    let statement = Statement::from_string(database.get_database_backend(), ask);
    let rows = database.query_all_raw(statement).await.unwrap();
    let kept = rows
        .iter()
        .map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap()));
    let kept = kept.collect();
    database.close().await.unwrap();
    kept
}

#[tokio::test]
async fn every_kind_of_hash_logs_in_and_is_gone_then() {
    let dev = Dev::start().await;
    let Cast { app, .. } = &dev.cast;
    let mut lines: Vec<String> = users()
        .iter()
        .map(|(name, hash)| {
            let email = format!("{name}@example.org");
            json!({"username": name, "email": email, "roles": ["user"], "password_hash": hash}).to_string()
        })
        .collect();
    let off = json!({"username": "off", "active": false, "password_hash": users()[2].1});
    let hostile = json!({"username": "mallory", "password_hash": "$2b$31$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"});
    lines.extend([off.to_string(), hostile.to_string()]);
    let ended = dev
        .site
        .run_typed(&lines.join("\n"), "user import - --json")
        .await;
    assert_eq!(ended.code, Some(6), "{}", ended.err);
    let counts: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&counts["added"], &counts["refused"]), (&json!(11), &json!(1)));
    assert!(
        ended.err.contains("bcrypt may have a cost of 15"),
        "{}",
        ended.err
    );

    let nobody = dev.remote.login(app, "nobody", PASSWORD).await;
    for (name, _) in users() {
        let wrong = dev.remote.login(app, name, "Password").await;
        assert_eq!(
            (wrong.status, &wrong.body),
            (nobody.status, &nobody.body),
            "{name}"
        );
    }
    let before = kept(&dev).await;
    for (name, _) in users() {
        for login in [name.to_owned(), format!("{}@EXAMPLE.org", name.to_uppercase())] {
            dev.remote.login(app, &login, PASSWORD).await.ok();
        }
        let wrong = dev.remote.login(app, name, "Password").await;
        assert_eq!(
            (wrong.status, &wrong.body),
            (nobody.status, &nobody.body),
            "{name}"
        );
    }
    for name in ["off", "mallory"] {
        let refused = dev.remote.login(app, name, PASSWORD).await;
        assert_eq!(
            (refused.status, &refused.body),
            (nobody.status, &nobody.body),
            "{name}"
        );
    }
    let after = kept(&dev).await;
    for (name, hash) in &after {
        let renewed = hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$");
        assert_eq!(renewed, name != "off", "{name}");
        let same = before.iter().any(|(_, old)| old == hash);
        assert_eq!(same, ["alice", "off"].contains(&name.as_str()), "{name}");
    }
}
