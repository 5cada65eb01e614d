//! What the endpoints put on the audit trail.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use symbolon_core::rotation::Rotation;
use symbolon_core::{Clock as _, UnixMillis};

use super::world::{ADDRESS, Node};
use super::{login, node};

/// The refresh request for the session of a login.
async fn logged_in(node: &Node) -> String {
    let (_, answer) = node.post("token", Some("web"), &login("orders:read")).await;
    let token = answer["refresh_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    format!("grant_type=refresh_token&refresh_token={token}")
}

#[tokio::test]
async fn issues_and_refusals_are_counted_by_client_and_reason() {
    let node = node();
    let own = "grant_type=client_credentials&scope=orders:read";
    for (endpoint, client, form, counted) in [
        (
            "token",
            Some("web"),
            own,
            "token.issued done web token client_credentials",
        ),
        (
            "token",
            Some("web"),
            "grant_type=client_credentials&scope=users:read",
            "token.refused scope_not_allowed web token client_credentials",
        ),
        (
            "token",
            Some("web"),
            "grant_type=implicit",
            "token.refused unsupported_grant_type web token unsupported",
        ),
        (
            "token",
            Some("web"),
            "grant_type=refresh_token&refresh_token=sbr_x",
            "token.refused refresh_forged web token refresh_token",
        ),
        // Who did not authenticate is nobody, whatever they call themselves.
        (
            "token",
            Some("made-up"),
            own,
            "token.refused client_unknown unknown token none",
        ),
        (
            "token",
            None,
            "grant_type=client_credentials&client_id=web&client_secret=wrong",
            "token.refused client_secret_wrong unknown token none",
        ),
        (
            "token",
            None,
            own,
            "token.refused client_auth_missing unknown token none",
        ),
        (
            "introspect",
            None,
            "token=x&client_id=api&client_secret=wrong",
            "token.refused client_secret_wrong unknown introspect none",
        ),
        (
            "revoke",
            Some("web"),
            "x=y",
            "token.refused request_malformed web revoke none",
        ),
    ] {
        node.post(endpoint, client, form).await;
        assert_eq!(node.counted(), [counted], "{endpoint} {form}");
    }
    node.post("introspect", Some("api"), "token=x").await;
    node.post("revoke", Some("web"), "token=x").await;
    assert!(node.counted().is_empty(), "nothing was issued or refused");
    let told: Vec<_> = node
        .told()
        .into_iter()
        .map(|event| event["event"].clone())
        .collect();
    assert_eq!(told, ["client.refused"; 2], "one for each client that there is");
}

#[tokio::test]
async fn a_login_is_told_with_its_session_and_where_it_came_from() {
    let node = node();
    node.post("token", Some("web"), &login("orders:read")).await;
    let told = node.told();
    assert_eq!(told.len(), 1);
    let event = &told[0];
    let alice = node.stores.world().users[0].subject;
    assert_eq!(
        (&event["event"], &event["actor"]),
        (&json!("session.begun"), &json!(format!("user:{alice}")))
    );
    assert_eq!(
        (&event["via"], &event["address"]),
        (&json!("web"), &json!(ADDRESS))
    );
    assert_eq!(event["request_id"], json!(node.request.id));
    assert_eq!(event["target"]["kind"], "session");
    let details = json!({ "client_id": "web", "scope": "orders:read", "ends": "2026-01-02T00:00:00.000Z" });
    assert_eq!(event["details"], details);
    assert_eq!(node.counted(), ["token.issued done web token password"]);
}

#[tokio::test]
async fn replays_are_counted_and_a_late_recovery_is_told() {
    let node = node();
    let refresh = logged_in(&node).await;
    let session = node.told()[0]["target"]["id"].clone();
    node.counted();
    let replayed = |late| Rotation::Replayed {
        generation: 1,
        issued: node.clock.now(),
        late,
    };
    node.stores.world().rotations = [replayed(false), replayed(true)].into();
    node.post("token", Some("web"), &refresh).await;
    let issued = "token.issued done web token refresh_token";
    assert_eq!(
        node.counted(),
        ["token.replayed done web token refresh_token", issued]
    );
    assert!(node.told().is_empty());
    node.post("token", Some("web"), &refresh).await;
    assert_eq!(node.counted(), [issued]);
    let told = node.told();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["event"], &told[0]["actor"]),
        (&json!("token.replayed"), &json!("client:web"))
    );
    assert_eq!(
        (&told[0]["target"]["id"], &told[0]["details"]["late"]),
        (&session, &json!(true))
    );
}

#[tokio::test]
async fn a_reuse_is_told_and_revoked_in_the_same_request() {
    let node = node();
    let refresh = logged_in(&node).await;
    let session = node.told()[0]["target"]["id"].clone();
    node.counted();
    node.stores.world().rotations = [Rotation::Reused].into();
    node.post("token", Some("web"), &refresh).await;
    let told = node.told();
    assert_eq!(told.len(), 1);
    let alice = node.stores.world().users[0].subject;
    assert_eq!(
        (&told[0]["event"], &told[0]["target"]["id"]),
        (&json!("session.reused"), &session)
    );
    assert_eq!(told[0]["details"], json!({ "subject": alice.to_string() }));
    assert_eq!(told[0]["address"], ADDRESS);
    assert_eq!(
        node.counted(),
        ["token.refused refresh_reused web token refresh_token"]
    );
    let act = node.stores.world().revoked[0].act.clone();
    assert_eq!(
        (act.actor.as_str(), act.request),
        ("server", Some(node.request.id))
    );
    assert_eq!(act.via.unwrap().as_str(), "web");
}

