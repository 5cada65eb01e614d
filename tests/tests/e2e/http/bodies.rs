//! Bodies: their type and their length.

use symbolon_tests::{Harness, basic, form_request};

use super::{FORMS, request, with_settings};

fn typed(path: &str, types: &[&str], own: &str, body: &str) -> http::Request<axum::body::Body> {
    let mut headers = vec![("authorization", own)];
    headers.extend(types.iter().map(|kind| ("content-type", *kind)));
    request("POST", path, &headers).map(|_| axum::body::Body::from(body.to_owned()))
}

#[tokio::test]
async fn only_forms_are_read() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let before = h.footprint().await;
    let body = "grant_type=client_credentials&token=x";
    for path in FORMS {
        for kind in [
            "application/json",
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/x-www-form-urlencoded-x",
            "application/x-www-form-urlencode",
            "x; application/x-www-form-urlencoded",
            "application/json, application/x-www-form-urlencoded",
            "*/*",
            ";",
            "",
        ] {
            let reply = h.send(typed(path, &[kind], &own, body)).await;
            reply.assert_error(415, "invalid_request");
        }
        h.send(typed(path, &[], &own, body))
            .await
            .assert_error(415, "invalid_request");
        for kind in [
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "application/x-www-form-urlencoded;charset=iso-8859-1",
            "Application/X-WWW-Form-Urlencoded ; x=y",
        ] {
            h.send(typed(path, &[kind], &own, body)).await.ok();
        }
    }
    assert_eq!(h.footprint().await, before);
}

#[tokio::test]
async fn a_body_is_bounded_to_the_byte() {
    let h = with_settings(&[("server.max_body_bytes", "2048")]).await;
    let own = basic("app", &h.app.secret);
    for path in FORMS {
        let start = "grant_type=client_credentials&token=x&pad=";
        let fill = |length: usize| format!("{start}{}", "x".repeat(length - start.len()));
        let post = |body: String| form_request(path, &[("authorization", &own)], body);
        h.send(post(fill(2048))).await.ok();
        let reply = h.send(post(fill(2049))).await;
        reply.assert_error(413, "invalid_request");
        assert_eq!(reply.text("error_description"), "the request body is too large");
        h.send(post(fill(1 << 20)))
            .await
            .assert_error(413, "invalid_request");
    }
    assert_eq!(h.counted("requests_total", &["body_too_large"]), 6);
}

#[tokio::test]
async fn an_empty_body_is_no_request() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    for path in FORMS {
        for body in ["", "&", "&&&", "="] {
            let reply = h.send(form_request(path, &[("authorization", &own)], body)).await;
            reply.assert_error(400, "invalid_request");
            assert_eq!(reply.text("error_description"), "a required parameter is missing");
        }
        h.send(form_request(path, &[], ""))
            .await
            .assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn parameters_are_bounded_in_number_and_unknown_ones_are_ignored() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let body = |extra: usize| {
        (0..extra).fold("grant_type=client_credentials".to_owned(), |b, i| {
            format!("{b}&x{i}={i}")
        })
    };
    let send = |extra| {
        h.send(form_request(
            "/oauth2/token",
            &[("authorization", &own)],
            body(extra),
        ))
    };
    send(63).await.ok();
    send(64).await.assert_error(400, "invalid_request");
}
