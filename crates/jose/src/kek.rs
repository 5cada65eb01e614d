//! The key-encryption key: secrets at rest.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD_INDIFFERENT, URL_SAFE_NO_PAD_INDIFFERENT};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use josekit::jwe::JweContentEncryption as _;
use josekit::jwe::enc::A256GCM;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{KeyError, WrapError};

/// The longest record, in bytes.
const MAX_PLAINTEXT_LEN: usize = 64 * 1024;
/// The longest encrypted record, in characters: base64url of the longest record, and the header.
const MAX_JWE_LEN: usize = MAX_PLAINTEXT_LEN / 3 * 4 + 1024;
/// Length of the initialization vector in bytes (RFC 7518 section 5.3).
const IV_LEN: usize = 12;
/// Length of the authentication tag in bytes. Never less: OpenSSL would accept a truncated tag, which can be guessed.
const TAG_LEN: usize = 16;

/// The id of a key-encryption key: short, not reversible, the same on every node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KekId(String);

impl KekId {
    /// Length of every id, in characters.
    const LEN: usize = 11;

    fn of(key: &[u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"symbolon kek")
            .chain_update(key)
            .finalize();
        Self(BASE64_URL_SAFE_NO_PAD.encode(&digest[..8]))
    }

    fn parse(text: &str) -> Option<Self> {
        let base64url = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (text.len() == Self::LEN && base64url).then(|| Self(text.to_owned()))
    }
}

impl AsRef<str> for KekId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A 256-bit key that encrypts other secrets at rest. `Debug` shows its id alone; wiped when dropped.
///
/// Records are compact JWEs (RFC 7516) with `alg` `dir` and `enc` `A256GCM`. Their random 96-bit IVs allow 2^32 records
/// under one key (NIST SP 800-38D section 8.3): far more than keys are ever made.
pub struct KeyEncryptionKey {
    key: Zeroizing<[u8; 32]>,
    id: KekId,
}

/// The protected header, which the encryption authenticates. It has these members and no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    kid: String,
    purpose: String,
}

