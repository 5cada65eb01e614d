//! Revocation entries and the one function that decides whether a token is revoked. The server (refresh,
//! introspection) and the verifiers that resource servers run share it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::UnixMillis;
use crate::feed::FeedEntry;

/// What an entry is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// Every token of the issuer.
    All,
    /// Every token of one client, by `client_id`.
    Client,
    /// Every token that one key signed, by `kid`.
    Key,
    /// One session, by `sid`.
    Session,
    /// Every token of one subject, by `sub`.
    Subject,
    /// One access token, by `jti`.
    Token,
}

impl RevocationKind {
    /// The kind as it is spelled in digests, in the log and on the feed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Client => "client",
            Self::Key => "key",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Token => "token",
        }
    }
}

/// The first 128 bits of SHA-256 over `kind|value`: what the log and the feed hold instead of identifiers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of a value of a kind; `value` is empty for [`RevocationKind::All`].
    pub fn of(kind: RevocationKind, value: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(kind.as_str())
            .chain_update("|")
            .chain_update(value)
            .finalize();
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash[..16]);
        Self(digest)
    }

    /// The digest of an identifier in its canonical hyphenated form.
    pub fn of_uuid(kind: RevocationKind, value: Uuid) -> Self {
        Self::of(kind, value.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// What an entry does to the tokens it is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// All of them are revoked, whenever they began, until the block is lifted. Sessions, tokens and keys are
    /// blocked for good; users and clients for as long as they are disabled.
    Block,
    /// Those whose session began at or before the moment are revoked.
    Cutoff(UnixMillis),
    /// A block ends; what began at or before the moment stays revoked.
    Lift(UnixMillis),
}

/// One entry of the revocation log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What it is about.
    pub kind: RevocationKind,
    /// Whom it is about.
    pub digest: Digest,
    /// What it does.
    pub effect: Effect,
    /// From this moment no token can be alive that the entry concerns, and it may be forgotten.
    pub expires: UnixMillis,
}

/// What must be known of a token to tell whether it is revoked.
#[derive(Clone, Copy, Debug)]
pub struct Revocable<'a> {
    /// When its session began (the time in `sid`), or where there is no session the time in `jti`.
    pub started: UnixMillis,
    /// `sub`.
    pub subject: Uuid,
    /// `client_id`.
    pub client_id: &'a str,
    /// `sid`, where there is one.
    pub session: Option<Uuid>,
    /// `jti`, for an access token.
    pub token: Option<Uuid>,
    /// The key that signed it, for an access token.
    pub kid: Option<&'a str>,
}

impl Revocable<'_> {
    /// What is looked up to judge the token.
    pub fn lookup(&self) -> Lookup {
        use RevocationKind::{Client, Key, Session, Subject, Token};
        Lookup {
            started: self.started,
            client: Digest::of(Client, self.client_id),
            subject: Digest::of_uuid(Subject, self.subject),
            session: self.session.map(|sid| Digest::of_uuid(Session, sid)),
            token: self.token.map(|jti| Digest::of_uuid(Token, jti)),
            key: self.kid.map(|kid| Digest::of(Key, kid)),
        }
    }
}

/// The digests of a token: what is worth keeping of one that is judged often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lookup {
    started: UnixMillis,
    client: Digest,
    subject: Digest,
    session: Option<Digest>,
    token: Option<Digest>,
    key: Option<Digest>,
}

impl Lookup {
    /// Whether an entry of that digest is about the token, whatever it does to it.
    pub fn is_concerned_by(&self, digest: Digest) -> bool {
        let own = [self.session, self.token, self.key];
        [ALL, self.client, self.subject].contains(&digest) || own.contains(&Some(digest))
    }
}

/// [`Digest::of`] everything.
const ALL: Digest = Digest([
    0xe1, 0x99, 0x95, 0x5a, 0xe1, 0x99, 0x27, 0x1f, 0x46, 0x49, 0x0f, 0x9f, 0x41, 0x57, 0x80, 0x29,
]);

#[derive(Clone, Copy, Debug)]
struct State {
    blocked: bool,
    cutoff: UnixMillis,
    expires: UnixMillis,
}

/// The entries in force, folded in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct Cutoffs {
    states: HashMap<Digest, State>,
}

