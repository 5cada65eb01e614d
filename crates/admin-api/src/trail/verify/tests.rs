//! Tampering with a trail that stands in a real database, by whoever can write to it.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use symbolon_core::Clock as _;
use symbolon_core::audit::{AuditFilter, AuditHash, GENESIS, Order, link};
use symbolon_core::ports::StoreResult;
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_testkit::{FakeClock, SeqRng};

use super::super::tests::{events, keys};
use super::super::{Checkpointer, anchor_line, record_line};
use super::*;

const ISSUER: &str = "https://as.example";
/// Records of the trail: more than are read at a time, not a multiple.
const LAST: u64 = 1101;
/// The checkpoints of it.
const SIGNED: [u64; 3] = [400, 800, 1100];
/// How long its records stay.
const DAY: Duration = Duration::from_secs(86_400);

struct Room {
    store: SqlStore,
    /// What whoever tampers has.
    raw: DatabaseConnection,
    clock: Arc<FakeClock>,
    _dir: tempfile::TempDir,
}

impl Room {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("trail.db").display());
        let clock = Arc::new(FakeClock::new());
        let store = SqlStore::connect(&SqlConfig::new(&url), clock.clone())
            .await
            .unwrap();
        store.migrate(&SeqRng::starting_at(1)).await.unwrap();
        let raw = Database::connect(&url).await.unwrap();
        Self {
            store,
            raw,
            clock,
            _dir: dir,
        }
    }

    /// With a trail of [`LAST`] records and [`SIGNED`] checkpoints.
    async fn filled() -> Self {
        let room = Self::new().await;
        let mut from = 0;
        for to in SIGNED.into_iter().chain([LAST]) {
            room.store.record(&events(from..to)).await.unwrap();
            if to != LAST {
                room.sign().await;
            }
            from = to;
        }
        room
    }

    async fn sign(&self) -> Checkpoint {
        self.sign_as(ISSUER).await
    }

    async fn sign_as(&self, issuer: &str) -> Checkpoint {
        self.clock.advance(Duration::from_secs(10));
        let store = Arc::new(self.store.clone());
        let checkpointer = Checkpointer::new(store, self.clock.clone(), issuer.to_owned(), keys(1));
        checkpointer.sign().await.unwrap().unwrap()
    }

    async fn run(&self, sql: &str) {
        let done = self.raw.execute_unprepared(sql).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql}");
    }

    async fn verify(&self) -> Report {
        self.verify_with(&[] as &[&str]).await
    }

    async fn verify_with<S: AsRef<str>>(&self, given: &[S]) -> Report {
        self.verify_where_they_stay(DAY, given).await
    }

    async fn verify_where_they_stay<S: AsRef<str>>(&self, age: Duration, given: &[S]) -> Report {
        let now = self.clock.now();
        let retention = Retention { age, now };
        verify(&self.store, &keys(1).public(), given, retention)
            .await
            .unwrap()
    }

    /// Everything so far comes to its age.
    fn ages(&self) {
        self.clock.advance(DAY + Duration::from_secs(1));
    }

    async fn sweep(&self, limit: u32) -> u64 {
        self.try_to_sweep(limit).await.unwrap()
    }

    async fn try_to_sweep(&self, limit: u32) -> StoreResult<u64> {
        let keys = keys(1).public();
        let genuine = |kept: &Checkpoint| keys.read_kept(kept).is_ok();
        let now = self.clock.now();
        self.store.sweep_audit(now, DAY, limit, &genuine).await
    }

    /// Takes the earliest records away and says that they were swept, as whoever can write to the database can.
    async fn take_away(&self, until: u64) {
        let hash = self.record(until).await.hash;
        self.run(&format!("DELETE FROM audit_log WHERE seq <= {until}"))
            .await;
        self.run(&format!(
            "UPDATE audit_head SET anchor_seq = {until}, anchor_hash = x'{hash}'"
        ))
        .await;
    }

    /// Puts the record of a sweep on the trail, as whoever can write to the database can.
    async fn forge_sweep(&self, from: u64, to: u64, retention: Duration) {
        let sweep = Sweep {
            from,
            to,
            at: self.clock.now(),
            retention,
        };
        self.store.record(&[sweep.event()]).await.unwrap();
    }

    async fn fault(&self) -> (u64, Wrong) {
        let fault = self.verify().await.fault.expect("something is wrong");
        (fault.seq, fault.wrong)
    }

    async fn checkpoints(&self) -> Vec<String> {
        let checkpoints = self.store.checkpoints(0, 100).await.unwrap();
        checkpoints
            .into_iter()
            .map(|checkpoint| checkpoint.signed)
            .collect()
    }

    async fn record(&self, seq: u64) -> AuditRecord {
        let everything = AuditFilter::default();
        let records = self
            .store
            .audit_records(&everything, Order::Earliest, Some(seq - 1), 1);
        records.await.unwrap().remove(0)
    }

    /// Computes all hashes anew from that record on, and the head, as whoever can write to the database can.
    async fn forge_from(&self, seq: u64) {
        let mut hash = match seq {
            1 => GENESIS,
            seq => self.record(seq - 1).await.hash,
        };
        let mut at = seq;
        while let Some(record) = self.try_record(at).await {
            hash = link(&hash, at, &record.body);
            let sql = format!("UPDATE audit_log SET hash = x'{hash}' WHERE seq = {at}");
            self.run(&sql).await;
            at += 1;
        }
        self.set_head(at - 1, hash).await;
    }

    async fn try_record(&self, seq: u64) -> Option<AuditRecord> {
        let everything = AuditFilter::default();
        let records = self
            .store
            .audit_records(&everything, Order::Earliest, Some(seq - 1), 1);
        records.await.unwrap().pop().filter(|record| record.seq == seq)
    }

    async fn set_head(&self, seq: u64, hash: AuditHash) {
        self.run(&format!("UPDATE audit_head SET seq = {seq}, hash = x'{hash}'"))
            .await;
    }

    async fn export(&self, anchor: Option<AuditHead>) -> String {
        let mut lines: Vec<_> = anchor.iter().map(anchor_line).collect();
        let everything = AuditFilter::default();
        let mut after = anchor.map_or(0, |anchor| anchor.seq);
        loop {
            let records = self
                .store
                .audit_records(&everything, Order::Earliest, Some(after), 300);
            let records = records.await.unwrap();
            let Some(last) = records.last() else {
                return lines.join("\n");
            };
            after = last.seq;
            lines.extend(records.iter().map(record_line));
        }
    }
}

