//! Client secrets and the server secrets that keys derive from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{ClientUid, Rng, UnixMillis};

/// What a server secret is for. A key that derives from one purpose opens nothing of another.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SecretPurpose {
    /// Signature of the audit trail's checkpoints: each secret is the seed of an Ed25519 key (RFC 8032 section 5.1.5).
    AuditSigning,
    /// Keyed hash of client secrets.
    ClientSecretHash,
    /// Authentication of page cursors.
    Cursor,
    /// Signature of the revocation feed: each secret is the seed of an Ed25519 key (RFC 8032 section 5.1.5).
    FeedSigning,
    /// Seal of refresh tokens.
    RefreshSeal,
}

impl SecretPurpose {
    /// Every purpose.
    pub const ALL: [Self; 5] = [
        Self::AuditSigning,
        Self::ClientSecretHash,
        Self::Cursor,
        Self::FeedSigning,
        Self::RefreshSeal,
    ];

    /// The name in the store and in key derivation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuditSigning => "audit-signing",
            Self::ClientSecretHash => "client-secret-hash",
            Self::Cursor => "cursor",
            Self::FeedSigning => "feed-signing",
            Self::RefreshSeal => "refresh-seal",
        }
    }
}

/// One server secret: 256 bits, made by the server. At rest it is encrypted under the key-encryption key, so that
/// neither the database nor the configuration alone gives it away.
#[derive(Clone)]
pub struct ServerSecret {
    /// Number of the secret within its purpose; records that depend on it name it.
    pub id: u16,
    /// From this moment the secret is the one that new records use.
    pub active_from: UnixMillis,
    /// The key material.
    pub key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSecret")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A client secret as it is kept: a keyed hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientSecretHash {
    /// The server secret that keyed the hash.
    pub key_id: u16,
    /// HMAC-SHA-256 over the client's uid and the secret.
    pub mac: [u8; 32],
    /// From this moment the secret is refused; `None` for never.
    pub expires: Option<UnixMillis>,
}

impl ClientSecretHash {
    /// Tells the secret from the client's others, and nothing about it: 12 hexadecimal digits.
    pub fn id(&self) -> String {
        let digest = Sha256::new()
            .chain_update("client-secret-id|")
            .chain_update(self.mac)
            .finalize();
        digest[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Makes, hashes and checks client secrets.
#[derive(Clone, Debug)]
pub struct ClientSecrets {
    keys: Vec<ServerSecret>,
}

impl ClientSecrets {
    /// Two secrets may be live at once, so that a client can move from one to the other.
    pub const MAX_LIVE: usize = 2;

    /// `keys` are the server secrets of [`SecretPurpose::ClientSecretHash`], the newest last.
    pub fn new(keys: Vec<ServerSecret>) -> Self {
        Self { keys }
    }

    /// A fresh secret of 256 bits with the prefix `sbs_`, by which secret scanners find it.
    pub fn generate(rng: &dyn Rng) -> SecretString {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill(&mut *bytes);
        format!("sbs_{}", URL_SAFE_NO_PAD.encode(*bytes)).into()
    }

    /// The hash under which a secret is kept; `None` where the server has no key for it.
    pub fn hash(&self, client: ClientUid, secret: &SecretString) -> Option<ClientSecretHash> {
        let key = self.keys.last()?;
        Some(ClientSecretHash {
            key_id: key.id,
            mac: mac(key, client, secret),
            expires: None,
        })
    }

    /// Whether the secret is one of those kept. Every candidate is compared, each in constant time.
    pub fn matches(
        &self,
        client: ClientUid,
        presented: &SecretString,
        kept: &[ClientSecretHash],
        now: UnixMillis,
    ) -> bool {
        let mut good = subtle::Choice::from(0);
        for hash in kept
            .iter()
            .filter(|hash| hash.expires.is_none_or(|end| now < end))
        {
            if let Some(key) = self.keys.iter().find(|key| key.id == hash.key_id) {
                good |= mac(key, client, presented).ct_eq(&hash.mac);
            }
        }
        good.into()
    }
}

fn mac(key: &ServerSecret, client: ClientUid, secret: &SecretString) -> [u8; 32] {
    keyed_hash(
        &key.key,
        &[client.0.as_bytes(), secret.expose_secret().as_bytes()],
    )
}

/// HMAC-SHA-256 over the parts, each preceded by its length.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(crate) fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::SystemRng;

    fn secrets(ids: &[u16]) -> ClientSecrets {
        let make = |&id: &u16| ServerSecret {
            id,
            active_from: UnixMillis(0),
            key: Zeroizing::new([id.to_be_bytes()[1]; 32]),
        };
        ClientSecrets::new(ids.iter().map(make).collect())
    }

    #[test]
    fn generated_secrets_have_256_bits() {
        let secret = ClientSecrets::generate(&SystemRng);
        let tail = secret.expose_secret().strip_prefix("sbs_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(tail).unwrap().len(), 32);
    }

    #[test]
    fn matches_either_live_secret_of_this_client_only() {
        let keys = secrets(&[1, 2]);
        let (a, b) = (ClientUid(Uuid::from_u128(1)), ClientUid(Uuid::from_u128(2)));
        let (first, second) = (SecretString::from("one"), SecretString::from("two"));
        let mut kept = vec![
            secrets(&[1]).hash(a, &first).unwrap(),
            keys.hash(a, &second).unwrap(),
        ];
        let now = UnixMillis(10);
        assert!(keys.matches(a, &first, &kept, now) && keys.matches(a, &second, &kept, now));
        assert!(!keys.matches(b, &first, &kept, now));
        assert!(!keys.matches(a, &"three".into(), &kept, now));
        kept[0].expires = Some(UnixMillis(10));
        assert!(!keys.matches(a, &first, &kept, now));
        assert!(!secrets(&[2]).matches(a, &first, &kept[..1], UnixMillis(1)));
    }
}
