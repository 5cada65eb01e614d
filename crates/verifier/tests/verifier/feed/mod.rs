//! The revocation feed: its rules, hostile documents, and verifiers that follow it.

mod catching_up;
mod distrust;
mod documents;
mod following;
mod histories;
mod policies;
mod publisher;
mod rules;
mod vectors;
mod wire;

use serde_json::{Value, json};
use symbolon_jose::{PrivateKey, SigningAlg};
use symbolon_verifier::feed::{Batch, Digest, Effect, FeedEntry, Head, Lookup, Snapshot, Tip};
use symbolon_verifier::{Refused, Revocable, RevocationKind, UnixMillis, Uuid};

use crate::support::{ISSUER, NOW, SESSION, SUBJECT, TOKEN, es256, key};

pub(crate) const LOG: Uuid = Uuid::from_u128(0x0199_b1f0_7c00_7000_8000_0000_0000_0001);
pub(crate) const OTHER_LOG: Uuid = Uuid::from_u128(0x0199_b1f0_7c00_7000_8000_0000_0000_0002);

/// The key of the feed.
pub(crate) fn feed_key() -> PrivateKey {
    key(SigningAlg::EdDsa, 77)
}

/// A log, as a server has it.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) issuer: String,
    pub(crate) log: Uuid,
    entries: Vec<(FeedEntry, Tip)>,
}

impl History {
    pub(crate) fn new(log: Uuid) -> Self {
        Self {
            issuer: ISSUER.to_owned(),
            log,
            entries: Vec::new(),
        }
    }

    /// Appends an entry; its tip is like no other.
    pub(crate) fn append(&mut self, entry: FeedEntry) {
        use std::sync::atomic::{AtomicU64, Ordering};
        static TIPS: AtomicU64 = AtomicU64::new(1);
        let mut tip = [7; 16];
        tip[8..].copy_from_slice(&TIPS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        self.entries.push((entry, Tip(tip)));
    }

    pub(crate) fn with(mut self, entries: impl IntoIterator<Item = FeedEntry>) -> Self {
        entries.into_iter().for_each(|entry| self.append(entry));
        self
    }

    /// The log as it was at an earlier position.
    pub(crate) fn cut(&self, seq: u64) -> Self {
        let mut cut = self.clone();
        cut.entries.truncate(seq as usize);
        cut
    }

    pub(crate) fn seq(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &FeedEntry> {
        self.entries.iter().map(|(entry, _)| entry)
    }

    fn tip(&self, seq: u64) -> Option<Tip> {
        let last = usize::try_from(seq.checked_sub(1)?).unwrap();
        Some(self.entries[last].1)
    }

    pub(crate) fn head(&self, as_of: u64) -> Head {
        Head {
            iss: self.issuer.clone(),
            log: self.log,
            seq: self.seq(),
            tip: self.tip(self.seq()),
            as_of: UnixMillis(as_of),
            max_stale: 300,
        }
    }

    /// The entries behind `from`, up to and with `to`.
    pub(crate) fn batch(&self, from: u64, to: u64) -> Batch {
        let within = &self.entries[from as usize..to as usize];
        Batch {
            iss: self.issuer.clone(),
            log: self.log,
            from,
            to,
            prev: self.tip(from),
            tip: self.tip(to),
            entries: within.iter().map(|(entry, _)| *entry).collect(),
            tips: (from + 1..to).map(|seq| self.tip(seq)).collect(),
        }
    }

    pub(crate) fn snapshot(&self, as_of: u64) -> Snapshot {
        Snapshot {
            iss: self.issuer.clone(),
            log: self.log,
            seq: self.seq(),
            tip: self.tip(self.seq()),
            as_of: UnixMillis(as_of),
            entries: self.entries().copied().collect(),
        }
    }
}

/// The payload of a batch.
pub(crate) fn batch_json(batch: &Batch) -> Value {
    json!(batch)
}

/// A signed document of the feed.
pub(crate) fn signed(typ: &str, payload: &Value) -> String {
    feed_key()
        .sign_document(typ, payload.to_string().as_bytes(), 256 << 20)
        .unwrap()
}

pub(crate) fn signed_head(head: &Head) -> String {
    signed("revocation-head+jwt", &json!(head))
}

pub(crate) fn signed_batch(batch: &Batch) -> String {
    signed("revocation-batch+jwt", &batch_json(batch))
}

pub(crate) fn signed_snapshot(snapshot: &Snapshot) -> String {
    signed("revocation-snapshot+jwt", &json!(snapshot))
}

/// An entry that never leaves.
pub(crate) fn entry(kind: RevocationKind, value: &str, effect: Effect) -> FeedEntry {
    FeedEntry {
        digest: Digest::of(kind, value),
        effect,
        expires: UnixMillis::NEVER,
    }
}

pub(crate) fn block(kind: RevocationKind, value: &str) -> FeedEntry {
    entry(kind, value, Effect::Block)
}

/// Blocks the session of the tests' token.
pub(crate) fn session() -> FeedEntry {
    block(RevocationKind::Session, SESSION)
}

pub(crate) const REVOKED: Option<Refused> = Some(Refused::Revoked(RevocationKind::Session));
pub(crate) const UNKNOWN: Option<Refused> = Some(Refused::RevocationUnknown);

/// Blocks a session that no test has.
pub(crate) fn stranger(number: u128) -> FeedEntry {
    block(RevocationKind::Session, &Uuid::from_u128(number).to_string())
}

/// When the session of the tests' token began.
pub(crate) const STARTED: u64 = 0x01a2_01d4_0000;

/// What the tests' token is known by.
pub(crate) fn lookup() -> Lookup {
    lookup_of(STARTED, SUBJECT.parse().unwrap())
}

pub(crate) fn lookup_of(started: u64, subject: Uuid) -> Lookup {
    let revocable = Revocable {
        started: UnixMillis(started),
        subject,
        client_id: "shop",
        session: Some(SESSION.parse().unwrap()),
        token: Some(TOKEN.parse().unwrap()),
        kid: Some(es256().kid().as_str()),
    };
    revocable.lookup()
}

/// Milliseconds since the epoch, so many seconds behind the time of the tests.
pub(crate) fn at(secs: u64) -> u64 {
    (NOW + secs) * 1000
}
