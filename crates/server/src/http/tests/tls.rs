use http::{StatusCode, Version};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::aws_lc_rs, version};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;

fn root(certificate: &TestCertificate) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(certificate.files().certificate).unwrap()
}

async fn connect(
    served: &Served,
    root: &CertificateDer<'static>,
    protocol: &[u8],
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, served.connect().await)).await
}

fn with(files: TlsFiles) -> ListenerConfig {
    ListenerConfig {
        tls: Some(files),
        ..config()
    }
}

#[tokio::test]
async fn serves_both_protocols_over_both_versions() {
    let certificate = certificate();
    let served = start(with(certificate.files()));
    for version in [&version::TLS12, &version::TLS13] {
        let mut stream = connect(&served, &root(&certificate), b"http/1.1", version)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(ask(&mut stream, GET).await.body, "here");

        let stream = connect(&served, &root(&certificate), b"h2", version)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (response, body) = Http2::over(stream).await.get("/").await;
        assert_eq!(
            (response.status(), response.version()),
            (StatusCode::OK, Version::HTTP_2)
        );
        assert_eq!(body, "here");
    }
    assert_eq!((served.stats.accepted(), served.stats.tls_failures()), (4, 0));
}

#[tokio::test]
async fn refuses_plain_http_on_a_tls_listener() {
    let certificate = certificate();
    let served = start(with(certificate.files()));
    let mut stream = served.connect().await;
    send(&mut stream, GET).await;
    let answer = rest(&mut stream).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    eventually(|| served.stats.active() == 0).await;
    assert_eq!((served.stats.tls_failures(), served.stats.timeouts()), (1, 0));
}

#[tokio::test]
async fn closes_a_connection_whose_handshake_does_not_come() {
    let certificate = certificate();
    let mut impatient = with(certificate.files());
    impatient.header_timeout = SOON;
    let served = start(impatient);
    assert_eq!(rest(&mut served.connect().await).await, b"");
    eventually(|| served.stats.active() == 0).await;
    assert_eq!((served.stats.tls_failures(), served.stats.timeouts()), (1, 1));
}

#[tokio::test]
async fn bounds_what_follows_the_handshake() {
    let certificate = certificate();
    let mut impatient = with(certificate.files());
    impatient.header_timeout = Duration::from_secs(1);
    impatient.idle_timeout = SOON;
    let served = start(impatient);
    let mut silent = connect(&served, &root(&certificate), b"http/1.1", &version::TLS13)
        .await
        .unwrap();
    let mut idle = connect(&served, &root(&certificate), b"http/1.1", &version::TLS13)
        .await
        .unwrap();
    assert_eq!(ask(&mut idle, GET).await.status(), "200");
    // The idle one is told so in TLS, the silent one is cut off.
    let mut nothing = [0];
    assert_eq!(within(idle.read(&mut nothing)).await.unwrap(), 0);
    let error = within(silent.read(&mut nothing)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!((served.stats.idle_closed(), served.stats.timeouts()), (1, 1));
}

#[tokio::test]
async fn new_connections_get_a_certificate_that_changed() {
    let certificate = certificate();
    let old = root(&certificate);
    let mut files = certificate.files();
    files.check_interval = Duration::from_millis(5);
    let served = start(with(files));
    let mut before = connect(&served, &old, b"http/1.1", &version::TLS13)
        .await
        .unwrap();
    assert_eq!(ask(&mut before, GET).await.status(), "200");

    certificate.renew();
    let new = root(&certificate);
    let mut after = within(async {
        loop {
            if let Ok(stream) = connect(&served, &new, b"http/1.1", &version::TLS13).await {
                return stream;
            }
        }
    })
    .await;
    assert_eq!(ask(&mut after, GET).await.status(), "200");
    assert!(
        connect(&served, &old, b"http/1.1", &version::TLS13)
            .await
            .is_err()
    );
    assert_eq!(
        ask(&mut before, GET).await.status(),
        "200",
        "what is open goes on"
    );
}

#[tokio::test]
async fn a_broken_change_leaves_the_old_certificate_serving() {
    let certificate = certificate();
    let good = root(&certificate);
    let served = start(with(certificate.files()));
    certificate.write_certificate("nonsense");
    let reloaded = served.certificate.clone().unwrap().reload().await;
    assert!(
        matches!(reloaded, Err(TlsError::Malformed { .. })),
        "{reloaded:?}"
    );
    let mut stream = connect(&served, &good, b"http/1.1", &version::TLS13)
        .await
        .unwrap();
    assert_eq!(ask(&mut stream, GET).await.status(), "200");

    certificate.renew();
    served.certificate.clone().unwrap().reload().await.unwrap();
    let mut stream = connect(&served, &root(&certificate), b"http/1.1", &version::TLS13)
        .await
        .unwrap();
    assert_eq!(ask(&mut stream, GET).await.status(), "200");
}

#[tokio::test]
async fn does_not_start_without_a_certificate() {
    let certificate = certificate();
    certificate.write_certificate("");
    let address = "127.0.0.1:0".parse().unwrap();
    let error = Listener::bind(address, with(certificate.files())).unwrap_err();
    assert!(
        matches!(error, BindError::Tls(TlsError::Malformed { .. })),
        "{error}"
    );
}
