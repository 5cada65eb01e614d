//! What Redis loses, and what it is not given.

use symbolon_core::ClientUid;
use symbolon_core::cluster::Fenced;
use symbolon_core::ports::{NewSession, StoreError};

use super::*;
use crate::ConnectError;

#[tokio::test]
async fn a_redis_that_is_gone_is_an_error_and_comes_back_by_itself() {
    let server = Redis::start(&[]);
    let mut config = config(server.url(), Topology::Single);
    config.response_timeout = Duration::from_millis(500);
    let records = records(&config).await;
    records.rebuild(EMPTY).await.unwrap();
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    let mut attempts = 0;
    while records.ping().await.is_err() {
        attempts += 1;
        assert!(attempts < 1000, "the connection did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(server);
    let subject = Subject(Uuid::from_u128(2));
    let error = records.fence(subject, None).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(why) if why.starts_with("Redis: ")),
        "{error}"
    );
}

#[tokio::test]
async fn a_frozen_redis_is_an_error_within_the_time_out() {
    let server = Redis::start(&[]);
    let mut config = config(server.url(), Topology::Single);
    config.response_timeout = Duration::from_millis(200);
    let records = records(&config).await;
    server.cli(&["CLIENT", "PAUSE", "60000", "ALL"]);
    let error = records.ping().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store is unavailable: Redis: no connection (no answer in time)"
    );
}

#[tokio::test]
async fn a_redis_that_evicts_or_can_not_be_reached_is_refused() {
    let server = Redis::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let refusal = async |config: &RedisConfig| match RedisRecords::connect(config).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    };
    let config = config(server.url(), Topology::Single);
    assert_eq!(
        refusal(&config).await.to_string(),
        "Redis evicts keys when its memory is full (maxmemory-policy allkeys-lru), and with them sessions and fences: \
         set `maxmemory-policy noeviction`"
    );
    server.cli(&["CONFIG", "SET", "requirepass", "right"]);
    let wrong = RedisConfig {
        url: format!("redis://:wrong@127.0.0.1:{}", server.port()),
        ..config.clone()
    };
    let error = refusal(&wrong).await;
    assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn a_promise_needs_its_replicas() {
    let config = RedisConfig {
        replicas: 1,
        response_timeout: Duration::from_millis(400),
        ..config(Redis::shared().url(), Topology::Single)
    };
    let records = records(&config).await;
    let error = records.rebuild(EMPTY).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store is unavailable: Redis: 0 replicas have it, and `redis.replicas` is 1"
    );
}

/// One entry that nobody can read must not keep the others from the log.
#[tokio::test]
async fn a_malformed_entry_of_the_outbox_holds_up_no_other() {
    let config = config(Redis::shared().url(), Topology::Single);
    let records = records(&config).await;
    records.rebuild(EMPTY).await.unwrap();
    let subject = Subject(Uuid::from_u128(2));
    records.hash(format!("{}{{02}}k", config.prefix).as_bytes()).await;
    assert!(records.killed(10).await.unwrap().is_empty());
    for presented in 0..2 {
        records.rotate(&request(subject, presented, EMPTY)).await.unwrap();
    }
    let mut reused = request(subject, 0, EMPTY);
    reused.now = NOW.plus(60_000);
    assert_eq!(records.rotate(&reused).await.unwrap(), Rotation::Reused);
    let killed = records.killed(10).await.unwrap();
    assert_eq!(killed.len(), 1);
    assert_eq!(killed[0].session, reused.session);
    records.killed_logged(&killed[0]).await.unwrap();
    assert!(records.killed(10).await.unwrap().is_empty());
}

/// Nothing but the record grows with a session, and it does not grow with its refreshes.
#[tokio::test]
async fn a_session_is_one_small_record_that_expires() {
    let server = Redis::start(&[]);
    let config = config(server.url(), Topology::Single);
    let (records, head) = (records(&config).await, EMPTY);
    records.rebuild(head).await.unwrap();
    let keys = || -> u64 { server.cli(&["DBSIZE"]).trim().parse().unwrap() };
    assert_eq!(keys(), 257, "the fences and the head");
    let ends = NOW.plus(365 * 24 * 3_600_000);
    let subject = Subject(Uuid::from_u128(2));
    let session = NewSession {
        session: SessionId(Uuid::from_u128(9)),
        subject,
        client: ClientUid(Uuid::from_u128(3)),
        scope: "a".repeat(1000),
        ends,
        issued: NOW,
        address: None,
        user_agent: None,
        refreshable: true,
    };
    assert_eq!(records.begin(&session, head).await.unwrap(), Fenced::Done(()));
    for presented in 0..50 {
        let mut request = request(subject, presented, head);
        request.ends = ends;
        assert!(matches!(
            records.rotate(&request).await.unwrap(),
            Rotation::Rotated { .. }
        ));
    }
    assert_eq!(keys(), 258);
    let record = records.raw(subject, session.session).await.unwrap();
    assert_eq!(record.len(), crate::record::RECORD_LEN);
    // A login that has to start over does not set back a session that goes on.
    assert_eq!(records.begin(&session, head).await.unwrap(), Fenced::Done(()));
    assert_eq!(records.raw(subject, session.session).await.unwrap(), record);
    let expires = records.expires(subject, session.session).await;
    let whole = ends.since(NOW) + 600_000;
    assert!(
        (whole - 60_000..=whole).contains(&expires),
        "{expires} of {whole}"
    );
}
