//! Refresh tokens: the immutable facts of a session and a generation, sealed. Nothing of them is stored, and the
//! seal is deterministic, so that the successor of a token is re-derived whenever it is asked for again.

use std::collections::BTreeSet;

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet, UnixMillis};
use zeroize::Zeroizing;

use crate::secret::ServerSecret;
use crate::{ClientUid, SessionId, Subject};

/// What a login fixed, for as long as the session lives.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionFacts {
    /// The session; its moment is when it began.
    pub session: SessionId,
    /// The user.
    pub subject: Subject,
    /// The client that holds the tokens.
    pub client: ClientUid,
    /// The grant that began the session.
    pub grant: GrantType,
    /// What was granted.
    pub scope: ScopeSet,
    /// The resource servers that were granted.
    pub audiences: BTreeSet<ResourceIndicator>,
    /// Thumbprint of the key that the session is bound to, where it is bound to one.
    pub key_binding: Option<[u8; 32]>,
    /// When the user proved who they are.
    pub auth_time: UnixMillis,
    /// Authentication context class, where one was established.
    pub acr: Option<String>,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// Absolute end of the session.
    pub ends: UnixMillis,
}

/// A refresh token, opened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RefreshToken {
    /// The session's facts.
    pub facts: SessionFacts,
    /// How many rotations came before.
    pub generation: u32,
    /// When this generation was issued; idle expiry counts from here.
    pub issued: UnixMillis,
}

impl RefreshToken {
    /// The token that replaces this one.
    #[must_use]
    pub fn successor(&self, generation: u32, issued: UnixMillis) -> Self {
        Self {
            facts: self.facts.clone(),
            generation,
            issued,
        }
    }
}

/// Seals and opens refresh tokens with AES-SIV (RFC 5297) under keys that derive from the server secrets of
/// [`crate::secret::SecretPurpose::RefreshSeal`].
pub struct RefreshSeal {
    issuer: u16,
    keys: Vec<SealKey>,
}

struct SealKey {
    id: u16,
    active_from: UnixMillis,
    key: Zeroizing<[u8; 64]>,
}

/// What every refresh token starts with; secret scanners find it by this.
pub const PREFIX: &str = "sbr_";
const VERSION: u8 = 1;
/// Version, key id, issuer id.
const HEADER_BYTES: usize = 5;
const TAG_BYTES: usize = 16;

impl RefreshSeal {
    /// A seal for one issuer. `secrets` may hold several: tokens are opened by the one they name, and sealed by
    /// the newest that was active when their generation was issued.
    pub fn new(issuer: u16, secrets: &[ServerSecret]) -> Self {
        let mut keys: Vec<_> = secrets
            .iter()
            .map(|secret| SealKey {
                id: secret.id,
                active_from: secret.active_from,
                key: derive(secret, issuer),
            })
            .collect();
        keys.sort_by_key(|key| (key.active_from, key.id));
        Self { issuer, keys }
    }

    /// The text of a token. The same token always gives the same text.
    ///
    /// # Errors
    /// [`SealError`] where no key was active at the time or the facts do not fit.
    pub fn seal(&self, token: &RefreshToken) -> Result<SecretString, SealError> {
        let key = self
            .keys
            .iter()
            .rfind(|key| key.active_from <= token.issued)
            .ok_or(SealError)?;
        let plain = Zeroizing::new(postcard::to_allocvec(token).map_err(|_| SealError)?);
        let mut sealed = self.header(key.id).to_vec();
        let body = key
            .cipher()
            .encrypt([PREFIX.as_bytes(), &sealed], &plain)
            .map_err(|_| SealError)?;
        sealed.extend_from_slice(&body);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&sealed)).into())
    }

    /// Opens a token. `None` for anything that [`RefreshSeal::seal`] did not make: forged, truncated, extended,
    /// of another issuer, or sealed under a key that is gone. No store is asked.
    pub fn open(&self, text: &SecretString) -> Option<RefreshToken> {
        let sealed = URL_SAFE_NO_PAD
            .decode(text.expose_secret().strip_prefix(PREFIX)?)
            .ok()?;
        let (header, body) = sealed.split_at_checked(HEADER_BYTES)?;
        let key = self.keys.iter().find(|key| self.header(key.id) == *header)?;
        if body.len() < TAG_BYTES {
            return None;
        }
        let plain = Zeroizing::new(key.cipher().decrypt([PREFIX.as_bytes(), header], body).ok()?);
        postcard::from_bytes(&plain).ok()
    }

    fn header(&self, key_id: u16) -> [u8; HEADER_BYTES] {
        let ([k1, k2], [i1, i2]) = (key_id.to_be_bytes(), self.issuer.to_be_bytes());
        [VERSION, k1, k2, i1, i2]
    }
}

