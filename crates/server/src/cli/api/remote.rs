//! The admin API of a running server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use symbolon_admin_api::{Access, PREFIX};
use symbolon_core::rights::ADMIN_AUDIENCE;
use tokio::sync::Mutex;

use super::super::error::{CliError, ErrorKind};
use super::login_file::{Login, SecretMethod};
use super::stream::Lines;
use super::{Call, MAX_ANSWER, Raw, version};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for an answer: the server's own bound on a request may be ten minutes.
const ANSWER: Duration = Duration::from_secs(660);
/// Longest time that a stream lasts: the server ends it after a quarter of an hour.
const STREAM: Duration = Duration::from_secs(20 * 60);
/// Longest answer that is read of the token endpoint and of what is open to everybody, in bytes.
const MAX_SMALL: usize = 64 * 1024;

/// A running server, and the client that commands act as there.
#[derive(Clone)]
pub(in crate::cli) struct Remote {
    /// For https, through the proxy that the environment names: it sees a tunnel.
    http: Client,
    /// For plain http, which goes through no proxy: that would see what is sent.
    direct: Client,
    server: Url,
    login: Arc<Login>,
    token: Arc<Mutex<Option<SecretString>>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("server", &self.server.as_str())
            .finish_non_exhaustive()
    }
}

/// How a request came to the server.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Route {
    /// Who the connection was to: the server, or a proxy in front of it.
    pub(in crate::cli) peer: Option<SocketAddr>,
    /// What the server calls the request in its log and on the audit trail.
    pub(in crate::cli) request_id: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// Why an answer never came.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An answer that holds no token.
struct Refusal {
    status: StatusCode,
    /// What is said of it, where that is understood.
    why: Option<TokenRefusal>,
}

