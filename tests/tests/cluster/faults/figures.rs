//! What a run counts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::calls::Phase;

/// Of what is wrongly accepted, so much is told in words.
const EXAMPLES: usize = 10;

/// A count.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What has been counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Requests to the token endpoint, to revoke and to introspect.
    pub(super) sent: Count,
    /// Refreshes answered with 200, by each node.
    pub(super) accepted: [Count; 2],
    /// Refreshes answered with 400, `invalid_grant`.
    pub(super) refused: Count,
    /// Requests answered with 503.
    pub(super) unavailable: Count,
    /// Requests to which no answer came.
    pub(super) unanswered: Count,
    /// Refreshes of honest clients that were sent again.
    pub(super) retried: Count,
    /// Revocations answered with 200.
    pub(super) promised: Count,
    /// Revocations answered with 202 or 503, or not at all.
    pub(super) not_promised: Count,
    /// Thefts that were seen: a stolen token was refused, and its session is dead.
    pub(super) thefts: Count,
    /// Stolen tokens that were adopted, because the record that knew better was lost.
    pub(super) stolen_adopted: Count,
    /// Concurrent uses of one token at both nodes.
    pub(super) pairs: Count,
    /// Pairs that were given two tokens, whose record was lost in between: they are of one generation.
    pub(super) twins: Count,
    noted: Mutex<Noted>,
}

/// How long a client did without an answer; compared by that first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Outage {
    pub(super) lasted: Duration,
    /// The phase in which it began.
    pub(super) from: Phase,
    /// The phase in which it ended.
    pub(super) to: Phase,
}

#[derive(Debug, Default)]
struct Noted {
    wrongs: u64,
    wrong: Vec<String>,
    lost: Vec<String>,
    other: Vec<String>,
    outage: Outage,
    recovered: Option<Instant>,
    back: [Option<Duration>; 2],
}

impl Tally {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was accepted that must not be.
    pub(super) fn wrong(&self, what: String) {
        let mut noted = self.noted();
        noted.wrongs += 1;
        if noted.wrong.len() < EXAMPLES {
            noted.wrong.push(what);
        }
    }

    /// How much was accepted that must not be.
    pub(super) fn wrongs(&self) -> u64 {
        self.noted().wrongs
    }

    /// A session that nobody revoked was refused.
    pub(super) fn lost(&self, what: String) {
        self.noted().lost.push(what);
    }

    /// Whether any such session was refused.
    pub(super) fn has_lost(&self) -> bool {
        !self.noted().lost.is_empty()
    }

    /// An answer, or a state, that no run may come to.
    pub(super) fn other(&self, what: String) {
        self.noted().other.push(what);
    }

    /// A client had to do without an answer for so long.
    pub(super) fn outage(&self, outage: Outage) {
        let mut noted = self.noted();
        noted.outage = noted.outage.max(outage);
    }

    /// The fault is over.
    pub(super) fn recovered(&self) {
        self.noted().recovered = Some(Instant::now());
    }

    /// A node has served a refresh.
    pub(super) fn served(&self, node: usize) {
        self.accepted[node].add();
        let mut noted = self.noted();
        if let (Some(at), None) = (noted.recovered, noted.back[node]) {
            noted.back[node] = Some(at.elapsed());
        }
    }

    /// Whether the fault is over and both nodes have served since.
    pub(super) fn is_back(&self) -> bool {
        self.noted().back.iter().all(Option::is_some)
    }

    /// Refreshes answered with 200.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.iter().map(Count::is).sum()
    }
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) name: &'static str,
    pub(super) tally: std::sync::Arc<Tally>,
    /// Sessions, those that were to die included.
    pub(super) sessions: usize,
    /// Whether Redis lost anything: then a stolen token may be adopted, and two tokens of one generation be given.
    pub(super) lossy: bool,
    /// Tokens that were adopted, as the nodes count.
    pub(super) adopted: u64,
}

impl Figures {
    /// What is wrong with it; empty where nothing is.
    pub(super) fn faults(&self) -> Vec<String> {
        let noted = self.tally.noted();
        let mut faults: Vec<String> = Vec::new();
        let mut list = |kind: &str, entries: &[String]| {
            faults.extend(
                entries
                    .iter()
                    .map(|entry| format!("{}: {kind}: {entry}", self.name)),
            );
        };
        list("wrongly accepted", &noted.wrong);
        list("session lost", &noted.lost);
        list("unexpected", &noted.other);
        if !self.lossy {
            let lost_nothing = [
                ("stolen tokens adopted", self.tally.stolen_adopted.is()),
                ("pairs that were given two tokens", self.tally.twins.is()),
                ("tokens adopted", self.adopted),
            ];
            for (what, count) in lost_nothing.into_iter().filter(|(_, count)| *count > 0) {
                list("though Redis lost nothing", &[format!("{count} {what}")]);
            }
        }
        faults
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        let noted = tally.noted();
        write!(
            f,
            "{}: {} sent, {} accepted, {} refused with 503, {} unanswered, {} retried, {} wrongly accepted, {} of {} \
             sessions lost; longest outage {} ms ({:?} to {:?}), first success after",
            self.name,
            tally.sent.is(),
            tally.accepted(),
            tally.unavailable.is(),
            tally.unanswered.is(),
            tally.retried.is(),
            noted.wrongs,
            noted.lost.len(),
            self.sessions,
            noted.outage.lasted.as_millis(),
            noted.outage.from,
            noted.outage.to,
        )?;
        for (node, back) in ["a", "b"].into_iter().zip(noted.back) {
            match back {
                Some(back) => write!(f, " {} ms ({node})", back.as_millis())?,
                None => write!(f, " never ({node})")?,
            }
        }
        write!(
            f,
            "; {} revocations promised, {} times not yet, {} thefts seen, {} stolen adopted; {} pairs, {} given two \
             tokens, {} adopted",
            tally.promised.is(),
            tally.not_promised.is(),
            tally.thefts.is(),
            tally.stolen_adopted.is(),
            tally.pairs.is(),
            tally.twins.is(),
            self.adopted,
        )
    }
}
