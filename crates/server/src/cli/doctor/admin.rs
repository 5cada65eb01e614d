//! Whether the admin API is there for administrators, and for nobody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use symbolon_admin_api::{Access, PREFIX};

use super::super::output::quoted;
use super::super::probe::{Answer, Trust, ask, reachable};
use super::check::{Check, Name};
use super::reachability::{PATIENCE, origin};
use crate::config::Settings;

const SET_LISTEN: &str = "start the server, or see that `admin.listen` is the address that it was started with, and that \
                          nothing else listens there";

/// Whether the listener is where those alone come by who should.
pub(super) fn listener(settings: &Settings) -> Check {
    let name = Name::AdminListener;
    let listen = settings.admin.listen;
    let ip = listen.ip().to_canonical();
    let listen = match listen.port() {
        0 => format!("{ip} with any free port"),
        _ => listen.to_string(),
    };
    if ip.is_loopback() {
        return Check::ok(name, format!("{listen} is for this machine alone"));
    }
    if settings.server.tls.is_some() {
        return Check::ok(name, format!("{listen} speaks TLS"));
    }
    // Without proxies this is refused when the configuration is read.
    let found = format!("{listen} speaks plain HTTP, to `server.trusted_proxies`");
    if is_internal(ip) {
        return Check::ok(name, found);
    }
    let whose = if ip.is_unspecified() {
        "on every address of this machine"
    } else {
        "on a public address"
    };
    Check::warning(
        name,
        format!("{found}, {whose}: tokens of administrators may pass where others read them"),
        "set `server.tls_certificate_file` and `server.tls_key_file`, or let `admin.listen` be on loopback or on a network \
         of your own",
    )
}

/// Whether an address is for use inside a network of one's own.
fn is_internal(ip: IpAddr) -> bool {
    /// Shared with a provider ([RFC 6598](https://www.rfc-editor.org/rfc/rfc6598)).
    const SHARED: (Ipv4Addr, u32) = (Ipv4Addr::new(100, 64, 0, 0), 10);
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = (ip.to_bits() ^ SHARED.0.to_bits()).leading_zeros() >= SHARED.1;
            ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || Ipv6Addr::is_unicast_link_local(&ip),
    }
}

/// Whether the admin API of this issuer stands at `admin.listen`, behind its door.
pub(super) async fn reach(settings: &Settings) -> Check {
    let name = Name::ReachabilityAdmin;
    let listen = settings.admin.listen;
    if listen.port() == 0 {
        let why = "`admin.listen` has port 0: the server listens on any free port";
        return Check::skipped(name, why);
    }
    let tls = settings.server.tls.as_ref();
    let tls = tls.filter(|_| !listen.ip().to_canonical().is_loopback());
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = format!("{scheme}://{}", reachable(listen));
    // The certificate has the name that administrators give, which nobody knows here.
    let asked = ask(&format!("{server}{PREFIX}/server"), PATIENCE, Trust::DangerousAny).await;
    let refused = match asked {
        Ok(answer) => match tls {
            Some(files) => refusal(&answer).and_then(|()| presents(&answer, &files.certificate)),
            None => refusal(&answer),
        },
        Err(error) => Err(format!("gives no answer: {error}")),
    };
    if let Err(why) = refused {
        return Check::failed(name, format!("{server} {why}"), SET_LISTEN);
    }
    let issuer = &settings.issuer;
    match access(&server, Trust::DangerousAny, PATIENCE).await {
        Some(access) if access.issuer == issuer.as_str() => {}
        Some(access) => {
            let whose = quoted(&access.issuer);
            let why = format!("{server} is the admin API of the issuer {whose}");
            return Check::failed(name, why, SET_LISTEN);
        }
        None => {
            let why = format!("{server} does not tell whose admin API it is");
            return Check::failed(name, why, SET_LISTEN);
        }
    }
    if access(origin(issuer), Trust::System, PATIENCE).await.is_some() {
        return Check::warning(
            name,
            format!("{server} lets in nobody without a token, but stands under the issuer, {issuer}, too"),
            format!(
                "let the proxy in front hand {PREFIX} on under another name, and only to where administrators are: whoever \
                 reaches the endpoints for clients reaches the admin API"
            ),
        );
    }
    Check::ok(
        name,
        format!("{server} is the admin API, and lets in nobody without a token"),
    )
}

/// What the admin API says of itself to everybody; nothing where there is none, or it takes longer.
pub(super) async fn access(server: &str, trust: Trust, patience: Duration) -> Option<Access> {
    let answer = ask(&format!("{server}{PREFIX}/access"), patience, trust)
        .await
        .ok()?;
    let access = serde_json::from_slice(&answer.body).ok()?;
    (answer.status == StatusCode::OK).then_some(access)
}

/// Whether a request without a token was answered as
/// [RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3) wants.
fn refusal(answer: &Answer) -> Result<(), String> {
    let scheme = answer
        .challenge
        .as_deref()
        .and_then(|text| text.split(' ').next());
    match answer.status {
        StatusCode::UNAUTHORIZED if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")) => {
            Ok(())
        }
        StatusCode::OK => Err("lets in whoever asks".to_owned()),
        status => Err(format!(
            "answers a request without a token with status {}, and not as the admin API does",
            status.as_u16()
        )),
    }
}

