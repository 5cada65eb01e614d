//! What is wrong with files, or with what they ask for.

use serde_json::{Value, json};

use super::node::LineError;
use crate::cli::error::CliError;
use crate::cli::output::{Output, quoted};

/// Most faults that are shown.
const SHOWN: usize = 100;

/// Something that is wrong.
#[derive(Debug)]
pub(super) struct Fault {
    place: Place,
    rule: String,
}

/// Where it is.
#[derive(Debug)]
enum Place {
    Line { file: String, line: u64 },
    Record { kind: &'static str, name: String },
}

impl Fault {
    /// In a file.
    pub(super) fn in_file(file: &str, error: LineError) -> Self {
        Self {
            place: Place::Line {
                file: file.to_owned(),
                line: error.line,
            },
            rule: error.rule,
        }
    }

    /// With what no file names.
    pub(super) fn with_record(kind: &'static str, name: &str, rule: String) -> Self {
        Self {
            place: Place::Record {
                kind,
                name: name.to_owned(),
            },
            rule,
        }
    }

    fn object(&self) -> Value {
        match &self.place {
            Place::Line { file, line } => json!({ "file": file, "line": line, "rule": self.rule }),
            Place::Record { kind, name } => json!({ "kind": kind, "name": name, "rule": self.rule }),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        match &self.place {
            Place::Line { file, line } => format!("{file}:{line}: {}", self.rule),
            Place::Record { kind, name } => format!("{kind} {}: {}", quoted(name), self.rule),
        }
    }
}

/// Writes the faults, and returns the error that they are, of that many things.
///
/// # Errors
/// Standard error can't be written.
pub(super) fn tell(out: &mut Output<'_>, faults: &[Fault], what: &str) -> Result<CliError, CliError> {
    for fault in faults.iter().take(SHOWN) {
        out.aside(&fault.object(), &fault.text())?;
    }
    let count = faults.len();
    let shown = match count {
        0..=SHOWN => String::new(),
        _ => format!(", of which {SHOWN} are shown"),
    };
    let (s, them) = if count == 1 { ("", "it") } else { ("s", "them") };
    Ok(CliError::refused(
        format_args!("{count} fault{s} in {what}{shown}"),
        format!("mend {them}; nothing was changed"),
    ))
}
