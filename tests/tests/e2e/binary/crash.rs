//! SIGKILL and lost answers: what was answered, or could have been, holds.

use serde_json::Value;
use symbolon_tests::binary::{Credentials, Remote};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Dev, eventually};

#[tokio::test]
async fn a_killed_server_finds_everything_again() {
    let dev = Dev::start().await;
    let keys = dev.remote.get(dev.server.text("/jwks_uri")).await.ok();
    let (access, refresh) = dev.login().await;
    let first = dev.server.ready.clone();

    let dev = dev.crash().await;
    let second = &dev.server.ready;
    for member in [
        "issuer",
        "token_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "jwks_uri",
    ] {
        assert_eq!(second[member], first[member]);
    }
    assert_eq!(second["user"]["username"], first["user"]["username"]);
    for client in ["confidential_client", "public_client", "resource_server"] {
        assert_eq!(second[client]["client_id"], first[client]["client_id"]);
    }
    assert_eq!(
        second["resource_server"]["audience"],
        first["resource_server"]["audience"]
    );
    for secret in [
        "/user/password",
        "/confidential_client/client_secret",
        "/resource_server/client_secret",
    ] {
        assert!(first.pointer(secret).is_some_and(Value::is_string), "{secret}");
        assert_eq!(
            second.pointer(secret),
            Some(&Value::Null),
            "{secret} is shown once"
        );
    }

    assert_eq!(dev.remote.get(dev.server.text("/jwks_uri")).await.ok(), keys);
    assert!(dev.remote.is_active(&dev.cast.api, &access).await);
    let refreshed = dev.remote.refresh(&dev.cast.app, &refresh).await;
    refreshed.ok();
    assert!(
        dev.remote
            .is_active(&dev.cast.api, &refreshed.text("access_token"))
            .await
    );
    // Its record was there: a session whose record is lost would have been adopted.
    assert_eq!(
        (
            dev.remote.rotations("rotated").await,
            dev.remote.rotations("adopted").await
        ),
        (1, 0)
    );
    dev.login().await;
}

