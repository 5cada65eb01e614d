//! `config`: what is set, where, and whether it is sound.

use clap::Subcommand;
use serde_json::json;

use super::error::CliError;
use super::output::{Output, Remark};
use crate::config::{Mode, Sources, example_toml, explain, explain_text, load};

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
    for warning in &loaded.warnings {
        out.remark(Remark::Warning, &warning.to_string())?;
    }
    let warnings = loaded.warnings.len();
    out.result(
        &json!({ "sound": true, "warnings": warnings }),
        "the configuration is sound",
    )
}
