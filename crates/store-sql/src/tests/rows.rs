use sea_orm::ConnectionTrait;
use symbolon_core::keys::ScheduleTime;
use symbolon_core::ports::{FactStore, KeyStore, RevocationLog, StoreError, StoreResult};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rotation::Rotation;
use symbolon_testkit::{resource_server, user};
use uuid::Uuid;

use super::*;

async fn meddle(store: &SqlStore, sql: &str) {
    store.inner.write.execute_unprepared(sql).await.unwrap();
}

fn assert_corrupt<T: std::fmt::Debug>(result: StoreResult<T>, of: &str) {
    assert!(matches!(result, Err(StoreError::Corrupt(_))), "{of}: {result:?}");
}

#[tokio::test]
async fn a_record_that_can_not_be_harms_nobody_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    let broken = begun(&store).await;
    meddle(&store, "UPDATE session_records SET generation = -1").await;
    let sound = begun(&store).await;
    let (broken, sound) = tokio::join!(store.rotate(&broken), store.rotate(&sound));
    assert_corrupt(broken, "a negative generation");
    assert!(matches!(sound, Ok(Rotation::Rotated { .. })), "{sound:?}");
}

#[tokio::test]
async fn rows_that_can_not_be_are_errors_and_not_answers() {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    let person = user("alice").build_new();
    admin(&store).add_user(&person).await.unwrap();
    let client = resource_server("api", "urn:api").build();
    let lift = NewRevocation::client_lifted(&client.client_id, FakeClock::START);
    admin(&store).add_client(&client, &lift).await.unwrap();
    store.append(&lift, FakeClock::START).await.unwrap();
    for sql in [
        "UPDATE clients SET client_type = 'trusted'",
        "UPDATE clients SET client_type = 'confidential', signing_alg = 'none'",
        "UPDATE clients SET signing_alg = NULL, access_token_lifetime = -1",
        "UPDATE clients SET access_token_lifetime = NULL, active = 'maybe'",
    ] {
        meddle(&store, sql).await;
        assert_corrupt(store.client_by_uid(client.uid).await, sql);
    }
    let name = "alice".parse().unwrap();
    for sql in [
        "UPDATE users SET password_hash = '$argon2id$v=19$m=4294967295,t=9,p=1$c2FsdHNhbHQ$aGFzaA'",
        "UPDATE users SET password_hash = ''",
    ] {
        meddle(&store, sql).await;
        assert_corrupt(store.credential(&name).await, sql);
    }
    meddle(&store, "UPDATE users SET created_ms = -1").await;
    assert_corrupt(store.user(person.user.subject).await, "made before 1970");
    meddle(&store, "UPDATE revocation_log SET digest = x'00'").await;
    assert_corrupt(store.entries(0, FakeClock::START, 10).await, "a short digest");
    meddle(
        &store,
        "INSERT INTO signing_keys (kid, alg, state, wrapped, created_ms) VALUES ('a', 'ES256', 'active', '', 0)",
    )
    .await;
    assert_corrupt(store.signing_keys().await, "an active key without a start");
    assert_corrupt(store.key_history(1).await, "an active key without a start");
    meddle(
        &store,
        "INSERT INTO key_nodes VALUES (x'00', 'host', 0, NULL, '')",
    )
    .await;
    assert_corrupt(store.key_nodes().await, "a short id");
    for (sql, of) in [
        (
            "UPDATE key_schedule SET elapsed_schedule_ms = -1",
            "a time before its start",
        ),
        (
            "UPDATE key_schedule SET elapsed_schedule_ms = 0, fence = -1",
            "a negative fence",
        ),
        ("DELETE FROM key_schedule", "no schedule"),
    ] {
        meddle(&store, sql).await;
        assert_corrupt(store.key_schedule().await, of);
        let lease = store.take_key_lease(Uuid::nil(), FakeClock::START, Duration::ZERO, ScheduleTime(0));
        assert_corrupt(lease.await, of);
    }
    meddle(&store, "UPDATE revocation_head SET seq = -1").await;
    assert_corrupt(store.head().await, "a negative head");
}

#[tokio::test]
async fn the_schema_refuses_what_belongs_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = migrated(&folder.path().join("db")).await;
    for sql in [
        "INSERT INTO user_names (name, subject) VALUES ('x', x'00')",
        "INSERT INTO client_values (uid, kind, value, position) VALUES (x'00', 'scope', 'x', 0)",
        "INSERT INTO users VALUES (x'00', 'x', NULL, 1, '', 0)",
        "INSERT INTO revocation_head (id, log_id, seq, facts) VALUES (2, x'00', 0, 0)",
        "INSERT INTO key_schedule VALUES (2, 0, NULL, 0, 0, 0)",
    ] {
        let error = store.inner.write.execute_unprepared(sql).await.unwrap_err();
        let error = crate::error::store_error(error);
        assert!(matches!(error, StoreError::Corrupt(_)), "{sql}: {error}");
    }
}
