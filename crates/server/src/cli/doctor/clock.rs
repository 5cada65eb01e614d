//! What time it is: by this machine, by the database, by Redis.

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::cluster_clock::ClusterClock;
use symbolon_core::time::rfc3339;
use symbolon_core::{Clock, UnixMillis};
use symbolon_store_sql::SqlStore;

use super::check::{Check, Name};

/// 2026-01-01T00:00:00Z, before which there was no version of this program.
const BEGINNING: UnixMillis = UnixMillis(1_767_225_600_000);
/// How often the database is asked: the first answer warms the connection up.
const LOOKS: usize = 5;

const KEEP_TIME: &str = "keep all machines on time by NTP (chrony, systemd-timesyncd)";

/// Whether the machine's clock was ever set.
pub(super) fn machine(clock: &dyn Clock) -> Check {
    let (name, now) = (Name::ClockMachine, clock.now());
    let shown = rfc3339(now);
    if now < BEGINNING {
        return Check::failed(
            name,
            format!("the machine's clock says that it is {shown}"),
            format!("set the clock, then {KEEP_TIME}"),
        );
    }
    Check::ok(name, format!("the machine's clock says that it is {shown}"))
}

/// The cluster's clock as a node would know it by now, and what there is to say of it.
pub(super) async fn database(
    machine: Arc<dyn Clock>,
    store: &SqlStore,
    tolerance: Duration,
) -> (Arc<ClusterClock>, Check) {
    let name = Name::ClockDatabase;
    let clock = Arc::new(ClusterClock::new(machine, tolerance));
    for _ in 0..LOOKS {
        let asked = clock.monotonic();
        match store.time_micros().await {
            Ok(Some(theirs)) => {
                clock.observe(asked, clock.monotonic(), theirs);
            }
            Ok(None) => {
                let check = Check::ok(name, "SQLite has no clock of its own: the machine's holds");
                return (clock, check);
            }
            Err(error) => {
                let remedy = "see to the database; see `database.connection`";
                return (clock, Check::failed(name, error.to_string(), remedy));
            }
        }
    }
    let measured = clock.uncertainty().zip(clock.local_ahead_ms());
    let check = match measured {
        Some((uncertainty, ahead_ms)) => judge_database(uncertainty, ahead_ms, tolerance),
        None => Check::skipped(name, "the database did not say what time it is"),
    };
    (clock, check)
}

fn judge_database(uncertainty: Duration, ahead_ms: i64, tolerance: Duration) -> Check {
    let name = Name::ClockDatabase;
    let limit = shown(tolerance);
    if uncertainty > tolerance {
        return Check::failed(
            name,
            format!(
                "the database's clock can be known to {} from here, and `database.clock_tolerance` is {limit}: a node here \
                 is not ready",
                shown(uncertainty)
            ),
            "see that the database is near and not overloaded, or raise `database.clock_tolerance` on all nodes",
        );
    }
    let found = format!(
        "the machine's clock is {}, known to {}",
        offset(ahead_ms, "the database's"),
        shown(uncertainty)
    );
    let surely = Duration::from_millis(ahead_ms.unsigned_abs()).saturating_sub(uncertainty);
    // The machine's is known to a millisecond.
    if surely > tolerance + Duration::from_millis(1) {
        return Check::warning(
            name,
            format!(
                "{found}, more than `database.clock_tolerance` ({limit}); nodes go by the database's clock, but verifiers and \
                 logs go by machines' clocks"
            ),
            KEEP_TIME,
        );
    }
    Check::ok(name, found)
}

/// What a server of Redis said that the time is, against the machine's.
pub(super) struct RedisTime {
    /// Which server.
    pub(super) server: String,
    /// How far the machine's clock is ahead, in milliseconds, to within `uncertainty`.
    pub(super) ahead_ms: i64,
    /// Half of the time that the answer took.
    pub(super) uncertainty: Duration,
}

impl RedisTime {
    /// Of an answer of `TIME`, and the machine's clock before and after it.
    pub(super) fn new(server: String, asked: UnixMillis, answered: UnixMillis, theirs: UnixMillis) -> Self {
        let took = answered.since(asked);
        let middle = i128::from(asked.0) + i128::from(took / 2);
        let ahead = middle - i128::from(theirs.0);
        let bound = if ahead < 0 { i64::MIN } else { i64::MAX };
        Self {
            server,
            ahead_ms: i64::try_from(ahead).unwrap_or(bound),
            // Both are known to a millisecond.
            uncertainty: Duration::from_millis(took / 2 + 1),
        }
    }
}

/// Redis's clock alone decides when it drops a record; what is recorded it takes from the nodes.
pub(super) fn redis(times: &[RedisTime], tolerance: Duration) -> Check {
    let name = Name::ClockRedis;
    let Some(worst) = times.iter().max_by_key(|time| time.ahead_ms.unsigned_abs()) else {
        return Check::skipped(name, "no server of Redis said what time it is");
    };
    let found = format!(
        "the machine's clock is {}, known to {}",
        offset(worst.ahead_ms, &format!("that of Redis at {}", worst.server)),
        shown(worst.uncertainty)
    );
    let surely = Duration::from_millis(worst.ahead_ms.unsigned_abs()).saturating_sub(worst.uncertainty);
    if surely > tolerance {
        return Check::warning(
            name,
            format!(
                "{found}, more than `database.clock_tolerance` ({}); a clock that is set right in steps of minutes makes Redis \
                 drop sessions early or late",
                shown(tolerance)
            ),
            KEEP_TIME,
        );
    }
    Check::ok(name, found)
}

