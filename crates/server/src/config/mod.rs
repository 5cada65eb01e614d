//! The configuration: one table of settings, read from a TOML file, the environment and overrides, and
//! turned once into validated [`Settings`].
//!
//! [`load()`] reports everything that is wrong at once; [`explain()`] shows where each value comes from, sound or not;
//! [`reference_markdown`] and [`example_toml`] write the documentation.

mod command;
mod contradictions;
mod database_url;
mod environment;
mod explain;
mod finding;
mod issuer;
mod key_timings;
mod kind;
mod load;
mod parse;
mod redis_url;
mod reference;
mod settings;
mod sources;
mod spec;
mod store_contradictions;
mod suggest;
mod table;
mod toml_file;
mod values;

pub use command::{CommandError, run_command};
pub use explain::{Explained, explain, explain_json, explain_text};
pub use finding::{ConfigErrors, Finding, Origin};
pub use issuer::Issuer;
pub use load::{Loaded, Mode, load, management_listen, reload_encryption_keys};
pub use reference::{example_toml, reference_markdown};
pub use settings::{
    AdminSettings, AuditSettings, DatabaseSettings, FeedSettings, JwksSettings, KeySettings, LogFormat,
    LogSettings, LoginSettings, ManagementSettings, PasswordSettings, RedisSettings, RedisTopology,
    ServerSettings, Settings, TlsFiles, TokenSettings,
};
pub use sources::{CommandRunner, ConfigFile, FileReader, FileText, Override, Sources, read_file};

#[cfg(test)]
mod tests;
