//! From an issuer to the addresses of its keys and its revocation feed ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use url::Url;

use crate::fetch::{Fetch, FetchError, Fetched, is_trustworthy};
use crate::json::Object;

/// The longest metadata document, in bytes.
const MAX_METADATA_BYTES: usize = 64 * 1024;

/// An issuer identifier: an address that is trusted, without query, fragment and credentials, and the text by which it
/// is compared.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    text: String,
    metadata: Url,
}

impl Issuer {
    /// `None` where the text is no issuer identifier (RFC 8414 section 2).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !plain || !is_trustworthy(&url) {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            metadata: metadata_url(url),
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn metadata(&self) -> &Url {
        &self.metadata
    }

    /// The address of the keys.
    pub(crate) fn jwks_uri(&self, document: &[u8]) -> Result<Url, FetchError> {
        let absent = || FetchError::Document("the metadata has no `jwks_uri`".into());
        self.address(document, "jwks_uri")?.ok_or_else(absent)
    }

    /// The address of the revocation feed, below which its documents are; `None` where the issuer publishes none.
    pub(crate) fn feed(&self, document: &[u8]) -> Result<Option<Url>, FetchError> {
        let feed = self.address(document, "revocation_feed_uri")?;
        if feed
            .as_ref()
            .is_some_and(|url| url.query().is_some() || url.fragment().is_some())
        {
            let reason = "`revocation_feed_uri` has a query or a fragment: nothing can stand below it";
            return Err(FetchError::Document(reason.into()));
        }
        Ok(feed)
    }

    /// An address in a metadata document whose `issuer` is this one, code point by code point (RFC 8414 section 3.3).
    fn address(&self, document: &[u8], name: &str) -> Result<Option<Url>, FetchError> {
        let no_metadata =
            || FetchError::Document("the metadata is no JSON object, or a member is repeated".into());
        let object = Object::parse(document).map_err(|_| no_metadata())?;
        let text = |name: &str| {
            let value = object.optional::<String>(name);
            value.map_err(|_| FetchError::Document(format!("`{name}` in the metadata is no text")))
        };
        let issuer = text("issuer")?.unwrap_or_default();
        if issuer != self.text {
            let issuer = issuer.escape_debug();
            let reason = format!(
                "the metadata is that of the issuer `{issuer}`, not of `{}`",
                self.text
            );
            return Err(FetchError::Document(reason));
        }
        let Some(address) = text(name)? else {
            return Ok(None);
        };
        let url =
            Url::parse(&address).map_err(|_| FetchError::Document(format!("`{name}` is no absolute URL")))?;
        // An issuer out there must not point at this machine.
        if url.scheme() != "https" && (self.metadata.scheme() == "https" || !is_trustworthy(&url)) {
            return Err(FetchError::Url(url.into()));
        }
        Ok(Some(url))
    }
}

/// Fetches with a limit of time and size that does not depend on what fetches.
#[derive(Clone)]
pub(crate) struct Fetcher {
    pub(crate) fetch: Arc<dyn Fetch>,
    /// The longest that one document may take.
    pub(crate) timeout: Duration,
}

impl Fetcher {
    pub(crate) async fn get(&self, url: &Url, limit: usize) -> Result<Fetched, FetchError> {
        self.get_within(self.timeout, url, limit).await
    }

    pub(crate) async fn get_within(
        &self,
        time: Duration,
        url: &Url,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        let document = timeout(time, self.fetch.get(url, limit))
            .await
            .map_err(|_| FetchError::Timeout)??;
        if document.body.len() > limit {
            return Err(FetchError::TooLong { limit });
        }
        Ok(document)
    }
}

/// The metadata of an issuer, fetched when it is needed and kept until it seems to be out of date.
pub(crate) struct Discovery {
    pub(crate) issuer: Issuer,
    pub(crate) fetcher: Fetcher,
    /// Held during a fetch, so that never two are under way.
    metadata: Mutex<Option<Arc<[u8]>>>,
}

impl Discovery {
    pub(crate) fn new(issuer: Issuer, fetcher: Fetcher) -> Self {
        Self {
            issuer,
            fetcher,
            metadata: Mutex::default(),
        }
    }

    pub(crate) async fn jwks_uri(&self) -> Result<Url, FetchError> {
        self.issuer.jwks_uri(&self.metadata().await?)
    }

    pub(crate) async fn feed(&self) -> Result<Option<Url>, FetchError> {
        self.issuer.feed(&self.metadata().await?)
    }

