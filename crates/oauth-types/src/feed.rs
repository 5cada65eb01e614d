//! The documents of the revocation feed: what `docs/revocation-feed.md` specifies. Each is the payload of a JSON Web
//! Signature in compact serialisation; issuers write them and verifiers read them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::UnixMillis;
use crate::revocation::{Digest, Effect, Entry};

/// `typ` of a [`Head`].
pub const HEAD_TYPE: &str = "revocation-head+jwt";
/// `typ` of a [`Batch`].
pub const BATCH_TYPE: &str = "revocation-batch+jwt";
/// `typ` of a [`Snapshot`].
pub const SNAPSHOT_TYPE: &str = "revocation-snapshot+jwt";
/// Most entries of a [`Batch`].
pub const MAX_BATCH_ENTRIES: usize = 4096;
/// Longest signed [`Head`], in bytes.
pub const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Longest signed [`Batch`], in bytes: more than [`MAX_BATCH_ENTRIES`] of the longest come to, with a tip for each.
pub const MAX_BATCH_BYTES: usize = 640 * 1024;

/// Longest signed [`Snapshot`], in bytes: about 900,000 entries.
pub const MAX_SNAPSHOT_BYTES: usize = 64 * 1024 * 1024;

/// What of the feed's documents stands below its address.
pub mod paths {
    /// The keys that sign the feed, a JWKS (RFC 7517 section 5).
    pub const KEYS: &str = "/keys";
    /// The present [`super::Head`].
    pub const HEAD: &str = "/head";
    /// A recent [`super::Snapshot`].
    pub const SNAPSHOT: &str = "/snapshot";
    /// Followed by `/{log}/{seq}`: a [`super::Batch`] that begins at or before `seq` and ends behind it.
    pub const BATCHES: &str = "/batches";
    /// Heads and batches as they are made, as server-sent events.
    pub const STREAM: &str = "/stream";
    /// Where verifiers say what they have applied.
    pub const EVIDENCE: &str = "/evidence";
}

/// Stands for an entry of the log and all before it. The same positions of a log that lost entries and went on from an
/// earlier one have other tips.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tip(pub [u8; 16]);

/// How far the log has come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// The issuer.
    pub iss: String,
    /// Identity of the log; another one means that the old log is void, since a backup was restored.
    pub log: Uuid,
    /// The last entry.
    pub seq: u64,
    /// That of the last entry, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// The moment at which there was no later entry.
    pub as_of: UnixMillis,
    /// Longest time in seconds for which a verifier may go by this without a newer one, unless it was told otherwise.
    pub max_stale: u64,
}

/// Entries of the log, in its order. It never changes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Batch {
    /// The issuer.
    pub iss: String,
    /// [`Head::log`].
    pub log: Uuid,
    /// The entry before the first.
    pub from: u64,
    /// The last entry.
    pub to: u64,
    /// The tip of the entry at `from`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Tip>,
    /// The tip of the entry at `to`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// All but some that had expired when it was made: at most [`MAX_BATCH_ENTRIES`].
    pub entries: Vec<FeedEntry>,
    /// The tips at the positions behind `from` and before `to`, each where it is known; empty where none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tips: Vec<Option<Tip>>,
}

impl Batch {
    /// The tip at a position at which the batch begins or that lies within it, where it is known.
    pub fn tip_before_end(&self, seq: u64) -> Option<Tip> {
        match seq.checked_sub(self.from)? {
            0 => self.prev,
            within => {
                let at = usize::try_from(within - 1).ok()?;
                self.tips.get(at).copied().flatten()
            }
        }
    }
}

/// What was in force at one position of the log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Snapshot {
    /// The issuer.
    pub iss: String,
    /// [`Head::log`].
    pub log: Uuid,
    /// The last entry that is included.
    pub seq: u64,
    /// The tip of that entry, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<Tip>,
    /// When it was made.
    pub as_of: UnixMillis,
    /// Applied to nothing, in their order, they are what is in force.
    pub entries: Vec<FeedEntry>,
}

/// An entry as it stands on the feed: `["block", digest, expires]`, `["cutoff", digest, expires, moment]` or
/// `["lift", digest, expires, moment]`. Moments are in milliseconds since the epoch; `expires` is `null` for never.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FeedEntry {
    /// Whom it is about.
    pub digest: Digest,
    /// What it does.
    pub effect: Effect,
    /// From this moment no access token can be alive that it concerns, and it may be forgotten.
    pub expires: UnixMillis,
}

impl From<&Entry> for FeedEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            digest: entry.digest,
            effect: entry.effect,
            expires: entry.expires,
        }
    }
}

impl From<&FeedEntry> for FeedEntry {
    fn from(entry: &FeedEntry) -> Self {
        *entry
    }
}

