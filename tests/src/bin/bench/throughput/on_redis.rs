//! A second server, whose sessions are in Redis and whose facts are in PostgreSQL.

use std::time::Duration;

use symbolon_testkit::servers::postgres::Postgres;

use crate::place::{Place, postgres};
use crate::process::{Cores, Server, cpu_time_of};
use crate::symbolon::{Session, TokenRequests};

/// What a reader of the figures has to know.
pub(super) const FACTS: &str = "- Redis and PostgreSQL share the core for load, and Redis is counted in its CPU where it is \
     asked; Redis writes its append-only file (`everysec`)\n";

pub(super) struct OnRedis {
    // The server goes first.
    pub(super) server: Server,
    pub(super) requests: TokenRequests,
    pub(super) sessions: Vec<Session>,
    pub(super) place: Place,
    redis: u64,
    _postgres: Postgres,
}

impl OnRedis {
    /// Starts everything and logs in so often.
    ///
    /// # Errors
    /// If one of the servers can't be used.
    pub(super) async fn start(cores: &Cores, sessions: u32) -> anyhow::Result<Self> {
        cores.pin_load()?;
        let postgres = postgres();
        let place = Place::make(&postgres).await?;
        let server = place.start(cores)?;
        let requests = place.requests()?;
        Ok(Self {
            server,
            sessions: requests.log_in_often(sessions).await?,
            requests,
            redis: place.redis_info("process_id")?,
            place,
            _postgres: postgres,
        })
    }

    /// Processor time that Redis has used so far.
    pub(super) fn redis_time(&self) -> anyhow::Result<Duration> {
        cpu_time_of(self.redis)
    }
}
