//! What the specification says that a verifier does, rule by rule.

use std::time::Duration;

use symbolon_verifier::feed::{
    Adopted, Candidate, Effect, Head, Moment, Need, Outcome, Position, Resync, Snapshot, State, Tip,
};
use symbolon_verifier::{RevocationKind, UnixMillis};

use super::{History, LOG, OTHER_LOG, STARTED, at, block, entry, lookup, lookup_of, stranger};
use crate::support::{NOW, SESSION, SUBJECT};

/// So many seconds behind the time of the tests, by both clocks.
fn moment(secs: u64) -> Moment {
    Moment {
        wall: UnixMillis(at(secs)),
        monotonic: Duration::from_secs(1_000_000 + secs),
    }
}

fn state() -> State {
    State::new(Duration::from_secs(10))
}

fn candidate(snapshot: Snapshot) -> Candidate {
    Candidate::from(snapshot)
}

/// A state that is caught up with the end of a history.
fn caught_up(history: &History) -> State {
    let mut state = state();
    assert_eq!(
        state.snapshot(candidate(history.snapshot(at(0)))),
        Outcome::Applied
    );
    let outcome = state.head(history.head(at(0)), moment(0));
    assert_eq!(outcome, Outcome::Adopted(Adopted::First));
    state
}

fn session() -> symbolon_verifier::feed::FeedEntry {
    block(RevocationKind::Session, SESSION)
}

fn history(entries: u128) -> History {
    History::new(LOG).with((0..entries).map(stranger))
}

fn is_revoked(state: &State) -> bool {
    state.revokes(&lookup()).is_some()
}

fn position(seq: u64) -> Position {
    Position { log: LOG, seq }
}

#[test]
fn rule_1_reads_snapshot_head_and_batches_until_it_has_all() {
    let full = history(4).with([session()]);
    let mut state = state();
    assert_eq!(state.need(), Need::Snapshot);
    assert_eq!(
        state.snapshot(candidate(full.cut(2).snapshot(at(0)))),
        Outcome::Applied
    );
    assert_eq!(state.need(), Need::Head);
    assert_eq!(state.head(full.head(at(1)), moment(1)), Outcome::Behind);
    assert_eq!(state.need(), Need::Batch(position(2)));
    assert_eq!(state.batch(&full.batch(2, 3)), Outcome::Applied);
    assert_eq!(state.need(), Need::Batch(position(3)));
    assert_eq!(
        (state.position(), state.age(moment(1))),
        (None, None),
        "nothing is known yet"
    );
    assert_eq!(state.batch(&full.batch(3, 5)), Outcome::Adopted(Adopted::First));
    assert_eq!((state.need(), state.position()), (Need::Head, Some(position(5))));
    assert!(is_revoked(&state) && state.is_caught_up());
}

#[test]
fn rule_2_a_head_without_its_entries_makes_nobody_fresh() {
    let mut log = history(2);
    let mut state = caught_up(&log);
    log.append(session());
    for secs in 1..100 {
        assert_eq!(state.head(log.head(at(secs)), moment(secs)), Outcome::Behind);
        assert_eq!(
            (state.age(moment(secs)), state.as_of()),
            (Some(Duration::from_secs(secs)), Some(UnixMillis(at(0))))
        );
        assert!(!state.is_caught_up());
    }
    // Once the entries are there, the newest head counts that has come, as old as it is then.
    assert_eq!(state.batch(&log.batch(2, 3)), Outcome::CaughtUp);
    assert_eq!(state.age(moment(101)), Some(Duration::from_secs(2)));
}

#[test]
fn rule_2_tips_count_where_both_are_known() {
    let log = history(2);
    let mut state = caught_up(&log);
    let unknown = Head {
        tip: None,
        ..log.head(at(1))
    };
    assert_eq!(state.head(unknown, moment(1)), Outcome::CaughtUp);
    let other = Head {
        tip: Some(Tip([1; 16])),
        ..log.head(at(2))
    };
    assert_eq!(state.head(other, moment(2)), Outcome::Resync(Resync::EntriesLost));
    assert_eq!(state.as_of(), Some(UnixMillis(at(1))));
}

