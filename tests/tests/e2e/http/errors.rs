//! Error answers, to the byte (RFC 6749 section 5.2): fixed texts, nothing of the request in them.

use symbolon_tests::{Harness, PASSWORD, Reply, basic, form_request};

#[track_caller]
fn assert_exact(reply: &Reply, status: u16, code: &str, text: &str) {
    let body = format!(r#"{{"error":"{code}","error_description":"{text}"}}"#);
    assert_eq!(
        (reply.status.as_u16(), std::str::from_utf8(&reply.body).unwrap()),
        (status, body.as_str())
    );
    let mut expected = vec![
        ("cache-control", "no-store"),
        ("content-type", "application/json"),
        ("pragma", "no-cache"),
    ];
    if status == 401 {
        expected.push(("www-authenticate", "Basic realm=\"symbolon\", charset=\"UTF-8\""));
    }
    for (name, value) in expected {
        assert_eq!(reply.header(name), value, "{code}");
    }
    assert_eq!(
        reply.headers.contains_key("www-authenticate"),
        status == 401,
        "{code}"
    );
    let texts = body
        .bytes()
        .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\');
    assert!(texts, "printable ASCII without a backslash");
}

#[tokio::test]
async fn each_refusal_has_its_text() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let post = async |body: &str| {
        h.send(form_request(
            "/oauth2/token",
            &[("authorization", &own)],
            body.to_owned(),
        ))
        .await
    };
    let password = format!(
        "grant_type=password&username=alice&password={}",
        PASSWORD.replace(' ', "+")
    );
    let malformed = "the request is malformed";
    let missing = "a required parameter is missing";
    let scope = "the scope is malformed, unknown or more than may be granted";
    let target = "the resource is malformed, unknown or not allowed to this client";
    let grant = "the grant is invalid, expired or revoked";
    for (body, code, text) in [
        (
            "grant_type=client_credentials&x=%".to_owned(),
            "invalid_request",
            malformed,
        ),
        (
            "grant_type=client_credentials&x=1&x=2".to_owned(),
            "invalid_request",
            "a parameter is repeated",
        ),
        ("x=1".to_owned(), "invalid_request", missing),
        (
            "grant_type=password&username=alice".to_owned(),
            "invalid_request",
            missing,
        ),
        (
            "grant_type=password&password=x".to_owned(),
            "invalid_request",
            missing,
        ),
        ("grant_type=refresh_token".to_owned(), "invalid_request", missing),
        (
            format!("grant_type=refresh_token&refresh_token={}", "x".repeat(16_385)),
            "invalid_request",
            malformed,
        ),
        (
            "grant_type=refresh_token&refresh_token=x".to_owned(),
            "invalid_grant",
            grant,
        ),
        (
            "grant_type=password&username=alice&password=x".to_owned(),
            "invalid_grant",
            grant,
        ),
        (format!("{password}&scope=a%22b"), "invalid_scope", scope),
        (format!("{password}&scope=admin"), "invalid_scope", scope),
        (
            format!("{password}&scope=orders:read+users:write"),
            "invalid_scope",
            scope,
        ),
        (format!("{password}&resource=%23"), "invalid_target", target),
        (
            format!("{password}&resource=https://other.example"),
            "invalid_target",
            target,
        ),
        (
            "grant_type=implicit".to_owned(),
            "unsupported_grant_type",
            "the grant type is not supported",
        ),
    ] {
        assert_exact(&post(&body).await, 400, code, text);
    }
    let twice = form_request("/oauth2/token", &[("authorization", &own)], "client_secret=x");
    assert_exact(
        &h.send(twice).await,
        400,
        "invalid_request",
        "the client must authenticate in exactly one way",
    );
    let query = form_request("/oauth2/token?token=x", &[("authorization", &own)], "");
    assert_exact(
        &h.send(query).await,
        400,
        "invalid_request",
        "parameters must be in the body, not in the query string",
    );
    let public = h.client_credentials(&h.spa).await;
    assert_exact(
        &public,
        400,
        "unauthorized_client",
        "the client may not use this grant type",
    );
    let nobody = h
        .send(form_request("/oauth2/token", &[], "client_id=nobody"))
        .await;
    assert_exact(&nobody, 401, "invalid_client", "client authentication failed");
    let json = form_request("/oauth2/token", &[("content-type", "x")], "");
    let mut json = json;
    json.headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    let text = "the content type must be application/x-www-form-urlencoded";
    assert_exact(&h.send(json).await, 415, "invalid_request", text);
}

#[tokio::test]
async fn nothing_of_the_request_comes_back() {
    let h = Harness::start().await;
    const MARK: &str = "zebra-7f3a";
    let own = basic("app", &h.app.secret);
    for body in [
        format!("grant_type={MARK}"),
        format!("grant_type=password&username={MARK}&password={MARK}"),
        format!("grant_type=refresh_token&refresh_token=sbr_{MARK}"),
        format!("grant_type=client_credentials&scope={MARK}"),
        format!("grant_type=client_credentials&resource=https://{MARK}"),
        format!("{MARK}=1&{MARK}=2"),
        format!("{MARK}=%"),
    ] {
        let marked = [
            ("authorization", own.as_str()),
            ("user-agent", MARK),
            ("x-request-id", MARK),
            ("referer", MARK),
            ("origin", MARK),
        ];
        let reply = h.send(form_request("/oauth2/token", &marked, body.clone())).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(!format!("{reply:?}").contains(MARK), "{body}");
    }
    let reply = h
        .send(form_request(
            "/oauth2/token",
            &[("authorization", &basic(MARK, MARK))],
            "",
        ))
        .await;
    reply.assert_error(401, "invalid_client");
    assert!(!format!("{reply:?}").contains(MARK));
}

#[tokio::test]
async fn answers_that_hold_tokens_are_kept_by_nobody() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let introspected = h.introspect(&login.text("access_token")).await;
    let refreshed = h.refresh(&h.app, &login.text("refresh_token")).await;
    let revoked = h.revoke(&h.app, &login.text("access_token")).await;
    for reply in [
        &login,
        &introspected,
        &refreshed,
        &revoked,
        &h.client_credentials(&h.app).await,
    ] {
        reply.ok();
        assert_eq!(
            (reply.header("cache-control"), reply.header("pragma")),
            ("no-store", "no-cache")
        );
        assert!(!reply.headers.contains_key("set-cookie") && !reply.headers.contains_key("etag"));
    }
    assert_eq!(
        (login.header("content-type"), revoked.header("content-type")),
        ("application/json", "")
    );
}
