//! Password hashes: Argon2id in PHC form, with a ceiling on what a stored hash may demand.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Rng;

/// Cost of a password hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for PasswordCost {
    /// 19 MiB, two passes, one lane: the OWASP recommendation for Argon2id.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
        }
    }
}

impl PasswordCost {
    /// The most that a stored hash may demand: 1 GiB.
    pub const MAX_MEMORY_KIB: u32 = 1 << 20;
    /// The most passes that a stored hash may demand.
    pub const MAX_ITERATIONS: u32 = 16;
    /// The most lanes that a stored hash may demand.
    pub const MAX_PARALLELISM: u32 = 16;
    /// The most that memory times passes may come to, in KiB: what 64 MiB with 16 passes costs.
    pub const MAX_WORK_KIB: u64 = 1 << 20;

    fn params(self) -> Result<Params, PasswordHashError> {
        Params::new(
            self.memory_kib,
            self.iterations,
            self.parallelism,
            Some(HASH_BYTES),
        )
        .map_err(|_| PasswordHashError::Cost)
    }

    fn within_ceiling(self) -> bool {
        self.memory_kib <= Self::MAX_MEMORY_KIB
            && self.iterations <= Self::MAX_ITERATIONS
            && self.parallelism <= Self::MAX_PARALLELISM
            && u64::from(self.memory_kib) * u64::from(self.iterations) <= Self::MAX_WORK_KIB
    }
}

const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// A password hash as it is kept: the PHC string of an Argon2id hash within the ceiling.
#[derive(Clone, Eq, PartialEq)]
pub struct PasswordHash {
    text: String,
    cost: PasswordCost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl PasswordHash {
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
        let mut salt = vec![0; SALT_BYTES];
        rng.fill(&mut salt);
        let hash = derive(password, cost, &salt, memory)?.to_vec();
        let text = format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            cost.memory_kib,
            cost.iterations,
            cost.parallelism,
            phc::Salt::new(&salt)
                .map_err(|_| PasswordHashError::Malformed)?
                .to_salt_string(),
            phc::Output::new(&hash).map_err(|_| PasswordHashError::Malformed)?,
        );
        Ok(Self {
            text,
            cost,
            salt,
            hash,
        })
    }

    /// A hash of the given cost that no password matches, for names that nobody has: the work is the same.
    pub fn decoy(cost: PasswordCost, rng: &dyn Rng) -> Self {
        let (mut salt, mut hash) = (vec![0; SALT_BYTES], vec![0; HASH_BYTES]);
        rng.fill(&mut salt);
        rng.fill(&mut hash);
        Self {
            text: String::new(),
            cost,
            salt,
            hash,
        }
    }

    /// Whether the password is the one that was hashed. Costs what the hash demands: call it in the hash lane only.
    pub fn verify(&self, password: &SecretString, memory: &mut HashMemory) -> bool {
        derive(password, self.cost, &self.salt, memory).is_ok_and(|found| found.ct_eq(&self.hash).into())
    }

    /// What the hash costs.
    pub fn cost(&self) -> PasswordCost {
        self.cost
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    /// Reads a PHC string. Whatever a stored or imported hash demands past the ceiling is refused here, before any
    /// work is done.
    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > 256 {
            return Err(PasswordHashError::Malformed);
        }
        let parsed = phc::PasswordHash::new(text).map_err(|_| PasswordHashError::Malformed)?;
        if parsed.algorithm.as_str() != "argon2id" || parsed.version != Some(19) {
            return Err(PasswordHashError::Algorithm);
        }
        let number = |name: &str| {
            parsed
                .params
                .get_decimal(name)
                .ok_or(PasswordHashError::Malformed)
        };
        let cost = PasswordCost {
            memory_kib: number("m")?,
            iterations: number("t")?,
            parallelism: number("p")?,
        };
        if parsed.params.iter().count() != 3 {
            return Err(PasswordHashError::Malformed);
        }
        if !cost.within_ceiling() {
            return Err(PasswordHashError::Ceiling);
        }
        cost.params()?;
        let salt = parsed.salt.ok_or(PasswordHashError::Malformed)?.to_vec();
        let hash = parsed
            .hash
            .ok_or(PasswordHashError::Malformed)?
            .as_bytes()
            .to_vec();
        if salt.len() < 8 || hash.len() != HASH_BYTES {
            return Err(PasswordHashError::Malformed);
        }
        Ok(Self {
            text: text.to_owned(),
            cost,
            salt,
            hash,
        })
    }
}

