//! Records and fences.

use async_trait::async_trait;
use redis::{AsyncCommands as _, RedisResult, Value};
use symbolon_core::cluster::{Fenced, Raised, RecordFence, SessionRecords};
use symbolon_core::ports::{KilledSession, NewSession, StoreError, StoreResult};
use symbolon_core::revocation::Head;
use symbolon_core::rotation::{Rotation, RotationRequest, SessionRecord};
use symbolon_core::{SessionId, Subject, UnixMillis};
use uuid::Uuid;

use crate::bucket::{Bucket, Keys};
use crate::config::RedisConfig;
use crate::connection::{Connection, check};
use crate::error::{ConnectError, store_error};
use crate::promises::Promises;
use crate::record::{
    corrupt, exact, is_killed, pack, pack_fence, pack_head, unpack_fence, unpack_head, unpack_killed,
};
use crate::scripts::{self, Call};

/// A record outlives its session by this much, so that no node's clock sees it end early: 10 minutes, in milliseconds.
const SLACK_MS: u64 = 600_000;

/// A field of a hash and its value.
type Field = (Vec<u8>, Vec<u8>);

/// Sessions' records in Redis. Clones share the connection.
#[derive(Clone)]
pub struct RedisRecords {
    connection: Connection,
    keys: Keys,
    promises: Option<Promises>,
}

impl RedisRecords {
    /// Connects, and refuses a Redis that can't keep sessions. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        let mut connection = Connection::open(config).await?;
        check(&mut connection).await?;
        let promises = match config.replicas {
            0 => None,
            replicas => Some(Promises {
                connection: Connection::open(config).await?,
                replicas,
                // Well before the connection gives up on the answer.
                wait_ms: (config.response_timeout.as_millis() as u64 / 2).max(1),
            }),
        };
        Ok(Self {
            connection,
            keys: Keys::new(&config.prefix),
            promises,
        })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Asks Redis for nothing, to see that it answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it does not.
    pub async fn ping(&self) -> StoreResult<()> {
        let mut connection = self.connection.clone();
        let ping: RedisResult<Value> = redis::cmd("PING").query_async(&mut connection).await;
        ping.map(drop).map_err(store_error)
    }

    async fn decide(&self, request: &RotationRequest, writes: bool) -> StoreResult<Rotation> {
        let bucket = Bucket::of(request.subject);
        let rules = request.rules;
        let late = rules.late_per_day.map_or(-1, i64::from);
        let call = scripts::ROTATE
            .on([
                self.keys.fence(bucket),
                self.keys.record(bucket, request.session),
                self.keys.killed(bucket),
            ])
            .arg(pack_fence(request.applied.into()))
            .arg(request.presented)
            .arg(exact(request.now.0))
            .arg(exact(request.ends.0))
            .arg(u8::from(rules.rotate))
            .arg(exact(rules.overlap_ms))
            .arg(late)
            .arg(u8::from(rules.adopt))
            .arg(u8::from(writes))
            .arg(SLACK_MS)
            .arg(request.session.0.as_bytes())
            .arg(request.subject.0.as_bytes());
        let answer: RedisResult<(u8, u32, u64, u8)> = call.run(&self.connection).await;
        outcome(answer.map_err(store_error)?)
    }

    /// Raises fences and the head over a connection; says what came of each.
    async fn raise_over(
        &self,
        connection: &Connection,
        whose: Option<Subject>,
        to: Head,
        over: &[Uuid],
    ) -> StoreResult<Vec<Step>> {
        let replacing = |call| over.iter().fold(call, |call: Call, log| call.arg(log.as_bytes()));
        let raise = |bucket| {
            let call = scripts::RAISE
                .on([self.keys.fence(bucket)])
                .arg(pack_fence(to.into()));
            replacing(call)
        };
        let mut calls: Vec<_> = match whose {
            Some(subject) => vec![raise(Bucket::of(subject))],
            None => Bucket::all().map(raise).collect(),
        };
        let head = scripts::RAISE_HEAD.on([self.keys.head()]).arg(pack_head(to));
        calls.push(replacing(head));
        let answers: RedisResult<Vec<Value>> = scripts::run_all(&calls, connection).await;
        answers.map_err(store_error)?.into_iter().map(step).collect()
    }

    /// Some of the sessions that wait in a bucket's outbox.
    async fn killed_in(&self, bucket: Bucket, limit: usize) -> StoreResult<Vec<KilledSession>> {
        // At random, so that none is behind others for ever.
        let mut some = redis::cmd("HRANDFIELD");
        some.arg(self.keys.killed(bucket)).arg(limit).arg("WITHVALUES");
        let entries: RedisResult<Vec<Field>> = some.query_async(&mut self.connection.clone()).await;
        let whole = |(session, entry): Field| {
            let read = killed_session(&session, &entry);
            if let Err(error) = &read {
                // It must not keep the others from the log.
                tracing::error!(%error, bucket = ?self.keys.killed(bucket).escape_ascii().to_string(),
                    "a session that was killed can't be put on the revocation log; it stays killed here");
            }
            read.ok()
        };
        Ok(entries
            .map_err(store_error)?
            .into_iter()
            .filter_map(whole)
            .collect())
    }
}

