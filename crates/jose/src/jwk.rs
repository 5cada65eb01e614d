//! Public JWKs and sets of them (RFC 7517).

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::alg::{KeyType, SigningAlg};
use crate::certificate::CertificateChain;
use crate::error::KeyError;
use crate::json::UniqueObject;
use crate::kid::Kid;

/// Members of private and symmetric keys (RFC 7518 section 6). A JWK with one of them is refused as a whole.
pub(crate) const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
/// The longest key member, in characters; the modulus of an RSA key of 8192 bits has 1366.
const MAX_MEMBER_LEN: usize = 1400;
/// The most keys in a set that is read.
const MAX_KEYS: usize = 100;

/// A public signature key: `kty`, `use`, `alg`, `kid`, the members of its type, and `x5c` where it has certificates. It
/// has no place for a private member.
///
/// Reading one checks the form; [`crate::PublicKey::from_jwk`] judges the key. When read, `alg` may be absent where the
/// curve implies it, `kid` may be absent and is then the thumbprint, unknown members are dropped, repeated ones refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicJwk {
    alg: SigningAlg,
    kid: Kid,
    params: JwkParams,
    x5c: Option<CertificateChain>,
}

/// The members of each key type, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JwkParams {
    P256 { x: String, y: String },
    P384 { x: String, y: String },
    Ed25519 { x: String },
    Rsa { n: String, e: String },
}

impl PublicJwk {
    /// Joins the parts; without a `kid` it is the thumbprint.
    pub(crate) fn new(alg: SigningAlg, kid: Option<Kid>, params: JwkParams) -> Result<Self, KeyError> {
        params.key_type().check_alg(alg)?;
        let kid = kid.unwrap_or_else(|| params.thumbprint());
        Ok(Self {
            alg,
            kid,
            params,
            x5c: None,
        })
    }

    /// The same key with these certificates.
    pub(crate) fn with_certificates(&self, chain: CertificateChain) -> Self {
        Self {
            x5c: Some(chain),
            ..self.clone()
        }
    }

    /// The only algorithm of the key.
    pub fn alg(&self) -> SigningAlg {
        self.alg
    }

    /// The key id.
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The RFC 7638 SHA-256 thumbprint, whatever `kid` says.
    pub fn thumbprint(&self) -> Kid {
        self.params.thumbprint()
    }

    /// The certificates of the key (`x5c`, RFC 7517 section 4.7). The thumbprint does not depend on them.
    pub fn certificates(&self) -> Option<&CertificateChain> {
        self.x5c.as_ref()
    }

    pub(crate) fn params(&self) -> &JwkParams {
        &self.params
    }

    fn from_object(object: &UniqueObject) -> Result<Self, KeyError> {
        if let Some(member) = object.first_of(&PRIVATE_MEMBERS) {
            return Err(KeyError::JwkPrivate(member));
        }
        if object.member("use").is_some_and(|value| value != "sig") {
            return Err(KeyError::JwkUse("use"));
        }
        let params = JwkParams::from_object(object)?;
        let alg = match optional(object, "alg")? {
            Some(text) => text.parse().map_err(|_| KeyError::JwkAlg)?,
            None => params
                .key_type()
                .implied_alg()
                .ok_or(KeyError::JwkMember("alg"))?,
        };
        let kid = optional(object, "kid")?.map(Kid::parse).transpose()?;
        let jwk = Self::new(alg, kid, params)?;
        let Some(x5c) = object.member("x5c") else {
            return Ok(jwk);
        };
        let chain = CertificateChain::from_x5c(x5c).ok_or(KeyError::JwkMember("x5c"))??;
        Ok(jwk.with_certificates(chain))
    }
}