#[test]
fn rule_3_old_heads_and_those_from_the_future() {
    let log = history(2);
    let mut state = caught_up(&log);
    assert_eq!(state.head(log.head(at(5)), moment(5)), Outcome::CaughtUp);
    for old in [0, 4, 5] {
        assert_eq!(state.head(log.head(at(old)), moment(9)), Outcome::Ignored);
    }
    assert_eq!(
        state.age(moment(9)),
        Some(Duration::from_secs(4)),
        "a replayed head is no news"
    );
    let ahead = |ms| Head {
        as_of: UnixMillis(at(20) + ms),
        ..log.head(0)
    };
    assert_eq!(state.head(ahead(10_001), moment(20)), Outcome::TooNew);
    assert_eq!(
        state.head(
            Head {
                as_of: UnixMillis::NEVER,
                ..log.head(0)
            },
            moment(20)
        ),
        Outcome::TooNew
    );
    assert_eq!(state.head(ahead(10_000), moment(20)), Outcome::CaughtUp);
    assert_eq!(
        state.age(moment(20)),
        Some(Duration::ZERO),
        "what is ahead is as of now"
    );
}

/// With [`symbolon_verifier::WhenStale::Accept`] that is all that stands between a revoked token and its acceptance.
#[test]
fn rule_1_what_the_first_snapshot_revokes_is_known_to_be_revoked() {
    let log = history(1).with([session()]);
    let mut state = state();
    assert_eq!(state.snapshot(candidate(log.snapshot(at(0)))), Outcome::Applied);
    assert!(is_revoked(&state));
    assert_eq!((state.age(moment(0)), state.position()), (None, None));
}

/// Both clocks were ahead by an hour, and are set right.
#[test]
fn rule_3_clocks_that_are_set_right() {
    let log = history(2);
    let ahead = Moment {
        wall: UnixMillis(at(3600)),
        ..moment(1)
    };
    let right = |secs| moment(secs);
    let mut more = log.clone().with([stranger(7)]);
    let mut state = caught_up(&log);
    assert_eq!(state.head(log.head(at(3600)), ahead), Outcome::CaughtUp);
    // What is to be reached was made by the wrong clock, too.
    assert_eq!(state.head(more.head(at(3601)), ahead), Outcome::Behind);
    assert_eq!(state.head(more.head(at(2)), right(2)), Outcome::Behind);
    assert_eq!(state.batch(&more.batch(2, 3)), Outcome::CaughtUp);
    assert_eq!(state.as_of(), Some(UnixMillis(at(2))));
    assert!(state.is_caught_up());
    // Old heads are old again.
    assert_eq!(state.head(more.head(at(1)), right(3)), Outcome::Ignored);
    // A snapshot of that time gives way to what is there.
    state.told_to_resync();
    assert_eq!(
        state.snapshot(candidate(more.snapshot(at(3600)))),
        Outcome::Applied
    );
    more = log.cut(1);
    assert_eq!(
        state.head(more.head(at(20)), right(20)),
        Outcome::Behind,
        "a snapshot is wanted already"
    );
    assert_eq!(state.head(more.head(at(34)), right(34)), Outcome::Behind);
    assert_eq!(state.need(), Need::Snapshot);
    assert_eq!(
        state.snapshot(candidate(more.snapshot(at(34)))),
        Outcome::Adopted(Adopted::Merged)
    );
}

#[test]
fn rule_3_an_old_head_makes_nobody_fresh_but_what_is_before_it_is_read() {
    let log = history(2);
    let more = log.clone().with([session(), stranger(7)]);
    let mut state = caught_up(&log);
    assert_eq!(state.head(log.head(at(9)), moment(9)), Outcome::CaughtUp);
    assert_eq!(state.head(more.head(at(5)), moment(10)), Outcome::Ignored);
    assert_eq!(state.need(), Need::Batch(position(2)));
    assert_eq!(state.batch(&more.batch(2, 3)), Outcome::Applied);
    assert_eq!(state.need(), Need::Batch(position(3)));
    assert_eq!(state.batch(&more.batch(3, 4)), Outcome::Applied);
    assert!(is_revoked(&state) && state.is_caught_up());
    assert_eq!(
        (state.need(), state.as_of()),
        (Need::Head, Some(UnixMillis(at(9))))
    );
    assert_eq!(state.age(moment(12)), Some(Duration::from_secs(3)));
}

