//! From an issuer to the address of its keys ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).

use url::Url;

use crate::fetch::{FetchError, is_trustworthy};
use crate::json::Object;

/// The longest metadata document, in bytes.
pub(crate) const MAX_METADATA_BYTES: usize = 64 * 1024;

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

    /// The address of the keys, from a metadata document whose `issuer` is this one, code point by code point (RFC 8414
    /// section 3.3).
    pub(crate) fn jwks_uri(&self, document: &[u8]) -> Result<Url, FetchError> {
        let no_metadata =
            || FetchError::Document("the metadata is no JSON object, or a member is repeated".into());
        let object = Object::parse(document).map_err(|_| no_metadata())?;
        let text = |name: &str| {
            let value = object.required::<String>(name);
            value.map_err(|_| FetchError::Document(format!("the metadata has no text `{name}`")))
        };
        let issuer = text("issuer")?;
        if issuer != self.text {
            let issuer = issuer.escape_debug();
            let reason = format!(
                "the metadata is that of the issuer `{issuer}`, not of `{}`",
                self.text
            );
            return Err(FetchError::Document(reason));
        }
        let url = Url::parse(&text("jwks_uri")?)
            .map_err(|_| FetchError::Document("`jwks_uri` is no absolute URL".into()))?;
        // An issuer out there must not point at this machine.
        if url.scheme() != "https" && (self.metadata.scheme() == "https" || !is_trustworthy(&url)) {
            return Err(FetchError::Url(url.into()));
        }
        Ok(url)
    }
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
    fn keys_come_from_trustworthy_addresses() {
        let ask = |issuer: &str, uri: &str| {
            let document = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{uri}"}}"#);
            Issuer::parse(issuer)
                .unwrap()
                .jwks_uri(document.as_bytes())
                .is_ok()
        };
        assert!(ask("http://127.0.0.1:1", "http://127.0.0.1:2/j"));
        assert!(ask("http://127.0.0.1:1", "https://keys/j"));
        assert!(!ask("http://127.0.0.1:1", "http://keys/j"));
        assert!(!ask("https://as", "http://127.0.0.1/j"));
        assert!(!ask("https://as", "http://as/j"));
        assert!(!ask("https://as", "file:///etc/passwd"));
        assert!(!ask("https://as", "/j"));
    }
}
