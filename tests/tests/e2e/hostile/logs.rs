//! Log lines can't be forged, and hold no secret (D6; CVE-2024-11734).

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use symbolon_server::config::{LogFormat, LogSettings};
use symbolon_server::observe;
use symbolon_tests::{Harness, PASSWORD, basic, form_request, post_request};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// Logs of this thread come here, as the server would write them, while the guard lives.
    fn attach(&self, format: LogFormat, on_terminal: bool) -> tracing::dispatcher::DefaultGuard {
        let sink = self.clone();
        let settings = LogSettings {
            filter: "symbolon_token_endpoint=trace,e2e=trace".to_owned(),
            format,
        };
        let lines = observe::lines(&settings, on_terminal, move || sink.clone()).unwrap();
        tracing::dispatcher::set_default(&lines)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

const EVIL: &str =
    "evil\r\n{\"level\":\"INFO\",\"forged\":1}\n\u{1b}[2J\u{1b}]0;evil\u{7}\0\u{8}\u{85}\u{2028}";

/// Sends what a log might repeat, in every place where it might come from. Returns how many requests there were.
async fn send_evil(h: &Harness) -> usize {
    let evil: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    let own = basic("app", &h.app.secret);
    let bodies = [
        format!("grant_type={evil}"),
        format!("grant_type=password&username={evil}&password={evil}"),
        format!("grant_type=client_credentials&scope={evil}"),
        format!("grant_type=client_credentials&resource={evil}"),
        format!("grant_type=refresh_token&refresh_token={evil}"),
        format!("{evil}=1&{evil}=2"),
    ];
    for body in &bodies {
        let mut request = form_request("/oauth2/token", &[("authorization", &own)], body.clone());
        for name in ["user-agent", "x-request-id", "x-forwarded-for", "origin"] {
            let value = http::HeaderValue::from_bytes(b"evil\x9b2J\t").unwrap();
            request.headers_mut().insert(name, value);
        }
        assert!(!h.send(request).await.status.is_success());
    }
    h.send(form_request(
        "/oauth2/token",
        &[("authorization", &basic(&evil, &evil))],
        "x=1",
    ))
    .await
    .assert_error(401, "invalid_client");
    bodies.len() + 1
}

#[tokio::test]
async fn every_request_is_one_line_with_an_id_and_an_outcome() {
    let h = Harness::start().await;
    let sink = Sink::default();
    let guard = sink.attach(LogFormat::Json, false);
    let sent = send_evil(&h).await;
    drop(guard);
    let text = sink.text();
    assert!(!text.contains("evil"), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), sent);
    for line in &lines {
        assert!(line["request_id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
        assert_eq!(
            (&line["endpoint"], &line["message"]),
            (&"token".into(), &"request".into())
        );
        assert_ne!(line["outcome"], "ok");
    }
    assert_eq!(lines[0]["client_id"], "app");
    assert_eq!(
        lines[sent - 1].get("client_id"),
        None,
        "a name that nobody has is not repeated"
    );
}

#[tokio::test]
async fn text_lines_are_as_clean() {
    let h = Harness::start().await;
    let sink = Sink::default();
    let guard = sink.attach(LogFormat::Text, false);
    let sent = send_evil(&h).await;
    drop(guard);
    let text = sink.text();
    assert_eq!(text.lines().count(), sent);
    assert!(!text.contains("evil"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

/// Whatever else comes to be logged one day: the writers themselves keep an event on one line.
#[test]
fn values_and_messages_are_escaped_by_the_writers() {
    let log = |format, on_terminal| {
        let sink = Sink::default();
        let guard = sink.attach(format, on_terminal);
        tracing::info!(text = EVIL, shown = %EVIL, debugged = ?EVIL, "a value");
        tracing::warn!("a message: {EVIL}");
        drop(guard);
        sink.text()
    };
    let json = log(LogFormat::Json, false);
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["text"], &lines[0]["shown"]),
        (&EVIL.into(), &EVIL.into())
    );
    assert!(lines.iter().all(|line| line.get("forged").is_none()));
    assert!(json.bytes().all(|byte| byte == b'\n' || !byte.is_ascii_control()));

    let text = log(LogFormat::Text, false);
    assert_eq!(text.matches('\n').count(), 2, "{text:?}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");

    // On a terminal the formatter's own colours are the only escapes.
    let colours = log(LogFormat::Text, true);
    assert_eq!(colours.matches('\n').count(), 2, "{colours:?}");
    for sequence in colours.split('\u{1b}').skip(1) {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        assert!(
            sequence.starts_with('[') && sequence[end..].starts_with('m'),
            "{colours:?}"
        );
    }
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let h = Harness::start().await;
    let sink = Sink::default();
    let settings = LogSettings {
        filter: "trace".to_owned(),
        format: LogFormat::Json,
    };
    let writer = sink.clone();
    let lines = observe::lines(&settings, false, move || writer.clone()).unwrap();
    let guard = tracing::dispatcher::set_default(&lines);
    let login = h.login(&h.app).await;
    let refreshed = h.refresh(&h.app, &login.text("refresh_token")).await;
    let own = h.client_credentials(&h.app).await;
    h.introspect(&own.text("access_token")).await.ok();
    h.revoke(&h.app, &refreshed.text("refresh_token")).await.ok();
    h.login_as(&h.app, "alice", "hunter2hunter2", &[])
        .await
        .assert_error(400, "invalid_grant");
    let wrong = symbolon_tests::TestClient {
        secret: "sbs_wrong-secret".to_owned(),
        ..h.app.clone()
    };
    h.send(post_request("/oauth2/token", &wrong, &[]))
        .await
        .assert_error(401, "invalid_client");
    drop(guard);
    let text = sink.text();
    assert!(text.contains("\"outcome\":\"ok\"") && text.contains("\"outcome\":\"password_wrong\""));
    let secrets = [
        PASSWORD.to_owned(),
        "hunter2hunter2".to_owned(),
        "sbs_wrong-secret".to_owned(),
        h.app.secret.clone(),
        h.api.secret.clone(),
        login.text("access_token"),
        login.text("refresh_token"),
        refreshed.text("access_token"),
        refreshed.text("refresh_token"),
        own.text("access_token"),
    ];
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
        let tail = &secret[secret.len() - 12..];
        assert!(!text.contains(tail), "the end of {secret}");
    }
    assert!(!text.contains("$argon2id$"));
}
