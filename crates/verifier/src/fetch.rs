use std::future::Future;
use std::pin::Pin;

use http::HeaderValue;
use url::{Host, Url};

/// Gets documents of the issuer. Each fetch is cut off after a time by the caller.
///
/// An implementation must not follow redirects, takes status 200 for the only success, and stops reading beyond
/// `limit` bytes: what it is pointed at may be hostile.
pub trait Fetch: Send + Sync + 'static {
    /// Gets `url`, whose body may have up to `limit` bytes, decompressed where it is compressed.
    fn get<'a>(&'a self, url: &'a Url, limit: usize) -> Fetching<'a>;

    /// Opens a stream of server-sent events, behind the one that `last_event_id` names. Unless it is implemented the
    /// revocation feed is followed by polling.
    fn stream<'a>(&'a self, url: &'a Url, last_event_id: &'a str) -> Opening<'a> {
        let _ = (url, last_event_id);
        Box::pin(async { Err(FetchError::Unsupported) })
    }

    /// Posts a form, `application/x-www-form-urlencoded`, with this `Authorization` header; any status of success will
    /// do. Unless it is implemented nothing can be reported ([`crate::Builder::report_as`]).
    fn post<'a>(&'a self, url: &'a Url, form: String, authorization: &'a HeaderValue) -> Posting<'a> {
        let _ = (url, form, authorization);
        Box::pin(async { Err(FetchError::Unsupported) })
    }

    /// What answers has had nothing new for too long: what is fetched from now on is to go over connections of its own, so
    /// that something else may answer. Unless it is implemented nothing changes.
    fn renew(&self) {}
}

/// A fetch under way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'a>>;
/// A stream that is being opened.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Pieces>, FetchError>> + Send + 'a>>;
/// A piece of a stream under way; none at its end.
pub type NextPiece<'a> = Pin<Box<dyn Future<Output = Result<Option<Vec<u8>>, FetchError>> + Send + 'a>>;
/// A form on its way.
pub type Posting<'a> = Pin<Box<dyn Future<Output = Result<(), FetchError>> + Send + 'a>>;

/// An open stream. It is closed by dropping it.
pub trait Pieces: Send + 'static {
    /// Waits for the next bytes, of any number.
    fn next(&mut self) -> NextPiece<'_>;
}

/// A document with status 200.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Fetched {
    /// The body.
    pub body: Vec<u8>,
    /// The header `Cache-Control`, where there is one.
    pub cache_control: Option<String>,
    /// The header `Age`: for how many seconds the document was kept on the way here.
    pub age: u64,
}

impl Fetched {
    /// A document without headers.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }

    /// The same document with this `Cache-Control`.
    #[must_use]
    pub fn with_cache_control(self, value: impl Into<String>) -> Self {
        Self {
            cache_control: Some(value.into()),
            ..self
        }
    }
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The document is not what it must be.
    #[error("{0}")]
    Document(String),
    /// No answer within the time.
    #[error("no answer within the time")]
    Timeout,
    /// The body is longer than allowed.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// Another status than that of success; redirects are not followed.
    #[error("status {0} is no success; redirects are not followed")]
    Status(u16),
    /// The request failed below HTTP.
    #[error("the request failed: {0}")]
    Transport(String),
    /// What fetches can't do this.
    #[error("what fetches does not implement it")]
    Unsupported,
    /// An address that is never asked.
    #[error("`{0}` is neither https nor a loopback address")]
    Url(String),
}

impl FetchError {
    /// The reason as one of a fixed few words.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Document(_) => "document",
            Self::Timeout => "timeout",
            Self::TooLong { .. } => "too_long",
            Self::Status(_) => "status",
            Self::Transport(_) => "transport",
            Self::Unsupported => "unsupported",
            Self::Url(_) => "url",
        }
    }
}

/// Whether keys may be fetched from there: https, or this machine.
pub(crate) fn is_trustworthy(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusts_https_and_this_machine() {
        for (url, trusted) in [
            ("https://as.example", true),
            ("http://127.0.0.1:8480/a", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://as.example", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://[::ffff:10.0.0.1]", false),
            ("http://10.0.0.1", false),
            ("http://169.254.169.254", false),
            ("ftp://127.0.0.1", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_trustworthy(&url.parse().unwrap()), trusted, "{url}");
        }
    }
}
