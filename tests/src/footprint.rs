use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement};
use symbolon_core::ports::RevocationLog;
use symbolon_core::revocation::Head;
use uuid::Uuid;

use crate::Harness;
use crate::redis_room::RedisRoom;

/// The rotation record of a session as the database has it, or on a cluster Redis.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The session.
    pub sid: Uuid,
    /// The generation that is current.
    pub generation: i64,
    /// When it was issued, in milliseconds since the epoch.
    pub rotated_ms: i64,
    /// Late recoveries of the day.
    pub late: i64,
    /// Whether a reuse killed the session.
    pub killed: bool,
    /// Whether the kill is known to be on the log.
    pub kill_logged: bool,
}

/// Everything that a request may leave behind, so that a test can say that a refusal left nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Footprint {
    /// How far the log and the facts have come.
    pub head: Head,
    /// Logins on record.
    pub sessions: i64,
    /// Every rotation record, by session.
    pub records: Vec<Record>,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Harness {
    /// What the database and Redis hold of sessions and revocations, read by connections of their own.
    pub async fn footprint(&self) -> Footprint {
        let db = self.database().await;
        let count = statement(&db, "SELECT count(*) AS n FROM sessions");
        let count = db
            .query_one_raw(count)
            .await
            .expect("a database")
            .expect("a count");
        let mut records = match &self.settings.redis {
            Some(redis) => RedisRoom::of(redis).await.records().await,
            None => records(&db).await,
        };
        records.sort_by_key(|record| record.sid);
        Footprint {
            head: self.node.store.head().await.expect("a store"),
            sessions: column(&count, "n"),
            records,
        }
    }

    /// The rotation record of one session.
    ///
    /// # Panics
    /// There is none.
    pub async fn record(&self, sid: Uuid) -> Record {
        let records = self.footprint().await.records;
        records
            .into_iter()
            .find(|record| record.sid == sid)
            .expect("a record")
    }

    /// Every rotation record is lost, wherever they are kept.
    pub async fn lose_records(&self) {
        if let Some(redis) = &self.settings.redis {
            return RedisRoom::of(redis).await.lose_records().await;
        }
        let db = self.database().await;
        let delete = statement(&db, "DELETE FROM session_records");
        db.execute_raw(delete).await.expect("deleted");
    }

    /// Time passes for accounts that are locked, too: how long is counted by the node's clock, and on a cluster by that of
    /// Redis.
    pub async fn let_lockouts_pass(&self, time: Duration) {
        self.clock.advance(time);
        if let Some(redis) = &self.settings.redis {
            RedisRoom::of(redis).await.let_lockouts_pass(time).await;
        }
    }

    async fn database(&self) -> DatabaseConnection {
        Database::connect(&self.settings.database.url)
            .await
            .expect("a second connection")
    }
}

fn statement(db: &DatabaseConnection, sql: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), sql)
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
async fn records(db: &DatabaseConnection) -> Vec<Record> {
    let all = statement(
        db,
        "SELECT sid, generation, rotated_ms, late, killed, kill_logged FROM session_records",
    );
    let rows = db.query_all_raw(all).await.expect("a database");
    rows.iter().map(record).collect()
}

fn record(row: &QueryResult) -> Record {
    Record {
        sid: column(row, "sid"),
        generation: column(row, "generation"),
        rotated_ms: column(row, "rotated_ms"),
        late: column(row, "late"),
        killed: column(row, "killed"),
        kill_logged: column(row, "kill_logged"),
    }
}

#[expect(clippy::expect_used, reason = "test support: another schema is a failed test")]
fn column<T: sea_orm::TryGetable>(row: &QueryResult, name: &str) -> T {
    row.try_get("", name).expect(name)
}
