use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use symbolon_core::RequestInfo;
use symbolon_core::audit::{Counted, EventKind, Outcome};
use symbolon_core::revocation::Reach;
use symbolon_oauth_types::feed::paths;
use symbolon_oauth_types::{Form, GrantRequest, IntrospectionResponse, RequestError, TokenResponse};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::client_auth::AuthenticatedClient;
use crate::grant::Context;
use crate::{Service, TokenError};

/// Routes `token`, `introspect` and `revoke` below `<issuer path>/oauth2`, and what verifiers report beside the revocation
/// feed. All take POST only. Scripts of registered origins may call token and revoke; the others are for resource servers
/// and have no CORS.
pub fn router(service: Arc<Service>, issuer_path: &str) -> Router {
    let open = Router::new()
        .route(&format!("{issuer_path}/oauth2/token"), post(token))
        .route(&format!("{issuer_path}/oauth2/revoke"), post(revoke))
        .layer(cors(&service));
    Router::new()
        .route(&format!("{issuer_path}/oauth2/introspect"), post(introspect))
        .route(
            &format!("{issuer_path}/revocations{}", paths::EVIDENCE),
            post(evidence),
        )
        .merge(open)
        .with_state(service)
}

fn cors(service: &Service) -> CorsLayer {
    let allows = service.parts.allows_origin.clone();
    let origin = AllowOrigin::predicate(move |origin, _| origin.to_str().is_ok_and(|origin| allows(origin)));
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE])
        .max_age(std::time::Duration::from_secs(600))
}

async fn token(State(service): State<Arc<Service>>, request: Request) -> Response {
    let mut answer = Exchange::begin(&service, TOKEN, &request);
    let result = answer.token(request).await;
    answer.finish(result, |granted: &TokenResponse| Ok(granted.to_json()))
}

async fn introspect(State(service): State<Arc<Service>>, request: Request) -> Response {
    let mut answer = Exchange::begin(&service, "introspect", &request);
    let result = answer.introspect(request).await;
    answer.finish(result, |found: &IntrospectionResponse| serde_json::to_vec(found))
}

