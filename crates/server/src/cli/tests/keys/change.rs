//! `keys generate`, `rotate`, `activate` and `retire`.

use symbolon_core::audit::{AuditFilter, AuditStore as _, Order};

use super::*;

const ES256: &[SigningAlg] = &[SigningAlg::Es256];
const BOTH: &[SigningAlg] = &[SigningAlg::Es256, SigningAlg::EdDsa];

fn too_early(kid: &symbolon_jose::Kid, published: &str, left: &str) -> String {
    format!(
        "key {kid} (ES256) has been published for {published} and must be for 1d before it signs, so that every \
         verifier knows it: wait {left} more, or give --dangerous-now if it must be"
    )
}

#[tokio::test]
async fn generates_a_pending_key_in_place_of_the_present_one() {
    let bench = Bench::started(ES256).await;
    let withdrawn = bench.in_state("pending").await.kid;
    bench.pass(HOUR).await;
    let (now, turn) = (at(&bench, Duration::ZERO), at(&bench, 90 * DAY - HOUR));
    let (plan, outcome) = bench
        .planned_and_done("keys generate --alg ES256", "generated")
        .await;
    let made = bench.in_state("pending").await;
    assert_eq!(
        steps(&plan),
        [
            format!("ES256 {withdrawn} pending retired now"),
            format!("ES256 {} - pending now", made.kid),
            format!("ES256 {} pending active {turn}", made.kid),
        ]
    );
    assert_eq!(plan["steps"][0]["at"], now);
    assert_eq!(plan["steps"][0]["at_ms"], START + 3_600_000);
    assert_eq!(
        (&plan["warnings"], outcome.err.as_str()),
        (&serde_json::json!([]), "")
    );
    let withdrawn_now = bench.in_state("retired").await;
    assert_eq!(
        (withdrawn_now.kid, withdrawn_now.wrapped.as_str()),
        (withdrawn, "")
    );
}

#[tokio::test]
async fn the_table_of_a_change_says_that_servers_go_by_it() {
    let bench = Bench::started(ES256).await;
    let withdrawn = bench.in_state("pending").await.kid;
    let outcome = bench.run("keys generate --alg ES256").await;
    let made = bench.in_state("pending").await.kid;
    let turn = "2024-02-12T22:13:20.000Z (in 90d)";
    assert_eq!(
        outcome.out,
        format!(
            "ALG    KID{:42}FROM     TO       WHEN\n\
             ES256  {withdrawn}  pending  retired  now\n\
             ES256  {made}  -        pending  now\n\
             ES256  {made}  pending  active   {turn}\n\
             \n\
             done: every running server that can read the database goes by it\n",
            ""
        )
    );
    let planned = bench.run("keys generate --alg ES256 --dry-run").await.out;
    assert!(
        planned.contains(&format!("ES256  (new){:40}pending  active ", "")),
        "{planned}"
    );
}

#[tokio::test]
async fn generates_only_what_is_configured_and_only_after_the_first_start() {
    let bench = Bench::new().await;
    let none =
        "there are no signing keys yet; the first start of the server makes them, and they sign at once";
    bench.refusal(2, "keys generate --alg ES256", none).await;
    bench.start().await.unwrap();
    let other = "--alg: RS256 is not in `keys.algorithms`; add it there and restart the server";
    bench.refusal(2, "keys generate --alg RS256", other).await;
    bench.refusal(2, "keys rotate --alg RS256", other).await;
}

