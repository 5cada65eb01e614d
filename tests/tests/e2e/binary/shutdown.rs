//! SIGTERM: what is in flight is finished and kept, nothing new is begun.

use rustix::process::Signal;
use symbolon_tests::binary::{Remote, Site, loopback};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Dev, eventually};

const LOGINS: u64 = 6;

#[tokio::test]
async fn a_stopped_server_finishes_logins_and_loses_none() {
    let mut site = Site::dev();
    // Slow hashes, one after the other: the logins are in flight for long enough to be seen there.
    site.set("SYMBOLON_PASSWORDS_ITERATIONS", "8");
    site.set("SYMBOLON_PASSWORDS_MEMORY_KIB", "65536");
    site.set("SYMBOLON_PASSWORDS_HASH_THREADS", "1");
    site.set("SYMBOLON_PASSWORDS_QUEUE_DEADLINE", "30s");
    site.set("SYMBOLON_SERVER_SHUTDOWN_GRACE", "60s");
    let mut dev = Dev::start_on(site).await;
    assert_eq!(dev.remote.get_path("/readyz").await.status, 200);

    let cast = dev.cast.clone();
    let form = [
        ("grant_type", "password"),
        ("username", &cast.username),
        ("password", &cast.password),
    ];
    let mut logins = Vec::new();
    for _ in 0..LOGINS {
        let request = dev.remote.request("token_endpoint", &cast.app, &form);
        logins.push(tokio::spawn(request.send()));
    }
    eventually("all logins have come in", async || {
        // In the order in which they pass, so that none is counted twice from behind.
        let done = dev.remote.metric(DONE).await;
        let running = dev.remote.metric("symbolon_hash_lane_running").await;
        let waiting = dev.remote.metric("symbolon_hash_lane_waiting").await;
        assert!(done < LOGINS, "the last login is slow enough to be in flight");
        done + running + waiting == LOGINS
    })
    .await;
    dev.server.process.signal(Signal::TERM);
    eventually("new connections are refused", async || {
        TcpStream::connect(dev.server.address()).await.is_err()
    })
    .await;

    let mut tokens = Vec::new();
    for login in logins {
        let answer = login.await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        let granted: serde_json::Value = answer.json().await.unwrap();
        tokens.push(granted["refresh_token"].as_str().unwrap().to_owned());
    }
    let ended = dev.server.process.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("\"aborted\":0"), "{}", ended.err);

    let port = dev.server.address().port();
    let server = dev.site.serve_at(loopback(port)).await;
    let remote = Remote::of(&server);
    assert_eq!(remote.get_path("/readyz").await.status, 200);
    for token in &tokens {
        remote.refresh(&cast.app, token).await.ok();
    }
    assert_eq!(
        (
            remote.rotations("rotated").await,
            remote.rotations("adopted").await
        ),
        (LOGINS, 0),
        "every session was kept"
    );
    server.stop().await;
}

const DONE: &str = "symbolon_requests_total{endpoint=\"token\",grant=\"password\",outcome=\"ok\"}";

#[tokio::test]
async fn an_interrupt_stops_an_idle_server_at_once() {
    let mut dev = Dev::start().await;
    // A connection that is kept alive does not hold it up.
    assert_eq!(dev.remote.get_path("/healthz").await.status, 200);
    dev.server.process.signal(Signal::INT);
    let ended = dev.server.process.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

/// They would last for an hour.
#[tokio::test]
async fn streams_of_the_revocation_feed_do_not_hold_a_stop_up() {
    let mut site = Site::dev();
    site.set("SYMBOLON_SERVER_SHUTDOWN_GRACE", "60s");
    let mut dev = Dev::start_on(site).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(dev.server.address()).await.unwrap();
        let request = b"GET /revocations/stream HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        streams.push(stream);
    }
    let open = async || dev.remote.metric("symbolon_feed_streams").await;
    eventually("all streams are open", async || open().await == 3).await;
    dev.server.process.signal(Signal::TERM);
    let ended = dev.server.process.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("\"aborted\":0"), "{}", ended.err);
    for mut stream in streams {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.contains("event: head\n"), "{text}");
        assert!(text.ends_with("0\r\n\r\n"), "it ends as it should: {text}");
    }
}

#[tokio::test]
async fn a_server_that_says_it_is_ready_can_be_stopped() {
    let site = Site::dev();
    for _ in 0..8 {
        // Asserts that it ends by itself, not by the signal.
        site.serve().await.stop().await;
    }
}
