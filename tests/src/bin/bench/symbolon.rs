//! Symbolon as a client sees it: the development server's start, and the requests that are measured.

use std::borrow::Cow;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::connection::Connection;
use crate::endpoint::{Endpoint, basic};
use crate::process::{Cores, Server};

/// What `symbolon serve --dev --json` prints when it is ready. Secrets are there on the first start only.
#[derive(Deserialize)]
pub(crate) struct Ready {
    pub(crate) token_endpoint: Endpoint,
    pub(crate) issuer: String,
    pub(crate) introspection_endpoint: Endpoint,
    pub(crate) revocation_endpoint: Endpoint,
    pub(crate) jwks_uri: Endpoint,
    pub(crate) user: User,
    pub(crate) confidential_client: Client,
    pub(crate) resource_server: ResourceServer,
}

#[derive(Deserialize)]
pub(crate) struct User {
    username: String,
    password: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Client {
    client_id: String,
    client_secret: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ResourceServer {
    #[serde(flatten)]
    client: Client,
    pub(crate) audience: String,
}

/// Starts the server of this build on a free port of 127.0.0.1 with one worker thread and its data in `data`.
///
/// # Errors
/// As [`Server::start`].
pub(crate) fn start(cores: &Cores, data: &Path) -> anyhow::Result<(Server, Ready)> {
    let mut command = Command::new(sibling("symbolon")?);
    command
        .args([
            "serve",
            "--dev",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(data.join("symbolon"))
        .env("SYMBOLON_SERVER_WORKER_THREADS", "1");
    Server::start(command, cores, &data.join("symbolon.log"))
}

/// The path of another program of the same build.
///
/// # Errors
/// If it was not built.
pub(crate) fn sibling(name: &str) -> anyhow::Result<std::path::PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.is_file() {
        bail!(
            "{} is not there: start this by `cargo xtask bench`",
            path.display()
        );
    }
    Ok(path)
}

/// The token requests of the development server's user and confidential client.
#[derive(Clone)]
pub(crate) struct TokenRequests {
    endpoint: Endpoint,
    authorization: String,
    username: String,
    password: String,
    audience: String,
}

impl TokenRequests {
    /// # Errors
    /// If `ready` holds no secrets, as on a second start.
    pub(crate) fn new(ready: &Ready) -> anyhow::Result<Self> {
        Ok(Self {
            endpoint: ready.token_endpoint.clone(),
            authorization: ready.confidential_client.authorization()?,
            username: ready.user.username.clone(),
            password: ready
                .user
                .password
                .clone()
                .context("the server printed no password")?,
            audience: ready.resource_server.audience.clone(),
        })
    }

    /// The same requests to the server that `ready` describes.
    pub(crate) fn moved_to(mut self, ready: &Ready) -> Self {
        self.endpoint = ready.token_endpoint.clone();
        self
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn client_credentials(&self) -> Vec<u8> {
        self.client_credentials_to(&self.endpoint)
    }

    /// The same request to another server.
    pub(crate) fn client_credentials_to(&self, endpoint: &Endpoint) -> Vec<u8> {
        endpoint.post(&self.authorization, &[("grant_type", "client_credentials")])
    }

    /// A login for an access token that the resource server accepts.
    pub(crate) fn password(&self) -> Vec<u8> {
        self.post(&[
            ("grant_type", "password"),
            ("username", &self.username),
            ("password", &self.password),
            ("resource", &self.audience),
        ])
    }

    /// The revocation of a token there.
    pub(crate) fn revocation(&self, endpoint: &Endpoint, token: &str) -> Vec<u8> {
        endpoint.post(&self.authorization, &[("token", token)])
    }

    pub(crate) fn refresh(&self, refresh_token: &str) -> Vec<u8> {
        self.post(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    fn post(&self, fields: &[(&str, &str)]) -> Vec<u8> {
        self.endpoint.post(&self.authorization, fields)
    }

    /// Logs in so many times, one after the other.
    pub(crate) async fn log_in_often(&self, times: u32) -> anyhow::Result<Vec<Session>> {
        let mut sessions = Vec::new();
        for _ in 0..times {
            sessions.push(self.log_in().await?);
        }
        Ok(sessions)
    }

    /// Logs in once.
    pub(crate) async fn log_in(&self) -> anyhow::Result<Session> {
        let mut connection = Connection::open(self.endpoint.address).await?;
        let body = connection
            .exchange(&self.password())
            .await?
            .ok()
            .context("login")?;
        let tokens = Tokens::parse(body)?;
        Ok(Session {
            access_token: tokens.access_token.into_owned(),
            refresh_token: tokens
                .refresh_token
                .context("the login brought no refresh token")?
                .into_owned(),
        })
    }
}

impl Client {
    fn authorization(&self) -> anyhow::Result<String> {
        let secret = self
            .client_secret
            .as_deref()
            .context("the server printed no client secret")?;
        Ok(basic(&self.client_id, secret))
    }
}

impl Ready {
    /// The introspection of `access_token` by the resource server.
    pub(crate) fn introspection(&self, access_token: &str) -> anyhow::Result<Vec<u8>> {
        let authorization = self.resource_server.client.authorization()?;
        Ok(self
            .introspection_endpoint
            .post(&authorization, &[("token", access_token)]))
    }
}

/// One login and the refresh token it has come to.
pub(crate) struct Session {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl Session {
    /// Goes on with the refresh token in the `body` of a refresh.
    ///
    /// # Errors
    /// If it is no token response, or brings no new refresh token: rotation is what is measured.
    pub(crate) fn advance(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let successor = Tokens::parse(body)?
            .refresh_token
            .context("the refresh brought no refresh token")?;
        ensure!(
            successor != self.refresh_token,
            "the refresh brought the same refresh token"
        );
        self.refresh_token.clear();
        self.refresh_token.push_str(&successor);
        Ok(())
    }
}

/// The tokens in a token response.
#[derive(Deserialize)]
pub(crate) struct Tokens<'a> {
    #[serde(borrow)]
    pub(crate) access_token: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) refresh_token: Option<Cow<'a, str>>,
}

impl<'a> Tokens<'a> {
    /// # Errors
    /// If `body` is no token response.
    pub(crate) fn parse(body: &'a [u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(body).context("not a token response")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_development_server_prints() {
        let text = r#"{
            "issuer": "http://127.0.0.1:1", "token_endpoint": "http://127.0.0.1:1/oauth2/token",
            "introspection_endpoint": "http://127.0.0.1:1/oauth2/introspect",
            "revocation_endpoint": "http://127.0.0.1:1/oauth2/revoke",
            "jwks_uri": "http://127.0.0.1:1/.well-known/jwks.json", "management_url": "http://127.0.0.1:2",
            "user": {"username": "u", "password": "p"},
            "confidential_client": {"client_id": "c", "client_secret": "s"},
            "public_client": {"client_id": "d"},
            "resource_server": {"client_id": "r", "client_secret": "t", "audience": "https://api.example"}
        }"#;
        let ready: Ready = serde_json::from_str(text).unwrap();
        let requests = TokenRequests::new(&ready).unwrap();
        let login = String::from_utf8(requests.password()).unwrap();
        assert!(login.contains(&basic("c", "s")), "{login}");
        assert!(
            login.ends_with("username=u&password=p&resource=https%3A%2F%2Fapi.example"),
            "{login}"
        );
        let introspection = String::from_utf8(ready.introspection("x").unwrap()).unwrap();
        assert!(introspection.contains(&basic("r", "t")), "{introspection}");

        let again: Ready = serde_json::from_str(&text.replace("\"p\"", "null")).unwrap();
        assert!(TokenRequests::new(&again).is_err());
    }

    #[test]
    fn a_session_advances_by_rotation_only() {
        let mut session = Session {
            access_token: "a".into(),
            refresh_token: "1".into(),
        };
        session
            .advance(br#"{"access_token":"b","refresh_token":"2"}"#)
            .unwrap();
        for body in [
            r#"{"access_token":"c","refresh_token":"2"}"#,
            r#"{"access_token":"c"}"#,
            "{}",
        ] {
            assert!(session.advance(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(session.refresh_token, "2");
    }
}