fn offset(ahead_ms: i64, whose: &str) -> String {
    let by = shown(Duration::from_millis(ahead_ms.unsigned_abs()));
    match ahead_ms {
        0 => format!("together with {whose}"),
        1.. => format!("{by} ahead of {whose}"),
        _ => format!("{by} behind {whose}"),
    }
}

/// To a tenth of a millisecond, where that matters.
fn shown(time: Duration) -> String {
    let tenths = time.as_micros() / 100;
    if tenths < 10_000 {
        return format!("{}.{} ms", tenths / 10, tenths % 10);
    }
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use symbolon_core::SystemClock;
    use symbolon_store_sql::SqlConfig;
    use symbolon_testkit::servers::postgres::Postgres;

    use super::super::check::Outcome;
    use super::super::tests::Stopped;
    use super::*;

    const TOLERANCE: Duration = Duration::from_millis(10);

    #[test]
    fn a_machine_that_does_not_know_the_time_fails() {
        let at = |ms| machine(&Stopped(UnixMillis(ms)));
        let unset = at(5000);
        assert_eq!(
            (unset.outcome, unset.detail.as_str()),
            (
                Outcome::Failed,
                "the machine's clock says that it is 1970-01-01T00:00:05.000Z"
            )
        );
        assert_eq!(at(BEGINNING.0 - 1).outcome, Outcome::Failed);
        assert_eq!(at(BEGINNING.0).outcome, Outcome::Ok);
    }

    #[test]
    fn a_database_that_answers_too_late_fails_and_a_clock_that_is_off_is_told() {
        let us = Duration::from_micros;
        for (uncertainty, ahead_ms, outcome, says) in [
            (
                us(300),
                0,
                Outcome::Ok,
                "together with the database's, known to 0.3 ms",
            ),
            (us(300), -11, Outcome::Ok, "11.0 ms behind the database's"),
            (us(300), 12, Outcome::Warning, "12.0 ms ahead of the database's"),
            (us(300), -90_000, Outcome::Warning, "1m 30s behind"),
            (us(9_000), 20, Outcome::Ok, "known to 9.0 ms"),
            (
                us(10_001),
                0,
                Outcome::Failed,
                "`database.clock_tolerance` is 10.0 ms",
            ),
        ] {
            let check = judge_database(uncertainty, ahead_ms, TOLERANCE);
            assert_eq!(check.outcome, outcome, "{check:?}");
            assert!(check.detail.contains(says), "{check:?}");
        }
    }

    #[test]
    fn the_server_of_redis_that_is_most_off_is_told() {
        let time = |server: &str, theirs| {
            RedisTime::new(
                server.to_owned(),
                UnixMillis(1_000_000),
                UnixMillis(1_000_004),
                UnixMillis(theirs),
            )
        };
        let near = redis(&[time("a:1", 1_000_002), time("b:1", 1_000_010)], TOLERANCE);
        assert_eq!(near.outcome, Outcome::Ok, "{near:?}");
        let off = redis(&[time("a:1", 1_000_002), time("b:1", 1_000_016)], TOLERANCE);
        assert_eq!(off.outcome, Outcome::Warning);
        assert!(
            off.detail.contains("14.0 ms behind that of Redis at b:1"),
            "{off:?}"
        );
        let ahead = redis(&[time("a:1", 400_002)], TOLERANCE);
        assert!(ahead.detail.contains("10m ahead of"), "{ahead:?}");
        assert_eq!(redis(&[], TOLERANCE).outcome, Outcome::Skipped);
    }

    #[tokio::test]
    async fn the_clock_of_postgresql_is_measured() {
        let url = Postgres::shared().fresh_database().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = SqlStore::connect(&SqlConfig::new(url), clock.clone())
            .await
            .unwrap();
        let generous = Duration::from_secs(60);
        let (known, check) = database(clock.clone(), &store, generous).await;
        assert_eq!(check.outcome, Outcome::Ok, "{check:?}");
        assert!(known.uncertainty().is_some());
        // The same server, to a machine whose clock stands half an hour behind.
        struct Behind(Arc<dyn Clock>);
        impl Clock for Behind {
            fn now(&self) -> UnixMillis {
                UnixMillis(self.0.now().0 - 1_800_000)
            }
            fn monotonic(&self) -> Duration {
                self.0.monotonic()
            }
        }
        let (_, check) = database(Arc::new(Behind(clock.clone())), &store, generous).await;
        assert_eq!(check.outcome, Outcome::Warning, "{check:?}");
        assert!(check.detail.contains("behind the database's"), "{check:?}");
        // To one that wants to know better than anybody can.
        let (_, check) = database(clock.clone(), &store, Duration::from_nanos(1)).await;
        assert_eq!(check.outcome, Outcome::Failed, "{check:?}");
        store.close().await;
        let (_, check) = database(clock, &store, generous).await;
        assert_eq!(check.outcome, Outcome::Failed, "{check:?}");
    }
}
