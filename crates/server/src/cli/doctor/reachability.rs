//! Whether the server is there for others: at its management listener, and under its issuer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::tls::TlsInfo;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use symbolon_core::UnixMillis;
use symbolon_jwks_publisher::Endpoints;

use super::Patient;
use super::certificate::Validity;
use super::check::{Check, Name, bounded, skip_rest};
use crate::config::{Issuer, Mode};

/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

const NAMES: [Name; 2] = [Name::ReachabilityManagement, Name::ReachabilityIssuer];

pub(super) async fn checks(patient: &Patient) -> Vec<Check> {
    let mut checks = Vec::new();
    if !patient.runs {
        skip_rest(&mut checks, &NAMES, "--before-start leaves it out");
    } else if patient.mode == Mode::Dev {
        let why = "a development server listens wherever it is told, and makes its issuer of that";
        skip_rest(&mut checks, &NAMES, why);
    } else {
        let settings = &patient.settings;
        let (management, issuer) = tokio::join!(
            bounded(NAMES[0], management(settings.management.listen)),
            bounded(NAMES[1], issuer(&settings.issuer, patient.clock.now())),
        );
        checks.extend([management, issuer]);
    }
    checks
}

/// Whether the node here says that it is ready.
async fn management(listen: SocketAddr) -> Check {
    let name = Name::ReachabilityManagement;
    if listen.port() == 0 {
        return Check::skipped(
            name,
            "`management.listen` has port 0: the server listens on any free port",
        );
    }
    let url = format!("http://{}/readyz", reachable(listen));
    let (status, body) = match ask(&url).await {
        Ok(answer) => (answer.status, answer.body),
        Err(error) => {
            return Check::failed(
                name,
                format!("{url} gives no answer: {error}"),
                "start the server, or see that `management.listen` is the address that it was started with; before the \
                 first start give --before-start",
            );
        }
    };
    if status == StatusCode::OK {
        return Check::ok(name, format!("{url} says that the node is ready"));
    }
    #[derive(Deserialize)]
    struct NotReady {
        reason: String,
    }
    let reason = serde_json::from_slice::<NotReady>(&body).map(|told| told.reason);
    let reason = reason.unwrap_or_else(|_| format!("status {}", status.as_u16()));
    Check::failed(
        name,
        format!("{url} says that the node is not ready: {reason}"),
        "see docs/operations.md, \"Health and metrics\", for what the reason means; if something else answers there, set \
         `management.listen`",
    )
}

/// Where a listener that takes every address is asked.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Whether the metadata stands where clients look for it, and names the issuer
/// ([RFC 8414 section 3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)).
async fn issuer(issuer: &Issuer, now: UnixMillis) -> Check {
    let name = Name::ReachabilityIssuer;
    let route = match Endpoints::new(issuer.as_str()) {
        Ok(endpoints) => endpoints.metadata_route(),
        Err(error) => return Check::failed(name, error.to_string(), "change `issuer`"),
    };
    let origin = issuer.as_str().strip_suffix(issuer.path());
    let url = format!("{}{route}", origin.unwrap_or(issuer.as_str()));
    match ask(&url).await {
        Ok(answer) => judge(issuer, &url, &answer, now),
        Err(error) => Check::failed(
            name,
            format!("{url} gives no answer: {error}"),
            "see that the server runs, that the name of `issuer` leads to it or to the proxy in front from this machine, and \
             that its certificate is one that this machine trusts",
        ),
    }
}

fn judge(issuer: &Issuer, url: &str, answer: &Answer, now: UnixMillis) -> Check {
    let name = Name::ReachabilityIssuer;
    if answer.status != StatusCode::OK {
        return Check::failed(
            name,
            format!("{url} answers with status {}", answer.status.as_u16()),
            "see that the proxy in front hands this path on to the server as it is, and redirects nothing; clients look for \
             the metadata there alone",
        );
    }
    #[derive(Deserialize)]
    struct Metadata {
        issuer: String,
    }
    let Ok(metadata) = serde_json::from_slice::<Metadata>(&answer.body) else {
        return Check::failed(
            name,
            format!("what {url} answers is not the metadata of a server"),
            "see that the name of `issuer` leads to this server, and that the proxy in front hands the path on to it",
        );
    };
    if metadata.issuer != issuer.as_str() {
        return Check::failed(
            name,
            format!(
                "{url} names the issuer {}: clients refuse that",
                short(&metadata.issuer)
            ),
            "give every node the same `issuer`, and see that its name leads to them",
        );
    }
    let certificate = answer.certificate.as_deref().map(Validity::of);
    match certificate.and_then(Result::ok).map(|valid| valid.ends(now)) {
        Some((days, true)) => Check::warning(
            name,
            format!("{url} names the issuer, by a certificate that ends in {days} days"),
            "renew the certificate of whoever ends TLS there: the proxy, or `server.tls_certificate_file`",
        ),
        Some((days, false)) => Check::ok(
            name,
            format!("{url} names the issuer, by a certificate that is valid for {days} days"),
        ),
        None => Check::ok(name, format!("{url} names the issuer")),
    }
}

/// Text of somebody else, cut short.
fn short(text: &str) -> String {
    crate::cli::output::quoted(text)
}