impl Refusal {
    /// Whether the client may be one that has to send its secret in another way: servers do not tell.
    fn may_be_the_method(&self) -> bool {
        self.why.as_ref().is_some_and(|why| why.error == "invalid_client")
    }
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Remote {
    /// The server of that login. Nothing is sent yet.
    ///
    /// # Errors
    /// The URL is none that secrets may be sent to, or the certificates can't be read.
    pub(in crate::cli) fn new(login: Login) -> Result<Self, CliError> {
        Self::through(client(), login)
    }

    /// The same without the proxy that the environment names.
    ///
    /// # Errors
    /// As [`Remote::new`].
    pub(in crate::cli) fn without_proxy(login: Login) -> Result<Self, CliError> {
        Self::through(client().no_proxy(), login)
    }

    fn through(mut http: ClientBuilder, login: Login) -> Result<Self, CliError> {
        let server = secure_url(&login.server)?;
        if let Some(path) = &login.ca_file {
            let unusable = |error: &dyn std::fmt::Display| {
                CliError::refused(
                    format_args!("the certificates in {} can't be used: {error}", path.display()),
                    "give --ca-file a file in PEM",
                )
            };
            let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
            for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))? {
                http = http.add_root_certificate(certificate);
            }
        }
        let no_client =
            |error| CliError::failed(format_args!("no HTTP client: {error}"), "report this as a fault");
        Ok(Self {
            http: http.build().map_err(no_client)?,
            direct: client().no_proxy().build().map_err(no_client)?,
            server,
            login: Arc::new(login),
            token: Arc::default(),
        })
    }

    /// The login that commands go by.
    pub(super) fn login(&self) -> Arc<Login> {
        self.login.clone()
    }

    /// Asks the server where its tokens come from and gets one, to see that the login is good and how the client may send
    /// its secret; returns the login as it is to be stored.
    ///
    /// # Errors
    /// The server can't be reached, or refuses it.
    pub(in crate::cli) async fn check(mut self) -> Result<Login, CliError> {
        let mut login = (*self.login).clone();
        login.token_endpoint = self.token_endpoint().await?;
        self.login = Arc::new(login.clone());
        let mut asked = self.ask_token(&[]).await?;
        if asked.as_ref().is_err_and(Refusal::may_be_the_method) {
            login.auth_method = SecretMethod::Post;
            self.login = Arc::new(login);
            asked = self.ask_token(&[]).await?;
        }
        asked.map_err(|refusal| self.refused(&refusal))?;
        Ok((*self.login).clone())
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let http = if url.scheme() == "https" {
            &self.http
        } else {
            &self.direct
        };
        http.request(method, url)
    }

    pub(super) async fn send(&self, call: &Call) -> Result<Raw, CliError> {
        let response = self.respond(call, ANSWER).await?;
        self.read(call, response, MAX_ANSWER).await
    }

    /// Sends a request whose answer goes on, and returns what begins it.
    pub(super) async fn open(&self, call: &Call) -> Result<Result<Lines, Raw>, CliError> {
        let response = self.respond(call, STREAM).await?;
        if response.status().is_success() {
            return Ok(Ok(Lines::of(response)));
        }
        self.read(call, response, MAX_SMALL).await.map(Err)
    }

    async fn read(&self, call: &Call, response: Response, limit: usize) -> Result<Raw, CliError> {
        let (status, version) = (response.status(), version(response.headers()));
        let bytes = collect(response, limit)
            .await
            .map_err(|error| self.unreachable(&error, !call.method.is_safe()))?;
        Ok(Raw {
            status,
            version,
            bytes,
        })
    }

    /// What is answered within that time, its body included.
    async fn respond(&self, call: &Call, within: Duration) -> Result<Response, CliError> {
        let (token, is_new) = self.token().await?;
        let response = self.respond_as(call, within, &token).await?;
        if is_new || response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        *self.token.lock().await = None;
        let (token, _) = self.token().await?;
        self.respond_as(call, within, &token).await
    }

    async fn respond_as(
        &self,
        call: &Call,
        within: Duration,
        token: &SecretString,
    ) -> Result<Response, CliError> {
        let url = self
            .server
            .join(&call.target())
            .map_err(|error| CliError::failed(format_args!("no URL: {error}"), "report this as a fault"))?;
        let mut request = self
            .request(call.method.clone(), url)
            .timeout(within)
            .bearer_auth(token.expose_secret());
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, call.content_type())
                .body(body.0.clone());
        }
        if let Some((name, value)) = &call.condition {
            request = request.header(name, value);
        }
        let sent = request.send().await;
        sent.map_err(|error| self.unreachable(&error, !call.method.is_safe()))
    }

    /// The token of this process, and whether it was asked for just now.
    async fn token(&self) -> Result<(SecretString, bool), CliError> {
        let mut token = self.token.lock().await;
        if let Some(token) = &*token {
            return Ok((token.clone(), false));
        }
        let (new, _) = self.log_in(&[]).await?;
        *token = Some(new.clone());
        Ok((new, true))
    }

    /// What the server says of it. It is asked when a login is stored, and never again: a secret that was given for one
    /// place goes to no other.
    async fn token_endpoint(&self) -> Result<String, CliError> {
        let target = format!("{PREFIX}/access");
        let url = self
            .server
            .join(&target)
            .map_err(|error| self.unreachable(&error, false))?;
        let asked = self.small(self.request(Method::GET, url)).await;
        let (status, _, bytes) = asked.map_err(|error| self.unreachable(&*error, false))?;
        let access: Option<Access> = serde_json::from_slice(&bytes).ok();
        match access.filter(|_| status.is_success()) {
            Some(access) => Ok(access.token_endpoint),
            None => Err(CliError::failed(
                format_args!("{} is no admin API of Symbolon ({status})", self.server),
                "give --server the URL of the server's `admin.listen`",
            )),
        }
    }

    /// Gets a token by a request that claims to be forwarded for another address, and says how the request came there.
    ///
    /// # Errors
    /// As those of commands.
    pub(in crate::cli) async fn log_in_as_if_from(&self, address: IpAddr) -> Result<Route, CliError> {
        let forwarded = [
            ("x-forwarded-for", address.to_string()),
            ("forwarded", format!("for={address}")),
        ];
        let (token, route) = self.log_in(&forwarded).await?;
        *self.token.lock().await = Some(token);
        Ok(route)
    }

    async fn log_in(&self, headers: &[(&str, String)]) -> Result<(SecretString, Route), CliError> {
        let asked = self.ask_token(headers).await?;
        asked.map_err(|refusal| self.refused(&refusal))
    }

    /// Asks for a token, in the way that the login says.
    ///
    /// # Errors
    /// There is no answer; the refusal stands in the answer.
    async fn ask_token(
        &self,
        headers: &[(&str, String)],
    ) -> Result<Result<(SecretString, Route), Refusal>, CliError> {
        let login = &*self.login;
        let endpoint = secure_url(&login.token_endpoint)?;
        let (id, secret) = (login.client_id.as_str(), login.client_secret.expose_secret());
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("resource", ADMIN_AUDIENCE),
            ("scope", login.scope.as_str()),
        ];
        let mut request = self.request(Method::POST, endpoint.clone());
        match login.auth_method {
            SecretMethod::Basic => request = request.basic_auth(encoded(id), Some(encoded(secret))),
            SecretMethod::Post => form.extend([("client_id", id), ("client_secret", secret)]),
        }
        request = request.form(&form);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let asked = self.small(request).await;
        let (status, route, bytes) = asked.map_err(|error| token_endpoint_silent(&endpoint, &*error))?;
        if status.is_success()
            && let Ok(token) = serde_json::from_slice::<Token>(&bytes)
        {
            return Ok(Ok((token.access_token.into(), route)));
        }
        let why = serde_json::from_slice(&bytes).ok();
        Ok(Err(Refusal { status, why }))
    }

    fn refused(&self, refusal: &Refusal) -> CliError {
        let (what, remedy) = match &refusal.why {
            Some(why) if why.error == "invalid_scope" => (
                why.error_description.as_str(),
                "give `symbolon login` a --scope for each scope that the client has: without it every admin scope is asked for",
            ),
            Some(why) => (
                if why.error_description.is_empty() {
                    why.error.as_str()
                } else {
                    why.error_description.as_str()
                },
                "see that the client exists, is enabled, may use client_credentials for the audience urn:symbolon:admin, and \
                 that the secret is live; then run `symbolon login` again",
            ),
            None => ("its answer is not understood", "see the server's log"),
        };
        CliError::new(
            ErrorKind::Denied,
            format_args!(
                "no token for client {} ({}): {what}",
                self.login.client_id, refusal.status
            ),
            remedy,
        )
    }

    /// A short answer.
    async fn small(&self, request: RequestBuilder) -> Result<(StatusCode, Route, Vec<u8>), Cause> {
        let response = request.send().await?;
        let status = response.status();
        let id = response.headers().get("x-request-id");
        let route = Route {
            peer: response.remote_addr(),
            request_id: id.and_then(|id| Some(id.to_str().ok()?.to_owned())),
        };
        let bytes = collect(response, MAX_SMALL).await?;
        Ok((status, route, bytes))
    }

    fn unreachable(&self, error: &dyn std::error::Error, is_change: bool) -> CliError {
        let causes = causes(error);
        let remedy = if is_change {
            "whether the change was made is not known: look before you try again; --offline works on the database itself"
        } else {
            "see that it runs and that --server is right; --offline works on the database itself"
        };
        CliError::failed(format_args!("{} does not answer: {causes}", self.server), remedy)
    }
}

