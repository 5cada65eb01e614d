//! What people look up of the log and of the list of sessions.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use symbolon_core::lookup::{
    ListedSession, RecordedRevocation, RevocationRecords, SessionLookup, SessionsOf,
};
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_core::revocation::Logged;
use symbolon_core::{ClientUid, SessionId, Subject, UnixMillis};
use symbolon_oauth_types::revocation::{Cutoffs, Digest, Effect, RevocationKind};

use crate::SqlStore;
use crate::convert::{from_ms, to_ms};
use crate::entity::{revocation_log, sessions};
use crate::error::store_error;
use crate::transaction::commit;

#[async_trait]
impl RevocationRecords for SqlStore {
    async fn revocation(&self, seq: u64) -> StoreResult<Option<RecordedRevocation>> {
        let Ok(seq) = i64::try_from(seq) else {
            return Ok(None);
        };
        self.first(revocation_log::Entity::find_by_id(seq)).await
    }

    async fn revocations(&self, before: Option<u64>, limit: u32) -> StoreResult<Vec<RecordedRevocation>> {
        let before = before.and_then(|seq| i64::try_from(seq).ok());
        let rows = revocation_log::Entity::find()
            .filter(revocation_log::Column::Seq.lt(before.unwrap_or(i64::MAX)))
            .order_by_desc(revocation_log::Column::Seq)
            .limit(u64::from(limit))
            .all(self.read())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn last_revocation_of(&self, digest: Digest) -> StoreResult<Option<RecordedRevocation>> {
        let about = revocation_log::Entity::find()
            .filter(revocation_log::Column::Digest.eq(digest.0.to_vec()))
            .order_by_desc(revocation_log::Column::Seq);
        self.first(about).await
    }
}

impl SqlStore {
    async fn first(&self, find: Select<revocation_log::Entity>) -> StoreResult<Option<RecordedRevocation>> {
        let row = find.one(self.read()).await.map_err(store_error)?;
        row.map(TryInto::try_into).transpose()
    }
}

impl TryFrom<revocation_log::Model> for RecordedRevocation {
    type Error = StoreError;

    fn try_from(mut row: revocation_log::Model) -> StoreResult<Self> {
        let (reason, actor) = (std::mem::take(&mut row.reason), std::mem::take(&mut row.actor));
        Ok(Self {
            logged: row.try_into()?,
            reason,
            actor,
        })
    }
}

#[async_trait]
impl SessionLookup for SqlStore {
    async fn session(&self, session: SessionId) -> StoreResult<Option<ListedSession>> {
        let row = sessions::Entity::find_by_id(session.0).one(self.read()).await;
        row.map_err(store_error)?
            .map(|row| {
                Ok(ListedSession {
                    session,
                    subject: Subject(row.subject),
                    client: ClientUid(row.client_uid),
                    ends: from_ms(row.ends_ms, "the end of a session")?,
                })
            })
            .transpose()
    }

    async fn count_sessions(&self, of: &SessionsOf, now: UnixMillis) -> StoreResult<u64> {
        let tx = self.snapshot().await?;
        let (found, digest) = match of {
            SessionsOf::All => (sessions::Entity::find(), None),
            SessionsOf::Client(uid, id) => (
                sessions::Entity::find().filter(sessions::Column::ClientUid.eq(uid.0)),
                Some(Digest::of(RevocationKind::Client, id.as_str())),
            ),
            SessionsOf::Session(session) => (
                sessions::Entity::find_by_id(session.0),
                Some(Digest::of_uuid(RevocationKind::Session, session.0)),
            ),
            SessionsOf::Subject(subject) => (
                sessions::Entity::find().filter(sessions::Column::Subject.eq(subject.0)),
                Some(Digest::of_uuid(RevocationKind::Subject, subject.0)),
            ),
        };
        let Some(ended) = ended_until(&tx, digest, now).await? else {
            return Ok(0);
        };
        let count = found
            .filter(sessions::Column::EndsMs.gt(to_ms(now)))
            .filter(sessions::Column::StartedMs.gt(to_ms(ended)))
            .count(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await?;
        Ok(count)
    }
}

/// Up to which beginning entries about everything, or about just what has the digest, have ended sessions; `None` where
/// they have ended all.
async fn ended_until(
    db: &impl ConnectionTrait,
    digest: Option<Digest>,
    now: UnixMillis,
) -> StoreResult<Option<UnixMillis>> {
    let digests = [Some(Digest::of(RevocationKind::All, "")), digest];
    let digests = digests.into_iter().flatten().map(|digest| digest.0.to_vec());
    let rows = revocation_log::Entity::find()
        .filter(revocation_log::Column::Digest.is_in(digests))
        .filter(revocation_log::Column::ExpiresMs.gt(to_ms(now)))
        .order_by_asc(revocation_log::Column::Seq)
        .all(db)
        .await
        .map_err(store_error)?;
    let mut in_force = Cutoffs::default();
    for row in rows {
        in_force.apply(&Logged::try_from(row)?.entry);
    }
    let mut ended = UnixMillis(0);
    for entry in in_force.entries() {
        match entry.effect {
            Effect::Block => return Ok(None),
            Effect::Cutoff(moment) | Effect::Lift(moment) => ended = ended.max(moment),
        }
    }
    Ok(Some(ended))
}
