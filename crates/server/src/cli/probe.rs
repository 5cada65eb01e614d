//! Asks the operator's own server: directly, and without following it anywhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::WWW_AUTHENTICATE;
use reqwest::redirect::Policy;
use reqwest::tls::TlsInfo;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;

/// Longest answer that is read, in bytes.
pub(super) const LONGEST_ANSWER: usize = 64 * 1024;

/// By what a server is known over TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// Any certificate: whoever asks compares the one in [`Answer::certificate`] with the one that they know, and sends
    /// nothing secret.
    DangerousAny,
    /// Certificates that the system trusts, of the name that is asked.
    System,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// What the server says one has to present (`WWW-Authenticate`).
    pub(super) challenge: Option<String>,
    pub(super) body: Vec<u8>,
    /// The certificate of whoever answered, in DER; none without TLS.
    pub(super) certificate: Option<Vec<u8>>,
}

/// What a server says of its health.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Health {
    /// As it should be.
    Good,
    /// It gives no answer, and why.
    Silent(String),
    /// It is not well, and why.
    Unwell(String),
}

/// Asks for `url`, at most so long.
///
/// # Errors
/// There is no answer; the text says why, without the URL.
pub(super) async fn ask(url: &str, patience: Duration, trust: Trust) -> Result<Answer, String> {
    let mut client = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .tls_info(true)
        .timeout(patience);
    if url.starts_with("http://") {
        // Where nothing is verified, a machine without authorities will do.
        client = client.tls_certs_only([]);
    } else if trust == Trust::DangerousAny {
        client = client.tls_danger_accept_invalid_certs(true);
    }
    let client = client.build().map_err(told)?;
    let mut response = client.get(url).send().await.map_err(told)?;
    let certificate = response
        .extensions()
        .get::<TlsInfo>()
        .and_then(TlsInfo::peer_certificate)
        .map(<[u8]>::to_vec);
    let challenge = response.headers().get(WWW_AUTHENTICATE);
    let challenge = challenge.and_then(|value| Some(value.to_str().ok()?.to_owned()));
    Ok(Answer {
        status: response.status(),
        challenge,
        body: body(&mut response).await?,
        certificate,
    })
}

/// What stands at `url`, where a server tells its health, at most so long.
pub(super) async fn health(url: &str, patience: Duration) -> Health {
    let answer = match ask(url, patience, Trust::System).await {
        Ok(answer) => answer,
        Err(error) => return Health::Silent(error),
    };
    if answer.status == StatusCode::OK {
        return Health::Good;
    }
    #[derive(Deserialize)]
    struct NotReady {
        reason: String,
    }
    let reason = serde_json::from_slice::<NotReady>(&answer.body).map(|told| told.reason);
    Health::Unwell(reason.unwrap_or_else(|_| format!("status {}", answer.status.as_u16())))
}

/// Where a listener that takes every address is asked.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
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
    use super::*;

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
}
