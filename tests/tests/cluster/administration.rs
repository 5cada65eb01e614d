//! A day in the life of an administrator, by the command line alone, on two nodes over PostgreSQL and Redis, and what a
//! verifier makes of it.

#![expect(
    clippy::unwrap_used,
    reason = "whatever fails in what tests share is a failed test"
)]

use serde_json::Value;
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::binary::{Credentials, Ended, Site};
use symbolon_tests::{AUDIENCE, PASSWORD, Via};
use symbolon_verifier::Refused::Revoked;
use symbolon_verifier::RevocationKind;
use tokio::task::block_in_place;

use crate::stage;
use crate::verifying::{self, Verdict, comes, verdict};

const SCOPE: &str = "orders:read";

/// The command line of an installation with a login that is stored in its folder.
struct Desk<'a> {
    site: &'a Site,
    login: String,
}

impl Desk<'_> {
    async fn run(&self, stdin: &str, line: &str) -> Ended {
        let line = format!("{line} --json --login {}", self.login);
        self.site.run_typed(stdin, &line).await
    }

    async fn json(&self, line: &str) -> Value {
        let ended = self.run("", line).await;
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }

    /// Runs a command that fails with this exit code; its message.
    async fn fails(&self, code: i32, line: &str) -> String {
        let ended = self.run("", line).await;
        assert_eq!(ended.code, Some(code), "{line}: {} {}", ended.out, ended.err);
        ended.err
    }

    /// Names of the events that a search finds, the latest first.
    async fn events(&self, search: &str) -> Vec<String> {
        let found = self.json(&format!("audit list --limit 500 {search}")).await;
        let name = |record: &Value| record["event"]["event"].as_str().unwrap().to_owned();
        found["records"].as_array().unwrap().iter().map(name).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_an_administrator_leaves_a_trail_that_shows_tampering() {
    let (postgres, redis) = block_in_place(|| (Postgres::shared(), Redis::shared()));
    let cheap = "passwords.memory_kib = 8192\npasswords.iterations = 1\n";
    let cluster = stage::cluster(&postgres.fresh_database().await, redis, cheap).await;
    let [first, second] = cluster.nodes.each_ref().map(|node| node.server());
    let site = &cluster.commands;
    let desk = Desk {
        site,
        login: site.path("login.json").display().to_string(),
    };

    // The first administrator, once; then everything by a stored login, at either node.
    let made = site.json("bootstrap --client-id ada").await;
    let secret = made["client_secret"].as_str().unwrap();
    let again = site.run("bootstrap").await;
    assert_eq!(again.code, Some(4), "{}", again.err);
    let denied = desk.fails(2, "session list").await;
    assert!(denied.contains("symbolon login"), "{denied}");
    for server in [first, second] {
        let url = server.text("/admin_url");
        let wrong = format!("login --server {url} --client-id ada --secret-stdin");
        assert_eq!(desk.run("sbs_wrong", &wrong).await.code, Some(8));
        let line = format!("login --server {url} --client-id ada --secret-stdin");
        let ended = desk.run(secret, &line).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let at_first = format!("--server {}", first.text("/admin_url"));

    // A role, a resource server, a client, a user; and the user logs in.
    desk.json(&format!(
        "role put reader --scope {SCOPE} --reason new-team {at_first}"
    ))
    .await;
    let api = desk
        .json(&format!(
            "client add --client-id api --name API --serves {AUDIENCE}"
        ))
        .await;
    let app = format!(
        "client add --client-id app --name App --grant password --grant refresh_token --scope {SCOPE} \
         --default-scope {SCOPE} --audience {AUDIENCE}"
    );
    let app = desk.json(&app).await;
    let added = desk
        .run(PASSWORD, "user add alice --role reader --password-stdin")
        .await;
    assert_eq!(added.code, Some(0), "{}", added.err);
    let (app, api) = (Credentials::of(&app), Credentials::of(&api));
    let remotes = cluster.nodes.each_ref().map(|node| node.remote());
    let phone = remotes[0].login(&app, "alice", PASSWORD).await;
    let (token, refresh) = (phone.text("access_token"), phone.text("refresh_token"));
    assert!(remotes[1].is_active(&api, &token).await);

    // The resource server verifies by itself, and follows the feed of one node.
    let verifier = verifying::verifier(first.text("/issuer"), Via::to(second.address()))
        .report_as("api-1", &api.id, &api.secret)
        .build()
        .await
        .unwrap();
    let accepts = async || verdict(&verifier, &token).await == Verdict::Accepted;
    assert!(comes(accepts).await, "{:?}", verifier.feed());

    // The session is on the list of the other node, and is ended there: the dry run first.
    let sessions = desk.json("session list --user alice").await;
    let session = &sessions["sessions"][0];
    assert_eq!(
        (&session["username"], &session["client_id"], &session["ended"]),
        (&"alice".into(), &"app".into(), &false.into())
    );
    let sid = session["sid"].as_str().unwrap();
    let dry = desk.json("revoke subject alice --reason left --dry-run").await;
    assert_eq!((&dry["dry_run"], &dry["sessions"]), (&true.into(), &1.into()));
    assert!(
        remotes[0].is_active(&api, &token).await && accepts().await,
        "nothing was changed"
    );
    let made = desk
        .json(&format!("session revoke {sid} --reason lost-phone"))
        .await;
    assert_eq!(
        (&made["sessions"], &made["reach"]),
        (&1.into(), &"everywhere".into())
    );
    for remote in &remotes {
        assert!(!remote.is_active(&api, &token).await);
        assert_eq!(remote.refresh(&app, &refresh).await.status, 400);
    }
    let refused = async || verdict(&verifier, &token).await == Verdict::Revoked;
    assert!(comes(refused).await, "{:?}", verifier.feed());
    assert_eq!(
        desk.json("session list --user alice").await["sessions"][0]["ended"],
        true
    );
    let by_phone = made["targets"][0]["seq"].as_u64().unwrap();

    // Whoever revokes by a filter waits until verifiers have it.
    let laptop = remotes[1]
        .login(&app, "alice", PASSWORD)
        .await
        .text("access_token");
    assert_eq!(verdict(&verifier, &laptop).await, Verdict::Accepted);
    let made = desk.json("revoke subject alice --reason left").await;
    let refused = verifier.verify(&laptop).await;
    assert!(
        matches!(refused, Err(Revoked(RevocationKind::Subject))),
        "{refused:?}"
    );
    let by = &made["verifiers"][0];
    assert_eq!(
        (&made["confirmed"], &by["client_id"], &by["name"]),
        (&true.into(), &"api".into(), &"api-1".into())
    );
    let left = made["seq"].as_u64().unwrap();
    let known = desk.json("verifiers list").await["verifiers"][0].clone();
    assert_eq!(
        (&known["client_id"], &known["name"], &known["live"]),
        (&"api".into(), &"api-1".into(), &true.into())
    );
    assert!(known["seq"].as_u64().unwrap() >= left, "{known}");

    // Keys are rotated, and the trail tells it all.
    desk.json("keys rotate --dangerous-now").await;
    let latest = |event: &'static str| {
        let desk = &desk;
        async move {
            let found = desk.json(&format!("audit list --event {event}")).await;
            found["records"][0]["event"].clone()
        }
    };
    let put = latest("role.put").await;
    assert_eq!(
        (&put["actor"], &put["reason"], &put["details"]["after"]["scope"]),
        (&"client:ada".into(), &"new-team".into(), &SCOPE.into())
    );
    assert!(
        put["request_id"].is_string() && put["address"].is_string(),
        "{put}"
    );
    let revoked = latest("revocation.logged").await;
    assert_eq!(
        (&revoked["actor"], &revoked["reason"], &revoked["details"]["seq"]),
        (&"client:ada".into(), &"left".into(), &left.into())
    );
    for seq in [by_phone, left] {
        let line = format!("audit list --event revocation.confirmed --target-kind revocation --target {seq}");
        let confirmed = async || desk.json(&line).await["records"][0]["event"]["details"]["verifiers"] == 1;
        assert!(comes(confirmed).await, "{line}");
    }
    let by_operator = desk.events("--target-kind client").await;
    assert!(
        by_operator
            .iter()
            .filter(|event| *event == "client.created")
            .count()
            >= 3
    );
    let all = desk.events("").await;
    for event in [
        "keys.changed",
        "user.created",
        "session.begun",
        "admin.token_issued",
    ] {
        assert!(all.iter().any(|one| one == event), "{event}: {all:?}");
    }

    // It is what was written, and a checkpoint covers it.
    let checkpoint = loop {
        let ended = desk.run("", "audit checkpoint").await;
        if ended.code == Some(0) {
            break ended.out;
        }
    };
    let kept = site.write("checkpoint.json", &checkpoint).display().to_string();
    let line = format!("audit verify --checkpoints {kept}");
    let verified = desk.json(&line).await;
    assert_eq!(
        (&verified["intact"], &verified["fault"]),
        (&true.into(), &Value::Null)
    );
    let export = site.path("trail.jsonl").display().to_string();
    desk.json(&format!("audit export --out {export}")).await;
    let keys = site.write("keys.json", &desk.json("audit keys").await.to_string());
    let offline = format!(
        "audit verify --export {export} --keys {} --checkpoints {kept}",
        keys.display()
    );
    assert_eq!(desk.json(&offline).await["intact"], true);

    // Somebody who can write to the database rewrites who it was.
    let changed = "UPDATE audit_log SET body = replace(body, 'client:ada', 'client:eve'), actor = 'client:eve' \
                   WHERE event = 'role.put'";
    block_in_place(|| postgres.sql(&cluster.database, changed));
    let said = desk.fails(10, &line).await;
    assert!(said.contains("tampered"), "{said}");
    assert_eq!(
        desk.json(&offline).await["intact"],
        true,
        "the export was written before"
    );
    let altered = std::fs::read_to_string(&export)
        .unwrap()
        .replace("client:ada", "client:eve");
    site.write("trail.jsonl", &altered);
    desk.fails(10, &offline).await;
}
