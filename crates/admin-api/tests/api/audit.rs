//! `/audit` and `/server`.

use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use symbolon_admin_api::trail::{CheckpointKeys, Checkpointer, verify_export};
use symbolon_core::Clock as _;
use symbolon_core::audit::AuditStore as _;
use symbolon_core::cursor::Cursors;
use symbolon_testkit::user;

use crate::bench::{Bench, Call, secret};

/// A bench on whose trail some things stand.
async fn busy() -> Bench {
    let bench = Bench::new().await;
    for name in ["a", "b", "c"] {
        Call::put(&format!("/roles/{name}?reason=because+of+{name}"))
            .json(&json!({ "scope": "orders:read" }))
            .to(&bench)
            .await
            .expect(201);
    }
    bench.user(user("alice")).await;
    bench
}

fn keys() -> CheckpointKeys {
    CheckpointKeys::new(&[secret(3)]).unwrap()
}

/// Signs how far the trail has come.
async fn sign(bench: &Bench) -> String {
    let issuer = "https://id.example".to_owned();
    let store = Arc::new(bench.store.clone());
    let checkpointer = Checkpointer::new(store, bench.clock.clone(), issuer, keys());
    checkpointer.sign().await.unwrap().unwrap().signed
}

#[tokio::test]
async fn the_trail_is_searched_page_by_page_the_latest_first() {
    let bench = busy().await;
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|it| it["event"]["target"]["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = Call::get("/audit?event=role.put&limit=2")
        .to(&bench)
        .await
        .expect(200)
        .body;
    assert_eq!(names(&first), ["c", "b"]);
    let next = first["next"].as_str().unwrap();
    let second = Call::get(&format!("/audit?event=role.put&limit=2&after={next}"));
    let second = second.to(&bench).await.expect(200).body;
    assert_eq!(
        (names(&second), &second["next"]),
        (vec!["a".to_owned()], &Value::Null)
    );

    let found = |query: &'static str| {
        let bench = &bench;
        async move {
            let page = Call::get(&format!("/audit?{query}"))
                .to(bench)
                .await
                .expect(200)
                .body;
            page["items"].as_array().unwrap().len()
        }
    };
    assert_eq!(found("actor=client:console").await, 3);
    assert_eq!(found("target_kind=role&target=b").await, 1);
    assert_eq!(found("event=role.put,user.created").await, 4);
    assert_eq!(found("outcome=refused").await, 0);
    let all = found("limit=500").await;
    assert_eq!(found("limit=500&without=role.put,user.created").await, all - 4);
    assert_eq!(
        found("event=role.put,user.created&without=role.put").await,
        4 - found("event=role.put").await
    );
    assert_eq!(found("until_ms=1").await, 0);
    for bad in [
        "event=role.painted",
        "without=role.painted",
        "target=b",
        "outcome=maybe",
    ] {
        Call::get(&format!("/audit?{bad}")).to(&bench).await.expect(422);
    }
    for (parameter, beside, max) in [
        ("event", "", 1000),
        ("without", "", 1000),
        ("actor", "", 200),
        ("target_kind", "", 32),
        ("target", "&target_kind=role", 600),
    ] {
        for bad in [
            "x".repeat(max + 1),
            "a%00b".to_owned(),
            "a%0Ab".to_owned(),
            "a%C2%85b".to_owned(),
        ] {
            let call = Call::get(&format!("/audit?{parameter}={bad}{beside}"));
            call.to(&bench).await.expect_fields(422, &[parameter]);
        }
        if !["event", "without"].contains(&parameter) {
            // In characters, not in bytes.
            let longest = "%C3%BC".repeat(max);
            Call::get(&format!("/audit?{parameter}={longest}{beside}"))
                .to(&bench)
                .await
                .expect(200);
        }
    }
    for forged in ["x", "MTIz", "'+OR+1=1--"] {
        Call::get(&format!("/audit?after={forged}"))
            .to(&bench)
            .await
            .expect(400);
    }
    let of_another = Cursors::new(&secret(2)).seal("users", "1");
    Call::get(&format!("/audit?after={of_another}"))
        .to(&bench)
        .await
        .expect(400);
}

#[tokio::test]
async fn a_record_is_shown_as_it_was_written() {
    let bench = busy().await;
    let record = Call::get("/audit/1").to(&bench).await.expect(200).body;
    let event = &record["event"];
    assert_eq!(
        (
            &event["event"],
            &event["actor"],
            &event["reason"],
            &event["details"]["after"]["name"]
        ),
        (
            &json!("role.put"),
            &json!("client:console"),
            &json!("because of a"),
            &json!("a")
        )
    );
    assert_eq!(record["hash"].as_str().unwrap().len(), 64);
    for none in ["/audit/0", "/audit/99", "/audit/x", "/audit/-1"] {
        Call::get(none).to(&bench).await.expect(404);
    }
}