#[tokio::test]
async fn a_revocation_says_in_which_request_it_was_asked_for() {
    let node = node();
    let refresh = logged_in(&node).await;
    let token = refresh.rsplit('=').next().unwrap();
    node.post("revoke", Some("web"), &format!("token={token}")).await;
    let act = node.stores.world().revoked[0].act.clone();
    assert_eq!(
        (act.actor.as_str(), act.request),
        ("client:web", Some(node.request.id))
    );
    assert_eq!(act.address, node.request.address);
}

#[tokio::test]
async fn a_failed_login_is_told_once_a_minute_with_where_it_came_from() {
    let node = node();
    let guess = async |name: &str| {
        let form = format!("grant_type=password&username={name}&password=wrong");
        node.post("token", Some("web"), &form).await;
        node.told()
    };
    let alice = node.stores.world().users[0].subject;
    let told = guess("alice").await;
    let target = json!({ "kind": "user", "id": alice.to_string(), "name": null });
    assert_eq!((told.len(), &told[0]["target"]), (1, &target));
    let told = guess("nobody").await;
    let target = json!({ "kind": "address", "id": ADDRESS, "name": null });
    assert_eq!((told.len(), &told[0]["target"]), (1, &target));
    assert_eq!(told[0]["event"], "login.failed");
    assert_eq!(told[0]["refused_because"], "password_wrong");
    assert_eq!(
        (&told[0]["via"], &told[0]["address"]),
        (&json!("web"), &json!(ADDRESS))
    );
    assert!(!told[0].to_string().contains("nobody"), "it may be a password");
    assert!(guess("nobody-else").await.is_empty());
    node.clock.advance(Duration::from_secs(60));
    assert_eq!(guess("no-one").await.len(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_authenticate_is_told_once_a_minute() {
    let node = node();
    let ask = async |client: &str| {
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret=wrong");
        node.post("token", None, &form).await;
        node.told()
    };
    let told = ask("web").await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (
            &told[0]["event"],
            &told[0]["refused_because"],
            &told[0]["address"]
        ),
        (
            &json!("client.refused"),
            &json!("client_secret_wrong"),
            &json!(ADDRESS)
        )
    );
    assert_eq!(
        (&told[0]["actor"], &told[0]["target"]["name"]),
        (&json!("unknown"), &json!("web"))
    );
    assert!(ask("web").await.is_empty());
    assert!(
        ask("made-up").await.is_empty(),
        "there are as many as somebody cares to try"
    );
}

#[tokio::test]
async fn whoever_fails_from_many_places_fills_no_trail_and_hides_nobody() {
    let mut node = node();
    let ask = async |node: &Node, form: &str, client: Option<&str>| {
        node.post("token", client, form).await;
        let told = node.told().into_iter();
        told.filter(|event| event["event"] != "login.locked").count()
    };
    let wrong = "grant_type=client_credentials&client_id=web&client_secret=wrong";
    let mut told = 0;
    for host in 0..100 {
        node.request.address = Some(Ipv4Addr::new(198, 51, 100, host).into());
        told += ask(&node, wrong, None).await;
    }
    assert_eq!(told, 20);
    let login = "grant_type=password&username=alice&password=wrong";
    assert_eq!(ask(&node, login, Some("web")).await, 1);
    for host in ["2001:db8::1", "2001:db8::2"] {
        node.request.address = Some(host.parse().unwrap());
        told += ask(&node, login, Some("web")).await;
    }
    assert_eq!(told, 21, "whoever has one address of a network has them all");
}

#[tokio::test]
async fn a_lock_is_told_once_it_holds_and_names_no_one_who_does_not_exist() {
    let node = node();
    let guess = async |name: &str| {
        let form = format!("grant_type=password&username={name}&password=wrong");
        node.post("token", Some("web"), &form).await;
        let mut told = node.told();
        told.retain(|event| event["event"] != "login.failed");
        told
    };
    assert!(guess("alice").await.is_empty());
    let told = guess("alice").await;
    assert_eq!(told.len(), 1);
    let alice = node.stores.world().users[0].subject;
    let expect = |event: &Value, kind: &str, id: String| {
        assert_eq!(
            (&event["event"], &event["actor"]),
            (&json!("login.locked"), &json!("unknown"))
        );
        assert_eq!(event["target"], json!({ "kind": kind, "id": id, "name": null }));
        assert_eq!(
            (&event["via"], &event["address"]),
            (&json!("web"), &json!(ADDRESS))
        );
    };
    expect(&told[0], "user", alice.to_string());
    assert_eq!(told[0]["details"], json!({ "by": "account", "seconds": 60 }));
    // Refused before the password is looked at: no lock anew.
    assert!(guess("alice").await.is_empty());

    node.counted();
    assert!(guess("mallory").await.is_empty() && guess("mallory").await.is_empty());
    let locked = "login.locked done web token password";
    assert_eq!(node.counted().iter().filter(|line| *line == locked).count(), 1);

    let told = guess("nobody").await;
    assert_eq!(told.len(), 1, "the fifth failure from there");
    expect(&told[0], "address", ADDRESS.to_owned());
    assert_eq!(told[0]["details"]["by"], "address");
    assert!(node.clock.now() > UnixMillis(0));
}
