use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult, Statement};
use symbolon_core::ports::RevocationLog;
use symbolon_core::revocation::Head;
use uuid::Uuid;

use crate::Harness;

/// The rotation record of a session as the database has it.
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
    /// What the database holds of sessions and revocations, read by a connection of its own.
    pub async fn footprint(&self) -> Footprint {
        let db = self.database().await;
        let count = statement("SELECT count(*) AS n FROM sessions");
        let count = db
            .query_one_raw(count)
            .await
            .expect("a database")
            .expect("a count");
        let rows = statement(
            "SELECT sid, generation, rotated_ms, late, killed, kill_logged FROM session_records ORDER BY sid",
        );
        let rows = db.query_all_raw(rows).await.expect("a database");
        Footprint {
            head: self.node.store.head().await.expect("a store"),
            sessions: column(&count, "n"),
            records: rows.iter().map(record).collect(),
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

    /// The database loses every rotation record.
    pub async fn lose_records(&self) {
        let delete = statement("DELETE FROM session_records");
        self.database().await.execute_raw(delete).await.expect("deleted");
    }

    /// How many uses of refresh tokens came to that outcome, as the metrics tell it.
    pub fn rotations(&self, outcome: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.node.registry).expect("text");
        let name = format!("symbolon_refresh_rotations_total{{outcome=\"{outcome}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    async fn database(&self) -> DatabaseConnection {
        Database::connect(&self.settings.database.url)
            .await
            .expect("a second connection")
    }
}

fn statement(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, sql)
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
