//! What a verifier knows, and what each document changes: rules 2 to 9 of the specification.

use std::time::Duration;

use symbolon_oauth_types::UnixMillis;
use symbolon_oauth_types::feed::{Batch, Head};
use symbolon_oauth_types::revocation::{Lookup, RevocationKind};
use uuid::Uuid;

use super::outcome::{Adopted, Need, Outcome, Resync};
use super::track::{Candidate, Continued, Lies, Track, differ};

/// A node may lag by so many milliseconds. Only a head that is newer by more can say that entries were lost, or that the
/// log is another one.
const LAG_MS: u64 = 3000;
/// The longest time without a newer head that the issuer may allow.
const MAX_STALE: Duration = Duration::from_secs(24 * 3600);

/// A moment by both clocks of a [`crate::Clock`].
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the wall clock.
    pub wall: UnixMillis,
    /// By the monotonic clock.
    pub monotonic: Duration,
}

/// A position of a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// Identity of the log.
    pub log: Uuid,
    /// The last entry.
    pub seq: u64,
}

/// A head, and when it came.
#[derive(Clone, Debug)]
struct Seen {
    head: Head,
    /// How old it was then, by the wall clock.
    age: Duration,
    /// By the monotonic clock.
    at: Duration,
}

/// What is known of an issuer's revocations, and of how far the log has come.
#[derive(Clone, Debug)]
pub struct State {
    /// How many milliseconds ahead the issuer's clocks may be.
    ahead: u64,
    /// What is in force.
    applied: Option<Track>,
    /// The newest head that what is in force was caught up with.
    caught_up: Option<Seen>,
    /// Its `as_of`, at or before which every other is old; none where the clock shows that it was from the future.
    known: Option<UnixMillis>,
    /// What is about to take the place of what is in force.
    candidate: Option<Candidate>,
    /// The newest head that is not reached yet.
    target: Option<Seen>,
    resync: Option<Resync>,
    /// Whether a batch had more entries than are kept, and no head was reached since.
    full: bool,
    /// Whether something has shown that the log lost entries which are in force here.
    lost: bool,
}

