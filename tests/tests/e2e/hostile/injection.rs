//! Line ends and escapes do not get from a request into the head of a response (D6; CVE-2024-11734).

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, Statement};
use symbolon_tests::{Harness, PASSWORD, basic, form_request, post_request};

use super::Socket;

const BREAKS: [&str; 8] = [
    "\r\n",
    "\n",
    "\r",
    "\u{1b}[31m",
    "\0",
    "\u{85}",
    "\u{2028}",
    "\u{9b}2J",
];

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn heads_are_clean_whatever_the_body_says() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let before = h.footprint().await;
    for mark in BREAKS {
        let evil = encode(&format!("x{mark}Set-Cookie: evil=1{mark}{mark}evil"));
        for body in [
            format!("grant_type={evil}"),
            format!("grant_type=password&username={evil}&password=x"),
            format!("grant_type=password&username=alice&password={evil}"),
            format!("grant_type=client_credentials&scope={evil}"),
            format!("grant_type=client_credentials&resource={evil}"),
            format!("grant_type=refresh_token&refresh_token={evil}"),
            format!("{evil}=1&{evil}=1"),
        ] {
            let reply = h
                .send(form_request("/oauth2/token", &[("authorization", &own)], body))
                .await;
            assert_eq!(reply.status, 400);
            assert!(!format!("{reply:?}").contains("evil"));
        }
        let id = basic(&evil, &evil);
        let reply = h
            .send(form_request("/oauth2/token", &[("authorization", &id)], ""))
            .await;
        reply.assert_error(401, "invalid_client");
        assert!(!format!("{reply:?}").contains("evil"));
    }
    assert_eq!(h.footprint().await, before);
}

/// Who asks does not choose the id under which it is logged.
#[tokio::test]
async fn the_request_id_is_the_servers_own() {
    let h = Harness::start().await;
    let socket = Socket::open(&h);
    let mut seen = std::collections::BTreeSet::new();
    for claimed in [
        "evil",
        "00000000-0000-0000-0000-000000000000",
        "x".repeat(5000).as_str(),
        "%0d%0aSet-Cookie: evil=1",
    ] {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: {claimed}\r\nX-Request-Id: evil\r\nConnection: close\r\n\r\n"
        );
        let (status, head, _) = socket.send(request.as_bytes()).await;
        assert_eq!(status, 200);
        let ids: Vec<_> = head
            .lines()
            .filter_map(|line| line.strip_prefix("x-request-id: "))
            .collect();
        assert_eq!(ids.len(), 1, "{head}");
        let id: uuid::Uuid = ids[0].parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert!(seen.insert(id) && !head.contains("evil"));
    }
}

#[tokio::test]
async fn a_head_that_is_not_http_is_refused() {
    let h = Harness::start().await;
    let socket = Socket::open(&h);
    for line in [
        &b"X-Request-Id: a\x1b[31m"[..],
        b"X-Request-Id: a\0b",
        b"X-Request-Id: a\rSet-Cookie: evil=1",
        b"X Request: a",
        b"X-\xc3\xa4: a",
        b": a",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked, identity",
    ] {
        let request = [
            b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
            line,
            b"\r\n\r\n",
        ]
        .concat();
        let (status, head, body) = socket.send(&request).await;
        let shown = String::from_utf8_lossy(line);
        assert!(
            status == 400 || (status, head.as_str()) == (0, ""),
            "{shown}: {status} {head}"
        );
        assert!(!head.contains("evil") && !body.contains("evil"));
    }
    assert_eq!(h.counted("requests_total", &[]), 0);
}

/// What is kept of a login can be shown on a terminal.
#[tokio::test]
async fn a_hostile_user_agent_is_not_kept() {
    let h = Harness::start().await;
    let database = Database::connect(&h.settings.database.url).await.unwrap();
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let long = "x".repeat(5000);
    for (agent, kept) in [
        (&b"curl/8"[..], Some("curl/8".to_owned())),
        (b"\x9b31m evil", None),
        (b"\xc2\x9b31m evil", None),
        ("\u{202e}live".as_bytes(), None),
        (long.as_bytes(), Some("x".repeat(200))),
    ] {
        let mut login = post_request("/oauth2/token", &h.app, &form);
        login
            .headers_mut()
            .insert("user-agent", http::HeaderValue::from_bytes(agent).unwrap());
        h.send(login).await.ok();
        let last = Statement::from_string(
            database.get_database_backend(),
            "SELECT user_agent FROM sessions ORDER BY sid DESC LIMIT 1",
        );
        let row = database.query_one_raw(last).await.unwrap().unwrap();
        // Sessions are in the order of their milliseconds.
        h.clock.advance(Duration::from_millis(1));
        let stored: Option<String> = row.try_get("", "user_agent").unwrap();
        assert_eq!(stored, kept);
    }
}
