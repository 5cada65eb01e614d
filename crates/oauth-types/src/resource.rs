use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A resource indicator: an absolute URI without fragment that names a resource server and becomes its `aud`
/// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)). Compared byte by byte.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceIndicator(Box<str>);

impl ResourceIndicator {
    /// Longest indicator that is accepted, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// The URI as it was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceIndicator {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let printable = text.bytes().all(|b| (0x21..=0x7E).contains(&b));
        if text.len() > Self::MAX_BYTES || !printable || text.contains('#') || url::Url::parse(text).is_err()
        {
            return Err(ResourceError);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ResourceIndicator {
    type Error = ResourceError;

    fn try_from(text: String) -> Result<Self, ResourceError> {
        text.parse()
    }
}

impl From<ResourceIndicator> for String {
    fn from(indicator: ResourceIndicator) -> Self {
        indicator.0.into()
    }
}

impl fmt::Display for ResourceIndicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no absolute URI without fragment of at most [`ResourceIndicator::MAX_BYTES`] bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a resource indicator is an absolute URI without fragment, at most {} bytes long",
    ResourceIndicator::MAX_BYTES
)]
pub struct ResourceError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_absolute_uris_only() {
        for good in [
            "https://api.example",
            "urn:example:api",
            "https://api.example/v1?x=1",
        ] {
            assert_eq!(good.parse::<ResourceIndicator>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/api",
            "api",
            "https://api.example/#x",
            "https://api.example/\r\n",
            "https://ä.example",
        ] {
            assert_eq!(bad.parse::<ResourceIndicator>(), Err(ResourceError), "{bad:?}");
        }
        assert!(
            format!("urn:{}", "a".repeat(600))
                .parse::<ResourceIndicator>()
                .is_err()
        );
    }
}