/// Whether whoever answered has the certificate of that file.
fn presents(answer: &Answer, file: &Path) -> Result<(), String> {
    let own = CertificateDer::from_pem_file(file)
        .map_err(|error| format!("can't be told from another: `server.tls_certificate_file`: {error}"))?;
    if answer.certificate.as_deref() == Some(own.as_ref()) {
        return Ok(());
    }
    Err("has another certificate than `server.tls_certificate_file`".to_owned())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::header::WWW_AUTHENTICATE;
    use axum::routing::get;
    use serde_json::json;

    use super::super::check::Outcome;
    use super::super::tests::servers::{assert, nobody, serve};
    use super::super::tests::settings;
    use super::*;

    const TLS: &str = "server.tls_certificate_file = \"c\"\nserver.tls_key_file = \"k\"";
    const PROXIES: &str = "server.trusted_proxies = [\"10.0.0.1\"]";

    #[test]
    fn a_public_listener_wants_tls() {
        for (listen, more, outcome, says) in [
            ("127.0.0.1:8082", "", Outcome::Ok, "this machine alone"),
            ("[::1]:8082", "", Outcome::Ok, "this machine alone"),
            ("127.0.0.1:0", "", Outcome::Ok, "127.0.0.1 with any free port is"),
            ("203.0.113.1:8082", TLS, Outcome::Ok, "speaks TLS"),
            ("10.0.0.2:8082", PROXIES, Outcome::Ok, "plain HTTP"),
            ("100.127.0.2:8082", PROXIES, Outcome::Ok, "plain HTTP"),
            ("[fd00::2]:8082", PROXIES, Outcome::Ok, "plain HTTP"),
            (
                "100.128.0.2:8082",
                PROXIES,
                Outcome::Warning,
                "on a public address",
            ),
            (
                "203.0.113.1:8082",
                PROXIES,
                Outcome::Warning,
                "on a public address",
            ),
            (
                "[2001:db8::1]:8082",
                PROXIES,
                Outcome::Warning,
                "on a public address",
            ),
            ("0.0.0.0:8082", PROXIES, Outcome::Warning, "on every address"),
        ] {
            let toml = format!("issuer = \"https://a.example\"\nadmin.listen = \"{listen}\"\n{more}");
            let check = listener(&settings(&toml));
            assert(&check, outcome, says);
        }
    }

    /// An admin API of that issuer, which answers so to whoever has no token.
    fn api(issuer: &str, status: u16, challenge: &'static str) -> Router {
        let status = StatusCode::from_u16(status).unwrap();
        let access = json!({ "issuer": issuer, "token_endpoint": "t", "resource": "r", "scope": "s" });
        let access = access.to_string();
        Router::new()
            .route(
                "/admin/v1/server",
                get(move || async move { (status, [(WWW_AUTHENTICATE, challenge)], "{}") }),
            )
            .route("/admin/v1/access", get(|| async { access }))
    }

    async fn reached(issuer: &str, admin: std::net::SocketAddr) -> Check {
        reach(&settings(&format!(
            "issuer = \"{issuer}\"\nadmin.listen = \"{admin}\""
        )))
        .await
    }

    #[tokio::test]
    async fn the_admin_api_must_be_there_behind_its_door() {
        let issuer = format!("http://{}/tenant", nobody().await);
        let good = serve(api(&issuer, 401, "Bearer realm=\"symbolon-admin\"")).await;
        assert(&reached(&issuer, good).await, Outcome::Ok, "lets in nobody");
        for (router, says) in [
            (api(&issuer, 200, "Bearer"), "lets in whoever asks"),
            (api(&issuer, 401, "Basic realm=\"x\""), "status 401, and not as"),
            (api(&issuer, 404, "Bearer"), "status 404"),
            (
                api("https://b.example", 401, "Bearer"),
                "of the issuer \"https://b.example\"",
            ),
            (
                Router::new().route(
                    "/admin/v1/server",
                    get(|| async { (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]) }),
                ),
                "does not tell whose",
            ),
        ] {
            let check = reached(&issuer, serve(router).await).await;
            assert(&check, Outcome::Failed, says);
        }
        let check = reached(&issuer, nobody().await).await;
        assert(&check, Outcome::Failed, "gives no answer");
        let any = "127.0.0.1:0".parse().unwrap();
        assert(&reached(&issuer, any).await, Outcome::Skipped, "any free port");
    }

    #[tokio::test]
    async fn the_admin_api_does_not_belong_under_the_issuer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let router = api(&issuer, 401, "Bearer");
        let admin = serve(router.clone()).await;
        tokio::spawn(async move { axum::serve(listener, router).await });
        assert(
            &reached(&issuer, admin).await,
            Outcome::Warning,
            "under the issuer",
        );
    }

    #[test]
    fn another_certificate_is_another_server() {
        let made = |name: &str| {
            rcgen::generate_simple_self_signed([name.to_owned()])
                .unwrap()
                .cert
        };
        let (own, other) = (made("a.example"), made("b.example"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certificate.pem");
        std::fs::write(&file, own.pem()).unwrap();
        let answer = |certificate: Option<&rcgen::Certificate>| Answer {
            status: StatusCode::UNAUTHORIZED,
            challenge: None,
            body: Vec::new(),
            certificate: certificate.map(|certificate| certificate.der().to_vec()),
        };
        assert_eq!(presents(&answer(Some(&own)), &file), Ok(()));
        for strange in [answer(Some(&other)), answer(None)] {
            let why = presents(&strange, &file).unwrap_err();
            assert!(why.contains("another certificate"), "{why}");
        }
        let why = presents(&answer(Some(&own)), &folder.path().join("missing")).unwrap_err();
        assert!(why.contains("server.tls_certificate_file"), "{why}");
    }
}
