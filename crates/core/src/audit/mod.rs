//! The audit trail: who did what, when, from where and why. Append-only, gapless, each record bound to all before it.

mod chain;
mod event;
mod sweep;

pub use chain::{AuditHash, GENESIS, link};
pub use event::{Act, Actor, AuditEvent, EventKind, Expected, Judged, MAX_REASON, Outcome, Target, Warrant};
pub use sweep::Sweep;

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::UnixMillis;
use crate::client::Client;
use crate::ports::StoreResult;

/// A record as it stands on the trail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditRecord {
    /// Its position: gapless, in commit order, from 1 on.
    pub seq: u64,
    /// The event as JSON, byte for byte as the hash covers it; the form is that of [`AuditEvent::body`].
    pub body: String,
    /// What [`link`] makes of the record before, the position and the body.
    pub hash: AuditHash,
}

/// How far the trail has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuditHead {
    /// The last position; 0 where there is no record yet.
    pub seq: u64,
    /// Its hash; [`GENESIS`] where there is none.
    pub hash: AuditHash,
}

/// Which records are looked for; what is `None` does not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuditFilter {
    /// At or after this moment.
    pub from: Option<UnixMillis>,
    /// Before this moment.
    pub until: Option<UnixMillis>,
    /// Events of these kinds; none given: all.
    pub kinds: Vec<EventKind>,
    /// Not events of these kinds.
    pub without: Vec<EventKind>,
    /// Done by exactly this actor.
    pub actor: Option<String>,
    /// About what has this kind and, where it is given, this id: `client`, `user`, ...
    pub target: Option<(String, Option<String>)>,
    /// In this request.
    pub request: Option<Uuid>,
    /// With this outcome: true for what was done, false for what was refused.
    pub done: Option<bool>,
}

/// A signed statement of how far the trail had come, to be kept where whoever can write to the database can't.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The position it covers.
    pub seq: u64,
    /// When it was made.
    pub at: UnixMillis,
    /// Compact JWS over the position and its hash.
    pub signed: String,
}

/// Whether a checkpoint that is kept is signed by this server, for the very position and moment that are kept beside it.
pub type Genuine<'a> = &'a (dyn Fn(&Checkpoint) -> bool + Send + Sync);

/// In which order records are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// The earliest first, behind the position.
    Earliest,
    /// The latest first, before the position.
    Latest,
}

/// The audit trail as it is kept. Events that go with a change are written by whoever makes the change, in the same
/// transaction: [`crate::ports::AdminStores`], [`crate::ports::RevocationLog`], [`crate::ports::KeyStore`].
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Writes events that go with no change, in order, in one transaction; returns the head behind them.
    async fn record(&self, events: &[AuditEvent]) -> StoreResult<AuditHead>;

    /// How far the trail has come.
    async fn audit_head(&self) -> StoreResult<AuditHead>;

    /// Records behind the anchor that the filter lets through, from the position on (not including it) in that order; from
    /// the end that the order begins at where there is none. At most `limit`.
    async fn audit_records(
        &self,
        filter: &AuditFilter,
        order: Order,
        from: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>>;

    /// At most `limit` of the records behind `after` and the anchor, the earliest first, and the anchor as it was at the same
    /// moment: what the first of them follows from where it lies behind `after`.
    async fn audit_part(&self, after: u64, limit: u32) -> StoreResult<(AuditHead, Vec<AuditRecord>)>;

    /// Compares what is kept beside the bodies for searching with the bodies themselves, and the earliest record that is
    /// still there with the anchor that was left when those before it were swept. Returns the position of the first
    /// record whose columns say something else than its body among the `limit` behind `after` and the anchor.
    async fn audit_columns_differ(&self, after: u64, limit: u32) -> StoreResult<Option<u64>>;

    /// The hash of the record right before the earliest one that is still there, as it was noted when that one was swept,
    /// with its position; position 0 and [`GENESIS`] where none was swept.
    async fn audit_anchor(&self) -> StoreResult<AuditHead>;

    /// The earliest position at or before the anchor at which there is a record; 0 for any before the first. What was there
    /// was swept, or never was: somebody has put it in. Nothing else that reads the trail shows it, nor does sweeping take it.
    async fn audit_before_anchor(&self) -> StoreResult<Option<u64>>;

    /// Keeps a checkpoint.
    async fn add_checkpoint(&self, checkpoint: &Checkpoint) -> StoreResult<()>;

    /// Checkpoints behind `after`, the earliest first, at most `limit`.
    async fn checkpoints(&self, after: u64, limit: u32) -> StoreResult<Vec<Checkpoint>>;

    /// The last checkpoint.
    async fn last_checkpoint(&self) -> StoreResult<Option<Checkpoint>>;

    /// Deletes at most `limit` of the earliest records, those that were made longer than `retention` before `now` and that
    /// a checkpoint covers which was made as long before: it proves afterwards that they had come to their age. In the same
    /// transaction it moves the anchor behind them, deletes the checkpoints of that age before it, and writes the [`Sweep`].
    /// Where less than `limit` are to go and every one of them tells of a sweep, nothing is deleted: another such record
    /// would take their place. Returns how many records went.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`](crate::ports::StoreError::Corrupt) where that checkpoint is not `genuine`, or what comes next
    /// does not follow: nothing was deleted.
    async fn sweep_audit(
        &self,
        now: UnixMillis,
        retention: Duration,
        limit: u32,
        genuine: Genuine<'_>,
    ) -> StoreResult<u64>;
}

/// One of many events that are alike, as it is counted. Those that agree in all of this are kept as one, so that nothing in
/// it may be what a caller has made up. To count allocates nothing where the like was counted before.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// What.
    pub kind: EventKind,
    /// What came of it.
    pub outcome: Outcome,
    /// The client that did it; `None` where none has authenticated.
    pub client: Option<&'a Client>,
    /// The endpoint, or the operation of the admin API: one of a fixed set.
    pub endpoint: &'a str,
    /// The grant; `none` where it is not about one.
    pub grant: &'static str,
}

/// Where endpoints tell of what happened. Telling never waits and never fails: what can't be kept is counted.
pub trait AuditSink: Send + Sync {
    /// Takes an event that must not be lost among others: a login, reuse, late recovery, a lock, a refused admin request.
    fn tell(&self, event: AuditEvent);

    /// Counts one of many events that are alike, to be kept as one with their number: tokens issued, replayed and refused.
    fn count(&self, counted: Counted<'_>);
}

/// Keeps nothing: for composition in tests and benchmarks of other parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unheard;

impl AuditSink for Unheard {
    fn tell(&self, _event: AuditEvent) {}

    fn count(&self, _counted: Counted<'_>) {}
}
