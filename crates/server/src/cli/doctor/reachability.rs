//! Whether the server is there for others: at its management listener, and under its issuer.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use symbolon_core::UnixMillis;
use symbolon_jwks_publisher::Endpoints;

use super::super::output::quoted;
use super::super::probe::{Answer, Health, Trust, ask, health, reachable};
use super::certificate::Validity;
use super::check::{Check, Name, Outcome, bounded, skip_rest};
use super::{Patient, admin};
use crate::config::{Issuer, Mode};

/// Longest wait for a whole answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What helps where a development server is not found.
const START_OR_LEAVE_OUT: &str = "start `symbolon serve --dev` with this --data-dir, or give --before-start";

const NAMES: [Name; 3] = [
    Name::ReachabilityManagement,
    Name::ReachabilityIssuer,
    Name::ReachabilityAdmin,
];

pub(super) async fn checks(patient: &Patient) -> Vec<Check> {
    let mut checks = Vec::new();
    if !patient.runs {
        skip_rest(&mut checks, &NAMES, "--before-start leaves it out");
    } else if let Some(why) = &patient.astray {
        checks.push(Check::failed(NAMES[0], why, START_OR_LEAVE_OUT));
        skip_rest(&mut checks, &NAMES, "see `reachability.management`");
    } else {
        let settings = &patient.settings;
        let is_dev = patient.mode == Mode::Dev;
        // A development server notes where its other listeners are, and the public one answers the same.
        let health = if is_dev {
            settings.server.listen
        } else {
            settings.management.listen
        };
        let (management, issuer, admin) = tokio::join!(
            bounded(NAMES[0], management(health)),
            bounded(NAMES[1], issuer(&settings.issuer, patient.clock.now())),
            bounded(NAMES[2], admin::reach(settings)),
        );
        checks.extend([management, issuer, admin]);
        // There is no setting to mend.
        let failed = checks.iter_mut().filter(|check| check.outcome == Outcome::Failed);
        failed
            .filter(|_| is_dev)
            .for_each(|check| check.remedy = Some(START_OR_LEAVE_OUT.to_owned()));
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
    match health(&url, PATIENCE).await {
        Health::Good => Check::ok(name, format!("{url} says that the node is ready")),
        Health::Silent(error) => Check::failed(
            name,
            format!("{url} gives no answer: {error}"),
            "start the server, or see that `management.listen` is the address that it was started with; before the first \
             start give --before-start",
        ),
        Health::Unwell(reason) => Check::failed(
            name,
            format!("{url} says that the node is not ready: {reason}"),
            "see docs/operations.md, \"Health and metrics\", for what the reason means; if something else answers there, set \
             `management.listen`",
        ),
    }
}

/// Whether the metadata stands where clients look for it, and names the issuer
/// ([RFC 8414 section 3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)).
async fn issuer(issuer: &Issuer, now: UnixMillis) -> Check {
    let name = Name::ReachabilityIssuer;
    let route = match Endpoints::new(issuer.as_str()) {
        Ok(endpoints) => endpoints.metadata_route(),
        Err(error) => return Check::failed(name, error.to_string(), "change `issuer`"),
    };
    let url = format!("{}{route}", origin(issuer));
    match ask(&url, PATIENCE, Trust::System).await {
        Ok(answer) => judge(issuer, &url, &answer, now),
        Err(error) => Check::failed(
            name,
            format!("{url} gives no answer: {error}"),
            "see that the server runs, that the name of `issuer` leads to it or to the proxy in front from this machine, and \
             that its certificate is one that this machine trusts",
        ),
    }
}

/// The issuer without its path.
pub(super) fn origin(issuer: &Issuer) -> &str {
    issuer
        .as_str()
        .strip_suffix(issuer.path())
        .unwrap_or(issuer.as_str())
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
                quoted(&metadata.issuer)
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::header::LOCATION;
    use axum::response::IntoResponse as _;
    use axum::routing::get;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::super::super::probe::LONGEST_ANSWER;
    use super::super::tests::servers::{answering, assert, nobody, serve};
    use super::super::tests::{patient, settings};
    use super::*;

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

    #[tokio::test]
    async fn a_development_server_is_asked_where_it_is() {
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let named = format!("http://{}", public.local_addr().unwrap());
        let metadata = json!({ "issuer": named }).to_string();
        let routes = answering("/readyz", 200, "{}".into()).merge(answering(METADATA, 200, metadata));
        tokio::spawn(async move { axum::serve(public, routes).await });
        let mut patient = patient(settings(&format!(
            "issuer = \"{named}\"\nserver.listen = \"{}\"\nmanagement.listen = \"127.0.0.1:0\"\nadmin.listen = \"{}\"",
            named.trim_start_matches("http://"),
            nobody().await
        )));
        (patient.mode, patient.runs) = (Mode::Dev, true);
        let found = checks(&patient).await;
        assert(&found[0], Outcome::Ok, &format!("{named}/readyz says"));
        assert(&found[1], Outcome::Ok, &named);
        assert(&found[2], Outcome::Failed, "gives no answer");
        assert_eq!(found[2].remedy.as_deref(), Some(START_OR_LEAVE_OUT));

        patient.astray = Some("nobody knows".to_owned());
        let found = checks(&patient).await;
        assert(&found[0], Outcome::Failed, "nobody knows");
        assert(&found[2], Outcome::Skipped, "see `reachability.management`");
    }
}
