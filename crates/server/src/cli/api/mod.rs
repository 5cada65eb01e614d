//! How commands reach the admin API: over HTTP with a stored login, or, with `--offline`, in this process on the database
//! itself. Commands can't tell the one from the other.

mod login_file;
mod remote;

use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use symbolon_admin_api::{PREFIX, Problem, ProblemKind};
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
}

impl Call {
    /// A request for the path below the prefix of the API, whose parts are given unencoded.
    pub(super) fn new(method: Method, parts: &[&str]) -> Self {
        Self {
            method,
            path: path(parts),
            query: Vec::new(),
            body: None,
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

    /// Sends a request.
    ///
    /// # Errors
    /// [`CliError`]: it was refused, or nothing is known of what came of it, which the text says.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, CliError> {
        let (status, bytes) = self.exchange(&call).await?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|_| not_ours(status))?
        };
        Ok(Answer { body })
    }

    /// The same where the answer is text.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(super) async fn send_for_text(&self, call: Call) -> Result<String, CliError> {
        let (status, bytes) = self.exchange(&call).await?;
        String::from_utf8(bytes).map_err(|_| not_ours(status))
    }

    async fn exchange(&self, call: &Call) -> Result<Raw, CliError> {
        let (status, bytes) = match &self.transport {
            Transport::Local(router) => local(router, call).await?,
            Transport::Remote(remote) => remote.send(call).await?,
        };
        if status.is_success() {
            Ok((status, bytes))
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
}

type Raw = (StatusCode, Vec<u8>);

async fn local(router: &axum::Router, call: &Call) -> Result<Raw, CliError> {
    let broken = |error: &dyn std::fmt::Display| {
        CliError::failed(
            format_args!("the request could not be made: {error}"),
            "report this as a fault",
        )
    };
    let mut request = Request::builder().method(call.method.clone()).uri(call.target());
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
    let collected = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let bytes = collected.map_err(|error| broken(&error))?.to_bytes().to_vec();
    Ok((status, bytes))
}

/// The error that a problem document stands for.
fn refusal(status: StatusCode, bytes: &[u8]) -> CliError {
    let Ok(problem) = serde_json::from_slice::<Problem>(bytes) else {
        return not_ours(status);
    };
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT if problem.is(ProblemKind::Taken) => ErrorKind::Taken,
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
