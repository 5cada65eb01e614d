//! TLS from PEM files.

use http::Version;
use rustix::process::Signal;
use symbolon_tests::binary::{CertificateFiles, Remote, Server, Site, free_port, http_client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::eventually;

async fn start() -> (Site, Server, CertificateFiles, tempfile::TempDir) {
    let listen = free_port();
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::create(folder.path());
    let site = Site::configured(&format!("https://{listen}"), listen, &files.toml());
    let server = site.serve().await;
    (site, server, files, folder)
}

fn jwks(server: &Server) -> String {
    server.text("/jwks_uri").to_owned()
}

/// Whether a new connection that trusts this certificate alone is answered.
async fn answered(server: &Server, root: &[u8]) -> bool {
    let http = http_client(Some(root)).build().unwrap();
    let answer = http.get(jwks(server)).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn serves_both_versions_of_http_over_tls() {
    let (_site, server, files, _folder) = start().await;
    let root = files.pem();
    let clients = [
        (http_client(Some(&root)).http1_only(), Version::HTTP_11),
        (http_client(Some(&root)), Version::HTTP_2),
    ];
    for (client, version) in clients {
        let client = client.https_only(true).build().unwrap();
        let answer = client.get(jwks(&server)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        let keys: serde_json::Value = answer.json().await.unwrap();
        assert!(!keys["keys"].as_array().unwrap().is_empty());
    }
    let other = tempfile::tempdir().unwrap();
    let stranger = CertificateFiles::create(other.path());
    assert!(
        !answered(&server, &stranger.pem()).await,
        "the client does verify"
    );
}

#[tokio::test]
async fn takes_up_replaced_files_and_keeps_what_works() {
    let (_site, server, files, _folder) = start().await;
    let old = files.pem();
    let open = http_client(Some(&old)).build().unwrap();
    assert_eq!(open.get(jwks(&server)).send().await.unwrap().status(), 200);

    files.renew();
    let new = files.pem();
    server.process.signal(Signal::HUP);
    eventually("the new certificate is presented", async || {
        answered(&server, &new).await
    })
    .await;
    assert!(!answered(&server, &old).await, "the old certificate is gone");
    // A connection that was open goes on.
    assert_eq!(open.get(jwks(&server)).send().await.unwrap().status(), 200);

    // The certificate of another key, in the middle of a careless replacement: what works stays.
    let other = tempfile::tempdir().unwrap();
    let stranger = CertificateFiles::create(other.path());
    std::fs::write(&files.certificate, stranger.pem()).unwrap();
    server.process.signal(Signal::HUP);
    eventually("the refusal is logged", async || {
        server
            .process
            .err()
            .contains("is not the key of the first certificate")
    })
    .await;
    assert!(answered(&server, &new).await);
}

#[tokio::test]
async fn refuses_plain_http_on_the_tls_port() {
    let (_site, server, files, _folder) = start().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("200") && !answer.contains("keys"), "{answer}");
    let metrics = Remote::with(&server, http_client(Some(&files.pem())));
    eventually("the failure is counted", async || {
        metrics.metric("symbolon_tls_failures_total").await == 1
    })
    .await;
    assert!(answered(&server, &files.pem()).await, "others are unharmed");
}
