//! What becomes of tokens while the feed is stale, for verifiers and for single scopes, and what the layer and the extractor
//! make of it.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use axum::{Extension, Router};
use symbolon_verifier::{
    AccessToken, BearerLayer, Builder, FetchError, Refused, Rejection, RevocationKind, ScopeSet, Verifier,
    WhenStale,
};
use tower::ServiceExt as _;

use super::block;
use super::publisher::{Publisher, Told, outcome, seconds};
use crate::support::SESSION;

const UNKNOWN: Option<Refused> = Some(Refused::RevocationUnknown);

fn scope(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

/// A verifier whose feed is stale, and a token for reading and writing orders.
async fn stale(publisher: &Publisher, settings: impl FnOnce(Builder) -> Builder) -> (Verifier, String) {
    let verifier = settings(publisher.builder()).build().await.unwrap();
    seconds(2).await;
    publisher.fail();
    publisher.shop().streams = false;
    publisher.end_streams();
    seconds(400).await;
    assert!(verifier.feed().unwrap().is_stale);
    (verifier, publisher.token())
}

async fn with_scope(verifier: &Verifier, token: &str, required: &str) -> Option<Refused> {
    verifier.verify_with_scope(token, &scope(required)).await.err()
}

#[tokio::test(start_paused = true)]
async fn the_issuer_says_how_old_it_may_be_unless_the_operator_does() {
    let publisher = Publisher::with_streams();
    let secs = std::time::Duration::from_secs;
    let strict = publisher.builder().max_stale(secs(30)).build().await.unwrap();
    let lax = publisher.builder().max_stale(secs(3000)).build().await.unwrap();
    let default = publisher.verifier().await;
    seconds(2).await;
    publisher.fail();
    publisher.shop().streams = false;
    publisher.end_streams();
    for (pause, [of_strict, of_default, of_lax]) in [
        (25, [false, false, false]),
        (10, [true, false, false]),
        (260, [true, false, false]),
        (10, [true, true, false]),
        (2700, [true, true, true]),
    ] {
        seconds(pause).await;
        for (verifier, stale) in [(&strict, of_strict), (&default, of_default), (&lax, of_lax)] {
            assert_eq!(verifier.feed().unwrap().is_stale, stale);
            let refused = outcome(verifier, &publisher.token()).await;
            assert_eq!(refused, stale.then_some(Refused::RevocationUnknown));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn accepted_where_that_is_wanted_and_told_of() {
    let publisher = Publisher::with_streams();
    let told = Told::default();
    let (verifier, token) = stale(&publisher, |builder| {
        builder.when_stale(WhenStale::Accept).metrics(told.clone())
    })
    .await;
    told.take();
    assert_eq!(outcome(&verifier, &token).await, None);
    assert_eq!(with_scope(&verifier, &token, "orders:read").await, None);
    assert_eq!(told.take(), ["accepted_stale", "accepted_stale"]);
    publisher.recover();
    publisher.revoke(block(RevocationKind::Session, SESSION));
    seconds(11).await;
    publisher.fail();
    seconds(400).await;
    assert_eq!(
        outcome(&verifier, &publisher.token()).await,
        Some(Refused::Revoked(RevocationKind::Session)),
        "what is known to be revoked is refused"
    );
}

/// A verifier that has read a snapshot, but no head yet, knows already what the snapshot revokes.
#[tokio::test(start_paused = true)]
async fn what_the_first_snapshot_revokes_is_not_accepted() {
    let publisher = Publisher::new();
    publisher.revoke(block(RevocationKind::Session, SESSION));
    publisher.answer(|_, path| (path == "/head").then_some(Err(FetchError::Status(503))));
    let builder = publisher.builder().when_stale(WhenStale::Accept);
    let verifier = builder.build().await.unwrap();
    assert!(verifier.feed().unwrap().is_stale);
    assert_eq!(
        outcome(&verifier, &publisher.token()).await,
        Some(Refused::Revoked(RevocationKind::Session))
    );
    let other = publisher.token_with(serde_json::json!({ "sid": null }));
    assert_eq!(outcome(&verifier, &other).await, None);
}

/// Nobody has to remember to ask again: a token that has the scope is refused where it was not said what is needed.
#[tokio::test(start_paused = true)]
async fn a_scope_may_be_stricter() {
    let publisher = Publisher::with_streams();
    let (verifier, token) = stale(&publisher, |builder| {
        let writing = scope("orders:write");
        builder
            .when_stale(WhenStale::Accept)
            .when_stale_for(&writing, WhenStale::Refuse)
    })
    .await;
    assert_eq!(outcome(&verifier, &token).await, UNKNOWN);
    assert_eq!(with_scope(&verifier, &token, "").await, UNKNOWN);
    assert_eq!(with_scope(&verifier, &token, "orders:read").await, None);
    assert_eq!(with_scope(&verifier, &token, "orders:write").await, UNKNOWN);
    assert_eq!(
        with_scope(&verifier, &token, "orders:read orders:write").await,
        UNKNOWN
    );
    let reader = publisher.token_with(serde_json::json!({ "scope": "orders:read" }));
    assert_eq!(outcome(&verifier, &reader).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_scope_may_be_laxer_where_it_is_what_is_needed() {
    let publisher = Publisher::with_streams();
    let (verifier, token) = stale(&publisher, |builder| {
        builder.when_stale_for(&scope("orders:read"), WhenStale::Accept)
    })
    .await;
    assert_eq!(outcome(&verifier, &token).await, UNKNOWN);
    assert_eq!(with_scope(&verifier, &token, "orders:read").await, None);
    assert_eq!(
        with_scope(&verifier, &token, "orders:read orders:write").await,
        UNKNOWN
    );
    let required = scope("orders:read payments");
    assert_eq!(
        verifier.verify_with_scope(&token, &required).await.unwrap_err(),
        Refused::InsufficientScope { required }
    );
}

/// `/read` and `/write` say in the layer what they need; `/handler` lets everything in that may read, and needs more.
fn router(verifier: &Verifier) -> Router {
    let layer = |text: &str| BearerLayer::new(verifier.clone()).require_scope(&scope(text));
    let ok = || async { "ok" };
    let handler = |Extension(token): Extension<AccessToken>| async move {
        token.require_scope(&scope("orders:write"))?;
        Ok::<_, Rejection>("ok")
    };
    let extractor = |_: AccessToken| async { "ok" };
    Router::new()
        .route("/read", get(ok).route_layer(layer("orders:read")))
        .route("/write", get(ok).route_layer(layer("orders:write")))
        .route("/handler", get(handler).route_layer(layer("orders:read")))
        .route("/any", get(ok).route_layer(BearerLayer::new(verifier.clone())))
        .route("/extractor", get(extractor))
        .with_state(verifier.clone())
}

async fn statuses(verifier: &Verifier, token: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for path in ["/read", "/write", "/handler", "/any", "/extractor"] {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        let response = router(verifier).oneshot(request).await.unwrap();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(response.headers()["retry-after"], "5");
        }
        statuses.push(response.status().as_u16());
    }
    statuses
}

#[tokio::test(start_paused = true)]
async fn layer_and_extractor_heed_the_policy_of_the_scope() {
    let strict = WhenStale::Refuse;
    let lax = WhenStale::Accept;
    let writing = scope("orders:write");
    let reading = scope("orders:read");
    type Settings = Box<dyn FnOnce(Builder) -> Builder>;
    let cases: [(Settings, [u16; 5]); 4] = [
        (Box::new(|builder| builder), [503; 5]),
        (Box::new(move |builder| builder.when_stale(lax)), [200; 5]),
        (
            Box::new(move |builder| builder.when_stale(lax).when_stale_for(&writing, strict)),
            [200, 503, 503, 503, 503],
        ),
        (
            Box::new(move |builder| builder.when_stale_for(&reading, lax)),
            [200, 503, 503, 503, 503],
        ),
    ];
    for (settings, expected) in cases {
        let publisher = Publisher::with_streams();
        let (verifier, token) = stale(&publisher, settings).await;
        assert_eq!(statuses(&verifier, &token).await, expected);
        publisher.recover();
        seconds(11).await;
        assert_eq!(statuses(&verifier, &token).await, [200; 5], "once it is fresh");
    }
}

/// What was verified while nobody could tell need not be verified again.
#[tokio::test(start_paused = true)]
async fn a_token_that_was_refused_for_the_feed_is_remembered() {
    #[derive(Clone, Default)]
    struct Cached(std::sync::Arc<std::sync::Mutex<Vec<bool>>>);
    impl symbolon_verifier::Metrics for Cached {
        fn accepted(&self, cached: bool) {
            self.0.lock().unwrap().push(cached);
        }
    }
    let (publisher, cached) = (Publisher::with_streams(), Cached::default());
    let (verifier, token) = stale(&publisher, |builder| builder.metrics(cached.clone())).await;
    assert_eq!(outcome(&verifier, &token).await, UNKNOWN);
    publisher.recover();
    seconds(11).await;
    assert_eq!(outcome(&verifier, &token).await, None);
    assert_eq!(*cached.0.lock().unwrap(), [true]);
}
