//! The storage traits. Stores implement them; the contract suite in `symbolon-testkit` holds every implementation
//! to what is written here. What is absent, replayed or raced is an outcome; an error means that the store could
//! not be reached or holds something impossible, and that nothing is known to have changed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use symbolon_jose::Kid;
use symbolon_oauth_types::revocation::Digest;
use symbolon_oauth_types::{GrantType, ScopeToken, UnixMillis};
use uuid::Uuid;

use crate::audit::{Act, AuditEvent};
use crate::client::{Client, ServedAudience};
use crate::evidence::{ListedVerifier, Report};
use crate::import::{ImportMode, Imported};
use crate::keys::{
    KeyChange, KeyChangeOutcome, KeyLease, KeyNode, KeySchedule, ScheduleTime, SigningKeyRecord,
};
use crate::password::PasswordHash;
use crate::profile::Profile;
pub use crate::register::RegisteredScope;
use crate::revocation::{Head, Logged, NewRevocation, Reach, Tip};
use crate::rotation::{Rotation, RotationRequest};
use crate::secret::{ClientSecretHash, SecretPurpose};
use crate::user::{Credential, LoginName, Role, RoleName, User};
use crate::{ClientId, ClientUid, SessionId, Subject, TokenId};

/// Why a store gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It holds something that can't be; the text says what and never holds a secret.
    #[error("the store holds something impossible: {0}")]
    Corrupt(String),
    /// It can't be reached, is overloaded, or refused the operation. Trying again may help.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Result of a store operation.
pub type StoreResult<T> = Result<T, StoreError>;

/// Facts that grants are decided by. Every change of one advances [`Head::facts`] in the same transaction.
#[async_trait]
pub trait FactStore: Send + Sync {
    /// The client of that `client_id`, enabled or not.
    async fn client(&self, id: &ClientId) -> StoreResult<Option<Client>>;

    /// The client of that identity, enabled or not.
    async fn client_by_uid(&self, uid: ClientUid) -> StoreResult<Option<Client>>;

    /// The user of that subject, enabled or not.
    async fn user(&self, subject: Subject) -> StoreResult<Option<User>>;

    /// Whose login name it is. Costs the same whether or not somebody has it.
    async fn subject(&self, name: &LoginName) -> StoreResult<Option<Subject>>;

    /// The user who logs in with that name, and the password hash.
    async fn credential(&self, name: &LoginName) -> StoreResult<Option<Credential>>;

    /// Replaces a password hash by another of the same password; does nothing where `old` is no longer the one
    /// that is kept. Returns whether it was replaced. No fact changes.
    async fn rehash(&self, subject: Subject, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool>;

    /// What the enabled clients have in sum, and what is on the register, for the metadata document and CORS.
    async fn published(&self) -> StoreResult<PublishedFacts>;
}

/// What the enabled clients have in sum, and what is on the register.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PublishedFacts {
    /// Grants that at least one may use.
    pub grants: BTreeSet<GrantType>,
    /// Origins that at least one registered; at most 10,000.
    pub cors_origins: BTreeSet<String>,
    /// The register of scopes, whoever may ask for them; at most 1,000.
    pub scopes: BTreeSet<String>,
}

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session; its moment is when the request came in.
    pub session: SessionId,
    /// The user.
    pub subject: Subject,
    /// The client.
    pub client: ClientUid,
    /// The scope that was granted, as text.
    pub scope: String,
    /// Absolute end.
    pub ends: UnixMillis,
    /// When generation 0 was issued.
    pub issued: UnixMillis,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// What the client software calls itself, at most 200 characters.
    pub user_agent: Option<String>,
    /// Whether there is a refresh token to keep a record for.
    pub refreshable: bool,
}

/// What came of beginning a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begin {
    /// It has begun; commit point of a login.
    Begun,
    /// A fact has changed, or the log may hold something about the session that the node has not applied: catch up,
    /// authorize again, try again.
    CatchUp,
}

/// A session that was killed by a reuse and is not on the revocation log yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KilledSession {
    /// The session.
    pub session: SessionId,
    /// Whose session it is, where the store knows.
    pub subject: Option<Subject>,
    /// Its absolute end.
    pub ends: UnixMillis,
}