#[tokio::test]
async fn an_export_verifies_without_the_server_and_tampering_shows() {
    let bench = busy().await;
    let signed = sign(&bench).await;
    let given = json!({ "checkpoints": [signed] });
    let verify = || Call::post("/audit/verify").json(&given);
    let report = verify().to(&bench).await.expect(200).body;
    assert_eq!(
        (&report["intact"], &report["records"], &report["signed"]),
        (&json!(true), &json!(4), &json!(4))
    );
    let text = async |path: &str| {
        let response = bench.send(Call::get(path)).await;
        assert_eq!(response.status(), 200);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let export = text("/audit/export?limit=3").await + &text("/audit/export?after=3").await;
    assert_eq!(export.lines().count(), 4);
    assert_eq!(text("/audit/export?after=4").await, "");
    let public = keys().public();
    let report = verify_export(export.as_bytes(), &public, &[&signed])
        .await
        .unwrap();
    assert_eq!((report.fault, report.records), (None, 4));
    let jwks = Call::get("/audit/keys").to(&bench).await.expect(200).body;
    assert_eq!(jwks["keys"][0]["crv"], "Ed25519");
    assert!(jwks["keys"][0].get("d").is_none());
    let last = Call::get("/audit/checkpoints?last=true")
        .to(&bench)
        .await
        .expect(200)
        .body;
    assert_eq!(last["items"][0]["signed"], signed.as_str());

    bench
        .sql("UPDATE audit_log SET body = replace(body, 'client:console', 'client:other') WHERE seq = 2")
        .await;
    let report = verify().to(&bench).await.expect(200).body;
    assert_eq!(
        (&report["intact"], &report["fault"]["seq"]),
        (&json!(false), &json!(2))
    );
    let forged = json!({ "checkpoints": ["a.b.c"] });
    Call::post("/audit/verify")
        .json(&forged)
        .to(&bench)
        .await
        .expect(422);
}

#[tokio::test]
async fn a_record_that_was_put_before_the_first_is_found_and_not_shown() {
    const COLUMNS: &str = "at_ms, event, outcome, actor, target_kind, target, request_id, body, hash";
    let bench = busy().await;
    let before = Call::get("/audit").to(&bench).await.expect(200).body;
    for planted in [0, -1] {
        bench
            .sql(&format!(
                "INSERT INTO audit_log (seq, {COLUMNS}) SELECT {planted}, {COLUMNS} FROM audit_log WHERE seq = 2"
            ))
            .await;
        let list = Call::get("/audit").to(&bench).await.expect(200).body;
        assert_eq!(list, before, "{planted}");
        Call::get("/audit/0").to(&bench).await.expect(404);
        let report = Call::post("/audit/verify").json(&json!({})).to(&bench).await;
        let report = report.expect(200).body;
        assert_eq!(
            (
                &report["intact"],
                &report["fault"]["seq"],
                &report["fault"]["wrong"]
            ),
            (&json!(false), &json!(0), &json!("inserted"))
        );
    }
}

#[tokio::test]
async fn a_part_of_an_export_begins_with_the_anchor_where_what_it_asks_for_was_swept() {
    let bench = busy().await;
    sign(&bench).await;
    let day = Duration::from_secs(86_400);
    bench.clock.advance(day + Duration::from_secs(1));
    let swept = bench
        .store
        .sweep_audit(bench.clock.now(), day, 3, &|_| true)
        .await;
    assert_eq!(swept.unwrap(), 3);
    for (after, first) in [
        (0, r#"{"anchor":{"seq":3,"#),
        (2, r#"{"anchor":{"seq":3,"#),
        (3, r#"{"seq":4,"#),
        (4, r#"{"seq":5,"#),
    ] {
        let response = bench
            .send(Call::get(&format!("/audit/export?after={after}")))
            .await;
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.starts_with(first), "{after}: {text}");
    }
}

#[tokio::test]
async fn a_stream_begins_at_once_and_has_a_bound() {
    let bench = busy().await;
    let mut open = Vec::new();
    for client in ["console", "another"] {
        bench.gate.as_client(client);
        let response = bench.send(Call::get("/audit/stream?after=3")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = response.into_body();
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(frame.starts_with(b": "));
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let text = std::str::from_utf8(&frame).unwrap().to_owned();
        assert!(
            text.starts_with("id: 4\ndata: {\"seq\":4,") && text.ends_with("\n\n"),
            "{text}"
        );
        open.push(body);
        // The bench has two streams.
        let answer = Call::get("/audit/stream").to(&bench).await.expect(503);
        let is_full = open.len() == 2;
        assert_eq!(answer.text.contains("you have half"), !is_full, "{}", answer.text);
        assert!(answer.headers.contains_key(RETRY_AFTER));
    }
    drop(open);
}

#[tokio::test]
async fn the_server_tells_what_it_is_and_no_secret() {
    let bench = Bench::new().await;
    let server = Call::get("/server").to(&bench).await.expect(200).body;
    assert_eq!(server["issuer"], "https://id.example");
    let settings = Call::get("/server/configuration")
        .to(&bench)
        .await
        .expect(200)
        .body;
    assert_eq!(settings["items"][0]["key"], "issuer");
    let health = Call::get("/server/health").to(&bench).await.expect(200).body;
    assert_eq!(health["ready"], true);
}
