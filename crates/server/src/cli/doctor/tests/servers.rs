//! Servers to be asked over HTTP, and what is found of them.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Check, Outcome};

/// Serves until the test ends.
pub(in crate::cli::doctor) async fn serve(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// An address at which nobody answers.
pub(in crate::cli::doctor) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Answers so at that path.
pub(in crate::cli::doctor) fn answering(path: &'static str, status: u16, text: String) -> Router {
    let status = StatusCode::from_u16(status).unwrap();
    Router::new().route(path, get(move || async move { (status, text) }))
}

#[track_caller]
pub(in crate::cli::doctor) fn assert(check: &Check, outcome: Outcome, says: &str) {
    assert_eq!(check.outcome, outcome, "{check:?}");
    assert!(check.detail.contains(says), "{check:?}");
}
