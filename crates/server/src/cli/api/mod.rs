//! How commands reach the admin API: over HTTP with a stored login, or, with `--offline`, in this process on the database
//! itself. Commands can't tell the one from the other.

mod login_file;
mod remote;

use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use symbolon_admin_api::{PREFIX, Page, Problem};
use tower::ServiceExt as _;

use super::error::{CliError, ErrorKind};

pub use login_file::{LOGIN_FILE, store_dev_login};
pub(super) use login_file::{Login, Logins, default_path};
pub(super) use remote::Remote;

/// The admin API, wherever it is.
#[derive(Clone, Debug)]
pub struct Connection {
    transport: Transport,
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
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    expected: Option<String>,
    key: Option<String>,
}

impl Call {
    /// A request for the path below the prefix of the API, whose parts are given unencoded.
    pub(super) fn new(method: Method, parts: &[&str]) -> Self {
        Self {
            method,
            path: path(parts),
            query: Vec::new(),
            body: None,
            expected: None,
            key: None,
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

    /// With that body; a merge patch where the method is PATCH.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub(super) fn body(self, body: &impl Serialize) -> Result<Self, CliError> {
        let value = serde_json::to_value(body).map_err(|error| {
            CliError::failed(format_args!("the request is no JSON: {error}"), "report this")
        })?;
        Ok(Self {
            body: Some(value),
            ..self
        })
    }

    /// On condition that the record is still at that version.
    pub(super) fn expecting(self, version: Option<String>) -> Self {
        Self {
            expected: version,
            ..self
        }
    }

    /// With a key by which a repeated request is known.
    pub(super) fn once(self, key: impl ToString) -> Self {
        Self {
            key: Some(key.to_string()),
            ..self
        }
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
    /// The status: 200 to 299.
    pub(super) status: StatusCode,
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
        serde_json::from_value(self.body).map_err(|error| {
            CliError::failed(
                format_args!("the server's answer is not understood: {error}"),
                "use a `symbolon` of the server's version",
            )
        })
    }
}

impl Connection {
    /// The API in this process.
    pub fn local(router: axum::Router) -> Self {
        Self {
            transport: Transport::Local(router),
        }
    }

    /// The API of a running server.
    pub(super) fn remote(remote: Remote) -> Self {
        Self {
            transport: Transport::Remote(remote),
        }
    }

    /// Whether it is that of a running server.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.transport, Transport::Remote(_))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`CliError`]: it was refused, or nothing is known of what came of it, which the text says.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, CliError> {
        let (status, version, bytes) = self.exchange(&call).await?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|_| not_ours(status))?
        };
        Ok(Answer {
            status,
            version,
            body,
        })
    }

    /// The same where the answer is text.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) async fn send_for_text(&self, call: Call) -> Result<String, CliError> {
        let (status, _, bytes) = self.exchange(&call).await?;
        String::from_utf8(bytes).map_err(|_| not_ours(status))
    }

    async fn exchange(&self, call: &Call) -> Result<Raw, CliError> {
        let (status, version, bytes) = match &self.transport {
            Transport::Local(router) => local(router, call).await?,
            Transport::Remote(remote) => remote.send(call).await?,
        };
        if status.is_success() {
            Ok((status, version, bytes))
        } else {
            Err(refusal(status, &bytes))
        }
    }

    /// Reads a record or a list.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) async fn read<T: DeserializeOwned>(&self, parts: &[&str]) -> Result<T, CliError> {
        self.send(Call::new(Method::GET, parts)).await?.read()
    }

    /// Reads every page of a list.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) async fn read_all<T: DeserializeOwned>(&self, call: Call) -> Result<Vec<T>, CliError> {
        let (mut items, mut next) = (Vec::new(), None);
        loop {
            let asked = call.clone().with("limit", 500).with_some("after", next.as_ref());
            let page: Page<T> = self.send(asked).await?.read()?;
            items.extend(page.items);
            next = page.next;
            if next.is_none() {
                return Ok(items);
            }
        }
    }
}

type Raw = (StatusCode, Option<String>, Vec<u8>);

async fn local(router: &axum::Router, call: &Call) -> Result<Raw, CliError> {
    let broken = |error: &dyn std::fmt::Display| {
        CliError::failed(
            format_args!("the request could not be made: {error}"),
            "report this as a fault",
        )
    };
    let mut request = Request::builder().method(call.method.clone()).uri(call.target());
    if let Some(expected) = &call.expected {
        request = request.header(IF_MATCH, expected);
    }
    if let Some(key) = &call.key {
        request = request.header("idempotency-key", key);
    }
    let body = match &call.body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, call.content_type());
            axum::body::Body::from(body.to_string())
        }
        None => axum::body::Body::empty(),
    };
    let request = request.body(body).map_err(|error| broken(&error))?;
    let Ok(response) = router.clone().oneshot(request).await;
    let status = response.status();
    let version = version(response.headers().get(ETAG));
    let collected = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let bytes = collected.map_err(|error| broken(&error))?.to_bytes().to_vec();
    Ok((status, version, bytes))
}

fn version(tag: Option<&HeaderValue>) -> Option<String> {
    Some(tag?.to_str().ok()?.to_owned())
}

/// The error that a problem document stands for.
fn refusal(status: StatusCode, bytes: &[u8]) -> CliError {
    let Ok(problem) = serde_json::from_slice::<Problem>(bytes) else {
        return not_ours(status);
    };
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT => ErrorKind::Taken,
        StatusCode::PRECONDITION_FAILED => ErrorKind::Stale,
        status if status.is_client_error() => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    };
    let remedy = match kind {
        ErrorKind::Denied => "see docs/admin.md for the scope that each command needs, and `symbolon login`",
        _ => "",
    };
    CliError::new(kind, problem.detail, remedy)
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
}
