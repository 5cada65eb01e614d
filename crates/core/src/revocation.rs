//! What one node knows of the revocation log.

use std::time::Duration;

use symbolon_jose::Kid;
use symbolon_oauth_types::feed::FeedEntry;
use symbolon_oauth_types::revocation::{Cutoffs, Digest, Effect, Entry, RevocationKind};
use symbolon_oauth_types::{AccessTokenClaims, UnixMillis};
use uuid::Uuid;

use crate::audit::Act;
use crate::client::{MAX_ACCESS_TOKEN_SECS, MAX_SESSION_SECS};
use crate::keys::MAX_UNCONFIRMED;
use crate::{ClientId, SessionId, Subject, TokenId};

/// How far the log and the facts have come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Identity of the log; another one means that a backup was restored and everything must be read anew.
    pub log: Uuid,
    /// The last entry: gapless, in commit order.
    pub seq: u64,
    /// Version of the facts about clients, users and keys; each change of one advances it.
    pub facts: u64,
    /// Stands for all that led here: where a database has lost what it had committed and counts on from an earlier
    /// position, the same counts come with another tip. Zeros where whoever tells of a head does not know.
    pub tip: Tip,
}

/// See [`Head::tip`].
pub type Tip = [u8; 16];

/// The tip of a head by whoever does not know what led to it.
pub const UNKNOWN_TIP: Tip = [0; 16];

impl Head {
    /// Whether the tips tell that what led to the one did not lead to the other. Meant for heads of the same counts:
    /// others have other tips anyway.
    pub fn is_told_apart(self, other: Self) -> bool {
        let are_known = self.tip != UNKNOWN_TIP && other.tip != UNKNOWN_TIP;
        are_known && self.tip != other.tip
    }
}

/// The entries that this node has applied, and when it last knew that there were no others.
#[derive(Clone, Debug)]
pub struct Applied {
    /// How far.
    pub head: Head,
    /// The entries in force.
    pub cutoffs: Cutoffs,
    /// Monotonic time from which on nothing is known to have been promised that is not applied: the last look at the log
    /// began then, or at whoever confirms that it has not moved. The lease on cached facts counts from here.
    pub observed: Duration,
    /// Monotonic time at which the last look began that read the log itself.
    pub read: Duration,
    /// How often this node could not go by the count of the facts alone: the log was replaced, or lost what it held.
    pub rereads: u64,
}

/// Which facts a node goes by. What was read at another version is out of date.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FactsVersion {
    log: Uuid,
    facts: u64,
    rereads: u64,
}

impl Applied {
    /// The version of the facts. A count that is the same after the database has lost changes is another version.
    pub fn facts_version(&self) -> FactsVersion {
        FactsVersion {
            log: self.head.log,
            facts: self.head.facts,
            rereads: self.rereads,
        }
    }
}

/// An entry as it stands on the log.
#[derive(Clone, Copy, Debug)]
pub struct Logged {
    /// Its position.
    pub seq: u64,
    /// The entry.
    pub entry: Entry,
    /// When it was made, by the clock of whoever made it.
    pub at: UnixMillis,
    /// The tip that the head had right behind it.
    pub tip: Option<Tip>,
}

impl Logged {
    /// The entry as verifiers get it, who judge access tokens alone: it expires when every one is dead that it concerns.
    pub fn on_feed(&self) -> FeedEntry {
        let Entry { kind, expires, .. } = self.entry;
        // Which keys are bad is never forgotten: whoever has one can date a token as they like.
        let last = match kind {
            RevocationKind::Key => expires,
            _ => expires.min(self.at.plus(FEED_HORIZON_MS)),
        };
        FeedEntry {
            expires: last,
            ..FeedEntry::from(&self.entry)
        }
    }
}

/// How long an entry stays on the feed, in milliseconds: a node that can't read the log may issue tokens that the entry
/// concerns for as long as it signs without the database, and the last of them may live as long as any.
pub const FEED_HORIZON_MS: u64 =
    (MAX_UNCONFIRMED.as_secs() + MAX_ACCESS_TOKEN_SECS as u64) * 1000 + CLOCK_SLACK_MS;

/// How far the promise of a revocation reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Reach {
    /// No node rotates or answers for what it revokes any more.
    Everywhere,
    /// It is on the log for good. A node that can't read the log at present may not know of it yet.
    Logged,
}