/// What came back.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    /// The certificate of whoever answered, in DER; none without TLS.
    certificate: Option<Vec<u8>>,
}

/// Asks the operator's own server, directly and without following it anywhere else.
async fn ask(url: &str) -> Result<Answer, String> {
    let client = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .tls_info(true)
        .timeout(PATIENCE)
        .build()
        .map_err(told)?;
    let mut response = client.get(url).send().await.map_err(told)?;
    let certificate = response
        .extensions()
        .get::<TlsInfo>()
        .and_then(TlsInfo::peer_certificate)
        .map(<[u8]>::to_vec);
    Ok(Answer {
        status: response.status(),
        body: body(&mut response).await?,
        certificate,
    })
}

async fn body(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return Err(format!("it is longer than {LONGEST_ANSWER} bytes"));
        }
    }
    Ok(body)
}

/// The innermost cause, which says most.
fn told(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::header::LOCATION;
    use axum::response::IntoResponse as _;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::super::check::Outcome;
    use super::super::tests::settings;
    use super::*;

    async fn serve(routes: Router) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }

    async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
    }

    fn answering(path: &'static str, status: u16, text: String) -> Router {
        let status = StatusCode::from_u16(status).unwrap();
        Router::new().route(path, get(move || async move { (status, text) }))
    }

    #[track_caller]
    fn assert(check: &Check, outcome: Outcome, says: &str) {
        assert_eq!(check.outcome, outcome, "{check:?}");
        assert!(check.detail.contains(says), "{check:?}");
    }

    #[tokio::test]
    async fn a_node_is_asked_whether_it_is_ready() {
        let ready = serve(answering("/readyz", 200, "{\"status\":\"ready\"}".into())).await;
        assert(&management(ready).await, Outcome::Ok, "is ready");
        let unready = "{\"status\":\"not ready\",\"reason\":\"there is no key to sign with\"}";
        let unready = serve(answering("/readyz", 503, unready.into())).await;
        assert(
            &management(unready).await,
            Outcome::Failed,
            "not ready: there is no key to sign with",
        );
        let stranger = serve(answering("/", 200, String::new())).await;
        assert(&management(stranger).await, Outcome::Failed, "status 404");
        let check = management(nobody().await).await;
        assert(&check, Outcome::Failed, "gives no answer");
        assert!(check.remedy.unwrap().contains("--before-start"));
        let any = "127.0.0.1:0".parse().unwrap();
        assert(&management(any).await, Outcome::Skipped, "any free port");
    }

    #[test]
    fn a_listener_for_every_address_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }

    /// Of an issuer with this path, whose server answers so.
    async fn issuer_check(path: &str, routes: impl FnOnce(&str) -> Router) -> Check {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let named = format!("http://{}{path}", listener.local_addr().unwrap());
        let routes = routes(&named);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let settings = settings(&format!("issuer = \"{named}\""));
        issuer(&settings.issuer, UnixMillis(0)).await
    }

    const METADATA: &str = "/.well-known/oauth-authorization-server";

    #[tokio::test]
    async fn the_metadata_must_name_the_issuer() {
        let own = |named: &str| answering(METADATA, 200, format!("{{\"issuer\":\"{named}\"}}"));
        assert(&issuer_check("", own).await, Outcome::Ok, "names the issuer");
        let below = |named: &str| {
            let path = "/.well-known/oauth-authorization-server/tenant/a";
            answering(path, 200, format!("{{\"issuer\":\"{named}\"}}"))
        };
        assert(
            &issuer_check("/tenant/a", below).await,
            Outcome::Ok,
            "names the issuer",
        );
        let other = |_: &str| answering(METADATA, 200, "{\"issuer\":\"https://b.example\\u001b\"}".into());
        let check = issuer_check("", other).await;
        assert(
            &check,
            Outcome::Failed,
            "names the issuer \"https://b.example\\u{1b}\"",
        );
        let none = |_: &str| answering(METADATA, 200, "<html>".into());
        assert(
            &issuer_check("", none).await,
            Outcome::Failed,
            "is not the metadata",
        );
        let long = |_: &str| answering(METADATA, 200, "x".repeat(LONGEST_ANSWER + 1));
        assert(
            &issuer_check("", long).await,
            Outcome::Failed,
            "longer than 65536 bytes",
        );
        let missing = |_: &str| Router::new();
        assert(&issuer_check("", missing).await, Outcome::Failed, "status 404");
        let gone = settings(&format!("issuer = \"http://{}\"", nobody().await));
        let check = issuer(&gone.issuer, UnixMillis(0)).await;
        assert(&check, Outcome::Failed, "gives no answer");
    }

    #[tokio::test]
    async fn no_redirect_is_followed() {
        let elsewhere = |named: &str| {
            let to = format!("{named}/elsewhere");
            let body = format!("{{\"issuer\":\"{named}\"}}");
            let redirect = move || async move { (StatusCode::FOUND, [(LOCATION, to)]).into_response() };
            Router::new()
                .route(METADATA, get(redirect))
                .route("/elsewhere", get(|| async { body }))
        };
        assert(&issuer_check("", elsewhere).await, Outcome::Failed, "status 302");
    }
}
