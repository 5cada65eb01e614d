//! Requests, spread over the nodes.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, header};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use url::form_urlencoded;

use super::Harness;
use crate::fixtures::{PASSWORD, TestClient};
use crate::reply::Reply;

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Harness {
    /// The router whose turn it is.
    fn next_router(&self) -> Router {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        match &self.other {
            Some(other) if turn % 2 == 1 => other.router(),
            _ => self.router.clone(),
        }
    }

    /// Sends a request through the router.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self
            .next_router()
            .oneshot(request)
            .await
            .expect("the router is infallible");
        Reply::read(response).await
    }

    /// A form as `client`, sent by a task of its own, so that it can be held on its way, raced and aborted.
    pub fn spawn_post(&self, path: &str, client: &TestClient, form: &[(&str, &str)]) -> JoinHandle<Reply> {
        let answer = self.next_router().oneshot(post_request(path, client, form));
        tokio::spawn(async move { Reply::read(answer.await.expect("the router is infallible")).await })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    /// A form as `client`: by Basic where it has a secret, otherwise by `client_id` in the body.
    pub async fn post(&self, path: &str, client: &TestClient, form: &[(&str, &str)]) -> Reply {
        self.send(post_request(path, client, form)).await
    }

    /// The password grant for alice.
    pub async fn login(&self, client: &TestClient) -> Reply {
        self.login_as(client, &self.alice.name, PASSWORD, &[]).await
    }

    /// The password grant.
    pub async fn login_as(
        &self,
        client: &TestClient,
        name: &str,
        password: &str,
        more: &[(&str, &str)],
    ) -> Reply {
        let mut form = vec![
            ("grant_type", "password"),
            ("username", name),
            ("password", password),
        ];
        form.extend_from_slice(more);
        self.post("/oauth2/token", client, &form).await
    }

    /// The refresh grant.
    pub async fn refresh(&self, client: &TestClient, token: &str) -> Reply {
        self.post(
            "/oauth2/token",
            client,
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await
    }

    /// The client credentials grant.
    pub async fn client_credentials(&self, client: &TestClient) -> Reply {
        self.post("/oauth2/token", client, &[("grant_type", "client_credentials")])
            .await
    }

    /// Introspection by [`Harness::api`].
    pub async fn introspect(&self, token: &str) -> Reply {
        self.post("/oauth2/introspect", &self.api, &[("token", token)])
            .await
    }

    /// Whether [`Harness::api`] is told that the token is active.
    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await.ok()["active"] == true
    }

    /// Revocation.
    pub async fn revoke(&self, client: &TestClient, token: &str) -> Reply {
        self.post("/oauth2/revoke", client, &[("token", token)]).await
    }
}

/// A form request as `client`.
#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
pub fn post_request(path: &str, client: &TestClient, form: &[(&str, &str)]) -> Request<Body> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form);
    let mut request = Request::builder().method(Method::POST).uri(path);
    if client.secret.is_empty() {
        body.append_pair("client_id", &client.id);
    } else {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&client.id), encode(&client.secret));
        request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
    }
    request
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.finish()))
        .expect("a request")
}
