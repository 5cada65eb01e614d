//! The description of the API.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use symbolon_admin_api::{PREFIX, ProblemKind, catalogue, document};

use crate::bench::{Bench, Call};

/// `UPDATE_DOCS=1` writes the file instead of comparing it.
#[test]
fn the_document_that_is_checked_in_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/admin-openapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/admin-openapi.json is stale: write it anew with `UPDATE_DOCS=1 cargo test -p symbolon-admin-api openapi`"
    );
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let bench = Bench::new().await;
    let response = bench.send(Call::get("/openapi.json").token(None)).await;
    assert_eq!(response.status(), 200);
}

#[test]
fn the_document_names_every_operation_and_what_it_refers_to() {
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for listed in catalogue() {
        let path = format!("{PREFIX}{}", listed.path);
        let described = &document["paths"][&path][listed.method.as_str().to_lowercase()];
        assert_eq!(described["operationId"], *listed.id, "{path}");
        let needed = described["security"].to_string();
        assert!(needed.contains(listed.scope), "{path}: {needed}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let known: BTreeSet<&str> = schemas.keys().map(String::as_str).collect();
    let mut referred = BTreeSet::new();
    references(&document, &mut referred);
    let unknown: Vec<_> = referred
        .iter()
        .filter(|name| !known.contains(name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "there is no schema of these: {unknown:?}");
}

#[test]
fn the_document_names_the_conditions_that_changes_take() {
    let document = serde_json::to_value(document()).unwrap();
    let of = |method: &str, path: &str| {
        let operation = &document["paths"][format!("{PREFIX}{path}")][method];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let headers = parameters.filter(|parameter| parameter["in"] == "header");
        let name = |parameter: &Value| parameter["name"].as_str().unwrap().to_owned();
        headers.map(name).collect::<Vec<_>>()
    };
    for record in ["/roles/{name}", "/scopes/{name}", "/resource-servers/{audience}"] {
        assert_eq!(of("put", record), ["If-Match", "If-None-Match"], "{record}");
        assert_eq!(of("delete", record), ["If-Match"], "{record}");
        assert!(of("get", record).is_empty(), "{record}");
    }
    assert_eq!(of("patch", "/clients/{client_id}"), ["If-Match"]);
    assert_eq!(of("post", "/users/{subject}/password"), ["If-Match"]);
    for path in ["/users", "/keys/{kid}/retire"] {
        assert!(of("post", path).is_empty(), "{path}");
    }
}

/// 408 is the listener's.
#[test]
fn the_document_promises_no_refusal_that_is_never_made() {
    let document = serde_json::to_value(document()).unwrap();
    let made = ProblemKind::ALL.iter().map(|kind| kind.status().as_u16());
    let made: BTreeSet<u16> = made.chain([408]).collect();
    let operations = document["paths"].as_object().unwrap().values();
    for operation in operations.flat_map(|path| path.as_object().unwrap().values()) {
        for status in operation["responses"].as_object().unwrap().keys() {
            let status: u16 = status.parse().unwrap();
            assert!(status < 300 || made.contains(&status), "{operation}");
        }
    }
}

/// The names of the schemas that the value refers to.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.extend(target.strip_prefix("#/components/schemas/").map(str::to_owned));
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
