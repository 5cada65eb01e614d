//! Checkpoints: signed statements of how far the trail had come, to be kept where whoever can write to the database can't.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use symbolon_core::audit::{AuditFilter, AuditHash, AuditHead, AuditStore, Checkpoint, Order};
use symbolon_core::ports::StoreError;
use symbolon_core::secret::ServerSecret;
use symbolon_core::{Clock, UnixMillis};
use symbolon_jose::{JwkSet, KeyError, PrivateKey, PublicKey, SignError, VerifyError, verify_compact};
use tokio::time::MissedTickBehavior;

use super::walk::{Fault, Walk};

/// The `typ` of a checkpoint.
pub const CHECKPOINT_TYPE: &str = "audit-checkpoint+jwt";
/// Longest checkpoint, in characters.
const MAX_LEN: usize = 4096;
/// A checkpoint is made no sooner than this after the last one.
const EVERY: Duration = Duration::from_secs(10);
/// Records that are read at a time.
const BATCH: u32 = 500;

/// The keys that sign checkpoints: every one is published, the newest that is active signs.
#[derive(Clone, Debug)]
pub struct CheckpointKeys {
    /// Never empty; the newest last.
    keys: Vec<(UnixMillis, PrivateKey)>,
}

/// Why checkpoints have no key.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointKeyError {
    /// A secret is no seed.
    #[error("a server secret for the audit trail can't be used: {0}")]
    Key(#[from] KeyError),
    /// There is no secret.
    #[error("the database lost the server secret for the audit trail")]
    Missing,
}

impl CheckpointKeys {
    /// The keys whose seeds are the server secrets of [`symbolon_core::secret::SecretPurpose::AuditSigning`], the newest
    /// last.
    ///
    /// # Errors
    /// There is none, or OpenSSL fails.
    pub fn new(secrets: &[ServerSecret]) -> Result<Self, CheckpointKeyError> {
        let key = |secret: &ServerSecret| {
            PrivateKey::from_ed25519_seed(&secret.key).map(|key| (secret.active_from, key))
        };
        let keys: Vec<_> = secrets.iter().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(CheckpointKeyError::Missing);
        }
        Ok(Self { keys })
    }

    /// The public halves, for whoever verifies.
    pub fn jwks(&self) -> JwkSet {
        let public = |(_, key): &(UnixMillis, PrivateKey)| key.public().jwk().clone();
        JwkSet {
            keys: self.keys.iter().map(public).collect(),
        }
    }

    /// The same for verifying what this issuer signed.
    pub fn public(&self, issuer: &str) -> TrailKeys {
        TrailKeys {
            issuer: Some(issuer.to_owned()),
            keys: self.keys.iter().map(|(_, key)| key.public().clone()).collect(),
        }
    }

    /// Signs that the trail of that issuer had come so far.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn sign(&self, issuer: &str, head: AuditHead, now: UnixMillis) -> Result<Checkpoint, SignError> {
        let active = self.keys.iter().rfind(|(active_from, _)| *active_from <= now);
        let (_, key) = active.unwrap_or(&self.keys[0]);
        let claims = Claims {
            iss: issuer.to_owned(),
            seq: head.seq,
            hash: head.hash.to_string(),
            at: now.0,
        };
        // A string or two and numbers: there is nothing in it that has no form in JSON.
        let json = serde_json::to_vec(&claims).unwrap_or_default();
        Ok(Checkpoint {
            seq: head.seq,
            at: now,
            signed: key.sign_document(CHECKPOINT_TYPE, &json, MAX_LEN)?,
        })
    }
}

#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    seq: u64,
    hash: String,
    /// Milliseconds since the epoch.
    at: u64,
}

/// What a checkpoint whose signature is good says: at that moment the record at that position had that hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The position.
    pub seq: u64,
    /// The hash of the record there.
    pub hash: AuditHash,
    /// When it was signed.
    pub at: UnixMillis,
}

/// The keys by which checkpoints are verified.
#[derive(Clone, Debug)]
pub struct TrailKeys {
    issuer: Option<String>,
    keys: Vec<PublicKey>,
}