/// From before the log lost what it speaks of, or from another log.
#[test]
fn rule_3_an_old_head_that_is_replayed_is_forgotten_with_the_next_one() {
    let log = history(2);
    let lost = log.clone().with([stranger(7)]);
    let elsewhere = History::new(OTHER_LOG).with((0..9).map(stranger));
    let mut state = caught_up(&log);
    assert_eq!(state.head(elsewhere.head(at(0)), moment(1)), Outcome::Ignored);
    assert_eq!(state.need(), Need::Head);
    assert_eq!(state.head(lost.head(at(0)), moment(1)), Outcome::Ignored);
    assert_eq!(state.need(), Need::Batch(position(2)));
    assert_eq!(state.head(log.head(at(1)), moment(1)), Outcome::CaughtUp);
    assert_eq!((state.need(), state.is_caught_up()), (Need::Head, true));
    // Also where a snapshot was asked for in between.
    assert_eq!(state.head(lost.head(at(0)), moment(2)), Outcome::Ignored);
    state.unavailable(position(2));
    assert_eq!(state.snapshot(candidate(log.snapshot(at(2)))), Outcome::Applied);
    assert_eq!(state.head(lost.head(at(0)), moment(2)), Outcome::Ignored);
    assert_eq!(state.need(), Need::Head);
    assert_eq!(state.head(log.head(at(2)), moment(2)), Outcome::CaughtUp);
    assert!(state.is_caught_up());
}

#[test]
fn rule_3_a_node_that_lags_is_not_heard() {
    let log = history(3);
    let mut state = caught_up(&log);
    let lagging = log.cut(2);
    assert_eq!(state.head(lagging.head(at(3)), moment(3)), Outcome::Ignored);
    assert_eq!((state.need(), state.is_caught_up()), (Need::Head, true));
}

#[test]
fn rule_4_batches_continue_what_is_applied_or_change_nothing() {
    let log = history(9).with([session()]);
    let mut state = caught_up(&log.cut(5));
    let mut other = History::new(OTHER_LOG).with((0..9).map(stranger));
    other.append(session());
    for (batch, why) in [
        (log.batch(6, 10), "a gap"),
        (log.batch(2, 5), "old"),
        (log.batch(0, 3), "old"),
        (other.batch(5, 10), "another log"),
    ] {
        assert_eq!(state.batch(&batch), Outcome::Ignored, "{why}");
        assert_eq!(state.position(), Some(position(5)));
        assert!(!is_revoked(&state), "{why}");
    }
    assert_eq!(
        state.batch(&log.batch(3, 8)),
        Outcome::Applied,
        "what was applied comes again"
    );
    assert_eq!(state.batch(&log.batch(8, 10)), Outcome::Applied);
    assert!(is_revoked(&state));
    assert_eq!(state.head(log.head(at(1)), moment(1)), Outcome::CaughtUp);
}

#[test]
fn rule_4_entries_that_come_again_change_nothing() {
    let subject = |effect| entry(RevocationKind::Subject, SUBJECT, effect);
    let log = history(1).with([
        subject(Effect::Block),
        subject(Effect::Lift(UnixMillis(STARTED - 1))),
        stranger(7),
    ]);
    let mut state = caught_up(&log.cut(3));
    assert!(!is_revoked(&state));
    assert_eq!(state.batch(&log.batch(1, 4)), Outcome::Applied);
    assert!(!is_revoked(&state));
}

#[test]
fn rule_4_a_batch_of_too_many_entries_leaves_something_missing() {
    let log = history(1);
    let more = log.clone().with((10..12).map(stranger));
    let mut many = log.snapshot(at(0));
    many.entries = (0..1_999_999).map(stranger).collect();
    let mut state = state();
    state.snapshot(candidate(many));
    assert_eq!(
        state.head(log.head(at(0)), moment(0)),
        Outcome::Adopted(Adopted::First)
    );
    assert!(state.is_caught_up());
    assert_eq!(state.batch(&more.batch(1, 3)), Outcome::TooMany);
    assert_eq!(
        (state.position(), state.is_caught_up()),
        (Some(position(1)), false),
        "nothing of it was applied"
    );
    // Whatever was missing, it is not before this head.
    assert_eq!(state.head(log.head(at(1)), moment(1)), Outcome::CaughtUp);
    assert!(state.is_caught_up());
}

