//! JSON objects whose members each occur once.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserializer, MapAccess, Visitor};

/// The most members that an object may have.
const MAX_MEMBERS: usize = 32;

/// The members of an object in their order, each name once. Nested values are kept as `V` has them.
pub(crate) struct UniqueObject<V = serde_json::Value>(Vec<(String, V)>);

/// Why a text is no such object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectError {
    /// Another JSON value, or an object with more than 32 members.
    NotObject,
    /// A name occurs twice.
    Repeated,
    /// Not JSON. Both numbers count from 1, or are 0 where there is no place to name.
    Syntax { line: usize, column: usize },
}

impl<'a, V: de::Deserialize<'a>> UniqueObject<V> {
    /// Reads an object; trailing text is an error.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, ObjectError> {
        let text = std::str::from_utf8(json).map_err(|_| ObjectError::Syntax { line: 0, column: 0 })?;
        let members: Members<V> = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => ObjectError::NotObject,
            _ => ObjectError::Syntax {
                line: error.line(),
                column: error.column(),
            },
        })?;
        members.unique().ok_or(ObjectError::Repeated)
    }
}

impl<V> UniqueObject<V> {
    /// The value of a member.
    pub(crate) fn member(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first of `names` that is present, whatever its value.
    pub(crate) fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().find(|name| self.member(name).is_some()).copied()
    }
}

impl<'de, V: de::Deserialize<'de>> de::Deserialize<'de> for UniqueObject<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members::deserialize(deserializer)?
            .unique()
            .ok_or_else(|| de::Error::custom("a member is repeated"))
    }
}

/// Members as they stand.
struct Members<V>(Vec<(String, V)>);

impl<V> Members<V> {
    fn unique(self) -> Option<UniqueObject<V>> {
        let repeated = |(index, (name, _)): (usize, &(String, V))| {
            self.0[..index].iter().any(|(earlier, _)| earlier == name)
        };
        if self.0.iter().enumerate().any(repeated) {
            return None;
        }
        Some(UniqueObject(self.0))
    }
}

impl<'de, V: de::Deserialize<'de>> de::Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<V>(PhantomData<V>);

impl<'de, V: de::Deserialize<'de>> Visitor<'de> for MembersVisitor<V> {
    type Value = Members<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a JSON object with at most {MAX_MEMBERS} members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<V>, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.len() == MAX_MEMBERS {
                return Err(de::Error::custom("too many members"));
            }
            members.push((name, map.next_value()?));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &[u8]) -> Result<UniqueObject, ObjectError> {
        UniqueObject::parse(json)
    }

    #[test]
    fn rejects_repeated_members_even_when_spelled_with_escapes() {
        assert!(parse(br#"{"alg":"a","kid":"b"}"#).is_ok());
        let syntax = |line, column| ObjectError::Syntax { line, column };
        for (json, wanted) in [
            (&br#"{"alg":"a","alg":"a"}"#[..], ObjectError::Repeated),
            (br#"{"alg":"a","\u0061lg":"b"}"#, ObjectError::Repeated),
            (br#"["alg"]"#, ObjectError::NotObject),
            (br#"{"alg":"a"} {}"#, syntax(1, 13)),
            (b"{\"alg\":\n\"a\"", syntax(2, 3)),
            (b"", syntax(1, 0)),
            (b"{\"a\":\"\xff\"}", syntax(0, 0)),
        ] {
            assert_eq!(parse(json).err(), Some(wanted));
        }
    }

    #[test]
    fn bounds_members_and_depth() {
        let object = |n: usize| {
            let members: Vec<String> = (0..n).map(|i| format!("\"m{i}\":{i}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(parse(object(MAX_MEMBERS).as_bytes()).is_ok());
        assert_eq!(
            parse(object(MAX_MEMBERS + 1).as_bytes()).err(),
            Some(ObjectError::NotObject)
        );
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(parse(deep.as_bytes()).is_err());
    }
}
