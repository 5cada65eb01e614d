//! However batches were cut and merged, and from wherever they are followed, they say what the log says.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use symbolon_core::UnixMillis;
use symbolon_oauth_types::feed::{FeedEntry, MAX_BATCH_ENTRIES, Tip};
use symbolon_oauth_types::revocation::{Cutoffs, Digest, Effect, RevocationKind};
use uuid::Uuid;

use super::super::batches::{Batches, Draft, Kept, Span};
use super::super::inbox::{Advance, Placed, Position};
use super::super::ledger::Ledger;
use super::super::signer::Signer;
use super::reader::{folded, in_force};
use super::{FeedKeys, ISSUER, secret};
use crate::reading::History;

const LOG: Uuid = Uuid::from_u128(7);

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let keys = FeedKeys::new(&[secret(1)]).unwrap();
    Signer::new(ISSUER.to_owned(), Duration::from_secs(300), keys)
});

/// Longest life of an access token, and how long an entry stays on the feed.
const LIFE: u64 = 6;
const HORIZON: u64 = 7;

/// An entry about one of a few clients, made at a moment.
#[derive(Clone, Copy, Debug)]
struct Made {
    client: u8,
    effect: Effect,
    at: u64,
}

const CLIENTS: u8 = 3;

fn digest(client: u8) -> Digest {
    Digest([client; 16])
}

impl Made {
    fn entry(self) -> FeedEntry {
        FeedEntry {
            digest: digest(self.client),
            effect: self.effect,
            expires: UnixMillis(self.at + HORIZON),
        }
    }
}

/// What happens: time passes and an entry is made, what is there is signed, batches are merged, what is old is dropped, or
/// a snapshot is taken.
#[derive(Clone, Debug)]
enum Event {
    Make { after: u64, client: u8, kind: u8 },
    Sign,
    Merge,
    Drop,
    Snapshot,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let make = (0..3_u64, 0..CLIENTS, 0..3_u8);
    let event = prop_oneof![
        4 => make.prop_map(|(after, client, kind)| Event::Make { after, client, kind }),
        3 => Just(Event::Sign),
        3 => Just(Event::Merge),
        1 => Just(Event::Drop),
        1 => Just(Event::Snapshot),
    ];
    vec(event, 1..40)
}

/// The feed of one log, by hand.
#[derive(Default)]
struct Bench {
    now: u64,
    made: Vec<Made>,
    ledger: Ledger,
    /// The last snapshot: its position and entries.
    snapshot: Option<(u64, Vec<FeedEntry>)>,
}

