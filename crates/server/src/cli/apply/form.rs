//! Forms of clients side by side: what means the same looks the same.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde_json::{Map, Value};
use symbolon_admin_api::ClientForm;
use symbolon_core::client::{AuthMethod, ClientPolicy, ClientType, RotationPolicy};
use symbolon_oauth_types::{GrantType, ScopeSet};

/// What differs in one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) old: Value,
    pub(super) new: Value,
}

/// A form as the server shows it: with what holds where nothing is said, and sets in their order. What can't be read stays
/// as it is, for the server to refuse.
pub(super) fn canonical(mut form: ClientForm) -> ClientForm {
    let client_type = form.client_type.get_or_insert_with(|| "confidential".to_owned());
    let usual = ClientPolicy::new(
        "",
        if client_type == "public" {
            ClientType::Public
        } else {
            ClientType::Confidential
        },
    );
    let methods = form.auth_methods.take();
    form.auth_methods = Some(match methods {
        Some(methods) => sorted::<AuthMethod>(methods),
        None => usual
            .auth_methods
            .iter()
            .map(|method| method.as_str().to_owned())
            .collect(),
    });
    form.rotation
        .get_or_insert_with(|| RotationPolicy::default().as_str().to_owned());
    form.grants = sorted::<GrantType>(form.grants);
    form.cors_origins = sorted::<String>(form.cors_origins);
    for scope in [&mut form.scope, &mut form.default_scope] {
        if let Ok(set) = scope.parse::<ScopeSet>() {
            *scope = set.to_string();
        }
    }
    form
}

/// In the order of their type. Where one can't be read, or is there twice, they stay as they are: the server's refusal names
/// its place.
fn sorted<T: FromStr + Ord>(mut texts: Vec<String>) -> Vec<String> {
    let set: Option<BTreeSet<T>> = texts.iter().map(|text| text.parse().ok()).collect();
    if set.is_some_and(|set| set.len() == texts.len()) {
        texts.sort_by_cached_key(|text| text.parse::<T>().ok());
    }
    texts
}

/// The fields in which two forms differ; all that is said of a client where it is not there before or after.
pub(super) fn differences(old: Option<&ClientForm>, new: Option<&ClientForm>) -> Vec<Difference> {
    let (old, new) = (members(old), members(new));
    let mut names: Vec<_> = if new.is_empty() { old.keys() } else { new.keys() }.collect();
    // However maps keep their members.
    names.sort();
    let value = |of: &Map<String, Value>, name: &str| of.get(name).cloned().unwrap_or(Value::Null);
    let differences = names.into_iter().map(|name| Difference {
        field: name.clone(),
        old: value(&old, name),
        new: value(&new, name),
    });
    differences
        .filter(|found| found.field != "client_id" && !same(&found.old, &found.new))
        .collect()
}

/// Whether both are the same, or both say nothing.
fn same(old: &Value, new: &Value) -> bool {
    let says_nothing = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        other => other.is_null(),
    };
    old == new || (says_nothing(old) && says_nothing(new))
}

fn members(form: Option<&ClientForm>) -> Map<String, Value> {
    match form.map(serde_json::to_value) {
        Some(Ok(Value::Object(members))) => members,
        _ => Map::new(),
    }
}

/// A merge patch that makes the one of the other.
pub(super) fn patch(old: &ClientForm, new: &ClientForm) -> Map<String, Value> {
    let changed = differences(Some(old), Some(new)).into_iter();
    changed.map(|found| (found.field, found.new)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(value: Value) -> ClientForm {
        canonical(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_means_the_same_does_not_differ() {
        let short =
            form(json!({ "name": "A", "grants": ["refresh_token", "client_credentials"], "scope": "b a" }));
        let long = form(json!({
            "name": "A", "type": "confidential", "auth_methods": ["client_secret_basic"], "rotation": "always",
            "grants": ["client_credentials", "refresh_token"], "scope": "a b", "access_token_lifetime": null,
        }));
        assert_eq!(differences(Some(&short), Some(&long)), []);
        let public = form(json!({ "name": "A", "type": "public" }));
        assert_eq!(public.auth_methods.as_deref(), Some(&["none".to_owned()][..]));
    }

    #[test]
    fn the_order_of_audiences_means_something() {
        let one = form(json!({ "name": "A", "audiences": ["urn:a", "urn:b"] }));
        let other = form(json!({ "name": "A", "audiences": ["urn:b", "urn:a"] }));
        let patch = patch(&one, &other);
        assert_eq!(Value::Object(patch), json!({ "audiences": ["urn:b", "urn:a"] }));
    }

    #[test]
    fn what_is_not_said_any_more_is_taken_back() {
        let old = form(json!({ "name": "A", "scope": "a", "access_token_lifetime": 60 }));
        let new = form(json!({ "name": "A" }));
        let patch = patch(&old, &new);
        assert_eq!(
            Value::Object(patch),
            json!({ "scope": "", "access_token_lifetime": null })
        );
    }

    #[test]
    fn what_cannot_be_read_stays() {
        let broken = form(json!({ "name": "A", "grants": ["z", "a"], "scope": "a\u{1}" }));
        assert_eq!(
            (broken.grants, broken.scope),
            (vec!["z".into(), "a".into()], "a\u{1}".into())
        );
        let twice = form(json!({ "name": "A", "grants": ["refresh_token", "password", "refresh_token"] }));
        assert_eq!(twice.grants, ["refresh_token", "password", "refresh_token"]);
    }
}
