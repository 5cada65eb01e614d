//! The configuration file: TOML to texts, each with the line it stands on.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{Finding, Origin};
use super::kind::{Kind, TomlType, quote};
use super::suggest;
use super::table::{self, Target};

/// A known key and its text.
pub(super) struct Entry {
    pub(super) target: Target,
    pub(super) origin: Origin,
    /// `None` when the value is of the wrong type, which is among the findings.
    pub(super) text: Option<String>,
}

/// What a file holds: entries for known keys, findings for everything else.
#[derive(Default)]
pub(super) struct Content {
    pub(super) entries: Vec<Entry>,
    pub(super) findings: Vec<Finding>,
    /// The file is not TOML: nothing is known of its settings.
    pub(super) unreadable: bool,
}

/// Reads a whole file.
pub(super) fn read(path: &Path, text: &str) -> Content {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path,
        text,
        content: Content::default(),
    };
    if errors.is_empty() {
        reader.document(document.get_ref());
    }
    // `Display` of these errors would quote the line, which may hold a secret.
    for error in errors {
        let origin = reader.origin(error.span().map_or(0, |span| span.start));
        reader.content.unreadable = true;
        reader.content.findings.push(Finding {
            setting: "the configuration file".to_owned(),
            origin,
            wrong: format!("it is not TOML: {}", error.message()),
            remedy: "correct the line; the settings in the file were not looked at".to_owned(),
        });
    }
    reader.content
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    content: Content,
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        let sections = table::sections();
        for (name, value) in document {
            let is_section = sections.contains(&name.get_ref().as_ref());
            match value.get_ref() {
                DeValue::Table(section) if is_section => {
                    for (inner, value) in section {
                        let key = format!("{}.{}", name.get_ref(), inner.get_ref());
                        self.entry(&key, inner.span().start, value);
                    }
                }
                _ if is_section => self.find(
                    name.get_ref(),
                    name.span().start,
                    "it is a section, not a setting".to_owned(),
                    format!("write [{}] with its settings below", name.get_ref()),
                ),
                DeValue::Table(_) if Target::of_key(name.get_ref()).is_none() => {
                    let hint = suggest::hint(name.get_ref(), sections.iter().copied());
                    self.unknown(
                        name.get_ref(),
                        name.span().start,
                        format!("there is no such section{hint}"),
                    );
                }
                _ => self.entry(name.get_ref(), name.span().start, value),
            }
        }
    }

    fn entry(&mut self, key: &str, offset: usize, value: &Spanned<DeValue<'_>>) {
        let Some(target) = Target::of_key(key) else {
            let hint = suggest::hint(key, table::keys().iter().map(String::as_str));
            return self.unknown(key, offset, format!("there is no such setting{hint}"));
        };
        let text = text(target.kind(), value.get_ref())
            .map_err(|wrong| self.find(key, offset, wrong, format!("give {}", target.kind().expects())))
            .ok();
        let origin = self.origin(offset);
        self.content.entries.push(Entry { target, origin, text });
    }

    fn unknown(&mut self, key: &str, offset: usize, wrong: String) {
        self.find(key, offset, wrong, "correct or remove it".to_owned());
    }

    fn find(&mut self, key: &str, offset: usize, wrong: String, remedy: String) {
        let setting = quote(&key.escape_debug().to_string())
            .trim_matches('"')
            .to_owned();
        let origin = self.origin(offset);
        self.content.findings.push(Finding {
            setting,
            origin,
            wrong,
            remedy,
        });
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File {
            path: self.path.to_owned(),
            line,
        }
    }
}

/// The text that the environment would hold for the same value.
fn text(kind: Kind, value: &DeValue<'_>) -> Result<String, String> {
    match (kind.toml_type(), value) {
        (TomlType::Boolean, DeValue::Boolean(value)) => Ok(value.to_string()),
        (TomlType::Integer, DeValue::Integer(value)) => {
            Ok(i128::from_str_radix(value.as_str(), value.radix())
                .map_or_else(|_| value.as_str().to_owned(), |number| number.to_string()))
        }
        (TomlType::Text, DeValue::String(value)) => Ok(value.as_ref().to_owned()),
        (TomlType::Array, DeValue::Array(items)) => items
            .iter()
            .map(|item| item_text(item.get_ref()))
            .collect::<Result<Vec<_>, _>>()
            .map(|items| items.join(",")),
        (expected, value) => {
            let expected = match expected {
                TomlType::Array => "an array",
                TomlType::Boolean => "a boolean",
                TomlType::Integer => "an integer",
                TomlType::Text => "text in quotes",
            };
            Err(format!("it is {}, not {expected}", type_name(value)))
        }
    }
}

fn item_text(item: &DeValue<'_>) -> Result<String, String> {
    match item {
        DeValue::String(text) if text.trim().is_empty() => Err("it holds an empty item".to_owned()),
        DeValue::String(text) if text.contains(',') => Err("one of its items holds a comma".to_owned()),
        DeValue::String(text) => Ok(text.as_ref().to_owned()),
        other => Err(format!("it holds {}, not text in quotes", type_name(other))),
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a floating-point number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
