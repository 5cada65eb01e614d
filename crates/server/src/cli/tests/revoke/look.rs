//! `revocations` and `verifiers`.

use super::*;

#[tokio::test]
async fn an_entry_tells_by_when_each_verifier_had_applied_it() {
    let bench = Bench::new().await;
    bench.alice().await;
    let (api, _) = bench.api("api").await;
    let known = bench.says(api, "early", 0).await;
    bench.store.record_reports(&[known]).await.unwrap();
    bench.run("revoke subject alice --reason stolen --no-wait").await;
    let made = bench.logged().await[0].at;
    for (name, seq, after) in [("late", 1, 60_000), ("early", 1, 120), ("behind", 0, 10)] {
        let mut report = bench.says(api, name, seq).await;
        report.at = made.plus(after);
        bench.store.record_reports(&[report]).await.unwrap();
    }
    bench.clock.0.fetch_add(70_000, Ordering::Relaxed);
    let shown = bench.run("revocations show 1 --json").await.json();
    for (member, expected) in [
        ("seq", Value::from(1)),
        ("kind", "subject".into()),
        ("effect", "cutoff".into()),
        ("reason", "stolen".into()),
        ("actor", "cli:tester".into()),
        ("at_ms", made.0.into()),
    ] {
        assert_eq!(shown[member], expected, "{member}");
    }
    let applied: Vec<_> = shown["verifiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let word = |member: &str| one[member].as_str().unwrap();
            (
                word("name"),
                word("applied"),
                one["took_ms"].as_u64(),
                one["live"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        applied,
        [
            ("late", "by", Some(60_000), true),
            ("early", "by", Some(120), false),
            ("behind", "not_yet", None, false)
        ]
    );
    let text = bench.run("revocations show 1").await.out;
    for part in [
        "reason:  stolen",
        "by:      cli:tester",
        "120ms",
        "not yet",
        "revokes what began until",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    bench
        .run("revocations show 2")
        .await
        .refused(3, "there is no entry 2");
}

#[tokio::test]
async fn what_is_kept_no_longer_was_before() {
    let bench = Bench::new().await;
    bench.alice().await;
    let (api, _) = bench.api("api").await;
    bench.run("revoke subject alice --reason x --no-wait").await;
    let made = bench.logged().await[0].at;
    for seq in 2..=70 {
        let mut report = bench.says(api, "v", seq).await;
        report.at = made.plus(10 * seq);
        bench.store.record_reports(&[report]).await.unwrap();
    }
    let shown = bench.run("revocations show 1 --json").await.json();
    let one = &shown["verifiers"][0];
    // 64 steps are kept, the first of which is entry 7.
    assert_eq!((&one["applied"], &one["took_ms"]), (&"before".into(), &70.into()));
    let text = bench.run("revocations show 1").await.out;
    assert!(
        text.contains("before ") && text.contains("at most 70ms"),
        "{text}"
    );
}

#[tokio::test]
async fn entries_are_listed_page_by_page_the_latest_first() {
    let bench = Bench::new().await;
    bench.alice().await;
    for reason in ["one", "two", "three", "four", "five"] {
        bench
            .run(&format!("revoke subject alice --no-wait --reason {reason}"))
            .await;
    }
    bench.json("", "user disable alice").await;
    let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = bench
            .run(&format!("revocations list --limit 2 --json{after}"))
            .await
            .json();
        let entries = page["revocations"].as_array().unwrap();
        seen.extend(entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
        pages += 1;
        match page["next"].as_str() {
            Some(cursor) => after = format!(" --after={cursor}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), (vec![6, 5, 4, 3, 2, 1], 3));
    let last = bench.run("revocations list --limit 1 --json").await.json();
    let last = &last["revocations"][0];
    assert_eq!(
        (&last["effect"], &last["expires"]),
        (&"block".into(), &Value::Null)
    );
    let text = bench.run("revocations list --limit 2").await.out;
    assert!(
        text.contains("cli:tester") && text.contains("there are more: --after "),
        "{text}"
    );
    for forged in ["x", &bench.server_keys().await.cursors.seal("users", "3")] {
        bench
            .run(&format!("revocations list --after={forged}"))
            .await
            .refused(2, "not one that this list gave out");
    }
}

#[tokio::test]
async fn verifiers_are_listed_with_what_they_lack() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    bench.alice().await;
    let (api, _) = bench.api("api").await;
    for _ in 0..3 {
        bench.run("revoke subject alice --reason x --no-wait").await;
    }
    let active = bench.in_state("active").await.kid;
    let pending = bench.in_state("pending").await.kid;
    let mut sound = bench.says(api, "sound", 3).await;
    sound.kids = [active.clone(), pending.clone(), Kid::parse("old").unwrap()].into();
    let mut behind = bench.says(api, "behind", 1).await;
    behind.kids = [active].into();
    behind.as_of = UnixMillis(behind.as_of.0 - 1500);
    let mut elsewhere = bench.says(api, "elsewhere", 9).await;
    elsewhere.log = Uuid::from_u128(9);
    elsewhere.at = UnixMillis(elsewhere.at.0 - 30_000);
    bench
        .store
        .record_reports(&[sound, behind, elsewhere])
        .await
        .unwrap();
    bench.clock.0.fetch_add(20, Ordering::Relaxed);

    let found = bench.run("verifiers list --json").await.json();
    assert_eq!(found["seq"], 3);
    let found = found["verifiers"].as_array().unwrap();
    let by_name = |name: &str| found.iter().find(|one| one["name"] == name).unwrap();
    let sound = by_name("sound");
    assert_eq!(
        (&sound["client_id"], &sound["live"], &sound["behind"]),
        (&"api".into(), &true.into(), &0.into())
    );
    assert_eq!(
        (&sound["age_ms"], &sound["unknown_keys"]),
        (&0.into(), &serde_json::json!([]))
    );
    let behind = by_name("behind");
    assert_eq!((&behind["behind"], &behind["age_ms"]), (&2.into(), &1500.into()));
    assert_eq!(behind["unknown_keys"], serde_json::json!([pending.as_str()]));
    let elsewhere = by_name("elsewhere");
    assert_eq!(
        (&elsewhere["live"], &elsewhere["behind"]),
        (&false.into(), &Value::Null)
    );

    let text = bench.run("verifiers list").await.out;
    for part in ["CLIENT", "silent", "another log", "1s 500ms", "20ms ago"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(Bench::new().await.run("verifiers list").await.error, None);
}
