//! PBKDF2 ([RFC 8018 section 5.2](https://www.rfc-editor.org/rfc/rfc8018#section-5.2)) with HMAC.

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{PasswordHashError, check_lengths, encoding};

const FORM: &str = "$pbkdf2-sha256$i=..$salt$hash, $pbkdf2-sha256$iterations$salt$hash or \
                    pbkdf2_sha256$iterations$salt$hash, with other digests likewise";
const CEILING: &str = "PBKDF2 may take 4194304 iterations, with SHA-512 2097152, times the number of digests that the \
                       hash is long";

#[derive(Clone, Copy, Eq, PartialEq)]
enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

impl Prf {
    /// Of an algorithm's name without what it begins with.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The most iterations times blocks of output: about two seconds, less where the processor helps.
    fn max_work(self) -> u64 {
        match self {
            Self::Sha1 | Self::Sha256 => 1 << 22,
            Self::Sha512 => 1 << 21,
        }
    }
}

/// A PBKDF2 hash within the ceiling.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Pbkdf2Hash {
    prf: Prf,
    iterations: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Pbkdf2Hash {
    /// `id` is `pbkdf2` or `pbkdf2-<digest>`; `rest` follows it: the PHC form, or that of passlib.
    pub(super) fn parse(id: &str, rest: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let name = id.trim_start_matches("pbkdf2").trim_start_matches('-');
        let prf = Prf::named(name).ok_or(malformed)?;
        let [cost, salt, output] = encoding::fields(rest).ok_or(malformed)?;
        let decode = if cost.contains('=') {
            encoding::standard
        } else {
            encoding::passlib
        };
        let (Some(salt), Some(output)) = (decode(salt), decode(output)) else {
            return Err(malformed);
        };
        let iterations = encoding::number(cost)
            .or_else(|| encoding::parameters(cost, ["i"]).map(|[iterations]| iterations))
            .or_else(|| {
                let [iterations, length] = encoding::parameters(cost, ["i", "l"])?;
                (length == output.len() as u64).then_some(iterations)
            });
        Self::new(prf, iterations.ok_or(malformed)?, salt, output)
    }

    /// `id` is `pbkdf2_<digest>`; `rest` is `iterations$salt$hash`, the salt as it is, the hash in base64.
    pub(super) fn parse_django(id: &str, rest: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let prf = Prf::named(id.trim_start_matches("pbkdf2_")).ok_or(malformed)?;
        let [iterations, salt, output] = encoding::fields(rest).ok_or(malformed)?;
        let iterations = encoding::number(iterations).ok_or(malformed)?;
        let salt = encoding::text_salt(salt).ok_or(malformed)?;
        let output = encoding::standard(output).ok_or(malformed)?;
        Self::new(prf, iterations, salt, output)
    }

    fn new(prf: Prf, iterations: u64, salt: Vec<u8>, output: Vec<u8>) -> Result<Self, PasswordHashError> {
        check_lengths(&salt, &output)?;
        let blocks = output.len().div_ceil(prf.output_bytes()) as u64;
        if iterations.saturating_mul(blocks) > prf.max_work() {
            return Err(PasswordHashError::Ceiling(CEILING));
        }
        match u32::try_from(iterations) {
            Ok(iterations) if iterations > 0 => Ok(Self {
                prf,
                iterations,
                salt,
                output,
            }),
            _ => Err(PasswordHashError::Malformed(FORM)),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut found = Zeroizing::new(vec![0; self.output.len()]);
        let derive = match self.prf {
            Prf::Sha1 => pbkdf2_hmac::<Sha1>,
            Prf::Sha256 => pbkdf2_hmac::<Sha256>,
            Prf::Sha512 => pbkdf2_hmac::<Sha512>,
        };
        derive(password, &self.salt, self.iterations, &mut found);
        found.ct_eq(&self.output).into()
    }
}
