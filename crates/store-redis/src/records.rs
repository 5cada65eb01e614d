//! Records and fences.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{try_join, try_join_all};
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::{AsyncCommands as _, Cmd, RedisResult, Value};
use symbolon_core::cluster::{Fenced, RecordFence, SessionRecords};
use symbolon_core::ports::{KilledSession, NewSession, StoreError, StoreResult};
use symbolon_core::revocation::Head;
use symbolon_core::rotation::{Rotation, RotationRequest, SessionRecord};
use symbolon_core::{SessionId, Subject, UnixMillis};
use uuid::Uuid;

use crate::bucket::{Bucket, Keys};
use crate::connection::{Connection, RedisConfig, check};
use crate::error::{ConnectError, store_error};
use crate::record::{
    corrupt, is_killed, pack, pack_fence, pack_head, unpack_fence, unpack_head, unpack_killed,
};
use crate::scripts;

/// A record outlives its session by this much, so that no node's clock sees it end early: 10 minutes, in milliseconds.
const SLACK_MS: u64 = 600_000;

/// A field of a hash and its value.
type Field = (Vec<u8>, Vec<u8>);

/// Sessions' records in Redis. Clones share the connection.
#[derive(Clone)]
pub struct RedisRecords {
    connection: Connection,
    keys: Keys,
    replicas: u32,
    response_timeout: Duration,
}

impl RedisRecords {
    /// Connects, and refuses a Redis that can't keep sessions. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        let mut connection = Connection::open(config).await?;
        check(&mut connection).await?;
        Ok(Self {
            connection,
            keys: Keys::new(&config.prefix),
            replicas: config.replicas,
            response_timeout: config.response_timeout,
        })
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
        let mut connection = self.connection.clone();
        let answer: RedisResult<(u8, u32, u64, u8)> = scripts::ROTATE
            .key(self.keys.fence(bucket))
            .key(self.keys.record(bucket, request.session))
            .key(self.keys.killed(bucket))
            .arg(request.applied.log.as_bytes())
            .arg(request.applied.seq)
            .arg(request.presented)
            .arg(request.now.0)
            .arg(request.ends.0)
            .arg(u8::from(rules.rotate))
            .arg(rules.overlap_ms)
            .arg(late)
            .arg(u8::from(rules.adopt))
            .arg(u8::from(writes))
            .arg(SLACK_MS)
            .arg(request.session.0.as_bytes())
            .arg(request.subject.0.as_bytes())
            .invoke_async(&mut connection)
            .await;
        outcome(answer.map_err(store_error)?)
    }

    /// Waits until as many replicas as are configured have what this connection wrote.
    async fn replicated(&self) -> StoreResult<()> {
        if self.replicas == 0 {
            return Ok(());
        }
        let wait = {
            let mut wait = redis::cmd("WAIT");
            // Well before the connection gives up on the answer.
            let millis = self.response_timeout.as_millis() as u64 / 2;
            wait.arg(self.replicas).arg(millis.max(1));
            wait
        };
        let have = self.count_replicas(wait).await.map_err(store_error)?;
        if have < i64::from(self.replicas) {
            return Err(StoreError::Unavailable(format!(
                "Redis: {have} replicas have it, and `redis.replicas` is {}",
                self.replicas
            )));
        }
        Ok(())
    }

    /// How many replicas have it; on a cluster, of the primary that has the fewest.
    async fn count_replicas(&self, wait: Cmd) -> RedisResult<i64> {
        match self.connection.clone() {
            Connection::Cluster(mut cluster) => {
                let everywhere = (
                    MultipleNodeRoutingInfo::AllMasters,
                    Some(ResponsePolicy::Aggregate(
                        redis::cluster_routing::AggregateOp::Min,
                    )),
                );
                let fewest = cluster
                    .route_command(wait, RoutingInfo::MultiNode(everywhere))
                    .await?;
                Ok(redis::from_redis_value(fewest)?)
            }
            mut single => wait.query_async(&mut single).await,
        }
    }

    async fn raise_one(&self, bucket: Bucket, to: Head) -> RedisResult<bool> {
        let mut connection = self.connection.clone();
        scripts::RAISE
            .key(self.keys.fence(bucket))
            .arg(to.log.as_bytes())
            .arg(to.seq)
            .arg(pack_fence(to.into()))
            .invoke_async(&mut connection)
            .await
    }

    async fn raise_head(&self, to: Head) -> RedisResult<bool> {
        let mut connection = self.connection.clone();
        scripts::RAISE_HEAD
            .key(self.keys.head())
            .arg(pack_head(to))
            .invoke_async(&mut connection)
            .await
    }

    async fn killed_in(&self, bucket: Bucket, limit: usize) -> StoreResult<Vec<KilledSession>> {
        let mut connection = self.connection.clone();
        let scan: RedisResult<(u64, Vec<Field>)> = redis::cmd("HSCAN")
            .arg(self.keys.killed(bucket))
            .arg(0)
            .arg("COUNT")
            .arg(limit.max(1))
            .query_async(&mut connection)
            .await;
        let (_, entries) = scan.map_err(store_error)?;
        entries
            .into_iter()
            .take(limit)
            .map(|(session, entry)| {
                let session =
                    Uuid::from_slice(&session).map_err(|_| corrupt("an entry of the outbox is malformed"))?;
                let (subject, ends) = unpack_killed(&entry)?;
                Ok(KilledSession {
                    session: SessionId(session),
                    subject: Some(Subject(subject)),
                    ends,
                })
            })
            .collect()
    }
}

