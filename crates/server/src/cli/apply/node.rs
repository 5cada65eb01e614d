//! What a file holds, each value with its line. Whatever is read from it fails with the line where it is wrong.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};

/// A value and the line where it begins, from 1 on.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

impl Node {
    /// The line of that field, such as `serves[0].audience`, or of the innermost value that is there and would hold it;
    /// `None` where not even that is.
    pub(super) fn line_of(&self, field: &str) -> Option<u64> {
        let (mut line, mut node) = (None, self);
        for part in field.split(['.', '[']) {
            let part = part.trim_end_matches(']');
            let (at, next) = match &node.value {
                Value::Table(members) => {
                    let member = members.iter().find(|member| member.name == part);
                    member.map(|member| (member.line, &member.node))
                }
                Value::List(items) => {
                    let item = part.parse().ok().and_then(|place: usize| items.get(place));
                    item.map(|item| (item.line, item))
                }
                _ => None,
            }
            .unzip();
            let Some(next) = next else { break };
            (line, node) = (at, next);
        }
        line
    }
}

/// A value of any type that files know.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    Float(f64),
    Integer(i64),
    List(Vec<Node>),
    Null,
    Table(Vec<Member>),
    Text(String),
}

/// A member of a table.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The line of its name.
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) node: Node,
}

/// Why a value can't be read, and where; line 0 where that is not known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LineError {
    pub(super) line: u64,
    pub(super) rule: String,
}

impl LineError {
    pub(super) fn new(line: u64, rule: impl fmt::Display) -> Self {
        Self {
            line,
            rule: rule.to_string(),
        }
    }

    /// The line of the innermost value is the one that counts.
    fn at(self, line: u64) -> Self {
        if self.line == 0 {
            Self { line, ..self }
        } else {
            self
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

impl std::error::Error for LineError {}

impl de::Error for LineError {
    fn custom<T: fmt::Display>(rule: T) -> Self {
        Self::new(0, rule)
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = LineError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LineError> {
        let read = match &self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::List(items) => visitor.visit_seq(Items(items)),
            Value::Null => visitor.visit_unit(),
            Value::Table(members) => visitor.visit_map(Members {
                rest: members,
                current: None,
            }),
            Value::Text(text) => visitor.visit_borrowed_str(text),
        };
        read.map_err(|error| error.at(self.line))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LineError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Items<'de>(&'de [Node]);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = LineError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, LineError> {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(None);
        };
        self.0 = rest;
        seed.deserialize(first).map(Some)
    }
}

/// Members of a table, one after the other.
pub(super) struct Members<'de> {
    rest: &'de [Member],
    current: Option<&'de Node>,
}

impl<'de> Members<'de> {
    /// A table of that member alone.
    pub(super) fn only(member: &'de Member) -> Self {
        Self {
            rest: std::slice::from_ref(member),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = LineError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, LineError> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        self.current = Some(&first.node);
        let name: StrDeserializer<'de, LineError> = first.name.as_str().into_deserializer();
        seed.deserialize(name)
            .map(Some)
            .map_err(|error| error.at(first.line))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, LineError> {
        match self.current.take() {
            Some(node) => seed.deserialize(node),
            None => Err(de::Error::custom("a value without a name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::formats::Format;

    #[test]
    fn a_field_is_found_as_far_as_it_is_there() {
        let text = "name: A\ngrants:\n  - a\n  - b\nserves:\n  - audience: urn:a\n    signing_alg: x\n";
        let node = Format::Yaml.read(text).unwrap();
        for (field, line) in [
            ("name", Some(1)),
            ("grants", Some(2)),
            ("grants[1]", Some(4)),
            ("grants[2]", Some(2)),
            ("serves[0].signing_alg", Some(7)),
            ("serves[0].access_token_lifetime", Some(6)),
            ("scope", None),
            ("", None),
        ] {
            assert_eq!(node.line_of(field), line, "{field}");
        }
    }
}