fn killed_session(session: &[u8], entry: &[u8]) -> StoreResult<KilledSession> {
    let malformed = |_| corrupt("an entry of the outbox is malformed");
    let (subject, ends) = unpack_killed(entry)?;
    Ok(KilledSession {
        session: SessionId(Uuid::from_slice(session).map_err(malformed)?),
        subject: Some(Subject(subject)),
        ends,
    })
}

/// What came of raising a fence.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Step {
    /// It is gone.
    Gone,
    /// It was at least there.
    There,
    /// It was below.
    Up,
    /// It is of another log, and was left.
    Other(Uuid),
}

fn step(answer: Value) -> StoreResult<Step> {
    let malformed = || corrupt("a script does not say what came of raising a fence");
    match answer {
        Value::Int(0) => Ok(Step::Gone),
        Value::Int(1) => Ok(Step::Up),
        Value::Int(2) => Ok(Step::There),
        Value::BulkString(log) => Uuid::from_slice(&log).map(Step::Other).map_err(|_| malformed()),
        _ => Err(malformed()),
    }
}

fn summary(steps: &[Step]) -> Raised {
    if steps.contains(&Step::Gone) {
        return Raised::Gone;
    }
    let other = |step: &Step| match step {
        Step::Other(log) => Some(*log),
        Step::Gone | Step::There | Step::Up => None,
    };
    let mut others: Vec<_> = steps.iter().filter_map(other).collect();
    others.sort_unstable();
    others.dedup();
    match others.is_empty() {
        true => Raised::Done,
        false => Raised::OfOtherLogs(others),
    }
}

#[async_trait]
impl SessionRecords for RedisRecords {
    async fn begin(&self, session: &NewSession, applied: Head) -> StoreResult<Fenced<()>> {
        let bucket = Bucket::of(session.subject);
        let record = SessionRecord::begun(session.issued, session.ends);
        let expires = exact(session.ends.0).saturating_add(SLACK_MS);
        let call = scripts::BEGIN
            .on([self.keys.fence(bucket), self.keys.record(bucket, session.session)])
            .arg(pack_fence(applied.into()))
            .arg(pack(&record))
            .arg(UnixMillis(expires).since(session.issued).max(1));
        let answer: RedisResult<u8> = call.run(&self.connection).await;
        match answer.map_err(store_error)? {
            0 => Ok(Fenced::CatchUp),
            4 => Ok(Fenced::Lost),
            8 => Ok(Fenced::Done(())),
            _ => Err(corrupt("a fence is malformed")),
        }
    }

    async fn rotate(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.decide(request, true).await
    }

    async fn peek(&self, request: &RotationRequest) -> StoreResult<Rotation> {
        self.decide(request, false).await
    }

    async fn fence(&self, subject: Subject, session: Option<SessionId>) -> StoreResult<Option<RecordFence>> {
        let bucket = Bucket::of(subject);
        let mut connection = self.connection.clone();
        let fence = self.keys.fence(bucket);
        let names = match session {
            Some(session) => vec![fence, self.keys.record(bucket, session)],
            None => vec![fence],
        };
        let read: RedisResult<Vec<Option<Vec<u8>>>> = connection.mget(names).await;
        let mut read = read.map_err(store_error)?.into_iter();
        let Some(fence) = read.next().flatten() else {
            return Ok(None);
        };
        let killed = read
            .next()
            .flatten()
            .map_or(Ok(false), |record| is_killed(&record))?;
        Ok(Some(RecordFence {
            position: unpack_fence(&fence)?,
            killed,
        }))
    }

    async fn raise(&self, whose: Option<Subject>, to: Head, over: &[Uuid]) -> StoreResult<Raised> {
        let Some(promises) = &self.promises else {
            return Ok(summary(
                &self.raise_over(&self.connection, whose, to, over).await?,
            ));
        };
        let raised = self.raise_over(&promises.connection, whose, to, over).await?;
        promises.replicated().await?;
        // A replica that took over in between may not have it, nor know what was to be waited for.
        let still = self.raise_over(&promises.connection, whose, to, over).await?;
        if still.contains(&Step::Up) {
            return Err(StoreError::Unavailable(
                "Redis: another server took over while replicas were waited for".into(),
            ));
        }
        Ok(summary(&[raised, still].concat()))
    }