impl Bench {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.now)
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Make { after, client, kind } => {
                self.now += after;
                let moment = UnixMillis(self.now);
                let effect = [Effect::Block, Effect::Cutoff(moment), Effect::Lift(moment)][usize::from(kind)];
                let at = self.now;
                self.make(Made { client, effect, at });
            }
            Event::Sign => self.sign(),
            Event::Merge => {
                self.merge();
            }
            Event::Drop => {
                let now = self.now();
                if let Some((needed, _)) = &self.snapshot {
                    self.ledger.batches.drop_old(now, *needed);
                }
            }
            Event::Snapshot => {
                if self.made.is_empty() {
                    self.absorb(0, None, vec![]);
                }
                self.sign();
                let now = self.now();
                self.ledger.cutoffs.prune(now);
                self.snapshot = Some((self.made.len() as u64, self.ledger.cutoffs.entries().collect()));
            }
        }
    }

    fn make(&mut self, made: Made) {
        self.made.push(made);
        let seq = self.made.len() as u64;
        // Some are not known.
        let tip = (!seq.is_multiple_of(5)).then(|| tip_of(seq));
        let placed = Placed {
            seq,
            tip,
            entry: made.entry(),
            moot: UnixMillis(made.at + HORIZON),
        };
        self.absorb(seq, tip, vec![placed]);
    }

    fn absorb(&mut self, seq: u64, tip: Option<Tip>, entries: Vec<Placed>) {
        self.ledger.absorb(Advance {
            to: Position { log: LOG, seq, tip },
            entries,
            history: History::Same,
        });
    }

    fn sign(&mut self) {
        let now = self.now();
        let drafts = self.ledger.drafts(now);
        let signed = drafts.into_iter().map(|draft| SIGNER.batch(draft, now).unwrap());
        let signed = signed.collect();
        self.ledger.signed(signed);
    }

    fn merge(&mut self) -> bool {
        let Some(draft) = self.ledger.batches.to_merge() else {
            return false;
        };
        let merged = SIGNER.batch(draft, self.now()).unwrap();
        self.ledger.batches.replace(Arc::new(merged));
        true
    }

    /// Whether each batch has all the tips that there are of its positions.
    fn has_tips(&self) -> bool {
        let known = |seq: u64| (!seq.is_multiple_of(5)).then(|| tip_of(seq));
        self.ledger.batches.all().iter().all(|kept| {
            let span = kept.span;
            let within: Vec<_> = (span.from + 1..span.to).map(known).collect();
            let are_there = kept.tips() == within || within.iter().all(Option::is_none);
            are_there && (span.prev, span.tip) == (known(span.from), known(span.to))
        })
    }

    /// Follows the batches from a position on; nothing where they do not lead to the end.
    fn follow(&self, mut seq: u64, cutoffs: &mut Cutoffs) -> bool {
        for kept in self.ledger.batches.all() {
            if kept.span.from <= seq && seq < kept.span.to {
                kept.entries.iter().for_each(|entry| cutoffs.apply(entry));
                seq = kept.span.to;
            }
        }
        seq == self.made.len() as u64
    }

    /// What whoever has heard everything up to a moment knows, and forgets nothing.
    fn known_at(&self, moment: u64) -> Cutoffs {
        let entries: Vec<_> = self
            .made
            .iter()
            .filter(|made| made.at <= moment)
            .map(|made| made.entry())
            .collect();
        folded(&entries)
    }

    /// Every token that could be alive: of a session that began at any time, issued within the last [`LIFE`], when
    /// nothing forbade it.
    fn tokens(&self) -> Vec<(u8, u64)> {
        let mut tokens = Vec::new();
        for issued in self.now.saturating_sub(LIFE)..=self.now {
            let known = self.known_at(issued);
            for client in 0..CLIENTS {
                // Those that began before the last entry expired are alike.
                let first = self.now.saturating_sub(3 * HORIZON);
                for started in (first..=issued).filter(|started| !revokes(&known, client, *started)) {
                    tokens.push((client, started));
                }
            }
        }
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }
}

fn tip_of(seq: u64) -> Tip {
    let mut tip = [0; 16];
    tip[8..].copy_from_slice(&seq.to_be_bytes());
    Tip(tip)
}

fn revokes(cutoffs: &Cutoffs, client: u8, started: u64) -> bool {
    let state = |entry: &FeedEntry| match entry.effect {
        Effect::Block => true,
        Effect::Cutoff(moment) | Effect::Lift(moment) => UnixMillis(started) <= moment,
    };
    cutoffs
        .entries()
        .filter(|entry| entry.digest == digest(client))
        .any(|entry| state(&entry))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// For each token that can be alive, whoever follows from anywhere decides as whoever has heard everything.
    #[test]
    fn whoever_follows_from_anywhere_knows_what_the_log_says(events in events()) {
        let mut bench = Bench::default();
        for event in &events {
            bench.happen(event);
        }
        bench.sign();
        let (everything, tokens) = (bench.known_at(bench.now), bench.tokens());
        let first = bench.ledger.batches.all().first().map_or(bench.made.len() as u64, |kept| kept.span.from);
        // From the snapshot, and from each position with what was known there.
        let mut readers = Vec::new();
        if let Some((seq, entries)) = &bench.snapshot {
            prop_assert!(first <= *seq, "what is behind the snapshot is there");
            readers.push((*seq, folded(entries)));
        }
        for seq in first..=bench.made.len() as u64 {
            let known: Vec<_> = bench.made.iter().take(seq as usize).map(|made| made.entry()).collect();
            readers.push((seq, folded(&known)));
        }
        for (seq, mut cutoffs) in readers {
            prop_assert!(bench.follow(seq, &mut cutoffs));
            cutoffs.prune(bench.now());
            for (client, started) in &tokens {
                let (here, there) = (revokes(&cutoffs, *client, *started), revokes(&everything, *client, *started));
                prop_assert_eq!(here, there, "from {}: client {} from {}", seq, client, started);
            }
        }
    }

    /// Where nothing has expired, all is the same to the last entry.
    #[test]
    fn batches_come_to_the_log(sizes in vec(0..40_usize, 1..40), merges in vec(any::<bool>(), 40)) {
        let mut bench = Bench::default();
        for (size, merge) in sizes.iter().zip(merges) {
            for n in 0..*size {
                let client = (n * 7 + bench.made.len()) as u8;
                let moment = UnixMillis(bench.made.len() as u64);
                let effect = [Effect::Block, Effect::Cutoff(moment), Effect::Lift(moment)][n % 3];
                bench.make(Made { client, effect, at: 0 });
            }
            bench.sign();
            while merge && bench.merge() {}
        }
        while bench.merge() {}
        let log = bench.known_at(0);
        let mut read = Cutoffs::default();
        prop_assert!(bench.follow(0, &mut read));
        prop_assert!(bench.has_tips());
        prop_assert_eq!(in_force(&read), in_force(&log));
        prop_assert_eq!(in_force(&read), in_force(&bench.ledger.cutoffs));
        let most = bench.made.len().max(1).ilog2() as usize + 2;
        prop_assert!(bench.ledger.batches.all().len() <= most, "{} of {}", bench.ledger.batches.all().len(), bench.made.len());
    }
}

