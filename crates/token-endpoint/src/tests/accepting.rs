//! Which access tokens are good, and that those for the admin API are on record.

use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use symbolon_core::authorize::Refusal;
use symbolon_core::ports::StoreError;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rights::{ADMIN_AUDIENCE, admin_audience};
use symbolon_core::tokens::AccessTokens as _;
use symbolon_core::{ClientUid, Clock as _, SessionId, Subject, TokenId};
use symbolon_oauth_types::revocation::RevocationKind;
use symbolon_oauth_types::{AccessTokenClaims, ResourceIndicator};
use symbolon_testkit::fresh_client_uid;

use super::world::{ADDRESS, Down, Node};
use super::{OWN, login, node};
use crate::{Accepted, TokenError};

fn token(answer: &Value) -> String {
    answer["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

async fn own_token(node: &Node) -> String {
    token(&node.post("token", Some("ops"), OWN).await.1)
}

async fn user_token(node: &Node) -> String {
    token(&node.post("token", Some("ops"), &login("users:read")).await.1)
}

fn claims(node: &Node, token: &str) -> AccessTokenClaims {
    (*node.stores.verify(token).unwrap().claims).clone()
}

async fn accept(node: &Node, token: &str) -> Result<Accepted, TokenError> {
    node.service.accept(token, admin_audience()).await
}

#[track_caller]
fn refused(outcome: Result<Accepted, TokenError>, reason: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.reason(), reason);
    assert!(error.refuses_token(), "{reason}");
}

#[tokio::test]
async fn admin_tokens_of_every_grant_are_on_record_and_accepted() {
    let node = node();
    let own = own_token(&node).await;
    let (_, answer) = node.post("token", Some("ops"), &login("users:read")).await;
    let first = token(&answer);
    let refresh = format!(
        "grant_type=refresh_token&refresh_token={}",
        answer["refresh_token"].as_str().unwrap()
    );
    let second = token(&node.post("token", Some("ops"), &refresh).await.1);
    let alice = node.stores.world().users[0].subject;
    for (text, actor) in [
        (own, "client:ops".to_owned()),
        (first, format!("user:{alice}")),
        (second, format!("user:{alice}")),
    ] {
        let claims = claims(&node, &text);
        let (recorded, event) = node.stores.world().recorded[&TokenId(claims.jti)].clone();
        let digest: [u8; 32] = Sha256::digest(&text).into();
        assert_eq!(
            (recorded.digest, recorded.expires.as_secs()),
            (digest, claims.exp)
        );
        assert_eq!(
            (&event["event"], &event["actor"]),
            (&json!("admin.token_issued"), &json!(actor))
        );
        assert_eq!(
            event["target"],
            json!({ "kind": "token", "id": claims.jti, "name": null })
        );
        assert_eq!(
            (&event["address"], &event["request_id"]),
            (&json!(ADDRESS), &json!(node.request.id))
        );
        assert_eq!(event["details"]["scope"], "users:read");
        assert_eq!(event["details"]["expires"], "2026-01-01T00:05:00.000Z");
        assert_eq!(event["details"]["session"], json!(claims.sid));
        assert!(!event.to_string().contains(&text));

        let accepted = accept(&node, &text).await.unwrap();
        assert_eq!(accepted.claims, claims);
        assert_eq!(accepted.client.client_id.as_str(), "ops");
        assert_eq!(accepted.user.is_some(), claims.sid.is_some());
    }
    assert_eq!(node.stores.world().recorded.len(), 3);
}

#[tokio::test]
async fn tokens_for_others_are_not_on_record() {
    let node = node();
    let (_, answer) = node
        .post(
            "token",
            Some("web"),
            "grant_type=client_credentials&scope=orders:read",
        )
        .await;
    assert!(node.stores.world().recorded.is_empty());
    let api: ResourceIndicator = "https://api.example".parse().unwrap();
    node.service.accept(&token(&answer), &api).await.unwrap();
    refused(accept(&node, &token(&answer)).await, "access_token_audience");
}

#[tokio::test]
async fn what_can_not_be_put_on_record_is_not_handed_out() {
    let node = node();
    node.stores.world().down.record = true;
    for form in [OWN.to_owned(), login("users:read")] {
        let (status, answer) = node.post("token", Some("ops"), &form).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer["error"], "temporarily_unavailable");
        assert_eq!(answer.get("access_token"), None);
    }
    let counted = node.counted();
    assert!(
        counted
            .iter()
            .all(|line| line.starts_with("token.refused store_unavailable ops")),
        "{counted:?}"
    );
}

#[tokio::test]
async fn refuses_what_was_never_handed_out_though_it_is_well_signed() {
    let node = node();
    let good = own_token(&node).await;
    let claims = claims(&node, &good);
    // Whoever has the signing key can copy every claim of a token that is on record.
    let more = AccessTokenClaims {
        scope: "users:read keys:read".parse().unwrap(),
        ..claims.clone()
    };
    let other = AccessTokenClaims {
        jti: fresh_client_uid().0,
        ..claims
    };
    for forged in [more, other] {
        let text = node.stores.sign(None, &forged).await.unwrap();
        refused(accept(&node, &text).await, "access_token_unrecorded");
    }
    accept(&node, &good).await.unwrap();
}

#[tokio::test]
async fn refuses_what_is_malformed_or_expired() {
    let node = node();
    let good = own_token(&node).await;
    for bad in ["", "x", &good[1..], &format!("{good}A"), &good.to_uppercase()] {
        refused(accept(&node, bad).await, "access_token_forged");
    }
    node.clock.advance(std::time::Duration::from_secs(299));
    accept(&node, &good).await.unwrap();
    node.clock.advance(std::time::Duration::from_secs(1));
    refused(accept(&node, &good).await, "access_token_expired");
}

