//! JSON objects whose members each occur once.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};

/// The most members that an object may have.
const MAX_MEMBERS: usize = 32;

/// The members of an object in their order, each name once. Nested values are kept as they are.
pub(crate) struct UniqueObject(Vec<(String, serde_json::Value)>);

impl UniqueObject {
    /// Reads an object; `None` for anything else, for a repeated name, for more than 32 members and for trailing text.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
    }

    /// The value of a member.
    pub(crate) fn member(&self, name: &str) -> Option<&serde_json::Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The first of `names` that is present, whatever its value.
    pub(crate) fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().find(|name| self.member(name).is_some()).copied()
    }
}

impl<'de> de::Deserialize<'de> for UniqueObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = UniqueObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object without repeated members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueObject, A::Error> {
        let mut members: Vec<(String, serde_json::Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.len() == MAX_MEMBERS {
                return Err(de::Error::custom("too many members"));
            }
            if members.iter().any(|(earlier, _)| *earlier == name) {
                return Err(de::Error::custom("a member is repeated"));
            }
            members.push((name, map.next_value()?));
        }
        Ok(UniqueObject(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_repeated_members_even_when_spelled_with_escapes() {
        assert!(UniqueObject::parse(br#"{"alg":"a","kid":"b"}"#).is_some());
        for json in [
            r#"{"alg":"a","alg":"a"}"#,
            r#"{"alg":"a","\u0061lg":"b"}"#,
            r#"["alg"]"#,
            r#"{"alg":"a"} {}"#,
            r#"{"alg":"a""#,
            "",
        ] {
            assert!(UniqueObject::parse(json.as_bytes()).is_none(), "{json}");
        }
        assert!(UniqueObject::parse(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn bounds_members_and_depth() {
        let object = |n: usize| {
            let members: Vec<String> = (0..n).map(|i| format!("\"m{i}\":{i}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(UniqueObject::parse(object(MAX_MEMBERS).as_bytes()).is_some());
        assert!(UniqueObject::parse(object(MAX_MEMBERS + 1).as_bytes()).is_none());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(UniqueObject::parse(deep.as_bytes()).is_none());
    }
}
