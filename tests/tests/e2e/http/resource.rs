//! Resource indicators (RFC 8707), on every grant.

use serde_json::{Value, json};
use symbolon_tests::{AUDIENCE, ClientSpec, Harness, PASSWORD, Reply, TestClient};

use super::part;

const SECOND: &str = "https://second.example/v1";
const FOREIGN: &str = "https://foreign.example";

struct World {
    h: Harness,
    /// May ask for [`AUDIENCE`], its default, and [`SECOND`].
    client: TestClient,
    second: TestClient,
}

async fn world() -> World {
    let h = Harness::start().await;
    let second = h.add_client(ClientSpec::resource_server("second", SECOND)).await;
    h.add_client(ClientSpec::resource_server("foreign", FOREIGN))
        .await;
    let spec = ClientSpec::confidential("two").with(|policy| policy.audiences.push(SECOND.parse().unwrap()));
    let client = h.add_client(spec).await;
    h.refresh_nodes().await;
    World { h, client, second }
}

impl World {
    async fn ask(&self, grant: &str, resources: &[&str]) -> Reply {
        let mut form = vec![("grant_type", grant)];
        if grant == "password" {
            form.extend([("username", "alice"), ("password", PASSWORD)]);
        }
        form.extend(resources.iter().map(|resource| ("resource", *resource)));
        self.h.post("/oauth2/token", &self.client, &form).await
    }

    async fn refresh(&self, token: &str, resources: &[&str]) -> Reply {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend(resources.iter().map(|resource| ("resource", *resource)));
        self.h.post("/oauth2/token", &self.client, &form).await
    }
}

#[track_caller]
fn audience(reply: &Reply) -> Value {
    reply.ok();
    part(&reply.text("access_token"), 1)["aud"].clone()
}

const ISSUING: [&str; 2] = ["client_credentials", "password"];

#[tokio::test]
async fn tokens_are_for_what_was_asked_for() {
    let w = world().await;
    for grant in ISSUING {
        for (resources, expected) in [
            (&[][..], json!(AUDIENCE)),
            (&[""], json!(AUDIENCE)),
            (&[AUDIENCE], json!(AUDIENCE)),
            (&[SECOND], json!(SECOND)),
            (&[AUDIENCE, SECOND], json!([AUDIENCE, SECOND])),
            (&[SECOND, AUDIENCE], json!([AUDIENCE, SECOND])),
            (&[SECOND, SECOND], json!(SECOND)),
            (&["", SECOND], json!(SECOND)),
        ] {
            assert_eq!(
                audience(&w.ask(grant, resources).await),
                expected,
                "{grant} {resources:?}"
            );
        }
    }
}

#[tokio::test]
async fn rejects_resources_that_are_not_the_clients() {
    let w = world().await;
    let nine: Vec<String> = (0..9).map(|i| format!("urn:x:{i}")).collect();
    let nine: Vec<&str> = nine.iter().map(String::as_str).collect();
    let token = w.ask("password", &[AUDIENCE, SECOND]).await.text("refresh_token");
    let before = w.h.footprint().await;
    for resources in [
        &[FOREIGN][..],
        &["https://unknown.example"],
        &[AUDIENCE, FOREIGN],
        &["https://API.example"],
        &["https://api.example/"],
        &["https://api.example#x"],
        &["https://api.example?x"],
        &["api.example"],
        &["/v1"],
        &["*"],
        &["https://api.example https://second.example/v1"],
        &["https://second.example/v1/../v1"],
        &["\u{e4}:x"],
        &nine,
    ] {
        for grant in ISSUING {
            w.ask(grant, resources).await.assert_error(400, "invalid_target");
        }
        w.refresh(&token, resources)
            .await
            .assert_error(400, "invalid_target");
    }
    assert_eq!(w.h.footprint().await, before);
    w.refresh(&token, &[]).await.ok();
}

#[tokio::test]
async fn a_refresh_narrows_and_widens_again_within_the_session() {
    let w = world().await;
    let mut token = w.ask("password", &[AUDIENCE, SECOND]).await.text("refresh_token");
    for (resources, expected) in [
        (&[SECOND][..], json!(SECOND)),
        (&[], json!([AUDIENCE, SECOND])),
        (&[AUDIENCE], json!(AUDIENCE)),
        (&[AUDIENCE, SECOND], json!([AUDIENCE, SECOND])),
    ] {
        let reply = w.refresh(&token, resources).await;
        assert_eq!(audience(&reply), expected);
        token = reply.text("refresh_token");
    }
    // Allowed to the client, but not what this session was for.
    let narrow = w.ask("password", &[SECOND]).await.text("refresh_token");
    w.refresh(&narrow, &[AUDIENCE])
        .await
        .assert_error(400, "invalid_target");
    w.refresh(&narrow, &[AUDIENCE, SECOND])
        .await
        .assert_error(400, "invalid_target");
    assert_eq!(audience(&w.refresh(&narrow, &[]).await), json!(SECOND));
}

#[tokio::test]
async fn a_disabled_resource_server_gets_no_tokens() {
    let w = world().await;
    let token = w.ask("password", &[SECOND]).await.text("refresh_token");
    w.h.disable_client(&w.second).await;
    w.h.refresh_nodes().await;
    for grant in ISSUING {
        w.ask(grant, &[SECOND]).await.assert_error(400, "invalid_target");
        assert_eq!(audience(&w.ask(grant, &[]).await), json!(AUDIENCE));
    }
    w.refresh(&token, &[]).await.assert_error(400, "invalid_target");
}

#[tokio::test]
async fn each_of_two_resource_servers_may_introspect_a_token_for_both() {
    let w = world().await;
    let token = w.ask("password", &[AUDIENCE, SECOND]).await.text("access_token");
    for server in [&w.h.api, &w.second] {
        let told =
            w.h.post("/oauth2/introspect", server, &[("token", &token)])
                .await
                .ok();
        assert_eq!(told["active"], true);
    }
}
