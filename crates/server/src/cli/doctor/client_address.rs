//! Whether the server takes clients for who they are, whatever stands in front of it.
//!
//! A token is asked for under the issuer, as a client does, by a request that claims to be forwarded for somebody else. The
//! audit trail tells whose request the server took it for: the one it was, the made-up one, or the proxy's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use http::Method;
use symbolon_admin_api::{Page, RecordView};
use symbolon_jwks_publisher::{Endpoints, TOKEN_PATH};

use super::super::api::{Call, Connection, Login, Remote, Route};
use super::super::error::{CliError, ErrorKind};
use super::Patient;
use super::check::{Check, Name, bounded};
use crate::config::{Mode, Settings};

const NAME: Name = Name::ProxiesClientAddress;

/// Who the request claims to come from: an address that nobody has
/// ([RFC 5737](https://www.rfc-editor.org/rfc/rfc5737)).
const MADE_UP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 171));

/// Whose request the server takes one of this machine's for.
pub(super) async fn check(patient: &Patient) -> Check {
    let settings = &patient.settings;
    if !patient.runs {
        return Check::skipped(NAME, "--before-start leaves it out");
    }
    if patient.mode == Mode::Dev {
        return Check::skipped(NAME, "a development server is on loopback, where no proxy is");
    }
    let login = match &patient.login {
        Ok(login) => login.clone(),
        Err(why) => {
            let why = format!("it takes a login with the scope audit:read, as the server's user: {why}");
            return Check::skipped(NAME, why);
        }
    };
    if let Err(why) = belongs(&login, settings) {
        return Check::skipped(NAME, why);
    }
    bounded(NAME, look(settings, login)).await
}

/// Whether the login's tokens come from under the issuer, and so by the way that clients take.
fn belongs(login: &Login, settings: &Settings) -> Result<(), String> {
    let endpoints = Endpoints::new(settings.issuer.as_str()).map_err(|error| error.to_string())?;
    if login.token_endpoint == endpoints.url(TOKEN_PATH) {
        return Ok(());
    }
    Err(format!(
        "the login at {} gets its tokens from {}, and not under this issuer: run `symbolon login` at its admin API, or name \
         another login with --server",
        login.server, login.token_endpoint
    ))
}

async fn look(settings: &Settings, login: Login) -> Check {
    match Sight::take(login).await {
        Ok(sight) => sight.judge(settings),
        Err(error) => {
            let hint = match error.kind {
                ErrorKind::Denied => " (it takes the scope audit:read)",
                _ => "",
            };
            Check::skipped(
                NAME,
                format!("the server could not be asked whom it saw: {error}{hint}"),
            )
        }
    }
}

/// What was seen of one request, at both ends.
struct Sight {
    /// Where it went.
    url: String,
    /// This machine's address on the connection.
    own: IpAddr,
    /// The other end of it: the server, or a proxy in front.
    peer: IpAddr,
    /// Whose request the server took it for.
    seen: IpAddr,
}

impl Sight {
    async fn take(login: Login) -> Result<Self, CliError> {
        let url = login.token_endpoint.clone();
        let unknown = |what: &str| {
            let remedy = "see that the proxy in front hands answers on as they are";
            CliError::failed(format_args!("{url} answers, and {what} is not known"), remedy)
        };
        // As clients of the issuer come: a proxy on the way out would hide this machine.
        let remote = Remote::without_proxy(login)?;
        let Route { peer, request_id } = remote.log_in_as_if_from(MADE_UP).await?;
        let peer = peer.ok_or_else(|| unknown("from where"))?;
        let request_id = request_id.ok_or_else(|| unknown("as which request (x-request-id)"))?;
        let own = own_address(peer).map_err(|error| unknown(&format!("which way to it ({error})")))?;
        let call = Call::new(Method::GET, &["audit"])
            .with("request_id", request_id)
            .with("event", "admin.token_issued")
            .with("limit", 1);
        let found: Page<RecordView> = Connection::remote(remote).send(call).await?.read()?;
        let record = found.items.first();
        let seen = record.and_then(|record| record.event["address"].as_str()?.parse::<IpAddr>().ok());
        Ok(Self {
            own: own.to_canonical(),
            peer: peer.ip().to_canonical(),
            seen: seen.ok_or_else(|| unknown("whom it saw (audit trail)"))?,
            url,
        })
    }

