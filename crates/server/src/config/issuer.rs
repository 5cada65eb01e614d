//! The issuer identifier.

use std::fmt;

use url::{Host, Url};

use super::kind::{Kind, quote};
use super::parse::Problem;

/// Longest issuer, in bytes: it is repeated in every token.
const ISSUER_BYTES: usize = 512;

/// The issuer identifier: an https URL in its normal form, without query, fragment, user information and
/// trailing slash ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)). Plain http is
/// accepted for loopback hosts alone. Issuers are compared as text, so that any other spelling is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    path_start: usize,
}

impl Issuer {
    /// The issuer of a server in development mode that listens at this loopback address.
    pub fn loopback(address: std::net::SocketAddr) -> Self {
        let text = format!("http://{address}");
        Self {
            path_start: text.len(),
            text,
        }
    }

    /// The identifier as it stands in tokens and metadata.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, empty or with a leading and no trailing slash: `""` or `"/tenant"`.
    pub fn path(&self) -> &str {
        &self.text[self.path_start..]
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// # Errors
    /// The text is not an issuer identifier in its normal form.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let quoted = Kind::Issuer.quoted(text);
        if text.len() > ISSUER_BYTES {
            return Err(format!("it is {} bytes long, more than {ISSUER_BYTES}", text.len()).into());
        }
        let url =
            Url::parse(text).map_err(|error| Problem::from(format!("{quoted} is not a URL: {error}")))?;
        check_parts(&url, &quoted)?;
        if text.ends_with('/') {
            return Err(advise(
                format!("{quoted} ends with a slash"),
                text.trim_end_matches('/'),
            ));
        }
        let normal = url.as_str().trim_end_matches('/');
        if normal != text {
            return Err(advise(format!("{quoted} is not in its normal form"), normal));
        }
        let path_start = text.len() - if url.path() == "/" { 0 } else { url.path().len() };
        Ok(Self {
            text: text.to_owned(),
            path_start,
        })
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check_parts(url: &Url, quoted: &str) -> Result<(), Problem> {
    let wrong = match url.scheme() {
        "https" | "http" if !url.username().is_empty() || url.password().is_some() => {
            "it holds user information"
        }
        "https" | "http" if url.query().is_some() => "it has a query",
        "https" | "http" if url.fragment().is_some() => "it has a fragment",
        "https" => return Ok(()),
        "http" if url.host().is_some_and(is_loopback) => return Ok(()),
        "http" => return Err(format!("{quoted} is plain http on a host that is not loopback").into()),
        _ => return Err(format!("{quoted} is neither an https nor an http URL").into()),
    };
    Err(wrong.to_owned().into())
}

fn is_loopback(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn advise(wrong: String, better: &str) -> Problem {
    Problem {
        wrong,
        remedy: Some(format!("write {}", quote(&better.escape_debug().to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_issuers_in_normal_form_and_tells_their_path() {
        for (text, path) in [
            ("https://login.example.org", ""),
            ("https://login.example.org:8443/tenant/a", "/tenant/a"),
            ("http://localhost:8080", ""),
            ("http://127.0.0.1:8080/x", "/x"),
            ("http://[::1]:8080", ""),
            ("https://xn--bcher-kva.example", ""),
        ] {
            let issuer = Issuer::parse(text).unwrap();
            assert_eq!((issuer.as_str(), issuer.path()), (text, path));
            assert_eq!(issuer.is_https(), text.starts_with("https://"));
        }
    }

    #[test]
    fn refuses_everything_else_by_name() {
        for (text, wrong) in [
            ("", "\"\" is not a URL: relative URL without a base"),
            (
                "login.example.org",
                "\"login.example.org\" is not a URL: relative URL without a base",
            ),
            (
                "ftp://a.example",
                "\"ftp://a.example\" is neither an https nor an http URL",
            ),
            (
                "http://a.example",
                "\"http://a.example\" is plain http on a host that is not loopback",
            ),
            (
                "http://localhost.a.example",
                "\"http://localhost.a.example\" is plain http on a host that is not loopback",
            ),
            ("https://a.example?x", "it has a query"),
            ("https://a.example/?", "it has a query"),
            ("https://a.example#x", "it has a fragment"),
            ("https://u:p@a.example", "it holds user information"),
            (
                "https://@a.example",
                "(hidden, it holds user information) is not in its normal form",
            ),
            ("https://a.example/", "\"https://a.example/\" ends with a slash"),
            (
                "https://a.example/x/",
                "\"https://a.example/x/\" ends with a slash",
            ),
            (
                "https://A.example",
                "\"https://A.example\" is not in its normal form",
            ),
            (
                "https://a.example:443",
                "\"https://a.example:443\" is not in its normal form",
            ),
            (
                "https://a.example/x/../y",
                "\"https://a.example/x/../y\" is not in its normal form",
            ),
            (
                " https://a.example",
                "\" https://a.example\" is not in its normal form",
            ),
            (
                "https://a.exa\nmple",
                "\"https://a.exa\\nmple\" is not in its normal form",
            ),
        ] {
            assert_eq!(Issuer::parse(text).unwrap_err().wrong, wrong, "{text}");
        }
    }

    #[test]
    fn refuses_an_issuer_above_512_bytes() {
        let path = "a".repeat(ISSUER_BYTES);
        let longest = &format!("https://a.example/{path}")[..ISSUER_BYTES];
        assert!(Issuer::parse(longest).is_ok());
        let wrong = Issuer::parse(&format!("{longest}a")).unwrap_err().wrong;
        assert_eq!(wrong, "it is 513 bytes long, more than 512");
    }

    #[test]
    fn advises_the_normal_form() {
        let problem = Issuer::parse("https://A.example:443/x/../y").unwrap_err();
        assert_eq!(problem.remedy.as_deref(), Some("write \"https://a.example/y\""));
    }
}