/// 128 bits as 22 characters of base64url.
fn encode(bytes: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode<E: serde::de::Error>(text: &str) -> Result<[u8; 16], E> {
    let mut bytes = [0; 16];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(16) => Ok(bytes),
        _ => Err(E::custom("not 128 bits in base64url without padding")),
    }
}

impl Serialize for Tip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Tip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        decode(&text).map(Self)
    }
}

impl Serialize for FeedEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, moment) = match self.effect {
            Effect::Block => ("block", None),
            Effect::Cutoff(moment) => ("cutoff", Some(moment)),
            Effect::Lift(moment) => ("lift", Some(moment)),
        };
        let expires = (self.expires != UnixMillis::NEVER).then_some(self.expires);
        let mut tuple = serializer.serialize_tuple(if moment.is_some() { 4 } else { 3 })?;
        tuple.serialize_element(name)?;
        tuple.serialize_element(&encode(&self.digest.0))?;
        tuple.serialize_element(&expires)?;
        if let Some(moment) = moment {
            tuple.serialize_element(&moment)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for FeedEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = FeedEntry;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an entry of the feed")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<FeedEntry, A::Error> {
                let missing = || A::Error::custom("an entry is too short");
                let name: std::borrow::Cow<'de, str> = parts.next_element()?.ok_or_else(missing)?;
                let digest: std::borrow::Cow<'de, str> = parts.next_element()?.ok_or_else(missing)?;
                let expires: Option<UnixMillis> = parts.next_element()?.ok_or_else(missing)?;
                let mut moment = || parts.next_element::<UnixMillis>()?.ok_or_else(missing);
                let effect = match &*name {
                    "block" => Effect::Block,
                    "cutoff" => Effect::Cutoff(moment()?),
                    "lift" => Effect::Lift(moment()?),
                    _ => return Err(A::Error::custom("an entry has an effect that is not known")),
                };
                if parts.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom("an entry is too long"));
                }
                Ok(FeedEntry {
                    digest: Digest(decode(&digest)?),
                    effect,
                    expires: expires.unwrap_or(UnixMillis::NEVER),
                })
            }
        }

        deserializer.deserialize_seq(Parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::RevocationKind;

    fn entry(effect: Effect, expires: UnixMillis) -> FeedEntry {
        let digest = Digest::of(RevocationKind::All, "");
        FeedEntry {
            digest,
            effect,
            expires,
        }
    }

    #[test]
    fn entries_are_written_as_specified() {
        for (entry, json) in [
            (
                entry(Effect::Block, UnixMillis::NEVER),
                r#"["block","4ZmVWuGZJx9GSQ-fQVeAKQ",null]"#,
            ),
            (
                entry(Effect::Cutoff(UnixMillis(7)), UnixMillis(9)),
                r#"["cutoff","4ZmVWuGZJx9GSQ-fQVeAKQ",9,7]"#,
            ),
            (
                entry(Effect::Lift(UnixMillis(7)), UnixMillis(9)),
                r#"["lift","4ZmVWuGZJx9GSQ-fQVeAKQ",9,7]"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&entry).unwrap(), json);
            assert_eq!(serde_json::from_str::<FeedEntry>(json).unwrap(), entry);
        }
    }

    #[test]
    fn entries_that_are_not_understood_are_refused() {
        for json in [
            r#"["pardon","4ZmVWuGZJx9GSQ-fQVeAKQ",9,7]"#,
            r#"["block","4ZmVWuGZJx9GSQ-fQVeAKQ",9,7]"#,
            r#"["block","4ZmVWuGZJx9GSQ-fQVeAKQ"]"#,
            r#"["cutoff","4ZmVWuGZJx9GSQ-fQVeAKQ",9]"#,
            r#"["cutoff","4ZmVWuGZJx9GSQ-fQVeAKQ",9,-7]"#,
            r#"["cutoff","4ZmVWuGZJx9GSQ-fQVeAKQ",9,"7"]"#,
            r#"["lift","4ZmVWuGZJx9GSQ-fQVeAKQ",9,null]"#,
            r#"["block","4ZmVWuGZJx9GSQ-fQVeAK",9]"#,
            r#"["block","4ZmVWuGZJx9GSQ-fQVeAKQ==",9]"#,
            r#"["block","4ZmVWuGZJx9GSQ-fQVeAKQAA",9]"#,
            "[]",
            "{}",
        ] {
            assert!(serde_json::from_str::<FeedEntry>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_longest_batch_is_within_its_bound() {
        let longest = entry(Effect::Cutoff(UnixMillis(u64::MAX - 1)), UnixMillis(u64::MAX - 1));
        let entries = serde_json::to_string(&vec![longest; MAX_BATCH_ENTRIES]).unwrap();
        let tips = serde_json::to_string(&vec![Tip([0xff; 16]); MAX_BATCH_ENTRIES]).unwrap();
        let length = entries.len() + tips.len();
        assert!(length * 4 / 3 + MAX_HEAD_BYTES < MAX_BATCH_BYTES, "{length}");
    }
}
