//! Whether the configuration loads.

use super::check::{Check, Name};
use crate::cli::args::GlobalArgs;
use crate::cli::sources::sources;
use crate::config::{Finding, Mode, Settings, load};

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
