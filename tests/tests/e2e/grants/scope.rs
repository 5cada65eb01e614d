//! Scope and audience never widen, and what a request carries besides does not reach the token.

use std::collections::BTreeSet;

use symbolon_core::rights::{ADMIN_AUDIENCE, admin_audience};
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_tests::{AUDIENCE, ClientSpec, Harness, PASSWORD, SCOPE, TestClient};

use super::{assert_alive, claims};

/// G7: more than the session was granted is refused and changes nothing; less is given, and all of it again later.
#[tokio::test]
async fn refresh_does_not_widen_scope() {
    let h = Harness::start().await;
    let user = h
        .add_user("bob", None, "orders:read orders:write users:read")
        .await;
    let wide = h
        .add_client(ClientSpec::confidential("wide").with(|policy| {
            policy.scope = "orders:read orders:write users:read".parse().unwrap();
        }))
        .await;
    let narrow = h
        .login_as(&wide, &user.name, PASSWORD, &[("scope", "orders:read")])
        .await;
    assert_eq!(narrow.ok()["scope"], "orders:read");
    let full = h.login_as(&wide, &user.name, PASSWORD, &[]).await;
    let before = h.footprint().await;
    for (granted, scope) in [
        (&narrow, "orders:read orders:write"),
        (&narrow, "orders:write"),
        (&full, "orders:read users:read"),
        (&full, "never:heard:of"),
        (&full, "ORDERS:READ"),
        (&full, "orders:read\torders:write"),
    ] {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*granted.text("refresh_token")),
            ("scope", scope),
        ];
        h.post("/oauth2/token", &wide, &form)
            .await
            .assert_error(400, "invalid_scope");
    }
    assert_eq!(h.footprint().await, before);
    let still_narrow = assert_alive(&h, &wide, &narrow).await;
    assert_eq!(still_narrow.ok()["scope"], "orders:read");

    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*full.text("refresh_token")),
        ("scope", "orders:write"),
    ];
    let subset = h.post("/oauth2/token", &wide, &form).await;
    assert_eq!(subset.ok()["scope"], "orders:write");
    assert_eq!(
        h.introspect(&subset.text("access_token")).await.ok()["scope"],
        "orders:write"
    );
    let again = h.refresh(&wide, &subset.text("refresh_token")).await;
    assert_eq!(again.ok()["scope"], SCOPE);
}

/// G7 for audiences (RFC 8707): the same rule.
#[tokio::test]
async fn refresh_does_not_widen_audience() {
    const OTHER: &str = "https://other.example";
    let h = Harness::start().await;
    h.add_client(ClientSpec::resource_server("other", OTHER)).await;
    let wide = h
        .add_client(
            ClientSpec::confidential("wide").with(|policy| policy.audiences.push(OTHER.parse().unwrap())),
        )
        .await;
    let refresh = async |token: String, resource: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*token),
            ("resource", resource),
        ];
        h.post("/oauth2/token", &wide, &form).await
    };
    let one = h.login(&wide).await;
    assert_eq!(claims(&one.text("access_token"))["aud"], AUDIENCE);
    let before = h.footprint().await;
    for resource in [OTHER, "https://nobody.example"] {
        refresh(one.text("refresh_token"), resource)
            .await
            .assert_error(400, "invalid_target");
    }
    assert_eq!(h.footprint().await, before);
    assert_alive(&h, &wide, &one).await;

    let two = h
        .login_as(
            &wide,
            "alice",
            PASSWORD,
            &[("resource", AUDIENCE), ("resource", OTHER)],
        )
        .await;
    let narrowed = refresh(two.text("refresh_token"), OTHER).await;
    assert_eq!(claims(&narrowed.text("access_token"))["aud"], OTHER);
    let again = h.refresh(&wide, &narrowed.text("refresh_token")).await;
    assert_eq!(
        claims(&again.text("access_token"))["aud"],
        serde_json::json!([AUDIENCE, OTHER])
    );
}

/// A client that may ask for these scopes, at the admin API too.
async fn add_console(h: &Harness, id: &str, scope: &str) -> TestClient {
    h.add_client(ClientSpec::confidential(id).with(|policy| {
        policy.scope = scope.parse().unwrap();
        policy.audiences.push(admin_audience().clone());
    }))
    .await
}

