//! A resource server: `cargo run -p symbolon-verifier --example resource_server -- ISSUER AUDIENCE [ADDRESS]`.
//!
//! `GET /orders` needs the scope `orders:read`, `POST /orders` also `orders:write`; `GET /health` needs nothing, and
//! `GET /feed` says how far revocations are known. With the environment variables `CLIENT_ID` and `CLIENT_SECRET` the issuer
//! is told of that, too.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use symbolon_verifier::{AccessToken, BearerLayer, Rejection, ScopeSet, Verifier};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Orders {
    verifier: Verifier,
    writing: ScopeSet,
}

impl axum::extract::FromRef<Orders> for Verifier {
    fn from_ref(orders: &Orders) -> Self {
        orders.verifier.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: resource_server ISSUER AUDIENCE [ADDRESS]".into());
    };
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8481".to_owned());

    let mut builder = Verifier::builder(issuer, audience);
    if let (Ok(id), Ok(secret)) = (std::env::var("CLIENT_ID"), std::env::var("CLIENT_SECRET")) {
        builder = builder.report_as(format!("resource-server:{address}"), &id, &secret);
    }
    let verifier = builder.build().await?;
    println!("{} keys of the issuer are known", verifier.keys_known());

    let reading = BearerLayer::new(verifier.clone()).require_scope(&"orders:read".parse()?);
    let router = Router::new()
        .route("/orders", get(list).post(create))
        .route_layer(reading)
        .route("/health", get(health))
        .route("/feed", get(feed))
        .with_state(Orders {
            verifier,
            writing: "orders:write".parse()?,
        });
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, router).await?;
    Ok(())
}

async fn list(token: AccessToken) -> String {
    format!("the orders of {}, through {}\n", token.subject, token.client_id)
}

async fn create(State(orders): State<Orders>, token: AccessToken) -> Result<StatusCode, Rejection> {
    token.require_scope(&orders.writing)?;
    Ok(StatusCode::CREATED)
}

/// Without keys, and while nobody can tell what was revoked, every token is refused with 503.
async fn health(State(verifier): State<Verifier>) -> StatusCode {
    let is_stale = verifier.feed().is_none_or(|feed| feed.is_stale);
    match verifier.keys_known() {
        0 => StatusCode::SERVICE_UNAVAILABLE,
        _ if is_stale => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

async fn feed(State(verifier): State<Verifier>) -> String {
    match verifier.feed() {
        Some(feed) => format!(
            "entry {} of log {:?}, {:?} old, by {:?}\n",
            feed.seq, feed.log, feed.age, feed.following
        ),
        None => "no feed is followed\n".to_owned(),
    }
}
