use axum::body::Body;
use http::Response;
use reqwest::{Certificate, Client, ClientBuilder};
use serde_json::Value;

use super::site::Server;
use crate::Reply;

/// A client as it authenticates: public where the secret is empty.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Its client id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl Credentials {
    /// From an object that the binary printed.
    ///
    /// # Panics
    /// It holds no client id.
    #[track_caller]
    pub fn of(printed: &Value) -> Self {
        let text = |member: &str| printed[member].as_str().unwrap_or_default().to_owned();
        let credentials = Self {
            id: text("client_id"),
            secret: text("client_secret"),
        };
        assert_ne!(credentials.id, "", "{printed}");
        credentials
    }
}

/// Calls a server over sockets.
#[derive(Clone, Debug)]
pub struct Remote {
    http: Client,
    ready: Value,
}

/// What HTTP clients in these tests have in common: no proxy, and no root certificate but the one given.
///
/// # Panics
/// The certificate is none.
#[expect(
    clippy::expect_used,
    reason = "test support: a bad certificate is a failed test"
)]
pub fn http_client(root: Option<&[u8]>) -> ClientBuilder {
    let root = root.map(|pem| Certificate::from_pem(pem).expect("a certificate"));
    Client::builder().no_proxy().tls_certs_only(root)
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Remote {
    /// Of a server that speaks plain HTTP.
    pub fn of(server: &Server) -> Self {
        Self::with(server, http_client(None))
    }

    /// With a client of one's own.
    pub fn with(server: &Server, http: ClientBuilder) -> Self {
        Self {
            http: http.build().expect("an HTTP client"),
            ready: server.ready.clone(),
        }
    }

    /// GET.
    pub async fn get(&self, url: &str) -> Reply {
        read(self.http.get(url).send().await.expect("an answer")).await
    }

    /// GET below the issuer's origin.
    pub async fn get_path(&self, path: &str) -> Reply {
        let mut url = url::Url::parse(self.endpoint("issuer")).expect("a URL");
        url.set_path(path);
        self.get(url.as_str()).await
    }

    /// Posts a form as this client to the endpoint of that name in the printed object.
    pub async fn post(&self, endpoint: &str, client: &Credentials, form: &[(&str, &str)]) -> Reply {
        read(
            self.request(endpoint, client, form)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    /// The request that [`Remote::post`] sends.
    pub fn request(
        &self,
        endpoint: &str,
        client: &Credentials,
        form: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let request = self.http.post(self.endpoint(endpoint));
        let mut form = form.to_vec();
        if client.secret.is_empty() {
            form.push(("client_id", &client.id));
            request.form(&form)
        } else {
            // What the binary prints needs no escaping, which RFC 6749 section 2.3.1 asks for.
            request.basic_auth(&client.id, Some(&client.secret)).form(&form)
        }
    }

    fn endpoint(&self, name: &str) -> &str {
        self.ready[name].as_str().expect("an endpoint")
    }

    /// The password grant.
    pub async fn login(&self, client: &Credentials, username: &str, password: &str) -> Reply {
        let form = [
            ("grant_type", "password"),
            ("username", username),
            ("password", password),
        ];
        self.post("token_endpoint", client, &form).await
    }

    /// The refresh grant.
    pub async fn refresh(&self, client: &Credentials, token: &str) -> Reply {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("token_endpoint", client, &form).await
    }

    /// Whether a resource server is told that the token is active.
    pub async fn is_active(&self, resource_server: &Credentials, token: &str) -> bool {
        let told = self
            .post("introspection_endpoint", resource_server, &[("token", token)])
            .await
            .ok();
        told["active"] == true
    }

    /// Revocation.
    pub async fn revoke(&self, client: &Credentials, token: &str) -> Reply {
        self.post("revocation_endpoint", client, &[("token", token)])
            .await
    }

    /// A metric by its name and labels as they are written; zero where it is not there.
    pub async fn metric(&self, name: &str) -> u64 {
        let value = self.sample(name).await;
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// A gauge that need not be a whole number, and need not be there.
    pub async fn gauge(&self, name: &str) -> Option<f64> {
        let value = self.sample(name).await?;
        Some(value.parse().expect("a number"))
    }

    async fn sample(&self, name: &str) -> Option<String> {
        let url = format!("{}/metrics", self.endpoint("management_url"));
        let text = self.get(&url).await.body;
        let text = String::from_utf8_lossy(&text);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(str::to_owned)
    }

    /// How many uses of refresh tokens ended so.
    pub async fn rotations(&self, outcome: &str) -> u64 {
        self.metric(&format!(
            "symbolon_refresh_rotations_total{{outcome=\"{outcome}\"}}"
        ))
        .await
    }
}

#[expect(
    clippy::expect_used,
    reason = "test support: a broken answer is a failed test"
)]
async fn read(response: reqwest::Response) -> Reply {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = response.status();
    *answer.version_mut() = response.version();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = response.bytes().await.expect("a whole body").into();
    Reply::read(answer).await
}
