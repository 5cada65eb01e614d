//! The parts of a session store that are kept apart in a cluster: the list that admins see in SQL, and what a refresh
//! changes in a store that all nodes reach fast.

use async_trait::async_trait;

use crate::ports::{Begin, KilledSession, NewSession, StoreResult};
use crate::revocation::Head;
use crate::rotation::{Rotation, RotationRequest};
use crate::{SessionId, Subject, UnixMillis};

/// The list of sessions, in the database that holds the revocation log.
#[async_trait]
pub trait SessionList: Send + Sync {
    /// Writes the session's row, unless the log or the facts have moved on from `applied`.
    async fn list(&self, session: &NewSession, applied: Head) -> StoreResult<Begin>;

    /// Deletes at most `limit` rows whose absolute end is before `before`; returns how many.
    async fn sweep_list(&self, before: UnixMillis, limit: u32) -> StoreResult<u64>;
}

/// What changes about sessions, in buckets by subject. Each bucket has a *fence*: how far a node must have applied the
/// revocation log before it may rotate, or answer for, a session in it. A bucket without its fence has lost its data.
#[async_trait]
pub trait SessionRecords: Send + Sync {
    /// Makes the record of a session that begins.
    async fn begin(&self, session: &NewSession, applied: Head) -> StoreResult<Fenced<()>>;

    /// One atomic step in one round trip: compares the fence with `request.applied`, makes the decision of
    /// [`crate::rotation::decide`] and writes what it says. An error leaves it unknown whether the record changed.
    async fn rotate(&self, request: &RotationRequest) -> StoreResult<Rotation>;

    /// What [`SessionRecords::rotate`] would answer; changes nothing.
    async fn peek(&self, request: &RotationRequest) -> StoreResult<Rotation>;

    /// The fence of the subject's bucket and whether the session was killed; nothing where the fence is gone.
    async fn fence(&self, subject: Subject, session: Option<SessionId>) -> StoreResult<Option<RecordFence>>;

    /// Raises the fence of the subject's bucket, or every fence, and the store's own head to `to` where they are below.
    /// Those of another log stay as they are, except of the logs in `over`, whose place `to` takes. Returns once as many
    /// replicas as are configured have it.
    async fn raise(&self, whose: Option<Subject>, to: Head, over: &[uuid::Uuid]) -> StoreResult<Raised>;

    /// Puts up the fences and the head that are gone. `to` must have been read from the log after they were seen to be
    /// gone.
    async fn rebuild(&self, to: Head) -> StoreResult<()>;

    /// The furthest head that fences were raised to or put up at; nothing where it is gone. Every change of the log or
    /// the facts that was promised before this is asked is in it, as far as replicas are configured to vouch for it.
    async fn head(&self) -> StoreResult<Option<Head>>;

    /// Sessions killed by a reuse whose `session` entry is not known to be on the log; at most `limit`.
    async fn killed(&self, limit: u32) -> StoreResult<Vec<KilledSession>>;

    /// The `session` entry is on the log.
    async fn killed_logged(&self, session: &KilledSession) -> StoreResult<()>;
}

/// What came of raising fences.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Raised {
    /// All are there, or beyond.
    Done,
    /// Some are gone; the others were raised.
    Gone,
    /// None is gone, but some are of these logs, and were left; the others were raised.
    OfOtherLogs(Vec<uuid::Uuid>),
}

/// A place on a revocation log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// [`Head::log`].
    pub log: uuid::Uuid,
    /// [`Head::seq`].
    pub seq: u64,
}

impl From<Head> for Position {
    fn from(head: Head) -> Self {
        Self {
            log: head.log,
            seq: head.seq,
        }
    }
}

/// What came of something that a fence may stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fenced<T> {
    /// The node has not applied all of the log: nothing changed.
    CatchUp,
    /// It is done.
    Done(T),
    /// The fence is gone: nothing changed.
    Lost,
}

/// What a bucket says about answering for a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordFence {
    /// How far a node must have applied the log.
    pub position: Position,
    /// Whether a reuse killed the session.
    pub killed: bool,
}
