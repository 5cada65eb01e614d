//! `revoke key`.

use super::*;

fn entry(kid: &Kid) -> Entry {
    NewRevocation::key(kid).entry
}

#[tokio::test]
async fn a_published_key_is_withdrawn_and_replaced() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let (bad, next) = (
        bench.in_state("active").await.kid,
        bench.in_state("pending").await.kid,
    );
    let line = format!("revoke key {bad}");
    assert_eq!(bench.would_end(&line).await, 0);
    bench
        .run(&format!("{line} --reason x"))
        .await
        .refused(2, "give --yes");
    assert_eq!(bench.in_state("active").await.kid, bad);

    let (api, _) = bench.api("api").await;
    let report = bench.says(api, "v", 0).await;
    bench.store.record_reports(&[report]).await.unwrap();
    // While servers get to know of the keys, the verifier does of the entry.
    let mut applied = bench.says(api, "v", 1).await;
    applied.at = applied.at.plus(30);
    bench.reports.lock().unwrap().push_back(vec![applied]);
    let outcome = bench
        .run(&format!("{line} --reason stolen-laptop --yes --json"))
        .await;
    let done = outcome.json();
    assert_eq!(outcome.waited, [LEASE]);
    assert_eq!(
        (&done["kind"], &done["key"]),
        (&"key".into(), &bad.as_str().into())
    );
    assert_eq!((&done["seq"], &done["confirmed"]), (&1.into(), &true.into()));
    assert_eq!(done["verifiers"][0]["took_ms"], 30);
    assert_eq!(done["steps"][0]["to"], "compromised");
    assert!(
        outcome.err.contains("destroy every other copy"),
        "{}",
        outcome.err
    );
    assert_eq!(bench.last().await, (entry(&bad), 1));
    assert_eq!(bench.in_state("active").await.kid, next);
    assert_eq!(bench.in_state("compromised").await.kid, bad);
    let shown = bench.run("revocations show 1 --json").await.json();
    assert_eq!(
        (&shown["reason"], &shown["expires"]),
        (&"stolen-laptop".into(), &Value::Null)
    );

    // Once more, for a log that may have lost it.
    let again = bench
        .run(&format!("{line} --reason x --no-wait --json"))
        .await
        .json();
    assert_eq!((&again["seq"], again.get("steps")), (&2.into(), None));
    assert_eq!(bench.last().await, (entry(&bad), 2));
}

#[tokio::test]
async fn a_key_that_is_not_on_record_is_refused_unless_it_is_meant() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let lost = Kid::parse("-lost_key").unwrap();
    for more in ["", " --yes", " --dry-run"] {
        let outcome = bench.run(&format!("revoke key -lost_key --reason x{more}")).await;
        outcome.refused(3, "there is no signing key -lost_key on record");
    }
    assert!(bench.logged().await.is_empty());
    assert_eq!(bench.would_end("revoke key -lost_key --unknown").await, 0);
    bench
        .run("revoke key -lost_key --unknown --reason x")
        .await
        .refused(2, "give --yes");
    let mut script = Script {
        answers: ["y"].into(),
        terminal: true,
        ..Script::default()
    };
    let done = bench
        .run_with(&mut script, "revoke key -lost_key --unknown --reason x")
        .await;
    assert_eq!(done.error, None);
    assert!(
        done.asked[0].starts_with("There is no key -lost_key on record"),
        "{:?}",
        done.asked
    );
    assert_eq!(bench.last().await.0, entry(&lost));
    let text = bench
        .run("revoke key --unknown -lost_key --reason x --yes")
        .await
        .out;
    assert!(text.contains("key -lost_key: revoked, as entry 2"), "{text}");
}
