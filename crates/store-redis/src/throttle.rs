//! Failed logins, counted by all nodes together.

use std::time::Duration;

use async_trait::async_trait;
use redis::{AsyncCommands as _, RedisResult, Value};
use symbolon_core::ports::StoreResult;
use symbolon_core::throttle::{LoginThrottle, Throttle, ThrottleKey, remembered_for};

use crate::bucket::Keys;
use crate::connection::Connection;
use crate::error::store_error;
use crate::records::RedisRecords;
use crate::scripts;

/// Counts failed logins in Redis: one small key per account, which Redis forgets by itself. Only durations are given and
/// taken, so that no node's clock matters.
///
/// While Redis is down no failure can be counted, so none is let pass: every step is an error, and the login answers that
/// it is unavailable, right password or wrong. It could not begin a session either.
#[derive(Clone)]
pub struct RedisThrottle {
    connection: Connection,
    keys: Keys,
    max_failures: u64,
    lockout_ms: u64,
    forget_ms: u64,
}

/// Longest lock-out, in milliseconds: a year.
const LONGEST_MS: u64 = 366 * 24 * 3_600_000;

impl RedisThrottle {
    /// After `max_failures` failures in a row each further one locks the account for `lockout`, at most a year. It uses
    /// the connection of the records.
    pub fn new(records: &RedisRecords, max_failures: u32, lockout: Duration) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let lockout_ms = millis(lockout).min(LONGEST_MS);
        Self {
            connection: records.connection().clone(),
            keys: records.keys().clone(),
            max_failures: u64::from(max_failures),
            lockout_ms,
            forget_ms: millis(remembered_for(Duration::from_millis(lockout_ms))),
        }
    }
}

#[async_trait]
impl LoginThrottle for RedisThrottle {
    async fn check(&self, key: ThrottleKey) -> StoreResult<Throttle> {
        let call = scripts::FAILURES.on([self.keys.failures(key)]);
        let told: RedisResult<(u64, i64)> = call.run(&self.connection).await;
        let (count, left_ms) = told.map_err(store_error)?;
        // One that does not expire, or no longer exists, has -1 or -2 left.
        let (true, Ok(left_ms)) = (count > 0 && count >= self.max_failures, u64::try_from(left_ms)) else {
            return Ok(Throttle::Open);
        };
        let passed = self.forget_ms.saturating_sub(left_ms);
        Ok(match self.lockout_ms.saturating_sub(passed) {
            0 => Throttle::Open,
            wait => Throttle::Wait(Duration::from_millis(wait)),
        })
    }

    async fn failed(&self, key: ThrottleKey) -> StoreResult<()> {
        let call = scripts::FAILED.on([self.keys.failures(key)]).arg(self.forget_ms);
        let counted: RedisResult<u64> = call.run(&self.connection).await;
        counted.map(drop).map_err(store_error)
    }

    async fn succeeded(&self, key: ThrottleKey) -> StoreResult<()> {
        let gone: RedisResult<Value> = self.connection.clone().del(self.keys.failures(key)).await;
        gone.map(drop).map_err(store_error)
    }
}
