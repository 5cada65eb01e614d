//! JSON in which no object names a member twice: what reads it would have to choose one of the two
//! ([RFC 8259 section 4](https://www.rfc-editor.org/rfc/rfc8259#section-4)).
//!
//! Derived readers of structs refuse repeats by themselves. [`unique`] does where any value may stand.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::extract::place;
use crate::problem::{Problem, ProblemKind};

/// How serde begins to say that a member is repeated, and so do we; its name and a backtick follow.
const REPEATED: &str = "duplicate field `";

/// Reads any value.
///
/// # Errors
/// An object in it names a member twice.
pub(crate) fn unique<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    Unique::deserialize(from).map(|Unique(value)| value)
}

/// The problem of a body that names a member twice, where the error is of that.
pub(crate) fn repeated(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<Problem> {
    let said = error.inner().to_string();
    let (name, _) = said.strip_prefix(REPEATED)?.rsplit_once('`')?;
    let field = match place(error.path()) {
        object if object.is_empty() => name.to_owned(),
        object => format!("{object}.{name}"),
    };
    let rule = "it is named twice: give it once";
    Some(Problem::new(ProblemKind::Malformed, format_args!("{field}: {rule}")).at(field, rule))
}

/// A value whose objects name each member once.
pub(crate) struct Unique(pub(crate) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{REPEATED}{name}`")));
            }
            let Unique(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::read;

    #[test]
    fn any_value_is_read_as_it_is() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,0.5,"é\n",{}],"b":{"a":[]}}"#;
        let Unique(value) = read(text.as_bytes()).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_repeated_is_named() {
        for (text, field) in [
            (r#"{"a":1,"b":2,"a":1}"#, "a"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"b":{"c":[1,{"a":1,"a":2}]}}"#, "b.c[1].a"),
            (r#"[{"x`y":1,"x`y":2}]"#, "[0].x`y"),
        ] {
            let problem = read::<Unique>(text.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(
                (problem.status, &*problem.errors[0].field),
                (400, field),
                "{text}"
            );
        }
    }
}
