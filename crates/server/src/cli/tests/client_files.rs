//! Clients as JSON lines: import and export.

use std::path::PathBuf;

use serde_json::json;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn server(id: &str) -> Value {
    json!({ "client_id": id, "name": id, "serves": [{ "audience": format!("urn:{id}") }] })
}

fn app(id: &str, audience: &str) -> Value {
    json!({
        "client_id": id, "name": id, "grants": ["client_credentials"], "scope": "a", "audiences": [audience],
    })
}

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl Bench {
    fn clients_in(&self, lines: &[String]) -> PathBuf {
        let path = self.dir.path().join("clients");
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    }

    async fn import_clients(&self, lines: &[String], options: &str) -> Outcome {
        let file = self.clients_in(lines);
        self.run(&format!("client import {}{options} --json", file.display()))
            .await
    }

    async fn client_ids(&self) -> Vec<String> {
        let exported = self.run("client export").await;
        assert_eq!(exported.error, None);
        let clients = objects(&exported.out).into_iter();
        let mut ids: Vec<_> = clients
            .map(|client| client["client_id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort_unstable();
        ids
    }
}

#[tokio::test]
async fn every_line_is_reported_and_holds_no_other_up() {
    let bench = Bench::new().await;
    bench
        .json("", "client add --name There --client-id there --serves urn:there")
        .await;
    let mut known = server("known");
    known["client_secret"] = json!(SECRET);
    let lines = [
        // Its server is behind it.
        app("app", "urn:orders").to_string(),
        String::new(),
        known.to_string() + "\r",
        "not JSON".to_owned(),
        "[]".to_owned(),
        server("orders").to_string(),
        json!({ "client_id": "typo", "nam": "x" }).to_string(),
        app("lost", "urn:nowhere").to_string(),
        format!("{{\"name\":\"{}\"}}", "x".repeat(100_000)),
        server("orders").to_string(),
        server("there").to_string(),
    ];
    let done = bench.import_clients(&lines, "").await;
    let (kind, said) = done.error.clone().unwrap();
    assert_eq!((kind.exit_code(), kind.as_str()), (6, "incomplete"));
    assert!(said.starts_with("6 of 10 lines were refused; "), "{said}");
    let mut told = objects(&done.out);
    assert_eq!(
        told.pop().unwrap(),
        json!({ "dry_run": false, "lines": 10, "added": 3, "existing": 1, "refused": 6 })
    );
    told.sort_by_key(|line| line["line"].as_u64());
    let expected = [
        (1, "added", json!("app"), json!(null), ""),
        (3, "added", json!("known"), json!(null), ""),
        (4, "refused", json!(null), json!(null), "it is no JSON"),
        (5, "refused", json!(null), json!(null), "JSON object"),
        (6, "added", json!("orders"), json!(null), ""),
        (7, "refused", json!("typo"), json!("nam"), "unknown field"),
        (8, "refused", json!("lost"), json!("audiences"), "nobody serves"),
        (9, "refused", json!(null), json!(null), "at most 60000 bytes"),
        (
            10,
            "refused",
            json!(null),
            json!("client_id"),
            "is on line 6 already",
        ),
        (11, "exists", json!("there"), json!(null), ""),
    ];
    assert_eq!(told.len(), expected.len());
    for (line, (number, outcome, id, field, rule)) in told.iter().zip(expected) {
        assert_eq!(
            (&line["line"], &line["outcome"]),
            (&json!(number), &json!(outcome))
        );
        assert_eq!((&line["client_id"], &line["field"]), (&id, &field), "{line}");
        assert!(line["rule"].as_str().unwrap_or("").contains(rule), "{line}");
    }

    // Secrets that were made are shown once; those that were given never.
    let made = told[0]["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(told[1]["client_secret"], Value::Null);
    let keys = bench.server_keys().await.client_secrets;
    for (id, secret) in [("app", made.as_str()), ("known", SECRET)] {
        let found = symbolon_core::ports::FactStore::client(&bench.store, &id.parse().unwrap()).await;
        let client = found.unwrap().unwrap();
        assert!(keys.matches(client.uid, &secret.into(), &client.secrets, bench.clock.now()));
    }
    assert!(
        !done.out.contains(SECRET) && !done.err.contains(&made),
        "{}",
        done.err
    );
    assert_eq!(done.err.matches("shown this once").count(), 1);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let bench = Bench::new().await;
    let lines = [
        app("app", "urn:orders").to_string(),
        server("orders").to_string(),
        app("lost", "urn:nowhere").to_string(),
    ];
    let dry = bench.import_clients(&lines, " --dry-run").await;
    assert_eq!(dry.error.unwrap().0.exit_code(), 6);
    let mut told = objects(&dry.out);
    assert_eq!(
        told.pop().unwrap(),
        json!({ "dry_run": true, "lines": 3, "added": 2, "existing": 0, "refused": 1 })
    );
    assert!(
        told.iter().all(|line| line["client_secret"].is_null()),
        "{told:?}"
    );
    assert_eq!((dry.err.as_str(), bench.client_ids().await), ("", Vec::new()));
    let file = bench.clients_in(&lines);
    let text = bench
        .run(&format!("client import {} --dry-run", file.display()))
        .await;
    assert_eq!(
        text.out.lines().collect::<Vec<_>>(),
        [
            "line 1: would be added, client_id: app",
            "line 2: would be added, client_id: orders",
            "line 3: refused, client_id: lost, field: audiences, rule: nobody serves one of them",
            "3 clients: 2 would be added, 0 there already, 1 refused",
        ]
    );
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let bench = Bench::new().await;
    bench
        .json(
            "",
            "client add --name Orders --client-id orders --serves urn:orders=ES256,lifetime=1m",
        )
        .await;
    bench
        .json("", "client add --name Old --client-id old --serves urn:old")
        .await;
    bench.json("", "client disable old").await;
    let exported = bench.run("client export").await.out;
    assert!(!exported.contains("sbs_"), "{exported}");
    let narrowed = bench.run("client export --active=false").await.out;
    assert_eq!(objects(&narrowed)[0]["client_id"], "old");
    assert_eq!(narrowed.lines().count(), 1);

    let other = Bench::new().await;
    let mut script = Script {
        stdin: exported.into(),
        ..Script::default()
    };
    let done = other.run_with(&mut script, "client import - --json").await;
    assert_eq!(done.error, None);
    let shown = other.json("", "client show orders").await;
    assert_eq!(
        shown["serves"],
        json!([{ "audience": "urn:orders", "signing_alg": "ES256", "access_token_lifetime": 60 }])
    );
    assert_eq!(other.json("", "client show old").await["active"], false);
}

#[tokio::test]
async fn a_large_file_goes_in_requests_that_fit() {
    let bench = Bench {
        // The smallest that there can be.
        max_body_bytes: 65_536,
        ..Bench::new().await
    };
    let scope: Vec<_> = (0..32).map(|n| format!("{n:0>100}")).collect();
    let lines: Vec<_> = (0..600)
        .map(|n| {
            let mut server = server(&format!("c{n:03}"));
            if n < 40 {
                server["scope"] = json!(scope.join(" "));
            }
            server.to_string()
        })
        .collect();
    let done = bench.import_clients(&lines, "").await;
    assert_eq!(done.error, None);
    let told = objects(&done.out);
    assert_eq!(told.last().unwrap()["added"], 600);
    let numbers: Vec<_> = told.iter().filter_map(|line| line["line"].as_u64()).collect();
    assert!((1..=600).eq(numbers));
    assert_eq!(bench.client_ids().await.len(), 600);
}

/// More than one request holds.
#[tokio::test]
async fn who_is_in_another_batch_is_seen_all_the_same() {
    let bench = Bench::new().await;
    let mut lines: Vec<_> = (1..=600).map(|n| server(&format!("c{n}")).to_string()).collect();
    lines.push(server("c1").to_string());
    for (options, is_dry) in [(" --dry-run", true), ("", false)] {
        let done = bench.import_clients(&lines, options).await;
        assert_eq!(done.error.clone().unwrap().0.exit_code(), 6);
        let mut told = objects(&done.out);
        assert_eq!(
            told.pop().unwrap(),
            json!({ "dry_run": is_dry, "lines": 601, "added": 600, "existing": 0, "refused": 1 })
        );
        let refused = told.iter().find(|line| line["outcome"] == "refused").unwrap();
        assert_eq!(
            (&refused["line"], &refused["field"], &refused["rule"]),
            (&json!(601), &json!("client_id"), &json!("is on line 1 already"))
        );
    }
}

#[tokio::test]
async fn a_file_that_can_t_be_read_is_named() {
    let bench = Bench::new().await;
    let missing = bench.dir.path().join("missing");
    bench
        .run(&format!("client import {}", missing.display()))
        .await
        .refused(1, "missing");
}

#[tokio::test]
async fn scopes_that_a_comma_parts_are_warned_of() {
    let bench = Bench::new().await;
    let mut joined = app("app", "urn:orders");
    joined["scope"] = json!("a:read,a:write");
    let lines = [server("orders").to_string(), joined.to_string()];
    for options in [" --dry-run", "", ""] {
        let done = bench.import_clients(&lines, options).await;
        assert_eq!(done.error, None);
        let warned = done.err.contains("line 2: \\\"a:read,a:write\\\" is one scope");
        let is_added = done.out.contains("\"outcome\":\"added\"");
        assert_eq!(warned, is_added, "{}", done.err);
    }
    let second = bench.import_clients(&lines, "").await;
    assert!(!second.err.contains("warning"), "{}", second.err);
}
