//! `login` and `logout`: the stored logins that commands use.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::json;
use symbolon_admin_api::PREFIX;
use symbolon_core::user::ADMIN_SCOPES;

use super::api::{Login, Logins, Remote, SecretMethod};
use super::args::GlobalArgs;
use super::connect::login_path;
use super::context::Console;
use super::error::{CliError, input_failed};
use super::output::{Output, Remark, quoted};
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
        server,
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
    let Some(server) = logins
        .at(global.server.as_deref())
        .map(|login| login.server.clone())
    else {
        let what = none_stored(&path, &logins, global.server.as_deref());
        return Err(CliError::not_found(what, "see --server and --login"));
    };
    logins.forget(Some(&server));
    logins.write(&path)?;
    out.result(
        &json!({ "done": "logged_out", "server": server }),
        &format!("the login at {server} is forgotten; its client's secret stays good"),
    )?;
    if logins.at(None).is_none() && logins.servers().next().is_some() {
        out.remark(Remark::Note, &none_stored(&path, &logins, None))?;
    }
    Ok(())
}

/// What is missing where that file holds no login at that server, or none that is current.
pub(super) fn none_stored(path: &Path, logins: &Logins, server: Option<&str>) -> String {
    let shown = quoted(&path.to_string_lossy());
    let known: Vec<_> = logins.servers().collect();
    let known = known.join(" and at ");
    match (server, known.is_empty()) {
        (Some(server), true) => format!("{shown} holds no login at {server}"),
        (Some(server), false) => format!("{shown} holds no login at {server}, but at {known}"),
        (None, true) => format!("{shown} holds no login"),
        (None, false) => {
            format!("no login in {shown} is the current one: there is one at {known}, for --server to name")
        }
    }
}

/// The URL by which the login at a server is known: that of its listener, also where the path of the API stands behind it.
pub(super) fn server_url(text: &str) -> Result<String, Infallible> {
    let text = text.trim_end_matches('/');
    Ok(text
        .strip_suffix(PREFIX)
        .unwrap_or(text)
        .trim_end_matches('/')
        .to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::Cli;
    use super::super::connect::stored_login;
    use super::super::error::ErrorKind;
    use super::*;

    fn put(logins: &mut Logins, server: &str) {
        logins.put(Login {
            server: server.to_owned(),
            token_endpoint: format!("{server}/token"),
            client_id: "admin".to_owned(),
            client_secret: "sbs_secret".to_owned().into(),
            auth_method: SecretMethod::default(),
            scope: "users:read".to_owned(),
            ca_file: None,
        });
    }

    /// What logging out says, on standard output and on standard error.
    fn log_out(global: &GlobalArgs) -> Result<(String, String), CliError> {
        let (mut written, mut said) = (Vec::new(), Vec::new());
        let mut out = Output {
            out: &mut written,
            err: &mut said,
            json: false,
        };
        logout(global, &mut out)?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ok((text(written), text(said)))
    }

    #[test]
    fn where_no_login_is_current_those_that_there_are_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login.json");
        let mut logins = Logins::default();
        put(&mut logins, "https://a.example");
        put(&mut logins, "https://b.example");
        logins.write(&path).unwrap();
        let global = GlobalArgs {
            login: Some(path),
            ..GlobalArgs::default()
        };
        let (done, note) = log_out(&global).unwrap();
        assert!(
            done.starts_with("the login at https://b.example is forgotten"),
            "{done}"
        );
        assert!(note.starts_with("note: "), "{note}");
        let is_told = |text: &str| text.contains("is the current one: there is one at https://a.example");
        assert!(is_told(&note), "{note}");
        let again = log_out(&global).unwrap_err();
        assert!(
            again.kind == ErrorKind::NotFound && is_told(&again.to_string()),
            "{again}"
        );
        let used = stored_login(&global).unwrap_err().to_string();
        assert!(is_told(&used) && !used.contains("first"), "{used}");

        let named = GlobalArgs {
            server: Some("https://a.example".to_owned()),
            ..global.clone()
        };
        assert_eq!(stored_login(&named).unwrap().server, "https://a.example");
        let (_, note) = log_out(&named).unwrap();
        assert_eq!(note, "");
        let used = stored_login(&global).unwrap_err().to_string();
        assert!(
            used.contains("holds no login; run `symbolon login` first"),
            "{used}"
        );
    }

    #[test]
    fn a_server_is_known_by_one_url() {
        for (given, known) in [
            ("http://127.0.0.1:8082", "http://127.0.0.1:8082"),
            ("http://127.0.0.1:8082/", "http://127.0.0.1:8082"),
            ("http://127.0.0.1:8082/admin/v1", "http://127.0.0.1:8082"),
            ("http://127.0.0.1:8082//admin/v1//", "http://127.0.0.1:8082"),
            ("https://a.example/admin/v2", "https://a.example/admin/v2"),
        ] {
            let cli = Cli::try_parse_from(["symbolon", "--server", given, "logout"]).unwrap();
            assert_eq!(cli.global.server.as_deref(), Some(known));
        }
    }
}
