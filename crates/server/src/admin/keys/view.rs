//! Keys and plans in the words of the admin API.

use symbolon_admin_api::{KeyNextStep, KeyPlanStep, KeyView};
use symbolon_core::UnixMillis;
use symbolon_core::time::rfc3339;
use symbolon_jwks_publisher::{KeyInfo, NextStep, PlannedStep};

pub(super) fn key(key: &KeyInfo) -> KeyView {
    let millis = |at: Option<UnixMillis>| at.map(|at| at.0);
    KeyView {
        kid: key.kid.to_string(),
        alg: key.alg.to_string(),
        state: key.state.to_owned(),
        since: rfc3339(key.since),
        since_ms: key.since.0,
        created: rfc3339(key.created),
        created_ms: key.created.0,
        activated: key.activated.map(rfc3339),
        activated_ms: millis(key.activated),
        next: key.next.as_ref().map(next),
        ready: key.ready.map(rfc3339),
        ready_ms: millis(key.ready),
        withheld_by: key.withheld_by.clone(),
        encryption_key: key.encryption_key.clone(),
    }
}

fn next(next: &NextStep) -> KeyNextStep {
    KeyNextStep {
        to: next.to.to_owned(),
        at: rfc3339(next.at),
        at_ms: next.at.0,
    }
}

pub(super) fn step(step: &PlannedStep) -> KeyPlanStep {
    KeyPlanStep {
        alg: step.alg.to_string(),
        kid: step.kid.as_ref().map(ToString::to_string),
        from: step.from.map(str::to_owned),
        to: step.to.to_owned(),
        at: rfc3339(step.at),
        at_ms: step.at.0,
        now: step.now,
    }
}
