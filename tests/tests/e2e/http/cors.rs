//! Which scripts may call what (Fetch, RFC 6454).

use symbolon_core::client::ClientPolicy;
use symbolon_tests::{Harness, post_request};

use super::{DOCUMENTS, FORMS, HEALTH, request};

const ORIGIN: &str = "https://app.example";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
/// None of these is the registered origin.
const OTHERS: [&str; 12] = [
    "https://evil.example",
    "https://app.example.evil.example",
    "https://evil-app.example",
    "https://sub.app.example",
    "http://app.example",
    "https://app.example:443",
    "https://app.example:8443",
    "https://app.example/",
    "HTTPS://APP.EXAMPLE",
    "https://app.example https://evil.example",
    "null",
    "*",
];

async fn registered() -> Harness {
    let h = Harness::start().await;
    h.change_client(&h.spa, |policy: &mut ClientPolicy| {
        policy.cors_origins.insert(ORIGIN.to_owned());
    })
    .await;
    h.refresh_nodes().await;
    h
}

fn preflight(path: &str, origin: &str, method: &str) -> http::Request<axum::body::Body> {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        (
            "access-control-request-headers",
            "authorization,content-type,x-evil",
        ),
    ];
    request("OPTIONS", path, &headers)
}

#[tokio::test]
async fn registered_origins_may_call_token_and_revoke() {
    let h = registered().await;
    for path in ["/oauth2/token", "/oauth2/revoke"] {
        let allowed = h.send(preflight(path, ORIGIN, "POST")).await;
        assert!(allowed.status.is_success());
        assert_eq!(allowed.header(ALLOW_ORIGIN), ORIGIN);
        assert_eq!(allowed.header("access-control-allow-methods"), "POST");
        assert_eq!(
            allowed.header("access-control-allow-headers"),
            "authorization,content-type"
        );
        for origin in [ORIGIN].into_iter().chain(OTHERS) {
            let expected = if origin == ORIGIN { ORIGIN } else { "" };
            let asked = h.send(preflight(path, origin, "POST")).await;
            assert_eq!(asked.header(ALLOW_ORIGIN), expected, "{path} {origin}");
            assert!(asked.header("vary").to_ascii_lowercase().contains("origin"));
            let mut call = post_request(path, &h.spa, &[("token", "x")]);
            call.headers_mut().insert("origin", origin.parse().unwrap());
            let called = h.send(call).await;
            assert_eq!(called.header(ALLOW_ORIGIN), expected, "{path} {origin}");
            assert!(called.header("vary").to_ascii_lowercase().contains("origin"));
            for reply in [asked, called] {
                assert!(!reply.headers.contains_key("access-control-allow-credentials"));
            }
        }
    }
    let mut refused = post_request("/oauth2/token", &h.spa, &[("grant_type", "x")]);
    refused.headers_mut().insert("origin", ORIGIN.parse().unwrap());
    let refused = h.send(refused).await;
    refused.assert_error(400, "unsupported_grant_type");
    assert_eq!(
        refused.header(ALLOW_ORIGIN),
        ORIGIN,
        "a script may read why it was refused"
    );
}

#[tokio::test]
async fn registered_origins_may_read_the_metadata_and_everybody_the_keys() {
    let h = registered().await;
    let [keys, metadata] = DOCUMENTS;
    for origin in [ORIGIN].into_iter().chain(OTHERS) {
        let expected = if origin == ORIGIN { ORIGIN } else { "" };
        for asked in [
            preflight(metadata, origin, "GET"),
            request("GET", metadata, &[("origin", origin)]),
        ] {
            let reply = h.send(asked).await;
            assert!(reply.status.is_success());
            assert_eq!(reply.header(ALLOW_ORIGIN), expected, "{origin}");
            assert!(reply.header("vary").to_ascii_lowercase().contains("origin"));
        }
        for asked in [
            preflight(keys, origin, "GET"),
            request("GET", keys, &[("origin", origin)]),
        ] {
            let reply = h.send(asked).await;
            assert!(reply.status.is_success());
            assert_eq!(reply.header(ALLOW_ORIGIN), "*", "{origin}");
            assert!(!reply.headers.contains_key("access-control-allow-credentials"));
        }
    }
}

#[tokio::test]
async fn nothing_else_is_open_to_scripts() {
    let h = registered().await;
    for path in ["/oauth2/introspect", "/", "/oauth2/unknown"]
        .into_iter()
        .chain(HEALTH)
    {
        for method in ["OPTIONS", "GET", "POST"] {
            let mut asked = preflight(path, ORIGIN, "POST");
            *asked.method_mut() = method.parse().unwrap();
            let reply = h.send(asked).await;
            assert!(
                reply
                    .headers
                    .keys()
                    .all(|name| !name.as_str().starts_with("access-control-")),
                "{method} {path}"
            );
        }
    }
    let reply = h.send(preflight("/oauth2/introspect", ORIGIN, "POST")).await;
    assert_eq!(reply.status, 405);
}

#[tokio::test]
async fn an_origin_goes_with_its_client() {
    let h = registered().await;
    h.disable_client(&h.spa).await;
    h.refresh_nodes().await;
    for path in FORMS.into_iter().chain([DOCUMENTS[1]]) {
        let reply = h.send(preflight(path, ORIGIN, "POST")).await;
        assert!(!reply.headers.contains_key(ALLOW_ORIGIN), "{path}");
    }
}

#[tokio::test]
async fn without_a_registered_origin_nobody_is_let_in() {
    let h = Harness::start().await;
    for origin in [ORIGIN, "null", "", "https://as.example"] {
        let reply = h.send(preflight("/oauth2/token", origin, "POST")).await;
        assert!(!reply.headers.contains_key(ALLOW_ORIGIN), "{origin}");
    }
}