    fn judge(&self, settings: &Settings) -> Check {
        let Self { url, own, peer, seen } = self;
        let trusts = |ip: IpAddr| {
            let trusted = &settings.server.trusted_proxies;
            trusted.iter().any(|network| network.contains(&ip))
        };
        if *seen == MADE_UP {
            return self.believed(trusts(*own));
        }
        if seen == own {
            let is_ambiguous =
                own.is_loopback() && settings.issuer.is_https() && settings.server.tls.is_none();
            if is_ambiguous {
                return Check::skipped(
                    NAME,
                    format!(
                        "{url} is on loopback from here, and so is the server from the proxy: the one can't be told from \
                         the other; run this where the issuer's name leads to another address"
                    ),
                );
            }
            return Check::ok(
                NAME,
                format!(
                    "by way of {url} the server saw {own}, this machine, and believed no made-up X-Forwarded-For"
                ),
            );
        }
        if trusts(*seen) {
            return Check::warning(
                NAME,
                format!(
                    "by way of {url} the server saw {seen}, a trusted proxy, rather than this machine, {own}"
                ),
                "let the proxy append the client's address to X-Forwarded-For: as it is, what is counted by address is \
                 counted for all",
            );
        }
        let declare = format!(
            "add {seen} to `server.trusted_proxies` if it is a proxy's, and let that append to X-Forwarded-For: as it is, what \
             is counted by address is counted for all"
        );
        if seen == peer || seen.is_loopback() {
            let found = format!(
                "by way of {url} the server saw {seen}, a proxy that is not declared, rather than this machine, {own}"
            );
            return Check::warning(NAME, found, declare);
        }
        Check::warning(
            NAME,
            format!(
                "by way of {url} the server saw {seen}, and this machine goes there as {own}: that is right only where an \
                 address translation between gives it the other"
            ),
            declare,
        )
    }

    /// Of a made-up address that was believed.
    fn believed(&self, is_trusted: bool) -> Check {
        let Self { url, own, .. } = self;
        if is_trusted {
            return Check::skipped(
                NAME,
                format!(
                    "this machine, {own}, is among `server.trusted_proxies`, so that what it says of clients is believed: \
                     run this on another to see whom the server sees"
                ),
            );
        }
        Check::failed(
            NAME,
            format!(
                "by way of {url} the server believed a made-up X-Forwarded-For: whoever guesses passwords has as many \
                 addresses as they like, and the audit trail has made-up ones"
            ),
            "let the proxy append the client's address to X-Forwarded-For, or set the header anew, rather than hand on what \
             the client sent; and let `server.trusted_proxies` name proxies alone",
        )
    }
}