/// Another body that says the same to those who search.
const OTHER_BODY: &str =
    "UPDATE audit_log SET body = replace(body, '\"reason\":\"test\"', '\"reason\":\"else\"')";

#[tokio::test]
async fn a_trail_that_nobody_touched_is_good_as_far_as_it_goes() {
    let room = Room::new().await;
    let empty = room.verify().await;
    assert_eq!((empty.records, empty.signed, empty.fault), (0, None, None));
    let room = Room::filled().await;
    let report = room.verify_with(&room.checkpoints().await).await;
    assert_eq!(report.fault, None);
    assert_eq!((report.anchor, report.records, report.checkpoints), (0, LAST, 6));
    assert_eq!(report.good, room.store.audit_head().await.unwrap());
    assert_eq!(report.signed.unwrap().seq, 1100);
}

#[tokio::test]
async fn finds_a_body_that_was_changed() {
    let room = Room::filled().await;
    room.run(&format!("{OTHER_BODY} WHERE seq = 617")).await;
    let report = room.verify().await;
    assert_eq!(
        report.fault,
        Some(Fault {
            seq: 617,
            wrong: Wrong::Changed
        })
    );
    assert_eq!((report.good.seq, report.signed.unwrap().seq), (616, 400));
}

#[tokio::test]
async fn finds_a_hash_that_was_changed() {
    let room = Room::filled().await;
    room.run("UPDATE audit_log SET hash = zeroblob(32) WHERE seq = 500")
        .await;
    assert_eq!(room.fault().await, (500, Wrong::Changed));
}

#[tokio::test]
async fn finds_columns_that_hide_a_record_from_a_search() {
    for set in [
        "actor = 'client:other'",
        "event = 'client.created'",
        "outcome = 'refused'",
        "at_ms = at_ms + 1",
        "target_kind = 'client'",
    ] {
        let room = Room::filled().await;
        room.run(&format!("UPDATE audit_log SET {set} WHERE seq = 617"))
            .await;
        assert_eq!(room.fault().await, (617, Wrong::Columns), "{set}");
    }
}

