//! Access tokens are what RFC 9068 says, verified by a library of others from the published keys.

use std::collections::BTreeSet;
use std::time::Duration;

use symbolon_core::Clock;
use symbolon_tests::{AUDIENCE, ClientSpec, Harness, PASSWORD};
use uuid::Uuid;

use super::{part, verified, verify};

fn members(claims: &serde_json::Value) -> Vec<&str> {
    let mut members: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    members
}

#[tokio::test]
async fn a_users_token_has_every_claim_and_nothing_personal() {
    let h = Harness::start().await;
    let bob = h.add_user("bob", Some("bob@example.com"), "orders:read").await;
    let now = h.clock.now().as_secs();
    let login = h.login_as(&h.app, "bob@example.com", PASSWORD, &[]).await;
    let claims = verified(&h, &login).await;
    let all = [
        "aud",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "scope",
        "sid",
        "sub",
    ];
    assert_eq!(members(&claims), all);
    assert_eq!(claims["iss"], "https://as.example");
    assert_eq!(claims["aud"], AUDIENCE);
    assert_eq!(claims["sub"], bob.subject.to_string());
    assert_eq!(claims["client_id"], "app");
    assert_eq!(claims["scope"], "orders:read", "what the user's roles give");
    assert_eq!(
        (claims["iat"].as_u64(), claims["exp"].as_u64()),
        (Some(now), Some(now + 300))
    );
    for id in ["jti", "sid", "sub"] {
        let id: Uuid = claims[id].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
    }
    assert!(!claims.to_string().contains("bob"));
    let header = part(&login.text("access_token"), 0);
    assert_eq!(members(&header), ["alg", "kid", "typ"]);
}

#[tokio::test]
async fn a_clients_token_has_no_session_and_its_subject_is_no_users() {
    let h = Harness::start().await;
    let claims = verified(&h, &h.client_credentials(&h.app).await).await;
    let all = ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"];
    assert_eq!(members(&claims), all);
    assert_eq!(claims["sub"], h.app.uid.to_string());
    assert_ne!(claims["sub"], claims["client_id"]);
}

#[tokio::test]
async fn ids_are_never_given_twice() {
    let h = Harness::start().await;
    let mut seen = BTreeSet::new();
    let mut session = h.login(&h.app).await;
    let (sid, sub) = {
        let claims = part(&session.text("access_token"), 1);
        (claims["sid"].clone(), claims["sub"].clone())
    };
    for _ in 0..30 {
        h.clock.advance(Duration::from_secs(1));
        session = h.refresh(&h.app, &session.text("refresh_token")).await;
        let refreshed = verified(&h, &session).await;
        assert_eq!((&refreshed["sid"], &refreshed["sub"]), (&sid, &sub));
        let own = verified(&h, &h.client_credentials(&h.app).await).await;
        for claims in [refreshed, own] {
            assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()));
        }
    }
    let again = verified(&h, &h.login(&h.app).await).await;
    assert_ne!(again["sid"], sid);
}

#[tokio::test]
async fn lifetimes_are_the_clients_and_end_with_the_session() {
    let h = Harness::start().await;
    let spec = ClientSpec::confidential("brief").with(|policy| {
        policy.access_token_lifetime = Some(40);
        policy.session_lifetime = Some(60);
    });
    let brief = h.add_client(spec).await;
    let login = h.login(&brief).await;
    assert_eq!(login.ok()["expires_in"], 40);
    h.clock.advance(Duration::from_secs(30));
    let last = h.refresh(&brief, &login.text("refresh_token")).await;
    let expires = last.ok()["expires_in"].as_u64().unwrap();
    assert!((29..=30).contains(&expires), "{expires}: not beyond the session");
    let claims = verify(&h, &last.text("access_token")).await;
    assert_eq!(
        claims["exp"].as_u64().unwrap(),
        claims["iat"].as_u64().unwrap() + expires
    );
    h.clock.advance(Duration::from_secs(30));
    assert!(!h.is_active(&last.text("access_token")).await);
    h.refresh(&brief, &last.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
}

/// Of several the shortest counts, and what the client says where that is shorter still.
#[tokio::test]
async fn resource_servers_bound_how_long_their_tokens_live() {
    const QUICK: &str = "https://quick.example";
    const SLOW: &str = "https://slow.example";
    let h = Harness::start().await;
    for (id, audience, secs) in [("quick", QUICK, 30), ("slow", SLOW, 3600)] {
        let serving = ClientSpec::resource_server(id, audience)
            .with(|policy| policy.serves[0].access_token_lifetime = Some(secs));
        h.add_client(serving).await;
    }
    let wide = ClientSpec::confidential("wide").with(|policy| {
        policy.access_token_lifetime = Some(40);
        policy
            .audiences
            .extend([QUICK, SLOW].map(|audience| audience.parse().unwrap()));
    });
    let wide = h.add_client(wide).await;
    for (resources, secs) in [
        (&[AUDIENCE] as &[_], 40),
        (&[SLOW], 40),
        (&[QUICK], 30),
        (&[SLOW, QUICK, AUDIENCE], 30),
    ] {
        let asked: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
        let login = h.login_as(&wide, "alice", PASSWORD, &asked).await;
        assert_eq!(login.ok()["expires_in"], secs, "{resources:?}");
        let refreshed = h.refresh(&wide, &login.text("refresh_token")).await;
        assert_eq!(refreshed.ok()["expires_in"], secs, "{resources:?}");
    }
}

#[tokio::test]
async fn scope_is_what_is_asked_for_within_client_and_user() {
    let h = Harness::start().await;
    for (asked, granted) in [
        ("orders:read", "orders:read"),
        ("orders:write orders:read", "orders:read orders:write"),
        (" orders:read  orders:read ", "orders:read"),
    ] {
        let reply = h.login_as(&h.app, "alice", PASSWORD, &[("scope", asked)]).await;
        assert_eq!(reply.ok()["scope"], granted);
        assert_eq!(verified(&h, &reply).await["scope"], granted);
    }
    for asked in [
        "admin",
        "orders:read admin",
        "Orders:read",
        "orders:read\torders:write",
        "users:write",
    ] {
        let reply = h.login_as(&h.app, "alice", PASSWORD, &[("scope", asked)]).await;
        reply.assert_error(400, "invalid_scope");
    }
}
