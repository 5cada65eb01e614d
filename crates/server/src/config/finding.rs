//! What is wrong with a configuration: which setting, where it was read, and the remedy.

use std::fmt;
use std::path::PathBuf;

/// Where the value of a setting was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it: the built-in default holds.
    Default,
    /// An environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// The configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// Line, counted from one.
        line: usize,
    },
    /// Nobody set it, and there is no default.
    NotSet,
    /// A command line flag or the development mode, in its own words.
    Override(String),
    /// The standard output of the command that a `*_command` setting holds.
    SecretCommand {
        /// The `*_command` setting.
        setting: String,
        /// Where it was read.
        named_by: Box<Origin>,
    },
    /// The content of a file that a `*_file` setting names.
    SecretFile {
        /// Where the `*_file` setting was read.
        named_by: Box<Origin>,
        /// The file that it names.
        path: PathBuf,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::NotSet => f.write_str("not set"),
            Self::Override(by) => f.write_str(by),
            Self::SecretCommand { setting, named_by } => write!(f, "output of {setting}, set by {named_by}"),
            Self::SecretFile { named_by, path } => write!(f, "file {}, named by {named_by}", path.display()),
        }
    }
}

/// One thing that is wrong, or doubtful, with the configuration. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The setting, or what stands in its place (an unknown key, a variable).
    pub setting: String,
    /// Where it was read.
    pub origin: Origin,
    /// What is wrong.
    pub wrong: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}\n    remedy: {}",
            self.setting, self.origin, self.wrong, self.remedy
        )
    }
}

/// Everything that makes a configuration unfit to start with; there is at least one finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    findings: Vec<Finding>,
}

impl ConfigErrors {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        Self { findings }
    }

    /// Every error, in the order of discovery.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl From<Finding> for ConfigErrors {
    fn from(finding: Finding) -> Self {
        Self::new(vec![finding])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.findings.len() {
            1 => f.write_str("the configuration is refused:")?,
            count => write!(f, "the configuration is refused for {count} reasons:")?,
        }
        self.findings
            .iter()
            .try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

impl std::error::Error for ConfigErrors {}
