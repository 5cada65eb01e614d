//! What people look up of the list of sessions.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use symbolon_core::lookup::{ListedSession, LiveSessions, SessionDetail, SessionLookup, SessionsOf};
use symbolon_core::ports::{Page, StoreResult};
use symbolon_core::{ClientUid, SessionId, Subject, UnixMillis};
use symbolon_oauth_types::feed::FeedEntry;
use symbolon_oauth_types::revocation::{Cutoffs, Digest, Effect, Revocable, RevocationKind};
use uuid::Uuid;

use crate::SqlStore;
use crate::admin::{cut, position};
use crate::convert::{from_ms, number, to_ms};
use crate::entity::revocation_log::{self, Column as LogColumn};
use crate::entity::sessions::{Column, Entity, Model};
use crate::entity::{clients, users};
use crate::error::store_error;
use crate::log::effect;
use crate::transaction::{Transaction, commit};

/// Most sessions that are counted by one query.
const JUDGED_AT_ONCE: u64 = 1000;

#[async_trait]
impl SessionLookup for SqlStore {
    async fn sessions(
        &self,
        of: &SessionsOf,
        now: UnixMillis,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<SessionDetail>> {
        let (limit, more) = cut(limit);
        let tx = self.snapshot().await?;
        let find = latest(of, now, position(after)?).limit(more);
        let mut rows = find.all(&tx).await.map_err(store_error)?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(|row| row.sid.to_string());
        let judge = Judge::of(&tx, &rows, now).await?;
        let names = usernames(&tx, &rows).await?;
        commit(tx).await?;
        let items = rows.into_iter().map(|row| {
            Ok(SessionDetail {
                ended: judge.has_ended(&row),
                listed: listed(&row)?,
                username: names.get(&row.subject).cloned(),
                client_id: judge.clients.get(&row.client_uid).cloned(),
                scope: row.scope,
                address: row.address,
                user_agent: row.user_agent,
            })
        });
        let items = items.collect::<StoreResult<_>>()?;
        Ok(Page { items, next })
    }

    async fn session(&self, session: SessionId) -> StoreResult<Option<ListedSession>> {
        let row = Entity::find_by_id(session.0).one(self.read()).await;
        row.map_err(store_error)?.as_ref().map(listed).transpose()
    }

    async fn count_sessions(
        &self,
        of: &SessionsOf,
        begun_by: Option<UnixMillis>,
        now: UnixMillis,
        most: u64,
    ) -> StoreResult<LiveSessions> {
        let tx = self.snapshot().await?;
        let mut live = LiveSessions::default();
        let Some(ended) = ended_until(&tx, of, now).await? else {
            return Ok(live);
        };
        let (mut left, mut before) = (most, None);
        loop {
            let mut find = latest(of, now, before).filter(Column::StartedMs.gt(to_ms(ended)));
            if let Some(begun_by) = begun_by {
                find = find.filter(Column::StartedMs.lte(to_ms(begun_by)));
            }
            let batch = std::cmp::min(left, JUDGED_AT_ONCE);
            let mut rows = find.limit(batch + 1).all(&tx).await.map_err(store_error)?;
            live.more = rows.len() as u64 > batch;
            rows.truncate(usize::try_from(batch).unwrap_or(usize::MAX));
            let judge = Judge::of(&tx, &rows, now).await?;
            live.count += rows.iter().filter(|row| !judge.has_ended(row)).count() as u64;
            left -= batch;
            before = rows.last().map(|row| row.sid);
            if !live.more || left == 0 {
                break;
            }
        }
        commit(tx).await?;
        Ok(live)
    }
}

/// By id, which begins with the moment, from the end on.
pub(crate) fn latest(of: &SessionsOf, now: UnixMillis, before: Option<Uuid>) -> Select<Entity> {
    let find = sessions_of(of).filter(live(now)).order_by_desc(Column::Sid);
    match before {
        Some(before) => find.filter(Column::Sid.lt(before)),
        None => find,
    }
}

fn sessions_of(of: &SessionsOf) -> Select<Entity> {
    match of {
        SessionsOf::All => Entity::find(),
        SessionsOf::Client(uid, _) => Entity::find().filter(Column::ClientUid.eq(uid.0)),
        SessionsOf::Session(session) => Entity::find_by_id(session.0),
        SessionsOf::Subject(subject) => Entity::find().filter(Column::Subject.eq(subject.0)),
    }
}

/// Those that have not reached their end. Written so that no index on it is used: nearly all have not, and SQLite would
/// sort them all rather than read one page in order.
fn live(now: UnixMillis) -> Expr {
    Expr::cust(r#"+"ends_ms""#).gt(to_ms(now))
}

fn listed(row: &Model) -> StoreResult<ListedSession> {
    Ok(ListedSession {
        session: SessionId(row.sid),
        subject: Subject(row.subject),
        client: ClientUid(row.client_uid),
        ends: from_ms(row.ends_ms, "the end of a session")?,
    })
}

/// User names of the subjects that there are, by one query.
async fn usernames(tx: &Transaction, rows: &[Model]) -> StoreResult<HashMap<Uuid, String>> {
    let names: Vec<(Uuid, String)> = users::Entity::find()
        .select_only()
        .columns([users::Column::Subject, users::Column::Username])
        .filter(users::Column::Subject.is_in(distinct(rows, |row| row.subject)))
        .into_tuple()
        .all(tx)
        .await
        .map_err(store_error)?;
    Ok(names.into_iter().collect())
}

fn distinct(rows: &[Model], of: impl Fn(&Model) -> Uuid) -> BTreeSet<Uuid> {
    rows.iter().map(of).collect()
}

/// What decides whether sessions of a page have ended.
struct Judge {
    /// Client ids of the clients that there are.
    clients: HashMap<Uuid, String>,
    in_force: Cutoffs,
}

impl Judge {
    async fn of(tx: &Transaction, rows: &[Model], now: UnixMillis) -> StoreResult<Self> {
        let clients: Vec<(Uuid, String)> = clients::Entity::find()
            .select_only()
            .columns([clients::Column::Uid, clients::Column::ClientId])
            .filter(clients::Column::Uid.is_in(distinct(rows, |row| row.client_uid)))
            .into_tuple()
            .all(tx)
            .await
            .map_err(store_error)?;
        let about_clients = clients
            .iter()
            .map(|(_, client_id)| Digest::of(RevocationKind::Client, client_id));
        let about_sessions = rows.iter().flat_map(|row| {
            [
                Digest::of_uuid(RevocationKind::Session, row.sid),
                Digest::of_uuid(RevocationKind::Subject, row.subject),
            ]
        });
        let digests = about_clients.chain(about_sessions).collect();
        Ok(Self {
            in_force: in_force(tx, digests, now).await?,
            clients: clients.into_iter().collect(),
        })
    }

    /// A client that is gone was deleted, which ends what it began.
    fn has_ended(&self, row: &Model) -> bool {
        let Some(client_id) = self.clients.get(&row.client_uid) else {
            return true;
        };
        let revocable = Revocable {
            started: SessionId(row.sid).moment(),
            subject: row.subject,
            client_id,
            session: Some(row.sid),
            token: None,
            kid: None,
        };
        self.in_force.revokes(&revocable).is_some()
    }
}

/// Up to which beginning entries about everything, or about just those, have ended sessions; `None` where they have ended
/// all.
async fn ended_until(tx: &Transaction, of: &SessionsOf, now: UnixMillis) -> StoreResult<Option<UnixMillis>> {
    let digest = match of {
        SessionsOf::All => None,
        SessionsOf::Client(_, id) => Some(Digest::of(RevocationKind::Client, id.as_str())),
        SessionsOf::Session(session) => Some(Digest::of_uuid(RevocationKind::Session, session.0)),
        SessionsOf::Subject(subject) => Some(Digest::of_uuid(RevocationKind::Subject, subject.0)),
    };
    let in_force = in_force(tx, digest.into_iter().collect(), now).await?;
    let mut ended = UnixMillis(0);
    for entry in in_force.entries() {
        match entry.effect {
            Effect::Block => return Ok(None),
            Effect::Cutoff(moment) | Effect::Lift(moment) => ended = ended.max(moment),
        }
    }
    Ok(Some(ended))
}

/// What the log says about everything and about what has these digests. However often each was revoked, the latest cutoff
/// counts, and the last of the blocks and lifts: three rows at most are read of each.
async fn in_force(
    db: &impl ConnectionTrait,
    mut digests: Vec<Digest>,
    now: UnixMillis,
) -> StoreResult<Cutoffs> {
    digests.push(Digest::of(RevocationKind::All, ""));
    digests.sort_unstable();
    digests.dedup();
    let mut rows: Vec<(i64, Vec<u8>, String, Option<i64>)> = revocation_log::Entity::find()
        .select_only()
        .expr_as(Expr::col(LogColumn::Seq).max(), "last")
        .columns([LogColumn::Digest, LogColumn::Effect])
        .expr_as(Expr::col(LogColumn::MomentMs).max(), "latest")
        .filter(LogColumn::Digest.is_in(digests.into_iter().map(|digest| digest.0.to_vec())))
        .filter(LogColumn::ExpiresMs.gt(to_ms(now)))
        .group_by(LogColumn::Digest)
        .group_by(LogColumn::Effect)
        .into_tuple()
        .all(db)
        .await
        .map_err(store_error)?;
    rows.sort_unstable();
    let mut in_force = Cutoffs::default();
    for (_, digest, name, moment) in rows {
        in_force.apply(&FeedEntry {
            digest: Digest(number(digest.as_slice(), "a digest on the log")?),
            effect: effect(&name, moment)?,
            expires: UnixMillis::NEVER,
        });
    }
    Ok(in_force)
}
