//! The metadata tells the truth (RFC 8414): all that is there, and nothing else.

use serde_json::json;
use symbolon_core::ports::{Change, RegisteredScope};
use symbolon_oauth_types::GrantType;
use symbolon_tests::{ClientSpec, Harness, form_request};

use super::DOCUMENTS;

async fn metadata(h: &Harness) -> serde_json::Value {
    h.get(DOCUMENTS[1]).await.ok()
}

/// Every client loses the grant, or gets it.
async fn switch(h: &Harness, grant: GrantType, on: bool) {
    for client in [&h.app, &h.spa] {
        h.change_client(client, |policy| {
            if on {
                policy.grants.insert(grant);
            } else {
                policy.grants.remove(&grant);
            }
        })
        .await;
    }
    h.refresh_nodes().await;
}

#[tokio::test]
async fn lists_exactly_what_is_there() {
    let h = Harness::start().await;
    let expected = json!({
        "issuer": "https://as.example",
        "token_endpoint": "https://as.example/oauth2/token",
        "jwks_uri": "https://as.example/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials", "password", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint": "https://as.example/oauth2/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": "https://as.example/oauth2/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_feed_uri": "https://as.example/revocations",
    });
    assert_eq!(metadata(&h).await, expected);
    let reply = h.get(DOCUMENTS[1]).await;
    assert_eq!(reply.header("content-type"), "application/json");
}

/// RFC 9700 section 2.4: the password grant is not for use, and not on show unless somebody switched it on.
#[tokio::test]
async fn the_password_grant_is_listed_only_while_a_client_may_use_it() {
    let h = Harness::start().await;
    let listed = async || metadata(&h).await["grant_types_supported"].clone();
    switch(&h, GrantType::Password, false).await;
    assert_eq!(listed().await, json!(["client_credentials", "refresh_token"]));
    h.login(&h.app).await.assert_error(400, "unauthorized_client");

    switch(&h, GrantType::Password, true).await;
    assert_eq!(
        listed().await,
        json!(["client_credentials", "password", "refresh_token"])
    );
    h.login(&h.app).await.ok();

    // A client that is disabled uses no grant.
    h.disable_client(&h.app).await;
    h.refresh_nodes().await;
    assert_eq!(listed().await, json!(["password", "refresh_token"]));
}

/// RFC 8414 section 2: those that are on the register, and nothing where none is.
#[tokio::test]
async fn scopes_are_listed_while_they_are_registered() {
    let h = Harness::start().await;
    let listed = async || {
        h.refresh_nodes().await;
        metadata(&h).await["scopes_supported"].clone()
    };
    assert_eq!(listed().await, json!(null));
    for name in ["orders:write", "orders:read"] {
        let scope = RegisteredScope::new(name.parse().unwrap(), "Orders").unwrap();
        assert_eq!(h.admin().put_scope(&scope).await.unwrap(), Change::Done);
    }
    assert_eq!(listed().await, json!(["orders:read", "orders:write"]));
    for name in ["orders:write", "orders:read"] {
        let gone = h.admin().delete_scope(&name.parse().unwrap()).await;
        assert_eq!(gone.unwrap(), Change::Done);
    }
    assert_eq!(listed().await, json!(null));
}

#[tokio::test]
async fn every_endpoint_and_method_that_is_listed_works() {
    let h = Harness::start().await;
    let spec = ClientSpec::resource_server("both", "https://both.example").with(|policy| {
        let app = ClientSpec::confidential("x").policy;
        (policy.grants, policy.audiences) = (app.grants, app.audiences);
    });
    let both = h.add_client(spec).await;
    let listed = metadata(&h).await;
    let path = |url: &serde_json::Value| {
        url.as_str()
            .unwrap()
            .strip_prefix("https://as.example")
            .unwrap()
            .to_owned()
    };
    h.get(&path(&listed["jwks_uri"])).await.ok();
    for (endpoint, body) in [
        (
            "token_endpoint",
            "grant_type=password&username=alice&password=correct+horse+battery+staple",
        ),
        ("revocation_endpoint", "token=x"),
        ("introspection_endpoint", "token=x"),
    ] {
        let path = path(&listed[endpoint]);
        for method in listed[&format!("{endpoint}_auth_methods_supported")]
            .as_array()
            .unwrap()
        {
            let basic = symbolon_tests::basic(&both.id, &both.secret);
            let post = format!("{body}&client_id={}&client_secret={}", both.id, both.secret);
            let request = match method.as_str().unwrap() {
                "client_secret_basic" => form_request(&path, &[("authorization", &basic)], body),
                "client_secret_post" => form_request(&path, &[], post),
                "none" => form_request(&path, &[], format!("{body}&client_id=spa")),
                other => panic!("{other} is not known here"),
            };
            h.send(request).await.ok();
        }
    }
    let token = h.login(&both).await.text("refresh_token");
    for grant in listed["grant_types_supported"].as_array().unwrap() {
        let reply = match grant.as_str().unwrap() {
            "client_credentials" => h.client_credentials(&both).await,
            "password" => h.login(&both).await,
            "refresh_token" => h.refresh(&both, &token).await,
            other => panic!("{other} is not known here"),
        };
        reply.ok();
    }
}
