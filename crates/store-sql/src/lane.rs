//! The lane of rotations. A rotation is small, and what makes it cost is the disk's confirmation at the commit. So
//! one task takes what waits, makes each decision in turn within one transaction, and answers all when it has
//! committed: the decisions are those that would be made one after the other, and the disk confirms them once.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::SessionId;
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_core::rotation::{Rotation, RotationRequest, SessionRecord, decide};
use tokio::sync::{mpsc, oneshot};

use crate::connection::Connections;
use crate::entity::session_records::{self, Column};
use crate::error::store_error;
use crate::news::News;
use crate::sessions::record_row;
use crate::transaction::{Lock, Transaction, commit, retried, writing};

/// Most rotations that share a transaction.
const BATCH: usize = 64;
/// Most rotations that wait; more are refused at once.
const QUEUE: usize = 1024;

/// The way in.
pub(crate) struct Lane {
    queue: mpsc::Sender<Job>,
}

struct Job {
    request: RotationRequest,
    answer: oneshot::Sender<StoreResult<Rotation>>,
}

impl Lane {
    /// Starts the task. It ends when the lane is dropped.
    pub(crate) fn start(db: Connections) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Job>(QUEUE);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            while waiting.recv_many(&mut batch, BATCH).await > 0 {
                run(&db, &mut batch).await;
            }
        });
        Self { queue }
    }

    /// Takes its turn. A caller who goes away meanwhile has rotated all the same.
    pub(crate) async fn rotate(&self, request: RotationRequest) -> StoreResult<Rotation> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Job { request, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => unavailable("too many rotations wait"),
                mpsc::error::TrySendError::Closed(_) => unavailable("the database is closed"),
            })?;
        answered
            .await
            .map_err(|_| unavailable("the database is closed"))?
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

async fn run(db: &Connections, batch: &mut Vec<Job>) {
    let requests: Vec<_> = batch.iter().map(|job| job.request).collect();
    let outcomes = retried(|| rotate_all(db, &requests)).await;
    for (i, job) in batch.drain(..).enumerate() {
        let outcome = match &outcomes {
            Ok(outcomes) => outcomes[i].clone(),
            Err(error) => Err(error.clone()),
        };
        // Who no longer waits needs no answer.
        let _ = job.answer.send(outcome);
    }
}

/// One outcome for each request, in order; an error means that nothing has changed.
async fn rotate_all(
    db: &Connections,
    requests: &[RotationRequest],
) -> StoreResult<Vec<StoreResult<Rotation>>> {
    let tx = writing(db, Lock::Head).await?;
    lock_sessions(&tx, requests).await?;
    let news = News::since(&tx, requests.iter().map(|request| request.applied)).await?;
    let mut records = read(&tx, requests).await?;
    let mut changed = BTreeSet::new();
    let mut outcomes = Vec::with_capacity(requests.len());
    for request in requests {
        if news.concern(request.applied, request.subject, request.session) {
            outcomes.push(Ok(Rotation::CatchUp));
            continue;
        }
        let outcome = match records.get(&request.session) {
            Some(Err(error)) => Err(error.clone()),
            kept => {
                let kept = kept.and_then(|record| record.as_ref().ok());
                let (outcome, next) = decide(kept, request);
                if let Some(next) = next {
                    records.insert(request.session, Ok(next));
                    changed.insert(request.session);
                }
                Ok(outcome)
            }
        };
        outcomes.push(outcome);
    }
    let changed = changed
        .into_iter()
        .filter_map(|session| Some((session, records.get(&session)?.as_ref().ok()?)));
    write(&tx, changed).await?;
    commit(tx).await?;
    Ok(outcomes)
}

/// Makes other nodes wait with rotations of the same sessions. What is not there can't be locked as a row, and must be
/// adopted once: so their ids are, by what is random in them, in one order everywhere. Sessions that happen to have that
/// in common wait for each other.
async fn lock_sessions(tx: &Transaction, requests: &[RotationRequest]) -> StoreResult<()> {
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let keys: BTreeSet<_> = requests
        .iter()
        .map(|request| request.session.0.as_u128() as u32 as i32)
        .collect();
    let lock = |key| format!("SELECT pg_advisory_xact_lock({SESSIONS}, {key})");
    let locks: Vec<_> = keys.into_iter().map(lock).collect();
    tx.execute_unprepared(&locks.join("; "))
        .await
        .map(drop)
        .map_err(store_error)
}

/// The class of the advisory locks on sessions, so that they meet no others of this database.
const SESSIONS: i32 = 0x5359_4D53;

type Records = HashMap<SessionId, StoreResult<SessionRecord>>;

async fn read(tx: &Transaction, requests: &[RotationRequest]) -> StoreResult<Records> {
    let sessions: BTreeSet<_> = requests.iter().map(|request| request.session.0).collect();
    let rows = session_records::Entity::find()
        .filter(Column::Sid.is_in(sessions))
        .order_by_asc(Column::Sid)
        .lock_exclusive()
        .all(tx)
        .await
        .map_err(store_error)?;
    Ok(rows
        .into_iter()
        .map(|row| (SessionId(row.sid), row.try_into()))
        .collect())
}

async fn write(
    tx: &Transaction,
    changed: impl Iterator<Item = (SessionId, &SessionRecord)>,
) -> StoreResult<()> {
    let rows: Vec<_> = changed
        .map(|(session, record)| record_row(session, record))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let replace = OnConflict::column(Column::Sid)
        .update_columns([
            Column::Generation,
            Column::RotatedMs,
            Column::LateSinceMs,
            Column::Late,
            Column::Killed,
            Column::KillLogged,
        ])
        .to_owned();
    session_records::Entity::insert_many(rows)
        .on_conflict(replace)
        .exec_without_returning(tx)
        .await
        .map_err(store_error)?;
    Ok(())
}
