//! `keys list`.

use super::*;

/// The rows of `keys list` without its headers, by single spaces.
async fn rows(bench: &Bench, line: &str) -> Vec<String> {
    let outcome = bench.run(line).await;
    assert_eq!((outcome.error, outcome.err.as_str()), (None, ""));
    let lines = outcome.out.lines().skip(1);
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[tokio::test]
async fn shows_what_is_next_for_each_key_and_when() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let (active, pending) = (
        bench.in_state("active").await.kid,
        bench.in_state("pending").await.kid,
    );
    let text = bench.run("keys list").await.out;
    let kek = id_of(1);
    let rotated = "2024-02-12T22:13:20.000Z (in 90d)";
    let ready = "ready 2023-11-15T22:13:25.000Z (in 1d 5s)";
    let (since, columns) = ("2023-11-14T22:13:20.000Z", 83);
    let expected = format!(
        "KID{:42}ALG    STATE    SINCE                     {:columns$}  ENCRYPTED UNDER\n\
         {active}  ES256  active   {since}  {:columns$}  {kek}\n\
         {pending}  ES256  pending  {since}  {:columns$}  {kek}\n",
        "",
        "NEXT",
        format!("retiring {rotated}"),
        format!("active {rotated}, {ready}"),
    );
    assert_eq!(text, expected);

    let listed = bench.json("", "keys list").await;
    assert_eq!(
        listed["keys"][1],
        serde_json::json!({
            "kid": pending.as_str(),
            "alg": "ES256",
            "state": "pending",
            "since": since,
            "since_ms": START,
            "created": since,
            "created_ms": START,
            "activated": null,
            "activated_ms": null,
            "next": { "to": "active", "at": "2024-02-12T22:13:20.000Z", "at_ms": START + 90 * 86_400_000 },
            "ready": "2023-11-15T22:13:25.000Z",
            "ready_ms": START + 86_405_000,
            "withheld_by": null,
            "encryption_key": kek,
        })
    );
    let first = &listed["keys"][0];
    assert_eq!(
        (&first["kid"], &first["state"]),
        (&active.as_str().into(), &"active".into())
    );
    assert_eq!(
        (&first["activated_ms"], &first["ready"]),
        (&START.into(), &Value::Null)
    );
}

#[tokio::test]
async fn tells_ready_keys_from_withheld_ones() {
    let mut bench = Bench::started(&[SigningAlg::Es256]).await;
    bench.pass(READY).await;
    let (active, pending) = (
        bench.in_state("active").await.kid,
        bench.in_state("pending").await.kid,
    );
    let (since, kek) = ("2023-11-14T22:13:20.000Z", id_of(1));
    let rotated = "2024-02-12T22:13:20.000Z (in 88d 23h)";
    let ready = format!("{pending} ES256 pending {since} active {rotated}, ready {kek}");
    assert_eq!(rows(&bench, "keys list").await[1], ready);

    // By hand alone.
    bench.keys.rotation.automatically = false;
    assert_eq!(
        rows(&bench, "keys list").await,
        [
            format!("{active} ES256 active {since} - {kek}"),
            format!("{pending} ES256 pending {since} ready {kek}"),
        ]
    );
    bench.keys.rotation.automatically = true;

    bench.report("host-\u{1b}[2J:42", None).await;
    assert_eq!(
        rows(&bench, "keys list").await,
        [
            format!("{active} ES256 active {since} - {kek}"),
            format!("{pending} ES256 pending {since} withheld by host-\\u{{1b}}[2J:42 {kek}"),
        ]
    );
    let listed = bench.json("", "keys list").await;
    assert_eq!(listed["keys"][1]["withheld_by"], "host-\u{1b}[2J:42");
    assert_eq!(listed["keys"][1]["next"], Value::Null);

    // Overdue: nobody has looked at the schedule since.
    bench.report("host:42", Some(ScheduleTime(0))).await;
    bench.pass(90 * DAY).await;
    let overdue = format!(
        "{active} ES256 active {since} retiring {} (due) {kek}",
        at(&bench, Duration::ZERO)
    );
    assert_eq!(rows(&bench, "keys list").await[0], overdue);
}

#[tokio::test]
async fn lists_former_keys_when_asked() {
    let bench = Bench::started(&[SigningAlg::Es256, SigningAlg::EdDsa]).await;
    let line = "keys rotate --alg ES256 --dangerous-now";
    assert_eq!(bench.run(line).await.error, None);
    let retiring = bench.in_state("retiring").await.kid;
    assert_eq!(
        rows(&bench, "keys list").await[2],
        format!(
            "{retiring} ES256 retiring 2023-11-14T22:13:20.000Z retired 2023-11-15T00:23:26.000Z (in 2h 10m) {}",
            id_of(1)
        )
    );
    assert_eq!(
        bench
            .run(&format!("keys retire {retiring} --dangerous-now"))
            .await
            .error,
        None
    );
    let pending = bench.history().await;
    let pending = pending
        .iter()
        .find(|key| key.alg == SigningAlg::EdDsa && key.state.is_pending());
    let bad = &pending.unwrap().kid;
    let line = format!("keys compromise {bad} --reason leaked --yes");
    assert_eq!(bench.run(&line).await.error, None);

    assert_eq!(rows(&bench, "keys list").await.len(), 4);
    let all = rows(&bench, "keys list --all").await;
    assert_eq!(all.len(), 6);
    let [retired, compromised] = [2, 5].map(|row: usize| all[row].as_str());
    assert_eq!(
        retired,
        format!("{retiring} ES256 retired 2023-11-14T22:13:21.000Z - -")
    );
    assert_eq!(
        compromised,
        format!("{bad} EdDSA compromised 2023-11-14T22:13:22.000Z - -")
    );
    let all = bench.json("", "keys list --all").await;
    let shown = bench.json("", &format!("keys show {bad}")).await;
    assert_eq!(shown, all["keys"][5]);
    let shown = bench.run(&format!("keys show {retiring}")).await.out;
    assert!(shown.contains("state:           retired"), "{shown}");
    let unknown = "keys show AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    bench
        .run(unknown)
        .await
        .refused(3, "see `symbolon keys list --all`");
    assert_eq!(all["keys"][2]["activated_ms"], START);
    assert_eq!(all["keys"][5]["encryption_key"], Value::Null);
}

#[tokio::test]
async fn lists_keys_that_it_could_not_open() {
    let mut bench = Bench::started(&[SigningAlg::Es256]).await;
    bench.keys.encryption_keys = encryption_keys(2, &[]);
    let listed = bench.json("", "keys list").await;
    assert_eq!(listed["keys"][0]["encryption_key"], id_of(1));
}

#[tokio::test]
async fn an_empty_list_is_no_error() {
    let bench = Bench::new().await;
    assert_eq!(
        bench.json("", "keys list --all").await["keys"],
        serde_json::json!([])
    );
}
