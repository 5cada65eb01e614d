//! `healthcheck`: whether the server of this configuration is ready, or lives; for containers, whose images need no HTTP
//! client then.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::args::GlobalArgs;
use super::error::{CliError, ErrorKind};
use super::output::Output;
use super::probe::{Health, health, reachable};
use super::sources::sources;
use crate::config::{Mode, management_listen};

/// Longest wait for the answer. Container engines are told to wait a little longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `healthcheck`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct HealthcheckArgs {
    /// Ask only whether the process lives: a node whose database is away does.
    #[arg(long)]
    pub live: bool,
}

/// Asks the management listener that the configuration names. Of the configuration nothing else is judged, no secret is
/// read, and no command is run.
///
/// # Errors
/// [`ErrorKind::Unhealthy`] where it does not answer well; the configuration does not say where it is.
pub(super) async fn run(
    global: &GlobalArgs,
    out: &mut Output<'_>,
    args: HealthcheckArgs,
) -> Result<(), CliError> {
    let (sources, mode) = sources(global)?;
    let listen = management_listen(&sources)?;
    if mode == Mode::Dev || listen.port() == 0 {
        return Err(CliError::refused(
            "the server listens for this on any free port",
            "set `management.listen` to a port; a development server has none that is known",
        ));
    }
    check(listen, out, args).await
}

async fn check(listen: SocketAddr, out: &mut Output<'_>, args: HealthcheckArgs) -> Result<(), CliError> {
    let (path, status) = if args.live {
        ("healthz", "alive")
    } else {
        ("readyz", "ready")
    };
    let url = format!("http://{}/{path}", reachable(listen));
    let what = match health(&url, PATIENCE).await {
        Health::Good => return out.result(&json!({ "url": url, "status": status }), status),
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
}