#[tokio::test]
async fn names_what_comes_first() {
    let room = Room::filled().await;
    room.run("UPDATE audit_log SET actor = 'x' WHERE seq = 510").await;
    room.run(&format!("{OTHER_BODY} WHERE seq = 520")).await;
    assert_eq!(room.fault().await, (510, Wrong::Columns));
    room.run(&format!("{OTHER_BODY} WHERE seq = 505")).await;
    assert_eq!(room.fault().await, (505, Wrong::Changed));
}

#[tokio::test]
async fn finds_a_history_that_was_written_anew_by_the_next_checkpoint() {
    let room = Room::filled().await;
    room.run(&format!("{OTHER_BODY} WHERE seq = 617")).await;
    room.forge_from(617).await;
    let report = room.verify().await;
    assert_eq!(report.good.seq, 800);
    let fault = report.fault.unwrap();
    assert_eq!((fault.seq, fault.wrong), (401, Wrong::Rewritten { until: 800 }));
}

#[tokio::test]
async fn what_no_checkpoint_covers_can_be_written_anew_and_the_report_says_how_far_they_reach() {
    let room = Room::filled().await;
    room.run(&format!("{OTHER_BODY} WHERE seq = {LAST}")).await;
    room.forge_from(LAST).await;
    let report = room.verify().await;
    assert_eq!((report.fault, report.signed.unwrap().seq), (None, 1100));
}

#[tokio::test]
async fn finds_what_was_written_anew_with_the_checkpoints_deleted_by_those_from_outside() {
    let room = Room::filled().await;
    let outside = room.checkpoints().await;
    room.run(&format!("{OTHER_BODY} WHERE seq = 617")).await;
    room.forge_from(617).await;
    room.run("DELETE FROM audit_checkpoints WHERE seq > 400").await;
    assert_eq!(room.verify().await.fault, None, "the database alone can't tell");
    let fault = room.verify_with(&outside[1..2]).await.fault.unwrap();
    assert_eq!((fault.seq, fault.wrong), (401, Wrong::Rewritten { until: 800 }));
}

#[tokio::test]
async fn a_checkpoint_by_another_key_or_for_another_position_is_forged() {
    let room = Room::filled().await;
    let head = AuditHead {
        seq: 800,
        hash: room.record(800).await.hash,
    };
    let by_other = keys(2).sign(ISSUER, head, FakeClock::START).unwrap();
    room.run(&format!(
        "UPDATE audit_checkpoints SET signed = '{}' WHERE seq = 800",
        by_other.signed
    ))
    .await;
    assert_eq!(room.fault().await, (800, Wrong::Forged));
    let first = &room.checkpoints().await[0];
    room.run(&format!(
        "UPDATE audit_checkpoints SET signed = '{first}' WHERE seq = 800"
    ))
    .await;
    assert_eq!(room.fault().await, (800, Wrong::Forged));
}

#[tokio::test]
async fn a_checkpoint_that_is_kept_as_one_of_another_position_or_moment_is_forged() {
    for (set, seq) in [
        ("at_ms = 4102444800000 WHERE seq = 1100", 1100),
        ("at_ms = 0 WHERE seq = 400", 400),
        ("seq = 1101 WHERE seq = 1100", 1101),
        ("seq = 1000000 WHERE seq = 1100", 1_000_000),
        ("seq = 500 WHERE seq = 400", 500),
    ] {
        let room = Room::filled().await;
        room.run(&format!("UPDATE audit_checkpoints SET {set}")).await;
        assert_eq!(room.fault().await, (seq, Wrong::Forged), "{set}");
    }
}

#[tokio::test]
async fn nothing_is_swept_by_a_moment_that_only_stands_beside_a_checkpoint() {
    let room = Room::filled().await;
    // The records are of age, and no checkpoint is.
    room.clock.advance(DAY - Duration::from_secs(25));
    assert_eq!(room.sweep(450).await, 0);
    room.run("UPDATE audit_checkpoints SET at_ms = 0 WHERE seq = 400")
        .await;
    let error = room.try_to_sweep(450).await.unwrap_err().to_string();
    assert!(error.contains("at 400 is not what was signed"), "{error}");
    assert_eq!(room.store.audit_anchor().await.unwrap().seq, 0);
    assert_eq!(room.fault().await, (400, Wrong::Forged));
}