/// Entries were lost, and others came in their place, in a batch that begins before the known position: those before it
/// never came.
#[test]
fn rule_4_tips_within_a_batch_tell_that_other_entries_led_to_it() {
    let log = history(6);
    let lost = log.cut(3).with([session()]).with((10..14).map(stranger));
    let mut state = caught_up(&log.cut(5));
    let batch = lost.batch(4, 7);
    assert_eq!(state.batch(&batch), Outcome::Resync(Resync::EntriesLost));
    assert_eq!(state.position(), Some(position(5)), "nothing of it was applied");
    // Without the tips nobody can tell.
    let mut state = caught_up(&log.cut(5));
    let without = symbolon_verifier::feed::Batch {
        tips: Vec::new(),
        ..batch
    };
    assert_eq!(state.batch(&without), Outcome::Applied);
}

#[test]
fn rule_5_the_same_position_with_another_tip() {
    let log = history(1).with([session()]);
    let other = log.cut(1).with([stranger(50)]);
    let mut state = caught_up(&log);
    // Whether or not it is newer by more than three seconds.
    assert_eq!(
        state.head(other.head(at(1)), moment(1)),
        Outcome::Resync(Resync::EntriesLost)
    );
    assert_eq!(state.need(), Need::Snapshot);
    assert_eq!(
        state.snapshot(candidate(other.snapshot(at(1)))),
        Outcome::Adopted(Adopted::Merged)
    );
    assert!(is_revoked(&state), "what was known stays in force");
    assert_eq!(state.entries(), 3);
}

#[test]
fn rule_5_a_batch_behind_another_tip() {
    let log = history(1).with([session()]);
    let mut other = log.cut(1).with([stranger(50)]);
    other.append(stranger(51));
    let mut state = caught_up(&log);
    assert_eq!(
        state.batch(&other.batch(2, 3)),
        Outcome::Resync(Resync::EntriesLost)
    );
    // A head of the known position without a tip can't say that nothing was lost.
    let vague = Head {
        tip: None,
        ..log.head(at(1))
    };
    assert_eq!(state.head(vague, moment(1)), Outcome::Behind);
    assert_eq!(
        state.snapshot(candidate(other.cut(1).snapshot(at(0)))),
        Outcome::Applied
    );
    assert_eq!(state.head(other.head(at(2)), moment(2)), Outcome::Behind);
    assert_eq!(state.batch(&other.batch(1, 3)), Outcome::Adopted(Adopted::Merged));
    assert!(is_revoked(&state));
}

#[test]
fn rule_5_a_lower_position_for_more_than_three_seconds() {
    let log = history(1).with([session(), stranger(9)]);
    let lost = log.cut(1);
    let mut state = caught_up(&log);
    assert_eq!(state.head(lost.head(at(3)), moment(3)), Outcome::Ignored);
    let later = Head {
        as_of: UnixMillis(at(3) + 1),
        ..lost.head(0)
    };
    assert_eq!(state.head(later, moment(4)), Outcome::Resync(Resync::EntriesLost));
    // A snapshot from before the loss, as a cache may have it, is of no use.
    assert_eq!(state.snapshot(candidate(log.snapshot(at(0)))), Outcome::Ignored);
    assert_eq!(state.need(), Need::Snapshot);
    assert_eq!(
        state.snapshot(candidate(lost.snapshot(at(3)))),
        Outcome::Adopted(Adopted::Merged)
    );
    assert!(is_revoked(&state));
    assert_eq!(state.position(), Some(position(1)));
}

