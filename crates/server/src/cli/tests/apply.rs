//! Files beside what is there, and the one made the other.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use symbolon_core::audit::{Act, Actor, AuditFilter, AuditStore as _, Order};
use symbolon_core::ports::{AdminStore, AdminStores as _, Change, RegisteredScope};

use super::*;

const SERVERS: &str = r#"
[[client]]
client_id = "orders"
name = "Orders"

[[client.serves]]
audience = "urn:orders"
access_token_lifetime = 120

[[scope]]
name = "orders:read"
description = "Read orders"
"#;

const SHOP: &str = "
client:
  - client_id: shop
    name: Shop
    grants: [refresh_token, client_credentials]
    scope: orders:write orders:read
    audiences:
      - urn:orders
";

struct Files(PathBuf);

impl Files {
    fn new(bench: &Bench) -> Self {
        let folder = bench.dir.path().join("files");
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn both(bench: &Bench) -> Self {
        let files = Self::new(bench);
        files.put("z-servers.toml", SERVERS);
        files.put("apps/a-shop.yaml", SHOP);
        files
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    async fn apply(&self, bench: &Bench, flags: &str) -> Outcome {
        bench.run(&format!("apply -f {}{flags}", self.0.display())).await
    }
}

fn admin(bench: &Bench) -> Box<dyn AdminStore> {
    bench.store.acting(Act::new(Actor::operator("tester"), "a test"))
}

/// The names of the clients and scopes that are there.
async fn there(bench: &Bench) -> Value {
    let shown = bench.run("client list --json").await.json();
    let clients = shown["clients"].as_array().unwrap().iter();
    let clients = sorted(clients.map(|client| client["client_id"].clone()).collect());
    let scopes = admin(bench).scopes().await.unwrap();
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.name.as_str()).collect();
    json!([clients, scopes])
}

async fn put_scope(bench: &Bench, name: &str) {
    let scope = RegisteredScope::new(name.parse().unwrap(), "A scope").unwrap();
    assert_eq!(admin(bench).put_scope(&scope).await.unwrap(), Change::Done);
}

/// Clients of one millisecond come in any order.
fn sorted(mut names: Vec<Value>) -> Vec<Value> {
    names.sort_by_key(ToString::to_string);
    names
}

async fn client(bench: &Bench, id: &str) -> Value {
    bench.run(&format!("client show {id} --json")).await.json()
}

#[tokio::test]
async fn files_are_made_so_and_a_second_run_changes_nothing() {
    let bench = Bench::new().await;
    let files = Files::both(&bench);
    let made = files.apply(&bench, " --yes --json --reason rollout").await;
    let object = made.json();
    let changes = object["changes"].as_array().unwrap();
    let names: Vec<_> = changes
        .iter()
        .map(|change| change["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["orders:read", "orders", "shop"]);
    assert!(
        changes
            .iter()
            .all(|change| change["done"] == true && change["change"] == "added")
    );
    assert!(changes[2]["client_secret"].as_str().unwrap().starts_with("sbs_"));
    assert_eq!(there(&bench).await, json!([["orders", "shop"], ["orders:read"]]));
    let shop = client(&bench, "shop").await;
    assert_eq!(shop["grants"], json!(["client_credentials", "refresh_token"]));
    assert_eq!(shop["audiences"], json!(["urn:orders"]));
    assert_eq!(
        client(&bench, "orders").await["serves"][0]["access_token_lifetime"],
        120
    );
    let trail = bench
        .store
        .audit_records(&AuditFilter::default(), Order::Earliest, None, 100)
        .await
        .unwrap();
    let told = trail.iter().filter(|record| record.body.contains("rollout"));
    assert_eq!(told.count(), 3);

    let again = files.apply(&bench, " --json").await;
    assert_eq!(again.waited.len(), 0);
    let object = again.json();
    assert_eq!(
        (&object["changes"], &object["unchanged"]),
        (&json!([]), &json!(3))
    );
    let text = files.apply(&bench, "").await;
    assert_eq!(
        (text.error, text.out.as_str()),
        (None, "nothing to change: 3 are as the files say\n")
    );
}

#[tokio::test]
async fn a_change_is_shown_and_asked_about_first() {
    let bench = Bench::new().await;
    let files = Files::both(&bench);
    assert_eq!(files.apply(&bench, " --yes").await.error, None);
    let renamed = SHOP.replace("Shop", "The shop").replace("orders:write ", "");
    files.put("apps/a-shop.yaml", &(renamed + "    access_token_lifetime: 60\n"));
    let shown = "~ client shop\n    access_token_lifetime: - -> 60\n    name: \"Shop\" -> \"The shop\"\n    \
                 scope: \"orders:read orders:write\" -> \"orders:read\"\n";
    let dry = files.apply(&bench, " --dry-run").await;
    assert_eq!(dry.error, None);
    assert_eq!(
        dry.out,
        format!("{shown}would be 0 added, 1 changed, 0 removed; nothing was changed\n")
    );

    let nobody = files.apply(&bench, "").await;
    assert_eq!(nobody.error.unwrap().0, ErrorKind::Refused);
    let line = format!("apply -f {}", files.0.display());
    let answers = |answer| Script {
        answers: [answer].into(),
        terminal: true,
        ..Script::default()
    };
    let no = bench.run_with(&mut answers("n"), &line).await;
    assert_eq!(no.asked, ["Make this change? [y/N] "]);
    assert_eq!(no.error.unwrap().0, ErrorKind::Refused);
    assert_eq!(client(&bench, "shop").await["name"], "Shop");

    let yes = bench.run_with(&mut answers("y"), &line).await;
    assert_eq!(yes.error, None);
    assert_eq!(yes.out, format!("{shown}0 added, 1 changed, 0 removed\n"));
    let shop = client(&bench, "shop").await;
    assert_eq!(
        (&shop["name"], &shop["scope"]),
        (&json!("The shop"), &json!("orders:read"))
    );
    assert_eq!(shop["access_token_lifetime"], 60);
}

#[tokio::test]
async fn every_fault_is_told_with_file_and_line_and_nothing_is_sent() {
    let bench = Bench::new().await;
    let files = Files::both(&bench);
    files.put(
        "bad.toml",
        "[[client]]\nclient_id = \"x\"\nname = 5\nclient_secret = \"s3cr3t\"\n\n[[client]]\nname = \"Y\"\n\
         [[client.serves]]\naudience = \"urn:y\"\nlifetime = 3\n\n[[user]]\n",
    );
    files.put("broken.toml", "[[client]\n");
    files.put(
        "more.yml",
        "client:\n  - client_id: shop\n    name: Shop\n  - client_id: z\n    name: Z\n    grants: client_credentials\n\
         scope:\n  - name: a\n  - description: b\n",
    );
    let outcome = files.apply(&bench, " --yes").await;
    outcome.refused(2, "nothing was changed");
    let told: Vec<_> = outcome
        .err
        .lines()
        .map(|line| line.strip_prefix(&format!("{}/", files.0.display())).unwrap())
        .collect();
    let expected = [
        (
            "bad.toml:3: ",
            "name: invalid type: integer `5`, expected a string",
        ),
        ("bad.toml:4: ", "unknown field `client_secret`"),
        ("bad.toml:10: ", "unknown field `lifetime`"),
        (
            "bad.toml:12: ",
            "unknown field \"user\", expected `client` or `scope`",
        ),
        ("broken.toml:1: ", ""),
        ("more.yml:2: ", "client \"shop\" is at "),
        (
            "more.yml:6: ",
            "grants: invalid type: string \"client_credentials\", expected a sequence",
        ),
        ("more.yml:8: ", "missing field `description`"),
        ("more.yml:9: ", "missing field `name`"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, (place, rule)) in told.iter().zip(expected) {
        assert!(told.starts_with(place) && told.contains(rule), "{told}");
    }
    assert!(!outcome.err.contains("s3cr3t"), "{}", outcome.err);
    assert_eq!(there(&bench).await, json!([[], []]));
    let objects = files.apply(&bench, " --yes --json").await;
    let first: Value = serde_json::from_str(objects.err.lines().next().unwrap()).unwrap();
    assert_eq!(first["line"], 3);
}

#[tokio::test]
async fn scopes_that_a_comma_parts_are_warned_of_with_file_and_line() {
    let bench = Bench::new().await;
    let files = Files::both(&bench);
    let joined = SHOP.replace("orders:write orders:read", "orders:write,orders:read");
    files.put("apps/a-shop.yaml", &joined);
    let servers = SERVERS.replace("name = \"orders:read\"", "name = \"orders:read,orders:write\"");
    files.put("z-servers.toml", &servers);
    let made = files.apply(&bench, " --yes").await;
    assert_eq!(made.error, None, "a comma may stand in a scope");
    let folder = files.0.display();
    for place in [
        format!("warning: {folder}/apps/a-shop.yaml:6: scope: \"orders:write,orders:read\" is one scope"),
        format!("warning: {folder}/z-servers.toml:11: name: \"orders:read,orders:write\" is one scope"),
    ] {
        assert!(made.err.contains(&place), "{place}\n{}", made.err);
    }
    assert_eq!(made.err.matches("warning: ").count(), 2, "{}", made.err);
    assert_eq!(client(&bench, "shop").await["scope"], "orders:write,orders:read");
}

#[tokio::test]
async fn what_no_file_names_goes_with_prune_alone() {
    let bench = Bench::new().await;
    let files = Files::both(&bench);
    assert_eq!(files.apply(&bench, " --yes").await.error, None);
    let line = "client add --name Admin --client-id admin --grant client_credentials --scope users:read \
                --audience urn:symbolon:admin";
    assert_eq!(bench.run(line).await.error, None);
    put_scope(&bench, "users:read").await;
    put_scope(&bench, "old").await;
    fs::remove_file(files.0.join("apps/a-shop.yaml")).unwrap();
    let without = files.apply(&bench, " --yes").await;
    assert_eq!(without.out, "nothing to change: 2 are as the files say\n");
    assert!(
        without.err.contains("4 on the server are in no file and stay"),
        "{}",
        without.err
    );

    let pruned = files.apply(&bench, " --yes --prune").await;
    assert_eq!(pruned.error, None);
    assert!(pruned.out.starts_with("- scope old\n"), "{}", pruned.out);
    assert!(pruned.out.contains("- client shop\n"), "{}", pruned.out);
    assert!(
        pruned.out.ends_with("0 added, 0 changed, 2 removed\n"),
        "{}",
        pruned.out
    );
    assert!(
        pruned
            .err
            .contains("client \"admin\" is in no file and stays: it has admin scope"),
        "{}",
        pruned.err
    );
    assert_eq!(
        there(&bench).await,
        json!([["admin", "orders"], ["orders:read", "users:read"]])
    );
}

/// How far trail, revocation log and facts have come.
async fn state(bench: &Bench) -> (u64, u64, u64) {
    let (trail, log) = (
        bench.store.audit_head().await.unwrap(),
        bench.store.head().await.unwrap(),
    );
    (trail.seq, log.seq, log.facts)
}

#[tokio::test]
async fn what_would_be_refused_is_told_with_file_and_line_and_nothing_is_made() {
    let bench = Bench::new().await;
    let files = Files::both(&bench);
    assert_eq!(files.apply(&bench, " --yes").await.error, None);
    files.put(
        "bad.toml",
        "[[client]]\nclient_id = \"bad\"\nname = \"Bad\"\ngrants = [\n  \"refresh_token\",\n  \"implicit\",\n]\nrotation = \"never ever\"\n",
    );
    let servers = SERVERS.replace("name = \"Orders\"", "name = \"Orders\"\nsigning_alg = \"RS256\"");
    files.put(
        "z-servers.toml",
        &(servers + "\n[[scope]]\nname = \"long\"\ndescription = \"a\\u0007\"\n"),
    );
    files.put(
        "more.yml",
        "client:\n  - client_id: lost\n    name: Lost\n    grants: [client_credentials]\n    scope: a\n    audiences:\n\
         \x20     - urn:orders\n      - urn:nowhere\n      - urn:nothing\n  - client_id: thief\n    name: Thief\n    serves:\n\
         \x20     - audience: urn:orders\n  - client_id: idle\n    name: Idle\n  - client_id: good\n    name: Good\n\
         \x20   serves: [{ audience: urn:good }]\n",
    );
    let before = state(&bench).await;
    for flags in [" --dry-run", " --yes", " --yes --prune"] {
        let outcome = files.apply(&bench, flags).await;
        outcome.refused(
            2,
            "8 faults in the 7 changes that the files ask for; mend them; nothing was changed",
        );
        let told: Vec<_> = outcome
            .err
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{}/", files.0.display())))
            .collect();
        let expected = [
            ("z-servers.toml:17: ", "description: "),
            ("bad.toml:6: ", "grants[1]: "),
            ("bad.toml:8: ", "rotation: "),
            ("more.yml:14: ", "grants: "),
            ("more.yml:8: ", "audiences[1]: nobody serves it"),
            ("more.yml:9: ", "audiences[2]: nobody serves it"),
            ("z-servers.toml:5: ", "signing_alg: the server has no RS256 key"),
            (
                "more.yml:13: ",
                "serves[0].audience: the client \"orders\" serves it",
            ),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, (place, rule)) in told.iter().zip(expected) {
            assert!(told.starts_with(place) && told.contains(rule), "{told}");
        }
        assert_eq!(state(&bench).await, before);
    }
    let outcome = files.apply(&bench, " --yes --json").await;
    outcome.refused(2, "faults in the");
    let told = outcome
        .err
        .lines()
        .find(|line| line.contains("\"rule\""))
        .unwrap();
    let told: Value = serde_json::from_str(told).unwrap();
    assert_eq!(told["line"], 17);
    assert_eq!(state(&bench).await, before);
}

#[tokio::test]
async fn what_the_same_run_makes_is_counted_on() {
    let bench = Bench::new().await;
    let files = Files::both(&bench);
    let before = state(&bench).await;
    let dry = files.apply(&bench, " --dry-run").await;
    assert_eq!(dry.error, None, "{}", dry.err);
    assert!(
        dry.out
            .ends_with("would be 3 added, 0 changed, 0 removed; nothing was changed\n")
    );
    assert_eq!(state(&bench).await, before);
    assert_eq!(files.apply(&bench, " --yes").await.error, None);

    // Another serves the audience in its place.
    let other = SERVERS
        .replace("orders\"", "others\"")
        .replace("urn:others", "urn:orders");
    files.put("z-servers.toml", &other);
    let dry = files.apply(&bench, " --dry-run --prune").await;
    assert_eq!(dry.error, None, "{}", dry.err);
    assert_eq!(files.apply(&bench, " --yes --prune").await.error, None);

    // Nobody serves it any more: who asked for it may go on, and nobody may begin to.
    fs::remove_file(files.0.join("z-servers.toml")).unwrap();
    assert_eq!(files.apply(&bench, " --yes --prune").await.error, None);
    files.put("apps/a-shop.yaml", &SHOP.replace("Shop", "The shop"));
    let dry = files.apply(&bench, " --dry-run").await;
    assert_eq!(dry.error, None, "{}", dry.err);
    files.put("apps/b.yaml", &SHOP.replace("shop", "stall"));
    let outcome = files.apply(&bench, " --yes").await;
    outcome.refused(2, "1 fault in the 2 changes");
    assert!(
        outcome.err.contains("b.yaml:8: audiences[0]: nobody serves it"),
        "{}",
        outcome.err
    );
    assert_eq!(client(&bench, "shop").await["name"], "Shop");
}

#[tokio::test]
async fn more_scopes_than_the_register_holds_are_refused() {
    let bench = Bench::new().await;
    let files = Files::new(&bench);
    let scope = |number| format!("  - name: s{number:04}\n    description: A scope\n");
    let scopes: String = (1..=1001).map(scope).collect();
    files.put("many.yaml", &format!("scope:\n{scopes}"));
    let before = state(&bench).await;
    let outcome = files.apply(&bench, " --yes").await;
    outcome.refused(2, "1 fault in the 1001 changes");
    assert!(outcome.err.contains("many.yaml:2002: with it"), "{}", outcome.err);
    assert_eq!(state(&bench).await, before);
}

#[tokio::test]
async fn audiences_that_change_hands_both_ways_are_refused() {
    let bench = Bench::new().await;
    let files = Files::new(&bench);
    let serving = |one: &str, other: &str| {
        format!(
            "client:\n  - client_id: a\n    name: A\n    serves: [{{ audience: urn:{one} }}]\n  - client_id: b\n    \
             name: B\n    serves: [{{ audience: urn:{other} }}]\n"
        )
    };
    files.put("both.yaml", &serving("1", "2"));
    assert_eq!(files.apply(&bench, " --yes").await.error, None);
    files.put("both.yaml", &serving("2", "1"));
    let before = state(&bench).await;
    let outcome = files.apply(&bench, " --yes").await;
    outcome.refused(2, "1 fault in the 2 changes");
    assert!(
        outcome.err.contains("both.yaml:4: serves[0].audience: "),
        "{}",
        outcome.err
    );
    assert_eq!(state(&bench).await, before);
}

#[tokio::test]
async fn clients_that_want_each_other_are_made() {
    let bench = Bench::new().await;
    let files = Files::new(&bench);
    let one = |id: &str, other: &str| {
        format!(
            "[[client]]\nclient_id = \"{id}\"\nname = \"{id}\"\ngrants = [\"client_credentials\"]\nscope = \"s\"\n\
             audiences = [\"urn:{other}\"]\nserves = [{{ audience = \"urn:{id}\" }}]\n"
        )
    };
    files.put("ring.toml", &(one("a", "b") + &one("b", "a")));
    let dry = files.apply(&bench, " --dry-run").await;
    assert_eq!(dry.error, None, "{}", dry.err);
    let made = files.apply(&bench, " --yes --json").await.json();
    for change in made["changes"].as_array().unwrap() {
        assert!(change["client_secret"].is_string(), "{change}");
    }
    assert_eq!(client(&bench, "a").await["audiences"], json!(["urn:b"]));
    let moved = "[[client]]\nclient_id = \"c\"\nname = \"c\"\nserves = [{ audience = \"urn:a\" }]\n";
    let kept = one("a", "b").replace("urn:a", "urn:new");
    files.put("ring.toml", &(kept + &one("b", "a") + moved));
    let made = files.apply(&bench, " --yes --json").await.json();
    assert_eq!(made["changes"].as_array().unwrap().len(), 2);
    assert_eq!(client(&bench, "c").await["serves"][0]["audience"], "urn:a");
    assert_eq!(files.apply(&bench, " --json").await.json()["changes"], json!([]));
}

#[tokio::test]
async fn what_holds_no_files_is_refused() {
    let bench = Bench::new().await;
    let files = Files::new(&bench);
    files
        .apply(&bench, " --yes --prune")
        .await
        .refused(2, "holds no file");
    files.put("empty.yaml", "# nothing yet\n");
    files.put(".hidden.toml", SERVERS);
    files.put("README.md", "x");
    files
        .apply(&bench, " --yes --prune")
        .await
        .refused(2, "no client and no scope");
    files
        .apply(&bench, "/README.md")
        .await
        .refused(2, "neither TOML nor YAML");
    files.apply(&bench, "/nothing").await.refused(1, "can't be read");
}
