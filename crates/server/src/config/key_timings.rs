//! The timings of signing keys: derived where nobody set them, and refused where a verifier would refuse valid
//! tokens by them.

use std::time::Duration;

use symbolon_core::client::MAX_ACCESS_TOKEN_SECS;
use symbolon_core::keys::{KeyTimings, MAX_UNCONFIRMED, VERIFIER_CLOCKS};

use super::finding::Finding;
use super::kind::sum_text;
use super::table::{self, Spec};
use super::values::Values;

/// The least `jwks.max_age`.
const LEAST_MAX_AGE: Duration = Duration::from_secs(60);

/// The timings, where what is unset is the least that is accepted.
pub(super) fn derived(
    rotate_every: Duration,
    publish_before: Option<Duration>,
    publish_after: Option<Duration>,
    max_age: Duration,
) -> KeyTimings {
    KeyTimings {
        rotate_every,
        publish_before: publish_before.unwrap_or_else(|| KeyTimings::least_before(max_age)),
        publish_after: publish_after.unwrap_or(KeyTimings::LEAST_AFTER),
    }
}

/// Reports every timing that is too short for verifiers.
pub(super) fn dangers(values: &Values) -> Vec<Finding> {
    [
        publish_before_too_short(values),
        publish_after_too_short(values),
        interval_too_short(values),
        max_age_too_short(values),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn publish_before_too_short(values: &Values) -> Option<Finding> {
    let spec = &table::KEYS_PUBLISH_BEFORE_SIGNING.spec;
    let given = values.sound(&table::KEYS_PUBLISH_BEFORE_SIGNING)?;
    let max_age = values.sound(&table::JWKS_MAX_AGE)?;
    let sum = format!(
        "max({}, 2 x {} (`jwks.max_age`, {}))",
        sum_text(KeyTimings::LONGEST_CACHE),
        sum_text(max_age),
        values.origin(&table::JWKS_MAX_AGE.spec),
    );
    let harm = "a verifier that read the key set just before the new key came would refuse its tokens";
    too_short(values, spec, given, KeyTimings::least_before(max_age), &sum, harm)
}

fn publish_after_too_short(values: &Values) -> Option<Finding> {
    let spec = &table::KEYS_PUBLISH_AFTER_SIGNING.spec;
    let given = values.sound(&table::KEYS_PUBLISH_AFTER_SIGNING)?;
    let sum = format!(
        "{} (the longest access token) + {} (that a node may sign from memory) + {} (clocks of verifiers)",
        sum_text(Duration::from_secs(u64::from(MAX_ACCESS_TOKEN_SECS))),
        sum_text(MAX_UNCONFIRMED),
        sum_text(VERIFIER_CLOCKS),
    );
    let harm = "the last tokens that the key signed would be refused before they expire";
    too_short(values, spec, given, KeyTimings::LEAST_AFTER, &sum, harm)
}

fn interval_too_short(values: &Values) -> Option<Finding> {
    let spec = &table::KEYS_ROTATION_INTERVAL.spec;
    let timings = derived(
        values.sound(&table::KEYS_ROTATION_INTERVAL)?,
        values.parse(&table::KEYS_PUBLISH_BEFORE_SIGNING).ok()?,
        values.parse(&table::KEYS_PUBLISH_AFTER_SIGNING).ok()?,
        values.sound(&table::JWKS_MAX_AGE)?,
    );
    let part = |time: Duration, spec: &Spec| {
        let origin = match values.is_set(spec) {
            true => values.origin(spec).to_string(),
            false => "derived".to_owned(),
        };
        format!("{} (`{}`, {origin})", sum_text(time), spec.key)
    };
    let sum = format!(
        "{} + {}",
        part(timings.publish_before, &table::KEYS_PUBLISH_BEFORE_SIGNING.spec),
        part(timings.publish_after, &table::KEYS_PUBLISH_AFTER_SIGNING.spec),
    );
    let harm = "a key would be due for rotation before its successor is ready or its predecessor gone";
    too_short(
        values,
        spec,
        timings.rotate_every,
        timings.least_interval(),
        &sum,
        harm,
    )
}

fn max_age_too_short(values: &Values) -> Option<Finding> {
    let given = values.sound(&table::JWKS_MAX_AGE)?;
    (given < LEAST_MAX_AGE).then(|| {
        let wrong = format!(
            "{} is below the minimum of {}: caches would come back for nearly every token",
            sum_text(given),
            sum_text(LEAST_MAX_AGE),
        );
        values.finding(&table::JWKS_MAX_AGE.spec, wrong, Some(remedy(LEAST_MAX_AGE)))
    })
}

fn too_short(
    values: &Values,
    spec: &Spec,
    given: Duration,
    least: Duration,
    sum: &str,
    harm: &str,
) -> Option<Finding> {
    (given < least).then(|| {
        let least_text = sum_text(least);
        let wrong = format!(
            "{} is too short; it must be at least {least_text} = {sum}: {harm}",
            sum_text(given),
        );
        values.finding(spec, wrong, Some(remedy(least)))
    })
}

fn remedy(least: Duration) -> String {
    format!(
        "give at least \"{}\", or accept it with --dangerous-key-timings",
        sum_text(least)
    )
}
