//! What commands write: text for people, one JSON object for scripts. Whatever comes from a store or from outside
//! is escaped, so that no stored name can move the cursor, colour the screen or forge a line.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use symbolon_core::text::is_unseen;

use super::error::{CliError, output_failed};

/// Where a command writes.
pub struct Output<'a> {
    /// Standard output: results, and secrets once.
    pub out: &'a mut dyn Write,
    /// Standard error: warnings, notes and errors.
    pub err: &'a mut dyn Write,
    /// Whether results are JSON.
    pub json: bool,
}

impl Output<'_> {
    /// Writes a result: `value` as one line of JSON, or `text` without its control characters.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub fn result(&mut self, value: &impl Serialize, text: &str) -> Result<(), CliError> {
        let line = if self.json {
            json_line(value)?
        } else {
            escape(text, true) + "\n"
        };
        self.write(&line)
    }

    /// Writes text that is safe to show as it stands.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(super) fn write(&mut self, text: &str) -> Result<(), CliError> {
        self.out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .map_err(output_failed)
    }

    /// Writes a line for people to standard error; with `--json` as `{"<kind>": text}`.
    ///
    /// # Errors
    /// Standard error can't be written.
    pub fn remark(&mut self, kind: Remark, text: &str) -> Result<(), CliError> {
        let line = if self.json {
            json_line(&json!({ kind.as_str(): text }))?
        } else {
            format!("{}: {}\n", kind.as_str(), escape(text, true))
        };
        self.err.write_all(line.as_bytes()).map_err(output_failed)
    }

    /// Writes what is known of one item of many to standard error, as `value` or as `text`.
    ///
    /// # Errors
    /// Standard error can't be written.
    pub(super) fn aside(&mut self, value: &impl Serialize, text: &str) -> Result<(), CliError> {
        let line = if self.json {
            json_line(value)?
        } else {
            escape(text, false) + "\n"
        };
        self.err.write_all(line.as_bytes()).map_err(output_failed)
    }

    /// Writes an error to standard error. That this fails too is not reported: there is nowhere left.
    pub fn error(&mut self, error: &CliError) {
        let object = json!({ "error": error.kind.as_str(), "message": error.to_string() });
        let line = match json_line(&object) {
            Ok(line) if self.json => line,
            _ => format!("error: {}\n", escape(&error.to_string(), true)),
        };
        let _ = self.err.write_all(line.as_bytes());
    }
}

/// A line on standard error that is no error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remark {
    /// Something to know.
    Note,
    /// Something that may be a mistake.
    Warning,
}

impl Remark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
        }
    }
}

/// What stands below a page of a list that goes on.
pub(super) fn more(next: Option<&str>) -> String {
    next.map_or_else(String::new, |cursor| {
        format!("\nthere are more: --after {cursor}")
    })
}

/// A value as one line of JSON, its end included. Characters that a terminal obeys and JSON allows in strings are escaped too.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string(value).map_err(|error| {
        CliError::failed(
            format_args!("the result is not JSON: {error}"),
            "report this as a fault",
        )
    })?;
    Ok(escape_json(&text) + "\n")
}

/// Lines of JSON that mean the same, without characters that a terminal obeys.
pub(super) fn escape_json(lines: &str) -> String {
    let mut shown = String::with_capacity(lines.len() + 1);
    for c in lines.chars() {
        if obeyed(c) && c != '\n' {
            // Outside strings JSON has ASCII alone, and of that only white space is obeyed: this is inside one.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A new file, for its owner alone: what commands write to files says who is in the database.
///
/// # Errors
/// It is there already, or can't be made.
pub(super) fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Text with every character that a terminal would obey rather than show written as `\u{..}`; line feeds stay where
/// `lines` says so.
pub fn escape(text: &str, lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) && !(lines && c == '\n') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A value from outside as messages quote it: on one line, escaped, at most 80 characters.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("\"{}{dots}\"", escape(&short, false))
}

/// Control characters, and those that hide or turn around what stands beside them.
fn obeyed(c: char) -> bool {
    c.is_control() || is_unseen(c)
}

/// Rows under headers, in columns of equal width, without a line feed at the end.
pub(super) fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> String {
    let header = headers.map(str::to_owned);
    let lines: Vec<[String; N]> = std::iter::once(&header)
        .chain(rows)
        .map(|row| row.each_ref().map(|cell| escape(cell, false)))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let text = |line: &[String; N]| {
        let cells = line.iter().zip(widths);
        let padded: Vec<_> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Names and values, one pair per line, the values aligned, without a line feed at the end.
pub(super) fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    let line = |(name, value): &(&str, String)| {
        let name = format!("{name}:");
        format!("{name:width$} {}", escape(value, false))
            .trim_end()
            .to_owned()
    };
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Whole seconds as people write them: `1h 30m`.
pub(super) fn duration(seconds: u32) -> String {
    humantime::format_duration(Duration::from_secs(seconds.into())).to_string()
}

/// Milliseconds as people write them: `1s 250ms`.
pub(super) fn millis(millis: u64) -> String {
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

/// Items separated by spaces, `-` where there are none.
pub(super) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "-".to_owned()
    } else {
        items.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m\r\nb\u{9b}2J\u{202e}c\u{7f}";

    #[test]
    fn text_shows_what_a_terminal_would_obey() {
        assert_eq!(
            escape(HOSTILE, false),
            "a\\u{1b}[31m\\u{d}\\u{a}b\\u{9b}2J\\u{202e}c\\u{7f}"
        );
        let text = table(["A", "B"], &[[HOSTILE.to_owned(), "x".to_owned()]]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.chars().all(|c| c == '\n' || !obeyed(c)));
        assert!(
            fields(&[("name", HOSTILE.to_owned())])
                .chars()
                .all(|c| !obeyed(c))
        );
    }

    #[test]
    fn json_escapes_the_same_and_reads_back_unchanged() {
        let hostile = format!("{HOSTILE}\u{e0041}");
        let line = json_line(&json!({ "name": hostile })).unwrap();
        assert!(line.trim_end().chars().all(|c| !obeyed(c)), "{line:?}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["name"], hostile);
    }

    #[test]
    fn errors_keep_their_lines_and_nothing_else() {
        let mut err = Vec::new();
        let error = CliError::refused(format_args!("no {}", quoted("x\ny\u{1b}")), "a\n  b\u{1b}");
        Output {
            out: &mut Vec::new(),
            err: &mut err,
            json: false,
        }
        .error(&error);
        assert_eq!(
            String::from_utf8(err).unwrap(),
            "error: no \"x\\u{a}y\\u{1b}\"; a\n  b\\u{1b}\n"
        );
        let mut err = Vec::new();
        Output {
            out: &mut Vec::new(),
            err: &mut err,
            json: true,
        }
        .error(&CliError::taken("it is taken", "choose"));
        assert_eq!(
            String::from_utf8(err).unwrap(),
            "{\"error\":\"taken\",\"message\":\"it is taken; choose\"}\n"
        );
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            table(
                ["A", "LONG"],
                &[["first".into(), "1".into()], ["ä".into(), "2".into()]]
            ),
            "A      LONG\nfirst  1\nä      2"
        );
        assert_eq!(
            fields(&[("a", "1".into()), ("long", "2".into())]),
            "a:    1\nlong: 2"
        );
    }
}