/// The node that knows nothing of the lost entries says no more than that the position is not kept.
#[test]
fn rule_7_what_was_known_of_the_same_log_stays_in_force() {
    let log = history(2).with([session()]);
    let went_on = log.cut(2).with((50..60).map(stranger));
    let mut state = caught_up(&log);
    assert_eq!(state.told_to_resync(), Outcome::Resync(Resync::TooFarBehind));
    state.snapshot(candidate(went_on.snapshot(at(1))));
    assert_eq!(
        state.head(went_on.head(at(1)), moment(1)),
        Outcome::Adopted(Adopted::Merged)
    );
    assert!(is_revoked(&state), "the log has lost it");
    assert_eq!((state.position(), state.entries()), (Some(position(12)), 13));
}

#[test]
fn rule_6_another_log_replaces_everything() {
    let log = history(1).with([session()]);
    let restored = History::new(OTHER_LOG).with([stranger(1)]);
    let mut state = caught_up(&log);
    assert_eq!(state.head(restored.head(at(3)), moment(3)), Outcome::Ignored);
    assert_eq!(
        state.head(restored.head(at(4)), moment(4)),
        Outcome::Resync(Resync::OtherLog)
    );
    assert!(is_revoked(&state), "until something is there to take its place");
    assert_eq!(
        state.snapshot(candidate(restored.snapshot(at(4)))),
        Outcome::Adopted(Adopted::Replaced)
    );
    assert!(!is_revoked(&state));
    // What is left of the old log is heard no more.
    assert_eq!(state.head(log.head(at(5)), moment(5)), Outcome::Ignored);
}

#[test]
fn rule_7_an_old_snapshot_changes_nothing_without_what_is_behind_it() {
    let log = history(3).with([session()]);
    let mut state = caught_up(&log);
    assert_eq!(state.told_to_resync(), Outcome::Resync(Resync::TooFarBehind));
    assert_eq!(
        state.snapshot(candidate(log.cut(1).snapshot(at(0) - 9_999_999))),
        Outcome::Applied
    );
    assert_eq!(
        state.snapshot(candidate(log.cut(2).snapshot(at(0) - 9_999_999))),
        Outcome::Applied
    );
    assert!(is_revoked(&state));
    assert_eq!(state.position(), Some(position(4)));
    assert_eq!(
        state.head(log.cut(2).head(at(0) - 1), moment(1)),
        Outcome::Ignored,
        "a head as old as the snapshot does not help it"
    );
    let more = log.clone().with([stranger(60)]);
    assert_eq!(state.head(more.head(at(2)), moment(2)), Outcome::Behind);
    assert_eq!(state.need(), Need::Batch(position(2)));
    assert_eq!(
        state.batch(&more.batch(2, 5)),
        Outcome::CaughtUp,
        "what is in force got there itself"
    );
    assert!(is_revoked(&state) && state.is_caught_up());
}

#[test]
fn rule_7_with_what_is_behind_it_an_old_snapshot_is_as_good_as_a_new_one() {
    let log = history(6).with([session()]);
    let mut state = caught_up(&log.cut(2));
    assert_eq!(
        state.unavailable(position(2)),
        Outcome::Resync(Resync::TooFarBehind)
    );
    assert_eq!(state.head(log.head(at(1)), moment(1)), Outcome::Behind);
    assert_eq!(
        state.snapshot(candidate(log.cut(4).snapshot(at(0) - 9_999_999))),
        Outcome::Applied
    );
    assert_eq!(state.batch(&log.batch(4, 7)), Outcome::Adopted(Adopted::Merged));
    assert!(is_revoked(&state));
}

/// A snapshot that nothing leads on from is not waited for.
#[test]
fn rule_7_another_snapshot_is_read_where_one_is_of_no_use() {
    let log = history(6);
    let mut state = state();
    state.snapshot(candidate(log.cut(2).snapshot(at(0))));
    state.head(log.head(at(0)), moment(0));
    assert_eq!(state.need(), Need::Batch(position(2)));
    state.unavailable(position(2));
    assert_eq!(state.need(), Need::Snapshot);
    // One of another log, older than the head.
    let other = History::new(OTHER_LOG).with([stranger(1)]);
    assert_eq!(
        state.snapshot(candidate(other.snapshot(at(0) - 3001))),
        Outcome::Ignored
    );
    assert_eq!(state.need(), Need::Snapshot);
    // One that lies further on than the log has come since.
    state.snapshot(candidate(log.clone().with([stranger(9)]).snapshot(at(0))));
    assert_eq!(state.need(), Need::Head);
    state.head(log.head(at(4)), moment(4));
    assert_eq!(state.need(), Need::Snapshot);
    state.snapshot(candidate(log.snapshot(at(4))));
    assert_eq!(state.position(), Some(position(6)));
}