impl Cutoffs {
    /// Applies one entry. Entries must come in the order of the log; applying one twice changes nothing.
    pub fn apply<'e, E>(&mut self, entry: &'e E)
    where
        FeedEntry: From<&'e E>,
    {
        let entry = FeedEntry::from(entry);
        let fresh = State {
            blocked: false,
            cutoff: UnixMillis(0),
            expires: UnixMillis(0),
        };
        let state = self.states.entry(entry.digest).or_insert(fresh);
        match entry.effect {
            Effect::Block => {
                state.blocked = true;
                // A user who was disabled until further notice and is then deleted needs no block for ever.
                state.expires = entry.expires;
            }
            Effect::Cutoff(moment) => {
                state.cutoff = state.cutoff.max(moment);
                state.expires = state.expires.max(entry.expires);
            }
            Effect::Lift(moment) => {
                state.blocked = false;
                state.cutoff = state.cutoff.max(moment);
                // The block may have been for ever; what is left of it is a cutoff, which is not.
                state.expires = entry.expires;
            }
        }
    }

    /// Keeps in force what `other` held besides: earlier knowledge of the same log, some of which the log may have lost.
    /// Where both know of something the later cutoff counts, and whether it is blocked is for whoever keeps it longer to
    /// say: of entries that are kept equally long that is the later one, and what is kept for ever stays.
    pub fn merge(&mut self, other: Self) {
        for (digest, kept) in other.states {
            let state = self.states.entry(digest).or_insert(kept);
            state.blocked |= kept.blocked && kept.expires > state.expires;
            state.cutoff = state.cutoff.max(kept.cutoff);
            state.expires = state.expires.max(kept.expires);
        }
    }

    /// Forgets what has expired. What is blocked until further notice carries [`UnixMillis::NEVER`] and stays.
    pub fn prune(&mut self, now: UnixMillis) {
        self.states.retain(|_, state| state.expires > now);
    }

    /// How many subjects, clients, sessions, tokens and keys have an entry in force.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether no entry is in force.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Entries that lead to what is in force here, applied to nothing in this order.
    pub fn entries(&self) -> impl Iterator<Item = FeedEntry> {
        self.states.iter().flat_map(|(digest, state)| {
            let entry = |effect| FeedEntry {
                digest: *digest,
                effect,
                expires: state.expires,
            };
            let cutoff = (state.cutoff > UnixMillis(0)).then(|| entry(Effect::Cutoff(state.cutoff)));
            cutoff
                .into_iter()
                .chain(state.blocked.then(|| entry(Effect::Block)))
        })
    }

    /// The one decision: which kind of entry revokes the token, if any does. A cutoff is judged against the start
    /// of the session, so refreshing makes nothing younger, and of several cutoffs the latest counts.
    pub fn revokes(&self, token: &Revocable<'_>) -> Option<RevocationKind> {
        if self.states.is_empty() {
            return None;
        }
        self.revokes_known(&token.lookup())
    }

    /// [`Cutoffs::revokes`] for a token whose digests are at hand.
    pub fn revokes_known(&self, token: &Lookup) -> Option<RevocationKind> {
        use RevocationKind::{All, Client, Key, Session, Subject, Token};
        let digests = [
            (All, Some(ALL)),
            (Client, Some(token.client)),
            (Subject, Some(token.subject)),
            (Session, token.session),
            (Token, token.token),
            (Key, token.key),
        ];
        let hit = |digest: &Digest| {
            let state = self.states.get(digest);
            state.is_some_and(|state| state.blocked || token.started <= state.cutoff)
        };
        let mut known = digests
            .into_iter()
            .filter_map(|(kind, digest)| Some((kind, digest?)));
        known.find(|(_, digest)| hit(digest)).map(|(kind, _)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Uuid = Uuid::from_u128(1);
    const SID: Uuid = Uuid::from_u128(2);
    const JTI: Uuid = Uuid::from_u128(3);

    fn token(started: u64) -> Revocable<'static> {
        Revocable {
            started: UnixMillis(started),
            subject: SUBJECT,
            client_id: "app",
            session: Some(SID),
            token: Some(JTI),
            kid: Some("k1"),
        }
    }

    fn entry(kind: RevocationKind, value: &str, effect: Effect) -> Entry {
        Entry {
            kind,
            digest: Digest::of(kind, value),
            effect,
            expires: UnixMillis(10_000),
        }
    }

    fn folded(entries: &[Entry]) -> Cutoffs {
        let mut cutoffs = Cutoffs::default();
        entries.iter().for_each(|e| cutoffs.apply(e));
        cutoffs
    }

    #[test]
    fn digest_is_that_of_the_documented_text() {
        // printf 'subject|00000000-0000-0000-0000-000000000001' | sha256sum
        let expected = [
            0x0d, 0xb2, 0x82, 0xc2, 0x6f, 0xc0, 0x5c, 0x40, 0x37, 0xeb, 0x5c, 0x74, 0x7c, 0xbc, 0xf1, 0x6c,
        ];
        assert_eq!(
            Digest::of_uuid(RevocationKind::Subject, SUBJECT),
            Digest(expected)
        );
        assert_eq!(Digest::of(RevocationKind::All, ""), ALL);
    }

    #[test]
    fn the_latest_cutoff_counts_whatever_its_kind() {
        let cutoffs = folded(&[
            entry(RevocationKind::Client, "app", Effect::Cutoff(UnixMillis(500))),
            entry(RevocationKind::All, "", Effect::Cutoff(UnixMillis(100))),
            entry(RevocationKind::Client, "app", Effect::Cutoff(UnixMillis(200))),
        ]);
        assert_eq!(cutoffs.revokes(&token(50)), Some(RevocationKind::All));
        assert_eq!(cutoffs.revokes(&token(500)), Some(RevocationKind::Client));
        assert_eq!(cutoffs.revokes(&token(501)), None);
    }

    #[test]
    fn a_block_holds_until_it_is_lifted_and_leaves_a_cutoff() {
        let subject = SUBJECT.to_string();
        let block = entry(RevocationKind::Subject, &subject, Effect::Block);
        let cutoff = entry(RevocationKind::Subject, &subject, Effect::Cutoff(UnixMillis(300)));
        let lift = entry(RevocationKind::Subject, &subject, Effect::Lift(UnixMillis(400)));
        assert_eq!(
            folded(&[block]).revokes(&token(9_999)),
            Some(RevocationKind::Subject)
        );
        assert_eq!(
            folded(&[block, cutoff]).revokes(&token(9_999)),
            Some(RevocationKind::Subject)
        );
        let lifted = folded(&[block, cutoff, lift]);
        assert_eq!(lifted.revokes(&token(400)), Some(RevocationKind::Subject));
        assert_eq!(lifted.revokes(&token(401)), None);
    }

    #[test]
    fn sessions_tokens_and_keys_are_blocked_by_their_own_value() {
        for (kind, value) in [
            (RevocationKind::Session, SID.to_string()),
            (RevocationKind::Token, JTI.to_string()),
            (RevocationKind::Key, "k1".to_owned()),
        ] {
            assert_eq!(
                folded(&[entry(kind, &value, Effect::Block)]).revokes(&token(9_999)),
                Some(kind)
            );
            let other = folded(&[entry(kind, "something else", Effect::Block)]);
            assert_eq!(other.revokes(&token(9_999)), None);
        }
    }

    #[test]
    fn what_is_in_force_can_be_written_down_and_read_again() {
        let subject = SUBJECT.to_string();
        let of = |effect| entry(RevocationKind::Subject, &subject, effect);
        let (block, cutoff) = (of(Effect::Block), of(Effect::Cutoff(UnixMillis(300))));
        let lift = of(Effect::Lift(UnixMillis(400)));
        let all = entry(RevocationKind::All, "", Effect::Cutoff(UnixMillis(100)));
        for log in [
            vec![],
            vec![all],
            vec![block, all],
            vec![cutoff, block],
            vec![block, cutoff, lift],
        ] {
            let original = folded(&log);
            let mut read = Cutoffs::default();
            original.entries().for_each(|entry| read.apply(&entry));
            assert_eq!(read.len(), original.len());
            for started in [50, 100, 101, 300, 301, 400, 401] {
                let (here, there) = (original.revokes(&token(started)), read.revokes(&token(started)));
                assert_eq!(here, there, "{log:?} at {started}");
            }
        }
    }

    #[test]
    fn merging_keeps_what_was_known_and_lifts_what_was_lifted() {
        let subject = SUBJECT.to_string();
        let of = |effect, expires| Entry {
            expires: UnixMillis(expires),
            ..entry(RevocationKind::Subject, &subject, effect)
        };
        let merged = |now: &[Entry], before: &[Entry]| {
            let mut cutoffs = folded(now);
            cutoffs.merge(folded(before));
            [300, 401, 9_999].map(|started| cutoffs.revokes(&token(started)).is_some())
        };
        let (block, lift) = (
            of(Effect::Block, 10_000),
            of(Effect::Lift(UnixMillis(400)), 10_400),
        );
        assert_eq!(merged(&[], &[block]), [true; 3], "the log lost it");
        assert_eq!(merged(&[block, lift], &[block]), [true, false, false]);
        assert_eq!(
            merged(&[of(Effect::Cutoff(UnixMillis(300)), 9_000)], &[block]),
            [true; 3]
        );
        assert_eq!(
            merged(&[lift], &[of(Effect::Block, u64::MAX)]),
            [true; 3],
            "kept for ever"
        );
        assert_eq!(merged(&[block], &[lift]), [true; 3]);
    }

    #[test]
    fn forgets_only_what_has_expired() {
        let mut never = entry(RevocationKind::Key, "k1", Effect::Block);
        never.expires = UnixMillis::NEVER;
        let mut cutoffs = folded(&[
            never,
            entry(RevocationKind::All, "", Effect::Cutoff(UnixMillis(5))),
        ]);
        cutoffs.prune(UnixMillis(9_999));
        assert_eq!(cutoffs.len(), 2);
        cutoffs.prune(UnixMillis(10_000));
        assert_eq!(cutoffs.len(), 1);
    }
}
