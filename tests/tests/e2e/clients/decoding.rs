//! Client ids and secrets are form-urlencoded inside Basic (C3; RFC 6749 section 2.3.1).

use std::fmt::Write;

use symbolon_tests::{ClientSpec, Harness, TestClient, basic, form_request, post_request};

use super::ENDPOINTS;

const GRANT: &str = "grant_type=client_credentials";

fn percent(text: &str, upper: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match upper {
            true => write!(out, "%{byte:02X}"),
            false => write!(out, "%{byte:02x}"),
        }
        .unwrap();
        out
    })
}

async fn by_header(h: &Harness, id: &str, secret: &str) -> symbolon_tests::Reply {
    h.send(form_request(
        "/oauth2/token",
        &[("authorization", &basic(id, secret))],
        GRANT,
    ))
    .await
}

#[tokio::test]
async fn every_byte_may_be_percent_encoded() {
    let h = Harness::start().await;
    let TestClient { id, secret, .. } = h.app.clone();
    for upper in [true, false] {
        by_header(&h, &percent(&id, upper), &percent(&secret, upper))
            .await
            .ok();
        let body = format!(
            "{GRANT}&client_id={}&client_secret={}",
            percent(&id, upper),
            percent(&secret, upper)
        );
        h.send(form_request("/oauth2/token", &[], body)).await.ok();
        let body = format!(
            "token=x&client_id={}&client_secret={}",
            percent(&id, upper),
            percent(&secret, upper)
        );
        h.send(form_request("/oauth2/introspect", &[], body)).await.ok();
    }
    // Encoded twice is another text.
    by_header(&h, &id, &percent(&percent(&secret, true), true))
        .await
        .assert_error(401, "invalid_client");
}

#[tokio::test]
async fn ids_that_need_encoding_work_encoded_and_only_encoded() {
    let h = Harness::start().await;
    for id in ["a+b", "50%", "a%2Bb", "a&b=c", "https/app?x=1#y", "~!*'()"] {
        let client = h.add_client(ClientSpec::confidential(id)).await;
        let reply = h
            .send(post_request(
                "/oauth2/token",
                &client,
                &[("grant_type", "client_credentials")],
            ))
            .await;
        assert_eq!(reply.ok()["token_type"], "Bearer", "{id}");
        let told = h.introspect(&reply.text("access_token")).await.ok();
        assert_eq!(told["client_id"], id);
        let raw = by_header(&h, id, &client.secret).await;
        if id.contains(['+', '%']) {
            raw.assert_error(401, "invalid_client");
        } else {
            raw.ok();
        }
    }
}

#[tokio::test]
async fn what_does_not_decode_is_refused_and_never_a_fault() {
    let h = Harness::start().await;
    let secret = &h.app.secret;
    let long = "x".repeat(4096);
    for (id, secret) in [
        ("app", "%"),
        ("app", "%4"),
        ("app", "%zz"),
        ("app", "%ff"),
        ("app", "%00"),
        ("app", "\u{e4}"),
        ("app", "%C3%A4"),
        ("app", "se:cret"),
        ("app", &format!("{secret}:")),
        ("app", &format!(" {secret}")),
        ("app", &format!("{secret}+")),
        ("app", &format!("{secret}%00")),
        ("app", &long),
        ("%C3%A4", secret),
        ("a\u{e4}p", secret),
        ("app%00", secret),
        ("app%3A", secret),
        ("app%20", secret),
        (":app", secret),
        ("%", secret),
    ] {
        for (path, body) in ENDPOINTS {
            let request = form_request(path, &[("authorization", &basic(id, secret))], body);
            h.send(request).await.assert_error(401, "invalid_client");
        }
    }
    for header in [
        "Basic YXBw",
        "Basic YXBwOg",
        "Basic =",
        "Basic \u{7f}",
        "Basic YXBw Og==",
    ] {
        let Ok(value) = http::HeaderValue::from_bytes(header.as_bytes()) else {
            continue;
        };
        let request = form_request(
            "/oauth2/token",
            &[("authorization", value.to_str().unwrap_or(""))],
            GRANT,
        );
        h.send(request).await.assert_error(401, "invalid_client");
    }
    by_header(&h, "app", secret).await.ok();
}

#[tokio::test]
async fn bodies_that_do_not_decode_are_refused() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    for (path, body) in ENDPOINTS {
        for bad in [
            &b"x=%"[..],
            b"x=%4",
            b"x=%zz",
            b"x=%ff",
            b"x=\xff",
            b"%f0=1",
            b"\xc3=1",
        ] {
            let body = [body.as_bytes(), b"&", bad].concat();
            let reply = h.send(form_request(path, &[("authorization", &own)], body)).await;
            reply.assert_error(400, "invalid_request");
        }
    }
}
