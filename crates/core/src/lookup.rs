//! What people look up before and after they revoke something. No request is decided by it.

use async_trait::async_trait;
use symbolon_oauth_types::revocation::Digest;

use crate::ports::{Page, StoreResult};
use crate::revocation::Logged;
use crate::{ClientId, ClientUid, SessionId, Subject, UnixMillis};

/// An entry of the revocation log with what is on record about it.
#[derive(Clone, Debug)]
pub struct RecordedRevocation {
    /// The entry as it stands on the log.
    pub logged: Logged,
    /// Why it was made.
    pub reason: String,
    /// Who made it.
    pub actor: String,
}

/// The revocation log as people read it: entries that have expired are there until they are swept.
#[async_trait]
pub trait RevocationRecords: Send + Sync {
    /// The entry at that position.
    async fn revocation(&self, seq: u64) -> StoreResult<Option<RecordedRevocation>>;

    /// Entries before that position, the latest first, at most `limit`; from the last one on where there is none.
    async fn revocations(&self, before: Option<u64>, limit: u32) -> StoreResult<Vec<RecordedRevocation>>;

    /// The last entry about what has this digest.
    async fn last_revocation_of(&self, digest: Digest) -> StoreResult<Option<RecordedRevocation>>;
}

/// Which sessions are counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionsOf {
    /// All of them.
    All,
    /// Those of one client, by both of its names.
    Client(ClientUid, ClientId),
    /// One.
    Session(SessionId),
    /// Those of one subject.
    Subject(Subject),
}

/// A session as it stands on the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListedSession {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub subject: Subject,
    /// The client.
    pub client: ClientUid,
    /// Its absolute end.
    pub ends: UnixMillis,
}

/// A session with everything that its login left on the list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionDetail {
    /// What decides.
    pub listed: ListedSession,
    /// The user name of its subject; `None` where there is no such user any more.
    pub username: Option<String>,
    /// The client's name on the wire; `None` where there is no such client any more.
    pub client_id: Option<String>,
    /// The scope that was granted.
    pub scope: String,
    /// Where the login came from.
    pub address: Option<String>,
    /// What the client software called itself.
    pub user_agent: Option<String>,
    /// Whether an entry on the revocation log has ended it: about it, its subject, its client, or everything.
    pub ended: bool,
}

/// How many sessions are live.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LiveSessions {
    /// How many were counted.
    pub count: u64,
    /// Whether there were others, which were not looked at.
    pub more: bool,
}

/// The list of sessions as people read it.
#[async_trait]
pub trait SessionLookup: Send + Sync {
    /// Sessions of those that have not reached their end at `now`, the latest first, before the position, at most
    /// `limit`. Those that were ended are among them, and say so.
    async fn sessions(
        &self,
        of: &SessionsOf,
        now: UnixMillis,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<SessionDetail>>;

    /// The session, from its beginning until some time after its absolute end.
    async fn session(&self, session: SessionId) -> StoreResult<Option<ListedSession>>;

    /// How many of those that began at or before `begun_by`, or of all, [`sessions`](Self::sessions) would list without
    /// saying that they were ended. No more than the latest `most` of those that no entry about everything, or about just
    /// what `of` names, has ended are looked at.
    async fn count_sessions(
        &self,
        of: &SessionsOf,
        begun_by: Option<UnixMillis>,
        now: UnixMillis,
        most: u64,
    ) -> StoreResult<LiveSessions>;
}
