//! Password hashes: Argon2id in PHC form is what this server makes; what other systems made is verified until the next
//! login, which hashes anew. Whatever a stored hash demands has a ceiling.

mod argon;
mod bcrypt;
mod encoding;
mod keycloak;
mod pbkdf2;
mod scrypt;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use secrecy::{ExposeSecret, SecretString};

pub use argon::{HashMemory, PasswordCost};

use self::argon::ArgonHash;
use self::bcrypt::BcryptHash;
use self::pbkdf2::Pbkdf2Hash;
use self::scrypt::ScryptHash;
use crate::Rng;

/// A password hash as it is kept: one that this server made, or one that another system made and that is within the
/// ceilings.
#[derive(Clone, Eq, PartialEq)]
pub struct PasswordHash {
    text: String,
    scheme: Scheme,
}

/// How a hash is verified.
#[derive(Clone, Eq, PartialEq)]
enum Scheme {
    Argon(ArgonHash),
    Bcrypt(BcryptHash),
    Pbkdf2(Pbkdf2Hash),
    Scrypt(ScryptHash),
}

impl PasswordHash {
    /// Longest text of a hash, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Hashes a password with a fresh salt. Takes tens of milliseconds and `cost.memory_kib` of `memory`: call it
    /// in the hash lane only.
    ///
    /// # Errors
    /// [`PasswordHashError::Cost`] where Argon2 does not allow the cost.
    pub fn create(
        password: &SecretString,
        cost: PasswordCost,
        rng: &dyn Rng,
        memory: &mut HashMemory,
    ) -> Result<Self, PasswordHashError> {
        let hash = ArgonHash::create(password.expose_secret().as_bytes(), cost, rng, memory)?;
        Ok(Self {
            text: hash.to_phc()?,
            scheme: Scheme::Argon(hash),
        })
    }

    /// A hash of the given cost that no password matches, for names that nobody has: the work is the same.
    pub fn decoy(cost: PasswordCost, rng: &dyn Rng) -> Self {
        Self {
            text: String::new(),
            scheme: Scheme::Argon(ArgonHash::decoy(cost, rng)),
        }
    }

    /// Reads a credential of Keycloak: the object `{"algorithm", "hashIterations", "salt", "value"}`, or one of a realm
    /// export, in which `credentialData` and `secretData` hold the same as JSON in strings. It is kept in PHC form.
    ///
    /// # Errors
    /// [`PasswordHashError`], as for text.
    pub fn from_keycloak(credential: &serde_json::Value) -> Result<Self, PasswordHashError> {
        keycloak::to_phc(credential)?.parse()
    }

    /// Whether the password is the one that was hashed. Costs what the hash demands: call it in the hash lane only.
    pub fn verify(&self, password: &SecretString, memory: &mut HashMemory) -> bool {
        let password = password.expose_secret().as_bytes();
        match &self.scheme {
            Scheme::Argon(hash) => hash.verify(password, memory),
            Scheme::Bcrypt(hash) => hash.verify(password),
            Scheme::Pbkdf2(hash) => hash.verify(password),
            Scheme::Scrypt(hash) => hash.verify(password),
        }
    }

    /// Whether this server would make such a hash at that cost.
    pub fn is_of(&self, cost: PasswordCost) -> bool {
        matches!(&self.scheme, Scheme::Argon(hash) if hash.is_of(cost))
    }

