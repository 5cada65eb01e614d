//! From HTTP to a token, and from a refusal back to HTTP (RFC 6750): the one place where either is done.

use http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use crate::Refused;

/// What `Retry-After` says with status 503, in seconds.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("5");

/// The token of the `Authorization` header; a token in the query or in the body is not looked at
/// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refused::MissingToken)?;
    if values.next().is_some() {
        return Err(Refused::AuthorizationHeader);
    }
    let text = value.to_str().map_err(|_| Refused::AuthorizationHeader)?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refused::MissingToken);
    }
    let token = rest.trim_start_matches(' ');
    if is_b64token(token) {
        Ok(token)
    } else {
        Err(Refused::AuthorizationHeader)
    }
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !body.is_empty() && body.bytes().all(allowed)
}

/// The headers of the answer to a refused request. `realm` names the resource server; it has no `"` and no `\`.
pub(crate) fn headers(refused: &Refused, realm: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if refused.status() == http::StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECS);
    } else if let Ok(challenge) = challenge(refused, realm).try_into() {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    headers
}

/// `WWW-Authenticate` ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)). It says no more than
/// the error code and, where the scope does not suffice, the scope that does.
fn challenge(refused: &Refused, realm: &str) -> String {
    let mut text = format!("Bearer realm=\"{realm}\"");
    if let Some(code) = refused.error_code() {
        text.push_str(&format!(", error=\"{code}\""));
    }
    if let Refused::InsufficientScope { required } = refused {
        text.push_str(&format!(", scope=\"{required}\""));
    }
    text
}

/// The answer to a refused request, with an empty body.
#[cfg(any(feature = "axum", feature = "tower"))]
pub(crate) fn response<B: Default>(refused: &Refused, realm: &str) -> http::Response<B> {
    let mut response = http::Response::new(B::default());
    *response.status_mut() = refused.status();
    *response.headers_mut() = headers(refused, realm);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(values: &[&'static str]) -> HeaderMap {
        let pairs = values
            .iter()
            .map(|v| (AUTHORIZATION, HeaderValue::from_static(v)));
        pairs.collect()
    }

    #[test]
    fn takes_one_bearer_token_whatever_the_case_of_the_scheme() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(bearer(&request(&[value])), Ok("a.b.c"), "{value}");
        }
        assert_eq!(bearer(&request(&["Bearer YQ=="])), Ok("YQ=="));
    }

    #[test]
    fn tells_no_token_from_a_bad_header() {
        for values in [&[][..], &["Basic YTpi"], &["DPoP a.b.c"], &["Bearera.b.c"], &[""]] {
            assert_eq!(bearer(&request(values)), Err(Refused::MissingToken), "{values:?}");
        }
        for values in [
            &["Bearer"][..],
            &["Bearer "],
            &["Bearer ="],
            &["Bearer a b"],
            &["Bearer a,b"],
            &["Bearer a=b"],
            &["Bearer\ta"],
            &["Bearer a", "Bearer a"],
            &["Bearer a", "Basic b"],
        ] {
            let expected = match values {
                // A tab ends no scheme.
                ["Bearer\ta"] => Refused::MissingToken,
                _ => Refused::AuthorizationHeader,
            };
            assert_eq!(bearer(&request(values)), Err(expected), "{values:?}");
        }
    }

    #[test]
    fn challenges_without_detail() {
        let of = |refused: Refused| challenge(&refused, "https://api");
        assert_eq!(of(Refused::MissingToken), r#"Bearer realm="https://api""#);
        let invalid = r#"Bearer realm="https://api", error="invalid_token""#;
        for refused in [
            Refused::Expired,
            Refused::Signature,
            Refused::Claim("exp"),
            Refused::KeyUnknown,
        ] {
            assert_eq!(of(refused), invalid);
        }
        let required = "b a".parse().unwrap();
        assert_eq!(
            of(Refused::InsufficientScope { required }),
            r#"Bearer realm="https://api", error="insufficient_scope", scope="a b""#
        );
    }

    #[test]
    fn says_when_to_come_again_where_it_cannot_tell() {
        let headers = headers(&Refused::KeysUnavailable, "r");
        assert_eq!(headers[RETRY_AFTER], "5");
        assert!(!headers.contains_key(WWW_AUTHENTICATE));
    }
}
