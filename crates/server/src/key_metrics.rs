//! What operators see of the signing keys: gauges and counters, read from the schedule when they are asked for.

use std::fmt::Error;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use symbolon_jwks_publisher::{RotationOutcome, RotationSchedule, ScheduleStatus};

/// The schedule of the signing keys, as metrics.
pub(crate) struct KeyMetrics {
    /// The schedule of this node.
    pub(crate) schedule: Arc<RotationSchedule>,
}

impl std::fmt::Debug for KeyMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyMetrics").finish_non_exhaustive()
    }
}

/// The labels of one sample: names and values, both of a fixed set.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Collector for KeyMetrics {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let status = self.schedule.status();
        ages(
            &status,
            gauge(
                &mut to,
                "signing_key_age_seconds",
                "How long the active signing key has signed",
            )?,
        )?;
        counts(&status, gauge(&mut to, "signing_keys", "Published signing keys")?)?;
        next(
            &status,
            gauge(
                &mut to,
                "key_schedule_next_step_seconds",
                "Time until the next step of the key schedule, zero where it is overdue",
            )?,
        )?;
        withheld(
            &status,
            gauge(
                &mut to,
                "key_schedule_withheld",
                "1 where a pending key can't take over because a node does not publish it",
            )?,
        )?;
        last(
            &status,
            gauge(
                &mut to,
                "key_schedule_last_rotation_ok",
                "1 where the last rotation on this node was done, 0 where it failed; absent before the first",
            )?,
        )?;
        looked(
            &status,
            gauge(
                &mut to,
                "key_schedule_looked_seconds",
                "How long ago this node could last look at the key schedule",
            )?,
        )?;
        let help = "Steps of the key schedule taken on this node, by what became of them";
        steps(
            &status,
            to.encode_descriptor("key_schedule_steps", help, None, MetricType::Counter)?,
        )
    }
}

fn gauge<'s>(
    to: &'s mut DescriptorEncoder<'_>,
    name: &'s str,
    help: &str,
) -> Result<MetricEncoder<'s>, Error> {
    to.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn sample<const N: usize>(
    to: &mut MetricEncoder<'_>,
    labels: Labels<'_, N>,
    value: f64,
) -> Result<(), Error> {
    to.encode_family(&labels)?.encode_gauge(&value)
}

fn ages(status: &ScheduleStatus, mut to: MetricEncoder<'_>) -> Result<(), Error> {
    for (alg, status) in &status.algorithms {
        if let Some(age) = status.active_for {
            sample(&mut to, [("alg", alg.as_str())], seconds(age))?;
        }
    }
    Ok(())
}

fn counts(status: &ScheduleStatus, mut to: MetricEncoder<'_>) -> Result<(), Error> {
    for (alg, status) in &status.algorithms {
        for (state, count) in &status.keys {
            let count = u32::try_from(*count).unwrap_or(u32::MAX);
            sample(
                &mut to,
                [("alg", alg.as_str()), ("state", state)],
                f64::from(count),
            )?;
        }
    }
    Ok(())
}

fn next(status: &ScheduleStatus, mut to: MetricEncoder<'_>) -> Result<(), Error> {
    for (alg, status) in &status.algorithms {
        if let Some((step, left)) = status.next {
            sample(&mut to, [("alg", alg.as_str()), ("step", step)], seconds(left))?;
        }
    }
    Ok(())
}

fn withheld(status: &ScheduleStatus, mut to: MetricEncoder<'_>) -> Result<(), Error> {
    for (alg, status) in &status.algorithms {
        sample(
            &mut to,
            [("alg", alg.as_str())],
            f64::from(u8::from(status.withheld)),
        )?;
    }
    Ok(())
}

fn last(status: &ScheduleStatus, mut to: MetricEncoder<'_>) -> Result<(), Error> {
    for (alg, status) in &status.algorithms {
        if let Some(outcome) = status.last_rotation {
            let ok = u8::from(outcome == RotationOutcome::Done);
            sample(&mut to, [("alg", alg.as_str())], f64::from(ok))?;
        }
    }
    Ok(())
}

fn looked(status: &ScheduleStatus, mut to: MetricEncoder<'_>) -> Result<(), Error> {
    match status.looked {
        Some(ago) => to.encode_gauge(&seconds(ago)),
        None => Ok(()),
    }
}

fn steps(status: &ScheduleStatus, mut to: MetricEncoder<'_>) -> Result<(), Error> {
    for ((alg, step, outcome), count) in &status.steps {
        let labels: Labels<'_, 3> = [
            ("alg", alg.as_str()),
            ("step", step),
            ("outcome", outcome.as_str()),
        ];
        to.encode_family(&labels)?
            .encode_counter::<Labels<'_, 0>, u64, u64>(count, None)?;
    }
    Ok(())
}

/// Whole milliseconds are exact enough, and exact.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