/// What a node must know to answer for a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fence {
    /// How far it must have applied the log.
    pub head: Head,
    /// Whether a reuse killed the session. The log says so, too, but may learn of it later.
    pub killed: bool,
}

/// Sessions and the rotation of their refresh tokens.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Writes the session's row and its rotation record, unless the facts have moved on from `applied`, or the log with
    /// something that may concern the session.
    async fn begin(&self, session: &NewSession, applied: Head) -> StoreResult<Begin>;

    /// One atomic step: compares the log's head with `request.applied`, makes the decision of
    /// [`crate::rotation::decide`] and writes what it says. An error leaves the record as it was.
    async fn rotate(&self, request: &RotationRequest) -> StoreResult<Rotation>;

    /// What [`SessionStore::rotate`] would answer; changes nothing.
    async fn peek(&self, request: &RotationRequest) -> StoreResult<Rotation>;

    /// What a node must know to answer for a token of this subject and session, in one round trip.
    async fn fence(&self, subject: Subject, session: Option<SessionId>) -> StoreResult<Fence>;

    /// Sessions killed by a reuse whose `session` entry is not known to be on the log; at most `limit`.
    async fn killed(&self, limit: u32) -> StoreResult<Vec<KilledSession>>;

    /// The `session` entry is on the log.
    async fn killed_logged(&self, killed: &KilledSession) -> StoreResult<()>;

    /// Deletes at most `limit` sessions and as many records whose absolute end is before `before`; returns how many
    /// in sum.
    async fn sweep(&self, before: UnixMillis, limit: u32) -> StoreResult<u64>;
}

/// What came of an append.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Appended {
    /// The head behind the entry.
    pub head: Head,
    /// How far the promise reaches.
    pub reach: Reach,
}

/// The revocation log: the record of what was revoked. Append-only, gapless, in commit order.
#[async_trait]
pub trait RevocationLog: Send + Sync {
    /// How far the log and the facts have come.
    async fn head(&self) -> StoreResult<Head>;

    /// Entries behind `after` that have not expired, in order, at most `limit`.
    async fn entries(&self, after: u64, now: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>>;

    /// The tip that the head had right behind entry `seq`, before any fact changed that came later without an entry.
    /// `None` where the entry was swept or has none.
    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>>;

    /// Appends, in one transaction; the commit point of a revocation.
    async fn append(&self, revocation: &NewRevocation, now: UnixMillis) -> StoreResult<Appended>;

    /// Makes the promise for what is on the log up to `to` already: of one subject's sessions, or of everybody's.
    async fn promise(&self, whose: Option<Subject>, to: Head) -> StoreResult<Reach>;

    /// Whether nothing that was promised lies beyond `applied`, by somebody who knows where the log itself can't be
    /// asked. False where there is nobody.
    async fn confirms(&self, applied: Head) -> StoreResult<bool>;

    /// How many `token` entries of that owner have not expired.
    async fn live_tokens(&self, owner: Digest, now: UnixMillis) -> StoreResult<u64>;

    /// Deletes at most `limit` entries that expired before `before`; returns how many.
    async fn sweep_log(&self, before: UnixMillis, limit: u32) -> StoreResult<u64>;
}

/// Signing keys, private parts encrypted, and their schedule.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// All keys that are published: pending, active, retiring.
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKeyRecord>>;

    /// Every key that there ever was, the newest first, at most `limit`.
    async fn key_history(&self, limit: u32) -> StoreResult<Vec<SigningKeyRecord>>;

    /// Makes a change, all of it or nothing, in one transaction with its entries on the revocation log. Advances
    /// [`Head::facts`].
    async fn change_keys(&self, change: &KeyChange) -> StoreResult<KeyChangeOutcome>;

    /// Puts another encryption of the same private key in the place of `from`. Returns false, and changes nothing,
    /// where the key holds something else by now. Facts do not change by it.
    async fn rewrap_key(&self, kid: &Kid, from: &str, to: &str) -> StoreResult<bool>;

    /// The schedule's record.
    async fn key_schedule(&self) -> StoreResult<KeySchedule>;

