//! What Redis holds of a test, read and written beside the server's own code.

use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;
use symbolon_server::config::RedisSettings;
use uuid::Uuid;

use crate::footprint::Record;

/// The keys under a test's own prefix: `<prefix>{<bucket>}<kind><id>`.
pub(crate) struct RedisRoom {
    connection: MultiplexedConnection,
    prefix: String,
}

/// Kinds of keys: the count of an account's failed logins, the outbox of a bucket, the record of a session.
const FAILURES: char = 't';
const OUTBOX: char = 'k';
const RECORD: char = 's';

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl RedisRoom {
    pub(crate) async fn of(settings: &RedisSettings) -> Self {
        let client = redis::Client::open(settings.url.expose_secret()).expect("a URL");
        Self {
            connection: client.get_multiplexed_async_connection().await.expect("Redis"),
            prefix: settings.key_prefix.clone(),
        }
    }

    /// The record of every session.
    pub(crate) async fn records(&mut self) -> Vec<Record> {
        let mut unlogged = Vec::new();
        for outbox in self.keys(OUTBOX).await {
            let sessions: Vec<Vec<u8>> = self.connection.hkeys(outbox).await.expect("an outbox");
            unlogged.extend(
                sessions
                    .iter()
                    .map(|sid| Uuid::from_slice(sid).expect("a session")),
            );
        }
        let mut records = Vec::new();
        for key in self.keys(RECORD).await {
            let bytes: Vec<u8> = self.connection.get(&key).await.expect("a record");
            let sid = key
                .last_chunk()
                .copied()
                .map(Uuid::from_bytes)
                .expect("a session");
            records.push(record(sid, &bytes, !unlogged.contains(&sid)));
        }
        records
    }

    pub(crate) async fn lose_records(&mut self) {
        for key in self.keys(RECORD).await {
            let () = self.connection.del(key).await.expect("deleted");
        }
    }

    /// Redis lets counts expire by its own clock, which no test can move: they lose the time instead.
    pub(crate) async fn let_lockouts_pass(&mut self, time: Duration) {
        let time = i64::try_from(time.as_millis()).expect("a short time");
        for key in self.keys(FAILURES).await {
            let left: i64 = self.connection.pttl(&key).await.expect("a count that expires");
            let () = self
                .connection
                .pexpire(key, (left - time).max(1))
                .await
                .expect("expires");
        }
    }

    async fn keys(&mut self, kind: char) -> Vec<Vec<u8>> {
        let pattern = format!("{}{{??}}{kind}*", self.prefix);
        self.connection.keys(pattern).await.expect("keys")
    }
}

/// Version, generation, rotated, start of the late recoveries, their number, killed, end; big-endian.
#[expect(clippy::expect_used, reason = "test support: another layout is a failed test")]
fn record(sid: Uuid, bytes: &[u8], logged: bool) -> Record {
    assert_eq!((bytes.len(), bytes[0]), (31, 1), "a record of the first version");
    let killed = bytes[22] != 0;
    Record {
        sid,
        generation: i64::from(u32::from_be_bytes(bytes[1..5].try_into().expect("four bytes"))),
        rotated_ms: i64::from_be_bytes(bytes[5..13].try_into().expect("eight bytes")),
        late: i64::from(bytes[21]),
        killed,
        kill_logged: killed && logged,
    }
}
