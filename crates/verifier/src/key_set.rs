use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Algorithm;
use crate::json::Object;
use crate::key::Key;

/// The most keys that a set may have.
const MAX_KEYS: usize = 100;

/// The public keys of an issuer (RFC 7517 section 5).
#[derive(Debug)]
pub struct KeySet(HashMap<Box<str>, Arc<Key>>);

impl KeySet {
    /// The longest document that is read, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// Reads a JWKS document. Keys that verify nothing here are left out: those of another type or use, without `kid`,
    /// RSA keys without `alg`, and keys of which more than the public part is there.
    ///
    /// # Errors
    /// [`KeySetError`] where the document is no set, is out of bounds, has two keys with one `kid`, or no key is left.
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > Self::MAX_BYTES {
            return Err(KeySetError::TooLong);
        }
        let set = Object::parse(json).map_err(|_| KeySetError::Malformed)?;
        let keys = set.raw("keys").ok_or(KeySetError::Malformed)?;
        let keys: Vec<&RawValue> = Deserialize::deserialize(keys).map_err(|_| KeySetError::Malformed)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut found = HashMap::new();
        for jwk in keys {
            let jwk = Object::parse(jwk.get().as_bytes()).map_err(|_| KeySetError::Malformed)?;
            let Some(key) = Key::from_jwk(&jwk) else { continue };
            if found.insert(key.kid.clone(), Arc::new(key)).is_some() {
                return Err(KeySetError::Repeated);
            }
        }
        if found.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(Self(found))
    }

    /// The same set without the keys of other algorithms.
    pub(crate) fn only(mut self, algorithm: Algorithm) -> Result<Self, KeySetError> {
        self.0.retain(|_, key| key.algorithm == algorithm);
        if self.0.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(self)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key; never so for a set that was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of all keys.
    pub(crate) fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|kid| &**kid)
    }

    pub(crate) fn find(&self, kid: &str) -> Option<&Arc<Key>> {
        self.0.get(kid)
    }

    /// Takes the place of `old`: keys that stay the same stay the same `Arc`, by which what they verified is known.
    pub(crate) fn replacing(mut self, old: &Self) -> Self {
        for (kid, key) in &mut self.0 {
            if let Some(same) = old.find(kid).filter(|same| **same == *key) {
                *key = Arc::clone(same);
            }
        }
        self
    }
}

/// Why a JWKS document was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// No key verifies anything here.
    #[error("the JWKS has no key that verifies ES256, ES384, EdDSA, PS256 or RS256 and has a `kid`")]
    Empty,
    /// Not JSON, or of another shape.
    #[error("the JWKS is no JSON object with an array `keys` of objects, or a member is repeated")]
    Malformed,
    /// Two keys have one `kid`.
    #[error("the JWKS has two keys with one `kid`")]
    Repeated,
    /// More than [`KeySet::MAX_BYTES`].
    #[error("the JWKS is longer than {} bytes", KeySet::MAX_BYTES)]
    TooLong,
    /// More than 100 keys.
    #[error("the JWKS has more than {MAX_KEYS} keys")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn okp(kid: &str, more: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{X}"{more}}}"#)
    }

    fn set(keys: &[String]) -> Result<KeySet, KeySetError> {
        KeySet::from_json(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    #[test]
    fn leaves_out_keys_that_verify_nothing() {
        let good = okp(
            "good",
            r#","use":"sig","alg":"EdDSA","key_ops":["verify"],"x5u":"http://evil","y":0"#,
        );
        let left_out = [
            okp("a", r#","use":"enc""#),
            okp("a", r#","use":1"#),
            okp("a", r#","key_ops":["sign"]"#),
            okp("a", r#","alg":"ES256""#),
            okp("a", r#","alg":"HS256""#),
            okp("a", r#","d":"AA""#),
            okp("a", r#","k":"AA""#),
            okp("../../etc/passwd", ""),
            okp("", ""),
            okp(&"k".repeat(129), ""),
            okp("a", "").replace(r#""kid":"a","#, ""),
            okp("a", "").replace("Ed25519", "Ed448"),
            okp("a", "").replace("OKP", "EC"),
            okp("a", "").replace(X, "AAAA"),
            okp("a", "").replace(X, &format!("{X}=")),
            r#"{"kty":"oct","kid":"a","alg":"HS256","k":"AAAA"}"#.to_owned(),
            format!(
                r#"{{"kty":"RSA","kid":"a","n":"{}w","e":"AQAB"}}"#,
                "u".repeat(341)
            ),
            format!(
                r#"{{"kty":"RSA","kid":"a","alg":"RS256","n":"{}w","e":"AQAB"}}"#,
                "u".repeat(169)
            ),
            // A point that is not on the curve.
            format!(
                r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{0}","y":"{0}"}}"#,
                "A".repeat(43)
            ),
            format!(
                r#"{{"kty":"RSA","kid":"a","alg":"ES256","n":"{}w","e":"AQAB"}}"#,
                "u".repeat(341)
            ),
        ];
        for key in left_out {
            assert_eq!(
                set(std::slice::from_ref(&key)).unwrap_err(),
                KeySetError::Empty,
                "{key}"
            );
            assert_eq!(set(&[key, good.clone()]).unwrap().len(), 1);
        }
    }

    #[test]
    fn reads_rsa_keys_that_name_their_algorithm() {
        let rsa = format!(
            r#"{{"kty":"RSA","kid":"a","alg":"PS256","n":"{}w","e":"AQAB"}}"#,
            "u".repeat(341)
        );
        let set = set(&[rsa]).unwrap();
        let key = set.find("a").unwrap();
        assert_eq!((key.algorithm, key.signature_len), (crate::Algorithm::Ps256, 256));
    }

    #[test]
    fn rejects_documents_out_of_bounds() {
        let many = |n| (0..n).map(|i| okp(&i.to_string(), "")).collect::<Vec<_>>();
        assert_eq!(set(&many(100)).unwrap().len(), 100);
        assert_eq!(set(&many(101)).unwrap_err(), KeySetError::TooMany);
        assert_eq!(
            set(&[okp("a", ""), okp("a", "")]).unwrap_err(),
            KeySetError::Repeated
        );
        assert_eq!(set(&[]).unwrap_err(), KeySetError::Empty);
        let long = vec![b' '; KeySet::MAX_BYTES + 1];
        assert_eq!(KeySet::from_json(&long).unwrap_err(), KeySetError::TooLong);
        for json in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":[1]}"#,
            r#"{"keys":[],"keys":[]}"#,
        ] {
            assert_eq!(
                KeySet::from_json(json.as_bytes()).unwrap_err(),
                KeySetError::Malformed,
                "{json}"
            );
        }
        assert_eq!(
            set(&[okp("a", r#","kid":"b""#)]).unwrap_err(),
            KeySetError::Malformed
        );
    }

    #[test]
    fn keys_that_stay_are_the_same_and_others_are_not() {
        let old = set(&[okp("a", ""), okp("b", "")]).unwrap();
        let other = okp("b", "").replace(X, &X.replace("11q", "21q"));
        let new = set(&[okp("a", ""), other]).unwrap().replacing(&old);
        assert!(Arc::ptr_eq(new.find("a").unwrap(), old.find("a").unwrap()));
        assert!(!Arc::ptr_eq(new.find("b").unwrap(), old.find("b").unwrap()));
    }
}