impl KeyEncryptionKey {
    /// Reads 32 bytes in base64 or base64url, padded or not, with white space around it.
    ///
    /// # Errors
    /// [`KeyError::KekFormat`] for anything else, [`KeyError::KekNotRandom`] for one byte repeated.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        // 32 bytes have 43 digits, and one of padding.
        if !(43..=44).contains(&text.len()) {
            return Err(KeyError::KekFormat);
        }
        let decoded = STANDARD_NO_PAD_INDIFFERENT
            .decode(text)
            .or_else(|_| URL_SAFE_NO_PAD_INDIFFERENT.decode(text));
        let bytes = Zeroizing::new(decoded.map_err(|_| KeyError::KekFormat)?);
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(KeyError::KekFormat);
        }
        key.copy_from_slice(&bytes);
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(KeyError::KekNotRandom);
        }
        Ok(Self::new(key))
    }

    /// Makes a key from the randomness that `fill` gives: it must fill the whole buffer from a cryptographically secure
    /// generator.
    pub fn generate(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        fill(key.as_mut_slice());
        Self::new(key)
    }

    fn new(key: Zeroizing<[u8; 32]>) -> Self {
        let id = KekId::of(&key);
        Self { key, id }
    }

    /// The key in base64, as [`Self::from_base64`] reads it and `openssl rand -base64 32` writes it.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_STANDARD.encode(self.key.as_slice()))
    }

    /// The id of the key: base64url of the first 8 bytes of SHA-256 over `symbolon kek` and the key.
    pub fn id(&self) -> &KekId {
        &self.id
    }

    /// Encrypts a record of at most 64 KiB. `purpose` says what and where it is (`signing-key:<kid>`, say): it is bound
    /// to the record, so that one record can't take the place of another.
    ///
    /// # Errors
    /// [`WrapError::Purpose`] and [`WrapError::TooLong`] for what is out of bounds, [`WrapError::Backend`] if OpenSSL
    /// fails.
    pub fn wrap(&self, purpose: &str, plaintext: &[u8]) -> Result<String, WrapError> {
        check_purpose(purpose)?;
        if plaintext.len() > MAX_PLAINTEXT_LEN {
            return Err(WrapError::TooLong {
                limit: MAX_PLAINTEXT_LEN,
            });
        }
        // Neither the id nor the purpose has a character that JSON escapes.
        let id = &self.id;
        let mut jwe = BASE64_URL_SAFE_NO_PAD.encode(format!(
            r#"{{"alg":"dir","enc":"A256GCM","kid":"{id}","purpose":"{purpose}"}}"#
        ));
        let iv = josekit::util::random_bytes(IV_LEN);
        let (ciphertext, tag) = A256GCM
            .encrypt(self.key.as_slice(), Some(&iv), plaintext, jwe.as_bytes())
            .map_err(|error| WrapError::Backend(error.to_string()))?;
        let tag = tag.ok_or_else(|| WrapError::Backend("no authentication tag".to_owned()))?;
        jwe.push('.');
        for part in [&iv, &ciphertext, &tag] {
            jwe.push('.');
            BASE64_URL_SAFE_NO_PAD.encode_string(part, &mut jwe);
        }
        Ok(jwe)
    }

    /// Decrypts a record that was encrypted for `purpose`. The header is judged before any decryption: nothing but
    /// `dir` with `A256GCM` and our own two members exists, so that there is no password to stretch and nothing to
    /// inflate.
    ///
    /// # Errors
    /// [`WrapError::WrongKey`] names the key that is needed, [`WrapError::WrongPurpose`] is a record from elsewhere,
    /// [`WrapError::Corrupt`] anything else that this key did not write.
    pub fn unwrap(&self, purpose: &str, jwe: &str) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        check_purpose(purpose)?;
        let record = Record::parse(jwe).ok_or(WrapError::Corrupt)?;
        if record.key_id != self.id {
            return Err(WrapError::WrongKey {
                wanted: record.key_id,
            });
        }
        if record.purpose != purpose {
            return Err(WrapError::WrongPurpose);
        }
        let decode = |text: &str| {
            BASE64_URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| WrapError::Corrupt)
        };
        let (iv, ciphertext, tag) = (
            decode(record.iv)?,
            decode(record.ciphertext)?,
            decode(record.tag)?,
        );
        if iv.len() != IV_LEN || tag.len() != TAG_LEN {
            return Err(WrapError::Corrupt);
        }
        A256GCM
            .decrypt(
                self.key.as_slice(),
                Some(&iv),
                &ciphertext,
                record.header.as_bytes(),
                Some(&tag),
            )
            .map(Zeroizing::new)
            .map_err(|_| WrapError::Corrupt)
    }

    /// The id of the key that a record needs; `None` if it is not one of ours. Nothing is verified.
    pub fn key_id_of(jwe: &str) -> Option<KekId> {
        Record::parse(jwe).map(|record| record.key_id)
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEncryptionKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The key-encryption keys of a node: one that encrypts, and others that may open what they have encrypted.
#[derive(Debug)]
pub struct EncryptionKeys {
    current: KeyEncryptionKey,
    previous: Vec<KeyEncryptionKey>,
}

impl EncryptionKeys {
    /// `current` encrypts; all of them open. The order of the others makes no difference.
    pub fn new(current: KeyEncryptionKey, previous: Vec<KeyEncryptionKey>) -> Self {
        Self { current, previous }
    }

    /// The key that encrypts.
    pub fn current(&self) -> &KeyEncryptionKey {
        &self.current
    }

    /// The keys that only open.
    pub fn previous(&self) -> &[KeyEncryptionKey] {
        &self.previous
    }

    /// All of them, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &KeyEncryptionKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// Encrypts under the current key; see [`KeyEncryptionKey::wrap`].
    ///
    /// # Errors
    /// Those of [`KeyEncryptionKey::wrap`].
    pub fn wrap(&self, purpose: &str, plaintext: &[u8]) -> Result<String, WrapError> {
        self.current.wrap(purpose, plaintext)
    }

    /// Opens with the key that the record names; see [`KeyEncryptionKey::unwrap`].
    ///
    /// # Errors
    /// Those of [`KeyEncryptionKey::unwrap`].
    pub fn unwrap(&self, purpose: &str, jwe: &str) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let named = KeyEncryptionKey::key_id_of(jwe);
        let key = self.previous.iter().find(|key| Some(key.id()) == named.as_ref());
        key.unwrap_or(&self.current).unwrap(purpose, jwe)
    }

    /// Whether the record names one of the keys.
    pub fn include_key_of(&self, jwe: &str) -> bool {
        let named = KeyEncryptionKey::key_id_of(jwe);
        named.is_some_and(|named| self.all().any(|key| *key.id() == named))
    }

    /// Encrypts under the current key what is encrypted under another; `None` where it is already.
    ///
    /// # Errors
    /// Those of [`KeyEncryptionKey::unwrap`] and [`KeyEncryptionKey::wrap`].
    pub fn rewrap(&self, purpose: &str, jwe: &str) -> Result<Option<String>, WrapError> {
        // Opened in any case: what is damaged must not be passed over.
        let plaintext = self.unwrap(purpose, jwe)?;
        if KeyEncryptionKey::key_id_of(jwe).as_ref() == Some(self.current.id()) {
            return Ok(None);
        }
        self.wrap(purpose, &plaintext).map(Some)
    }
}

/// An encrypted record whose header was read and whose parts are still encoded.
struct Record<'a> {
    header: &'a str,
    key_id: KekId,
    purpose: String,
    iv: &'a str,
    ciphertext: &'a str,
    tag: &'a str,
}

impl<'a> Record<'a> {
    fn parse(jwe: &'a str) -> Option<Self> {
        if jwe.len() > MAX_JWE_LEN {
            return None;
        }
        // The second part is the encrypted key, which is empty with `dir` (RFC 7516 section 5.1).
        let (header, rest) = jwe.split_once("..")?;
        let (iv, rest) = rest.split_once('.')?;
        let (ciphertext, tag) = rest.split_once('.')?;
        let members: Header = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if members.alg != "dir" || members.enc != "A256GCM" {
            return None;
        }
        let key_id = KekId::parse(&members.kid)?;
        Some(Self {
            header,
            key_id,
            purpose: members.purpose,
            iv,
            ciphertext,
            tag,
        })
    }
}

fn check_purpose(purpose: &str) -> Result<(), WrapError> {
    let in_bounds = (1..=192).contains(&purpose.len());
    if in_bounds
        && purpose
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b))
    {
        Ok(())
    } else {
        Err(WrapError::Purpose)
    }
}