/// Cached facts may be used this long after the last look at the log began; a change of a fact takes effect
/// everywhere within the same time.
pub const LEASE: Duration = Duration::from_secs(1);

/// A revocation to be logged.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    /// The entry.
    pub entry: Entry,
    /// For `token` entries the session or client that the token belongs to, so that entries can be counted.
    pub owner: Option<Digest>,
    /// Whose sessions it is about, where it is about one subject's: fences elsewhere need not be raised.
    pub whose: Option<Subject>,
    /// Whose doing it is, and why, for the record.
    pub act: Act,
    /// How many live sessions it ends, where that was counted, for the record.
    pub sessions: Option<u64>,
}

/// `token` entries that one session, or one client for its own tokens, may have at a time, so that nobody can flood the
/// verifiers. Past it the session is revoked as a whole.
pub const MAX_TOKEN_ENTRIES: u64 = 64;

/// Whom the `token` entry of an access token counts for: its session, or its client where it has none.
pub fn token_owner(claims: &AccessTokenClaims) -> Digest {
    match claims.sid {
        Some(sid) => Digest::of_uuid(RevocationKind::Session, sid),
        None => Digest::of(RevocationKind::Client, &claims.client_id),
    }
}

/// No session can be older, so that from here on an entry that is judged against session starts is moot.
fn horizon(now: UnixMillis) -> UnixMillis {
    now.plus(u64::from(MAX_SESSION_SECS) * 1000)
}

impl NewRevocation {
    fn new(kind: RevocationKind, digest: Digest, effect: Effect, expires: UnixMillis) -> Self {
        let entry = Entry {
            kind,
            digest,
            effect,
            expires,
        };
        Self {
            entry,
            owner: None,
            whose: None,
            act: Act::server(""),
            sessions: None,
        }
    }

    /// Everything that began at or before `now`.
    pub fn all(now: UnixMillis) -> Self {
        Self::new(
            RevocationKind::All,
            Digest::of(RevocationKind::All, ""),
            Effect::Cutoff(now),
            horizon(now),
        )
    }

    /// What the client began at or before `now`.
    pub fn client(client: &ClientId, now: UnixMillis) -> Self {
        Self::on_client(client, Effect::Cutoff(now), horizon(now))
    }

    /// Everything of the client until [`NewRevocation::client_lifted`].
    pub fn client_blocked(client: &ClientId) -> Self {
        Self::on_client(client, Effect::Block, UnixMillis::NEVER)
    }

    /// The end of the client's block; what began at or before `now` stays dead.
    pub fn client_lifted(client: &ClientId, now: UnixMillis) -> Self {
        Self::on_client(client, Effect::Lift(now), horizon(now))
    }

    /// Everything of a client that was deleted: from the horizon on nothing can be alive that it began.
    pub fn client_deleted(client: &ClientId, now: UnixMillis) -> Self {
        Self::on_client(client, Effect::Block, horizon(now))
    }

    /// What the subject began at or before `now`.
    pub fn subject(subject: Subject, now: UnixMillis) -> Self {
        Self::on_subject(subject, Effect::Cutoff(now), horizon(now))
    }

    /// Everything of the subject until [`NewRevocation::subject_lifted`].
    pub fn subject_blocked(subject: Subject) -> Self {
        Self::on_subject(subject, Effect::Block, UnixMillis::NEVER)
    }

    /// The end of the subject's block; what began at or before `now` stays dead.
    pub fn subject_lifted(subject: Subject, now: UnixMillis) -> Self {
        Self::on_subject(subject, Effect::Lift(now), horizon(now))
    }

    /// Everything of a user who was deleted: from the horizon on nothing can be alive that they began.
    pub fn subject_deleted(subject: Subject, now: UnixMillis) -> Self {
        Self::on_subject(subject, Effect::Block, horizon(now))
    }

    /// One session for good; `ends` is its absolute end.
    pub fn session(session: SessionId, ends: UnixMillis) -> Self {
        let digest = Digest::of_uuid(RevocationKind::Session, session.0);
        Self::new(
            RevocationKind::Session,
            digest,
            Effect::Block,
            ends.plus(CLOCK_SLACK_MS),
        )
    }

