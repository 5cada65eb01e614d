//! `symbolon doctor` beside a running server, and what the command line says of itself.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use symbolon_tests::binary::{CertificateFiles, Site, encryption_key, free_port};

/// The outcome of a check, and its detail.
#[track_caller]
fn check<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    (
        check["outcome"].as_str().unwrap(),
        check["detail"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn the_doctor_finds_a_running_server_sound_and_a_stopped_one_gone() {
    let (listen, management) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::create(folder.path());
    let issuer = format!("https://{listen}/tenant");
    let mut site = Site::configured(&issuer, listen, &files.toml());
    let own = format!("management.listen = \"{management}\"");
    site.reconfigure("management.listen = \"127.0.0.1:0\"", &own);
    site.set("SSL_CERT_FILE", files.certificate.display().to_string());

    // Before the first start, with a key that others may read.
    let report = site.json("doctor --before-start").await;
    assert_eq!(check(&report, "database.connection").0, "warning");
    assert_eq!(check(&report, "reachability.issuer").0, "skipped");
    assert_eq!(check(&report, "configuration").0, "warning");
    assert!(!site.database().exists());

    let owner_only = Permissions::from_mode(0o600);
    std::fs::set_permissions(site.path("encryption-key"), owner_only).unwrap();
    let server = site.serve().await;
    let report = site.json("doctor").await;
    for name in [
        "configuration",
        "clock.machine",
        "database.schema",
        "database.issuer",
        "keys.encryption",
        "keys.active",
        "tls.certificate",
        "reachability.management",
        "reachability.issuer",
    ] {
        assert_eq!(check(&report, name).0, "ok", "{report}");
    }
    let (_, found) = check(&report, "reachability.issuer");
    let metadata = format!("https://{listen}/.well-known/oauth-authorization-server/tenant");
    assert!(
        found.contains(&metadata) && found.contains("a certificate that is valid"),
        "{found}"
    );
    let text = site.run("doctor").await;
    assert_eq!(text.code, Some(0));
    assert!(
        text.out
            .lines()
            .any(|line| line.starts_with("ok ") && line.contains("keys.active"))
    );

    // To a client that does not trust the certificate.
    let other = tempfile::tempdir().unwrap();
    let stranger = CertificateFiles::create(other.path());
    let trusted = std::fs::read(&files.certificate).unwrap();
    std::fs::write(folder.path().join("trusted.pem"), stranger.pem()).unwrap();
    site.set(
        "SSL_CERT_FILE",
        folder.path().join("trusted.pem").display().to_string(),
    );
    let untrusted = site.run("doctor --json").await;
    assert_eq!(untrusted.code, Some(7), "{}", untrusted.out);
    let report: Value = serde_json::from_str(&untrusted.out).unwrap();
    let (outcome, why) = check(&report, "reachability.issuer");
    assert_eq!(outcome, "failed");
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    std::fs::write(folder.path().join("trusted.pem"), trusted).unwrap();
    assert_eq!(site.run("doctor").await.code, Some(0));

    server.stop().await;
    let gone = site.run("doctor --json").await;
    assert_eq!(gone.code, Some(7));
    let error: Value = serde_json::from_str(gone.err.trim()).unwrap();
    assert_eq!(error["error"], "unhealthy");
    let report: Value = serde_json::from_str(&gone.out).unwrap();
    for name in ["reachability.management", "reachability.issuer"] {
        let (outcome, detail) = check(&report, name);
        assert_eq!(outcome, "failed");
        assert!(detail.contains("gives no answer"), "{detail}");
    }
    assert_eq!(check(&report, "keys.active").0, "ok");
    let written = site.transcript().out() + &site.transcript().err();
    assert!(!written.contains(&encryption_key(1)));
}

/// What administrators reach, and whom the server takes a client for, told by a stored login.
#[tokio::test]
async fn the_doctor_sees_the_admin_listener_and_whom_the_server_sees() {
    let (listen, admin) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles::create(folder.path());
    let mut site = Site::configured(&format!("https://{listen}"), listen, &files.toml());
    let own = format!("admin.listen = \"{admin}\"");
    site.reconfigure("admin.listen = \"127.0.0.1:0\"", &own);
    site.set("SSL_CERT_FILE", files.certificate.display().to_string());
    let server = site.serve().await;
    let login = format!("--login {}", site.path("login.json").display());

    let report: Value = serde_json::from_str(&site.run(&format!("doctor --json {login}")).await.out).unwrap();
    let (outcome, found) = check(&report, "reachability.admin");
    assert_eq!(outcome, "ok", "{found}");
    assert_eq!(check(&report, "admin.listener").0, "ok");
    let (outcome, why) = check(&report, "proxies.client_address");
    assert_eq!(outcome, "skipped");
    assert!(
        why.contains("audit:read") && why.contains("symbolon login"),
        "{why}"
    );

    let made = site.json("bootstrap --client-id ada").await;
    let secret = made["client_secret"].as_str().unwrap();
    let line = format!("login --server http://{admin} --client-id ada --secret-stdin {login}");
    let ended = site.run_typed(secret, &line).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let report: Value = serde_json::from_str(&site.run(&format!("doctor --json {login}")).await.out).unwrap();
    let (outcome, seen) = check(&report, "proxies.client_address");
    assert_eq!(outcome, "ok", "{seen}");
    assert!(seen.contains("saw 127.0.0.1, this machine"), "{seen}");
    server.stop().await;

    // Now whoever is on this machine may say for whom it speaks.
    site.reconfigure(&own, &format!("{own}\nserver.trusted_proxies = [\"127.0.0.1\"]"));
    let server = site.serve().await;
    let report: Value = serde_json::from_str(&site.run(&format!("doctor --json {login}")).await.out).unwrap();
    let (outcome, why) = check(&report, "proxies.client_address");
    assert_eq!(outcome, "skipped");
    assert!(why.contains("is among `server.trusted_proxies`"), "{why}");
    server.stop().await;
    assert!(!(site.transcript().err() + &report.to_string()).contains(secret));
}

#[tokio::test]
async fn the_health_check_goes_by_the_management_listener_alone() {
    let (listen, management) = (free_port(), free_port());
    let site = Site::configured(&format!("http://{listen}"), listen, "");
    let any = site.run("healthcheck").await;
    assert_eq!(any.code, Some(2));
    assert!(any.err.contains("management.listen"), "{}", any.err);
    site.reconfigure(
        "management.listen = \"127.0.0.1:0\"",
        &format!("management.listen = \"{management}\""),
    );
    let server = site.serve().await;
    // It needs none of the secrets.
    std::fs::rename(site.path("encryption-key"), site.path("elsewhere")).unwrap();
    for (line, says) in [("healthcheck", "ready"), ("healthcheck --live", "alive")] {
        assert_eq!(site.json(line).await["status"], says);
    }
    server.stop().await;
    for line in ["healthcheck", "healthcheck --live"] {
        let gone = site.run(line).await;
        assert_eq!(gone.code, Some(7), "{}", gone.err);
        assert!(gone.err.contains("gives no answer"), "{}", gone.err);
    }
}

#[tokio::test]
async fn the_doctor_tells_of_a_configuration_that_does_not_load() {
    let listen = free_port();
    let site = Site::configured(
        &format!("http://{listen}"),
        listen,
        "jwks.max_age = \"1s\"\nbogus = 1",
    );
    let ended = site.run("doctor").await;
    assert_eq!(ended.code, Some(7));
    for says in [
        "jwks.max_age",
        "bogus",
        "clock.machine",
        "limits.open_files",
        "remedy: ",
    ] {
        assert!(ended.out.contains(says), "{says}: {}", ended.out);
    }
    assert!(
        ended.err.starts_with("error: 2 checks failed: configuration"),
        "{}",
        ended.err
    );
    assert!(!site.database().exists());
}

#[tokio::test]
async fn a_shell_gets_its_script() {
    let site = Site::dev();
    for (shell, says) in [
        ("bash", "complete -F _symbolon"),
        ("zsh", "#compdef symbolon"),
        ("fish", "complete -c symbolon"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let ended = site.run(&format!("completions {shell}")).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(
            ended.out.contains(says) && ended.out.contains("doctor"),
            "{shell}"
        );
    }
    assert_eq!(site.run("completions tcsh").await.code, Some(2));
}
