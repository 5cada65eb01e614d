//! What a request says of the document that it wants.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

/// Whether the request has the document already that has the tag
/// ([RFC 9110 section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
pub(crate) fn has(request: &HeaderMap, etag: &[u8]) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|field| names_tag(field.as_bytes(), etag))
}

/// Whether an `If-None-Match` field is `*` or lists the tag, by weak comparison: `W/` makes no difference. What is
/// malformed matches nothing from there on.
fn names_tag(field: &[u8], etag: &[u8]) -> bool {
    let mut rest = field.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = match rest {
            [b',' | b' ' | b'\t', tail @ ..] => {
                rest = tail;
                continue;
            }
            [b'W', b'/', tail @ ..] => tail,
            _ => rest,
        };
        // Its quotes included, and there is none between them: no other tag begins like that.
        if rest.starts_with(etag) {
            return true;
        }
        let Some(end) = rest
            .strip_prefix(b"\"")
            .and_then(|opaque| opaque.iter().position(|byte| *byte == b'"'))
        else {
            return false;
        };
        rest = &rest[end + 2..];
    }
}

/// Whether the request takes gzip ([RFC 9110 section 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
/// Only who names it gets it: a bare `*` says less of what can be read than of what nobody thought of.
pub(crate) fn takes_gzip(request: &HeaderMap) -> bool {
    let fields = request.get_all(ACCEPT_ENCODING).iter();
    let mut codings = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    codings.any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        // Section 8.4.1.3: x-gzip is the same.
        let is_gzip = ["gzip", "x-gzip"]
            .iter()
            .any(|gzip| name.trim().eq_ignore_ascii_case(gzip));
        is_gzip && !is_refused(parameters)
    })
}

/// Whether the weight is zero, or none that can be understood.
fn is_refused(parameters: &str) -> bool {
    let parameters = parameters.trim();
    let weight = parameters.strip_prefix("q=").or(parameters.strip_prefix("Q="));
    match weight {
        None => !parameters.is_empty(),
        Some(weight) => !weight.parse::<f32>().is_ok_and(|weight| weight > 0.0),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn reads_lists_of_entity_tags() {
        for field in [
            "*",
            " * ",
            "\"a\"",
            "W/\"a\"",
            "\"b\", \"a\"",
            "\"b\",,\t W/\"a\" ,\"c\"",
            "\"b,\",\"a\"",
        ] {
            assert!(names_tag(field.as_bytes(), b"\"a\""), "{field}");
        }
        for field in [
            "",
            "a",
            "\"a",
            "a\"",
            "\"b\"",
            "\"b\", *",
            "w/\"a\"",
            "\"b\" x \"a\"",
            "\"\"a\"\"",
            "W/",
            ",",
        ] {
            assert!(!names_tag(field.as_bytes(), b"\"a\""), "{field}");
        }
    }

    #[test]
    fn gzip_is_for_whoever_names_it() {
        let takes = |fields: &[&'static str]| {
            let fields = fields
                .iter()
                .map(|field| (ACCEPT_ENCODING, HeaderValue::from_static(field)));
            takes_gzip(&HeaderMap::from_iter(fields))
        };
        for field in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br, gzip",
            "deflate,gzip;q=0.001",
            "gzip ; q=1.0",
        ] {
            assert!(takes(&[field]), "{field}");
        }
        for field in [
            "",
            "br",
            "*",
            "identity",
            "gzip;q=0",
            "gzip;q=0.000",
            "gzip;q=x",
            "gzip;x=1",
            "gzipped",
        ] {
            assert!(!takes(&[field]), "{field}");
        }
        assert!(takes(&["br", "gzip"]), "in the second of two fields");
        assert!(!takes(&[]));
    }
}
