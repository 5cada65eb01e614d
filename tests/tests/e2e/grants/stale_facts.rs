//! Facts that change beneath a session: what was allowed at the login is asked again at every use.

use std::time::Duration;

use symbolon_core::Clock;
use symbolon_core::client::ClientPolicy;
use symbolon_core::revocation::{LEASE, NewRevocation};
use symbolon_core::user::Role;
use symbolon_oauth_types::GrantType;
use symbolon_tests::{AUDIENCE, ClientSpec, Harness, PASSWORD, Reply, TestClient};

use super::{assert_alive, assert_dead, told_to_holder};

const TICK: Duration = Duration::from_millis(1);
const OTHER: &str = "https://other.example";

/// The refresh is refused and leaves nothing behind.
async fn refused(h: &Harness, client: &TestClient, granted: &Reply, status: u16, error: &str) {
    let before = h.footprint().await;
    let token = granted.text("refresh_token");
    h.refresh(client, &token).await.assert_error(status, error);
    assert_eq!(h.footprint().await, before);
    if status != 401 {
        assert_ne!(told_to_holder(h, client, &token).await, Some(true));
    }
}

/// G6, CVE-2024-47000: a disabled user; enabled again, the user logs in again.
#[tokio::test]
async fn a_disabled_user_keeps_no_session() {
    let h = Harness::start().await;
    let bob = h.add_user("bob", None, "orders:read").await;
    for client in [&h.app, &h.spa] {
        let login = h.login_as(client, &bob.name, PASSWORD, &[]).await;
        let alice = h.login(client).await;
        h.disable_user(&bob).await;
        refused(&h, client, &login, 400, "invalid_grant").await;
        assert!(!h.is_active(&login.text("access_token")).await);
        h.login_as(client, &bob.name, PASSWORD, &[])
            .await
            .assert_error(400, "invalid_grant");
        assert_alive(&h, client, &alice).await;

        h.enable_user(&bob).await;
        h.clock.advance(TICK);
        assert_dead(&h, client, &login).await;
        let fresh = h.login_as(client, &bob.name, PASSWORD, &[]).await;
        assert_alive(&h, client, &fresh).await;
    }
}

/// G6, CVE-2026-43983: a disabled client, in what it holds of users and of its own.
#[tokio::test]
async fn a_disabled_client_keeps_nothing() {
    let h = Harness::start().await;
    for client in [&h.app, &h.spa] {
        let login = h.login(client).await;
        let machine = h.client_credentials(&h.app).await;
        h.disable_client(client).await;
        assert!(!h.is_active(&login.text("access_token")).await);
        assert_eq!(
            h.is_active(&machine.text("access_token")).await,
            client.id == "spa"
        );
        refused(&h, client, &login, 401, "invalid_client").await;
        for reply in [
            h.login(client).await,
            h.client_credentials(client).await,
            h.revoke(client, &login.text("refresh_token")).await,
        ] {
            reply.assert_error(401, "invalid_client");
        }

        h.enable_client(client).await;
        h.clock.advance(TICK);
        assert_dead(&h, client, &login).await;
        let fresh = h.login(client).await;
        assert_alive(&h, client, &fresh).await;
    }
}

/// G6: scope that is taken from the client or from the user's role is gone from the next answer on, and a session that
/// has none left ends until it is given back.
#[tokio::test]
async fn scope_is_narrowed_where_it_was_taken_away() {
    let h = Harness::start().await;
    let of_client = async |scope: &'static str| {
        h.change_client(&h.app, |policy| {
            policy.scope = scope.parse().unwrap();
            policy.default_scope = policy.scope.clone();
        })
        .await;
    };
    let of_user = async |scope: &'static str| {
        let role = Role {
            name: "role-of-alice".parse().unwrap(),
            scope: scope.parse().unwrap(),
        };
        h.admin().put_role(&role).await.unwrap();
        h.settle().await;
    };
    let mut login = h.login(&h.app).await;
    for by_client in [true, false] {
        let set = async |scope| match by_client {
            true => of_client(scope).await,
            false => of_user(scope).await,
        };
        set("orders:read").await;
        assert_eq!(
            h.introspect(&login.text("access_token")).await.ok()["scope"],
            "orders:read"
        );
        let narrowed = h.refresh(&h.app, &login.text("refresh_token")).await;
        assert_eq!(narrowed.ok()["scope"], "orders:read");
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*narrowed.text("refresh_token")),
            ("scope", "orders:write"),
        ];
        h.post("/oauth2/token", &h.app, &form)
            .await
            .assert_error(400, "invalid_scope");

        set("something:else").await;
        assert!(!h.is_active(&login.text("access_token")).await);
        refused(&h, &h.app, &narrowed, 400, "invalid_scope").await;
        set("orders:read orders:write").await;
        login = assert_alive(&h, &h.app, &narrowed).await;
    }
}

/// G6 for a client's own tokens: the scope is narrowed at once where it is asked about, and at issue after the lease.
#[tokio::test]
async fn own_tokens_lose_scope_that_was_taken_away() {
    let h = Harness::start().await;
    let machine = h.client_credentials(&h.app).await;
    h.change_client(&h.app, |policy| {
        policy.scope = "orders:read".parse().unwrap();
        policy.default_scope = policy.scope.clone();
    })
    .await;
    assert_eq!(
        h.introspect(&machine.text("access_token")).await.ok()["scope"],
        "orders:read"
    );
    h.clock.advance(LEASE);
    assert_eq!(h.client_credentials(&h.app).await.ok()["scope"], "orders:read");
}

