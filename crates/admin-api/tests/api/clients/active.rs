//! `POST /clients/{client_id}/disable` and `/enable`, `DELETE /clients/{client_id}`.

use serde_json::json;
use symbolon_core::lookup::RevocationRecords as _;
use symbolon_oauth_types::revocation::{Digest, Effect, RevocationKind};

use super::{app, bench, made, stored};
use crate::bench::{Bench, Call};

/// The last entry on the revocation log about the client: its effect, who made it, and why.
async fn entry(bench: &Bench) -> (Effect, String, String) {
    let digest = Digest::of(RevocationKind::Client, "app");
    let found = bench.store.last_revocation_of(digest).await.unwrap().unwrap();
    (found.logged.entry.effect, found.actor, found.reason)
}

#[tokio::test]
async fn a_disabled_client_is_refused_until_it_is_enabled() {
    let bench = bench().await;
    let before = Call::get("/clients/app").to(&bench).await;
    let settled = bench.settled.times();
    let off = Call::post("/clients/app/disable?reason=leak")
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(off.body["active"], false);
    assert!(!stored(&bench, "app").await.unwrap().active);
    assert_eq!(
        entry(&bench).await,
        (Effect::Block, "client:console".to_owned(), "leak".to_owned())
    );
    let event = bench.last_event().await;
    assert_eq!(event["event"], "client.disabled");
    assert_eq!(event["details"]["before"], before.body);
    assert_eq!(event["details"]["after"], off.body);

    let log = bench.state().await;
    Call::post("/clients/app/disable").to(&bench).await.expect(200);
    assert_eq!(bench.state().await, log);

    let on = Call::post("/clients/app/enable").to(&bench).await.expect(200);
    assert_eq!((&on.body, on.etag()), (&before.body, before.etag()));
    // What begins within the lease after the change may begin by old facts.
    let cutoff = symbolon_core::Clock::now(&*bench.clock).plus(1000);
    assert_eq!(entry(&bench).await.0, Effect::Lift(cutoff));
    assert_eq!(bench.last_event().await["event"], "client.enabled");
    assert_eq!(bench.settled.times(), settled + 3);
}

#[tokio::test]
async fn a_deleted_client_is_gone_and_what_it_began_is_dead() {
    let bench = bench().await;
    let before = Call::get("/clients/app").to(&bench).await;
    Call::delete("/clients/app?reason=over")
        .to(&bench)
        .await
        .expect(204);
    Call::get("/clients/app").to(&bench).await.expect(404);
    assert_eq!(entry(&bench).await.0, Effect::Block);
    let event = bench.last_event().await;
    assert_eq!(event["event"], "client.deleted");
    assert_eq!(event["details"]["before"], before.body);
    assert!(event["details"].get("after").is_none());

    let again = made(&bench, &app()).await;
    assert_ne!(again.body["client"]["uid"], before.body["uid"]);
    assert!(matches!(entry(&bench).await.0, Effect::Lift(_)));
}

#[tokio::test]
async fn the_audiences_of_a_deleted_client_go_with_it() {
    let bench = bench().await;
    Call::delete("/clients/orders").to(&bench).await.expect(204);
    Call::get("/resource-servers/urn:orders")
        .to(&bench)
        .await
        .expect(404);
    let app = Call::get("/clients/app").to(&bench).await;
    assert_eq!(app.body["inactive_audiences"], json!(["urn:orders"]));
}
