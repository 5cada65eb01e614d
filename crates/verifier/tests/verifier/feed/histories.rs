//! Any documents of several histories, in any order, any number of times: whatever a state says that it is caught up with
//! is in force, and where the server can be heard again it gets there.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use symbolon_verifier::feed::{Batch, Candidate, Effect, FeedEntry, Moment, Need, Outcome, State};
use symbolon_verifier::{RevocationKind, UnixMillis, Uuid};

use super::{History, LOG, entry, lookup_of};

const SUBJECTS: u128 = 3;
const MOMENTS: u64 = 4;

#[derive(Clone, Debug)]
enum Event {
    Append(FeedEntry),
    /// The database loses so many of its last entries.
    Lose(u64),
    /// A backup is restored: the log is another one, with so many entries less.
    Restore(u64),
}

/// Blocks are lifted in every other run.
fn events() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let pause = || prop_oneof![Just(2_u64), Just(1000), Just(10_000)];
    any::<bool>().prop_flat_map(move |lifts| prop::collection::vec((event(lifts), pause()), 1..14))
}

fn event(lifts: bool) -> impl Strategy<Value = Event> {
    let lift = move |moment| match lifts {
        true => Effect::Lift(moment),
        false => Effect::Cutoff(moment),
    };
    let effect = prop_oneof![
        Just(Effect::Block),
        (1..MOMENTS).prop_map(|moment| Effect::Cutoff(UnixMillis(moment))),
        (1..MOMENTS).prop_map(move |moment| lift(UnixMillis(moment))),
    ];
    let append = (0..SUBJECTS, effect).prop_map(|(subject, effect)| {
        let value = Uuid::from_u128(subject).to_string();
        Event::Append(entry(RevocationKind::Subject, &value, effect))
    });
    prop_oneof![
        8 => append,
        1 => (1..4_u64).prop_map(Event::Lose),
        1 => (1..4_u64).prop_map(Event::Restore),
    ]
}

/// What was ever signed: the log as it stood at each moment.
struct Timeline {
    versions: Vec<(u64, History)>,
}

impl Timeline {
    /// Each event takes place so many milliseconds behind the one before.
    fn of(events: &[(Event, u64)]) -> Self {
        let mut now = 1_000_000;
        let mut versions = vec![(now, History::new(LOG))];
        for (number, (event, pause)) in events.iter().enumerate() {
            now += pause;
            let mut next = versions[versions.len() - 1].1.clone();
            match event {
                Event::Append(entry) => next.append(*entry),
                Event::Lose(entries) => next = next.cut(next.seq().saturating_sub(*entries)),
                Event::Restore(entries) => {
                    next = next.cut(next.seq().saturating_sub(*entries));
                    next.log = Uuid::from_u128(1000 + number as u128);
                }
            }
            versions.push((now, next));
        }
        Self { versions }
    }

    fn last(&self) -> &(u64, History) {
        &self.versions[self.versions.len() - 1]
    }

    /// Which log a head with this `as_of` is of. Those of nodes that lag say so by their last digit.
    fn at(&self, as_of: u64) -> &History {
        let version = self.versions.partition_point(|(at, _)| *at <= as_of) - 1;
        &self.versions[version.saturating_sub((as_of % 2) as usize)].1
    }
}

/// Something that was signed once and comes now.
#[derive(Clone, Debug)]
enum Coming {
    /// Of a version, so many milliseconds behind its beginning.
    Head(Index, u64),
    Batch(Index, Index, Index),
    Snapshot(Index),
    Unavailable,
    Resync,
}

fn coming() -> impl Strategy<Value = Coming> {
    prop_oneof![
        6 => (any::<Index>(), 0..4000_u64).prop_map(|(version, behind)| Coming::Head(version, behind)),
        6 => (any::<Index>(), any::<Index>(), any::<Index>()).prop_map(|(v, a, b)| Coming::Batch(v, a, b)),
        3 => any::<Index>().prop_map(Coming::Snapshot),
        1 => Just(Coming::Unavailable),
        1 => Just(Coming::Resync),
    ]
}

fn moment(wall: u64) -> Moment {
    Moment {
        wall: UnixMillis(wall),
        monotonic: Duration::from_millis(wall),
    }
}

fn tokens() -> impl Iterator<Item = symbolon_verifier::feed::Lookup> {
    (0..SUBJECTS)
        .flat_map(|subject| (0..=MOMENTS).map(move |started| lookup_of(started, Uuid::from_u128(subject))))
}