/// Why something is no checkpoint.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The claims are not those of a checkpoint.
    #[error("its claims are not those of a checkpoint")]
    Claims,
    /// It is another server's.
    #[error("it is that of another issuer")]
    Issuer,
    /// The signature is not good, or not by one of the keys.
    #[error("its signature is not good: {0}")]
    Signature(#[from] VerifyError),
}

impl TrailKeys {
    /// The keys of a JWK set, as [`CheckpointKeys::jwks`] makes it; checkpoints of whichever issuer.
    ///
    /// # Errors
    /// [`KeyError`]: a key is malformed.
    pub fn from_jwks(jwks: &JwkSet) -> Result<Self, KeyError> {
        let keys = jwks
            .keys
            .iter()
            .map(PublicKey::from_jwk)
            .collect::<Result<_, _>>()?;
        Ok(Self { issuer: None, keys })
    }

    /// What a checkpoint says, a compact JWS.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(&self, signed: &str) -> Result<Statement, CheckpointError> {
        let key = |kid: &_| self.keys.iter().find(|key| key.kid() == kid);
        let verified = verify_compact(signed, CHECKPOINT_TYPE, key)?;
        let claims: Claims =
            serde_json::from_slice(verified.payload()).map_err(|_| CheckpointError::Claims)?;
        if self.issuer.as_ref().is_some_and(|issuer| *issuer != claims.iss) {
            return Err(CheckpointError::Issuer);
        }
        Ok(Statement {
            seq: claims.seq,
            hash: AuditHash::parse(&claims.hash).ok_or(CheckpointError::Claims)?,
            at: UnixMillis(claims.at),
        })
    }
}

/// Everything in a text that looks like a checkpoint, such as in the server's log: compact JWS, whatever stands around them.
pub fn checkpoints_in(text: &str) -> impl Iterator<Item = &str> {
    let part_of_one = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // A header that begins with `{"` begins so.
    let looks_so = |word: &&str| {
        word.starts_with("eyJ") && word.len() <= MAX_LEN && word.bytes().filter(|b| *b == b'.').count() == 2
    };
    text.split(move |c| !part_of_one(c)).filter(looks_so)
}

/// Makes checkpoints while the trail moves on. Any number of nodes may.
pub struct Checkpointer {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    issuer: String,
    keys: CheckpointKeys,
    /// The last position that this process has signed: no checkpoint that is kept is before it.
    signed: AtomicU64,
}