/// Working memory for Argon2, kept between hashes so that a login storm does not allocate. It grows to what the
/// dearest hash demanded and shrinks again with the next one of ordinary cost.
#[derive(Default)]
pub struct HashMemory(Vec<Block>);

impl HashMemory {
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() != count {
            self.0 = Vec::new();
            self.0.resize(count, Block::new());
        }
        &mut self.0
    }
}

fn derive(
    password: &SecretString,
    cost: PasswordCost,
    salt: &[u8],
    memory: &mut HashMemory,
) -> Result<Zeroizing<[u8; HASH_BYTES]>, PasswordHashError> {
    let params = cost.params()?;
    let blocks = memory.blocks(params.block_count());
    let mut out = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose_secret().as_bytes(), salt, &mut *out, blocks)
        .map_err(|_| PasswordHashError::Cost)?;
    Ok(out)
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

/// Why a hash or a password was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordHashError {
    /// Another algorithm or version.
    #[error("only argon2id hashes of version 19 are accepted")]
    Algorithm,
    /// More than the ceiling.
    #[error("the hash demands more memory or passes than this server allows")]
    Ceiling,
    /// Argon2 does not allow the parameters.
    #[error("the Argon2 parameters are out of range: at least 8 KiB of memory per lane, one pass, one lane")]
    Cost,
    /// A new password that is too short or too long.
    #[error("a password must be 8 to 1024 bytes long")]
    Length,
    /// No PHC string, or salt or hash of the wrong length.
    #[error("not a PHC string of the form $argon2id$v=19$m=..,t=..,p=..$salt$hash with a 32-byte hash")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRng;

    const CHEAP: PasswordCost = PasswordCost {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
    };

    #[test]
    fn round_trips_through_its_text() {
        let mut memory = HashMemory::default();
        let made = PasswordHash::create(&"correct".into(), CHEAP, &SystemRng, &mut memory).unwrap();
        let read: PasswordHash = made.as_str().parse().unwrap();
        assert_eq!(read, made);
        assert!(read.verify(&"correct".into(), &mut memory));
        assert!(!read.verify(&"wrong".into(), &mut memory));
        assert!(!PasswordHash::decoy(CHEAP, &SystemRng).verify(&"".into(), &mut memory));
    }

    #[test]
    fn agrees_with_the_reference_implementation() {
        // printf password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 32 -e, from the reference test suite.
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let mut memory = HashMemory::default();
        assert!(
            hash.parse::<PasswordHash>()
                .unwrap()
                .verify(&"password".into(), &mut memory)
        );
    }

    #[test]
    fn refuses_hostile_hashes() {
        let tail = "$c29tc2FsdHNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let refused = |head: &str| format!("{head}{tail}").parse::<PasswordHash>().unwrap_err();
        assert_eq!(
            refused("$argon2id$v=19$m=4294967295,t=2,p=1"),
            PasswordHashError::Ceiling
        );
        assert_eq!(
            refused("$argon2id$v=19$m=1048576,t=2,p=1"),
            PasswordHashError::Ceiling
        );
        assert_eq!(
            refused("$argon2id$v=19$m=256,t=4294967295,p=1"),
            PasswordHashError::Ceiling
        );
        assert_eq!(
            refused("$argon2id$v=19$m=256,t=1,p=17"),
            PasswordHashError::Ceiling
        );
        assert_eq!(refused("$argon2id$v=19$m=0,t=0,p=0"), PasswordHashError::Cost);
        assert_eq!(
            refused("$argon2i$v=19$m=256,t=2,p=1"),
            PasswordHashError::Algorithm
        );
        assert_eq!(
            refused("$argon2id$v=16$m=256,t=2,p=1"),
            PasswordHashError::Algorithm
        );
        assert_eq!(refused("$argon2id$v=19$m=256,t=2"), PasswordHashError::Malformed);
        for text in [
            "",
            "x",
            "$argon2id$v=19$m=256,t=2,p=1$c29t$AAAA",
            &"$".repeat(300),
        ] {
            assert!(text.parse::<PasswordHash>().is_err(), "{text}");
        }
    }

    #[test]
    fn new_passwords_have_bounds() {
        assert_eq!(
            check_new_password(&"1234567".into()),
            Err(PasswordHashError::Length)
        );
        assert_eq!(check_new_password(&"12345678".into()), Ok(()));
        assert_eq!(
            check_new_password(&"x".repeat(1025).into()),
            Err(PasswordHashError::Length)
        );
    }
}