    /// The text that is kept.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.scheme {
            Scheme::Argon(_) => "argon2",
            Scheme::Bcrypt(_) => "bcrypt",
            Scheme::Pbkdf2(_) => "pbkdf2",
            Scheme::Scrypt(_) => "scrypt",
        };
        f.debug_struct("PasswordHash")
            .field("scheme", &scheme)
            .finish_non_exhaustive()
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    /// Reads a hash in one of these forms:
    ///
    /// - `$argon2id$`, `$argon2i$`, `$argon2d$` (PHC), also behind Django's `argon2`
    /// - `$2a$`, `$2b$`, `$2y$` (bcrypt), also behind Django's `bcrypt$` and `bcrypt_sha256$`
    /// - `$scrypt$ln=..,r=..,p=..$` (PHC, passlib), `scrypt$N$salt$r$p$hash` (Django)
    /// - `$pbkdf2$`, `$pbkdf2-sha1$`, `$pbkdf2-sha256$`, `$pbkdf2-sha512$` (PHC with `i=..`, passlib with a bare number),
    ///   `pbkdf2_sha1$`, `pbkdf2_sha256$` (Django)
    ///
    /// Whatever a stored or imported hash demands past the ceilings is refused here, before any work is done.
    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > Self::MAX_BYTES {
            return Err(PasswordHashError::Bytes);
        }
        let (first, rest) = text.split_once('$').ok_or(PasswordHashError::Algorithm)?;
        let scheme = match first {
            "" => modular_crypt(text, rest)?,
            "argon2" => Scheme::Argon(ArgonHash::parse(&format!("${rest}"))?),
            "bcrypt" => Scheme::Bcrypt(BcryptHash::parse(rest)?),
            "bcrypt_sha256" => Scheme::Bcrypt(BcryptHash::parse(rest)?.of_sha256()),
            "pbkdf2_sha1" | "pbkdf2_sha256" => Scheme::Pbkdf2(Pbkdf2Hash::parse_django(first, rest)?),
            "scrypt" => Scheme::Scrypt(ScryptHash::parse_django(rest)?),
            _ => return Err(PasswordHashError::Algorithm),
        };
        Ok(Self {
            text: text.to_owned(),
            scheme,
        })
    }
}

/// `$id$...`; `rest` is what follows the first `$`.
fn modular_crypt(text: &str, rest: &str) -> Result<Scheme, PasswordHashError> {
    let (id, fields) = rest.split_once('$').ok_or(PasswordHashError::Algorithm)?;
    Ok(match id {
        "2a" | "2b" | "2y" => Scheme::Bcrypt(BcryptHash::parse(text)?),
        "argon2d" | "argon2i" | "argon2id" => Scheme::Argon(ArgonHash::parse(text)?),
        "pbkdf2" | "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => {
            Scheme::Pbkdf2(Pbkdf2Hash::parse(id, fields)?)
        }
        "scrypt" => Scheme::Scrypt(ScryptHash::parse(fields)?),
        _ => return Err(PasswordHashError::Algorithm),
    })
}

/// The rule for new passwords: 8 to 1024 bytes and nothing else (NIST SP 800-63B section 3.1.1 advises against
/// composition rules).
///
/// # Errors
/// [`PasswordHashError::Length`].
pub fn check_new_password(password: &SecretString) -> Result<(), PasswordHashError> {
    match password.expose_secret().len() {
        8..=1024 => Ok(()),
        _ => Err(PasswordHashError::Length),
    }
}

/// Why a hash or a password was refused. Never holds any of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordHashError {
    /// No form that is known.
    #[error("the hash has none of the known forms of argon2, bcrypt, scrypt and PBKDF2")]
    Algorithm,
    /// A text that is too long.
    #[error("a hash is at most {} bytes long", PasswordHash::MAX_BYTES)]
    Bytes,
    /// More than the ceiling that is named.
    #[error("the hash demands too much: {0}")]
    Ceiling(&'static str),
    /// Argon2 does not allow the parameters.
    #[error("the Argon2 parameters are out of range: at least 8 KiB of memory per lane, one pass, one lane")]
    Cost,
    /// A new password that is too short or too long.
    #[error("a password must be 8 to 1024 bytes long")]
    Length,
    /// A known algorithm, but not the form that is named.
    #[error("the hash is not of the form {0}")]
    Malformed(&'static str),
    /// The salt is too short or too long.
    #[error("the salt must be {} to {} bytes long", SALT_BYTES.start(), SALT_BYTES.end())]
    Salt,
    /// The hash itself is too short or too long.
    #[error("the hash itself must be {} to {} bytes long", OUTPUT_BYTES.start(), OUTPUT_BYTES.end())]
    Output,
}

/// Lengths of a salt. Argon2 needs 8; what is longer than the PHC format allows helps nobody.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=phc::Salt::MAX_LENGTH;
/// Lengths of a hash: 128 bits are enough against whoever guesses, and 512 are the most that the PHC format allows.
const OUTPUT_BYTES: std::ops::RangeInclusive<usize> = 16..=phc::Output::MAX_LENGTH;

fn check_lengths(salt: &[u8], output: &[u8]) -> Result<(), PasswordHashError> {
    if !SALT_BYTES.contains(&salt.len()) {
        return Err(PasswordHashError::Salt);
    }
    if !OUTPUT_BYTES.contains(&output.len()) {
        return Err(PasswordHashError::Output);
    }
    Ok(())
}
