//! How commands reach the admin API: over HTTP with a stored login, or, with `--offline`, in this process on the database
//! itself. Commands can't tell the one from the other.

mod login_file;
mod remote;
mod stream;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use symbolon_admin_api::{PREFIX, Problem, ProblemKind};
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use super::error::{CliError, ErrorKind};
use super::output::quoted;

pub use login_file::{LOGIN_FILE, has_dev_login, store_dev_login};
pub(super) use login_file::{Login, Logins, SecretMethod, default_path};
pub(super) use remote::{Remote, Route};
pub(super) use stream::Lines;

/// The admin API, wherever it is.
#[derive(Clone, Debug)]
pub struct Connection {
    transport: Transport,
    /// The stored login that commands go by; nothing where it is whoever runs this process.
    login: Option<Arc<Login>>,
}

#[derive(Clone, Debug)]
enum Transport {
    Local(axum::Router),
    Remote(Remote),
}

/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    /// A part of the path that would lead to something else.
    astray: Option<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Body>,
    fields: Vec<(&'static str, String)>,
    condition: Option<(HeaderName, String)>,
}

/// A body as it is sent. It may hold a secret: `Debug` shows nothing of it, and it is wiped when it is dropped.
#[derive(Clone)]
struct Body(Bytes);

impl Body {
    fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        let mut count = Count(0);
        serde_json::to_writer(&mut count, value)?;
        // All of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(count.0));
        serde_json::to_writer(&mut *text, value)?;
        Ok(Self(Bytes::from_owner(text)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// Counts what is written to it.
struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Call {
    /// A request for the path below the prefix of the API, whose parts are given unencoded.
    pub(super) fn new(method: Method, parts: &[&str]) -> Self {
        Self {
            method,
            path: path(parts),
            astray: parts
                .iter()
                .find(|part| leads_astray(part))
                .map(ToString::to_string),
            query: Vec::new(),
            body: None,
            fields: Vec::new(),
            condition: None,
        }
    }

    /// With that parameter.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With that parameter, where there is a value.
    pub(super) fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// On condition that the record is still at that version.
    pub(super) fn expecting(self, version: Option<String>) -> Self {
        Self {
            condition: version.map(|version| (IF_MATCH, version)),
            ..self
        }
    }

    /// On condition that there is no such record yet, where that is meant.
    pub(super) fn if_new(self, is_new: bool) -> Self {
        if !is_new {
            return self;
        }
        let condition = Some((IF_NONE_MATCH, "*".to_owned()));
        Self { condition, ..self }.naming("If-None-Match", "--new")
    }

    fn makes_new(&self) -> bool {
        matches!(&self.condition, Some((name, _)) if *name == IF_NONE_MATCH)
    }

    /// With another name for a field of the body, by which errors call it.
    pub(super) fn naming(mut self, field: &'static str, name: impl Into<String>) -> Self {
        self.fields.push((field, name.into()));
        self
    }

    /// With that body; a merge patch where the method is PATCH.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub(super) fn body(self, body: &impl Serialize) -> Result<Self, CliError> {
        let body = Body::of(body).map_err(|error| {
            CliError::failed(format_args!("the request is no JSON: {error}"), "report this")
        })?;
        Ok(Self {
            body: Some(body),
            ..self
        })
    }

    /// What a problem says, in the words of the command line.
    fn told(&self, problem: Problem) -> String {
        let renamed = self.fields.iter().find_map(|(field, name)| {
            let rule = problem.detail.strip_prefix(field)?.strip_prefix(": ")?;
            Some(format!("{name}: {rule}"))
        });
        renamed.unwrap_or(problem.detail)
    }

    fn target(&self) -> String {
        let mut target = format!("{PREFIX}{}", self.path);
        if !self.query.is_empty() {
            let mut pairs = url::form_urlencoded::Serializer::new(String::new());
            pairs.extend_pairs(&self.query);
            target.push('?');
            target.push_str(&pairs.finish());
        }
        target
    }

    fn content_type(&self) -> &'static str {
        if self.method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        }
    }
}

