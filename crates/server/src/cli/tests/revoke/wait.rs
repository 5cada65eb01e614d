//! Waiting for verifiers.

use super::*;

const LOOK: Duration = Duration::from_millis(100);

/// A bench with one user and one client whose verifiers `a` and `b` are live and know the log as it is.
async fn followed() -> (Bench, ClientUid) {
    let bench = Bench::new().await;
    bench.alice().await;
    let (api, _) = bench.api("api").await;
    let head = bench.store.head().await.unwrap().seq;
    for name in ["a", "b"] {
        let report = bench.says(api, name, head).await;
        bench.store.record_reports(&[report]).await.unwrap();
    }
    (bench, api)
}

/// What verifiers report during the waits, each at a time after now.
async fn meanwhile(bench: &Bench, api: ClientUid, waits: &[&[(&str, u64, u64)]]) {
    for reports in waits {
        let mut heard = Vec::new();
        for (name, seq, after) in *reports {
            let mut report = bench.says(api, name, *seq).await;
            report.at = report.at.plus(*after);
            heard.push(report);
        }
        bench.reports.lock().unwrap().push_back(heard);
    }
}

#[tokio::test]
async fn returns_as_soon_as_every_live_verifier_has_applied_it() {
    let (bench, api) = followed().await;
    // Three looks.
    meanwhile(&bench, api, &[&[("a", 1, 40)], &[], &[("b", 1, 150)]]).await;
    let outcome = bench.run("revoke subject alice --reason x --json").await;
    let done = outcome.json();
    assert_eq!(outcome.waited, [LOOK, LOOK, LOOK]);
    assert_eq!(done["confirmed"], true);
    let took: Vec<_> = done["verifiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["took_ms"].as_u64().unwrap()))
        .collect();
    assert_eq!(took, [("a", 40), ("b", 150)]);

    meanwhile(&bench, api, &[&[("a", 2, 40), ("b", 2, 1250)]]).await;
    let text = bench.run("revoke subject alice --reason x").await.out;
    for part in [
        "as entry 2 of the log",
        "servers: none refreshes",
        "live",
        "40ms",
        "1s 250ms",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn one_that_does_not_confirm_is_exit_code_5() {
    let (bench, api) = followed().await;
    meanwhile(&bench, api, &[&[("a", 1, 40)]]).await;
    let outcome = bench
        .run("revoke subject alice --reason x --wait=250ms --json")
        .await;
    assert_eq!(outcome.waited, [LOOK, LOOK, Duration::from_millis(50)]);
    let (kind, said) = outcome.error.unwrap();
    assert_eq!((kind, kind.exit_code()), (ErrorKind::Unconfirmed, 5));
    assert!(
        said.contains("1 of 2 live verifiers did not report within 250ms")
            && said.contains("revocations show 1"),
        "{said}"
    );
    let done: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(
        (&done["done"], &done["confirmed"]),
        (&"revoked".into(), &false.into())
    );
    assert_eq!(done["verifiers"][1]["applied"], "not_yet");
    assert_eq!(bench.logged().await.len(), 1);
    let text = bench.run("revoke subject alice --reason x --wait=1ms").await.out;
    assert!(text.contains("not yet"), "{text}");
}

#[tokio::test]
async fn the_default_wait_is_ten_seconds() {
    let (bench, _) = followed().await;
    let outcome = bench.run("revoke subject alice --reason x").await;
    assert_eq!(outcome.error.unwrap().0, ErrorKind::Unconfirmed);
    assert_eq!(outcome.waited.iter().sum::<Duration>(), Duration::from_secs(10));
}

#[tokio::test]
async fn silent_verifiers_are_told_of_and_not_waited_for() {
    let (bench, api) = followed().await;
    bench.clock.0.fetch_add(31_000, Ordering::Relaxed);
    let outcome = bench.run("revoke subject alice --reason x --json").await;
    assert_eq!(outcome.waited, NO_WAIT);
    assert_eq!(outcome.json()["verifiers"], serde_json::json!([]));
    assert!(
        outcome
            .err
            .contains("2 more verifiers have reported within a day"),
        "{}",
        outcome.err
    );

    // One that falls silent while it is waited for holds nobody up, and has confirmed nothing.
    let report = bench.says(api, "a", 1).await;
    bench.store.record_reports(&[report]).await.unwrap();
    bench.clock.0.fetch_add(29_900, Ordering::Relaxed);
    let outcome = bench
        .run("revoke subject alice --reason x --wait=1m --json")
        .await;
    assert_eq!(outcome.error.as_ref().unwrap().0, ErrorKind::Unconfirmed);
    assert_eq!(outcome.waited, [LOOK]);
    let done: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(
        (
            &done["verifiers"][0]["live"],
            &done["verifiers"].as_array().unwrap().len()
        ),
        (&false.into(), &1)
    );
}

#[tokio::test]
async fn one_of_another_log_has_not_applied_it() {
    let (bench, api) = followed().await;
    let mut report = bench.says(api, "a", 100).await;
    report.log = Uuid::from_u128(9);
    let other = bench.says(api, "b", 100).await;
    bench.store.record_reports(&[report, other]).await.unwrap();
    let outcome = bench
        .run("revoke subject alice --reason x --wait=1ms --json")
        .await;
    let done: Value = serde_json::from_str(&outcome.out).unwrap();
    let applied = ["a", "b"].iter().zip(done["verifiers"].as_array().unwrap());
    let applied: Vec<_> = applied.map(|(_, one)| one["applied"].as_str().unwrap()).collect();
    assert_eq!(applied, ["not_yet", "by"]);
}

#[tokio::test]
async fn nobody_is_waited_for_who_must_not_be() {
    let (bench, _) = followed().await;
    let outcome = bench
        .run("revoke subject alice --reason x --no-wait --json")
        .await;
    let done = outcome.json();
    assert_eq!(outcome.waited, NO_WAIT);
    assert_eq!(
        (&done["confirmed"], &done["verifiers"]),
        (&Value::Null, &Value::Null)
    );
    let text = bench.run("revoke subject alice --reason x --no-wait").await.out;
    assert!(
        text.contains("not waited for; see `symbolon revocations show 2`"),
        "{text}"
    );
}