    /// Something was not where the metadata says, or the metadata does not say where it is: it is fetched anew next time.
    pub(crate) async fn forget(&self) {
        *self.metadata.lock().await = None;
    }

    async fn metadata(&self) -> Result<Arc<[u8]>, FetchError> {
        let mut kept = self.metadata.lock().await;
        if let Some(metadata) = &*kept {
            return Ok(Arc::clone(metadata));
        }
        let document = self
            .fetcher
            .get(self.issuer.metadata(), MAX_METADATA_BYTES)
            .await?;
        let metadata: Arc<[u8]> = document.body.into();
        *kept = Some(Arc::clone(&metadata));
        Ok(metadata)
    }
}

/// The address of something below another.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let path = format!("{}{path}", base.path().trim_end_matches('/'));
    let mut url = base.clone();
    url.set_path(&path);
    url
}

/// The well-known part goes between host and path; a terminating slash goes (RFC 8414 section 3.1).
fn metadata_url(issuer: Url) -> Url {
    let path = issuer.path().trim_end_matches('/').to_owned();
    let mut url = issuer;
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_the_well_known_part_before_the_path() {
        for (issuer, metadata) in [
            ("https://as", "https://as/.well-known/oauth-authorization-server"),
            ("https://as/", "https://as/.well-known/oauth-authorization-server"),
            (
                "https://as:8443/a/b",
                "https://as:8443/.well-known/oauth-authorization-server/a/b",
            ),
            (
                "https://as/a/",
                "https://as/.well-known/oauth-authorization-server/a",
            ),
        ] {
            assert_eq!(Issuer::parse(issuer).unwrap().metadata().as_str(), metadata);
        }
    }

    #[test]
    fn rejects_what_is_no_issuer() {
        for text in [
            "",
            "as",
            "http://as",
            "https://as?a",
            "https://as#a",
            "https://u@as",
            "https://u:p@as",
            "ftp://as",
        ] {
            assert!(Issuer::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn compares_the_issuer_code_point_by_code_point() {
        let issuer = Issuer::parse("https://as/a").unwrap();
        let document =
            |issuer: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"https://keys/jwks","x":[]}}"#);
        let found = issuer.jwks_uri(document("https://as/a").as_bytes()).unwrap();
        assert_eq!(found.as_str(), "https://keys/jwks");
        for other in [
            "https://as/a/",
            "https://AS/a",
            "https://as:443/a",
            "https://as/%61",
            "https://as",
        ] {
            assert!(issuer.jwks_uri(document(other).as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn keys_and_feed_come_from_trustworthy_addresses() {
        let ask = |issuer: &str, uri: &str| {
            let members = format!(r#""jwks_uri":"{uri}","revocation_feed_uri":"{uri}""#);
            let document = format!(r#"{{"issuer":"{issuer}",{members}}}"#);
            let issuer = Issuer::parse(issuer).unwrap();
            let (keys, feed) = (
                issuer.jwks_uri(document.as_bytes()),
                issuer.feed(document.as_bytes()),
            );
            assert_eq!(keys.is_ok(), feed.is_ok());
            keys.is_ok()
        };
        assert!(ask("http://127.0.0.1:1", "http://127.0.0.1:2/j"));
        assert!(ask("http://127.0.0.1:1", "https://keys/j"));
        assert!(!ask("http://127.0.0.1:1", "http://keys/j"));
        assert!(!ask("https://as", "http://127.0.0.1/j"));
        assert!(!ask("https://as", "http://as/j"));
        assert!(!ask("https://as", "file:///etc/passwd"));
        assert!(!ask("https://as", "/j"));
    }
    #[test]
    fn an_issuer_may_have_no_feed() {
        let issuer = Issuer::parse("https://as").unwrap();
        let ask = |more: &str| issuer.feed(format!(r#"{{"issuer":"https://as"{more}}}"#).as_bytes());
        assert_eq!(ask("").unwrap(), None);
        let feed = ask(r#","revocation_feed_uri":"https://cdn/as/""#)
            .unwrap()
            .unwrap();
        assert_eq!(below(&feed, "/head").as_str(), "https://cdn/as/head");
        for uri in [
            r#""https://as/r?a""#,
            r#""https://as/r#a""#,
            "null",
            "1",
            r#""r""#,
        ] {
            assert!(ask(&format!(",\"revocation_feed_uri\":{uri}")).is_err(), "{uri}");
        }
    }
}
