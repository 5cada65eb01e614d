//! What verifiers report that they have applied of the revocation log: evidence, not proof. No token depends on it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use symbolon_jose::Kid;
use symbolon_oauth_types::UnixMillis;
use uuid::Uuid;

use crate::{ClientId, ClientUid};

/// A verifier that was seen within this time is live: whoever revokes something waits for it.
pub const LIVE: Duration = Duration::from_secs(30);
/// A verifier that was not seen for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Most verifiers of one client.
pub const MAX_OF_CLIENT: usize = 100;
/// Most verifiers of all clients together.
pub const MAX_VERIFIERS: usize = 1000;
/// Most steps that are kept of one verifier.
pub const MAX_STEPS: usize = 64;
/// Most keys that a verifier may report.
pub const MAX_KEYS: usize = 100;

/// A report of an earlier position is taken for one that came late, through another node, if it is no more than this much
/// newer: 3 seconds, in milliseconds, as verifiers take heads.
const LATE_MS: u64 = 3000;

/// Verifiers that were last seen before this moment are forgotten at `now`.
pub fn forgotten_at(now: UnixMillis) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(FORGET_AFTER.as_millis() as u64))
}

/// What a verifier is called, unique within its client: 1 to [`VerifierName::MAX_BYTES`] of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VerifierName(Box<str>);

impl VerifierName {
    /// Longest name, in bytes.
    pub const MAX_BYTES: usize = 100;

    /// The name as it was reported.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VerifierName {
    type Err = VerifierNameError;

    fn from_str(text: &str) -> Result<Self, VerifierNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(allowed) {
            return Err(VerifierNameError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for VerifierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no name of a verifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the name of a verifier is 1 to {} characters of A-Z a-z 0-9 . _ : -",
    VerifierName::MAX_BYTES
)]
pub struct VerifierNameError;

/// What a verifier says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The client that it authenticated as.
    pub client: ClientUid,
    /// What it is called within the client.
    pub name: VerifierName,
    /// Identity of the log that it follows.
    pub log: Uuid,
    /// The last entry that it has applied; fits 63 bits.
    pub seq: u64,
    /// That of the head that it was last caught up with.
    pub as_of: UnixMillis,
    /// The issuer's keys that it knows; at most [`MAX_KEYS`].
    pub kids: BTreeSet<Kid>,
    /// When the server learned of it.
    pub at: UnixMillis,
}

/// The server learned of a verifier having come so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The last entry that was applied.
    pub seq: u64,
    /// When the server learned of it.
    pub at: UnixMillis,
}

/// What is known of a verifier.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verifier {
    /// The client that it authenticates as.
    pub client: ClientUid,
    /// What it is called within the client.
    pub name: VerifierName,
    /// Since when it is known.
    pub first_seen: UnixMillis,
    /// When the server last heard of it, up to a quarter of a minute out of date.
    pub last_seen: UnixMillis,
    /// Identity of the log that it follows.
    pub log: Uuid,
    /// The last entry that it has applied.
    pub seq: u64,
    /// That of the head that it was last caught up with, as of `last_seen`.
    pub as_of: UnixMillis,
    /// The issuer's keys that it knows.
    pub kids: BTreeSet<Kid>,
    /// How it came here on this log, the latest [`MAX_STEPS`]: positions and moments both rise.
    pub steps: VecDeque<Step>,
}

/// A verifier and the name of its client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedVerifier {
    /// The `client_id`.
    pub client_id: ClientId,
    /// What is known of it.
    pub verifier: Verifier,
}

/// By when a verifier had applied an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByWhen {
    /// Before this moment; what is kept of the verifier does not reach back further.
    Before(UnixMillis),
    /// The server learned of it at this moment.
    By(UnixMillis),
    /// It has not reported so.
    NotYet,
}

impl ByWhen {
    /// The moment by which it is known to have applied it.
    pub fn moment(self) -> Option<UnixMillis> {
        match self {
            Self::Before(at) | Self::By(at) => Some(at),
            Self::NotYet => None,
        }
    }
}

impl Verifier {
    /// A verifier of which nothing was known before.
    pub fn new(report: Report) -> Self {
        let step = Step {
            seq: report.seq,
            at: report.at,
        };
        Self {
            client: report.client,
            name: report.name,
            first_seen: report.at,
            last_seen: report.at,
            log: report.log,
            seq: report.seq,
            as_of: report.as_of,
            kids: report.kids,
            steps: VecDeque::from([step]),
        }
    }

    /// Takes another report of the same verifier. Those that came through different nodes may come out of order.
    pub fn hear(&mut self, report: Report) {
        let is_newer = report.at >= self.last_seen;
        if report.log != self.log {
            if !is_newer {
                return;
            }
            self.steps.clear();
            (self.log, self.seq) = (report.log, report.seq);
        } else if report.seq >= self.seq {
            self.seq = report.seq;
        } else if report.at > self.last_seen.plus(LATE_MS) {
            // It began anew, or the log went on from an earlier position: what it said beyond is no longer so.
            self.steps.retain(|step| step.seq <= report.seq);
            self.seq = report.seq;
        }
        self.note(Step {
            seq: report.seq,
            at: report.at,
        });
        if is_newer {
            (self.last_seen, self.as_of, self.kids) = (report.at, report.as_of, report.kids);
        }
    }

