//! `/sessions`, and revocations that end them.

use serde_json::{Value, json};
use symbolon_core::client::Client;
use symbolon_core::ports::{Begin, FactStore as _, NewSession, RevocationLog as _, SessionStore as _};
use symbolon_core::{ClientUid, Clock as _, SessionId, Subject};
use symbolon_testkit::{SeqRng, user};
use uuid::Uuid;

use crate::bench::{Bench, Call};
use crate::clients::{app, orders};

/// A client that sessions begin for.
async fn client(bench: &Bench) -> Client {
    for form in [orders(), app()] {
        Call::post("/clients").json(&form).to(bench).await.expect(201);
    }
    bench
        .store
        .client(&"app".parse().unwrap())
        .await
        .unwrap()
        .unwrap()
}

/// Begins a session `ago` milliseconds before now.
async fn begin(bench: &Bench, subject: Subject, client: ClientUid, ago: u64) -> SessionId {
    let now = bench.clock.now();
    let began = symbolon_core::UnixMillis(now.0 - ago);
    let session = SessionId::new(began, &SeqRng::new());
    let new = NewSession {
        session,
        subject,
        client,
        scope: "orders:read".to_owned(),
        ends: now.plus(3_600_000),
        issued: began,
        address: Some([192, 0, 2, 7].into()),
        user_agent: Some("App/1".to_owned()),
        refreshable: true,
    };
    let applied = bench.store.head().await.unwrap();
    assert_eq!(bench.store.begin(&new, applied).await.unwrap(), Begin::Begun);
    session
}

async fn ended(bench: &Bench, session: SessionId) -> Value {
    let shown = Call::get(&format!("/sessions/{session}"))
        .to(bench)
        .await
        .expect(200);
    shown.body["ended"].clone()
}

#[tokio::test]
async fn sessions_are_listed_shown_and_ended() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let bob = bench.user(user("bob")).await;
    let app = client(&bench).await;
    let first = begin(&bench, alice.subject, app.uid, 5_000).await;
    let second = begin(&bench, alice.subject, app.uid, 4_000).await;
    let other = begin(&bench, bob.subject, app.uid, 3_000).await;

    let page = Call::get(&format!("/sessions?subject={}", alice.subject))
        .to(&bench)
        .await
        .expect(200)
        .body;
    let sids: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["sid"].as_str().unwrap())
        .collect();
    assert_eq!(sids, [second.to_string(), first.to_string()]);
    let shown = &page["items"][1];
    assert_eq!(
        (
            &shown["username"],
            &shown["client_id"],
            &shown["address"],
            &shown["ended"]
        ),
        (&json!("alice"), &json!("app"), &json!("192.0.2.7"), &json!(false))
    );
    let of_client = Call::get("/sessions?client_id=app&limit=2")
        .to(&bench)
        .await
        .expect(200)
        .body;
    assert_eq!(of_client["items"].as_array().unwrap().len(), 2);
    let next = of_client["next"].as_str().unwrap();
    let rest = Call::get(&format!("/sessions?client_id=app&after={next}"))
        .to(&bench)
        .await
        .expect(200)
        .body;
    assert_eq!(rest["items"][0]["sid"], first.to_string());
    Call::get(&format!("/sessions?after={next}"))
        .to(&bench)
        .await
        .expect(400);
    Call::get("/sessions?client_id=nobody")
        .to(&bench)
        .await
        .expect(404);
    for bad in ["a".repeat(129), "a%00".to_owned()] {
        let call = Call::get(&format!("/sessions?client_id={bad}"));
        call.to(&bench).await.expect_fields(422, &["client_id"]);
    }
    Call::get(&format!("/sessions?client_id=app&subject={}", bob.subject))
        .to(&bench)
        .await
        .expect(422);
    Call::get(&format!("/sessions/{}", Uuid::nil()))
        .to(&bench)
        .await
        .expect(404);

    let made = Call::post(&format!("/sessions/{first}/revoke"))
        .json(&json!({ "reason": "lost phone" }))
        .to(&bench)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&made["sessions"], &made["reach"]),
        (&json!(1), &json!("everywhere"))
    );
    assert_eq!(ended(&bench, first).await, true);
    assert_eq!(
        (ended(&bench, second).await, ended(&bench, other).await),
        (json!(false), json!(false))
    );
    let event = bench.last_event().await;
    assert_eq!(
        (
            &event["reason"],
            &event["details"]["sessions"],
            &event["details"]["kind"]
        ),
        (&json!("lost phone"), &json!(1), &json!("session"))
    );
    for (body, status) in [
        (json!({ "reason": "" }), 422),
        (json!({}), 422),
        (json!({ "reason": "x", "all": true }), 422),
    ] {
        Call::post(&format!("/sessions/{second}/revoke"))
            .json(&body)
            .to(&bench)
            .await
            .expect(status);
    }
}

#[tokio::test]
async fn what_began_after_a_moment_lives() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let app = client(&bench).await;
    let old = begin(&bench, alice.subject, app.uid, 60_000).await;
    let young = begin(&bench, alice.subject, app.uid, 1_000).await;
    let moment = bench.clock.now().0 - 30_000;
    let asked = |dry_run: bool| {
        Call::post("/revocations").json(&json!({
            "filter": { "clients": ["app"] }, "issued_before_ms": moment, "reason": "old build", "dry_run": dry_run,
        }))
    };
    assert_eq!(asked(true).to(&bench).await.expect(200).body["sessions"], 1);
    assert_eq!(ended(&bench, old).await, false);
    assert_eq!(asked(false).to(&bench).await.expect(200).body["sessions"], 1);
    assert_eq!(
        (ended(&bench, old).await, ended(&bench, young).await),
        (json!(true), json!(false))
    );
    let future =
        json!({ "filter": { "all": {} }, "issued_before_ms": bench.clock.now().0 + 60_000, "reason": "x" });
    let session = json!({ "filter": { "session": young }, "issued_before_ms": moment, "reason": "x" });
    for body in [future, session] {
        Call::post("/revocations")
            .json(&body)
            .to(&bench)
            .await
            .expect(422);
    }
    assert_eq!(ended(&bench, young).await, false);
    let everything = json!({ "filter": { "all": {} }, "reason": "breach" });
    let made = Call::post("/revocations")
        .json(&everything)
        .to(&bench)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&made["sessions"], &made["targets"][0]["kind"]),
        (&json!(1), &json!("all")),
        "those that another kind of entry has ended are not counted"
    );
    assert_eq!(ended(&bench, young).await, true);
}