impl std::fmt::Debug for RefreshSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshSeal")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl SealKey {
    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new((&*self.key).into())
    }
}

#[expect(
    clippy::expect_used,
    reason = "64 bytes are within HKDF's bound of 255 hashes"
)]
fn derive(secret: &ServerSecret, issuer: u16) -> Zeroizing<[u8; 64]> {
    let mut key = Zeroizing::new([0; 64]);
    let info = [b"symbolon refresh seal v1".as_slice(), &issuer.to_be_bytes()];
    Hkdf::<Sha256>::new(None, &*secret.key)
        .expand_multi_info(&info, &mut *key)
        .expect("a short output");
    key
}

/// A refresh token could not be sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no seal key was active when the refresh token was issued")]
pub struct SealError;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn secret(id: u16, active_from: u64) -> ServerSecret {
        ServerSecret {
            id,
            active_from: UnixMillis(active_from),
            key: Zeroizing::new([u8::try_from(id).unwrap(); 32]),
        }
    }

    fn token() -> RefreshToken {
        RefreshToken {
            facts: SessionFacts {
                session: SessionId(Uuid::from_u128(1)),
                subject: Subject(Uuid::from_u128(2)),
                client: ClientUid(Uuid::from_u128(3)),
                grant: GrantType::Password,
                scope: "orders:read orders:write".parse().unwrap(),
                audiences: ["https://api.example".parse().unwrap()].into(),
                key_binding: None,
                auth_time: UnixMillis(1_000),
                acr: None,
                amr: vec!["pwd".into()],
                ends: UnixMillis(9_000),
            },
            generation: 4,
            issued: UnixMillis(2_000),
        }
    }

    #[test]
    fn sealing_is_deterministic_and_opens_again() {
        let seal = RefreshSeal::new(1, &[secret(1, 0)]);
        let text = seal.seal(&token()).unwrap();
        assert_eq!(text.expose_secret(), seal.seal(&token()).unwrap().expose_secret());
        assert_eq!(seal.open(&text), Some(token()));
        assert!(text.expose_secret().len() < 300, "{}", text.expose_secret().len());
    }

    #[test]
    fn every_flipped_byte_every_cut_and_every_extension_is_refused() {
        let seal = RefreshSeal::new(1, &[secret(1, 0)]);
        let text = seal.seal(&token()).unwrap().expose_secret().to_owned();
        for i in 0..text.len() {
            for flip in [1, 0x20] {
                let mut bytes = text.clone().into_bytes();
                bytes[i] ^= flip;
                if let Ok(changed) = String::from_utf8(bytes) {
                    assert_eq!(seal.open(&changed.into()), None, "byte {i}");
                }
            }
            assert_eq!(seal.open(&text[..i].into()), None, "cut at {i}");
        }
        for more in ["A", "AA", "=", "AAAA", " "] {
            assert_eq!(seal.open(&format!("{text}{more}").into()), None);
        }
    }

    #[test]
    fn another_issuer_or_key_can_not_open() {
        let text = RefreshSeal::new(1, &[secret(1, 0)]).seal(&token()).unwrap();
        assert_eq!(RefreshSeal::new(2, &[secret(1, 0)]).open(&text), None);
        assert_eq!(RefreshSeal::new(1, &[secret(2, 0)]).open(&text), None);
        let mut swapped = secret(2, 0);
        swapped.id = 1;
        assert_eq!(RefreshSeal::new(1, &[swapped]).open(&text), None);
    }

    #[test]
    fn a_new_key_seals_what_is_issued_from_its_start_on() {
        let old = RefreshSeal::new(1, &[secret(1, 0)]);
        let both = RefreshSeal::new(1, &[secret(2, 3_000), secret(1, 0)]);
        let text = |seal: &RefreshSeal, t: &RefreshToken| seal.seal(t).unwrap().expose_secret().to_owned();
        assert_eq!(
            text(&both, &token()),
            text(&old, &token()),
            "a replay gives what the old key sealed"
        );
        let later = token().successor(5, UnixMillis(3_000));
        assert_ne!(text(&both, &later), text(&old, &later));
        assert_eq!(both.open(&text(&both, &later).into()), Some(later));
    }
}