#[tokio::test]
async fn rotates_when_every_verifier_can_know_the_pending_key() {
    let bench = Bench::started(ES256).await;
    let (active, pending) = (
        bench.in_state("active").await.kid,
        bench.in_state("pending").await.kid,
    );
    bench
        .refusal(2, "keys rotate", &too_early(&pending, "0s", "1d 5s"))
        .await;
    bench.pass(READY - Duration::from_secs(1)).await;
    let line = "keys rotate --alg ES256";
    bench.refusal(2, line, &too_early(&pending, "1d 4s", "1s")).await;
    bench.pass(Duration::from_secs(1)).await;
    let (gone, turn) = (
        at(&bench, KeyTimings::LEAST_AFTER + Duration::from_secs(5)),
        at(&bench, 90 * DAY),
    );
    let (plan, outcome) = bench.planned_and_done("keys rotate", "rotated").await;
    let made = bench.in_state("pending").await.kid;
    assert_eq!(
        steps(&plan),
        [
            format!("ES256 {active} active retiring now"),
            format!("ES256 {active} retiring retired {gone}"),
            format!("ES256 {pending} pending active now"),
            format!("ES256 {made} - pending now"),
            format!("ES256 {made} pending active {turn}"),
        ]
    );
    assert_eq!(outcome.err, "");
    assert_eq!(bench.in_state("active").await.kid, pending);
    assert_eq!(bench.in_state("retiring").await.kid, active);
}

#[tokio::test]
async fn rotates_all_algorithms_or_none_or_the_one_that_is_named() {
    let bench = Bench::started(BOTH).await;
    bench.pass(READY).await;
    let fresh = bench.run("keys generate --alg EdDSA --json").await.json();
    let fresh = fresh["steps"][1]["kid"].as_str().unwrap();
    let said = format!(
        "key {fresh} (EdDSA) has been published for 0s and must be for 1d before it signs, so that every verifier knows \
         it: wait 1d 5s more, or give --dangerous-now if it must be"
    );
    bench.refusal(2, "keys rotate", &said).await;
    let (plan, _) = bench.planned_and_done("keys rotate --alg ES256", "rotated").await;
    assert!(
        steps(&plan).iter().all(|step| step.starts_with("ES256 ")),
        "{plan}"
    );
    bench.pass(READY).await;
    let (plan, _) = bench.planned_and_done("keys rotate", "rotated").await;
    let activated = steps(&plan)
        .into_iter()
        .filter(|step| step.ends_with("pending active now"));
    assert_eq!(activated.count(), 2);
}

#[tokio::test]
async fn says_what_it_breaks_to_rotate_at_once() {
    let bench = Bench::started(ES256).await;
    bench.pass(HOUR).await;
    let pending = bench.in_state("pending").await.kid;
    let (plan, outcome) = bench
        .planned_and_done("keys rotate --dangerous-now", "rotated")
        .await;
    let said = format!(
        "key {pending} (ES256) signs before every verifier can know it (it has been published for 1h only): those that \
         do not read the key set again for an unknown `kid` refuse valid tokens until they do"
    );
    assert_eq!(plan["warnings"], serde_json::json!([said]));
    assert_eq!(
        outcome.err,
        format!("{}\n", serde_json::json!({ "warning": said }))
    );
    assert_eq!(bench.in_state("active").await.kid, pending);
    let shown = bench.run("keys rotate --dangerous-now --dry-run").await;
    assert!(
        shown.err.starts_with("warning: key ") && shown.err.lines().count() == 1,
        "{}",
        shown.err
    );
}

#[tokio::test]
async fn a_node_that_does_not_publish_the_pending_key_holds_rotation_up() {
    let bench = Bench::started(ES256).await;
    bench.pass(READY).await;
    let pending = bench.in_state("pending").await.kid;
    bench.report("host:42\u{1b}[2J", None).await;
    let said = format!(
        "node host:42\u{1b}[2J does not publish key {pending} (ES256), so its verifiers would refuse what it signs: see \
         that node's log, or give --dangerous-now if it must be"
    );
    bench.refusal(2, "keys rotate", &said).await;
    bench.refusal(2, &format!("keys activate {pending}"), &said).await;
    let planned = bench.run("keys rotate --dangerous-now --dry-run").await;
    assert!(
        planned
            .err
            .contains("(node host:42\\u{1b}[2J does not publish it)"),
        "{}",
        planned.err
    );
    // It is enough that it has begun to: from then on verifiers can know the key.
    bench.report("host:42", Some(bench.elapsed().await)).await;
    bench.pass(READY).await;
    bench.report("host:42", Some(ScheduleTime(0))).await;
    assert_eq!(bench.run("keys rotate").await.error, None);
}

