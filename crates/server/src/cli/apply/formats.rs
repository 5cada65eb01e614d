//! TOML and YAML, read into the same.

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{LineError, Member, Node, Value};

/// Deepest nesting that is read of YAML; that of TOML has its own bound.
const MAX_DEPTH: usize = 32;
/// Most values that are read of a file in YAML.
const MAX_NODES: usize = 250_000;

/// What a file is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Toml,
    Yaml,
}

impl Format {
    /// The format that the name of a file says, where it is one of them.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with its form; of TOML all of it.
    pub(super) fn read(self, text: &str) -> Result<Node, Vec<LineError>> {
        match self {
            Self::Toml => read_toml(text),
            Self::Yaml => read_yaml(text).map_err(|error| vec![error]),
        }
    }
}

fn read_toml(text: &str) -> Result<Node, Vec<LineError>> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let told = errors.iter().map(|error| {
            let start = error.span().map_or(0, |span| span.start);
            LineError::new(lines.at(start), error.message())
        });
        return Err(told.collect());
    }
    Ok(Node {
        line: 1,
        value: lines.table(table.get_ref())?,
    })
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self(std::iter::once(0).chain(ends).collect())
    }

    /// The line of that place, from 1 on.
    fn at(&self, offset: usize) -> u64 {
        self.0.partition_point(|start| *start <= offset) as u64
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Value, Vec<LineError>> {
        let (mut members, mut errors) = (Vec::with_capacity(table.len()), Vec::new());
        for (name, value) in table {
            let line = self.at(name.span().start);
            match self.value(line, value.get_ref()) {
                Ok(value) => members.push(Member {
                    line,
                    name: name.get_ref().to_string(),
                    node: Node { line, value },
                }),
                Err(found) => errors.extend(found),
            }
        }
        // They come by name.
        members.sort_by_key(|member| member.line);
        if errors.is_empty() {
            Ok(Value::Table(members))
        } else {
            Err(errors)
        }
    }

    fn value(&self, line: u64, value: &DeValue<'_>) -> Result<Value, Vec<LineError>> {
        Ok(match value {
            DeValue::Array(items) => {
                let read = items.iter().map(|item| {
                    let line = self.at(item.span().start);
                    let value = self.value(line, item.get_ref())?;
                    Ok(Node { line, value })
                });
                Value::List(read.collect::<Result<_, Vec<LineError>>>()?)
            }
            DeValue::Boolean(value) => Value::Bool(*value),
            // No member takes one: it is refused for its type.
            DeValue::Datetime(value) => Value::Text(value.to_string()),
            DeValue::Float(value) => match value.as_str().parse() {
                Ok(value) => Value::Float(value),
                Err(_) => return Err(vec![LineError::new(line, "the number is out of range")]),
            },
            DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
                Ok(value) => Value::Integer(value),
                Err(_) => return Err(vec![LineError::new(line, "the number is out of range")]),
            },
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Table(table) => self.table(table)?,
        })
    }
}

fn read_yaml(text: &str) -> Result<Node, LineError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES, max_documents: 1 },
        strict_booleans: true,
        with_snippet: false,
    };
    let read: Result<Located, _> = serde_saphyr::from_str_with_options(text, options);
    read.map(|Located(node)| node).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line().max(1));
        LineError::new(line, error.without_snippet())
    })
}

/// A node of YAML.
struct Located(Node);

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Plain>::deserialize(from)?;
        Ok(Self(Node {
            line: spanned.referenced.line().max(1),
            value: spanned.value.0,
        }))
    }
}

/// Its value.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::Integer)
            .map_err(|_| E::custom("the number is out of range"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Located(node)) = seq.next_element()? {
            items.push(node);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, Located(node))) = map.next_entry::<Spanned<String>, Located>()? {
            members.push(Member {
                line: name.referenced.line().max(1),
                name: name.value,
                node,
            });
        }
        Ok(Value::Table(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(node: &Node) -> String {
        let line = node.line;
        match &node.value {
            Value::List(items) => format!(
                "{line}[{}]",
                items.iter().map(shape).collect::<Vec<_>>().join(" ")
            ),
            Value::Table(members) => {
                let member = |m: &Member| format!("{}:{}={}", m.line, m.name, shape(&m.node));
                format!(
                    "{line}{{{}}}",
                    members.iter().map(member).collect::<Vec<_>>().join(" ")
                )
            }
            Value::Text(text) => format!("{line}'{text}'"),
            other => format!("{line}{other:?}"),
        }
    }

    #[test]
    fn both_formats_keep_the_line_of_every_value() {
        let toml = "[[client]]\nclient_id = 'a'\nlate_recoveries = 3\n\n[[client]]\ngrants = [\n  'x',\n]\n";
        assert_eq!(
            shape(&Format::Toml.read(toml).unwrap()),
            "1{1:client=1[1{2:client_id=2'a' 3:late_recoveries=3Integer(3)} 5{6:grants=6[7'x']}]}"
        );
        let yaml = "client:\n  - client_id: a\n    late_recoveries: 3\n  - grants:\n      - x\n      - no\n";
        assert_eq!(
            shape(&Format::Yaml.read(yaml).unwrap()),
            "1{1:client=2[2{2:client_id=2'a' 3:late_recoveries=3Integer(3)} 4{4:grants=5[5'x' 6'no']}]}"
        );
        assert_eq!(shape(&Format::Yaml.read("# nothing\n").unwrap()), "2Null");
        assert_eq!(shape(&Format::Toml.read("# nothing\n").unwrap()), "1{}");
    }

    #[test]
    fn what_has_no_form_is_refused_with_its_line() {
        let lines = |format: Format, text: &str| -> Vec<u64> {
            let errors = format.read(text).unwrap_err();
            errors.iter().map(|error| error.line).collect()
        };
        assert_eq!(lines(Format::Toml, "a = 1\na = 2\n"), [2]);
        assert_eq!(lines(Format::Toml, "a = \n\nb = 99999999999999999999\n"), [1]);
        assert_eq!(lines(Format::Toml, "\nb = 99999999999999999999\n"), [2]);
        assert_eq!(lines(Format::Yaml, "a: 1\na: 2\n"), [2]);
        assert_eq!(lines(Format::Yaml, "a: 1\nb: [\n"), [2]);
        assert_eq!(lines(Format::Yaml, "a: 1\n---\nb: 2\n").len(), 1);
        let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert_eq!(lines(Format::Yaml, &deep).len(), 1);
        assert_eq!(
            lines(
                Format::Toml,
                &format!("a = {}{}", "[".repeat(500), "]".repeat(500))
            )
            .len(),
            1
        );
    }
}