    /// Keeps a step, unless it was further by then already.
    fn note(&mut self, step: Step) {
        if self
            .steps
            .iter()
            .any(|known| known.seq >= step.seq && known.at <= step.at)
        {
            return;
        }
        self.steps
            .retain(|known| known.seq > step.seq || known.at < step.at);
        let place = self.steps.partition_point(|known| known.seq < step.seq);
        self.steps.insert(place, step);
        while self.steps.len() > MAX_STEPS {
            self.steps.pop_front();
        }
    }

    /// Whether somebody who revokes something now should wait for it.
    pub fn is_live(&self, now: UnixMillis) -> bool {
        u128::from(now.since(self.last_seen)) <= LIVE.as_millis()
    }

    /// By when it had applied the entry at that position of that log.
    pub fn by_when(&self, log: Uuid, seq: u64) -> ByWhen {
        if self.log != log || self.seq < seq {
            return ByWhen::NotYet;
        }
        let Some(at) = self.steps.iter().position(|step| step.seq >= seq) else {
            return ByWhen::NotYet;
        };
        let step = self.steps[at];
        // The step before the first may have been far enough, if there was one.
        if at == 0 && step.seq > seq && step.at > self.first_seen {
            return ByWhen::Before(step.at);
        }
        ByWhen::By(step.at)
    }
}

