//! The database goes back to what it was.

use std::time::Duration;

use symbolon_testkit::servers::postgres::Postgres;
use symbolon_tests::binary::{Cluster, PATIENCE};
use tokio::task::block_in_place;

use super::cluster;
use super::court::{Court, Spec};
use super::judge::{POLLS, STREAMS};

const PATIENT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(20);
const SPEC: Spec<'_> = Spec {
    judges: &[STREAMS, STREAMS, STREAMS, POLLS, POLLS, POLLS],
    max_stale: PATIENT,
    tokens: 40,
};

/// A log as it was at some moment.
struct Backup {
    /// URL of the database.
    database: String,
    /// The row of the head, in SQL.
    head: String,
    seq: String,
}

impl Backup {
    fn of(cluster: &Cluster) -> Self {
        let database = cluster.database.clone();
        let sql = |text: &str| block_in_place(|| Postgres::shared().sql(&database, text));
        let row = "SELECT format('seq = %s, facts = %s, tip = %L', seq, facts, tip) FROM revocation_head";
        let (head, seq) = (sql(row), sql("SELECT seq FROM revocation_head"));
        Self { database, head, seq }
    }

    /// Puts the log back to that moment.
    fn restore(&self) {
        let Self { database, head, seq } = self;
        let sql = format!("DELETE FROM revocation_log WHERE seq > {seq}; UPDATE revocation_head SET {head}");
        block_in_place(|| Postgres::shared().sql(database, &sql));
    }
}

/// The documented way: all nodes stop, the backup takes the place of the database, the log gets another identity. What was
/// revoked since the backup is gone with it; the verifiers find back by themselves.
pub(super) async fn restored() -> Vec<String> {
    let mut cluster = cluster().await;
    let court = Court::open(&cluster, SPEC).await;
    let old = court.judges[0].feed().log;
    court.revoke(10, PAUSE).await;
    let backup = Backup::of(&cluster);
    let before: Vec<_> = court.tokens.iter().map(|token| token.is_asked()).collect();
    court.revoke(10, PAUSE).await;
    court.all_refuse().await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    let lost: Vec<_> = std::iter::zip(&court.tokens, before)
        .filter(|(token, before)| token.is_asked() && !before)
        .map(|(token, _)| token)
        .collect();
    lost.iter().for_each(|token| token.forget());
    backup.restore();
    cluster.commands.json("migrate --restored").await;
    for node in &mut cluster.nodes {
        node.start().await;
    }
    court
        .until("verifiers on the new log", async || {
            court.judges.iter().all(|judge| judge.feed().log != old)
        })
        .await;
    court.all_follow().await;
    for (judge, token) in court
        .judges
        .iter()
        .flat_map(|judge| lost.iter().map(move |token| (judge, token)))
    {
        if judge.verifier.verify(&token.access).await.is_err() {
            court
                .tally
                .fault("a revocation outlived the log that it was on".to_owned());
        }
    }
    court.revoke(10, PAUSE).await;
    court
        .close_without_a_gap("backup restored, log with another identity")
        .await
}

/// The database loses what it had committed, and goes on. What verifiers know to be revoked stays so.
pub(super) async fn commits_lost() -> Vec<String> {
    let cluster = cluster().await;
    let court = Court::open(&cluster, SPEC).await;
    court.revoke(10, PAUSE).await;
    let backup = Backup::of(&cluster);
    court.revoke(10, PAUSE).await;
    court.all_refuse().await;
    backup.restore();
    // The nodes have seen it, and so have the verifiers.
    let back_at: u64 = backup.seq.parse().expect("a number");
    let gone_back = async || {
        for node in 0..2 {
            if court.remotes[node].metric("symbolon_revocation_log_seq").await > back_at {
                return false;
            }
        }
        true
    };
    court.until("nodes that see what is lost", gone_back).await;
    court.revoke(10, PAUSE).await;
    court.all_refuse().await;
    tokio::time::timeout(PATIENCE, court.all_follow())
        .await
        .expect("an end");
    court
        .close_without_a_gap("the database lost its last commits")
        .await
}
