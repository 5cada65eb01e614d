//! Where requests go, and their bytes.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

/// An HTTP resource on this machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    authority: String,
    path: String,
}

impl TryFrom<String> for Endpoint {
    type Error = anyhow::Error;

    /// Accepts plain HTTP on 127.0.0.1 alone: no load may ever reach another machine.
    fn try_from(text: String) -> anyhow::Result<Self> {
        let url = Url::parse(&text).with_context(|| format!("{text} is no URL"))?;
        if url.scheme() != "http" || !matches!(url.host_str(), Some("127.0.0.1" | "localhost")) {
            bail!("{text} is not http on 127.0.0.1: only this machine is measured");
        }
        let port = url.port_or_known_default().context("no port")?;
        Ok(Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            authority: url.authority().to_owned(),
            path: url.path().to_owned(),
        })
    }
}

impl Endpoint {
    /// The same resource at another address.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self {
            address,
            ..self.clone()
        }
    }

    /// Another resource at the same address.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// A complete `GET` request.
    pub(crate) fn get(&self) -> Vec<u8> {
        format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", self.path, self.authority).into_bytes()
    }

    /// A complete `GET` request of a client that has what `etag` names.
    pub(crate) fn get_unless(&self, etag: &str) -> Vec<u8> {
        format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nif-none-match: {etag}\r\n\r\n",
            self.path, self.authority
        )
        .into_bytes()
    }

    /// A complete `POST` request of form `fields`, with `authorization` as its header field of that name.
    pub(crate) fn post(&self, authorization: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            self.authority,
            body.len(),
        )
        .into_bytes()
    }
}

/// The value of `Authorization` for a client ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1):
/// both parts are form-encoded first).
pub(crate) fn basic(client_id: &str, client_secret: &str) -> String {
    let encode = |part: &str| byte_serialize(part.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(client_secret));
    format!("Basic {}", STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> anyhow::Result<Endpoint> {
        url.to_owned().try_into()
    }

    #[test]
    fn writes_requests() {
        let endpoint = endpoint("http://127.0.0.1:8080/oauth2/token").unwrap();
        assert_eq!(endpoint.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(
            endpoint.get(),
            b"GET /oauth2/token HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n\r\n"
        );
        assert_eq!(
            endpoint.get_unless("\"x\""),
            b"GET /oauth2/token HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nif-none-match: \"x\"\r\n\r\n"
        );
        let request = endpoint.post("Basic YTpi", &[("grant_type", "password"), ("username", "a&b")]);
        assert_eq!(
            String::from_utf8(request).unwrap(),
            "POST /oauth2/token HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nauthorization: Basic YTpi\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 34\r\n\r\n\
             grant_type=password&username=a%26b"
        );
    }

    #[test]
    fn refuses_other_machines() {
        for url in [
            "http://192.0.2.1/",
            "https://127.0.0.1/",
            "http://127.0.0.1.example/",
            "nonsense",
        ] {
            assert!(endpoint(url).is_err(), "{url}");
        }
    }

    #[test]
    fn encodes_both_parts_of_client_credentials() {
        assert_eq!(
            basic("a:b", "c d"),
            format!("Basic {}", STANDARD.encode("a%3Ab:c+d"))
        );
    }
}
