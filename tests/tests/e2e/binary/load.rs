//! Connections that cost: slow ones and idle ones.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use symbolon_tests::binary::Site;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Dev, eventually};

const IDLE: usize = 2_000;
const SLOW: usize = 50;

/// Lets this process, and the servers that it starts, open as many files as the system allows.
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let enough = (IDLE + 1_000) as u64;
    assert!(
        limit.maximum.is_none_or(|most| most >= enough),
        "`ulimit -Hn` is at least {enough}"
    );
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

async fn connect(dev: &Dev) -> TcpStream {
    TcpStream::connect(dev.server.address()).await.unwrap()
}

/// Every kind of request is answered as ever.
async fn unharmed(dev: &Dev) {
    let (access, refresh) = dev.login().await;
    assert!(dev.remote.is_active(&dev.cast.api, &access).await);
    dev.remote.refresh(&dev.cast.app, &refresh).await.ok();
    assert_eq!(dev.remote.revoke(&dev.cast.app, &refresh).await.status, 200);
    dev.remote.get(dev.server.text("/jwks_uri")).await.ok();
    assert_eq!(dev.remote.get_path("/readyz").await.status, 200);
}

#[tokio::test]
async fn idle_connections_harm_nobody() {
    open_many_files();
    let dev = Dev::start().await;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(connect(&dev).await);
    }
    let open = async || dev.remote.metric("symbolon_connections").await;
    eventually("all are accepted", async || open().await >= IDLE as u64).await;
    unharmed(&dev).await;
    // They are not only open: each would be answered.
    let mut last = idle.pop().unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    last.write_all(request).await.unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(idle);
    eventually("all are let go", async || open().await < 10).await;
    assert_eq!(dev.remote.metric("symbolon_accept_errors_total").await, 0);
    unharmed(&dev).await;
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_harm_nobody() {
    let mut site = Site::dev();
    site.set("SYMBOLON_SERVER_HEADER_TIMEOUT", "1s");
    site.set("SYMBOLON_SERVER_REQUEST_TIMEOUT", "1s");
    let dev = Dev::start_on(site).await;
    let header = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\n";
    let body = format!(
        "{header}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type="
    );
    let mut slow = Vec::new();
    for number in 0..SLOW {
        let mut socket = connect(&dev).await;
        let begun = if number % 2 == 0 { header } else { &body };
        socket.write_all(begun.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    unharmed(&dev).await;
    for mut socket in slow {
        let mut answer = Vec::new();
        // Ends when the server has had enough; a reset is an end, too.
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
    }
    assert_eq!(dev.remote.metric("symbolon_timeouts_total").await, SLOW as u64);
    unharmed(&dev).await;
}
