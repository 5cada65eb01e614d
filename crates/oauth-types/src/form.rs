use std::borrow::Cow;

/// A decoded `application/x-www-form-urlencoded` body, held to
/// [RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2): a parameter without a value counts
/// as absent, and none may be repeated except `resource` (RFC 8707 section 2).
pub struct Form<'a> {
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Form<'a> {
    /// Most parameters that one request may carry.
    pub const MAX_FIELDS: usize = 64;

    /// Decodes a body.
    ///
    /// # Errors
    /// [`FormError`] for invalid percent-encoding, invalid UTF-8, a repeated parameter, or too many of them.
    pub fn parse(body: &'a [u8]) -> Result<Self, FormError> {
        let mut fields: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == Self::MAX_FIELDS {
                return Err(FormError::TooMany);
            }
            let cut = pair.iter().position(|b| *b == b'=');
            let (name, value) = cut.map_or((pair, &[][..]), |i| (&pair[..i], &pair[i + 1..]));
            let name = decode(name).ok_or(FormError::Encoding)?;
            if name != "resource" && fields.iter().any(|(seen, _)| *seen == name) {
                return Err(FormError::Repeated);
            }
            fields.push((name, decode(value).ok_or(FormError::Encoding)?));
        }
        Ok(Self { fields })
    }

    /// The value of a parameter; `None` where it is absent or empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_ref())
    }

    /// All non-empty values of a parameter that may be repeated.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.fields
            .iter()
            .filter(move |(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_ref())
    }
}

/// Why a body was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FormError {
    /// Percent-encoding or UTF-8 is invalid.
    #[error("the form encoding is invalid")]
    Encoding,
    /// A parameter occurs twice.
    #[error("a parameter is repeated")]
    Repeated,
    /// More than [`Form::MAX_FIELDS`] parameters.
    #[error("there are too many parameters")]
    TooMany,
}

/// Decodes one form-urlencoded component strictly: `None` for a stray `%` or for what is not UTF-8.
pub(crate) fn decode(raw: &[u8]) -> Option<Cow<'_, str>> {
    if !raw.iter().any(|b| matches!(b, b'%' | b'+')) {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&b) = bytes.next() {
        out.push(match b {
            b'+' => b' ',
            b'%' => hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_and_treats_empty_as_absent() {
        let form = Form::parse(b"a=x+y%21&b=&c&d=%C3%A4&&e=1=2").unwrap();
        assert_eq!(form.value("a"), Some("x y!"));
        assert_eq!(form.value("b"), None);
        assert_eq!(form.value("c"), None);
        assert_eq!(form.value("d"), Some("ä"));
        assert_eq!(form.value("e"), Some("1=2"));
    }

    #[test]
    fn refuses_repeats_except_resource() {
        assert_eq!(Form::parse(b"a=1&a=2").err(), Some(FormError::Repeated));
        assert_eq!(Form::parse(b"a=1&%61=2").err(), Some(FormError::Repeated));
        assert_eq!(Form::parse(b"a=&a=").err(), Some(FormError::Repeated));
        let form = Form::parse(b"resource=x&resource=y").unwrap();
        assert_eq!(form.values("resource").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn refuses_bad_encoding_and_floods() {
        for bad in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"a=\xff", b"%f0=1"] {
            assert_eq!(Form::parse(bad).err(), Some(FormError::Encoding), "{bad:?}");
        }
        let flood = (0..65).map(|i| format!("p{i}=1&")).collect::<String>();
        assert_eq!(Form::parse(flood.as_bytes()).err(), Some(FormError::TooMany));
        let resources = "resource=urn:x&".repeat(65);
        assert_eq!(Form::parse(resources.as_bytes()).err(), Some(FormError::TooMany));
    }
}