/// Why no checkpoint was made.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    /// What was to be signed does not follow from the last checkpoint.
    #[error("{0}: run `symbolon audit verify`")]
    Fault(Fault),
    /// Checkpoints that this process has signed are no longer kept.
    #[error(
        "this process has signed the trail up to record {signed}, and the last checkpoint that is kept covers {kept}: \
         somebody has deleted checkpoints; run `symbolon audit verify` with those in the log"
    )]
    Gone {
        /// What the last one that is kept covers.
        kept: u64,
        /// What this process has signed.
        signed: u64,
    },
    /// The last checkpoint is not this server's.
    #[error("the last checkpoint was changed: {0}")]
    Last(#[from] CheckpointError),
    /// OpenSSL failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Checkpointer {
    /// For the trail of that issuer.
    pub fn new(
        store: Arc<dyn AuditStore>,
        clock: Arc<dyn Clock>,
        issuer: String,
        keys: CheckpointKeys,
    ) -> Self {
        Self {
            store,
            clock,
            issuer,
            keys,
            signed: AtomicU64::new(0),
        }
    }

    /// Makes checkpoints, for ever. Each goes to the log as well, target `symbolon::audit`, so that it leaves the database.
    pub async fn keep_signing(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            match self.sign().await {
                Ok(_) if std::mem::take(&mut failing) => {
                    tracing::info!("checkpoints of the audit trail can be signed again");
                }
                Ok(_) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "no checkpoint of the audit trail can be signed");
                    }
                }
            }
        }
    }

    /// Signs how far the trail has come, where it has moved on since the last checkpoint and that one is old enough; `None`
    /// otherwise. It signs only what follows, record by record, from the last checkpoint: whatever was changed before that
    /// is not made good by the next one.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub async fn sign(&self) -> Result<Option<Checkpoint>, Unsigned> {
        // In this order: the trail is never behind a checkpoint.
        let last = self.store.last_checkpoint().await?;
        let head = self.store.audit_head().await?;
        let now = self.clock.now();
        let signed = self.signed.load(Ordering::Relaxed);
        let kept = last.as_ref().map_or(0, |last| last.seq);
        if kept < signed {
            return Err(Unsigned::Gone { kept, signed });
        }
        if let Some(last) = &last {
            if head.seq < last.seq {
                return Err(Unsigned::Fault(Fault::cut_off(head.seq + 1)));
            }
            let is_due = u128::from(now.since(last.at)) >= EVERY.as_millis();
            if head.seq == last.seq || !is_due {
                return Ok(None);
            }
        }
        let begin = match &last {
            None => {
                let anchor = self.store.audit_anchor().await?;
                // Nothing is swept that no checkpoint covers.
                if anchor.seq > 0 {
                    return Err(Unsigned::Fault(Fault::uncovered(anchor.seq)));
                }
                anchor
            }
            Some(last) => {
                let statement = self.keys.public(&self.issuer).read(&last.signed)?;
                AuditHead {
                    seq: statement.seq,
                    hash: statement.hash,
                }
            }
        };
        let reached = self.follow(begin, head.seq).await?;
        if reached.seq == begin.seq {
            return Ok(None);
        }
        let checkpoint = self.keys.sign(&self.issuer, reached, now)?;
        self.store.add_checkpoint(&checkpoint).await?;
        self.signed.fetch_max(checkpoint.seq, Ordering::Relaxed);
        let Checkpoint { seq, signed, .. } = &checkpoint;
        tracing::info!(target: "symbolon::audit", seq, hash = %reached.hash, checkpoint = signed, "audit checkpoint");
        Ok(Some(checkpoint))
    }

    async fn follow(&self, begin: AuditHead, to: u64) -> Result<AuditHead, Unsigned> {
        let mut walk = Walk::behind(begin);
        let everything = AuditFilter::default();
        while walk.seq() < to {
            let records = self
                .store
                .audit_records(&everything, Order::Earliest, Some(walk.seq()), BATCH)
                .await?;
            if records.is_empty() {
                return Err(Unsigned::Fault(Fault::cut_off(walk.seq() + 1)));
            }
            for (i, record) in records.iter().enumerate() {
                walk.step(record, records.get(i + 1)).map_err(Unsigned::Fault)?;
            }
        }
        Ok(walk.at())
    }
}

