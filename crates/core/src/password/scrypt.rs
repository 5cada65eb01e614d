//! scrypt ([RFC 7914](https://www.rfc-editor.org/rfc/rfc7914)).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{PasswordHashError, check_lengths, encoding};

const FORM: &str = "$scrypt$ln=..,r=..,p=..$salt$hash or scrypt$N$salt$r$p$hash, where N is a power of two";
const CEILING: &str = "scrypt may take 256 MiB of memory (128 N r bytes), 16 lanes, and N r p may be 4194304";

/// The most that N times r may come to: 256 MiB.
const MAX_MEMORY: u64 = (256 << 20) / 128;
/// The most lanes.
const MAX_P: u64 = 16;
/// The most that N times r times p may come to: about two seconds.
const MAX_WORK: u64 = 1 << 22;

/// A scrypt hash within the ceiling.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct ScryptHash {
    log_n: u8,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl ScryptHash {
    /// `rest` follows `$scrypt$`.
    pub(super) fn parse(rest: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let [cost, salt, output] = encoding::fields(rest).ok_or(malformed)?;
        let [log_n, r, p] = encoding::parameters(cost, ["ln", "r", "p"]).ok_or(malformed)?;
        let (Some(salt), Some(output)) = (encoding::standard(salt), encoding::standard(output)) else {
            return Err(malformed);
        };
        Self::new(log_n, r, p, salt, output)
    }

    /// `rest` is `N$salt$r$p$hash`, the salt as it is, the hash in base64.
    pub(super) fn parse_django(rest: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let [n, salt, r, p, output] = encoding::fields(rest).ok_or(malformed)?;
        let salt = encoding::text_salt(salt).ok_or(malformed)?;
        let output = encoding::standard(output).ok_or(malformed)?;
        let [n, r, p] = [n, r, p].map(encoding::number);
        let (Some(n), Some(r), Some(p)) = (n, r, p) else {
            return Err(malformed);
        };
        // What is too large for its type is so for the ceiling, too.
        if n != u64::MAX && !n.is_power_of_two() {
            return Err(malformed);
        }
        Self::new(u64::from(n.ilog2()), r, p, salt, output)
    }

    fn new(log_n: u64, r: u64, p: u64, salt: Vec<u8>, output: Vec<u8>) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        check_lengths(&salt, &output)?;
        if log_n == 0 || r == 0 || p == 0 {
            return Err(malformed);
        }
        let memory = 1_u64
            .checked_shl(u32::try_from(log_n).unwrap_or(u32::MAX))
            .unwrap_or(u64::MAX)
            .saturating_mul(r);
        if memory > MAX_MEMORY || p > MAX_P || memory.saturating_mul(p) > MAX_WORK {
            return Err(PasswordHashError::Ceiling(CEILING));
        }
        let (Ok(log_n), Ok(r), Ok(p)) = (u8::try_from(log_n), u32::try_from(r), u32::try_from(p)) else {
            return Err(malformed);
        };
        // RFC 7914 section 2: N must be less than 2^(16 r), which only tiny r violates.
        if u32::from(log_n) >= 16 * r || ::scrypt::Params::new(log_n, r, p).is_err() {
            return Err(malformed);
        }
        Ok(Self {
            log_n,
            r,
            p,
            salt,
            output,
        })
    }

    /// Takes 128 N r bytes for as long as it lasts.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut found = Zeroizing::new(vec![0; self.output.len()]);
        ::scrypt::Params::new(self.log_n, self.r, self.p)
            .is_ok_and(|params| ::scrypt::scrypt(password, &self.salt, &params, &mut found).is_ok())
            && bool::from(found.ct_eq(&self.output))
    }
}