/// Which verifiers must go so that there are no more than [`MAX_OF_CLIENT`] of each client and [`MAX_VERIFIERS`] in all.
/// As long as there are too many, the client that has the most loses the one not seen for longest: none can push out those
/// of another that has fewer.
pub fn surplus<'n>(
    known: impl IntoIterator<Item = (ClientUid, &'n VerifierName, UnixMillis)>,
) -> Vec<(ClientUid, VerifierName)> {
    let mut clients: BTreeMap<ClientUid, Vec<(UnixMillis, &VerifierName)>> = BTreeMap::new();
    for (client, name, seen) in known {
        clients.entry(client).or_default().push((seen, name));
    }
    // The one not seen for longest comes last.
    for verifiers in clients.values_mut() {
        verifiers.sort_unstable_by(|one, other| other.cmp(one));
    }
    let mut left: usize = clients.values().map(Vec::len).sum();
    let mut gone = Vec::new();
    loop {
        let most = clients
            .iter_mut()
            .max_by_key(|(_, verifiers)| (verifiers.len(), verifiers.last().map(|(seen, _)| Reverse(*seen))));
        let Some((client, verifiers)) = most else {
            return gone;
        };
        if verifiers.len() <= MAX_OF_CLIENT && left <= MAX_VERIFIERS {
            return gone;
        }
        if let Some((_, name)) = verifiers.pop() {
            gone.push((*client, name.clone()));
            left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn name(text: &str) -> VerifierName {
        text.parse().unwrap()
    }

    fn report(log: Uuid, seq: u64, at: u64) -> Report {
        Report {
            client: ClientUid(Uuid::from_u128(7)),
            name: name("api-1"),
            log,
            seq,
            as_of: UnixMillis(at),
            kids: BTreeSet::new(),
            at: UnixMillis(at),
        }
    }

    fn heard(reports: &[(Uuid, u64, u64)]) -> Verifier {
        let mut reports = reports.iter().map(|(log, seq, at)| report(*log, *seq, *at));
        let mut verifier = Verifier::new(reports.next().unwrap());
        reports.for_each(|report| verifier.hear(report));
        verifier
    }

    fn steps(verifier: &Verifier) -> Vec<(u64, u64)> {
        verifier.steps.iter().map(|step| (step.seq, step.at.0)).collect()
    }

    #[test]
    fn names_are_bounded_and_plain() {
        let longest = "x".repeat(100);
        for good in ["a", "A.b_c:d-9", &longest] {
            assert_eq!(name(good).as_str(), good);
        }
        let long = "x".repeat(101);
        for bad in ["", "a b", "a/b", "a\nb", "\u{e4}", "a@b", &long] {
            assert_eq!(bad.parse::<VerifierName>(), Err(VerifierNameError), "{bad:?}");
        }
    }

    #[test]
    fn tells_by_when_an_entry_was_applied() {
        let verifier = heard(&[(LOG, 4, 1000), (LOG, 4, 6000), (LOG, 7, 8000), (LOG, 9, 8100)]);
        assert_eq!(steps(&verifier), [(4, 1000), (7, 8000), (9, 8100)]);
        for (seq, by) in [
            (1, ByWhen::By(UnixMillis(1000))),
            (4, ByWhen::By(UnixMillis(1000))),
            (5, ByWhen::By(UnixMillis(8000))),
            (7, ByWhen::By(UnixMillis(8000))),
            (9, ByWhen::By(UnixMillis(8100))),
            (10, ByWhen::NotYet),
        ] {
            assert_eq!(verifier.by_when(LOG, seq), by, "{seq}");
            assert_eq!(verifier.by_when(OTHER, seq), ByWhen::NotYet, "{seq}");
        }
    }

    #[test]
    fn what_is_too_long_ago_was_before_the_first_step_that_is_kept() {
        let reports: Vec<_> = (1..=100).map(|i| (LOG, 10 * i, 1000 * i)).collect();
        let verifier = heard(&reports);
        assert_eq!(verifier.steps.len(), MAX_STEPS);
        assert_eq!(steps(&verifier)[0], (370, 37_000));
        assert_eq!(verifier.by_when(LOG, 369), ByWhen::Before(UnixMillis(37_000)));
        assert_eq!(verifier.by_when(LOG, 370), ByWhen::By(UnixMillis(37_000)));
        assert_eq!(verifier.by_when(LOG, 371), ByWhen::By(UnixMillis(38_000)));
        assert_eq!(verifier.first_seen, UnixMillis(1000));
    }

    #[test]
    fn reports_may_come_out_of_order() {
        let mut late = report(LOG, 5, 1500);
        late.kids.insert(Kid::parse("old").unwrap());
        let mut verifier = heard(&[(LOG, 4, 1000), (LOG, 6, 2000)]);
        verifier.hear(late);
        assert_eq!(steps(&verifier), [(4, 1000), (5, 1500), (6, 2000)]);
        assert_eq!((verifier.seq, verifier.last_seen), (6, UnixMillis(2000)));
        assert!(verifier.kids.is_empty());

        // A node whose clock is a little ahead tells of an earlier position.
        verifier.hear(report(LOG, 5, 2100));
        assert_eq!((verifier.seq, verifier.last_seen), (6, UnixMillis(2100)));
        // A report that came first was written last.
        verifier.hear(report(LOG, 6, 1900));
        assert_eq!(verifier.by_when(LOG, 6), ByWhen::By(UnixMillis(1900)));
        verifier.hear(report(OTHER, 9, 500));
        assert_eq!((verifier.log, verifier.seq), (LOG, 6));
    }

    #[test]
    fn one_that_goes_back_has_not_applied_what_it_said_beyond() {
        let verifier = heard(&[(LOG, 4, 1000), (LOG, 9, 2000), (LOG, 5, 9000)]);
        assert_eq!(steps(&verifier), [(4, 1000), (5, 9000)]);
        assert_eq!((verifier.seq, verifier.by_when(LOG, 9)), (5, ByWhen::NotYet));
    }

    #[test]
    fn another_log_begins_anew() {
        let verifier = heard(&[(LOG, 4, 1000), (LOG, 9, 2000), (OTHER, 8, 3000)]);
        assert_eq!(steps(&verifier), [(8, 3000)]);
        assert_eq!(verifier.by_when(LOG, 4), ByWhen::NotYet);
        assert_eq!(verifier.by_when(OTHER, 7), ByWhen::Before(UnixMillis(3000)));
        assert_eq!(verifier.by_when(OTHER, 8), ByWhen::By(UnixMillis(3000)));
    }

    #[test]
    fn is_live_for_as_long_as_it_was_seen() {
        let verifier = heard(&[(LOG, 4, 1000)]);
        assert!(verifier.is_live(UnixMillis(31_000)));
        assert!(!verifier.is_live(UnixMillis(31_001)));
        assert!(verifier.is_live(UnixMillis(0)), "heard by a clock that is ahead");
    }

    #[test]
    fn the_client_with_the_most_loses_those_not_seen_for_longest() {
        let client = |number: usize| ClientUid(Uuid::from_u128(number as u128));
        let names: Vec<_> = (0..1100).map(|i| name(&format!("v{i:04}"))).collect();
        let gone = |known: &[(usize, usize, u64)]| {
            let known = known
                .iter()
                .map(|(of, i, seen)| (client(*of), &names[*i], UnixMillis(*seen)));
            let mut gone: Vec<_> = surplus(known)
                .into_iter()
                .map(|(of, name)| (of.0.as_u128() as usize, name.to_string()))
                .collect();
            gone.sort();
            gone
        };
        // One client alone keeps to its own bound, whatever room there is.
        let one: Vec<_> = (0..102).map(|i| (1, i, 1000 - i as u64)).collect();
        assert_eq!(gone(&one), [(1, "v0100".to_owned()), (1, "v0101".to_owned())]);
        assert_eq!(gone(&one[..100]), []);

        // Ten clients that have as many as they may, and one that comes: not its one, and no more than one of another.
        let mut all: Vec<_> = (0..1000).map(|i| (1 + i / 100, i, 5000)).collect();
        all[333].2 = 17;
        all.push((11, 1000, 1));
        assert_eq!(gone(&all), [(4, "v0333".to_owned())]);
    }
}