#[tokio::test]
async fn activates_a_pending_key_alone() {
    let bench = Bench::started(ES256).await;
    let (active, pending) = (
        bench.in_state("active").await.kid,
        bench.in_state("pending").await.kid,
    );
    let line = format!("keys activate {pending}");
    bench.refusal(2, &line, &too_early(&pending, "0s", "1d 5s")).await;
    let said =
        format!("key {active} is active; only a pending key can become active: see `symbolon keys list`");
    bench
        .refusal(2, &format!("keys activate {active} --dangerous-now"), &said)
        .await;
    let said = "there is no signing key nobody; see `symbolon keys list --all`";
    bench.refusal(3, "keys activate nobody", said).await;
    bench.pass(READY).await;
    let (plan, _) = bench.planned_and_done(&line, "activated").await;
    assert_eq!(steps(&plan)[2], format!("ES256 {pending} pending active now"));
    assert_eq!(bench.in_state("active").await.kid, pending);
    assert_eq!(bench.in_state("retiring").await.kid, active);
}

#[tokio::test]
async fn a_key_of_an_algorithm_that_was_taken_out_is_not_activated() {
    let mut bench = Bench::started(BOTH).await;
    bench.keys.rotation.algorithms = ES256.to_vec();
    let keys = bench.history().await;
    let of_eddsa = |active: bool| {
        let mut keys = keys.iter().filter(|key| key.alg == SigningAlg::EdDsa);
        keys.find(|key| key.state.is_active() == active)
            .unwrap()
            .kid
            .clone()
    };
    let said = "EdDSA is not in `keys.algorithms`; add it there and restart the server";
    let line = format!("keys activate {} --dangerous-now", of_eddsa(false));
    bench.refusal(2, &line, said).await;
    // It can go, though, and nothing comes in its place.
    let (plan, _) = bench
        .planned_and_done(&format!("keys retire {}", of_eddsa(true)), "retired")
        .await;
    assert_eq!(plan["steps"].as_array().unwrap().len(), 2);
    let (plan, _) = bench
        .planned_and_done(&format!("keys retire {}", of_eddsa(false)), "retired")
        .await;
    assert_eq!(
        steps(&plan),
        [format!("EdDSA {} pending retired now", of_eddsa(false))]
    );
}

#[tokio::test]
async fn retires_a_key_in_each_state() {
    let bench = Bench::started(ES256).await;
    let (active, first) = (
        bench.in_state("active").await.kid,
        bench.in_state("pending").await.kid,
    );
    // A pending key is withdrawn, and another takes its place.
    let (plan, _) = bench
        .planned_and_done(&format!("keys retire {first}"), "retired")
        .await;
    let pending = bench.in_state("pending").await.kid;
    assert_eq!(
        steps(&plan)[..2],
        [
            format!("ES256 {first} pending retired now"),
            format!("ES256 {pending} - pending now")
        ]
    );
    // An active key hands over, when its successor is known.
    let line = format!("keys retire {active}");
    bench.refusal(2, &line, &too_early(&pending, "0s", "1d 5s")).await;
    bench.pass(READY).await;
    let (plan, _) = bench.planned_and_done(&line, "retired").await;
    assert_eq!(steps(&plan)[0], format!("ES256 {active} active retiring now"));
    assert_eq!(bench.in_state("active").await.kid, pending);
    // A retiring key stays until what it signed is dead.
    bench.pass(HOUR).await;
    let said = format!(
        "tokens that key {active} signed may be alive for 1h 10m more; it leaves the key set by itself then. Give \
         --dangerous-now to have them refused, or use `symbolon keys compromise` if it leaked"
    );
    bench.refusal(2, &line, &said).await;
    let (plan, outcome) = bench
        .planned_and_done(&format!("{line} --dangerous-now"), "retired")
        .await;
    assert_eq!(steps(&plan), [format!("ES256 {active} retiring retired now")]);
    let said =
        format!("tokens that key {active} signed may be alive for 1h 10m more: every verifier refuses them");
    assert_eq!(
        outcome.err,
        format!("{}\n", serde_json::json!({ "warning": said }))
    );
    // A retired key is gone.
    for kid in [&active, &first] {
        let said = format!("key {kid} is retired: it is not published and its private key is erased");
        bench
            .refusal(2, &format!("keys retire {kid} --dangerous-now"), &said)
            .await;
    }
    bench
        .refusal(
            3,
            "keys retire nobody",
            "there is no signing key nobody; see `symbolon keys list --all`",
        )
        .await;
}

