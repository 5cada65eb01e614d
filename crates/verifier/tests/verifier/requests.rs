//! What a client sees: the layer and the extractor.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRef;
use axum::http::{Request, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde_json::json;
use symbolon_verifier::{
    AccessToken, BearerLayer, Fetch, FetchError, Fetching, Rejection, ScopeSet, Verifier,
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use url::Url;

use crate::support::{AUDIENCE, ISSUER, NOW, claims_with, es256, sign, token, verifier};

#[derive(Clone)]
struct State(Verifier);

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

fn router(verifier: Verifier) -> Router {
    let scope = |text: &str| text.parse::<ScopeSet>().unwrap();
    let writing = BearerLayer::new(verifier.clone()).require_scope(&scope("orders:write"));
    let all = writing.clone().require_scope(&scope("orders:delete orders:read"));
    let of = |Extension(token): Extension<AccessToken>| async move { token.client_id.clone() };
    Router::new()
        .route(
            "/extractor",
            get(|token: AccessToken| async move { token.client_id.clone() }),
        )
        .route(
            "/scoped",
            get(|token: AccessToken| async move {
                token.require_scope(&"orders:delete".parse().unwrap())?;
                Ok::<_, Rejection>("deleted")
            }),
        )
        .route("/layer", get(of).post(of).route_layer(writing))
        .route("/all", post(of).route_layer(all))
        .with_state(State(verifier))
}

async fn ask(verifier: &Verifier, request: Request<Body>) -> Response<Body> {
    router(verifier.clone()).oneshot(request).await.unwrap()
}

fn request(path: &str, authorization: &[&str]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    request.body(Body::empty()).unwrap()
}

fn challenge(response: &Response<Body>) -> &str {
    response.headers()["www-authenticate"].to_str().unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn lets_good_tokens_through() {
    let verifier = verifier(&[es256()]);
    for path in ["/extractor", "/layer"] {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let response = ask(
                &verifier,
                request(path, &[&format!("{scheme} {}", token(es256()))]),
            )
            .await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(text(response).await, "shop");
        }
    }
}

#[tokio::test]
async fn asks_for_a_token_where_there_is_none() {
    let verifier = verifier(&[es256()]);
    for path in ["/extractor", "/layer"] {
        for authorization in [&[][..], &["Basic YTpi"]] {
            let response = ask(&verifier, request(path, authorization)).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(challenge(&response), r#"Bearer realm="https://api.example""#);
        }
    }
}

/// RFC 6750 sections 2.2 and 2.3 are not implemented, on purpose.
#[tokio::test]
async fn does_not_look_at_query_and_body() {
    let verifier = verifier(&[es256()]);
    let query = format!("/layer?access_token={}", token(es256()));
    assert_eq!(
        ask(&verifier, request(&query, &[])).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let form = Request::post("/layer")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("access_token={}", token(es256()))))
        .unwrap();
    assert_eq!(ask(&verifier, form).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refuses_more_than_one_credential() {
    let verifier = verifier(&[es256()]);
    let good = format!("Bearer {}", token(es256()));
    for path in ["/extractor", "/layer"] {
        for authorization in [
            &[&*good, &*good][..],
            &["Basic YTpi", &good],
            &["Bearer"],
            &["Bearer a b"],
        ] {
            let response = ask(&verifier, request(path, authorization)).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            assert_eq!(
                challenge(&response),
                r#"Bearer realm="https://api.example", error="invalid_request""#
            );
        }
    }
}

#[tokio::test]
async fn says_no_more_than_the_code() {
    let verifier = verifier(&[es256()]);
    let expired = sign(es256(), &claims_with(json!({ "exp": NOW - 100 })));
    for bad in [&*expired, "x", "a.b.c"] {
        for path in ["/extractor", "/layer"] {
            let response = ask(&verifier, request(path, &[&format!("Bearer {bad}")])).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(
                challenge(&response),
                r#"Bearer realm="https://api.example", error="invalid_token""#
            );
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(text(response).await, "");
        }
    }
}

#[tokio::test]
async fn requires_every_scope() {
    let verifier = verifier(&[es256()]);
    let good = format!("Bearer {}", token(es256()));
    let response = ask(&verifier, request("/scoped", &[&good])).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        challenge(&response),
        r#"Bearer realm="https://api.example", error="insufficient_scope", scope="orders:delete""#
    );
    let all = Request::post("/all")
        .header("authorization", &good)
        .body(Body::empty())
        .unwrap();
    let response = ask(&verifier, all).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(challenge(&response).ends_with(r#"scope="orders:delete orders:read orders:write""#));
    let reader = sign(es256(), &claims_with(json!({ "scope": "orders:read" })));
    let response = ask(&verifier, request("/layer", &[&format!("Bearer {reader}")])).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

/// Never answers.
struct Down;

impl Fetch for Down {
    fn get<'a>(&'a self, _: &'a Url, _: usize) -> Fetching<'a> {
        Box::pin(async { Err(FetchError::Status(503)) })
    }
}

#[tokio::test]
async fn without_keys_the_fault_is_not_the_clients() {
    let verifier = Verifier::builder(ISSUER, AUDIENCE)
        .fetch(Down)
        .build()
        .await
        .unwrap();
    for path in ["/extractor", "/layer"] {
        let response = ask(&verifier, request(path, &[&format!("Bearer {}", token(es256()))])).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "5");
        assert!(!response.headers().contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn the_layer_is_no_friend_of_axum_alone() {
    let inner = service_fn(|request: Request<()>| async move {
        let token = request.extensions().get::<AccessToken>().unwrap();
        Ok::<_, Infallible>(Response::new(token.claims().subject.to_string()))
    });
    let service = BearerLayer::new(verifier(&[es256()])).layer(inner);
    let with = |value: String| {
        Request::builder()
            .header("authorization", value)
            .body(())
            .unwrap()
    };
    let good = service
        .clone()
        .oneshot(with(format!("Bearer {}", token(es256()))))
        .await
        .unwrap();
    assert_eq!(good.body(), crate::support::SUBJECT);
    let bad = service.oneshot(with("Bearer x".into())).await.unwrap();
    assert_eq!(
        (bad.status(), bad.body().as_str()),
        (StatusCode::UNAUTHORIZED, "")
    );
}