#[tokio::test]
async fn a_change_of_the_issuer_ends_neither_verifying_nor_sweeping_and_hides_nothing() {
    let room = Room::filled().await;
    let before = room.checkpoints().await;
    assert_eq!(room.sign_as("https://moved.example").await.seq, LAST);
    let report = room.verify_with(&before).await;
    assert_eq!((report.fault, report.checkpoints), (None, 7));
    assert_eq!(report.signed.unwrap().seq, LAST);

    // What was signed before the change, and is kept elsewhere, tells of what is changed after it.
    room.run(&format!("{OTHER_BODY} WHERE seq = 617")).await;
    room.forge_from(617).await;
    assert_eq!(room.fault().await, (401, Wrong::Rewritten { until: 800 }));
    room.run("DELETE FROM audit_checkpoints WHERE seq > 400").await;
    let fault = room.verify_with(&before).await.fault.unwrap();
    assert_eq!((fault.seq, fault.wrong), (401, Wrong::Rewritten { until: 800 }));

    let room = Room::filled().await;
    room.sign_as("https://moved.example").await;
    room.ages();
    assert_eq!((room.sweep(1000).await, room.sweep(1000).await), (1000, 101));
    let report = room.verify_with(&before).await;
    assert_eq!((report.fault, report.anchor), (None, LAST));
}

#[tokio::test]
async fn finds_a_record_that_was_deleted() {
    for seq in [1, 500, 501, 617] {
        let room = Room::filled().await;
        room.run(&format!("DELETE FROM audit_log WHERE seq = {seq}"))
            .await;
        assert_eq!(room.fault().await, (seq, Wrong::Missing));
    }
}

#[tokio::test]
async fn finds_an_end_that_was_cut_off() {
    let room = Room::filled().await;
    let outside = room.checkpoints().await;
    room.run("DELETE FROM audit_log WHERE seq > 1000").await;
    assert_eq!(room.fault().await, (1001, Wrong::CutOff), "the head says so");
    let last = room.record(1000).await;
    room.set_head(1000, last.hash).await;
    assert_eq!(room.fault().await, (1001, Wrong::CutOff), "a checkpoint says so");
    room.run("DELETE FROM audit_checkpoints WHERE seq > 1000").await;
    assert_eq!(room.verify().await.fault, None, "the database alone can't tell");
    let fault = room.verify_with(&outside).await.fault.unwrap();
    assert_eq!((fault.seq, fault.wrong), (1001, Wrong::CutOff));
}

#[tokio::test]
async fn finds_two_records_that_were_swapped() {
    let room = Room::filled().await;
    for (from, to) in [(617, 0), (618, 617), (0, 618)] {
        room.run(&format!("UPDATE audit_log SET seq = {to} WHERE seq = {from}"))
            .await;
    }
    assert_eq!(room.fault().await, (617, Wrong::Inserted));
    let room = Room::filled().await;
    for (from, to) in [(617, 0), (900, 617), (0, 900)] {
        room.run(&format!("UPDATE audit_log SET seq = {to} WHERE seq = {from}"))
            .await;
    }
    assert_eq!(room.fault().await, (617, Wrong::Changed));
}

#[tokio::test]
async fn finds_a_record_that_was_put_in() {
    const COPY: &str = "INSERT INTO audit_log (seq, at_ms, event, outcome, actor, target_kind, target, request_id, body, \
                        hash) SELECT";
    const REST: &str =
        "at_ms, event, outcome, actor, target_kind, target, request_id, body, hash FROM audit_log";
    let room = Room::filled().await;
    room.run("UPDATE audit_log SET seq = -seq WHERE seq >= 617").await;
    room.run("UPDATE audit_log SET seq = 1 - seq WHERE seq < 0").await;
    room.run(&format!("{COPY} 617, {REST} WHERE seq = 3")).await;
    assert_eq!(room.fault().await, (617, Wrong::Inserted));
    // Behind the end, with a hash that follows.
    for last in [LAST, 1000] {
        let room = Room::filled().await;
        if last != LAST {
            room.run(&format!("DELETE FROM audit_log WHERE seq > {last}"))
                .await;
            room.run(&format!("DELETE FROM audit_checkpoints WHERE seq > {last}"))
                .await;
            let hash = room.record(last).await.hash;
            room.set_head(last, hash).await;
        }
        let (end, copied) = (room.record(last).await, room.record(3).await);
        let hash = link(&end.hash, last + 1, &copied.body);
        let next = last + 1;
        room.run(&format!("{COPY} {next}, {REST} WHERE seq = 3")).await;
        room.run(&format!(
            "UPDATE audit_log SET hash = x'{hash}' WHERE seq = {next}"
        ))
        .await;
        assert_eq!(room.fault().await, (next, Wrong::Inserted));
    }
}