/// G22: an ordinary user gets no admin scope through a client that may have them, on no path.
#[tokio::test]
async fn an_ordinary_user_gets_no_admin_scope() {
    let h = Harness::start().await;
    let admin_scope = ADMIN_SCOPES.join(" ");
    let console = add_console(&h, "console", &format!("{SCOPE} {admin_scope}")).await;
    let login = async |scope: &str, resource: &str| {
        let asked = [("scope", scope), ("resource", resource)];
        h.login_as(&console, "alice", PASSWORD, &asked).await
    };

    let mixed_scope = format!("{SCOPE} {admin_scope}");
    let before = h.footprint().await;
    for scope in ADMIN_SCOPES.into_iter().chain([&*admin_scope]) {
        for resource in [AUDIENCE, ADMIN_AUDIENCE] {
            login(scope, resource).await.assert_error(400, "invalid_scope");
        }
    }
    // Neither audience has both kinds.
    for resource in [AUDIENCE, ADMIN_AUDIENCE] {
        login(&mixed_scope, resource)
            .await
            .assert_error(400, "invalid_scope");
    }
    assert_eq!(h.footprint().await, before);
    let mixed = login(SCOPE, AUDIENCE).await;
    let unasked = h.login(&console).await;
    for granted in [&mixed, &unasked] {
        assert_eq!(granted.ok()["scope"], SCOPE);
        assert_eq!(claims(&granted.text("access_token"))["scope"], SCOPE);
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*granted.text("refresh_token")),
            ("scope", "users:write"),
        ];
        h.post("/oauth2/token", &console, &form)
            .await
            .assert_error(400, "invalid_scope");
    }
    assert_eq!(
        h.introspect(&unasked.text("access_token")).await.ok()["scope"],
        SCOPE
    );
    // A role that comes later does not reach into a session that began without it.
    h.add_user("root", None, &admin_scope).await;
    h.set_roles(h.alice.subject, &["role-of-alice", "role-of-root"])
        .await;
    let refreshed = h.refresh(&console, &mixed.text("refresh_token")).await;
    assert_eq!(refreshed.ok()["scope"], SCOPE);
    // Nor is it given unasked, nor for another audience.
    assert_eq!(h.login(&console).await.ok()["scope"], SCOPE);
    login("users:write", AUDIENCE)
        .await
        .assert_error(400, "invalid_scope");
    let admin = login("users:write", ADMIN_AUDIENCE).await;
    assert_eq!(admin.ok()["scope"], "users:write");
    assert_eq!(claims(&admin.text("access_token"))["aud"], ADMIN_AUDIENCE);
}

/// A resource server that gets a token can't replay it at the admin API, whatever the order in which both are asked for.
#[tokio::test]
async fn the_admin_audience_is_asked_for_alone() {
    let h = Harness::start().await;
    let root = h.add_user("root", None, "users:read").await;
    let console = add_console(&h, "console", &format!("{SCOPE} users:read")).await;
    let before = h.footprint().await;
    for both in [[AUDIENCE, ADMIN_AUDIENCE], [ADMIN_AUDIENCE, AUDIENCE]] {
        let asked = both.map(|resource| ("resource", resource));
        h.login_as(&console, "alice", PASSWORD, &asked)
            .await
            .assert_error(400, "invalid_target");
    }
    assert_eq!(h.footprint().await, before);
    // What the client gets unasked is ordinary scope, which is nothing there.
    let unasked = [("resource", ADMIN_AUDIENCE)];
    h.login_as(&console, "alice", PASSWORD, &unasked)
        .await
        .assert_error(400, "invalid_scope");
    let asked = [("resource", ADMIN_AUDIENCE), ("scope", "users:read")];
    let alone = h.login_as(&console, &root.name, PASSWORD, &asked);
    let token = alone.await.text("access_token");
    assert_eq!(claims(&token)["aud"], ADMIN_AUDIENCE);
    assert!(!h.is_active(&token).await, "it is for no resource server");
}

