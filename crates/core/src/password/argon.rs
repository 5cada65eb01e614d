//! Argon2 ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)).

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{PasswordHashError, check_lengths};
use crate::Rng;

const FORM: &str = "$argon2id$v=19$m=..,t=..,p=..$salt$hash, with argon2i, argon2d and v=16 likewise";
const CEILING: &str =
    "Argon2 may take 1 GiB of memory, 16 passes and 16 lanes, and memory times passes may be 1 GiB";

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

    fn params(self, output_bytes: usize) -> Result<Params, PasswordHashError> {
        Params::new(
            self.memory_kib,
            self.iterations,
            self.parallelism,
            Some(output_bytes),
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

/// Which Argon2 it is.
type Variant = (Algorithm, Version);

/// What this server makes.
const OURS: Variant = (Algorithm::Argon2id, Version::V0x13);
const OUR_OUTPUT_BYTES: usize = 32;
const OUR_SALT_BYTES: usize = 16;

/// An Argon2 hash within the ceiling.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct ArgonHash {
    variant: Variant,
    cost: PasswordCost,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl ArgonHash {
    pub(super) fn create(
        password: &[u8],
        cost: PasswordCost,
        rng: &dyn Rng,
        memory: &mut HashMemory,
    ) -> Result<Self, PasswordHashError> {
        let mut hash = Self::decoy(cost, rng);
        hash.output = hash.derive(password, memory)?.to_vec();
        Ok(hash)
    }

    pub(super) fn decoy(cost: PasswordCost, rng: &dyn Rng) -> Self {
        let (mut salt, mut output) = (vec![0; OUR_SALT_BYTES], vec![0; OUR_OUTPUT_BYTES]);
        rng.fill(&mut salt);
        rng.fill(&mut output);
        Self {
            variant: OURS,
            cost,
            salt,
            output,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let parsed = phc::PasswordHash::new(text).map_err(|_| malformed)?;
        let algorithm = match parsed.algorithm.as_str() {
            "argon2d" => Algorithm::Argon2d,
            "argon2i" => Algorithm::Argon2i,
            "argon2id" => Algorithm::Argon2id,
            _ => return Err(malformed),
        };
        // As the reference implementation reads it: without a version it is the one before versions were written.
        let version = match parsed.version {
            None | Some(16) => Version::V0x10,
            Some(19) => Version::V0x13,
            Some(_) => return Err(malformed),
        };
        let number = |name: &str| parsed.params.get_decimal(name).ok_or(malformed);
        let cost = PasswordCost {
            memory_kib: number("m")?,
            iterations: number("t")?,
            parallelism: number("p")?,
        };
        if parsed.params.iter().count() != 3 {
            return Err(malformed);
        }
        if !cost.within_ceiling() {
            return Err(PasswordHashError::Ceiling(CEILING));
        }
        let salt = parsed.salt.ok_or(malformed)?.to_vec();
        let output = parsed.hash.ok_or(malformed)?.as_bytes().to_vec();
        check_lengths(&salt, &output)?;
        cost.params(output.len())?;
        Ok(Self {
            variant: (algorithm, version),
            cost,
            salt,
            output,
        })
    }

    pub(super) fn verify(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        self.derive(password, memory)
            .is_ok_and(|found| found.ct_eq(&self.output).into())
    }

    pub(super) fn is_of(&self, cost: PasswordCost) -> bool {
        self.variant == OURS && self.cost == cost && self.output.len() == OUR_OUTPUT_BYTES
    }

    /// The PHC string of a hash that this server made.
    pub(super) fn to_phc(&self) -> Result<String, PasswordHashError> {
        let malformed = |_| PasswordHashError::Malformed(FORM);
        Ok(format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            self.cost.memory_kib,
            self.cost.iterations,
            self.cost.parallelism,
            phc::Salt::new(&self.salt).map_err(malformed)?.to_salt_string(),
            phc::Output::new(&self.output).map_err(malformed)?,
        ))
    }

    fn derive(
        &self,
        password: &[u8],
        memory: &mut HashMemory,
    ) -> Result<Zeroizing<Vec<u8>>, PasswordHashError> {
        let params = self.cost.params(self.output.len())?;
        let blocks = memory.blocks(params.block_count());
        let mut out = Zeroizing::new(vec![0; self.output.len()]);
        let (algorithm, version) = self.variant;
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password, &self.salt, &mut out, blocks)
            .map_err(|_| PasswordHashError::Cost)?;
        Ok(out)
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