#[test]
fn rule_8_age_is_counted_by_the_clock_that_says_more() {
    let log = history(1);
    let mut state = caught_up(&log);
    let late = Moment {
        wall: UnixMillis(at(100)),
        ..moment(50)
    };
    assert_eq!(state.head(log.head(at(70)), late), Outcome::CaughtUp);
    let age = |wall: u64, monotonic: u64| {
        let now = Moment {
            wall: UnixMillis(at(wall)),
            ..moment(monotonic)
        };
        state.age(now).unwrap().as_secs()
    };
    assert_eq!(age(100, 50), 30, "it was 30 s old when it came");
    assert_eq!(age(101, 51), 31);
    assert_eq!(age(0, 60), 40, "the wall clock was set back");
    assert_eq!(age(1000, 51), 930, "the machine slept");
    assert_eq!(state.max_stale(), Some(Duration::from_secs(300)));
}

#[test]
fn rule_8_the_issuer_says_how_old_it_may_be_but_a_day_at_most() {
    let log = history(1);
    let mut state = caught_up(&log);
    for (says, counts) in [(0, 0), (60, 60), (86_400, 86_400), (u64::MAX, 86_400)] {
        let head = Head {
            max_stale: says,
            ..log.head(at(1 + says % 1000))
        };
        assert_eq!(state.head(head, moment(1 + says % 1000)), Outcome::CaughtUp);
        assert_eq!(state.max_stale(), Some(Duration::from_secs(counts)));
    }
}

#[test]
fn rule_9_what_has_expired_is_forgotten_with_a_margin() {
    let mut leaving = session();
    leaving.expires = UnixMillis(at(100));
    let log = history(1).with([leaving]);
    let mut state = caught_up(&log);
    state.prune(UnixMillis(at(1_000_000)));
    assert!(is_revoked(&state), "a clock that is wrong forgets nothing");
    assert_eq!(state.head(log.head(at(200)), moment(200)), Outcome::CaughtUp);
    state.prune(UnixMillis(at(109)));
    assert!(is_revoked(&state));
    state.prune(UnixMillis(at(110)));
    assert!(!is_revoked(&state));
    assert_eq!(state.entries(), 1, "what never expires stays");
}

/// CVE-2026-18218: cutoffs masking each other.
#[test]
fn g8_the_latest_cutoff_counts_whatever_its_kind() {
    let subject = SUBJECT.parse().unwrap();
    let all = |at| entry(RevocationKind::All, "", Effect::Cutoff(UnixMillis(at)));
    let client = |at| entry(RevocationKind::Client, "shop", Effect::Cutoff(UnixMillis(at)));
    for entries in [[all(100), client(500)], [client(500), all(100)]] {
        let state = caught_up(&History::new(LOG).with(entries));
        let kind = |started| state.revokes(&lookup_of(started, subject));
        assert_eq!(kind(100), Some(RevocationKind::All));
        assert_eq!(kind(101), Some(RevocationKind::Client));
        assert_eq!(kind(500), Some(RevocationKind::Client));
        assert_eq!(kind(501), None);
    }
}

/// What began in the same second, but behind the cutoff, is another matter.
#[test]
fn g9_a_cutoff_is_exact_to_the_millisecond() {
    let subject = SUBJECT.parse().unwrap();
    let cutoff = entry(
        RevocationKind::Subject,
        SUBJECT,
        Effect::Cutoff(UnixMillis(NOW * 1000 + 500)),
    );
    let state = caught_up(&History::new(LOG).with([cutoff]));
    let revoked = |ms| state.revokes(&lookup_of(NOW * 1000 + ms, subject)).is_some();
    assert!(revoked(499) && revoked(500) && !revoked(501));
}
