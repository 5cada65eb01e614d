//! `login` and `logout`: the stored logins that commands use.

use std::path::PathBuf;

use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::json;
use symbolon_core::user::ADMIN_SCOPES;

use super::api::{Login, Logins, Remote, SecretMethod};
use super::args::GlobalArgs;
use super::connect::login_path;
use super::context::Console;
use super::error::{CliError, input_failed};
use super::output::{Output, quoted};
use super::role::scope_set;
use super::run::runtime;

/// Longest client secret that is read, in bytes.
const MAX_SECRET: usize = 1024;

/// `login`.
#[derive(Args, Clone, Debug)]
pub struct LoginArgs {
    /// The client that commands act as: `symbolon bootstrap` makes the first.
    #[arg(long, value_name = "ID")]
    pub client_id: String,
    /// Read its secret from standard input rather than from the terminal.
    #[arg(long)]
    pub secret_stdin: bool,
    /// What to ask for, such as sessions:read; may be repeated. Without it, every admin scope: a client that has less is
    /// refused then.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// Trust the certificates in this PEM file besides the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Gets a token, to see that the login is good, and stores it for the commands that follow.
///
/// # Errors
/// [`CliError`]; nothing was stored.
pub fn login(
    global: &GlobalArgs,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: LoginArgs,
) -> Result<(), CliError> {
    let server = global.server.clone().ok_or_else(|| {
        CliError::refused(
            "the server is missing",
            "give --server the URL of its admin API, such as http://127.0.0.1:8082",
        )
    })?;
    let path = login_path(global)?;
    let scope = if args.scopes.is_empty() {
        ADMIN_SCOPES.join(" ")
    } else {
        scope_set(&args.scopes)?.to_string()
    };
    let client_secret = if args.secret_stdin {
        let input = console.read(MAX_SECRET + 1).map_err(input_failed)?;
        let text =
            std::str::from_utf8(&input).map_err(|_| no_secret("what standard input holds is no text"))?;
        text.trim().to_owned().into()
    } else {
        let prompt = format!("Secret of client {}: ", quoted(&args.client_id));
        console.ask_hidden(&prompt).map_err(input_failed)?
    };
    if client_secret.expose_secret().is_empty() {
        return Err(no_secret(if args.secret_stdin {
            "standard input is empty"
        } else {
            "no secret was typed"
        }));
    }
    // Another process may have its working folder elsewhere.
    let ca_file = args
        .ca_file
        .map(std::path::absolute)
        .transpose()
        .map_err(|error| CliError::refused(format_args!("--ca-file: {error}"), "give a path that exists"))?;
    let login = Login {
        server: server.trim_end_matches('/').to_owned(),
        token_endpoint: String::new(),
        client_id: args.client_id,
        client_secret,
        // Which one the client may use is found out.
        auth_method: SecretMethod::default(),
        scope,
        ca_file,
    };
    let remote = Remote::new(login)?;
    let login = runtime(tokio::runtime::Builder::new_current_thread())?.block_on(remote.check())?;
    let mut logins = Logins::read(&path)?;
    let (server, client_id) = (login.server.clone(), login.client_id.clone());
    logins.put(login);
    logins.write(&path)?;
    let file = path.to_string_lossy();
    out.result(
        &json!({ "done": "logged_in", "server": server, "client_id": client_id, "file": file }),
        &format!(
            "commands act as client {client_id} at {server}\nstored in {}",
            quoted(&file)
        ),
    )
}

fn no_secret(what: &str) -> CliError {
    CliError::refused(
        what,
        "give the client's secret there, or leave out --secret-stdin to be asked for it",
    )
}

/// Forgets the stored login at `--server`, or at the current one. The client and its secret stay as they are.
///
/// # Errors
/// [`CliError`]; nothing changed.
pub fn logout(global: &GlobalArgs, out: &mut Output<'_>) -> Result<(), CliError> {
    let path = login_path(global)?;
    let mut logins = Logins::read(&path)?;
    if !logins.forget(global.server.as_deref()) {
        return Err(CliError::not_found(
            "there is no such login",
            "see --server and --login",
        ));
    }
    logins.write(&path)?;
    out.result(
        &json!({ "done": "logged_out" }),
        "the login is forgotten; its client's secret stays good",
    )
}