    async fn rebuild(&self, to: Head) -> StoreResult<()> {
        let put_up = |key: Vec<u8>, value: Vec<u8>| {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(value).arg("NX");
            set
        };
        let fence = |bucket| put_up(self.keys.fence(bucket), pack_fence(to.into()));
        let mut all: Vec<_> = Bucket::all().map(fence).collect();
        all.push(put_up(self.keys.head(), pack_head(to)));
        let promises = self.promises.as_ref();
        let connection = promises.map_or(&self.connection, |promises| &promises.connection);
        let done: RedisResult<Vec<Value>> = connection.all(all).await;
        done.map_err(store_error)?;
        match promises {
            Some(promises) => promises.replicated().await,
            None => Ok(()),
        }
    }

    async fn head(&self) -> StoreResult<Option<Head>> {
        let head = match &self.promises {
            Some(promises) => promises.head(&self.keys).await?,
            None => {
                let head: RedisResult<_> = self.connection.clone().get(self.keys.head()).await;
                head.map_err(store_error)?
            }
        };
        head.map(|head: Vec<u8>| unpack_head(&head)).transpose()
    }

    async fn killed(&self, limit: u32) -> StoreResult<Vec<KilledSession>> {
        let limit = limit as usize;
        let waiting = |bucket| {
            let mut count = redis::cmd("HLEN");
            count.arg(self.keys.killed(bucket));
            count
        };
        let waiting: RedisResult<Vec<u64>> = self.connection.all(Bucket::all().map(waiting).collect()).await;
        let waiting = waiting.map_err(store_error)?;
        let mut killed = Vec::new();
        for (bucket, _) in Bucket::all().zip(waiting).filter(|(_, waiting)| *waiting > 0) {
            let left = limit - killed.len();
            if left == 0 {
                break;
            }
            killed.extend(self.killed_in(bucket, left).await?);
        }
        Ok(killed)
    }

    async fn killed_logged(&self, killed: &KilledSession) -> StoreResult<()> {
        let Some(subject) = killed.subject else {
            return Err(StoreError::Unavailable(
                "Redis: whose session it was is not known".into(),
            ));
        };
        let mut connection = self.connection.clone();
        let gone: RedisResult<Value> = connection
            .hdel(self.keys.killed(Bucket::of(subject)), killed.session.0.as_bytes())
            .await;
        gone.map(drop).map_err(store_error)
    }
}

#[cfg(test)]
impl RedisRecords {
    /// Puts a record where it would be.
    pub(crate) async fn put(&self, subject: Subject, session: SessionId, record: &SessionRecord) {
        self.set(&self.record_key(subject, session), &pack(record)).await;
    }

    /// The bytes of a record.
    pub(crate) async fn raw(&self, subject: Subject, session: SessionId) -> Option<Vec<u8>> {
        let key = self.keys.record(Bucket::of(subject), session);
        self.connection.clone().get(key).await.unwrap()
    }

    pub(crate) fn fence_key(&self, subject: Subject) -> Vec<u8> {
        self.keys.fence(Bucket::of(subject))
    }

    pub(crate) fn record_key(&self, subject: Subject, session: SessionId) -> Vec<u8> {
        self.keys.record(Bucket::of(subject), session)
    }

    /// Puts a value under a name.
    pub(crate) async fn set(&self, key: &[u8], value: &[u8]) {
        let _: Value = self.connection.clone().set(key, value).await.unwrap();
    }

    /// Puts a hash under a name, instead of what is there.
    pub(crate) async fn hash(&self, key: &[u8]) {
        let _: Value = self.connection.clone().del(key).await.unwrap();
        let _: Value = self.connection.clone().hset(key, "a", "b").await.unwrap();
    }

    /// How long until a record expires, in milliseconds.
    pub(crate) async fn expires(&self, subject: Subject, session: SessionId) -> u64 {
        let key = self.keys.record(Bucket::of(subject), session);
        let mut ask = redis::cmd("PTTL");
        ask.arg(key)
            .query_async(&mut self.connection.clone())
            .await
            .unwrap()
    }
}

/// What the script says.
fn outcome((code, generation, issued, flag): (u8, u32, u64, u8)) -> StoreResult<Rotation> {
    let (issued, flag) = (UnixMillis(issued), flag == 1);
    Ok(match code {
        0 => Rotation::CatchUp,
        2 => Rotation::Expired,
        3 => Rotation::Kept,
        4 => Rotation::Lost,
        5 => Rotation::Replayed {
            generation,
            issued,
            late: flag,
        },
        6 => Rotation::Reused,
        7 => Rotation::Revoked,
        8 => Rotation::Rotated {
            generation,
            issued,
            adopted: flag,
        },
        9 => Rotation::Unknown,
        _ => return Err(corrupt("a record or a fence is malformed")),
    })
}