#[tokio::test]
async fn a_retiring_key_goes_without_a_word_once_nothing_needs_it() {
    let bench = Bench::started(ES256).await;
    let active = bench.in_state("active").await.kid;
    bench.pass(READY).await;
    assert_eq!(bench.run("keys rotate").await.error, None);
    bench.pass(KeyTimings::LEAST_AFTER + Duration::from_secs(5)).await;
    let (_, outcome) = bench
        .planned_and_done(&format!("keys retire {active}"), "retired")
        .await;
    assert_eq!(outcome.err, "");
}

#[tokio::test]
async fn an_algorithm_without_a_pending_key_can_not_rotate() {
    let mut bench = Bench::started(ES256).await;
    bench.keys.rotation.algorithms = BOTH.to_vec();
    let said =
        "EdDSA has no pending key that could take over; make one with `symbolon keys generate --alg EdDSA`";
    bench.refusal(2, "keys rotate --alg EdDSA", said).await;
    bench.refusal(2, "keys rotate --dangerous-now", said).await;
    let (plan, _) = bench
        .planned_and_done("keys generate --alg EdDSA", "generated")
        .await;
    let made = plan["steps"][0]["kid"].as_str().unwrap();
    assert_eq!(
        steps(&plan),
        [
            format!("EdDSA {made} - pending now"),
            format!("EdDSA {made} pending active 2023-11-15T22:13:25.000Z"),
        ]
    );
}

#[tokio::test]
async fn the_reason_stands_on_the_trail() {
    let bench = Bench::started(ES256).await;
    let pending = bench.in_state("pending").await.kid;
    let file = bench.dir.path().join("key.jwk");
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps","d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"}"#;
    std::fs::write(&file, jwk).unwrap();
    for line in [
        format!("keys activate {pending} --dangerous-now"),
        "keys generate --alg ES256".to_owned(),
        format!("keys import {}", file.display()),
        "keys rotate --dangerous-now".to_owned(),
        format!("keys retire {pending} --dangerous-now"),
    ] {
        let reason = line.split(' ').nth(1).unwrap();
        let outcome = bench.run(&format!("{line} --reason by-{reason}")).await;
        assert_eq!(outcome.error, None, "{line}");
        let filter = AuditFilter::default();
        let found = bench
            .store
            .audit_records(&filter, Order::Latest, None, 1)
            .await
            .unwrap();
        let last: Value = serde_json::from_str(&found[0].body).unwrap();
        assert_eq!(
            (&last["event"], &last["actor"]),
            (&"keys.changed".into(), &"cli:tester".into())
        );
        assert_eq!(last["reason"], format!("by-{reason}"));
    }
}

#[tokio::test]
async fn a_change_fails_where_the_store_does() {
    let bench = Bench::without_schema().await;
    for line in [
        "keys rotate",
        "keys generate --alg ES256",
        "keys retire k",
        "keys rewrap",
        "keys export-public",
    ] {
        bench.run(line).await.refused(1, "symbolon migrate");
        bench
            .run(&format!("{line} --json"))
            .await
            .refused(1, "symbolon migrate");
    }
}