impl std::fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpointer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use symbolon_testkit::FakeClock;

    use super::*;
    use crate::trail::tests::{MemoryTrail, events, keys};

    const ISSUER: &str = "https://as.example";

    fn checkpointer() -> (Arc<MemoryTrail>, Arc<FakeClock>, Checkpointer) {
        let (store, clock) = (Arc::new(MemoryTrail::default()), Arc::new(FakeClock::new()));
        let checkpointer = Checkpointer::new(store.clone(), clock.clone(), ISSUER.into(), keys(1));
        (store, clock, checkpointer)
    }

    #[tokio::test]
    async fn signs_where_the_trail_has_moved_and_the_last_is_old_enough() {
        let (store, clock, checkpointer) = checkpointer();
        assert_eq!(
            checkpointer.sign().await.unwrap(),
            None,
            "there is nothing to sign"
        );
        store.record(&events(0..3)).await.unwrap();
        let first = checkpointer.sign().await.unwrap().unwrap();
        let statement = keys(1).public(ISSUER).read(&first.signed).unwrap();
        assert_eq!((statement.seq, statement.hash), (3, store.kept().head().hash));
        assert_eq!(statement.at, FakeClock::START);
        store.record(&events(3..4)).await.unwrap();
        assert_eq!(checkpointer.sign().await.unwrap(), None, "the last is too young");
        clock.advance(EVERY);
        assert_eq!(checkpointer.sign().await.unwrap().unwrap().seq, 4);
        clock.advance(EVERY);
        assert_eq!(
            checkpointer.sign().await.unwrap(),
            None,
            "the trail has not moved"
        );
    }

    #[tokio::test]
    async fn what_was_changed_before_is_not_signed() {
        type Tamper = fn(&MemoryTrail);
        let faults: [(Tamper, &str); 4] = [
            (
                |store| {
                    store.kept().records.remove(4);
                },
                "record 5 is missing",
            ),
            (
                |store| store.kept().records[4].body.push(' '),
                "record 5 was changed",
            ),
            (
                |store| store.kept().records.truncate(2),
                "cut off, from record 3 on",
            ),
            (
                |store| store.kept().checkpoints[0].signed.insert(40, 'x'),
                "the last checkpoint was changed",
            ),
        ];
        for (tamper, told) in faults {
            let (store, clock, checkpointer) = checkpointer();
            store.record(&events(0..3)).await.unwrap();
            checkpointer.sign().await.unwrap().unwrap();
            store.record(&events(3..7)).await.unwrap();
            clock.advance(EVERY);
            tamper(&store);
            let error = checkpointer.sign().await.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[tokio::test]
    async fn a_history_that_was_written_anew_before_the_last_checkpoint_is_not_signed() {
        let (store, clock, checkpointer) = checkpointer();
        store.record(&events(0..3)).await.unwrap();
        checkpointer.sign().await.unwrap().unwrap();
        clock.advance(EVERY);
        store.kept().records.clear();
        store.record(&events(10..15)).await.unwrap();
        let error = checkpointer.sign().await.unwrap_err().to_string();
        assert!(error.contains("record 4 was changed"), "{error}");
    }

    #[test]
    fn a_checkpoint_is_read_only_by_its_key_type_and_issuer() {
        let head = AuditHead {
            seq: 7,
            hash: AuditHash([9; 32]),
        };
        let Checkpoint { signed, .. } = keys(1).sign(ISSUER, head, UnixMillis(5)).unwrap();
        let good = keys(1).public(ISSUER);
        assert_eq!(good.read(&signed).unwrap().hash, head.hash);
        let any = TrailKeys::from_jwks(&keys(1).jwks()).unwrap();
        assert_eq!(any.read(&signed).unwrap().seq, 7);
        assert!(matches!(
            keys(1).public("https://other.example").read(&signed),
            Err(CheckpointError::Issuer)
        ));
        assert!(matches!(
            keys(2).public(ISSUER).read(&signed),
            Err(CheckpointError::Signature(VerifyError::KeyUnknown(_)))
        ));
        let key = PrivateKey::from_ed25519_seed(&[1; 32]).unwrap();
        let other = key.sign_compact("at+jwt", b"{}").unwrap();
        assert!(matches!(
            good.read(&other),
            Err(CheckpointError::Signature(VerifyError::Typ))
        ));
        let empty = key.sign_compact(CHECKPOINT_TYPE, b"{}").unwrap();
        assert!(matches!(good.read(&empty), Err(CheckpointError::Claims)));
    }

    #[test]
    fn checkpoints_are_found_in_a_log_whatever_stands_around_them() {
        let head = AuditHead {
            seq: 7,
            hash: AuditHash([9; 32]),
        };
        let Checkpoint { signed, .. } = keys(1).sign(ISSUER, head, UnixMillis(5)).unwrap();
        let text = format!(
            "2026-01-01 INFO symbolon::audit: audit checkpoint seq=7 checkpoint=\"{signed}\"\n\
             {{\"checkpoint\":\"{signed}\",\"other\":\"eyJub25l\"}}\n{signed}"
        );
        assert_eq!(
            checkpoints_in(&text).collect::<Vec<_>>(),
            [&signed, &signed, &signed]
        );
    }
}
