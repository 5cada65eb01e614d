//! Where the server of a data folder is: `serve --dev` notes it there, in the login that it stores for commands.

use std::net::SocketAddr;
use std::time::Duration;

use symbolon_jwks_publisher::TOKEN_PATH;

use super::super::api::{Login, Logins};
use super::super::args::GlobalArgs;
use super::super::connect::login_path;
use super::super::error::CliError;
use super::super::output::quoted;
use super::super::probe::Trust;
use super::admin::access;

/// What helps where it does not answer.
pub(in crate::cli) const START: &str = "start `symbolon serve --dev` with this --data-dir";

/// The addresses of a development server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) struct DevServer {
    /// The public listener's.
    pub(in crate::cli) public: SocketAddr,
    /// That of the listener for the admin API.
    pub(in crate::cli) admin: SocketAddr,
}

impl DevServer {
    /// The one that commands with these flags go to.
    ///
    /// # Errors
    /// No development server has noted where it is, or the note can't be read.
    pub(in crate::cli) fn of(global: &GlobalArgs) -> Result<Self, CliError> {
        let path = login_path(global)?;
        let logins = Logins::read(&path)?;
        let login = logins.at(global.server.as_deref());
        login.and_then(Self::noted).ok_or_else(|| {
            let shown = quoted(&path.to_string_lossy());
            CliError::refused(
                format_args!("{shown} does not say where a development server listens"),
                START,
            )
        })
    }

    fn noted(login: &Login) -> Option<Self> {
        let issuer = login.token_endpoint.strip_suffix(TOKEN_PATH)?;
        let address = |url: &str| url.strip_prefix("http://")?.parse::<SocketAddr>().ok();
        let (public, admin) = (address(issuer)?, address(&login.server)?);
        (public.ip().is_loopback() && admin.ip().is_loopback()).then_some(Self { public, admin })
    }

    /// Whether it is still there, and nobody else in its place.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::cli) async fn is_there(self, patience: Duration) -> Result<(), String> {
        let Self { public, admin } = self;
        let answer = access(&format!("http://{admin}"), Trust::System, patience).await;
        if answer.is_some_and(|access| access.issuer == format!("http://{public}")) {
            return Ok(());
        }
        Err(format!(
            "the development server that was last at http://{public} does not answer at http://{admin}, its admin API"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{LOGIN_FILE, store_dev_login};

    #[test]
    fn the_note_of_a_development_server_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let global = GlobalArgs {
            data_dir: Some(folder.path().to_owned()),
            ..GlobalArgs::default()
        };
        let unknown = DevServer::of(&global).unwrap_err().to_string();
        assert!(
            unknown.contains("does not say where") && unknown.contains(START),
            "{unknown}"
        );
        let note = |server: &str, token_endpoint: &str| {
            let path = folder.path().join(LOGIN_FILE);
            let secret = Some("sbs_secret".to_owned().into());
            store_dev_login(&path, (server, token_endpoint), "dev-admin", secret).unwrap();
            DevServer::of(&global).ok()
        };
        let found = note("http://127.0.0.1:4711", "http://[::1]:8080/oauth2/token");
        let server = DevServer {
            public: "[::1]:8080".parse().unwrap(),
            admin: "127.0.0.1:4711".parse().unwrap(),
        };
        assert_eq!(found, Some(server));
        for (server, token_endpoint) in [
            ("https://admin.example", "https://login.example/oauth2/token"),
            (
                "http://127.0.0.1:4711",
                "http://127.0.0.1:8080/tenant/oauth2/token",
            ),
            ("http://127.0.0.1:4711", "http://192.0.2.1:8080/oauth2/token"),
        ] {
            assert_eq!(note(server, token_endpoint), None, "{server} {token_endpoint}");
        }
    }
}
