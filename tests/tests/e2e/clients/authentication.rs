//! Credentials are given once, in one place (C2; RFC 6749 sections 2.3, 2.3.1 and 3.2).

use http::{Request, header};
use symbolon_tests::{ClientSpec, Harness, PASSWORD, basic, form_request};

use super::ENDPOINTS;

#[tokio::test]
async fn rejects_two_authentications_at_every_endpoint() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let secret = &h.app.secret;
    let before = h.footprint().await;
    for (path, body) in ENDPOINTS {
        for more in [
            format!("client_secret={secret}"),
            format!("client_id=app&client_secret={secret}"),
            "client_secret=x".to_owned(),
            "client_id=spa".to_owned(),
            "client_id=APP".to_owned(),
            "client_id=nobody".to_owned(),
        ] {
            let request = form_request(path, &[("authorization", &own)], format!("{body}&{more}"));
            h.send(request).await.assert_error(400, "invalid_request");
        }
        for second in [own.as_str(), "Bearer x", "Basic x"] {
            let twice = [("authorization", own.as_str()), ("authorization", second)];
            h.send(form_request(path, &twice, body))
                .await
                .assert_error(400, "invalid_request");
        }
        let agreed = form_request(path, &[("authorization", &own)], format!("{body}&client_id=app"));
        h.send(agreed).await.ok();
    }
    assert_eq!(h.footprint().await, before);
}

#[tokio::test]
async fn rejects_other_schemes() {
    let h = Harness::start().await;
    let token = h.login(&h.app).await.text("access_token");
    for (path, body) in ENDPOINTS {
        for header in [
            format!("Bearer {token}"),
            "Digest username=\"app\"".to_owned(),
            String::new(),
            "Basic".to_owned(),
            "Negotiate x".to_owned(),
        ] {
            let reply = h
                .send(form_request(path, &[("authorization", &header)], body))
                .await;
            reply.assert_error(401, "invalid_client");
            assert_eq!(
                reply.header("www-authenticate"),
                "Basic realm=\"symbolon\", charset=\"UTF-8\""
            );
        }
        // A scheme that is not understood is not skipped in favour of the body.
        let both = format!("{body}&client_id=app&client_secret={}", h.app.secret);
        h.send(form_request(
            path,
            &[("authorization", &format!("Bearer {token}"))],
            both,
        ))
        .await
        .assert_error(401, "invalid_client");
        let lower = basic("app", &h.app.secret).replace("Basic", "bASIC");
        h.send(form_request(path, &[("authorization", &lower)], body))
            .await
            .ok();
    }
    assert!(h.is_active(&token).await);
}

#[tokio::test]
async fn rejects_repeated_parameters_and_rotates_nothing() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let refresh = h.login(&h.app).await.text("refresh_token");
    let access = h.login(&h.app).await.text("access_token");
    let login = format!(
        "grant_type=password&username=alice&password={}",
        PASSWORD.replace(' ', "+")
    );
    let before = h.footprint().await;
    let renew = format!("grant_type=refresh_token&refresh_token={refresh}");
    for (path, body) in [
        ("/oauth2/token", format!("{login}&grant_type=password")),
        ("/oauth2/token", format!("{login}&%67rant_type=refresh_token")),
        ("/oauth2/token", format!("{login}&username=bob")),
        ("/oauth2/token", format!("{login}&password=x")),
        (
            "/oauth2/token",
            format!("{login}&scope=orders:read&scope=orders:write"),
        ),
        ("/oauth2/token", format!("{login}&client_id=app&client_id=app")),
        ("/oauth2/token", format!("{login}&unknown=1&unknown=1")),
        ("/oauth2/token", format!("{renew}&refresh_token={refresh}")),
        ("/oauth2/token", format!("{renew}&grant_type=")),
        ("/oauth2/token", format!("{renew}&refresh_token")),
        ("/oauth2/introspect", format!("token={access}&token={access}")),
        (
            "/oauth2/introspect",
            format!("token={access}&token_type_hint=a&token_type_hint=b"),
        ),
        ("/oauth2/revoke", format!("token={refresh}&token={access}")),
        ("/oauth2/revoke", format!("token={refresh}&to%6Ben=x")),
    ] {
        let request = form_request(path, &[("authorization", &own)], body.clone());
        let reply = h.send(request).await;
        reply.assert_error(400, "invalid_request");
        assert_eq!(
            reply.text("error_description"),
            "a parameter is repeated",
            "{body}"
        );
    }
    assert_eq!(h.footprint().await, before);
    assert!(h.is_active(&access).await);
    let first = h.refresh(&h.app, &refresh).await;
    assert_ne!(first.ok()["refresh_token"], refresh);
}