/// A refresh as bytes, for sockets that are torn off.
fn refresh_request(client: &Credentials, token: &str) -> Vec<u8> {
    let body = format!(
        "grant_type=refresh_token&refresh_token={token}&client_id={}&client_secret={}",
        client.id, client.secret
    );
    format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The old token gives one successor however often it is asked, and the successor goes on.
async fn recovers(remote: &Remote, client: &Credentials, old: &str) -> String {
    let again = remote.refresh(client, old).await;
    again.ok();
    let once_more = remote.refresh(client, old).await;
    once_more.ok();
    let successor = again.text("refresh_token");
    assert_eq!(once_more.text("refresh_token"), successor);
    assert_ne!(successor, old);
    remote.refresh(client, &successor).await.ok();
    successor
}

/// Hostile row G19: the connection is gone before the answer, and the client asks again with the old token.
#[tokio::test]
async fn a_lost_answer_is_given_again() {
    let dev = Dev::start().await;
    let app = &dev.cast.app;
    for round in 1..=3 {
        let (_, old) = dev.login().await;
        let before = dev.remote.rotations("rotated").await;
        let mut socket = TcpStream::connect(dev.server.address()).await.unwrap();
        socket.write_all(&refresh_request(app, &old)).await.unwrap();
        // The answer has come and nobody has read it: the rotation has committed.
        socket.readable().await.unwrap();
        drop(socket);
        assert_eq!(dev.remote.rotations("rotated").await, before + 1, "round {round}");
        recovers(&dev.remote, app, &old).await;
        assert_eq!(
            dev.remote.rotations("rotated").await,
            before + 2,
            "the retries rotated nothing"
        );
    }
    assert_eq!(dev.remote.rotations("replayed").await, 6);
    assert_eq!(dev.remote.rotations("reused").await, 0);
}

/// The same with a client that hangs up before the server can have answered: whether the rotation committed or not,
/// there is one successor.
#[tokio::test]
async fn a_client_that_hangs_up_at_once_loses_nothing() {
    let dev = Dev::start().await;
    let app = &dev.cast.app;
    for _ in 0..8 {
        let (_, old) = dev.login().await;
        let mut socket = TcpStream::connect(dev.server.address()).await.unwrap();
        socket.write_all(&refresh_request(app, &old)).await.unwrap();
        drop(socket);
        recovers(&dev.remote, app, &old).await;
    }
    assert_eq!(
        dev.remote.rotations("reused").await,
        0,
        "nothing was taken for theft"
    );
    // What began is told, though nobody waited for its answer: no rotation goes unseen.
    let abandoned = dev.remote.metric(ABANDONED).await;
    assert!(dev.remote.rotations("rotated").await + abandoned >= 16);
    let told = |err: &str| err.matches("\"endpoint\":\"token\"").count() as u64;
    let expected = 8 + 24 + abandoned;
    eventually("a line for each request", async || {
        told(&dev.server.process.err()) >= expected
    })
    .await;
    assert_eq!(told(&dev.server.process.err()), expected);
}

const ABANDONED: &str =
    "symbolon_requests_total{endpoint=\"token\",grant=\"refresh_token\",outcome=\"abandoned\"}";

/// The same with a server that dies. The answer was on its way, so the successor in it must be the one.
#[tokio::test]
async fn a_server_killed_after_its_answer_gives_it_again() {
    let dev = Dev::start().await;
    let (_, old) = dev.login().await;
    let mut socket = TcpStream::connect(dev.server.address()).await.unwrap();
    socket
        .write_all(&refresh_request(&dev.cast.app, &old))
        .await
        .unwrap();
    socket.readable().await.unwrap();
    let dev = dev.crash().await;
    let mut lost = Vec::new();
    // What had arrived before the server died can be read still.
    let _ = socket.read_to_end(&mut lost).await;
    let successor = recovers(&dev.remote, &dev.cast.app, &old).await;
    let lost = String::from_utf8(lost).unwrap();
    assert!(lost.starts_with("HTTP/1.1 200"), "{lost}");
    assert!(
        lost.contains(&successor),
        "the same successor as in the answer that was lost"
    );
    assert_eq!(
        (
            dev.remote.rotations("replayed").await,
            dev.remote.rotations("adopted").await
        ),
        (2, 0)
    );
}

/// The same at moments where nobody knows whether the rotation has committed.
#[tokio::test]
async fn a_server_killed_beside_a_refresh_loses_nothing() {
    let mut dev = Dev::start().await;
    for pauses in 0..4 {
        let (_, old) = dev.login().await;
        let mut socket = TcpStream::connect(dev.server.address()).await.unwrap();
        socket
            .write_all(&refresh_request(&dev.cast.app, &old))
            .await
            .unwrap();
        for _ in 0..pauses {
            // Lets the server run for a little, not for a known while.
            std::thread::yield_now();
        }
        dev = dev.crash().await;
        recovers(&dev.remote, &dev.cast.app, &old).await;
        assert_eq!(dev.remote.rotations("adopted").await, 0, "the record was there");
    }
}

/// Replay detection survives the crash too: what was spent before it is spent.
#[tokio::test]
async fn reuse_is_seen_across_a_crash() {
    let dev = Dev::start().await;
    let app = dev.cast.app.clone();
    let (_, first) = dev.login().await;
    let second = dev.remote.refresh(&app, &first).await.text("refresh_token");
    let third = dev.remote.refresh(&app, &second).await;
    let dev = dev.crash().await;
    dev.remote
        .refresh(&app, &first)
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(dev.remote.rotations("reused").await, 1);
    dev.remote
        .refresh(&app, &third.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    let access = third.text("access_token");
    eventually("the kill reaches introspection", async || {
        !dev.remote.is_active(&dev.cast.api, &access).await
    })
    .await;
}
