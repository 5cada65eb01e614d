use std::num::NonZeroUsize;

use symbolon_server::config::{
    ConfigErrors, Mode, Override, Settings, Sources, load, read_file, run_command,
};

/// Settings of a node in production from these values by their keys, and from nothing else, on a machine with so many
/// cores.
///
/// # Errors
/// If one of them is refused.
pub fn settings<'a>(
    values: impl IntoIterator<Item = (&'a str, String)>,
    cores: NonZeroUsize,
) -> Result<Settings, ConfigErrors> {
    let overrides = values
        .into_iter()
        .map(|(key, value)| Override::new(key, value, "the test"))
        .collect();
    let sources = Sources {
        file: None,
        environment: Default::default(),
        overrides,
        read_file: Box::new(read_file),
        run_command: Box::new(run_command),
        dangerous_key_timings: false,
        cores,
    };
    Ok(load(&sources, Mode::Production)?.settings)
}