impl JwkParams {
    fn from_object(object: &UniqueObject) -> Result<Self, KeyError> {
        let required = |member| {
            optional(object, member)?
                .map(str::to_owned)
                .ok_or(KeyError::JwkMember(member))
        };
        let kty = required("kty")?;
        if kty == "RSA" {
            return Ok(Self::Rsa {
                n: required("n")?,
                e: required("e")?,
            });
        }
        let crv = required("crv")?;
        match (kty.as_str(), crv.as_str()) {
            ("EC", "P-256") => Ok(Self::P256 {
                x: required("x")?,
                y: required("y")?,
            }),
            ("EC", "P-384") => Ok(Self::P384 {
                x: required("x")?,
                y: required("y")?,
            }),
            ("OKP", "Ed25519") => Ok(Self::Ed25519 { x: required("x")? }),
            ("EC" | "OKP", _) => Err(KeyError::JwkMember("crv")),
            _ => Err(KeyError::JwkMember("kty")),
        }
    }

    /// The members in lexicographic order of their names, as RFC 7638 hashes them; `kty` included.
    fn required_members(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::P256 { x, y } => vec![("crv", "P-256"), ("kty", "EC"), ("x", x), ("y", y)],
            Self::P384 { x, y } => vec![("crv", "P-384"), ("kty", "EC"), ("x", x), ("y", y)],
            Self::Ed25519 { x } => vec![("crv", "Ed25519"), ("kty", "OKP"), ("x", x)],
            Self::Rsa { n, e } => vec![("e", e), ("kty", "RSA"), ("n", n)],
        }
    }

    /// RFC 7638 section 3, RFC 8037 section 2.
    fn thumbprint(&self) -> Kid {
        // base64url and the names need no escaping, which `optional` and the encoder see to.
        let members: Vec<String> = self
            .required_members()
            .iter()
            .map(|(name, value)| format!("\"{name}\":\"{value}\""))
            .collect();
        Kid::of_digest(&Sha256::digest(format!("{{{}}}", members.join(","))).into())
    }

    fn key_type(&self) -> KeyType {
        match self {
            Self::P256 { .. } => KeyType::P256,
            Self::P384 { .. } => KeyType::P384,
            Self::Ed25519 { .. } => KeyType::Ed25519,
            Self::Rsa { .. } => KeyType::Rsa,
        }
    }
}

/// A member that is a string in bounds, made of characters that JSON does not escape.
fn optional<'a>(object: &'a UniqueObject, member: &'static str) -> Result<Option<&'a str>, KeyError> {
    let Some(value) = object.member(member) else {
        return Ok(None);
    };
    value
        .as_str()
        .filter(|text| text.len() <= MAX_MEMBER_LEN)
        .filter(|text| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        })
        .map(Some)
        .ok_or(KeyError::JwkMember(member))
}

impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.params.required_members();
        let len = members.len() + 3 + usize::from(self.x5c.is_some());
        let mut map = serializer.serialize_map(Some(len))?;
        map.serialize_entry("use", "sig")?;
        map.serialize_entry("alg", &self.alg)?;
        map.serialize_entry("kid", &self.kid)?;
        for (name, value) in members {
            map.serialize_entry(name, value)?;
        }
        if let Some(chain) = &self.x5c {
            map.serialize_entry("x5c", &chain.to_x5c())?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for PublicJwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = UniqueObject::deserialize(deserializer)?;
        Self::from_object(&object).map_err(de::Error::custom)
    }
}

/// A JWK set (RFC 7517 section 5), as the JWKS document publishes it. Reading one refuses more than 100 keys and any
/// set with a key that is not a [`PublicJwk`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys in the order of publication.
    #[serde(deserialize_with = "bounded_keys")]
    pub keys: Vec<PublicJwk>,
}

fn bounded_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PublicJwk>, D::Error> {
    struct Keys;

    impl<'de> de::Visitor<'de> for Keys {
        type Value = Vec<PublicJwk>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "at most {MAX_KEYS} JWKs")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<PublicJwk>, A::Error> {
            let mut keys = Vec::new();
            while let Some(key) = seq.next_element()? {
                if keys.len() == MAX_KEYS {
                    return Err(de::Error::invalid_length(MAX_KEYS + 1, &self));
                }
                keys.push(key);
            }
            Ok(keys)
        }
    }

    deserializer.deserialize_seq(Keys)
}