#[async_trait]
impl SessionRecords for RedisRecords {
    async fn begin(&self, session: &NewSession, applied: Head) -> StoreResult<Fenced<()>> {
        let bucket = Bucket::of(session.subject);
        let record = SessionRecord::begun(session.issued, session.ends);
        let mut connection = self.connection.clone();
        let answer: RedisResult<u8> = scripts::BEGIN
            .key(self.keys.fence(bucket))
            .key(self.keys.record(bucket, session.session))
            .arg(applied.log.as_bytes())
            .arg(applied.seq)
            .arg(pack(&record))
            .arg(session.ends.plus(SLACK_MS).since(session.issued).max(1))
            .invoke_async(&mut connection)
            .await;
        match answer.map_err(store_error)? {
            0 => Ok(Fenced::CatchUp),
            2 => Ok(Fenced::Done(())),
            3 => Ok(Fenced::Lost),
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

    async fn raise(&self, whose: Option<Subject>, to: Head) -> StoreResult<bool> {
        let fences: Vec<_> = match whose {
            Some(subject) => vec![Bucket::of(subject)],
            None => Bucket::all().collect(),
        };
        let fences = try_join_all(fences.into_iter().map(|bucket| self.raise_one(bucket, to)));
        let (fences, head) = try_join(fences, self.raise_head(to)).await.map_err(store_error)?;
        self.replicated().await?;
        Ok(head && fences.into_iter().all(|there| there))
    }

    async fn rebuild(&self, to: Head) -> StoreResult<()> {
        let put_up = |key, value: Vec<u8>| {
            let mut connection = self.connection.clone();
            async move { connection.set_nx::<_, _, Value>(key, value).await }
        };
        let fences = Bucket::all().map(|bucket| put_up(self.keys.fence(bucket), pack_fence(to.into())));
        let head = put_up(self.keys.head(), pack_head(to));
        try_join(try_join_all(fences), head).await.map_err(store_error)?;
        self.replicated().await
    }

    async fn head(&self) -> StoreResult<Option<Head>> {
        let head: RedisResult<Option<Vec<u8>>> = self.connection.clone().get(self.keys.head()).await;
        head.map_err(store_error)?
            .map(|head| unpack_head(&head))
            .transpose()
    }

    async fn killed(&self, limit: u32) -> StoreResult<Vec<KilledSession>> {
        let limit = limit as usize;
        let found = AtomicUsize::new(0);
        let read = |bucket| {
            let found = &found;
            async move {
                if found.load(Ordering::Relaxed) >= limit {
                    return Ok(Vec::new());
                }
                let killed = self.killed_in(bucket, limit).await?;
                found.fetch_add(killed.len(), Ordering::Relaxed);
                Ok::<_, StoreError>(killed)
            }
        };
        let mut killed: Vec<_> = try_join_all(Bucket::all().map(read)).await?.concat();
        killed.truncate(limit);
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
        let key = self.keys.record(Bucket::of(subject), session);
        let mut set = redis::cmd("SET");
        set.arg(key).arg(pack(record));
        let _: Value = set.query_async(&mut self.connection.clone()).await.unwrap();
    }

    /// The bytes of a record.
    pub(crate) async fn raw(&self, subject: Subject, session: SessionId) -> Option<Vec<u8>> {
        let key = self.keys.record(Bucket::of(subject), session);
        self.connection.clone().get(key).await.unwrap()
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