    /// One access token for good; `owner` is its session, or its client where there is none.
    pub fn token(token: TokenId, owner: Digest, expires: UnixMillis) -> Self {
        let digest = Digest::of_uuid(RevocationKind::Token, token.0);
        let expires = expires.plus(CLOCK_SLACK_MS);
        Self {
            owner: Some(owner),
            ..Self::new(RevocationKind::Token, digest, Effect::Block, expires)
        }
    }

    /// What revoking an access token comes to, where so many `token` entries of its [`token_owner`] are live: the token, or
    /// its session where these are [`MAX_TOKEN_ENTRIES`]. `None` where it has no session then: they are too many.
    pub fn access_token(claims: &AccessTokenClaims, live: u64) -> Option<Self> {
        let subject = Subject(claims.sub);
        if live < MAX_TOKEN_ENTRIES {
            let expires = UnixMillis(claims.exp.saturating_mul(1000));
            let token = Self::token(TokenId(claims.jti), token_owner(claims), expires);
            return Some(token.of(subject));
        }
        let session = SessionId(claims.sid?);
        Some(Self::session(session, horizon(session.moment())).of(subject))
    }

    /// Everything that the key signed, for good: such an entry never expires.
    pub fn key(kid: &Kid) -> Self {
        let digest = Digest::of(RevocationKind::Key, kid.as_str());
        Self::new(RevocationKind::Key, digest, Effect::Block, UnixMillis::NEVER)
    }

    /// The same, reaching at least to `moment`, where it is judged by a moment.
    #[must_use]
    pub fn reaching(mut self, moment: UnixMillis) -> Self {
        self.entry.effect = match self.entry.effect {
            Effect::Block => Effect::Block,
            Effect::Cutoff(reaches) => Effect::Cutoff(reaches.max(moment)),
            Effect::Lift(reaches) => Effect::Lift(reaches.max(moment)),
        };
        self
    }

    /// Says whose sessions it is about.
    #[must_use]
    pub fn of(self, subject: Subject) -> Self {
        Self {
            whose: Some(subject),
            ..self
        }
    }

    /// Says whose doing it is.
    #[must_use]
    pub fn by(self, act: &Act) -> Self {
        Self {
            act: act.clone(),
            ..self
        }
    }

    /// Says how many live sessions it ends.
    #[must_use]
    pub fn ending(self, sessions: u64) -> Self {
        Self {
            sessions: Some(sessions),
            ..self
        }
    }

    fn on_client(client: &ClientId, effect: Effect, expires: UnixMillis) -> Self {
        let digest = Digest::of(RevocationKind::Client, client.as_str());
        Self::new(RevocationKind::Client, digest, effect, expires)
    }

    fn on_subject(subject: Subject, effect: Effect, expires: UnixMillis) -> Self {
        let digest = Digest::of_uuid(RevocationKind::Subject, subject.0);
        Self::new(RevocationKind::Subject, digest, effect, expires).of(subject)
    }
}

/// Entries outlive the tokens they are about by this much, so that no verifier's clock can revive one: 10 minutes,
/// in milliseconds.
const CLOCK_SLACK_MS: u64 = 600_000;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_entry_stays_on_the_feed_until_no_token_can_be_alive_that_it_concerns() {
        let (at, hour) = (UnixMillis(1_000_000), 3_600_000);
        let subject = Subject(Uuid::from_u128(1));
        let on_feed = |revocation: NewRevocation| {
            let logged = Logged {
                seq: 1,
                entry: revocation.entry,
                at,
                tip: None,
            };
            logged.on_feed().expires
        };
        // Signed at the last moment by a node that could not read the log for an hour, and ten minutes for clocks.
        let last = at.plus(2 * hour + 600_000);
        assert_eq!(on_feed(NewRevocation::subject_blocked(subject)), last);
        assert_eq!(on_feed(NewRevocation::all(at)), last);
        let ended = NewRevocation::session(SessionId(Uuid::from_u128(2)), at.plus(hour));
        assert_eq!(
            on_feed(ended),
            at.plus(hour + 600_000),
            "no token outlives its session"
        );
        let key = NewRevocation::key(&Kid::parse("k1").unwrap());
        assert_eq!(on_feed(key), UnixMillis::NEVER);
    }
}
