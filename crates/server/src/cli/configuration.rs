//! `config`: what is set, where, and whether it is sound.

use clap::Subcommand;
use serde_json::json;
use symbolon_jwks_publisher::KeyringError;

use super::error::CliError;
use super::output::{Output, Remark};
use crate::config::{Mode, Settings, Sources, example_toml, explain, explain_text, load};
use crate::http::{TLS_CHECK_INTERVAL, TlsCertificate, TlsFiles};

/// `config`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the server would start with this configuration.
    Check,
    /// Write a configuration file with every setting and its default.
    Example,
    /// Show every setting: value, where it was read, default, meaning. Secrets are not shown.
    Explain,
}

/// Runs a command on the configuration.
///
/// # Errors
/// [`CliError`] where the configuration is refused (`check`) or standard output can't be written.
pub fn run(
    sources: &Sources,
    mode: Mode,
    out: &mut Output<'_>,
    command: ConfigCommand,
) -> Result<(), CliError> {
    match command {
        ConfigCommand::Check => check(sources, mode, out),
        ConfigCommand::Example => {
            let toml = example_toml();
            out.result(&json!({ "example": toml }), toml.trim_end())
        }
        ConfigCommand::Explain => {
            let explained = explain(sources);
            out.result(
                &json!({ "settings": explained }),
                explain_text(&explained).trim_end(),
            )
        }
    }
}

fn check(sources: &Sources, mode: Mode, out: &mut Output<'_>) -> Result<(), CliError> {
    let loaded = load(sources, mode)?;
    let unusable = unusable_files(&loaded.settings);
    if !unusable.is_empty() {
        let what = format!("the server would not start:\n  {}", unusable.join("\n  "));
        // Each names its own remedy.
        return Err(CliError::refused(what, ""));
    }
    for warning in &loaded.warnings {
        out.remark(Remark::Warning, &warning.to_string())?;
    }
    let warnings = loaded.warnings.len();
    out.result(
        &json!({ "sound": true, "warnings": warnings }),
        "the configuration is sound",
    )
}

/// What the server would say of the files that are named, those of secrets aside, which were read with the configuration.
fn unusable_files(settings: &Settings) -> Vec<String> {
    let certificate = tls_files(settings).map(|files| TlsCertificate::load(files).map(drop));
    let imports = settings.keys.import_dir.as_ref().map(|dir| {
        let unreadable = |problem| KeyringError::ImportDir {
            dir: dir.clone(),
            problem,
        };
        std::fs::read_dir(dir).map(drop).map_err(unreadable)
    });
    let certificate = certificate.and_then(Result::err).map(|error| error.to_string());
    let imports = imports.and_then(Result::err).map(|error| error.to_string());
    certificate.into_iter().chain(imports).collect()
}

/// The certificate that the server presents, and its key.
pub(super) fn tls_files(settings: &Settings) -> Option<TlsFiles> {
    settings.server.tls.as_ref().map(|files| TlsFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        check_interval: TLS_CHECK_INTERVAL,
    })
}
