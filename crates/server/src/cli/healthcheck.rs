//! `healthcheck`: whether the server of this configuration is ready, or lives; for containers, whose images need no HTTP
//! client then.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::args::GlobalArgs;
use super::doctor::{DevServer, START};
use super::error::{CliError, ErrorKind};
use super::output::Output;
use super::probe::{Health, health, reachable};
use super::sources::{refuse_config, sources};
use crate::config::management_listen;

/// Longest wait for the answer. Container engines are told to wait a little longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `healthcheck`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct HealthcheckArgs {
    /// Ask only whether the process lives: a node whose database is away does.
    #[arg(long)]
    pub live: bool,
}

impl HealthcheckArgs {
    /// What is asked for, and what it says when all is well.
    fn wanted(self) -> (&'static str, &'static str) {
        match self.live {
            true => ("healthz", "alive"),
            false => ("readyz", "ready"),
        }
    }
}

/// Asks the management listener that the configuration names, with `--data-dir` the public one of the development server.
/// Of the configuration nothing else is judged, no secret is read, and no command is run.
///
/// # Errors
/// [`ErrorKind::Unhealthy`] where it does not answer well; the configuration does not say where it is.
pub(super) async fn run(
    global: &GlobalArgs,
    out: &mut Output<'_>,
    args: HealthcheckArgs,
) -> Result<(), CliError> {
    if global.data_dir.is_some() {
        refuse_config(global, "--data-dir")?;
        return check_dev(DevServer::of(global)?, out, args).await;
    }
    let (sources, _) = sources(global)?;
    let listen = management_listen(&sources)?;
    if listen.port() == 0 {
        return Err(CliError::refused(
            "`management.listen` has port 0: the server listens on any free port",
            "set it to a port, or give --data-dir to ask a development server",
        ));
    }
    check(listen, out, args).await
}

/// Whoever has taken the address of a development server that is gone does not answer for it.
async fn check_dev(server: DevServer, out: &mut Output<'_>, args: HealthcheckArgs) -> Result<(), CliError> {
    let (there, found) = tokio::join!(server.is_there(PATIENCE), look(server.public, args));
    there.map_err(|why| CliError::new(ErrorKind::Unhealthy, why, START))?;
    tell(&found?, out, args)
}

async fn check(listen: SocketAddr, out: &mut Output<'_>, args: HealthcheckArgs) -> Result<(), CliError> {
    tell(&look(listen, args).await?, out, args)
}

fn tell(url: &str, out: &mut Output<'_>, args: HealthcheckArgs) -> Result<(), CliError> {
    let (_, status) = args.wanted();
    out.result(&json!({ "url": url, "status": status }), status)
}

/// The URL that has answered well.
async fn look(listen: SocketAddr, args: HealthcheckArgs) -> Result<String, CliError> {
    let (path, status) = args.wanted();
    let url = format!("http://{}/{path}", reachable(listen));
    let what = match health(&url, PATIENCE).await {
        Health::Good => return Ok(url),
        Health::Silent(why) => format!("{url} gives no answer: {why}"),
        Health::Unwell(why) => format!("not {status}: {why}"),
    };
    Err(CliError::new(
        ErrorKind::Unhealthy,
        what,
        "see the server's log, or run `symbolon doctor`",
    ))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    async fn checked(listen: SocketAddr, live: bool) -> (Result<(), CliError>, String) {
        let mut written = Vec::new();
        let mut out = Output {
            out: &mut written,
            err: &mut Vec::new(),
            json: false,
        };
        let result = check(listen, &mut out, HealthcheckArgs { live }).await;
        (result, String::from_utf8(written).unwrap())
    }

    #[tokio::test]
    async fn a_node_that_is_not_ready_lives() {
        let unready = "{\"status\":\"not ready\",\"reason\":\"shutting down\"}";
        let router = Router::new().route("/healthz", get(|| async { "{}" })).route(
            "/readyz",
            get(move || async move { (StatusCode::SERVICE_UNAVAILABLE, unready) }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        assert_eq!(checked(listen, true).await, (Ok(()), "alive\n".to_owned()));
        let (refused, written) = checked(listen, false).await;
        let error = refused.unwrap_err();
        assert_eq!((error.kind.exit_code(), written.as_str()), (7, ""));
        assert!(
            error.to_string().starts_with("not ready: shutting down; "),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stands_still_is_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let silent = checked(listen, true).await.0.unwrap_err();
        assert_eq!(silent.kind, ErrorKind::Unhealthy);
        assert!(silent.to_string().contains("no answer in time"), "{silent}");
    }

    #[tokio::test]
    async fn a_node_that_is_gone_is_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        drop(listener);
        let gone = checked(listen, true).await.0.unwrap_err();
        assert_eq!(gone.kind, ErrorKind::Unhealthy);
        assert!(gone.to_string().contains("gives no answer"), "{gone}");
    }

    #[tokio::test]
    async fn where_it_listens_must_be_known() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("symbolon.toml");
        // The rest is for the server to refuse, and its secrets are not for this command.
        let toml = "management.listen = \"127.0.0.1:0\"\nkeys.encryption_key_command = \"/no/such/command\"\nbogus = 1";
        std::fs::write(&config, toml).unwrap();
        let global = GlobalArgs {
            config: Some(config),
            ..GlobalArgs::default()
        };
        let mut out = Output {
            out: &mut Vec::new(),
            err: &mut Vec::new(),
            json: false,
        };
        let error = run(&global, &mut out, HealthcheckArgs::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.to_string().contains("any free port"), "{error}");
    }

    #[tokio::test]
    async fn a_development_server_is_asked_at_the_address_that_it_has_noted() {
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = DevServer {
            public: public.local_addr().unwrap(),
            admin: admin.local_addr().unwrap(),
        };
        let access = |issuer: String| {
            let access = json!({ "issuer": issuer, "token_endpoint": "t", "resource": "r", "scope": "s" });
            Router::new().route("/admin/v1/access", get(|| async move { access.to_string() }))
        };
        let ready = Router::new().route("/readyz", get(|| async { "{}" }));
        tokio::spawn(async move { axum::serve(public, ready).await });
        let own = access(format!("http://{}", server.public));
        tokio::spawn(async move { axum::serve(admin, own).await });
        assert_eq!(checked_dev(server).await, (Ok(()), "ready\n".to_owned()));

        // Another has the public address now, and the admin API is its own.
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let moved = DevServer {
            admin: other.local_addr().unwrap(),
            ..server
        };
        tokio::spawn(async move { axum::serve(other, access("http://127.0.0.1:1".to_owned())).await });
        let (refused, written) = checked_dev(moved).await;
        let error = refused.unwrap_err();
        assert_eq!((error.kind, written.as_str()), (ErrorKind::Unhealthy, ""));
        let said = error.to_string();
        assert!(
            said.contains("does not answer") && said.contains("serve --dev"),
            "{said}"
        );
    }

    async fn checked_dev(server: DevServer) -> (Result<(), CliError>, String) {
        let mut written = Vec::new();
        let mut out = Output {
            out: &mut written,
            err: &mut Vec::new(),
            json: false,
        };
        let result = check_dev(server, &mut out, HealthcheckArgs::default()).await;
        (result, String::from_utf8(written).unwrap())
    }
}
