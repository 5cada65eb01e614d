//! TLS, with an authority of one's own.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use symbolon_testkit::servers::redis::free_port;
use tempfile::TempDir;

use super::*;

/// An authority and a certificate of 127.0.0.1, in files.
struct Certificates {
    dir: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&key, &authority).unwrap();
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca", authority.pem());
        write("certificate", server.pem());
        write("key", key.serialize_pem());
        Self { dir }
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A server beside its plain port.
    fn serve(&self, port: u16, options: &[&str]) -> Redis {
        let (port, certificate, key, ca) = (
            port.to_string(),
            self.file("certificate"),
            self.file("key"),
            self.file("ca"),
        );
        let tls = [
            "--tls-port",
            &port,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
        ];
        let more = ["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"];
        Redis::start(&[&tls[..], &more, options].concat())
    }
}

async fn refusal(config: &RedisConfig) -> String {
    match RedisRecords::connect(config).await {
        Ok(_) => panic!("connected"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_server_of_a_private_authority_is_trusted_by_its_file_alone() {
    let (certificates, port) = (Certificates::new(), free_port());
    let server = certificates.serve(port, &[]);
    let trusting = RedisConfig {
        ca_file: Some(certificates.file("ca").into()),
        ..config(format!("rediss://127.0.0.1:{port}"), Topology::Single)
    };
    let store = records(&trusting).await;
    store.rebuild(EMPTY).await.unwrap();
    let subject = Subject(Uuid::from_u128(2));
    assert!(rotated(
        store.rotate(&request(subject, 0, EMPTY)).await.unwrap(),
        1
    ));
    // It comes back over TLS, too.
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    let back = until(
        async || store.rotate(&request(subject, 1, EMPTY)).await,
        Result::is_ok,
    )
    .await;
    assert!(matches!(
        back.unwrap(),
        Rotation::Rotated { generation: 2, .. } | Rotation::Replayed { generation: 2, .. }
    ));
    assert!(
        rustls::crypto::CryptoProvider::get_default().is_some(),
        "nothing is left to be guessed"
    );

    let other = Certificates::new();
    let of_another = RedisConfig {
        ca_file: Some(other.file("ca").into()),
        ..trusting.clone()
    };
    let of_the_system = RedisConfig {
        ca_file: None,
        ..trusting.clone()
    };
    for wrong in [of_another, of_the_system] {
        let error = refusal(&wrong).await;
        assert!(
            error.contains("certificate") && error.contains("`redis.ca_file`"),
            "{error}"
        );
    }
    let of_another_name = RedisConfig {
        url: format!("rediss://localhost:{port}"),
        ..trusting.clone()
    };
    let error = refusal(&of_another_name).await;
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn what_is_not_tls_on_both_sides_is_said_clearly() {
    let (certificates, port) = (Certificates::new(), free_port());
    let server = certificates.serve(port, &[]);
    let ca_file = Some(certificates.file("ca").into());
    let plain_to_tls = config(format!("redis://127.0.0.1:{port}"), Topology::Single);
    let error = refusal(&plain_to_tls).await;
    assert!(error.contains("begins with rediss://"), "{error}");
    let tls_to_plain = RedisConfig {
        ca_file: ca_file.clone(),
        connect_timeout: Duration::from_secs(2),
        ..config(format!("rediss://127.0.0.1:{}", server.port()), Topology::Single)
    };
    let error = refusal(&tls_to_plain).await;
    assert!(error.contains("no connection"), "{error}");
    let for_nothing = RedisConfig {
        ca_file,
        ..config(server.url(), Topology::Single)
    };
    assert_eq!(
        refusal(&for_nothing).await,
        "`redis.url` is not understood: `redis.ca_file` is set, so it must begin with rediss://"
    );
    for file in ["key", "absent"] {
        let bad = RedisConfig {
            ca_file: Some(certificates.file(file).into()),
            ..config(format!("rediss://127.0.0.1:{port}"), Topology::Single)
        };
        let error = refusal(&bad).await;
        assert!(error.starts_with("`redis.ca_file` can't be used: "), "{error}");
    }
}

/// A Sentinel over TLS beside a plain port, its own port, and what it names under `sessions` and `over-tls`.
fn sentinel(certificates: &Certificates, server: &Redis, tls_port: u16, replication: &str) -> (Redis, u16) {
    let port = free_port();
    let lines = [
        format!("tls-port {port}"),
        format!("tls-cert-file {}", certificates.file("certificate")),
        format!("tls-key-file {}", certificates.file("key")),
        format!("tls-ca-cert-file {}", certificates.file("ca")),
        "tls-auth-clients no".to_owned(),
        format!("tls-replication {replication}"),
        "sentinel auth-pass sessions secret".to_owned(),
        format!("sentinel monitor over-tls 127.0.0.1 {tls_port} 1"),
        "sentinel auth-pass over-tls secret".to_owned(),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    (Redis::sentinel_of(server, "sessions", &lines), port)
}

/// TLS to the Sentinels is TLS to the servers: nothing, not even the password, is in the clear.
#[tokio::test]
async fn servers_behind_sentinels_are_reached_over_tls_alone() {
    let (certificates, port) = (Certificates::new(), free_port());
    let server = certificates.serve(port, &["--requirepass", "secret"]);
    let config = |sentinel_port: u16, service: &str| RedisConfig {
        ca_file: Some(certificates.file("ca").into()),
        connect_timeout: Duration::from_secs(2),
        ..config(
            format!("rediss://:secret@127.0.0.1:{sentinel_port}"),
            Topology::Sentinel {
                service: service.to_owned(),
            },
        )
    };
    let (_watching_plain, plain) = sentinel(&certificates, &server, port, "no");
    assert!(RedisRecords::connect(&config(plain, "sessions")).await.is_err());
    let (_watching_tls, tls) = sentinel(&certificates, &server, port, "yes");
    let ping = async || match RedisRecords::connect(&config(tls, "over-tls")).await {
        Ok(records) => records.ping().await.is_ok(),
        Err(_) => false,
    };
    until(ping, |there| *there).await;
}

#[tokio::test]
async fn a_cluster_is_reached_over_tls() {
    let certificates = Certificates::new();
    let (certificate, key, ca) = (
        certificates.file("certificate"),
        certificates.file("key"),
        certificates.file("ca"),
    );
    let port = free_port().to_string();
    let server = Redis::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
        "--cluster-enabled",
        "yes",
        "--tls-cluster",
        "yes",
    ]);
    server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    server.wait_for(&["CLUSTER", "INFO"], "cluster_state:ok");
    let config = RedisConfig {
        ca_file: Some(ca.into()),
        ..config(format!("rediss://127.0.0.1:{port}"), Topology::Cluster)
    };
    let records = records(&config).await;
    records.rebuild(EMPTY).await.unwrap();
    assert!(rotated(
        records
            .rotate(&request(Subject(Uuid::from_u128(2)), 0, EMPTY))
            .await
            .unwrap(),
        1
    ));
}
