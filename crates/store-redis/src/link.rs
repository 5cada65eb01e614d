//! One connection to one server, shared by everybody, that comes back by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::{ConnectionLike, MultiplexedConnection};
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
}

/// Makes connections.
struct Dialer {
    server: Server,
    options: AsyncConnectionConfig,
}

/// To whom.
pub(crate) enum Server {
    /// The server itself.
    Known(Box<Client>),
    /// The one that the Sentinels call the primary. They are asked for each connection.
    Watched(Box<tokio::sync::Mutex<SentinelClient>>),
}

/// A connection that is there, on its way, or failed.
#[derive(Clone)]
struct Attempt {
    number: u64,
    connection: Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>,
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
        });
        let first = Attempt::begin(dialer.clone(), 0, Duration::ZERO);
        first.connection.clone().await?;
        Ok(Self {
            shared: Arc::new(LinkState {
                dialer,
                timeout: config.response_timeout,
                current: Mutex::new(first),
            }),
        })
    }

    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
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
                .map_err(|_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))?,
        };
        if found.is_err() {
            self.replace(number, PAUSE);
        }
        Ok((number, found?))
    }

    /// Begins another attempt after `pause`, unless somebody has. Never while one is under way.
    fn replace(&self, number: u64, pause: Duration) {
        let mut current = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == number {
            *current = Attempt::begin(self.shared.dialer.clone(), number + 1, pause);
        }
    }

    fn judge(&self, number: u64, error: &RedisError) {
        let left = matches!(error.code(), Some("READONLY" | "MASTERDOWN"));
        if left || error.is_io_error() || error.is_unrecoverable_error() {
            self.replace(number, Duration::ZERO);
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
    async fn dial(&self) -> RedisResult<MultiplexedConnection> {
        match &self.server {
            Server::Known(client) => {
                client
                    .get_multiplexed_async_connection_with_config(&self.options)
                    .await
            }
            Server::Watched(sentinels) => {
                let mut sentinels = sentinels.lock().await;
                sentinels.get_async_connection_with_config(&self.options).await
            }
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (number, mut connection) = self.connection().await?;
            let answer = connection.req_packed_command(cmd).await;
            match &answer {
                Err(error) => self.judge(number, error),
                Ok(value) if left_primary(value) => self.replace(number, Duration::ZERO),
                Ok(_) => {}
            }
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
            let (number, mut connection) = self.connection().await?;
            let answers = connection.req_packed_commands(pipeline, offset, count).await;
            match &answers {
                Err(error) => self.judge(number, error),
                Ok(values) if values.iter().any(left_primary) => self.replace(number, Duration::ZERO),
                Ok(_) => {}
            }
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