#[tokio::test]
async fn rejects_parameters_in_the_query_string() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let login = h.login(&h.app).await;
    let refresh = login.text("refresh_token");
    let before = h.footprint().await;
    for query in [
        format!("client_id=app&client_secret={}", h.app.secret),
        "client_id=app".to_owned(),
        "client_secret".to_owned(),
        "%63lient_secret=x".to_owned(),
        "grant_type=client_credentials".to_owned(),
        format!("username=alice&password={PASSWORD}").replace(' ', "+"),
        format!("x=1&refresh_token={refresh}"),
        format!("token={refresh}"),
        "scope=orders:read".to_owned(),
        "resource=https://api.example".to_owned(),
    ] {
        for (path, body) in ENDPOINTS {
            let path = format!("{path}?{query}");
            let reply = h
                .send(form_request(&path, &[("authorization", &own)], body))
                .await;
            reply.assert_error(400, "invalid_request");
        }
    }
    // Nothing but the query: still not looked at.
    let all = format!(
        "/oauth2/token?grant_type=client_credentials&client_id=app&client_secret={}",
        h.app.secret
    );
    h.send(form_request(&all, &[], ""))
        .await
        .assert_error(400, "invalid_request");
    assert_eq!(h.footprint().await, before);
    h.refresh(&h.app, &refresh).await.ok();
    h.send(form_request(
        "/oauth2/token?trace=1",
        &[("authorization", &own)],
        "grant_type=client_credentials",
    ))
    .await
    .ok();
}

#[tokio::test]
async fn each_client_authenticates_only_as_it_is_registered() {
    use symbolon_core::client::AuthMethod;
    let h = Harness::start().await;
    let only = |method: AuthMethod| {
        ClientSpec::confidential(method.as_str()).with(|policy| policy.auth_methods = [method].into())
    };
    let by_header = h.add_client(only(AuthMethod::ClientSecretBasic)).await;
    let by_body = h.add_client(only(AuthMethod::ClientSecretPost)).await;
    let grant = "grant_type=client_credentials";
    for (client, basic_works) in [(&by_header, true), (&by_body, false)] {
        let header = form_request(
            "/oauth2/token",
            &[("authorization", &basic(&client.id, &client.secret))],
            grant,
        );
        let body = format!("{grant}&client_id={}&client_secret={}", client.id, client.secret);
        let (good, bad) = (
            h.send(header).await,
            h.send(form_request("/oauth2/token", &[], body)).await,
        );
        let (good, bad) = if basic_works { (good, bad) } else { (bad, good) };
        good.ok();
        bad.assert_error(401, "invalid_client");
    }
    // Introspection is for those who prove who they are (RFC 7662 section 2.1).
    let public = h.post("/oauth2/introspect", &h.spa, &[("token", "x")]).await;
    public.assert_error(401, "invalid_client");
    h.post("/oauth2/revoke", &h.spa, &[("token", "x")]).await.ok();
}

#[tokio::test]
async fn an_empty_parameter_is_an_absent_one() {
    let h = Harness::start().await;
    let body = format!(
        "grant_type=client_credentials&client_id=app&client_secret={}&scope=&resource=&x",
        h.app.secret
    );
    h.send(form_request("/oauth2/token", &[], body)).await.ok();
    let body = "grant_type=client_credentials&client_id=app&client_secret=";
    h.send(form_request("/oauth2/token", &[], body))
        .await
        .assert_error(401, "invalid_client");
    let body = "grant_type=&client_id=app";
    let own = basic("app", &h.app.secret);
    h.send(form_request("/oauth2/token", &[("authorization", &own)], body))
        .await
        .assert_error(400, "invalid_request");
    let without_length = Request::post("/oauth2/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(axum::body::Body::empty())
        .unwrap();
    h.send(without_length).await.assert_error(401, "invalid_client");
}
