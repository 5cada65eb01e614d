//! `/revocations`: what needs no more than a user and a token. The bench has no sessions.

use std::sync::Arc;

use serde_json::{Value, json};
use symbolon_core::lookup::RevocationRecords as _;
use symbolon_core::tokens::VerifiedAccessToken;
use symbolon_core::{Clock as _, TokenId};
use symbolon_jose::Kid;
use symbolon_oauth_types::AccessTokenClaims;
use symbolon_oauth_types::revocation::{Digest, Effect, RevocationKind};
use symbolon_testkit::{FakeClock, SeqRng, user};
use uuid::Uuid;

use crate::bench::{Bench, Call};

fn revoke(filter: &Value) -> Call {
    Call::post("/revocations").json(&json!({ "filter": filter, "reason": "it leaked" }))
}

/// A token that the server has signed.
fn signed(bench: &Bench, text: &str) -> Uuid {
    let jti = TokenId::new(FakeClock::START, &SeqRng::new()).0;
    let now = bench.clock.now().0 / 1000;
    let claims = AccessTokenClaims {
        iss: "https://id.example".to_owned(),
        sub: Uuid::from_u128(1),
        aud: symbolon_oauth_types::Audiences(vec!["urn:api".to_owned()]),
        exp: now + 300,
        iat: now,
        jti,
        client_id: "shop".to_owned(),
        scope: "orders:read".parse().unwrap(),
        sid: None,
    };
    let verified = VerifiedAccessToken {
        claims: Arc::new(claims),
        kid: Kid::parse("k1").unwrap(),
    };
    bench.tokens.know(text, verified);
    jti
}

#[tokio::test]
async fn a_token_is_revoked_by_itself() {
    let bench = Bench::new().await;
    let jti = signed(&bench, "a.leaked.token");
    let before = bench.state().await;
    let unknown = revoke(&json!({ "token": { "value": "another.one" } }))
        .to(&bench)
        .await;
    assert!((400..500).contains(&unknown.status), "{}", unknown.text);
    assert_eq!(bench.state().await, before);

    let made = revoke(&json!({ "token": { "value": "a.leaked.token" } }))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(
        (&made.body["reach"], &made.body["targets"][0]["value"]),
        (&json!("everywhere"), &json!(jti))
    );
    let digest = Digest::of_uuid(RevocationKind::Token, jti);
    let entry = bench.store.last_revocation_of(digest).await.unwrap().unwrap();
    assert_eq!(entry.logged.entry.effect, Effect::Block);
    assert_eq!((&*entry.actor, &*entry.reason), ("client:console", "it leaked"));
    let event = bench.last_event().await;
    assert_eq!(
        (&event["event"], &event["reason"]),
        (&json!("revocation.logged"), &json!("it leaked"))
    );
    assert!(!event.to_string().contains("a.leaked.token"));
}

#[tokio::test]
async fn a_dry_run_and_a_request_that_breaks_a_rule_change_nothing() {
    let bench = Bench::new().await;
    let alice = bench.user(user("alice")).await;
    let before = bench.state().await;
    let subjects = json!({ "subjects": [alice.subject] });
    let planned = json!({ "filter": subjects, "reason": "x", "dry_run": true });
    let planned = Call::post("/revocations")
        .json(&planned)
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(
        (&planned.body["dry_run"], &planned.body["reach"]),
        (&json!(true), &Value::Null)
    );
    for (body, status) in [
        (
            json!({ "filter": { "subjects": [Uuid::nil()] }, "reason": "x" }),
            404,
        ),
        (json!({ "filter": subjects, "reason": "" }), 422),
        (json!({ "filter": subjects, "reason": "  " }), 422),
        (json!({ "filter": subjects, "reason": "a\r\nb" }), 422),
        (json!({ "filter": subjects }), 422),
        (json!({ "filter": subjects, "reason": "x", "dry": true }), 422),
        (json!({ "filter": { "everything": {} }, "reason": "x" }), 422),
    ] {
        Call::post("/revocations")
            .json(&body)
            .to(&bench)
            .await
            .expect(status);
    }
    assert_eq!(bench.state().await, before);
    revoke(&subjects).to(&bench).await.expect(200);
    let entry = bench.revoked(alice.subject).await.unwrap();
    assert!(matches!(entry.logged.entry.effect, Effect::Cutoff(_)));
}

#[tokio::test]
async fn a_key_needs_another_scope_and_who_lacks_it_goes_on_the_trail() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    bench.gate.holding("sessions:revoke");
    let answer = revoke(&json!({ "key": "k1" })).to(&bench).await.expect(403);
    assert_eq!(answer.kind(), "insufficient-scope");
    assert!(answer.text.contains("keys:rotate"), "{}", answer.text);
    assert_eq!(bench.refusals(), ["insufficient_scope"]);
    assert_eq!(bench.state().await, before);
}