#[tokio::test]
async fn refuses_what_its_holder_may_no_longer_do() {
    type Change = fn(&mut super::world::World);
    let changes: [(Change, &str, bool); 6] = [
        (|world| world.clients[0].active = false, "client_disabled", true),
        (|world| drop(world.clients.remove(0)), "client_unknown", true),
        (
            |world| world.clients[0].uid = ClientUid(uuid::Uuid::from_u128(9)),
            "client_unknown",
            true,
        ),
        (|world| world.users[0].active = false, "user_disabled", false),
        (|world| world.users.clear(), "user_gone", false),
        (
            |world| world.users[0].scope = "orders:read".parse().unwrap(),
            "scope_empty",
            false,
        ),
    ];
    for (change, reason, is_own) in changes {
        let node = node();
        let text = match is_own {
            true => own_token(&node).await,
            false => user_token(&node).await,
        };
        accept(&node, &text).await.unwrap();
        node.stores.change(change);
        refused(accept(&node, &text).await, reason);
    }
}

#[tokio::test]
async fn refuses_what_was_revoked() {
    for (kind, reason) in [
        (RevocationKind::Token, "revoked_token"),
        (RevocationKind::Session, "revoked_session"),
        (RevocationKind::Subject, "revoked_subject"),
        (RevocationKind::Client, "revoked_client"),
        (RevocationKind::All, "revoked_all"),
    ] {
        let node = node();
        let text = user_token(&node).await;
        let (claims, now) = (claims(&node, &text), node.clock.now());
        let ops = "ops".parse().unwrap();
        node.stores.log(match kind {
            RevocationKind::Token => NewRevocation::access_token(&claims, 0).unwrap(),
            RevocationKind::Session => NewRevocation::session(SessionId(claims.sid.unwrap()), now.plus(1)),
            RevocationKind::Subject => NewRevocation::subject(Subject(claims.sub), now),
            RevocationKind::Client => NewRevocation::client(&ops, now),
            _ => NewRevocation::all(now),
        });
        refused(accept(&node, &text).await, reason);
    }
    let node = node();
    let text = user_token(&node).await;
    node.stores.world().killed = true;
    let error = accept(&node, &text).await.unwrap_err();
    assert!(matches!(
        error,
        TokenError::Refused(Refusal::Revoked(RevocationKind::Session))
    ));
}

#[tokio::test]
async fn gives_the_scope_that_still_holds() {
    let node = node();
    let form = "grant_type=client_credentials&scope=users:read+keys:read";
    let text = token(&node.post("token", Some("ops"), form).await.1);
    node.stores
        .change(|world| world.clients[0].policy.scope = "keys:read".parse().unwrap());
    let accepted = accept(&node, &text).await.unwrap();
    assert_eq!(accepted.claims.scope.to_string(), "keys:read");
    assert_eq!(accepted.client.policy.scope.to_string(), "keys:read");
}

#[tokio::test]
async fn never_says_yes_where_a_store_gives_no_answer() {
    let node = node();
    let (own, users) = (own_token(&node).await, user_token(&node).await);
    let down = |down: Down| node.stores.world().down = down;
    let unavailable = async |text: &str| {
        let error = accept(&node, text).await.unwrap_err();
        assert!(
            matches!(error, TokenError::Store(StoreError::Unavailable(_))),
            "{error:?}"
        );
        assert!(!error.refuses_token());
    };
    down(Down {
        record: true,
        ..Down::default()
    });
    unavailable(&own).await;
    unavailable(&users).await;
    down(Down {
        sessions: true,
        ..Down::default()
    });
    unavailable(&users).await;
    // A client's own token is judged by the log itself, so that one can revoke while the session store is down.
    accept(&node, &own).await.unwrap();
    down(Down {
        sessions: true,
        log: true,
        ..Down::default()
    });
    unavailable(&own).await;
}

#[tokio::test]
async fn introspection_judges_alike_and_says_nothing_of_what_is_not_good() {
    let node = node();
    let form = "grant_type=client_credentials&scope=orders:read";
    let good = token(&node.post("token", Some("web"), form).await.1);
    let admin = own_token(&node).await;
    let look = async |text: &str| {
        node.post("introspect", Some("api"), &format!("token={text}"))
            .await
    };
    let (_, answer) = look(&good).await;
    assert_eq!(
        (&answer["active"], &answer["client_id"]),
        (&json!(true), &json!("web"))
    );
    for bad in [&admin, "x"] {
        assert_eq!(look(bad).await.1, json!({ "active": false }));
    }
    node.stores.world().down.sessions = true;
    assert_eq!(look(&good).await.0, StatusCode::SERVICE_UNAVAILABLE);
    node.stores.world().down.sessions = false;
    node.stores.change(|world| world.clients[1].active = false);
    assert_eq!(look(&good).await.1, json!({ "active": false }));
    assert_eq!(ADMIN_AUDIENCE, claims(&node, &admin).aud.0[0]);
}

#[tokio::test]
async fn a_resource_server_bounds_how_long_its_tokens_live() {
    let node = node();
    let form = "grant_type=client_credentials&scope=orders:read";
    let lifetime = async || node.post("token", Some("web"), form).await.1["expires_in"].clone();
    assert_eq!(lifetime().await, 300);
    for (most, expected) in [(60, 60), (3600, 300)] {
        node.stores
            .change(|world| world.clients[1].audiences[0].access_token_lifetime = Some(most));
        assert_eq!(lifetime().await, expected);
    }
}