/// Whatever is revoked where the state says that it is, the state revokes.
fn is_sound(state: &State, timeline: &Timeline) -> Result<(), TestCaseError> {
    let (Some(as_of), Some(position)) = (state.as_of(), state.position()) else {
        return Ok(());
    };
    let history = timeline.at(as_of.0);
    prop_assert_eq!(position.log, history.log);
    prop_assert!(position.seq >= history.seq());
    let is_lifted = |event: &FeedEntry| matches!(event.effect, Effect::Lift(_));
    let lifts = timeline
        .versions
        .iter()
        .any(|(_, log)| log.entries().any(is_lifted));
    if lifts && position.seq > history.seq() {
        // What came behind it may have lifted a block.
        return Ok(());
    }
    let mut truth = State::new(Duration::ZERO);
    truth.snapshot(Candidate::from(history.snapshot(as_of.0)));
    truth.head(history.head(as_of.0), moment(as_of.0));
    for token in tokens() {
        if truth.revokes(&token).is_some() {
            prop_assert!(state.revokes(&token).is_some(), "{:?} {:?}", token, history);
        }
    }
    Ok(())
}

fn take(state: &mut State, timeline: &Timeline, coming: &Coming, now: Moment) {
    let version = |index: &Index| &timeline.versions[index.index(timeline.versions.len())];
    match coming {
        Coming::Head(index, behind) => {
            let as_of = version(index).0 + behind;
            state.head(timeline.at(as_of).head(as_of), now);
        }
        Coming::Batch(index, a, b) => {
            let history = &version(index).1;
            let positions = history.seq() as usize + 1;
            let (a, b) = (a.index(positions) as u64, b.index(positions) as u64);
            if a != b {
                state.batch(&history.batch(a.min(b), a.max(b)));
            }
        }
        Coming::Snapshot(index) => {
            let (at, history) = version(index);
            state.snapshot(Candidate::from(history.snapshot(*at)));
        }
        Coming::Unavailable => {
            if let Need::Batch(behind) = state.need() {
                state.unavailable(behind);
            }
        }
        Coming::Resync => {
            state.told_to_resync();
        }
    }
}

/// A server that can be heard: what is asked for comes, and heads each second.
fn recover(state: &mut State, timeline: &Timeline, mut now: u64) -> Result<(), TestCaseError> {
    let (_, log) = timeline.last();
    for _ in 0..12 {
        now += 1000;
        state.head(log.head(now), moment(now));
        for _ in 0..4 {
            match state.need() {
                Need::Head => break,
                Need::Snapshot => {
                    state.snapshot(Candidate::from(log.snapshot(now)));
                }
                Need::Batch(behind) => {
                    let there = behind.log == log.log && behind.seq < log.seq();
                    let outcome = match there {
                        true => state.batch(&log.batch(behind.seq, log.seq())),
                        false => Outcome::Ignored,
                    };
                    if outcome == Outcome::Ignored {
                        state.unavailable(behind);
                    }
                }
            }
        }
        if state.is_caught_up() && state.as_of() == Some(UnixMillis(now)) {
            prop_assert_eq!(
                state.position().map(|at| (at.log, at.seq)),
                Some((log.log, log.seq()))
            );
            return Ok(());
        }
    }
    prop_assert!(false, "it does not recover: {:?}", state);
    Ok(())
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(1000) })]

    #[test]
    fn what_a_state_says_it_is_caught_up_with_is_in_force(
        events in events(),
        coming in prop::collection::vec(coming(), 0..60),
    ) {
        let timeline = Timeline::of(&events);
        let now = timeline.last().0 + 5000;
        let mut state = State::new(Duration::from_secs(10));
        for coming in &coming {
            take(&mut state, &timeline, coming, moment(now));
            is_sound(&state, &timeline)?;
        }
        recover(&mut state, &timeline, now)?;
        let caught_up = state.as_of().unwrap();
        let last = Timeline { versions: vec![(0, timeline.last().1.clone())] };
        is_sound(&state, &last)?;
        prop_assert!(caught_up.0 > now);
    }

    /// However a log is cut into batches, it comes to the same.
    #[test]
    fn batches_of_any_size_come_to_the_same(
        entries in prop::collection::vec(event(true), 1..30),
        cuts in prop::collection::vec((any::<Index>(), 1..6_u64), 0..30),
    ) {
        let entries = entries.into_iter().filter_map(|event| match event {
            Event::Append(entry) => Some(entry),
            _ => None,
        });
        let log = History::new(LOG).with(entries);
        let mut state = State::new(Duration::from_secs(10));
        state.snapshot(Candidate::from(log.cut(0).snapshot(0)));
        state.head(log.cut(0).head(1000), moment(1000));
        let mut at = 0;
        for (overlap, len) in &cuts {
            let from = at - overlap.index(at as usize + 1) as u64;
            let to = (at + len).min(log.seq());
            if to > from && to > at {
                prop_assert_eq!(state.batch(&log.batch(from, to)), Outcome::Applied);
                at = to;
            }
        }
        if at < log.seq() {
            let rest: Batch = log.batch(at, log.seq());
            prop_assert_eq!(state.batch(&rest), Outcome::Applied);
        }
        let mut whole = State::new(Duration::from_secs(10));
        whole.snapshot(Candidate::from(log.snapshot(0)));
        whole.head(log.head(1000), moment(1000));
        for token in tokens() {
            prop_assert_eq!(state.revokes(&token), whole.revokes(&token));
        }
    }
}
