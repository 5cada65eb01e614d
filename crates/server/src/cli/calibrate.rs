//! `passwords calibrate`: what password hashing costs on this machine.

use std::time::Duration;

use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde_json::json;
use symbolon_core::password::{HashMemory, PasswordCost, PasswordHash, PasswordHashError};
use symbolon_core::{Clock, Rng};

use super::error::CliError;
use super::output::{Output, Remark, fields};

/// Hashes that are timed for each cost; the quickest counts, as the others were disturbed.
const RUNS: usize = 3;
/// Most memory of one hash that is recommended, in KiB: past 256 MiB a few logins at once exhaust a machine.
const MEMORY_KIB: u32 = 262_144;
/// Bounds of `--target`.
const TARGET: std::ops::RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_secs(2);

/// `passwords`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum PasswordsCommand {
    /// Measure Argon2id on this machine and recommend `passwords.*` settings.
    Calibrate(CalibrateArgs),
}

/// `passwords calibrate`.
#[derive(Args, Clone, Copy, Debug)]
pub struct CalibrateArgs {
    /// Longest time that one hash may take, 5ms to 2s.
    #[arg(long, default_value = "50ms", value_parser = target)]
    pub target: Duration,
}

fn target(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if TARGET.contains(&duration) {
        return Ok(duration);
    }
    Err("give a duration from 5ms to 2s".to_owned())
}

/// A cost and how long one hash of it takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Measured {
    /// The cost.
    pub cost: PasswordCost,
    /// The time of one hash.
    pub took: Duration,
}

/// Measures and writes the recommendation. Runs real hashes for a few seconds.
///
/// # Errors
/// Standard output can't be written.
pub fn run(
    clock: &dyn Clock,
    rng: &dyn Rng,
    out: &mut Output<'_>,
    command: PasswordsCommand,
) -> Result<(), CliError> {
    let PasswordsCommand::Calibrate(CalibrateArgs { target }) = command;
    let mut memory = HashMemory::default();
    let mut measure = |cost| time_hash(cost, clock, rng, &mut memory);
    let failed = |error| CliError::failed(error, "report this as a fault");
    let found = calibrate(target, &mut measure).map_err(failed)?;
    if found.took > target {
        out.remark(
            Remark::Warning,
            "even the least that is recommended takes longer than the target: passwords need no less, logins will \
             be slower",
        )?;
    }
    report(out, found)
}

/// The dearest cost within `target`, never less than the default: the least that OWASP recommends. First memory
/// grows, which hurts an attacker's hardware most, then the number of passes.
///
/// # Errors
/// What `measure` returns.
pub fn calibrate<E>(
    target: Duration,
    measure: &mut dyn FnMut(PasswordCost) -> Result<Duration, E>,
) -> Result<Measured, E> {
    let mut best = PasswordCost::default();
    let mut took = measure(best)?;
    let growths: [fn(PasswordCost) -> PasswordCost; 3] = [
        |cost| PasswordCost {
            memory_kib: cost.memory_kib * 2,
            ..cost
        },
        |cost| PasswordCost {
            memory_kib: cost.memory_kib / 4 * 5,
            ..cost
        },
        |cost| PasswordCost {
            iterations: cost.iterations + 1,
            ..cost
        },
    ];
    for grow in growths {
        while took <= target {
            let dearer = grow(best);
            if !allowed(dearer) {
                break;
            }
            let dearer_took = measure(dearer)?;
            if dearer_took > target {
                break;
            }
            (best, took) = (dearer, dearer_took);
        }
    }
    Ok(Measured { cost: best, took })
}

/// Within what stored hashes may demand, or they could not be read back.
fn allowed(cost: PasswordCost) -> bool {
    cost.memory_kib <= MEMORY_KIB
        && cost.iterations <= PasswordCost::MAX_ITERATIONS
        && u64::from(cost.memory_kib) * u64::from(cost.iterations) <= PasswordCost::MAX_WORK_KIB
}

