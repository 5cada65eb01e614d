//! Whether the configuration loads.

use super::check::{Check, Name};
use crate::cli::args::GlobalArgs;
use crate::cli::error::CliError;
use crate::cli::sources::{refuse_config, serve_sources};
use crate::config::{Finding, Mode, Settings, Sources, load};

/// The sources of the settings that the server starts with, in the development mode on its folder.
fn sources(global: &GlobalArgs) -> Result<(Sources, Mode), CliError> {
    if global.data_dir.is_some() {
        refuse_config(global, "--data-dir")?;
    }
    serve_sources(global, None, global.data_dir.as_deref())
}

/// What is wrong and what is doubtful, each by itself, and the settings where nothing is wrong.
pub(super) fn check(global: &GlobalArgs) -> (Vec<Check>, Option<(Settings, Mode)>) {
    let (sources, mode) = match sources(global) {
        Ok(sources) => sources,
        Err(error) => {
            let remedy = "give --config, or SYMBOLON_* variables, as the server has them";
            return (
                vec![Check::failed(Name::Configuration, error.to_string(), remedy)],
                None,
            );
        }
    };
    match load(&sources, mode) {
        Ok(loaded) if loaded.warnings.is_empty() => (
            vec![Check::ok(Name::Configuration, "it loads")],
            Some((loaded.settings, mode)),
        ),
        Ok(loaded) => {
            let doubtful = loaded.warnings.iter();
            let checks = doubtful
                .map(|finding| Check::warning(Name::Configuration, wrong(finding), &finding.remedy))
                .collect();
            (checks, Some((loaded.settings, mode)))
        }
        Err(errors) => {
            let findings = errors.findings().iter();
            let checks = findings
                .map(|finding| Check::failed(Name::Configuration, wrong(finding), &finding.remedy))
                .collect();
            (checks, None)
        }
    }
}

fn wrong(finding: &Finding) -> String {
    format!("{} ({}): {}", finding.setting, finding.origin, finding.wrong)
}
