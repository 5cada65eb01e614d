//! Servers that take over.

use symbolon_core::ports::StoreError;

use super::*;

fn watched(sentinels: &[Redis], user: &str) -> RedisConfig {
    let addresses: Vec<_> = sentinels.iter().map(Redis::address).collect();
    let service = "sessions".to_owned();
    RedisConfig {
        response_timeout: Duration::from_secs(1),
        ..config(
            format!("redis://{user}{}", addresses.join(",")),
            Topology::Sentinel { service },
        )
    }
}

#[tokio::test]
async fn commands_come_back_by_themselves_after_sentinels_failed_over() {
    let primary = Redis::start(&[]);
    let replica = Redis::replica_of(&primary);
    let sentinels = [
        Redis::sentinel_of(&primary, "sessions", &[]),
        Redis::sentinel_of(&primary, "sessions", &[]),
    ];
    for sentinel in &sentinels {
        sentinel.wait_for(&["SENTINEL", "REPLICAS", "sessions"], &replica.port().to_string());
    }
    let records = records(&watched(&sentinels, "")).await;
    records.rebuild(EMPTY).await.unwrap();
    let subject = Subject(Uuid::from_u128(2));
    assert!(rotated(
        records.rotate(&request(subject, 0, EMPTY)).await.unwrap(),
        1
    ));
    primary.cli(&["WAIT", "1", "5000"]);
    primary.kill();
    // One Sentinel is gone with it.
    sentinels[0].kill();
    assert!(records.rotate(&request(subject, 1, EMPTY)).await.is_err());
    sentinels[0].restart(true);
    let after = until(
        async || records.rotate(&request(subject, 1, EMPTY)).await,
        Result::is_ok,
    )
    .await;
    assert!(rotated(after.unwrap(), 2), "on the replica, with what it had");
    // The Sentinels cut every connection to it once more when they have told it what it is.
    let raised = until(
        async || records.raise(None, Head { seq: 1, ..EMPTY }, &[]).await,
        Result::is_ok,
    )
    .await;
    assert_eq!(raised.unwrap(), Raised::Done);
    replica.wait_for(&["ROLE"], "master");
}

/// The user of the servers and that of the Sentinels are two.
#[tokio::test]
async fn sentinels_have_a_password_of_their_own() {
    let primary = Redis::start(&["--requirepass", "of-servers", "--masterauth", "of-servers"]);
    let lines = [
        "sentinel auth-pass sessions of-servers",
        "requirepass of-sentinels",
    ];
    let sentinels = [Redis::sentinel_of(&primary, "sessions", &lines)];
    let servers = watched(&sentinels, ":of-servers@");
    let both = RedisConfig {
        sentinel_password: Some("of-sentinels".to_owned()),
        ..servers.clone()
    };
    records(&both).await.ping().await.unwrap();
    assert!(!format!("{both:?}").contains("of-"), "{both:?}");
    for wrong in [
        servers.clone(),
        RedisConfig {
            sentinel_password: Some("of-servers".to_owned()),
            ..servers
        },
        RedisConfig {
            sentinel_password: both.sentinel_password,
            ..watched(&sentinels, "")
        },
    ] {
        let Err(error) = RedisRecords::connect(&wrong).await else {
            panic!("connected");
        };
        assert!(!error.to_string().contains("of-se"), "{error}");
    }
}

/// A promise holds on what takes over, or is not made.
#[tokio::test]
async fn a_fence_is_promised_once_a_replica_has_it() {
    let primary = Redis::start(&[]);
    let replica = Redis::replica_of(&primary);
    let config = RedisConfig {
        replicas: 1,
        response_timeout: Duration::from_secs(2),
        ..config(primary.url(), Topology::Single)
    };
    let records = records(&config).await;
    records.rebuild(EMPTY).await.unwrap();
    assert_eq!(
        records.raise(None, Head { seq: 1, ..EMPTY }, &[]).await.unwrap(),
        Raised::Done
    );
    assert_eq!(records.head().await.unwrap(), Some(Head { seq: 1, ..EMPTY }));
    replica.freeze();
    let subject = Subject(Uuid::from_u128(2));
    let (raised, rotations) = tokio::join!(records.raise(None, Head { seq: 2, ..EMPTY }, &[]), async {
        // Whoever waits for a replica keeps nobody else waiting.
        let head = Head { seq: 2, ..EMPTY };
        let asked = async || records.rotate(&request(subject, 0, head)).await;
        until(asked, Result::is_ok).await
    });
    assert!(
        matches!(&raised, Err(StoreError::Unavailable(why)) if why.contains("0 replicas")),
        "{raised:?}"
    );
    assert!(rotations.is_ok());
    // Another server may have taken over that knows of more.
    let head = records.head().await;
    assert!(
        matches!(&head, Err(StoreError::Unavailable(why)) if why.contains("0 replicas")),
        "{head:?}"
    );
    replica.thaw();
    let again = until(
        async || records.raise(None, Head { seq: 2, ..EMPTY }, &[]).await,
        Result::is_ok,
    )
    .await;
    assert_eq!(again.unwrap(), Raised::Done);
    let read = Redis::cli(
        &replica,
        &["EXISTS", &String::from_utf8(records.fence_key(subject)).unwrap()],
    );
    assert_eq!(read.trim(), "1");
}

/// A name that leads to another server after a failover leads there on the next connection.
#[tokio::test]
async fn a_server_that_became_a_replica_is_left() {
    let (server, other) = (Redis::start(&[]), Redis::start(&[]));
    let records = records(&config(server.url(), Topology::Single)).await;
    records.rebuild(EMPTY).await.unwrap();
    let connections = || {
        let info = server.cli(&["INFO", "stats"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let subject = Subject(Uuid::from_u128(2));
    server.cli(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let before = connections();
    let _ = until(
        async || records.rotate(&request(subject, 0, EMPTY)).await,
        Result::is_err,
    )
    .await;
    until(
        async || (records.ping().await.is_ok(), connections()),
        |(_, now)| *now > before + 2,
    )
    .await;
    server.promote();
    let _ = until(async || records.rebuild(EMPTY).await, Result::is_ok).await;
    let back = until(
        async || records.rotate(&request(subject, 0, EMPTY)).await,
        Result::is_ok,
    )
    .await;
    assert!(rotated(back.unwrap(), 1));
}