fn time_hash(
    cost: PasswordCost,
    clock: &dyn Clock,
    rng: &dyn Rng,
    memory: &mut HashMemory,
) -> Result<Duration, PasswordHashError> {
    let password = SecretString::from("correct horse battery staple");
    let mut quickest = Duration::MAX;
    for _ in 0..RUNS {
        let start = clock.monotonic();
        PasswordHash::create(&password, cost, rng, memory)?;
        quickest = quickest.min(clock.monotonic().saturating_sub(start));
    }
    Ok(quickest)
}

fn report(out: &mut Output<'_>, found: Measured) -> Result<(), CliError> {
    let Measured { cost, took } = found;
    let milliseconds = took.as_secs_f64() * 1000.0;
    let per_second = 1.0 / took.as_secs_f64().max(0.000_001);
    out.result(
        &json!({
            "memory_kib": cost.memory_kib,
            "iterations": cost.iterations,
            "parallelism": cost.parallelism,
            "hash_ms": milliseconds,
            "logins_per_second_per_thread": per_second,
        }),
        &format!(
            "{}\n\n[passwords]\nmemory_kib = {}\niterations = {}\nparallelism = {}",
            fields(&[
                ("one hash takes", format!("{milliseconds:.1} ms")),
                ("logins per second and thread", format!("{per_second:.1}")),
                ("memory per thread", format!("{} MiB", cost.memory_kib / 1024)),
            ]),
            cost.memory_kib,
            cost.iterations,
            cost.parallelism,
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    use symbolon_core::{SystemRng, UnixMillis};

    use super::*;

    /// A machine that needs so many nanoseconds for each KiB and pass.
    fn on_machine(nanos: u64, target_ms: u64) -> Measured {
        let mut measure = |cost: PasswordCost| {
            let work = u64::from(cost.memory_kib) * u64::from(cost.iterations);
            Ok::<_, Infallible>(Duration::from_nanos(work * nanos))
        };
        let Ok(found) = calibrate(Duration::from_millis(target_ms), &mut measure);
        found
    }

    #[test]
    fn recommends_the_dearest_cost_within_the_target() {
        let found = on_machine(500, 50);
        assert_eq!((found.cost.memory_kib, found.cost.iterations), (48_640, 2));
        assert_eq!(found.took, Duration::from_micros(48_640));
    }

    #[test]
    fn never_recommends_less_than_the_default() {
        let found = on_machine(50_000, 50);
        assert_eq!(found.cost, PasswordCost::default());
        assert!(found.took > Duration::from_millis(50));
    }

    #[test]
    fn what_it_recommends_can_be_stored_and_read_back() {
        for nanos in [0, 1, 10, 100] {
            let cost = on_machine(nanos, 2000).cost;
            assert!(allowed(cost) && cost.memory_kib >= 19_456, "{cost:?}");
            let text = format!(
                "$argon2id$v=19$m={},t={},p=1$c29tc2FsdHNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                cost.memory_kib, cost.iterations
            );
            assert!(text.parse::<PasswordHash>().unwrap().is_of(cost));
        }
    }

    /// Each look at this clock is half a second after the one before.
    struct Slow(AtomicU64);

    impl Clock for Slow {
        fn now(&self) -> UnixMillis {
            UnixMillis(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(500 * self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    #[test]
    fn runs_the_real_hash_and_reports() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = CalibrateArgs {
            target: Duration::from_millis(50),
        };
        let clock = Slow(AtomicU64::new(0));
        let mut output = Output {
            out: &mut out,
            err: &mut err,
            json: true,
        };
        run(&clock, &SystemRng, &mut output, PasswordsCommand::Calibrate(args)).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(report["memory_kib"], 19_456);
        assert_eq!(report["hash_ms"], 500.0);
        assert_eq!(report["logins_per_second_per_thread"], 2.0);
        assert!(
            String::from_utf8(err)
                .unwrap()
                .contains("takes longer than the target")
        );
    }

    #[test]
    fn targets_have_bounds() {
        assert_eq!(target("50ms"), Ok(Duration::from_millis(50)));
        for bad in ["4ms", "3s", "50", "x"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
