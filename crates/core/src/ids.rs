//! Identifiers. All that we make are UUIDv7 (RFC 9562 section 5.7): the time in them is that of the request.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_oauth_types::UnixMillis;
use uuid::Uuid;

use crate::Rng;

/// A UUIDv7 of the given moment.
pub fn uuid_v7(at: UnixMillis, rng: &dyn Rng) -> Uuid {
    let mut random = [0; 10];
    rng.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(at.0, &random).into_uuid()
}

/// The moment in a UUIDv7; the epoch for any other UUID, so that every cutoff hits it.
fn moment_of(id: Uuid) -> UnixMillis {
    if id.get_version_num() != 7 {
        return UnixMillis(0);
    }
    UnixMillis((id.as_u128() >> 80) as u64)
}

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id of the given moment.
            pub fn new(at: UnixMillis, rng: &dyn Rng) -> Self {
                Self(uuid_v7(at, rng))
            }

            /// The moment in the id.
            pub fn moment(self) -> UnixMillis {
                moment_of(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_newtype!(
    /// A client's unchanging identity, which outlives no deletion: a client that is made again under the same
    /// `client_id` has another. It is the `sub` of tokens that the client gets for itself.
    ClientUid
);
uuid_newtype!(
    /// A session: what one login started for one client. Its moment is the start that cutoffs are judged by.
    SessionId
);
uuid_newtype!(
    /// The subject of tokens: a user, or a client acting for itself. No two of either are ever equal.
    Subject
);
uuid_newtype!(
    /// One access token, its `jti`.
    TokenId
);

/// A client identifier: `1*VSCHAR` without space, `"`, `\` and `:`, at most [`ClientId::MAX_BYTES`] bytes
/// ([RFC 6749 appendix A.1](https://www.rfc-editor.org/rfc/rfc6749#appendix-A.1), narrowed).
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(Box<str>);

impl ClientId {
    /// Longest identifier that is accepted, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The identifier as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ClientUid> for ClientId {
    fn from(uid: ClientUid) -> Self {
        Self(uid.to_string().into())
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x39 | 0x3B..=0x5B | 0x5D..=0x7E);
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(allowed) {
            return Err(ClientIdError);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ClientId {
    type Error = ClientIdError;

    fn try_from(text: String) -> Result<Self, ClientIdError> {
        text.parse()
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no client identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a client id is 1 to {} printable ASCII characters without space, colon, double quote and backslash",
    ClientId::MAX_BYTES
)]
pub struct ClientIdError;

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Rng for Ones {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(0xFF);
        }
    }

    #[test]
    fn the_moment_is_in_the_id() {
        let at = UnixMillis(1_700_000_000_123);
        let sid = SessionId::new(at, &Ones);
        assert_eq!(sid.0.get_version_num(), 7);
        assert_eq!(sid.moment(), at);
        assert_eq!(SessionId(Uuid::from_u128(u128::MAX)).moment(), UnixMillis(0));
    }

    #[test]
    fn client_ids_are_bounded_and_printable() {
        assert_eq!("my-app".parse::<ClientId>().unwrap().as_str(), "my-app");
        let long = "x".repeat(129);
        for bad in ["", "a b", "a:b", "a\nb", "a\"b", "ä", "a\u{1b}[31m", &long] {
            assert_eq!(bad.parse::<ClientId>(), Err(ClientIdError), "{bad:?}");
        }
    }
}