fn kept(from: u64, to: u64, expires: &[u64]) -> Arc<Kept> {
    let entries = expires.iter().map(|expires| FeedEntry {
        digest: Digest::of(RevocationKind::All, ""),
        effect: Effect::Block,
        expires: UnixMillis(*expires),
    });
    let span = Span {
        log: LOG,
        from,
        to,
        prev: None,
        tip: None,
    };
    let draft = Draft::new(span, std::iter::empty(), entries.collect());
    Arc::new(SIGNER.batch(draft, UnixMillis(1)).unwrap())
}

fn spans(batches: &Batches) -> Vec<(u64, u64)> {
    let spans = batches.all().iter();
    spans.map(|kept| (kept.span.from, kept.span.to)).collect()
}

#[test]
fn no_merged_batch_reaches_further_than_one_may() {
    let most = MAX_BATCH_ENTRIES as u64;
    let mut batches = Batches::default();
    batches.push(kept(0, most - 1, &[9]));
    batches.push(kept(most - 1, 2 * most, &[9]));
    batches.push(kept(2 * most, 2 * most + 1, &[9]));
    assert!(batches.to_merge().is_none());
    batches.push(kept(2 * most + 1, 2 * most + 2, &[9]));
    let draft = batches.to_merge().unwrap();
    assert_eq!((draft.span.from, draft.span.to), (2 * most, 2 * most + 2));
}

/// What is made while batches are merged stays, and what was dropped meanwhile does not come back.
#[test]
fn a_merged_batch_takes_only_the_place_of_its_parts() {
    let mut batches = Batches::default();
    for n in 0..4 {
        batches.push(kept(n, n + 1, &[9]));
    }
    let merged = || kept(1, 3, &[9, 9]);
    batches.replace(merged());
    assert_eq!(spans(&batches), [(0, 1), (1, 3), (3, 4)]);
    batches.replace(kept(0, 7, &[9]));
    batches.replace(kept(2, 4, &[9]));
    assert_eq!(spans(&batches), [(0, 1), (1, 3), (3, 4)]);
    let mut later = Batches::default();
    later.push(kept(3, 4, &[9]));
    later.replace(merged());
    assert_eq!(spans(&later), [(3, 4)]);
}

#[test]
fn only_what_has_expired_and_nobody_needs_is_dropped() {
    let batches = || {
        Batches::of(vec![
            kept(0, 1, &[5]),
            kept(1, 2, &[u64::MAX, 6]),
            kept(2, 3, &[20]),
            kept(3, 4, &[5]),
        ])
    };
    for (now, needed, left) in [
        (4, 4, 4),
        (5, 4, 3),
        (6, 4, 2),
        (6, 1, 3),
        (6, 0, 4),
        (19, 4, 2),
        (20, 4, 0),
    ] {
        let mut batches = batches();
        batches.drop_old(UnixMillis(now), needed);
        assert_eq!(batches.all().len(), left, "at {now}, needed from {needed} on");
    }
}

#[test]
fn no_more_are_kept_than_there_may_be_but_for_those_that_are_needed() {
    let many = || Batches::of((0..600).map(|n| kept(n, n + 1, &[9])).collect());
    let mut batches = many();
    batches.drop_old(UnixMillis(1), 600);
    assert_eq!((batches.all().len(), spans(&batches)[0]), (512, (88, 89)));
    let mut batches = many();
    batches.drop_old(UnixMillis(1), 10);
    assert_eq!(spans(&batches)[0], (10, 11));
}
