//! The least that the store's user must be allowed, as the README says it.

use std::sync::OnceLock;

use super::*;

/// The rules of the README, for the key prefix `sy:`.
fn rules() -> Vec<&'static str> {
    let readme = include_str!("../../README.md");
    let line = readme
        .lines()
        .find_map(|line| line.trim().strip_prefix("ACL SETUSER symbolon "))
        .expect("the README gives the rules");
    line.split_whitespace().collect()
}

/// A server whose default user is switched off, and a user with those rules.
fn server() -> &'static Redis {
    static SERVER: OnceLock<Redis> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Redis::start(&[]);
        let rules: Vec<_> = rules()
            .into_iter()
            .map(|rule| rule.replace("<password>", "secret").replace("~sy:*", "~t*"))
            .collect();
        let command = ["ACL", "SETUSER", "symbolon"].into_iter();
        let command: Vec<_> = command.chain(rules.iter().map(String::as_str)).collect();
        assert_eq!(server.cli(&command).trim(), "OK");
        assert_eq!(
            server
                .cli(&[
                    "ACL",
                    "SETUSER",
                    "default",
                    "resetkeys",
                    "-@all",
                    "+ping",
                    "+acl|log"
                ])
                .trim(),
            "OK"
        );
        server
    })
}

/// As that user.
pub(super) fn config() -> RedisConfig {
    let server = server();
    super::config(
        format!("redis://symbolon:secret@{}", server.address()),
        Topology::Single,
    )
}

#[tokio::test]
async fn the_rules_allow_all_that_is_done_and_nothing_else() {
    let records = records(&config()).await;
    let subject = Subject(Uuid::from_u128(2));
    records.rebuild(EMPTY).await.unwrap();
    for presented in 0..3 {
        assert!(rotated(
            records.rotate(&request(subject, presented, EMPTY)).await.unwrap(),
            presented + 1
        ));
    }
    assert_eq!(
        records.rotate(&request(subject, 0, EMPTY)).await.unwrap(),
        Rotation::Reused
    );
    let killed = records.killed(10).await.unwrap();
    records.killed_logged(&killed[0]).await.unwrap();
    assert_eq!(
        records.raise(None, Head { seq: 1, ..EMPTY }, &[]).await.unwrap(),
        Raised::Done
    );
    assert!(
        records
            .fence(subject, Some(killed[0].session))
            .await
            .unwrap()
            .unwrap()
            .killed
    );
    assert_eq!(records.head().await.unwrap().unwrap().seq, 1);
    records.ping().await.unwrap();
    // What is beside it is not its own: other names, and what concerns the server.
    let outside = RedisConfig {
        prefix: "other:".to_owned(),
        ..config()
    };
    let outside = RedisRecords::connect(&outside).await.unwrap();
    assert!(outside.rebuild(EMPTY).await.is_err());
    assert_eq!(
        server()
            .cli(&["--user", "symbolon", "--pass", "secret", "FLUSHALL"])
            .trim(),
        "NOPERM this user has no permissions to run the 'flushall' command"
    );
}

/// It is known to be refused on servers that others run.
#[tokio::test]
async fn a_server_that_does_not_tell_of_itself_is_taken_with_a_warning() {
    let server = Redis::start(&["--rename-command", "INFO", ""]);
    let renamed = config_of(&server, "");
    records(&renamed).await.ping().await.unwrap();
    let server = Redis::start(&[]);
    server.cli(&["ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all", "-info"]);
    records(&config_of(&server, "mute:secret@"))
        .await
        .ping()
        .await
        .unwrap();
}

fn config_of(server: &Redis, user: &str) -> RedisConfig {
    super::config(format!("redis://{user}{}", server.address()), Topology::Single)
}