#[tokio::test]
async fn finds_a_record_that_was_put_where_the_trail_has_not_begun_or_begins_no_more() {
    const COLUMNS: &str = "at_ms, event, outcome, actor, target_kind, target, request_id, body, hash";
    for (swept, planted, told) in [
        (0, "0", 0),
        (0, "-7", 0),
        (450, "0", 0),
        (450, "300", 300),
        (450, "450", 450),
    ] {
        let room = Room::filled().await;
        room.ages();
        assert_eq!(room.sweep(swept).await, u64::from(swept));
        assert_eq!(room.verify().await.fault, None);
        room.run(&format!(
            "INSERT INTO audit_log (seq, {COLUMNS}) SELECT {planted}, {COLUMNS} FROM audit_log WHERE seq = 500"
        ))
        .await;
        assert_eq!(room.fault().await, (told, Wrong::Inserted), "{planted}");
        // It stays as evidence, and keeps nothing from being swept.
        assert_eq!(room.sweep(1000).await, 1000.min(1100 - u64::from(swept)));
        assert_eq!(room.fault().await, (told, Wrong::Inserted), "{planted}");
    }
}

#[tokio::test]
async fn finds_a_head_that_was_changed() {
    let room = Room::filled().await;
    room.set_head(LAST, AuditHash([7; 32])).await;
    assert_eq!(room.fault().await, (LAST, Wrong::Head));
    room.set_head(LAST + 9, AuditHash([7; 32])).await;
    assert_eq!(room.fault().await, (LAST + 1, Wrong::CutOff));
}

#[tokio::test]
async fn what_was_swept_in_order_is_no_fault_and_what_was_taken_away_is() {
    let room = Room::filled().await;
    assert_eq!(room.sweep(450).await, 0, "nothing is of age");
    room.ages();
    // As much is swept as the last checkpoint covers; in between it is as good as at the end.
    for (swept, left) in [(450, 652), (450, 203), (200, 4), (0, 4)] {
        assert_eq!(room.sweep(450).await, swept);
        let report = room.verify().await;
        assert_eq!((report.fault, report.records), (None, left));
        assert_eq!(report.signed.unwrap().seq, 1100);
        assert_eq!(report.sweep.unwrap().retention, DAY);
    }
    let longer = room.verify_where_they_stay(10 * DAY, &[] as &[&str]).await;
    assert_eq!(
        (longer.fault, longer.anchor),
        (None, 1100),
        "they did not stay as long then"
    );
    room.run("DELETE FROM audit_checkpoints").await;
    assert_eq!(room.fault().await, (1100, Wrong::AnchorUncovered));

    let room = Room::filled().await;
    room.run("DELETE FROM audit_log WHERE seq <= 200").await;
    assert_eq!(room.fault().await, (1, Wrong::Missing));
}