/// Whether a part would be dropped from a path, or be changed in it, whatever its encoding
/// ([RFC 3986 section 5.2.4](https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4)).
fn leads_astray(part: &str) -> bool {
    ["", ".", ".."].contains(&part) || part.contains(char::is_control)
}

/// The parts of a path, each percent-encoded.
fn path(parts: &[&str]) -> String {
    let mut url = url::Url::parse("http://localhost").unwrap_or_else(|_| unreachable_url());
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(parts);
    }
    url.path().to_owned()
}

#[expect(clippy::panic, reason = "the text is a constant")]
fn unreachable_url() -> url::Url {
    panic!("a constant that is a URL")
}

/// What came of a request that was not refused.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The record's version, as `If-Match` takes it.
    pub(super) version: Option<String>,
    /// The body; null where there is none.
    pub(super) body: Value,
}

impl Answer {
    /// The body as what it is known to be.
    ///
    /// # Errors
    /// It is something else: the server is of another version.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, CliError> {
        serde_json::from_value(self.body).map_err(not_understood)
    }
}

impl Connection {
    /// The API in this process.
    pub fn local(router: axum::Router) -> Self {
        Self {
            transport: Transport::Local(router),
            login: None,
        }
    }

    /// The API of a running server.
    pub(super) fn remote(remote: Remote) -> Self {
        Self {
            login: Some(remote.login()),
            transport: Transport::Remote(remote),
        }
    }

    /// The same, as if commands went by that login.
    #[cfg(test)]
    pub(super) fn logged_in(self, login: Login) -> Self {
        let login = Some(Arc::new(login));
        Self { login, ..self }
    }

    /// The stored login that commands go by; nothing where it is whoever runs this process.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_deref()
    }

    /// The client that commands act as; nothing where it is whoever runs this process.
    pub(super) fn client_id(&self) -> Option<&str> {
        self.login().map(|login| login.client_id.as_str())
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`CliError`]: it was refused, or nothing is known of what came of it, which the text says.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, CliError> {
        let Raw {
            status,
            version,
            bytes,
        } = self.exchange(&call).await?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|_| not_ours(status))?
        };
        Ok(Answer { version, body })
    }

    /// The same where the answer is text.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) async fn send_for_text(&self, call: Call) -> Result<String, CliError> {
        let Raw { status, bytes, .. } = self.exchange(&call).await?;
        String::from_utf8(bytes).map_err(|_| not_ours(status))
    }

    /// Sends a request whose answer goes on.
    ///
    /// # Errors
    /// As [`Connection::send`]; in this process nothing goes on.
    pub(super) async fn open(&self, call: &Call) -> Result<Lines, CliError> {
        let opened = match &self.transport {
            Transport::Local(router) => Err(local(router, call).await?),
            Transport::Remote(remote) => remote.open(call).await?,
        };
        opened.map_err(|raw| refusal(call, raw.status, &raw.bytes))
    }

    /// Why a request that takes `dry_run` would be refused, where it would be. Nothing is changed.
    ///
    /// # Errors
    /// The server can't say so, or does not let this caller ask.
    pub(super) async fn refusal_of(&self, call: Call) -> Result<Option<Problem>, CliError> {
        let call = call.with("dry_run", true);
        let Raw { status, bytes, .. } = self.answer(&call).await?;
        if status.is_success() {
            return Ok(None);
        }
        let is_about_it = |problem: &Problem| {
            status.is_client_error()
                && status != StatusCode::UNAUTHORIZED
                && !problem.is(ProblemKind::InsufficientScope)
        };
        let problem = serde_json::from_slice(&bytes).ok().filter(is_about_it);
        match problem {
            Some(problem) => Ok(Some(problem)),
            None => Err(refusal(&call, status, &bytes)),
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Raw, CliError> {
        let raw = self.answer(call).await?;
        if raw.status.is_success() {
            Ok(raw)
        } else {
            Err(refusal(call, raw.status, &raw.bytes))
        }
    }

    async fn answer(&self, call: &Call) -> Result<Raw, CliError> {
        if let Some(part) = &call.astray {
            return Err(CliError::refused(
                format_args!("{} can't stand in a path", quoted(part)),
                "name it by its uid, if it has one",
            ));
        }
        match &self.transport {
            Transport::Local(router) => local(router, call).await,
            Transport::Remote(remote) => remote.send(call).await,
        }
    }

    /// Reads a record or a list.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) async fn read<T: DeserializeOwned>(&self, parts: &[&str]) -> Result<T, CliError> {
        self.send(Call::new(Method::GET, parts)).await?.read()
    }
}

