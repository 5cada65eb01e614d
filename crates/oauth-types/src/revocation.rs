//! Revocation entries and the one function that decides whether a token is revoked. The server (refresh,
//! introspection) and the verifiers that resource servers run share it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::UnixMillis;

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
    pub fn apply(&mut self, entry: &Entry) {
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

    /// Keeps in force what `other` holds besides: where one of the two revokes, both together do.
    pub fn merge(&mut self, other: Self) {
        for (digest, kept) in other.states {
            let state = self.states.entry(digest).or_insert(kept);
            state.blocked |= kept.blocked;
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

    /// The one decision: which kind of entry revokes the token, if any does. A cutoff is judged against the start
    /// of the session, so refreshing makes nothing younger, and of several cutoffs the latest counts.
    pub fn revokes(&self, token: &Revocable<'_>) -> Option<RevocationKind> {
        use RevocationKind::{All, Client, Key, Session, Subject, Token};
        if self.states.is_empty() {
            return None;
        }
        let hit = |kind, digest: Digest| {
            let state = self.states.get(&digest)?;
            (state.blocked || token.started <= state.cutoff).then_some(kind)
        };
        hit(All, Digest::of(All, ""))
            .or_else(|| hit(Client, Digest::of(Client, token.client_id)))
            .or_else(|| hit(Subject, Digest::of_uuid(Subject, token.subject)))
            .or_else(|| {
                token
                    .session
                    .and_then(|sid| hit(Session, Digest::of_uuid(Session, sid)))
            })
            .or_else(|| {
                token
                    .token
                    .and_then(|jti| hit(Token, Digest::of_uuid(Token, jti)))
            })
            .or_else(|| token.kid.and_then(|kid| hit(Key, Digest::of(Key, kid))))
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