/// G22: an admin whose role is taken away keeps nothing of it.
#[tokio::test]
async fn admin_scope_goes_with_the_role() {
    let h = Harness::start().await;
    let root = h.add_user("root", None, "orders:read users:write").await;
    let console = add_console(&h, "console", "orders:read orders:write users:write").await;
    let asked = [("scope", "users:write"), ("resource", ADMIN_AUDIENCE)];
    let login = h.login_as(&console, &root.name, PASSWORD, &asked).await;
    assert_eq!(login.ok()["scope"], "users:write");
    h.set_roles(root.subject, &["role-of-alice"]).await;
    h.refresh(&console, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_scope");
}

/// G22: a client's own admin scope, where it has one, is given by name alone, and for the admin API alone.
#[tokio::test]
async fn a_client_gets_its_admin_scope_by_name_only() {
    let h = Harness::start().await;
    let robot = add_console(&h, "robot", &format!("{SCOPE} users:write")).await;
    assert_eq!(h.client_credentials(&robot).await.ok()["scope"], SCOPE);
    for (client, resource, status) in [
        (&robot, ADMIN_AUDIENCE, 200),
        (&robot, AUDIENCE, 400),
        (&h.app, ADMIN_AUDIENCE, 400),
        (&h.app, AUDIENCE, 400),
    ] {
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "users:write"),
            ("resource", resource),
        ];
        let reply = h.post("/oauth2/token", client, &form).await;
        assert_eq!(reply.status.as_u16(), status, "{resource}");
    }
}

/// G16, CVE-2024-29892: no parameter of a request overwrites or adds a claim.
#[tokio::test]
async fn parameters_do_not_become_claims() {
    let h = Harness::start().await;
    let hostile = [
        ("iss", "https://evil.example"),
        ("sub", "00000000-0000-7000-8000-000000000000"),
        ("aud", "https://evil.example"),
        ("exp", "99999999999"),
        ("iat", "0"),
        ("nbf", "0"),
        ("jti", "00000000-0000-7000-8000-000000000000"),
        ("sid", "00000000-0000-7000-8000-000000000000"),
        ("cnf", r#"{"jkt":"x"}"#),
        ("act", r#"{"sub":"admin"}"#),
        ("roles", "admin"),
        ("claims", r#"{"access_token":{"sub":{"value":"admin"}}}"#),
        ("custom_claims", r#"{"sub":"admin"}"#),
    ];
    let login = h.login_as(&h.app, "alice", PASSWORD, &hostile).await;
    let with = |form: &[(&'static str, String)]| -> Vec<(&'static str, String)> {
        let hostile = hostile.iter().map(|(name, value)| (*name, (*value).to_owned()));
        form.iter().cloned().chain(hostile).collect()
    };
    let post = async |form: Vec<(&'static str, String)>| {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, &**value)).collect();
        h.post("/oauth2/token", &h.app, &form).await
    };
    let refreshed = post(with(&[
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", login.text("refresh_token")),
    ]))
    .await;
    let machine = post(with(&[("grant_type", "client_credentials".to_owned())])).await;

    let ordinary = BTreeSet::from([
        "aud",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "scope",
        "sid",
        "sub",
    ]);
    for (granted, subject) in [
        (&login, h.alice.subject.to_string()),
        (&refreshed, h.alice.subject.to_string()),
        (&machine, h.app.uid.to_string()),
    ] {
        let claims = claims(&granted.text("access_token"));
        let names: BTreeSet<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(names.is_subset(&ordinary), "{names:?}");
        assert_eq!(claims["iss"], "https://as.example");
        assert_eq!(claims["sub"], subject);
        assert_eq!(claims["aud"], AUDIENCE);
        assert_eq!(claims["client_id"], "app");
        assert_eq!(
            claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
            300
        );
        for id in ["jti", "sid"] {
            assert_ne!(claims[id], "00000000-0000-7000-8000-000000000000");
        }
        assert!(h.is_active(&granted.text("access_token")).await);
    }
    // Another client's name beside one's own credentials is a second authentication, not a claim.
    let form = [("grant_type", "client_credentials"), ("client_id", "spa")];
    h.post("/oauth2/token", &h.app, &form)
        .await
        .assert_error(400, "invalid_request");
}
