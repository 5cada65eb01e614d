//! One row of the table of settings: its names, its value's form, how a secret is given.

use super::kind::{Kind, TomlType};
use super::parse::Parser;

/// What stands where nobody set anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// There is none: the setting must be given. The text is an example.
    Required(&'static str),
    /// The setting may stay unset.
    Unset,
    /// This text, read like any other.
    Value(&'static str),
}

/// How a secret is given other than by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pointer {
    /// By a file that holds it.
    File,
    /// By a command that writes it.
    Command,
}

impl Pointer {
    pub(super) const ALL: [Self; 2] = [Self::File, Self::Command];

    /// What stands behind the key of the secret, and the word for it in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Command => "command",
        }
    }

    /// The form of the value.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::File => Kind::Path,
            Self::Command => Kind::Command,
        }
    }
}

/// One row of the table, without the type of its value.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) preset: Preset,
    pub(super) meaning: &'static str,
}

impl Spec {
    /// The environment variable: `SYMBOLON_TOKENS_SESSION_LIFETIME` for `tokens.session_lifetime`.
    pub(super) fn variable(&self) -> String {
        format!(
            "{ENVIRONMENT_PREFIX}{}",
            self.key.replace('.', "_").to_ascii_uppercase()
        )
    }

    pub(super) fn is_secret(&self) -> bool {
        self.kind.is_secret()
    }

    /// The key beside that of a secret that says where it is: `<key>_file` or `<key>_command`.
    pub(super) fn pointer_key(&self, pointer: Pointer) -> Option<String> {
        self.is_secret()
            .then(|| format!("{}_{}", self.key, pointer.name()))
    }

    /// The variable beside that of a secret that says where it is.
    pub(super) fn pointer_variable(&self, pointer: Pointer) -> Option<String> {
        let suffix = pointer.name().to_ascii_uppercase();
        self.is_secret().then(|| format!("{}_{suffix}", self.variable()))
    }

    /// Section and name: `tokens` and `session_lifetime`; the section is empty at the top level.
    pub(super) fn section_and_name(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }

    /// A value as it is written in a TOML file.
    pub(super) fn toml(&self, text: &str) -> String {
        match self.kind.toml_type() {
            TomlType::Boolean | TomlType::Integer => text.to_owned(),
            TomlType::Text => format!("\"{text}\""),
            TomlType::Array => {
                let items: Vec<_> = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| format!("\"{item}\""))
                    .collect();
                format!("[{}]", items.join(", "))
            }
        }
    }
}

/// One row of the table with the parser of its value.
pub(super) struct Setting<T: 'static> {
    pub(super) spec: Spec,
    pub(super) parse: Parser<T>,
}

/// Every environment variable of the configuration begins so.
pub(super) const ENVIRONMENT_PREFIX: &str = "SYMBOLON_";