async fn evidence(State(service): State<Arc<Service>>, request: Request) -> Response {
    let mut answer = Exchange::begin(&service, EVIDENCE, &request);
    let result = answer.evidence(request).await;
    let taken = result.is_ok();
    let mut response = answer.finish(result, |()| Ok(Vec::new()));
    if taken {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

/// The endpoint that verifiers report to, as logs, metrics and the audit trail name it.
const EVIDENCE: &str = "evidence";
/// The token endpoint, likewise.
pub(crate) const TOKEN: &str = "token";
/// The outcome of a request that was answered.
const OK: &str = "ok";

async fn revoke(State(service): State<Arc<Service>>, request: Request) -> Response {
    let mut answer = Exchange::begin(&service, "revoke", &request);
    let result = answer.revoke(request).await;
    let logged = matches!(result, Ok(Reach::Logged));
    let mut response = answer.finish(result, |reach| match reach {
        Reach::Everywhere => Ok(Vec::new()),
        Reach::Logged => Ok(NOT_YET_EVERYWHERE.as_bytes().to_vec()),
    });
    if logged {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response
}

/// The body of a 202: what is missing, and that nothing has to be done.
const NOT_YET_EVERYWHERE: &str = r#"{"status":"logged","detail":"the revocation is on record; a node that can't read the revocation log at present may accept the token until it can, or until the token expires"}"#;

/// One request and what is said of it in the log: one line, whatever its outcome. A client that hangs up drops the
/// handler where it stands, behind a commit perhaps: then [`Drop`] has the last word.
struct Exchange<'a> {
    service: &'a Service,
    endpoint: &'static str,
    grant: &'static str,
    info: RequestInfo,
    client: Option<AuthenticatedClient>,
    started: std::time::Duration,
    told: bool,
}

impl<'a> Exchange<'a> {
    fn begin(service: &'a Service, endpoint: &'static str, request: &Request) -> Self {
        let clock = &service.parts.clock;
        let unknown = || RequestInfo {
            id: uuid::Uuid::nil(),
            received: clock.now(),
            address: None,
        };
        let info = request
            .extensions()
            .get::<RequestInfo>()
            .copied()
            .unwrap_or_else(unknown);
        Self {
            service,
            endpoint,
            grant: "none",
            info,
            client: None,
            started: clock.monotonic(),
            told: false,
        }
    }

    async fn token(&mut self, request: Request) -> Result<TokenResponse, TokenError> {
        let (parts, body) = self.read(request).await?;
        let form = Form::parse(&body)?;
        let client = self.authenticate(&parts.headers, &form).await?;
        let request = GrantRequest::from_form(&form)?;
        self.grant = match &request {
            GrantRequest::ClientCredentials { .. } => "client_credentials",
            GrantRequest::Password { .. } => "password",
            GrantRequest::RefreshToken { .. } => "refresh_token",
            GrantRequest::Unsupported => "unsupported",
        };
        let user_agent = user_agent(&parts.headers);
        self.service
            .redeem(
                request,
                &Context {
                    client: &client,
                    request: self.info,
                    user_agent,
                },
            )
            .await
    }

    async fn introspect(&mut self, request: Request) -> Result<IntrospectionResponse, TokenError> {
        let (parts, body) = self.read(request).await?;
        let form = Form::parse(&body)?;
        let caller = self.authenticate(&parts.headers, &form).await?;
        let token = form.value("token").ok_or(RequestError::Missing("token"))?;
        self.service.introspect(token, &caller).await
    }

    async fn evidence(&mut self, request: Request) -> Result<(), TokenError> {
        let (parts, body) = self.read(request).await?;
        let form = Form::parse(&body)?;
        let caller = self.authenticate(&parts.headers, &form).await?;
        self.service.report(&form, &caller, self.info.received)
    }

    async fn revoke(&mut self, request: Request) -> Result<Reach, TokenError> {
        let (parts, body) = self.read(request).await?;
        let form = Form::parse(&body)?;
        let client = self.authenticate(&parts.headers, &form).await?;
        let token = form.value("token").ok_or(RequestError::Missing("token"))?;
        self.service.revoke(token, client.client(), &self.info).await
    }

    async fn authenticate(
        &mut self,
        headers: &HeaderMap,
        form: &Form<'_>,
    ) -> Result<AuthenticatedClient, TokenError> {
        let client = self.service.authenticate(headers, form, &self.info).await?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// The head and the whole body, within the bound, where it is a form and nothing stands in the query string.
    async fn read(&self, request: Request) -> Result<(Parts, Bytes), TokenError> {
        let (parts, body) = request.into_parts();
        if parts.uri.query().is_some_and(has_parameter) {
            return Err(TokenError::InQuery);
        }
        let content_type = parts
            .headers
            .get(CONTENT_TYPE)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        let essence = content_type
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if !essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(TokenError::ContentType);
        }
        let limit = self.service.parts.max_body_bytes;
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                TokenError::BodyTooLarge
            } else {
                TokenError::BodyUnreadable
            }
        })?;
        Ok((parts, body.to_bytes()))
    }

    fn finish<T>(
        mut self,
        result: Result<T, TokenError>,
        body: fn(&T) -> serde_json::Result<Vec<u8>>,
    ) -> Response {
        let outcome = result.as_ref().map_or_else(TokenError::reason, |_| OK);
        self.tell(result.as_ref().err(), outcome);
        match result {
            Ok(granted) => match body(&granted) {
                Ok(json) => success(json),
                Err(_) => failure(&TokenError::Seal),
            },
            Err(error) => failure(&error),
        }
    }

    /// Counts the request and writes its line.
    fn tell(&mut self, error: Option<&TokenError>, outcome: &'static str) {
        self.told = true;
        let parts = &self.service.parts;
        let took = parts.clock.monotonic().saturating_sub(self.started);
        parts.metrics.request(self.endpoint, self.grant, outcome, took);
        self.count(error, outcome);
        let client_id = self
            .client
            .as_ref()
            .map(|client| client.client().client_id.as_str());
        let (endpoint, grant, request_id) = (self.endpoint, self.grant, self.info.id);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match error {
            Some(error) if error.is_fault() => {
                tracing::error!(%request_id, endpoint, grant, client_id, outcome, %error, micros, "request failed");
            }
            // Every few seconds, from every verifier.
            None if endpoint == EVIDENCE => {
                tracing::debug!(%request_id, endpoint, grant, client_id, outcome, micros, "request");
            }
            _ => tracing::info!(%request_id, endpoint, grant, client_id, outcome, micros, "request"),
        }
    }

    /// Counts what belongs on the audit trail: tokens that were issued, and every refusal.
    fn count(&self, error: Option<&TokenError>, outcome: &'static str) {
        let (kind, outcome) = match error {
            Some(error) => (EventKind::TokenRefused, Outcome::Refused(error.reason())),
            None if self.endpoint == TOKEN && outcome == OK => (EventKind::TokenIssued, Outcome::Done),
            None => return,
        };
        self.service.parts.audit.count(Counted {
            kind,
            outcome,
            client: self.client.as_ref().map(AuthenticatedClient::client),
            endpoint: self.endpoint,
            grant: self.grant,
        });
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.tell(None, "abandoned");
        }
    }
}

/// Whether a query string carries anything that belongs in the body (RFC 6749 sections 2.3.1 and 3.2).
fn has_parameter(query: &str) -> bool {
    const OURS: [&str; 12] = [
        "client_assertion",
        "client_id",
        "client_secret",
        "code",
        "grant_type",
        "password",
        "refresh_token",
        "resource",
        "scope",
        "token",
        "token_type_hint",
        "username",
    ];
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        // What is percent-encoded hides something.
        name.contains('%') || OURS.contains(&name)
    })
}

/// What the client software calls itself, cut at 200 characters.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(200).collect())
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"symbolon\", charset=\"UTF-8\"");

fn success(json: Vec<u8>) -> Response {
    let empty = json.is_empty();
    let mut response = Response::new(Body::from(json));
    no_store(response.headers_mut());
    if !empty {
        response.headers_mut().insert(CONTENT_TYPE, JSON);
    }
    response
}

fn failure(error: &TokenError) -> Response {
    let body = serde_json::to_vec(&error.response()).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    no_store(headers);
    headers.insert(CONTENT_TYPE, JSON);
    if error.status() == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// RFC 6749 section 5.1: neither tokens nor errors are kept by anything on the way.
fn no_store(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(PRAGMA, NO_CACHE);
}
