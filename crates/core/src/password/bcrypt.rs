//! bcrypt, as OpenBSD (`$2b$`), crypt_blowfish (`$2y$`, `$2a$`) and Django write it.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::{PasswordHashError, encoding};

const FORM: &str = "$2b$cost$, or $2a$ or $2y$ likewise, with a cost of two digits and 53 characters";
const CEILING: &str = "bcrypt may have a cost of 15";

const MIN_COST: u32 = 4;
/// About two seconds.
const MAX_COST: u32 = 15;
const SALT_BYTES: usize = 16;
const SALT_CHARS: usize = 22;
/// One byte less than what is computed: so it was written down in 1999.
const OUTPUT_BYTES: usize = 23;
/// bcrypt takes no more than this of a password; the byte of zero that ends it included, where there is room.
const KEY_BYTES: usize = 72;

/// A bcrypt hash within the ceiling.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct BcryptHash {
    cost: u32,
    salt: [u8; SALT_BYTES],
    output: Vec<u8>,
    /// What was hashed is the SHA-256 of the password in hexadecimal digits (Django's `bcrypt_sha256`).
    sha256: bool,
}

impl BcryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let [empty, version, cost, rest] = encoding::fields(text).ok_or(malformed)?;
        if !empty.is_empty() || !["2a", "2b", "2y"].contains(&version) || cost.len() != 2 {
            return Err(malformed);
        }
        let (salt, output) = rest.split_at_checked(SALT_CHARS).ok_or(malformed)?;
        let salt = encoding::bcrypt(salt).and_then(|salt| salt.try_into().ok());
        let output = encoding::bcrypt(output).filter(|output| output.len() == OUTPUT_BYTES);
        let (Some(salt), Some(output)) = (salt, output) else {
            return Err(malformed);
        };
        let cost = encoding::number(cost).and_then(|cost| u32::try_from(cost).ok());
        let cost = cost.filter(|cost| *cost >= MIN_COST).ok_or(malformed)?;
        if cost > MAX_COST {
            return Err(PasswordHashError::Ceiling(CEILING));
        }
        Ok(Self {
            cost,
            salt,
            output,
            sha256: false,
        })
    }

    pub(super) fn of_sha256(self) -> Self {
        Self { sha256: true, ..self }
    }

    /// As the systems that made it: what is past 72 bytes of the password is ignored. A password with a byte of zero in
    /// it is no other system's.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
        let digest;
        let password = if self.sha256 {
            digest = hexadecimal(password);
            &digest[..]
        } else {
            password
        };
        let taken = password.len().min(KEY_BYTES);
        key[..taken].copy_from_slice(&password[..taken]);
        let key = &key[..KEY_BYTES.min(taken + 1)];
        let found = Zeroizing::new(::bcrypt::bcrypt(self.cost, self.salt, key));
        found[..OUTPUT_BYTES].ct_eq(&self.output).into()
    }
}

/// The SHA-256 of a password in hexadecimal digits.
fn hexadecimal(password: &[u8]) -> Zeroizing<[u8; 64]> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digest = Sha256::digest(password);
    let mut text = Zeroizing::new([0; 64]);
    for (pair, byte) in text.chunks_exact_mut(2).zip(&digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digest.as_mut_slice().zeroize();
    text
}