    /// Takes the lease for `holder` until `now` plus `ttl`, raises the fence, and advances the schedule's time to
    /// `elapsed` if it is behind that. `None`, and nothing changes, while somebody else holds the lease and could have
    /// taken it by a clock like `now`: it ends after `now`, and by no more than `ttl`.
    async fn take_key_lease(
        &self,
        holder: Uuid,
        now: UnixMillis,
        ttl: Duration,
        elapsed: ScheduleTime,
    ) -> StoreResult<Option<KeyLease>>;

    /// Gives the lease back, if it is still the one that was taken.
    async fn release_key_lease(&self, lease: KeyLease) -> StoreResult<()>;

    /// Records what a node says of itself, and forgets nodes that have said nothing for a day of the schedule.
    async fn report_key_node(&self, node: &KeyNode) -> StoreResult<()>;

    /// What the nodes said; at most 1,000, the latest first.
    async fn key_nodes(&self) -> StoreResult<Vec<KeyNode>>;

    /// Forgets a node that stops.
    async fn forget_key_node(&self, node: Uuid) -> StoreResult<()>;
}

/// A server secret as it is kept.
#[derive(Clone, Debug)]
pub struct WrappedSecret {
    /// What it is for.
    pub purpose: SecretPurpose,
    /// Its number within the purpose.
    pub id: u16,
    /// From when on new records use it.
    pub active_from: UnixMillis,
    /// Compact JWE under the key-encryption key that it names.
    pub wrapped: String,
}

/// Server secrets and the issuer's identity.
#[async_trait]
pub trait ServerStore: Send + Sync {
    /// All server secrets.
    async fn secrets(&self) -> StoreResult<Vec<WrappedSecret>>;

    /// Adds a secret. Returns false, and changes nothing, where that number of that purpose exists already.
    async fn add_secret(&self, secret: &WrappedSecret) -> StoreResult<bool>;

    /// Puts another encryption of the same secret in the place of `from`. Returns false, and changes nothing, where
    /// the record holds something else by now.
    async fn rewrap_secret(&self, purpose: SecretPurpose, id: u16, from: &str, to: &str)
    -> StoreResult<bool>;

    /// The id and the issuer identifier that this database belongs to.
    async fn issuer(&self) -> StoreResult<Option<(u16, String)>>;

    /// Records the issuer identifier under that id, replacing what was there. Where that was another one the audit trail
    /// tells of it, in the same transaction.
    async fn set_issuer(&self, id: u16, issuer: &str) -> StoreResult<()>;
}

/// What came of an administrative change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It would give, or take over what has, admin scope that [`Warrant::scope`](crate::audit::Warrant) lacks; nothing
    /// changed.
    Beyond,
    /// Revocations or facts have moved on since [`Warrant::judged`](crate::audit::Warrant): judge anew whoever changes it,
    /// and try again. Nothing changed.
    CatchUp,
    /// It is made.
    Done,
    /// The record is not as [`Act::expected`] says; nothing changed.
    Stale,
    /// A name is taken; nothing changed.
    Taken(&'static str),
    /// There is no such record; nothing changed.
    Unknown(&'static str),
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The user; `scope` is ignored.
    pub user: User,
    /// Every name that leads to the user, normalised.
    pub names: Vec<LoginName>,
    /// The password hash.
    pub password: PasswordHash,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Position of the last item, where there are more.
    pub next: Option<String>,
}

/// Gives administrative changes to whoever makes them.
pub trait AdminStores: Send + Sync {
    /// The changes, each to be put on the audit trail as that doing.
    fn acting(&self, act: Act) -> Box<dyn AdminStore>;
}

/// Which users are listed; what is `None` does not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserQuery {
    /// One of their login names begins so, once both are in their one form; nobody's does where it is longer than
    /// [`LoginName::MAX_BYTES`] bytes. `%` and `_` stand for themselves.
    pub prefix: Option<String>,
    /// Enabled or disabled.
    pub active: Option<bool>,
    /// They hold this role.
    pub role: Option<RoleName>,
}

/// Which clients are listed; what is `None` does not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClientQuery {
    /// Their client id begins so; none does where it is longer than [`ClientId::MAX_BYTES`] bytes. `%` and `_` stand for
    /// themselves.
    pub prefix: Option<String>,
    /// Enabled or disabled.
    pub active: Option<bool>,
}

