//! Failed logins, counted by all nodes together.

use std::time::Duration;

use async_trait::async_trait;
use redis::{FromRedisValue, RedisResult, Value};
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_core::throttle::{
    Attempt, KNOWN_ADDRESSES, LoginThrottle, Origin, Throttle, ThrottleKey, ThrottleRules, ThrottledBy,
};

use crate::bucket::Keys;
use crate::connection::Connection;
use crate::error::store_error;
use crate::records::RedisRecords;
use crate::scripts::{self, Call, Step, run_all};

/// Counts failed logins in Redis: one small key per account and per address that fail, and one for each account that has
/// logged in, which Redis forgets by itself. Only durations are given and taken, so that no node's clock matters.
///
/// While Redis is down no failure can be counted, so none is let pass: every step is an error, and the login answers that
/// it is unavailable, right password or wrong. It could not begin a session either.
#[derive(Clone)]
pub struct RedisThrottle {
    connection: Connection,
    keys: Keys,
    rules: ThrottleRules,
}

/// Longest time that is given to Redis, in milliseconds: a year, and twice that for what is remembered of a lock-out.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Count, and milliseconds until it is forgotten: -1 for one that never is, and -2 where there is none.
type Counted = (u64, i64);

impl RedisThrottle {
    /// Counts by these rules. It uses the connection of the records.
    pub fn new(records: &RedisRecords, rules: ThrottleRules) -> Self {
        Self {
            connection: records.connection().clone(),
            keys: records.keys().clone(),
            rules: ThrottleRules {
                lockout: rules.lockout.min(LONGEST),
                address_window: rules.address_window.min(LONGEST),
                known_address_lifetime: rules.known_address_lifetime.min(LONGEST),
                ..rules
            },
        }
    }

    /// What an attempt may count under, in one slot: with its origin, where the account may be known from there.
    fn on(&self, step: &'static Step, attempt: &Attempt, origin: Option<Origin>) -> Call {
        let account = attempt.account;
        match origin {
            None => step.on([self.keys.failures(account)]),
            Some(origin) => step.on([
                self.keys.failures(account),
                self.keys.known(account),
                self.keys.failures_there(account, origin.account_there),
            ]),
        }
    }

    /// The arguments by which a script finds out whether the account is known from there.
    fn told_where(&self, call: Call, origin: Option<Origin>) -> Call {
        match origin {
            None => call,
            Some(origin) => call
                .arg(&origin.account_there.0)
                .arg(millis(self.rules.known_address_lifetime)),
        }
    }

    fn account(&self, (count, left): Counted) -> Throttle {
        let (true, Ok(left)) = (self.is_too_many(count), u64::try_from(left)) else {
            return Throttle::Open;
        };
        let passed = millis(self.rules.remembered_for()).saturating_sub(left);
        let wait = millis(self.rules.lockout).saturating_sub(passed);
        Throttle::until(ThrottledBy::Account, Duration::from_millis(wait))
    }

    fn address(&self, (count, left): Counted) -> Throttle {
        let is_too_many = count >= u64::from(self.rules.max_failures_per_address);
        let wait = u64::try_from(left).ok().filter(|_| is_too_many).unwrap_or(0);
        Throttle::until(ThrottledBy::Address, Duration::from_millis(wait))
    }

    fn is_too_many(&self, count: u64) -> bool {
        count > 0 && count >= u64::from(self.rules.max_failures)
    }

    async fn run<T: FromRedisValue>(&self, call: Call) -> StoreResult<T> {
        let told: RedisResult<T> = call.run(&self.connection).await;
        told.map_err(store_error)
    }

    async fn address_fails(&self, address: ThrottleKey) -> StoreResult<Throttle> {
        let call = scripts::LOGIN_FAILED_THERE
            .on([self.keys.failures(address)])
            .arg(millis(self.rules.address_window));
        Ok(self.address(self.run(call).await?))
    }
}

#[async_trait]
impl LoginThrottle for RedisThrottle {
    async fn check(&self, attempt: &Attempt) -> StoreResult<Throttle> {
        let origin = self.rules.may_be_known(attempt);
        let account = self.on(&scripts::LOGIN_FAILURES, attempt, origin);
        let mut calls = vec![self.told_where(account, origin)];
        if let Some(address) = self.rules.counted_by_address(attempt) {
            calls.push(scripts::LOGIN_FAILURES.on([self.keys.failures(address)]));
        }
        let told: RedisResult<Vec<(bool, u64, i64)>> = run_all(&calls, &self.connection).await;
        match told.map_err(store_error)?[..] {
            [(true, count, left), ..] | [(false, count, left)] => Ok(self.account((count, left))),
            [(false, count, left), (_, from_address, address_left)] => {
                let address = self.address((from_address, address_left));
                Ok(self.account((count, left)).and(address))
            }
            _ => Err(StoreError::Corrupt(
                "Redis answered other counts of failed logins than were asked for".to_owned(),
            )),
        }
    }

    async fn failed(&self, attempt: &Attempt) -> StoreResult<Throttle> {
        let origin = self.rules.may_be_known(attempt);
        let call = self
            .on(&scripts::LOGIN_FAILED, attempt, origin)
            .arg(millis(self.rules.remembered_for()));
        let (is_known, count): (bool, u64) = self.run(self.told_where(call, origin)).await?;
        let account = match self.is_too_many(count) {
            true => Throttle::until(ThrottledBy::Account, self.rules.lockout),
            false => Throttle::Open,
        };
        match self.rules.counted_by_address(attempt) {
            Some(address) if !is_known => Ok(account.and(self.address_fails(address).await?)),
            _ => Ok(account),
        }
    }

    async fn succeeded(&self, attempt: &Attempt) -> StoreResult<()> {
        let origin = self.rules.may_be_known(attempt);
        let call = self.on(&scripts::LOGIN_SUCCEEDED, attempt, origin);
        let call = self.told_where(call, origin).arg(KNOWN_ADDRESSES);
        let _: Value = self.run(call).await?;
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
