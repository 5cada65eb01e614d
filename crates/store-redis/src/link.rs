//! One connection, to a server or to a cluster, shared by everybody, that comes back by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind,
    Value,
};

use crate::config::RedisConfig;

/// A connection that comes back: when it breaks, when an answer does not come in time, and when what is at its other
/// end is no longer a primary. Nobody waits longer than the time-out for it to come back, nor tries by themselves.
#[derive(Clone)]
pub(crate) struct Link {
    shared: Arc<LinkState>,
}

struct LinkState {
    dialer: Arc<Dialer>,
    timeout: Duration,
    current: Mutex<Attempt>,
    /// How many commands were answered, whatever the answer.
    answered: AtomicU64,
}

/// Makes connections.
struct Dialer {
    server: Server,
    options: AsyncConnectionConfig,
    connect_timeout: Duration,
}

/// To whom.
pub(crate) enum Server {
    /// The nodes of a cluster.
    Cluster(Box<ClusterClient>),
    /// The server itself.
    Known(Box<Client>),
    /// The one that the Sentinels call the primary. They are asked for each connection.
    Watched(Box<tokio::sync::Mutex<SentinelClient>>),
}

/// What commands are written to.
#[derive(Clone)]
enum Wire {
    Cluster(ClusterConnection),
    Server(MultiplexedConnection),
}

/// The connection that a command uses, and how many were answered when it began.
struct Used {
    number: u64,
    of_cluster: bool,
    answered: u64,
}

/// A connection that is there, on its way, or failed.
#[derive(Clone)]
struct Attempt {
    number: u64,
    connection: Shared<BoxFuture<'static, RedisResult<Wire>>>,
}

/// How many commands may wait to be written. Beyond it callers wait for their turn, within their time-out.
const QUEUE: usize = 1024;
/// Between an attempt that failed and the next.
const PAUSE: Duration = Duration::from_millis(100);

impl Link {
    /// Connects.
    pub(crate) async fn open(server: Server, config: &RedisConfig) -> RedisResult<Self> {
        let dialer = Arc::new(Dialer {
            server,
            options: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(config.connect_timeout))
                .set_response_timeout(Some(config.response_timeout))
                .set_pipeline_buffer_size(QUEUE),
            connect_timeout: config.connect_timeout,
        });
        let first = Attempt::begin(dialer.clone(), 0, Duration::ZERO);
        first.connection.clone().await?;
        Ok(Self {
            shared: Arc::new(LinkState {
                dialer,
                timeout: config.response_timeout,
                current: Mutex::new(first),
                answered: AtomicU64::new(0),
            }),
        })
    }

    async fn connection(&self) -> RedisResult<(Used, Wire)> {
        let attempt = self
            .shared
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let number = attempt.number;
        let found = match attempt.connection.peek() {
            Some(found) => found.clone(),
            None => tokio::time::timeout(self.shared.timeout, attempt.connection)
                .await
                .map_err(|_| late())?,
        };
        if found.is_err() {
            self.replace(number, PAUSE);
        }
        let wire = found?;
        let used = Used {
            number,
            of_cluster: matches!(wire, Wire::Cluster(_)),
            answered: self.shared.answered.load(Ordering::Relaxed),
        };
        Ok((used, wire))
    }

    /// Begins another attempt after `pause`, unless somebody has. Never while one is under way.
    fn replace(&self, number: u64, pause: Duration) {
        let mut current = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == number {
            *current = Attempt::begin(self.shared.dialer.clone(), number + 1, pause);
        }
    }

    /// Leaves the connection where what came of a command tells to.
    fn judge(&self, used: Used, error: Option<&RedisError>, left_primary: bool) {
        let is_silent = error.is_some_and(RedisError::is_io_error);
        let leave = if used.of_cluster {
            // It looks after its nodes by itself, and has been seen to wait for itself for ever: then nobody is answered.
            is_silent && self.shared.answered.load(Ordering::Relaxed) == used.answered
        } else {
            let demoted = error.is_some_and(|error| matches!(error.code(), Some("READONLY" | "MASTERDOWN")));
            let broken = error.is_some_and(RedisError::is_unrecoverable_error);
            is_silent || demoted || broken || left_primary
        };
        if !is_silent {
            self.shared.answered.fetch_add(1, Ordering::Relaxed);
        }
        if leave {
            self.replace(used.number, Duration::ZERO);
        }
    }
}

impl Attempt {
    fn begin(dialer: Arc<Dialer>, number: u64, pause: Duration) -> Self {
        let connection = async move {
            tokio::time::sleep(pause).await;
            dialer.dial().await
        };
        let connection = connection.boxed().shared();
        // It goes on where nobody waits for it.
        tokio::spawn(connection.clone());
        Self { number, connection }
    }
}

impl Dialer {
    async fn dial(&self) -> RedisResult<Wire> {
        let connection = match &self.server {
            Server::Cluster(client) => {
                // Some of its nodes may not answer.
                let longest = self.connect_timeout * 3;
                let connection = tokio::time::timeout(longest, client.get_async_connection()).await;
                return Ok(Wire::Cluster(connection.map_err(|_| late())??));
            }
            Server::Known(client) => {
                client
                    .get_multiplexed_async_connection_with_config(&self.options)
                    .await
            }
            Server::Watched(sentinels) => {
                let mut sentinels = sentinels.lock().await;
                sentinels.get_async_connection_with_config(&self.options).await
            }
        };
        Ok(Wire::Server(connection?))
    }
}

fn late() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (used, wire) = self.connection().await?;
            let answer = match wire {
                Wire::Cluster(mut connection) => connection.req_packed_command(cmd).await,
                Wire::Server(mut connection) => connection.req_packed_command(cmd).await,
            };
            self.judge(
                used,
                answer.as_ref().err(),
                answer.as_ref().is_ok_and(left_primary),
            );
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (used, wire) = self.connection().await?;
            let answers = match wire {
                Wire::Cluster(mut connection) => {
                    connection.req_packed_commands(pipeline, offset, count).await
                }
                Wire::Server(mut connection) => connection.req_packed_commands(pipeline, offset, count).await,
            };
            let left = answers
                .as_ref()
                .is_ok_and(|answers| answers.iter().any(left_primary));
            self.judge(used, answers.as_ref().err(), left);
            answers
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// Whether an answer says that the server is not the primary any more. The driver makes an error of it later.
fn left_primary(answer: &Value) -> bool {
    match answer {
        Value::ServerError(error) => matches!(
            error.kind(),
            Some(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        ),
        _ => false,
    }
}