#[tokio::test]
async fn finds_early_records_that_were_taken_away_as_if_they_had_been_swept() {
    let room = Room::filled().await;
    let outside = room.checkpoints().await;
    room.take_away(200).await;
    assert_eq!(room.fault().await, (200, Wrong::SweptUnrecorded));
    room.forge_sweep(1, 200, DAY).await;
    assert_eq!(room.fault().await, (200, Wrong::SweptEarly));
    // What it claims of its time and of how long records stay does not matter.
    for (later, retention) in [(Duration::ZERO, Duration::ZERO), (10 * DAY, DAY)] {
        let room = Room::filled().await;
        room.take_away(200).await;
        let sweep = Sweep {
            from: 1,
            to: 200,
            at: room.clock.now().plus(later.as_millis() as u64),
            retention,
        };
        room.store.record(&[sweep.event()]).await.unwrap();
        room.sign().await;
        assert_eq!(room.fault().await, (200, Wrong::SweptEarly));
    }

    // Those that are older than records must stay anywhere can be taken away by whoever claims that they need not stay.
    let room = Room::filled().await;
    room.ages();
    room.take_away(500).await;
    room.forge_sweep(1, 500, DAY).await;
    let report = room.verify_where_they_stay(10 * DAY, &[] as &[&str]).await;
    assert_eq!((report.fault, report.sweep.unwrap().retention), (None, DAY));
    let fault = room
        .verify_where_they_stay(10 * DAY, &outside)
        .await
        .fault
        .unwrap();
    assert_eq!(
        (fault.seq, fault.wrong),
        (500, Wrong::SweptEarly),
        "one of outside tells"
    );
}

#[tokio::test]
async fn a_sweep_later_on_does_not_hide_what_was_taken_away_before() {
    let room = Room::filled().await;
    room.ages();
    assert_eq!(room.sweep(300).await, 300);
    room.take_away(350).await;
    assert_eq!(room.fault().await, (350, Wrong::SweptUnrecorded));
    assert_eq!(room.sweep(300).await, 300);
    assert_eq!(room.fault().await, (350, Wrong::SweptUnrecorded));
}

#[tokio::test]
async fn a_sweep_is_doubted_where_the_checkpoint_that_proves_the_age_is_gone() {
    let room = Room::filled().await;
    room.ages();
    assert_eq!(room.sweep(450).await, 450);
    room.sign().await;
    assert_eq!(room.verify().await.fault, None);
    room.run("DELETE FROM audit_checkpoints WHERE seq <= 1100").await;
    assert_eq!(room.fault().await, (450, Wrong::SweptEarly));
}

#[tokio::test]
async fn an_export_is_verified_without_the_database() {
    let room = Room::filled().await;
    let (lines, outside) = (room.export(None).await, room.checkpoints().await);
    let public = TrailKeys::from_jwks(&keys(1).jwks()).unwrap();
    let report = verify_export(lines.as_bytes(), &public, &outside).await.unwrap();
    assert_eq!(
        (report.fault, report.records, report.checkpoints),
        (None, LAST, 3)
    );

    let changed = lines.replacen("\"id\":616", "\"id\":916", 1);
    let fault = verify_export(changed.as_bytes(), &public, &outside)
        .await
        .unwrap()
        .fault
        .unwrap();
    assert_eq!((fault.seq, fault.wrong), (617, Wrong::Changed));
    let cut: Vec<_> = lines.lines().take(1000).collect();
    let fault = verify_export(cut.join("\n").as_bytes(), &public, &outside)
        .await
        .unwrap()
        .fault
        .unwrap();
    assert_eq!((fault.seq, fault.wrong), (1001, Wrong::CutOff));

    room.ages();
    room.sweep(300).await;
    let anchor = room.store.audit_anchor().await.unwrap();
    let rest = room.export(Some(anchor)).await;
    let report = verify_export(rest.as_bytes(), &public, &outside).await.unwrap();
    assert_eq!((report.fault, report.anchor, report.records), (None, 300, 802));
    let headless: Vec<_> = rest.lines().skip(1).collect();
    let fault = verify_export(headless.join("\n").as_bytes(), &public, &outside)
        .await
        .unwrap()
        .fault
        .unwrap();
    assert_eq!((fault.seq, fault.wrong), (1, Wrong::Missing));
}

#[tokio::test]
async fn what_is_given_must_be_a_checkpoint_of_this_server() {
    let room = Room::filled().await;
    let by_other = keys(2)
        .sign(ISSUER, room.store.audit_head().await.unwrap(), FakeClock::START)
        .unwrap();
    let good = room.checkpoints().await.remove(0);
    let error = verify(
        &room.store,
        &keys(1).public(),
        &[good, by_other.signed],
        Retention {
            age: DAY,
            now: room.clock.now(),
        },
    )
    .await;
    assert!(
        matches!(error, Err(VerifyError::Given { number: 2, .. })),
        "{error:?}"
    );
}