impl State {
    /// Nothing is known. Heads whose `as_of` is more than `ahead` in the future are refused.
    pub fn new(ahead: Duration) -> Self {
        Self {
            ahead: u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX),
            applied: None,
            caught_up: None,
            known: None,
            candidate: None,
            target: None,
            resync: None,
            full: false,
            lost: false,
        }
    }

    /// Takes a head in.
    pub fn head(&mut self, head: Head, now: Moment) -> Outcome {
        let latest = now.wall.plus(self.ahead);
        if head.as_of > latest {
            return Outcome::TooNew;
        }
        self.distrust_future(latest);
        let age = Duration::from_millis(now.wall.since(head.as_of));
        self.judge(Seen {
            head,
            age,
            at: now.monotonic,
        })
    }

    /// Takes a batch in, where it continues what is in force or the snapshot that is to be.
    pub fn batch(&mut self, batch: &Batch) -> Outcome {
        let applied = match &mut self.applied {
            Some(track) => track.continue_with(batch),
            None => Continued::Gap,
        };
        let candidate = match &mut self.candidate {
            Some(candidate) => candidate.track.continue_with(batch),
            None => Continued::Gap,
        };
        if candidate == Continued::Apart {
            self.candidate = None;
        }
        let apart = (applied == Continued::Apart).then(|| {
            self.lost = true;
            self.want(Resync::EntriesLost)
        });
        match (applied, candidate) {
            (Continued::Applied, _) | (_, Continued::Applied) => self.settle(Outcome::Applied),
            (Continued::TooMany, _) | (_, Continued::TooMany) => {
                self.full = true;
                Outcome::TooMany
            }
            _ => apart.unwrap_or(Outcome::Ignored),
        }
    }

    /// Takes a snapshot in. It changes nothing before the state is caught up from it (rule 7).
    pub fn snapshot(&mut self, candidate: Candidate) -> Outcome {
        let contradicted = |seen: &Seen| is_contradicted(&candidate, &seen.head);
        if self.target.as_ref().is_some_and(contradicted) {
            return Outcome::Ignored;
        }
        if let Some(applied) = &self.applied
            && applied.position() == candidate.track.position()
            && differ(applied.tip, candidate.track.tip)
        {
            self.lost = true;
        }
        self.candidate = Some(candidate);
        self.settle(Outcome::Applied)
    }

    /// What is behind a position can't be had: a snapshot is to be read, another one than before.
    pub fn unavailable(&mut self, behind: Position) -> Outcome {
        let is_there = |track: &Track| track.position() == behind;
        if self.candidate.as_ref().is_some_and(|c| is_there(&c.track)) {
            self.candidate = None;
        }
        if self.applied.as_ref().is_some_and(is_there) {
            return self.want(Resync::TooFarBehind);
        }
        Outcome::Behind
    }

    /// The server says that the position is not kept (the event `resync`).
    pub fn told_to_resync(&mut self) -> Outcome {
        self.want(Resync::TooFarBehind)
    }

    /// Forgets what has expired (rule 9). It goes by the earlier of the clock and the last head, so that a clock that is
    /// wrong for a while makes it forget nothing that would be needed again.
    pub fn prune(&mut self, now: UnixMillis) {
        let (Some(applied), Some(seen)) = (&mut self.applied, &self.caught_up) else {
            return;
        };
        let surely = now.min(seen.head.as_of);
        applied
            .cutoffs
            .prune(UnixMillis(surely.0.saturating_sub(self.ahead)));
    }

    /// Whether a snapshot waits to take the place of what is in force: the next document may have all entries moved.
    pub(crate) fn has_candidate(&self) -> bool {
        self.candidate.is_some()
    }

    /// What is to be read.
    pub fn need(&self) -> Need {
        let track = match (&self.applied, &self.candidate) {
            (Some(applied), _) if self.resync.is_none() => applied,
            (_, Some(candidate)) => &candidate.track,
            (_, None) => return Need::Snapshot,
        };
        match &self.target {
            Some(seen) if track.where_lies(&seen.head) == Lies::Ahead => Need::Batch(track.position()),
            _ => Need::Head,
        }
    }

    /// Which kind of entry revokes the token, if any is known that does. Where nothing is in force yet, the snapshot is asked
    /// that is to be: it is as true as it will be then.
    pub fn revokes(&self, token: &Lookup) -> Option<RevocationKind> {
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.track);
        let track = self.applied.as_ref().or(candidate)?;
        track.cutoffs.revokes_known(token)
    }

    /// How old what is known is (rule 8); nothing where nothing ever was. Of the two clocks the one counts that says
    /// more: the monotonic one may stand still while the machine sleeps.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        let seen = self.caught_up.as_ref()?;
        let counted = seen.age + now.monotonic.saturating_sub(seen.at);
        Some(counted.max(Duration::from_millis(now.wall.since(seen.head.as_of))))
    }

    /// How old that may be, as the issuer says: a day at most.
    pub fn max_stale(&self) -> Option<Duration> {
        let seen = self.caught_up.as_ref()?;
        Some(Duration::from_secs(seen.head.max_stale).min(MAX_STALE))
    }

    /// How far what is in force has come.
    pub fn position(&self) -> Option<Position> {
        self.applied.as_ref().map(Track::position)
    }

    /// The `as_of` of the newest head that what is in force was caught up with.
    pub fn as_of(&self) -> Option<UnixMillis> {
        self.caught_up.as_ref().map(|seen| seen.head.as_of)
    }

    /// Whether nothing is known to be missing.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.is_some() && self.target.is_none() && self.resync.is_none() && !self.full
    }

    /// Of how many subjects, clients, sessions, tokens and keys there are entries in force.
    pub fn entries(&self) -> usize {
        self.applied.as_ref().map_or(0, |track| track.cutoffs.len())
    }

    /// Whatever is later than any head may be now was made before clocks were set right. It does not stand in the way of
    /// what comes now.
    fn distrust_future(&mut self, latest: UnixMillis) {
        self.known = self.known.filter(|known| *known <= latest);
        self.target.take_if(|target| target.head.as_of > latest);
        if let Some(candidate) = &mut self.candidate {
            candidate.as_of = candidate.as_of.min(latest);
        }
    }

    /// Rules 2, 3, 5, 6 and 7 for a head that is not from the future.
    fn judge(&mut self, seen: Seen) -> Outcome {
        let as_of = seen.head.as_of;
        if self.known.is_some_and(|known| as_of <= known) {
            self.aim_at(seen);
            return Outcome::Ignored;
        }
        let lags = self.known.is_some_and(|known| as_of.since(known) <= LAG_MS);
        let mut resync = None;
        if let Some(applied) = &self.applied {
            match applied.where_lies(&seen.head) {
                // Where entries were lost, only tips can say that the two are the same.
                Lies::At if !self.lost || (seen.head.tip.is_some() && applied.tip.is_some()) => {
                    self.catch_up(seen);
                    return Outcome::CaughtUp;
                }
                Lies::At | Lies::Ahead => {}
                Lies::Back | Lies::Elsewhere if lags => return Outcome::Ignored,
                Lies::Elsewhere => resync = Some(Resync::OtherLog),
                Lies::Apart | Lies::Back => {
                    self.lost = true;
                    resync = Some(Resync::EntriesLost);
                }
            }
        }
        if let Some(candidate) = &self.candidate {
            if candidate.track.where_lies(&seen.head) == Lies::At {
                return self.adopt(seen);
            }
            if is_contradicted(candidate, &seen.head) {
                self.candidate = None;
            }
        }
        let newest = self
            .target
            .as_ref()
            .is_none_or(|target| target.head.as_of < as_of);
        if newest {
            self.target = Some(seen);
        }
        match resync {
            Some(resync) => self.want(resync),
            None if newest => Outcome::Behind,
            // It has come before.
            None => Outcome::Ignored,
        }
    }

    /// A head that is old makes nothing fresher, but what it shows to be missing is read, unless more is known to be amiss.
    fn aim_at(&mut self, old: Seen) {
        let missing = |track: &Track| track.where_lies(&old.head) == Lies::Ahead;
        if self.target.is_none() && self.resync.is_none() && self.applied.as_ref().is_some_and(missing) {
            self.target = Some(old);
        }
    }

    /// Judges the head again that was not reached before.
    fn settle(&mut self, otherwise: Outcome) -> Outcome {
        let Some(target) = self.target.take() else {
            return otherwise;
        };
        match self.judge(target) {
            Outcome::Behind | Outcome::Ignored => otherwise,
            decided => decided,
        }
    }

    /// The candidate takes the place of what was in force.
    fn adopt(&mut self, seen: Seen) -> Outcome {
        let Some(Candidate { mut track, .. }) = self.candidate.take() else {
            return Outcome::Ignored;
        };
        let adopted = match self.applied.take() {
            None => Adopted::First,
            Some(old) if old.log == track.log => {
                track.cutoffs.merge(old.cutoffs);
                Adopted::Merged
            }
            Some(_) => Adopted::Replaced,
        };
        self.applied = Some(track);
        self.catch_up(seen);
        Outcome::Adopted(adopted)
    }

    /// What is in force is as fresh as this head; nothing that was missing is missing any more.
    fn catch_up(&mut self, seen: Seen) {
        let reached = |target: &Seen| target.head.as_of <= seen.head.as_of;
        if self.target.as_ref().is_some_and(reached) {
            self.target = None;
        }
        self.known = Some(seen.head.as_of);
        self.caught_up = Some(seen);
        self.candidate = None;
        self.resync = None;
        self.full = false;
        self.lost = false;
    }

    /// Nothing may be asked of a snapshot that is there before anything else.
    fn want(&mut self, resync: Resync) -> Outcome {
        if self.applied.is_some() && self.resync.replace(resync).is_none() {
            return Outcome::Resync(resync);
        }
        Outcome::Behind
    }
}

/// Whether a head shows that a snapshot is not, or no more, of the log that there is.
fn is_contradicted(candidate: &Candidate, head: &Head) -> bool {
    match candidate.track.where_lies(head) {
        Lies::Ahead | Lies::At => false,
        Lies::Apart => true,
        Lies::Back | Lies::Elsewhere => head.as_of.since(candidate.as_of) > LAG_MS,
    }
}