/// The text of an error with those of its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let mut causes = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push_str(&format!(": {next}"));
        cause = next.source();
    }
    causes
}

fn token_endpoint_silent(endpoint: &Url, error: &dyn std::error::Error) -> CliError {
    let causes = causes(error);
    CliError::failed(
        format_args!(
            "the token endpoint {endpoint} does not answer, where commands get their tokens: {causes}"
        ),
        "see that the server runs, and that the address of its `issuer` leads to `server.listen` from here; where the issuer \
         has changed, run `symbolon login` again; --offline works on the database itself",
    )
}

/// As the header wants both parts of the credentials.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn client() -> ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .redirect(reqwest::redirect::Policy::none())
}

/// A body of at most so many bytes.
async fn collect(mut response: Response, limit: usize) -> Result<Vec<u8>, std::io::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(std::io::Error::other)? {
        if bytes.len() + chunk.len() > limit {
            return Err(std::io::Error::other("the answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A URL that secrets may be sent to: https, or plain http on this machine.
fn secure_url(text: &str) -> Result<Url, CliError> {
    let refused = |what: &str| {
        CliError::refused(
            format_args!("{text} {what}"),
            "give an https URL, or a plain one on loopback such as http://127.0.0.1:8082",
        )
    };
    let url = Url::parse(text).map_err(|error| refused(&format!("is no URL: {error}")))?;
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err(refused("would send the client's secret in plain text")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use axum::Json;
    use axum::extract::State;
    use axum::routing::{get, post};
    use http::HeaderMap;
    use serde_json::{Value, json};
    use symbolon_core::user::ADMIN_SCOPES;
    use tokio::net::TcpListener;

    use super::*;

    /// A server that each of its tokens is good for so many requests at.
    struct Miser {
        good_for: usize,
        given: AtomicUsize,
        left: AtomicUsize,
    }

    impl Miser {
        async fn give(State(miser): State<Arc<Self>>) -> Json<Value> {
            miser.left.store(miser.good_for, Relaxed);
            let number = miser.given.fetch_add(1, Relaxed) + 1;
            Json(json!({ "access_token": format!("t{number}") }))
        }

        async fn admit(State(miser): State<Arc<Self>>, headers: HeaderMap) -> StatusCode {
            let good = format!("Bearer t{}", miser.given.load(Relaxed));
            let less = |left: usize| left.checked_sub(1);
            if headers["authorization"] == *good && miser.left.fetch_update(Relaxed, Relaxed, less).is_ok() {
                StatusCode::NO_CONTENT
            } else {
                StatusCode::UNAUTHORIZED
            }
        }

        async fn serve(good_for: usize) -> (Remote, Arc<Self>) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = format!("http://{}", listener.local_addr().unwrap());
            let miser = Arc::new(Self {
                good_for,
                given: AtomicUsize::new(0),
                left: AtomicUsize::new(0),
            });
            let router = axum::Router::new()
                .route("/token", post(Self::give))
                .route("/admin/v1/users", get(Self::admit))
                .with_state(miser.clone());
            tokio::spawn(async move { axum::serve(listener, router).await });
            let login = Login {
                token_endpoint: format!("{server}/token"),
                server,
                client_id: "admin".to_owned(),
                client_secret: "sbs_secret".to_owned().into(),
                auth_method: SecretMethod::Basic,
                scope: "a".to_owned(),
                ca_file: None,
            };
            (Remote::new(login).unwrap(), miser)
        }
    }

    #[tokio::test]
    async fn a_token_that_ends_in_the_middle_is_replaced_once() {
        let call = Call::new(Method::GET, &["users"]);
        let (remote, miser) = Miser::serve(3).await;
        for _ in 0..9 {
            assert_eq!(remote.send(&call).await.unwrap().status, StatusCode::NO_CONTENT);
        }
        assert_eq!(miser.given.load(Relaxed), 3);

        // Where a new one is no good either, it is not for want of a token.
        let (remote, miser) = Miser::serve(0).await;
        for given in [1, 2] {
            assert_eq!(remote.send(&call).await.unwrap().status, StatusCode::UNAUTHORIZED);
            assert_eq!(miser.given.load(Relaxed), given);
        }
    }

    /// A token endpoint that takes a secret in one way only, and gives one scope.
    async fn narrow(method: SecretMethod, scope: &str) -> Login {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = format!("{server}/token");
        let access = json!({ "issuer": server, "token_endpoint": endpoint, "resource": "r", "scope": "s" });
        let give = move |headers: HeaderMap, body: String| async move {
            let form: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect();
            // "a b" and "s%", encoded as section 2.3.1 of RFC 6749 wants it.
            let is_good = match method {
                SecretMethod::Basic => {
                    let header = headers.get("authorization").map(|value| value.to_str().unwrap());
                    header == Some("Basic YStiOnMlMjU=") && !form.contains_key("client_secret")
                }
                SecretMethod::Post => {
                    !headers.contains_key("authorization")
                        && form["client_id"] == "a b"
                        && form["client_secret"] == "s%"
                }
            };
            match (is_good, form["scope"].as_str()) {
                (false, _) => (
                    StatusCode::UNAUTHORIZED,
                    Json(json!({ "error": "invalid_client" })),
                ),
                (true, "sessions:read") => (StatusCode::OK, Json(json!({ "access_token": "t" }))),
                (true, _) => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_scope" }))),
            }
        };
        let router = axum::Router::new()
            .route("/token", post(give))
            .route("/admin/v1/access", get(|| async { Json(access) }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Login {
            token_endpoint: String::new(),
            server,
            client_id: "a b".to_owned(),
            client_secret: "s%".to_owned().into(),
            auth_method: SecretMethod::default(),
            scope: scope.to_owned(),
            ca_file: None,
        }
    }

    #[tokio::test]
    async fn a_login_finds_out_how_the_client_may_send_its_secret() {
        for method in [SecretMethod::Basic, SecretMethod::Post] {
            let login = narrow(method, "sessions:read").await;
            let stored = Remote::new(login).unwrap().check().await.unwrap();
            assert_eq!(stored.auth_method, method);
            // What is stored is enough for the commands that follow.
            assert!(Remote::new(stored).unwrap().log_in(&[]).await.is_ok());

            let greedy = narrow(method, &ADMIN_SCOPES.join(" ")).await;
            let refused = Remote::new(greedy).unwrap().check().await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Denied);
            assert!(refused.to_string().contains("--scope"), "{refused}");

            let mut wrong = narrow(method, "sessions:read").await;
            wrong.client_secret = "other".to_owned().into();
            let refused = Remote::new(wrong).unwrap().check().await.unwrap_err();
            assert!(refused.to_string().contains("(401 Unauthorized)"), "{refused}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_named_with_its_setting() {
        let (mut remote, _) = Miser::serve(1).await;
        // No port that another test is given.
        let gone = "http://127.0.0.1:1".to_owned();
        let call = Call::new(Method::GET, &["users"]);
        let mut login = (*remote.login).clone();
        login.token_endpoint = format!("{gone}/token");
        remote.login = Arc::new(login.clone());
        let error = remote.send(&call).await.err().unwrap().to_string();
        let said = format!("the token endpoint {gone}/token does not answer");
        assert!(error.starts_with(&said) && error.contains("`issuer`"), "{error}");

        login.server = gone.clone();
        let error = Remote::new(login)
            .unwrap()
            .check()
            .await
            .err()
            .unwrap()
            .to_string();
        let said = format!("{gone}/ does not answer");
        assert!(error.starts_with(&said) && error.contains("--server"), "{error}");
    }

    /// The environment belongs to the process: another one runs the test above, and would fail where the proxy is asked.
    #[test]
    fn plain_http_goes_through_no_proxy() {
        let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", proxy.local_addr().unwrap());
        std::thread::spawn(move || proxy.incoming().for_each(drop));
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
        tests.args([
            "--exact",
            &format!("{module}::a_token_that_ends_in_the_middle_is_replaced_once"),
        ]);
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            tests.env(name, &url);
        }
        let ran = tests
            .env_remove("no_proxy")
            .env_remove("NO_PROXY")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn secrets_go_over_tls_or_stay_on_the_machine() {
        for good in [
            "https://a.example",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost:1",
        ] {
            assert!(secure_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "nonsense",
            "http://localhost.evil",
        ] {
            assert!(secure_url(bad).is_err(), "{bad}");
        }
    }
}