/// An answer as it came.
struct Raw {
    status: StatusCode,
    version: Option<String>,
    bytes: Vec<u8>,
}

/// The record's version in that answer.
fn version(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(ETAG)?.to_str().ok()?.to_owned())
}

async fn local(router: &axum::Router, call: &Call) -> Result<Raw, CliError> {
    let broken = |error: &dyn std::fmt::Display| {
        CliError::failed(
            format_args!("the request could not be made: {error}"),
            "report this as a fault",
        )
    };
    let mut request = Request::builder().method(call.method.clone()).uri(call.target());
    if let Some((name, value)) = &call.condition {
        request = request.header(name, value);
    }
    let body = match &call.body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, call.content_type());
            axum::body::Body::from(body.0.clone())
        }
        None => axum::body::Body::empty(),
    };
    let request = request.body(body).map_err(|error| broken(&error))?;
    let Ok(response) = router.clone().oneshot(request).await;
    let (status, version) = (response.status(), version(response.headers()));
    let collected = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let bytes = collected.map_err(|error| broken(&error))?.to_bytes().to_vec();
    Ok(Raw {
        status,
        version,
        bytes,
    })
}

/// The error that a problem document stands for.
fn refusal(call: &Call, status: StatusCode, bytes: &[u8]) -> CliError {
    let Ok(problem) = serde_json::from_slice::<Problem>(bytes) else {
        return not_ours(status);
    };
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT if problem.is(ProblemKind::Taken) => ErrorKind::Taken,
        StatusCode::PRECONDITION_FAILED if call.makes_new() => ErrorKind::Taken,
        StatusCode::PRECONDITION_FAILED => ErrorKind::Stale,
        status if status.is_client_error() => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    };
    let remedy = match kind {
        ErrorKind::Denied => "see docs/admin.md for the scope that each command needs, and `symbolon login`",
        _ => "",
    };
    CliError::new(kind, call.told(problem), remedy)
}

/// The error where an answer is something else than it is known to be.
pub(super) fn not_understood(error: serde_json::Error) -> CliError {
    CliError::failed(
        format_args!("the server's answer is not understood: {error}"),
        "use a `symbolon` of the server's version",
    )
}

fn not_ours(status: StatusCode) -> CliError {
    CliError::failed(
        format_args!("the server answered {status}, and not as the admin API does"),
        "see that the server's URL is that of `admin.listen`, and what stands between",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_path_and_every_parameter_is_encoded() {
        let call = Call::new(Method::GET, &["resource-servers", "https://a.example/b?c"])
            .with("prefix", "a&b=c d")
            .with_some("after", None::<String>);
        assert_eq!(
            call.target(),
            "/admin/v1/resource-servers/https:%2F%2Fa.example%2Fb%3Fc?prefix=a%26b%3Dc+d"
        );
        assert_eq!(path(&["users", "../keys"]), "/users/..%2Fkeys");
    }

    #[test]
    fn a_body_is_not_shown() {
        let call = Call::new(Method::POST, &["users"])
            .body(&serde_json::json!({ "password": "secret \"1\"" }))
            .unwrap();
        assert_eq!(call.body.as_ref().unwrap().0, r#"{"password":"secret \"1\""}"#);
        assert!(!format!("{call:?}").contains("secret"), "{call:?}");
    }

    #[test]
    fn fields_are_called_as_the_command_line_calls_them() {
        let call = Call::new(Method::POST, &["keys", "import"]).naming("alg", "--alg");
        let said = |field, rule| {
            let problem = serde_json::to_vec(&Problem::invalid(field, rule)).unwrap();
            refusal(&call, StatusCode::UNPROCESSABLE_ENTITY, &problem).to_string()
        };
        assert_eq!(said("alg", "it is unknown"), "--alg: it is unknown");
        assert_eq!(said("algs", "it is unknown"), "algs: it is unknown");
    }
}
