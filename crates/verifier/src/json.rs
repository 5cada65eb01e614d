//! JSON as a verifier must read it: no member twice, at any depth, and no wrong type that passes for absence.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The most members that an object may have.
const MAX_MEMBERS: usize = 64;

/// The text is not what was asked for: not JSON, another type, a member twice, or out of bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Invalid;

/// The members of an object in their order, each name once. The values are kept as text, so that each is read as the
/// one type that it must have.
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads an object with at most 64 members; trailing text is an error.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, Invalid> {
        let text = std::str::from_utf8(json).map_err(|_| Invalid)?;
        let object: Self = serde_json::from_str(text).map_err(|_| Invalid)?;
        let repeated = |(at, (name, _)): (usize, &(Cow<'_, str>, _))| {
            object.0[..at].iter().any(|(earlier, _)| earlier == name)
        };
        if object.0.iter().enumerate().any(repeated) {
            return Err(Invalid);
        }
        for (_, value) in &object.0 {
            // A scalar has no members.
            if value.get().starts_with(['{', '[']) {
                serde_json::from_str::<Unique>(value.get()).map_err(|_| Invalid)?;
            }
        }
        Ok(object)
    }

    /// Whether there is a member of this name, whatever its value.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The value as text.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(member, _)| member == name);
        found.map(|(_, value)| *value)
    }

    /// The value as a `T`; absent only if there is no such member. `null` is a value.
    pub(crate) fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Invalid> {
        let read = |value: &RawValue| serde_json::from_str(value.get()).map_err(|_| Invalid);
        self.raw(name).map(read).transpose()
    }

    /// The value as a `T`.
    pub(crate) fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, Invalid> {
        self.optional(name)?.ok_or(Invalid)
    }

    /// Names and values in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object with at most {MAX_MEMBERS} members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(de::Error::invalid_length(MAX_MEMBERS + 1, &self));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Any JSON whose objects repeat no member. It keeps nothing.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if names.len() == MAX_MEMBERS || names.contains(&name) {
                return Err(de::Error::custom("a member is repeated, or there are too many"));
            }
            names.push(name);
            map.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(json: &str) -> bool {
        Object::parse(json.as_bytes()).is_ok()
    }

    #[test]
    fn rejects_repeated_members_at_any_depth_even_when_spelled_with_escapes() {
        assert!(valid(r#"{"a":1,"b":{"a":[{"a":1},{"a":2}]}}"#));
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            r#"{"x":[[{"a":1,"\u0061":1}]]}"#,
        ] {
            assert!(!valid(json), "{json}");
        }
    }

    #[test]
    fn rejects_what_is_no_object() {
        for json in [
            "",
            "1",
            "[]",
            "\"a\"",
            "null",
            "{",
            "{}x",
            "{\"a\":}",
            "{\"a\":1,}",
            "\u{feff}{}",
        ] {
            assert!(!valid(json), "{json}");
        }
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn bounds_members_and_depth() {
        let object = |n: usize| {
            let members: Vec<String> = (0..n).map(|i| format!("\"m{i}\":{i}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(valid(&object(MAX_MEMBERS)));
        assert!(!valid(&object(MAX_MEMBERS + 1)));
        assert!(!valid(&format!("{{\"a\":{}}}", object(MAX_MEMBERS + 1))));
        assert!(valid(&format!(
            "{{\"a\":{}{}}}",
            "[".repeat(100),
            "]".repeat(100)
        )));
        assert!(!valid(&format!(
            "{{\"a\":{}{}}}",
            "[".repeat(5000),
            "]".repeat(5000)
        )));
    }

    #[test]
    fn a_wrong_type_is_no_absence() {
        let object = Object::parse(br#"{"a":null,"b":"1","c":1e400,"d":1.0,"e":7}"#).unwrap();
        for name in ["a", "b", "c", "d"] {
            assert_eq!(object.optional::<u64>(name), Err(Invalid), "{name}");
        }
        assert_eq!(object.optional::<u64>("e"), Ok(Some(7)));
        assert_eq!(object.optional::<u64>("f"), Ok(None));
        assert_eq!(object.required::<u64>("f"), Err(Invalid));
    }
}