/// This machine's address on the way to `peer`. Nothing is sent.
fn own_address(peer: SocketAddr) -> std::io::Result<IpAddr> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use axum::extract::{ConnectInfo, Query};
    use axum::http::HeaderMap;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::{Value, json};

    use super::super::check::Outcome;
    use super::super::tests::servers::{assert, nobody};
    use super::super::tests::{patient, settings};
    use super::*;

    const HTTPS: &str = "issuer = \"https://login.example.org\"\n";

    fn sight(own: &str, peer: &str, seen: &str) -> Sight {
        Sight {
            url: "https://login.example.org/oauth2/token".to_owned(),
            own: own.parse().unwrap(),
            peer: peer.parse().unwrap(),
            seen: seen.parse().unwrap(),
        }
    }

    #[test]
    fn too_little_trust_and_too_much_are_told() {
        let (own, proxy, inner) = ("10.0.0.7", "203.0.113.9", "10.0.0.1");
        let declared = format!("{HTTPS}server.trusted_proxies = [\"{inner}\"]");
        let made_up = MADE_UP.to_string();
        for (toml, own, seen, outcome, says) in [
            (&*declared, own, own, Outcome::Ok, "saw 10.0.0.7, this machine"),
            (&declared, own, &made_up, Outcome::Failed, "believed a made-up"),
            (&declared, own, inner, Outcome::Warning, "a trusted proxy, rather"),
            (HTTPS, own, inner, Outcome::Warning, "an address translation"),
            (
                HTTPS,
                own,
                proxy,
                Outcome::Warning,
                "a proxy that is not declared",
            ),
            (
                HTTPS,
                own,
                "127.0.0.1",
                Outcome::Warning,
                "a proxy that is not declared",
            ),
            // From the proxy itself nothing else can be seen.
            (
                &declared,
                inner,
                &made_up,
                Outcome::Skipped,
                "is among `server.trusted_proxies`",
            ),
            (
                HTTPS,
                "127.0.0.1",
                "127.0.0.1",
                Outcome::Skipped,
                "is on loopback",
            ),
            (
                "issuer = \"http://127.0.0.1:1\"",
                "127.0.0.1",
                "127.0.0.1",
                Outcome::Ok,
                "saw 127.0.0.1",
            ),
        ] {
            let check = sight(own, proxy, seen).judge(&settings(toml));
            assert(&check, outcome, says);
        }
    }

    /// A server that takes its clients for that address, or believes what they say, and its records.
    async fn server(sees: Option<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<Value>>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let trail: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (written, read) = (trail.clone(), trail.clone());
        let token = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, headers: HeaderMap| async move {
            let claimed = headers["x-forwarded-for"].to_str().unwrap().to_owned();
            assert_eq!(headers["forwarded"], format!("for={claimed}"));
            let seen = match sees {
                Some("them") => claimed,
                Some(other) => other.to_owned(),
                None => peer.ip().to_string(),
            };
            let event = json!({ "request_id": "r-1", "address": seen });
            written
                .lock()
                .unwrap()
                .push(json!({ "seq": 1, "hash": "", "event": event }));
            ([("x-request-id", "r-1")], Json(json!({ "access_token": "t" })))
        };
        let audit = move |Query(query): Query<Value>, headers: HeaderMap| async move {
            assert_eq!(headers["authorization"], "Bearer t");
            assert_eq!(
                (&query["request_id"], &query["event"]),
                (&json!("r-1"), &json!("admin.token_issued"))
            );
            Json(json!({ "items": *read.lock().unwrap(), "next": null }))
        };
        let router = Router::new()
            .route("/oauth2/token", post(token))
            .route("/admin/v1/audit", get(audit))
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (address, trail)
    }

    fn login(server: SocketAddr) -> Login {
        Login {
            server: format!("http://{server}"),
            token_endpoint: format!("http://{server}/oauth2/token"),
            client_id: "admin".to_owned(),
            client_secret: "sbs_secret".to_owned().into(),
            auth_method: Default::default(),
            scope: "audit:read".to_owned(),
            ca_file: None,
        }
    }

    async fn checked(issuer: SocketAddr, login: Result<Login, String>) -> Check {
        let mut patient = patient(settings(&format!("issuer = \"http://{issuer}\"")));
        patient.runs = true;
        patient.login = login;
        check(&patient).await
    }

    #[tokio::test]
    async fn a_request_is_found_again_on_the_audit_trail() {
        for (sees, outcome, says) in [
            (None, Outcome::Ok, "saw 127.0.0.1, this machine"),
            (Some("them"), Outcome::Failed, "believed a made-up"),
            (Some("198.51.100.1"), Outcome::Warning, "saw 198.51.100.1"),
            (
                Some("nonsense"),
                Outcome::Skipped,
                "whom it saw (audit trail) is not known",
            ),
        ] {
            let (server, trail) = server(sees).await;
            assert(&checked(server, Ok(login(server))).await, outcome, says);
            assert_eq!(trail.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn without_a_login_it_says_what_it_takes() {
        let (server, trail) = server(None).await;
        let none = checked(server, Err("run `symbolon login` first".to_owned())).await;
        assert(&none, Outcome::Skipped, "audit:read");
        assert(&none, Outcome::Skipped, "`symbolon login`");
        // The login's secret goes to no other installation's token endpoint for this.
        let other = checked(nobody().await, Ok(login(server))).await;
        assert(&other, Outcome::Skipped, "not under this issuer");
        assert_eq!(trail.lock().unwrap().len(), 0);
        let gone = nobody().await;
        let silent = checked(gone, Ok(login(gone))).await;
        assert(&silent, Outcome::Skipped, "could not be asked");
        assert!(!silent.detail.contains("sbs_"), "{silent:?}");
    }
}
