//! `config explain`: every setting with its value, source, default and meaning.

use serde::Serialize;

use super::sources::Sources;
use super::table::{Preset, TABLE};
use super::values::Values;

/// One setting as `config explain` shows it. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The key in the file, such as `tokens.session_lifetime`.
    pub key: &'static str,
    /// The value in force; `(secret, 44 characters)` for a secret, `(not set)`, `(empty)` or `(refused)`.
    pub value: String,
    /// Where the value was read.
    pub source: String,
    /// What holds where nobody sets it.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Its environment variable.
    pub env: String,
}

/// Explains every setting, whether or not the values are sound, so that an unsound configuration can be
/// understood.
pub fn explain(sources: &Sources) -> Vec<Explained> {
    explained(&Values::read(sources))
}

/// The same of values that were read: a secret by command is not asked for again.
pub(super) fn explained(values: &Values) -> Vec<Explained> {
    TABLE
        .iter()
        .map(|spec| Explained {
            key: spec.key,
            value: values.shown(spec),
            source: values.origin(spec).to_string(),
            default: match spec.preset {
                Preset::Required(_) => "(required)",
                Preset::Unset => "(not set)",
                Preset::Value("") => "(empty)",
                Preset::Value(text) => text,
            },
            meaning: spec.meaning,
            env: spec.variable(),
        })
        .collect()
}

/// The settings as aligned columns, ended by a line feed.
pub fn explain_text(explained: &[Explained]) -> String {
    let header = ["SETTING", "VALUE", "SOURCE", "DEFAULT", "MEANING"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(header)
        .chain(explained.iter().map(|row| {
            [
                row.key.to_owned(),
                row.value.clone(),
                row.source.clone(),
                row.default.to_owned(),
                row.meaning.to_owned(),
            ]
        }))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(&row[4]);
        text.push('\n');
    }
    text
}

/// The settings as a JSON array, ended by a line feed.
///
/// # Errors
/// Never in practice: all fields are text.
pub fn explain_json(explained: &[Explained]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(explained).map(|json| json + "\n")
}