/// A resource server, as audiences are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedAudience {
    /// How it is served.
    pub served: ServedAudience,
    /// The client that it is.
    pub client: ClientUid,
    /// Its name on the wire.
    pub client_id: ClientId,
    /// False while that client is disabled.
    pub active: bool,
}

/// Administrative changes, by one doing ([`AdminStores::acting`]). Each is one transaction, together with the advance of
/// [`Head::facts`], the entry on the revocation log that goes with it, whose act is replaced by the doing, and the event on
/// the audit trail with the record before and after. A change that changes nothing leaves no event. Where the record is
/// not as the doing expects it, that is [`Change::Stale`]; where its warrant is out of date, [`Change::CatchUp`]. What a user
/// may is known only here, since roles change by themselves: there it may be [`Change::Beyond`].
#[async_trait]
pub trait AdminStore: Send + Sync {
    /// Makes a user. [`Change::Taken`] names `username` or `email`; [`Change::Unknown`] names `role`.
    async fn add_user(&self, user: &NewUser) -> StoreResult<Change>;

    /// Makes many users, at most [`crate::import::MAX_BATCH`], in one transaction, and says of each in turn what came of it:
    /// whoever can't be made holds nobody else up. [`Imported::Taken`] and [`Imported::Unknown`] name what
    /// [`AdminStore::add_user`] names. `None` is [`Change::CatchUp`].
    async fn import_users(&self, users: &[NewUser], mode: ImportMode) -> StoreResult<Option<Vec<Imported>>>;

    /// Users behind `after`, at most `limit`: by subject, or where a prefix is given, by the first of their names that begins
    /// so, in byte order.
    async fn users(&self, query: &UserQuery, after: Option<&str>, limit: u32) -> StoreResult<Page<User>>;

    /// Gives a user the names and the roles of the profile, and no others. Names that change leave an event, and so do roles
    /// that change. [`Change::Taken`] names `username` or `email`; [`Change::Unknown`] `user` or `role`.
    async fn update_user(&self, subject: Subject, profile: &Profile) -> StoreResult<Change>;