/// G6: a grant that is taken away ends what it began, and what it would continue.
#[tokio::test]
async fn a_grant_that_was_taken_away_is_refused() {
    let h = Harness::start().await;
    let all = |policy: &mut ClientPolicy| policy.grants = GrantType::ALL.into();
    for (grant, session_is_over) in [(GrantType::RefreshToken, false), (GrantType::Password, true)] {
        let login = h.login(&h.app).await;
        h.change_client(&h.app, |policy| {
            policy.grants.remove(&grant);
        })
        .await;
        refused(&h, &h.app, &login, 400, "unauthorized_client").await;
        assert_eq!(h.is_active(&login.text("access_token")).await, !session_is_over);
        let again = h.login(&h.app).await;
        if session_is_over {
            again.assert_error(400, "unauthorized_client");
        } else {
            assert!(
                again.ok().get("refresh_token").is_none(),
                "a token that can't be used is not given"
            );
        }
        h.change_client(&h.app, all).await;
        assert_alive(&h, &h.app, &login).await;
    }

    let machine = h.client_credentials(&h.app).await.text("access_token");
    h.change_client(&h.app, |policy| {
        policy.grants.remove(&GrantType::ClientCredentials);
    })
    .await;
    assert!(!h.is_active(&machine).await);
    h.clock.advance(LEASE);
    h.client_credentials(&h.app)
        .await
        .assert_error(400, "unauthorized_client");
}

/// An application for two resource servers.
async fn for_two(h: &Harness) -> (TestClient, TestClient) {
    let other = h.add_client(ClientSpec::resource_server("other", OTHER)).await;
    let spec = ClientSpec::confidential("wide").with(|policy| policy.audiences.push(OTHER.parse().unwrap()));
    (h.add_client(spec).await, other)
}

async fn login_for_two(h: &Harness, wide: &TestClient) -> Reply {
    h.login_as(
        wide,
        "alice",
        PASSWORD,
        &[("resource", AUDIENCE), ("resource", OTHER)],
    )
    .await
}

async fn told(h: &Harness, caller: &TestClient, token: &str) -> bool {
    h.post("/oauth2/introspect", caller, &[("token", token)])
        .await
        .ok()["active"]
        == true
}

/// G6: an audience that is taken from the client, or whose resource server is disabled or deleted.
#[tokio::test]
async fn an_audience_that_was_taken_away_is_refused() {
    for way in ["taken", "disabled", "deleted"] {
        let h = Harness::start().await;
        let (wide, other) = for_two(&h).await;
        let login = login_for_two(&h, &wide).await;
        let token = login.text("access_token");
        assert!(told(&h, &h.api, &token).await && told(&h, &other, &token).await);
        match way {
            "taken" => {
                h.change_client(&wide, |policy| policy.audiences.retain(|a| a.as_str() != OTHER))
                    .await;
                assert!(!told(&h, &other, &token).await);
            }
            "disabled" => h.disable_client(&other).await,
            _ => h.delete_client(&other).await,
        }
        assert!(
            told(&h, &h.api, &token).await,
            "for the other one it is as good as before"
        );
        refused(&h, &wide, &login, 400, "invalid_target").await;
        let with = async |resource: &str| {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", &*login.text("refresh_token")),
                ("resource", resource),
            ];
            h.post("/oauth2/token", &wide, &form).await
        };
        with(OTHER).await.assert_error(400, "invalid_target");
        let narrowed = with(AUDIENCE).await;
        assert_eq!(super::claims(&narrowed.text("access_token"))["aud"], AUDIENCE);
        login_for_two(&h, &wide).await.assert_error(400, "invalid_target");
        if way != "taken" {
            h.clock.advance(LEASE);
            h.post("/oauth2/introspect", &other, &[("token", &*token)])
                .await
                .assert_error(401, "invalid_client");
        }
    }
}

/// G6: rules about lifetimes are those of today, too.
#[tokio::test]
async fn a_shorter_idle_lifetime_holds_for_sessions_that_are_out() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    h.clock.advance(Duration::from_secs(61));
    h.change_client(&h.app, |policy| policy.refresh_idle_lifetime = Some(60))
        .await;
    refused(&h, &h.app, &login, 400, "invalid_grant").await;
}

/// G6 within the lease: a node that has not heard yet that the client was disabled, deleted or made again may still
/// sign for it; nothing accepts what it signs, and after the lease it knows.
#[tokio::test]
async fn what_is_signed_within_the_lease_for_a_client_that_is_gone_is_worthless() {
    for way in ["disabled", "deleted", "made again"] {
        let h = Harness::start().await;
        for _ in h.nodes() {
            h.client_credentials(&h.app).await.ok();
        }
        // As a command does it, which has not returned yet: it waits until the lease has ended everywhere.
        let (admin, id) = (h.admin(), h.app.id.parse().unwrap());
        if way == "disabled" {
            let entry = NewRevocation::client_blocked(&id);
            admin.set_client_active(h.app.uid, false, &entry).await.unwrap();
        } else {
            let entry = NewRevocation::client_deleted(&id, h.clock.now());
            admin.delete_client(h.app.uid, &entry).await.unwrap();
        }
        if way == "made again" {
            h.add_client_unheard(ClientSpec::confidential("app")).await;
        }
        h.raise_fences().await;
        let late = h.client_credentials(&h.app).await;
        let token = late.text("access_token");
        assert!(!token.is_empty(), "within the lease the old facts hold");
        assert!(!h.is_active(&token).await, "{way}");
        h.clock.advance(LEASE);
        h.client_credentials(&h.app)
            .await
            .assert_error(401, "invalid_client");
        assert!(!h.is_active(&token).await, "{way}");
    }
}
