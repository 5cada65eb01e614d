//! The admin API of a running server.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use symbolon_admin_api::{Access, PREFIX};
use tokio::sync::OnceCell;

use super::super::error::{CliError, ErrorKind};
use super::login_file::Login;
use super::{Call, MAX_ANSWER, Raw};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for an answer: the server's own bound on a request may be ten minutes.
const ANSWER: Duration = Duration::from_secs(660);
/// Longest answer that is read of the token endpoint and of what is open to everybody, in bytes.
const MAX_SMALL: usize = 64 * 1024;

/// A running server, and the client that commands act as there.
#[derive(Clone)]
pub(in crate::cli) struct Remote {
    http: Client,
    server: Url,
    login: Arc<Login>,
    token: Arc<OnceCell<SecretString>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("server", &self.server.as_str())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
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
        let server = secure_url(&login.server)?;
        let mut http = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none());
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
        let http = http.build().map_err(|error| {
            CliError::failed(format_args!("no HTTP client: {error}"), "report this as a fault")
        })?;
        Ok(Self {
            http,
            server,
            login: Arc::new(login),
            token: Arc::default(),
        })
    }

    /// Gets a token, to see that the login is good.
    ///
    /// # Errors
    /// The server can't be reached, or refuses it.
    pub(in crate::cli) async fn check(&self) -> Result<(), CliError> {
        self.token().await.map(drop)
    }

    pub(super) async fn send(&self, call: &Call) -> Result<Raw, CliError> {
        let token = self.token().await?;
        let url = self
            .server
            .join(&call.target())
            .map_err(|error| CliError::failed(format_args!("no URL: {error}"), "report this as a fault"))?;
        let mut request = self
            .http
            .request(call.method.clone(), url)
            .bearer_auth(token.expose_secret());
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, call.content_type())
                .body(body.0.clone());
        }
        let is_change = !call.method.is_safe();
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error, is_change))?;
        let status = response.status();
        let bytes = collect(response, MAX_ANSWER)
            .await
            .map_err(|error| self.unreachable(&error, is_change))?;
        Ok((status, bytes))
    }

    /// The token of this process, asked for once.
    async fn token(&self) -> Result<&SecretString, CliError> {
        self.token.get_or_try_init(|| self.log_in()).await
    }

    async fn log_in(&self) -> Result<SecretString, CliError> {
        let target = format!("{PREFIX}/access");
        let url = self
            .server
            .join(&target)
            .map_err(|error| self.unreachable(&error, false))?;
        let (status, bytes) = self.small(self.http.get(url)).await?;
        let access: Option<Access> = serde_json::from_slice(&bytes).ok();
        let Some(access) = access.filter(|_| status.is_success()) else {
            return Err(CliError::failed(
                format_args!("{} is no admin API of Symbolon ({status})", self.server),
                "give --server the URL of the server's `admin.listen`",
            ));
        };
        let endpoint = secure_url(&access.token_endpoint)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("resource", access.resource.as_str()),
            ("scope", self.login.scope.as_str()),
            ("client_id", self.login.client_id.as_str()),
            ("client_secret", self.login.client_secret.expose_secret()),
        ];
        let (status, bytes) = self.small(self.http.post(endpoint).form(&form)).await?;
        if status.is_success()
            && let Ok(token) = serde_json::from_slice::<Token>(&bytes)
        {
            return Ok(token.access_token.into());
        }
        let why = serde_json::from_slice::<TokenRefusal>(&bytes);
        let (what, remedy) = match &why {
            Ok(refusal) if refusal.error == "invalid_scope" => (
                refusal.error_description.as_str(),
                "give `symbolon login --scope` what the client may have",
            ),
            Ok(refusal) => (
                if refusal.error_description.is_empty() {
                    refusal.error.as_str()
                } else {
                    refusal.error_description.as_str()
                },
                "see that the client exists, is enabled, authenticates with client_secret_post, and that the secret is \
                 live; then run `symbolon login` again",
            ),
            Err(_) => ("its answer is not understood", "see the server's log"),
        };
        Err(CliError::new(
            ErrorKind::Denied,
            format_args!("no token for client {} ({status}): {what}", self.login.client_id),
            remedy,
        ))
    }

    async fn small(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), CliError> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error, false))?;
        let status = response.status();
        let bytes = collect(response, MAX_SMALL)
            .await
            .map_err(|error| self.unreachable(&error, false))?;
        Ok((status, bytes))
    }

    fn unreachable(&self, error: &dyn std::error::Error, is_change: bool) -> CliError {
        let mut causes = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            causes.push_str(&format!(": {next}"));
            cause = next.source();
        }
        let remedy = if is_change {
            "whether the change was made is not known: look before you try again; --offline works on the database itself"
        } else {
            "see that it runs and that --server is right; --offline works on the database itself"
        };
        CliError::failed(format_args!("{} does not answer: {causes}", self.server), remedy)
    }
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
    use super::*;

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
