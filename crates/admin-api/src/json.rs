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

/// The problem of a value that is not of its form: names the field and the rule.
pub(crate) fn wrong(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    Problem::invalid(place(error.path()), rule(&error.inner().to_string()))
}

/// What serde says is wrong, without the value, which it quotes: that may be a secret which stands in the wrong place.
pub(crate) fn rule(said: &str) -> String {
    const FIELD: &str = "unknown field `";
    const VARIANT: &str = "unknown variant `";
    const QUOTING: [&str; 4] = ["invalid type: ", "invalid value: ", FIELD, VARIANT];
    let quoting = QUOTING
        .iter()
        .filter_map(|begin| Some((said.find(begin)?, *begin)));
    let Some((at, begin)) = quoting.min() else {
        return said.to_owned();
    };
    let (before, rest) = said.split_at(at + begin.len());
    // The last one: a value can hold these words, and what is expected does not.
    let ends = [", expected ", ", there are no "].into_iter();
    let end = ends.filter_map(|end| rest.rfind(end)).max();
    let (quoted, after) = rest.split_at(end.unwrap_or(rest.len()));
    let shown = match begin {
        FIELD => shown_name(quoted.strip_suffix('`').unwrap_or(quoted)),
        VARIANT => "…",
        // What kind of value it is stands before it.
        _ => quoted.split(['"', '`']).next().unwrap_or_default().trim_end(),
    };
    let close = if begin.ends_with('`') { "`" } else { "" };
    format!("{before}{shown}{close}{after}")
}

/// The name of a member or a parameter, where it may be one.
pub(crate) fn shown_name(name: &str) -> &str {
    /// None of ours is as long, and tokens and client secrets are longer.
    const LONGEST: usize = 40;
    if name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        return "…";
    }
    name
}

/// The problem of a body that names a member twice, where the error is of that.
pub(crate) fn repeated(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<Problem> {
    let said = error.inner().to_string();
    let (name, _) = said.strip_prefix(REPEATED)?.rsplit_once('`')?;
    let name = shown_name(name);
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

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    #[expect(dead_code, reason = "only what is refused is looked at")]
    enum Filter {
        Subject(String),
        Client { id: u32, kinds: Vec<Kind> },
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
    }

    #[test]
    fn what_is_of_another_form_is_told_without_the_value() {
        const SECRET: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
        let expected = "expected `subject` or `client`";
        for (text, field, rule) in [
            (
                r#"{"SECRET":1}"#,
                "",
                &*format!("unknown variant `…`, {expected}"),
            ),
            (r#""SECRET""#, "", &format!("unknown variant `…`, {expected}")),
            (
                r#"{"SECRET`, expected x":1}"#,
                "",
                &format!("unknown variant `…`, {expected}"),
            ),
            (
                r#"{"subject":["SECRET"]}"#,
                "subject",
                "invalid type: sequence, expected a string",
            ),
            (
                r#"{"client":{"id":"SECRET \", expected x"}}"#,
                "client.id",
                "invalid type: string, expected u32",
            ),
            (
                r#"{"client":{"id":-4711}}"#,
                "client.id",
                "invalid value: integer, expected u32",
            ),
            (
                r#"{"client":{"id":0.4711}}"#,
                "client.id",
                "invalid type: floating point, expected u32",
            ),
            (
                r#"{"client":{"id":null}}"#,
                "client.id",
                "invalid type: null, expected u32",
            ),
            (
                r#"{"client":{"kinds":["SECRET"]}}"#,
                "client.kinds[0]",
                "unknown variant `…`, expected `one`",
            ),
            (
                r#"{"client":{"SECRET":1}}"#,
                "client.…",
                "unknown field `…`, expected `id` or `kinds`",
            ),
            (
                r#"{"client":{"kind":1}}"#,
                "client.kind",
                "unknown field `kind`, expected `id` or `kinds`",
            ),
            (r#"{"client":{}}"#, "client", "missing field `id`"),
        ] {
            let problem = read::<Filter>(text.replace("SECRET", SECRET).as_bytes()).unwrap_err();
            let told = &problem.errors[0];
            assert!(told.rule.starts_with(rule), "{text}: {}", told.rule);
            assert_eq!((problem.status, &*told.field), (422, field), "{text}");
            assert!(
                !problem.detail.contains("eyJ") && !problem.detail.contains("4711"),
                "{text}"
            );
        }
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
