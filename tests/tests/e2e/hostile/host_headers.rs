//! The server's name comes from its configuration, whatever a request says (D7; CVE-2025-64101).

use symbolon_tests::{Harness, HarnessOptions, PASSWORD, post_request};

use super::Socket;

const METADATA: &str = "/.well-known/oauth-authorization-server";
const LIES: [(&str, &str); 14] = [
    ("host", "evil.example"),
    ("host", "as.example:666"),
    ("host", ""),
    ("host", "evil.example/x?y#z"),
    ("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-server", "evil.example"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-port", "666"),
    ("x-forwarded-prefix", "/evil"),
    ("x-original-host", "evil.example"),
    ("x-original-url", "/evil"),
    ("x-rewrite-url", "/oauth2/revoke"),
    ("x-http-method-override", "DELETE"),
];

#[tokio::test]
async fn nothing_that_is_told_changes() {
    let h = Harness::start().await;
    let honest = h.get(METADATA).await;
    let keys = h.get("/.well-known/jwks.json").await;
    for (name, value) in LIES {
        let get = |path: &str| {
            http::Request::get(path)
                .header(name, value)
                .body(axum::body::Body::empty())
                .unwrap()
        };
        let told = h.send(get(METADATA)).await;
        assert_eq!(
            (told.status, &told.body, &told.headers),
            (honest.status, &honest.body, &honest.headers),
            "{name}: {value}"
        );
        assert_eq!(h.send(get("/.well-known/jwks.json")).await.body, keys.body);

        let form = [
            ("grant_type", "password"),
            ("username", "alice"),
            ("password", PASSWORD),
        ];
        let mut login = post_request("/oauth2/token", &h.app, &form);
        login.headers_mut().insert(name, value.parse().unwrap());
        let login = h.send(login).await;
        login.ok();
        assert!(!login.headers.contains_key("location"));
        let mut ask = post_request(
            "/oauth2/introspect",
            &h.api,
            &[("token", &login.text("access_token"))],
        );
        ask.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(
            h.send(ask).await.ok()["iss"],
            "https://as.example",
            "{name}: {value}"
        );
    }
}

/// Even a proxy that is trusted tells only who the client is, not who this server is.
#[tokio::test]
async fn over_a_socket_and_from_a_trusted_proxy_too() {
    for trusted in ["", "127.0.0.0/8"] {
        let h = Harness::with(HarnessOptions {
            settings: vec![("server.trusted_proxies", trusted.to_owned())],
            ..HarnessOptions::default()
        })
        .await;
        let honest = h.get(METADATA).await;
        let socket = Socket::open(&h);
        for target in [
            METADATA.to_owned(),
            format!("http://evil.example{METADATA}"),
            format!("https://evil.example:666{METADATA}"),
        ] {
            for (name, value) in LIES
                .into_iter()
                .filter(|(name, value)| *name != "host" || value.is_empty())
            {
                let head = format!("GET {target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n");
                let lie = if name == "host" {
                    String::new()
                } else {
                    format!("{name}: {value}\r\n")
                };
                let (status, head, body) = socket.send(format!("{head}{lie}\r\n").as_bytes()).await;
                assert_eq!(
                    (status, body.as_bytes()),
                    (200, &honest.body[..]),
                    "{target} {lie}"
                );
                assert!(!head.contains("evil"), "{head}");
            }
        }
    }
}