    /// Enables or disables a user.
    async fn set_user_active(
        &self,
        subject: Subject,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change>;

    /// Sets a password.
    async fn set_password(
        &self,
        subject: Subject,
        hash: &PasswordHash,
        entry: &NewRevocation,
    ) -> StoreResult<Change>;

    /// Deletes a user. The subject is never given out again.
    async fn delete_user(&self, subject: Subject, entry: &NewRevocation) -> StoreResult<Change>;

    /// Makes or replaces a role.
    async fn put_role(&self, role: &Role) -> StoreResult<Change>;

    /// All roles; there are at most 1,000.
    async fn roles(&self) -> StoreResult<Vec<Role>>;

    /// Deletes a role, also from those who hold it.
    async fn delete_role(&self, name: &RoleName) -> StoreResult<Change>;

    /// Makes a client with its policy and secrets. [`Change::Taken`] names `client_id` or `audience`;
    /// [`Change::Unknown`] names `audience`, where one that it wants is served by nobody, itself included;
    /// [`crate::rights::ADMIN_AUDIENCE`] is always there. `lift`
    /// goes on the log where the client id is blocked: one that was deleted may be used again, and what was before
    /// stays dead.
    async fn add_client(&self, client: &Client, lift: &NewRevocation) -> StoreResult<Change>;

    /// Replaces the policy of a client.
    async fn set_client_policy(&self, client: &Client) -> StoreResult<Change>;

    /// Clients behind `after`, at most `limit`: by uid, or where a prefix is given, by client id in byte order.
    async fn clients(
        &self,
        query: &ClientQuery,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<Client>>;

    /// Audiences in byte order behind `after`, at most `limit`, with the clients that serve them.
    async fn audiences(&self, after: Option<&str>, limit: u32) -> StoreResult<Page<ListedAudience>>;

    /// Puts a scope on the register, or replaces what it says. There are at most 1,000.
    async fn put_scope(&self, scope: &RegisteredScope) -> StoreResult<Change>;

    /// The register of scopes, in byte order; there are at most 1,000.
    async fn scopes(&self) -> StoreResult<Vec<RegisteredScope>>;

    /// Takes a scope off the register. Whoever has it keeps it.
    async fn delete_scope(&self, name: &ScopeToken) -> StoreResult<Change>;

    /// Enables or disables a client.
    async fn set_client_active(
        &self,
        uid: ClientUid,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change>;

    /// Replaces the kept secrets of a client.
    async fn set_client_secrets(&self, uid: ClientUid, secrets: &[ClientSecretHash]) -> StoreResult<Change>;

    /// Deletes a client and the audiences that it serves.
    async fn delete_client(&self, uid: ClientUid, entry: &NewRevocation) -> StoreResult<Change>;
}

/// Access tokens for the admin API that were issued: one that is not on record is refused, so that a leaked signing key
/// opens no admin door.
#[async_trait]
pub trait AdminTokens: Send + Sync {
    /// Puts a token on record before it is handed out. Written in the same transaction as its event on the audit trail.
    async fn record_token(&self, token: &AdminToken, event: &AuditEvent) -> StoreResult<()>;

    /// The token of that id, where it is on record and has not expired at `now`.
    async fn recorded_token(&self, token: TokenId, now: UnixMillis) -> StoreResult<Option<AdminToken>>;

    /// Forgets at most `limit` that expired before `before`; returns how many.
    async fn sweep_tokens(&self, before: UnixMillis, limit: u32) -> StoreResult<u64>;
}

/// An access token for the admin API, on record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AdminToken {
    /// Its `jti`.
    pub token: TokenId,
    /// SHA-256 of the token as it was handed out: another one with the same `jti` is not the one that was issued.
    pub digest: [u8; 32],
    /// Its end.
    pub expires: UnixMillis,
}

/// What came of beginning under an idempotency key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Idempotent {
    /// It is the first: go ahead.
    First,
    /// Another request with this key is under way, or was broken off: whether it had an effect is not known.
    Pending,
    /// The key was used for another request.
    Reused,
    /// It would be the first, but the caller has as many keys as they may: nothing was taken.
    Full,
    /// It was done: this was the answer.
    Answered {
        /// The status.
        status: u16,
        /// The body; `None` where it was not kept, because it held a secret, was too long, or there was no room for more.
        body: Option<String>,
    },
}

/// Keys by which a repeated request is known ([draft-ietf-httpapi-idempotency-key-header](
/// https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)), kept for a day.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Takes a key, where its caller has fewer than `most`, or a few more of those who ask at once. `key` is half a digest
    /// over the caller, by which keys are counted, and half one over the caller and their key; `request` is one over scope,
    /// method, path and body.
    async fn begin_once(
        &self,
        key: [u8; 32],
        request: [u8; 32],
        now: UnixMillis,
        most: u32,
    ) -> StoreResult<Idempotent>;

    /// Keeps the first answer. A body of more than 64 KiB is not kept, nor one with which those of the same caller would
    /// have more than 16 MiB.
    async fn answered(&self, key: [u8; 32], status: u16, body: Option<&str>) -> StoreResult<()>;

    /// Gives the key back: nothing was changed.
    async fn gave_up(&self, key: [u8; 32]) -> StoreResult<()>;

    /// Forgets at most `limit` keys that were taken before `before`; returns how many.
    async fn sweep_keys(&self, before: UnixMillis, limit: u32) -> StoreResult<u64>;
}

/// What verifiers report that they have applied, so that every node and the command line see it.
#[async_trait]
pub trait VerifierReports: Send + Sync {
    /// Takes reports, in order, in one transaction: [`crate::evidence::Verifier::hear`] says what each changes, and those
    /// that [`crate::evidence::surplus`] names are forgotten.
    async fn record_reports(&self, reports: &[Report]) -> StoreResult<()>;

    /// The verifiers of all clients that there are, the last seen first; there are at most
    /// [`crate::evidence::MAX_VERIFIERS`].
    async fn verifiers(&self) -> StoreResult<Vec<ListedVerifier>>;

    /// Forgets those that were last seen before `before`; returns how many.
    async fn sweep_verifiers(&self, before: UnixMillis) -> StoreResult<u64>;
}
