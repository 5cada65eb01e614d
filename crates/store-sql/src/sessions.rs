//! Sessions, their rotation records, and the outbox of those that a reuse killed.

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, LockBehavior, LockType, Query};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use symbolon_core::cluster::SessionList;
use symbolon_core::ports::{Begin, Fence, KilledSession, NewSession, SessionStore, StoreError, StoreResult};
use symbolon_core::revocation::Head;
use symbolon_core::rotation::{Rotation, RotationRequest, SessionRecord, decide};
use symbolon_core::{SessionId, Subject, UnixMillis};

use crate::SqlStore;
use crate::convert::{from_ms, number, to_ms};
use crate::entity::{session_records, sessions};
use crate::error::store_error;
use crate::log;
use crate::news::News;
use crate::transaction::{Lock, Transaction, commit, retried};

/// Key and end of the two tables that are swept.
const SESSION_ENDS: (sessions::Column, sessions::Column) = (sessions::Column::Sid, sessions::Column::EndsMs);
const RECORD_ENDS: (session_records::Column, session_records::Column) =
    (session_records::Column::Sid, session_records::Column::EndsMs);

#[async_trait]
impl SessionList for SqlStore {
    async fn list(&self, session: &NewSession, applied: Head) -> StoreResult<Begin> {
        retried(|| self.insert(session, applied, false)).await
    }

    async fn sweep_list(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        let tx = self.writing(Lock::Rows).await?;
        let swept = sweep_rows::<sessions::Entity>(&tx, SESSION_ENDS, before, u64::from(limit)).await?;
        commit(tx).await?;
        Ok(swept)
    }
}

impl SqlStore {
    /// Writes the session's row, and its record where it has one here, unless a fact, or what the log
    /// says of it, has changed.
    async fn insert(&self, session: &NewSession, applied: Head, recorded: bool) -> StoreResult<Begin> {
        let tx = self.writing(Lock::Head).await?;
        let news = News::since(&tx, std::iter::once(applied)).await?;
        if news.concern(applied, session.subject, session.session) {
            return Ok(Begin::CatchUp);
        }
        sessions::Entity::insert(session_row(session))
            .exec_without_returning(&tx)
            .await
            .map_err(store_error)?;
        if recorded {
            let record = SessionRecord::begun(session.issued, session.ends);
            session_records::Entity::insert(record_row(session.session, &record))
                .exec_without_returning(&tx)
                .await
                .map_err(store_error)?;
        }
        commit(tx).await?;
        Ok(Begin::Begun)
    }
}

#[async_trait]
impl SessionStore for SqlStore {
    async fn begin(&self, session: &NewSession, applied: Head) -> StoreResult<Begin> {
        retried(|| self.insert(session, applied, session.refreshable)).await
    }

    async fn rotate(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.inner.lane.rotate(*request).await
    }

    async fn peek(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        let news = News::since(self.read(), std::iter::once(request.applied)).await?;
        if news.concern(request.applied, request.subject, request.session) {
            return Ok(Rotation::CatchUp);
        }
        let row = session_records::Entity::find_by_id(request.session.0)
            .one(self.read())
            .await
            .map_err(store_error)?;
        let record = row.map(SessionRecord::try_from).transpose()?;
        Ok(decide(record.as_ref(), request).0)
    }

    /// The log's own head: it is read in the transaction of each rotation.
    async fn fence(&self, _subject: Subject, session: Option<SessionId>) -> StoreResult<Fence> {
        let head = log::head(self.read()).await?;
        let Some(session) = session else {
            return Ok(Fence { head, killed: false });
        };
        let killed = session_records::Entity::find_by_id(session.0)
            .filter(session_records::Column::Killed.eq(true))
            .count(self.read())
            .await
            .map_err(store_error)?;
        Ok(Fence {
            head,
            killed: killed > 0,
        })
    }

    async fn killed(&self, limit: u32) -> StoreResult<Vec<KilledSession>> {
        let rows = session_records::Entity::find()
            .filter(session_records::Column::Killed.eq(true))
            .filter(session_records::Column::KillLogged.eq(false))
            .limit(u64::from(limit))
            .all(self.read())
            .await
            .map_err(store_error)?;
        rows.into_iter()
            .map(|row| {
                Ok(KilledSession {
                    session: SessionId(row.sid),
                    subject: None,
                    ends: from_ms(row.ends_ms, "the end of a session")?,
                })
            })
            .collect()
    }

    async fn killed_logged(&self, killed: &KilledSession) -> StoreResult<()> {
        let tx = self.writing(Lock::Rows).await?;
        session_records::Entity::update_many()
            .col_expr(session_records::Column::KillLogged, Expr::value(true))
            .filter(session_records::Column::Sid.eq(killed.session.0))
            .filter(session_records::Column::Killed.eq(true))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await
    }

    async fn sweep(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        let tx = self.writing(Lock::Rows).await?;
        let limit = u64::from(limit);
        let sessions = sweep_rows::<sessions::Entity>(&tx, SESSION_ENDS, before, limit).await?;
        let records = sweep_rows::<session_records::Entity>(&tx, RECORD_ENDS, before, limit).await?;
        commit(tx).await?;
        Ok(sessions + records)
    }
}

/// Deletes at most `limit` rows of a table whose moment `ends` is before `before`; returns how many. Rows that others have
/// locked stay for the next time: who waited for them could be waited for.
pub(crate) async fn sweep_rows<E: EntityTrait>(
    tx: &Transaction,
    (key, ends): (E::Column, E::Column),
    before: UnixMillis,
    limit: u64,
) -> StoreResult<u64> {
    let ended = Query::select()
        .column(key)
        .from(E::default())
        .and_where(ends.lt(to_ms(before)))
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .take();
    let deleted = E::delete_many()
        .filter(key.in_subquery(ended))
        .exec(tx)
        .await
        .map_err(store_error)?;
    Ok(deleted.rows_affected)
}

fn session_row(session: &NewSession) -> sessions::ActiveModel {
    sessions::ActiveModel {
        sid: Set(session.session.0),
        subject: Set(session.subject.0),
        client_uid: Set(session.client.0),
        scope: Set(session.scope.clone()),
        started_ms: Set(to_ms(session.session.moment())),
        ends_ms: Set(to_ms(session.ends)),
        address: Set(session.address.map(|address| address.to_string())),
        user_agent: Set(session.user_agent.clone()),
    }
}

/// A record that is written was not killed before, or is killed now: its entry is not on the log.
pub(crate) fn record_row(session: SessionId, record: &SessionRecord) -> session_records::ActiveModel {
    session_records::ActiveModel {
        sid: Set(session.0),
        generation: Set(i64::from(record.generation)),
        rotated_ms: Set(to_ms(record.rotated)),
        late_since_ms: Set(to_ms(record.late_since)),
        late: Set(i32::from(record.late)),
        killed: Set(record.killed),
        kill_logged: Set(false),
        ends_ms: Set(to_ms(record.ends)),
    }
}

impl TryFrom<session_records::Model> for SessionRecord {
    type Error = StoreError;

    fn try_from(row: session_records::Model) -> StoreResult<Self> {
        Ok(Self {
            generation: number(row.generation, "the generation of a session")?,
            rotated: from_ms(row.rotated_ms, "the last rotation of a session")?,
            late_since: from_ms(row.late_since_ms, "the late recoveries of a session")?,
            late: number(row.late, "the late recoveries of a session")?,
            killed: row.killed,
            ends: from_ms(row.ends_ms, "the end of a session")?,
        })
    }
}
