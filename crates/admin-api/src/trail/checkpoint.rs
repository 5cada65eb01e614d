//! Checkpoints: signed statements of how far the trail had come, to be kept where whoever can write to the database can't.

use serde::{Deserialize, Serialize};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{AuditHash, AuditHead, Checkpoint};
use symbolon_core::secret::ServerSecret;
use symbolon_jose::{JwkSet, KeyError, PrivateKey, PublicKey, SignError, VerifyError, verify_compact};

/// The `typ` of a checkpoint.
pub const CHECKPOINT_TYPE: &str = "audit-checkpoint+jwt";
/// Longest checkpoint, in characters.
const MAX_LEN: usize = 4096;

/// The keys that sign checkpoints: every one is published, the newest that is active signs.
#[derive(Clone, Debug)]
pub struct CheckpointKeys {
    /// Never empty; the newest last.
    keys: Vec<(UnixMillis, PrivateKey)>,
}

/// Why checkpoints have no key.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointKeyError {
    /// A secret is no seed.
    #[error("a server secret for the audit trail can't be used: {0}")]
    Key(#[from] KeyError),
    /// There is no secret.
    #[error("the database lost the server secret for the audit trail")]
    Missing,
}

impl CheckpointKeys {
    /// The keys whose seeds are the server secrets of [`symbolon_core::secret::SecretPurpose::AuditSigning`], the newest
    /// last.
    ///
    /// # Errors
    /// There is none, or OpenSSL fails.
    pub fn new(secrets: &[ServerSecret]) -> Result<Self, CheckpointKeyError> {
        let key = |secret: &ServerSecret| {
            PrivateKey::from_ed25519_seed(&secret.key).map(|key| (secret.active_from, key))
        };
        let keys: Vec<_> = secrets.iter().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(CheckpointKeyError::Missing);
        }
        Ok(Self { keys })
    }

    /// The public halves, for whoever verifies.
    pub fn jwks(&self) -> JwkSet {
        let public = |(_, key): &(UnixMillis, PrivateKey)| key.public().jwk().clone();
        JwkSet {
            keys: self.keys.iter().map(public).collect(),
        }
    }

    /// The same for verifying what they signed.
    pub fn public(&self) -> TrailKeys {
        TrailKeys {
            keys: self.keys.iter().map(|(_, key)| key.public().clone()).collect(),
        }
    }

    /// Signs that the trail of that issuer had come so far.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn sign(&self, issuer: &str, head: AuditHead, now: UnixMillis) -> Result<Checkpoint, SignError> {
        let active = self.keys.iter().rfind(|(active_from, _)| *active_from <= now);
        let (_, key) = active.unwrap_or(&self.keys[0]);
        let claims = Claims {
            iss: issuer.to_owned(),
            seq: head.seq,
            hash: head.hash.to_string(),
            at: now.0,
        };
        // A string or two and numbers: there is nothing in it that has no form in JSON.
        let json = serde_json::to_vec(&claims).unwrap_or_default();
        Ok(Checkpoint {
            seq: head.seq,
            at: now,
            signed: key.sign_document(CHECKPOINT_TYPE, &json, MAX_LEN)?,
        })
    }
}

#[derive(Deserialize, Serialize)]
struct Claims {
    /// The issuer at that time, for people. It may have changed since; the server is the one that has the key.
    iss: String,
    seq: u64,
    hash: String,
    /// Milliseconds since the epoch.
    at: u64,
}

/// What a checkpoint whose signature is good says: at that moment the record at that position had that hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The position.
    pub seq: u64,
    /// The hash of the record there.
    pub hash: AuditHash,
    /// When it was signed.
    pub at: UnixMillis,
}

/// The keys by which checkpoints are verified. No other server has them, whatever its issuer is called.
#[derive(Clone, Debug)]
pub struct TrailKeys {
    keys: Vec<PublicKey>,
}

/// Why something is no checkpoint.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The claims are not those of a checkpoint.
    #[error("its claims are not those of a checkpoint")]
    Claims,
    /// What is kept beside it is not what it says.
    #[error("position or moment beside it are not those that it says")]
    Columns,
    /// The signature is not good, or not by one of the keys.
    #[error("its signature is not good: {0}")]
    Signature(#[from] VerifyError),
}

impl TrailKeys {
    /// The keys of a JWK set, as [`CheckpointKeys::jwks`] makes it.
    ///
    /// # Errors
    /// [`KeyError`]: a key is malformed.
    pub fn from_jwks(jwks: &JwkSet) -> Result<Self, KeyError> {
        let keys = jwks
            .keys
            .iter()
            .map(PublicKey::from_jwk)
            .collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// What a checkpoint that is kept says. Nothing that stands beside it counts unless it says the same.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_kept(&self, kept: &Checkpoint) -> Result<Statement, CheckpointError> {
        let statement = self.read(&kept.signed)?;
        if (statement.seq, statement.at) != (kept.seq, kept.at) {
            return Err(CheckpointError::Columns);
        }
        Ok(statement)
    }

    /// What a checkpoint says, a compact JWS.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(&self, signed: &str) -> Result<Statement, CheckpointError> {
        let key = |kid: &_| self.keys.iter().find(|key| key.kid() == kid);
        let verified = verify_compact(signed, CHECKPOINT_TYPE, key)?;
        let claims: Claims =
            serde_json::from_slice(verified.payload()).map_err(|_| CheckpointError::Claims)?;
        Ok(Statement {
            seq: claims.seq,
            hash: AuditHash::parse(&claims.hash).ok_or(CheckpointError::Claims)?,
            at: UnixMillis(claims.at),
        })
    }
}

/// Everything in a text that looks like a checkpoint, such as in the server's log: compact JWS, whatever stands around them.
pub fn checkpoints_in(text: &str) -> impl Iterator<Item = &str> {
    let part_of_one = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // A header that begins with `{"` begins so.
    let looks_so = |word: &&str| {
        word.starts_with("eyJ") && word.len() <= MAX_LEN && word.bytes().filter(|b| *b == b'.').count() == 2
    };
    text.split(move |c| !part_of_one(c)).filter(looks_so)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trail::tests::keys;

    const ISSUER: &str = "https://as.example";

    #[test]
    fn a_checkpoint_is_read_only_by_its_key_and_type() {
        let head = AuditHead {
            seq: 7,
            hash: AuditHash([9; 32]),
        };
        let Checkpoint { signed, .. } = keys(1).sign(ISSUER, head, UnixMillis(5)).unwrap();
        let good = keys(1).public();
        assert_eq!(good.read(&signed).unwrap().hash, head.hash);
        let kept = |seq, at| Checkpoint {
            seq,
            at: UnixMillis(at),
            signed: signed.clone(),
        };
        assert_eq!(good.read_kept(&kept(7, 5)).unwrap().hash, head.hash);
        for other in [kept(6, 5), kept(8, 5), kept(7, 4), kept(7, 6)] {
            assert!(matches!(good.read_kept(&other), Err(CheckpointError::Columns)));
        }
        let any = TrailKeys::from_jwks(&keys(1).jwks()).unwrap();
        assert_eq!(any.read(&signed).unwrap().seq, 7);
        assert!(matches!(
            keys(2).public().read(&signed),
            Err(CheckpointError::Signature(VerifyError::KeyUnknown(_)))
        ));
        let key = PrivateKey::from_ed25519_seed(&[1; 32]).unwrap();
        let other = key.sign_compact("at+jwt", b"{}").unwrap();
        assert!(matches!(
            good.read(&other),
            Err(CheckpointError::Signature(VerifyError::Typ))
        ));
        let empty = key.sign_compact(CHECKPOINT_TYPE, b"{}").unwrap();
        assert!(matches!(good.read(&empty), Err(CheckpointError::Claims)));
    }

    #[test]
    fn checkpoints_are_found_in_a_log_whatever_stands_around_them() {
        let head = AuditHead {
            seq: 7,
            hash: AuditHash([9; 32]),
        };
        let Checkpoint { signed, .. } = keys(1).sign(ISSUER, head, UnixMillis(5)).unwrap();
        let text = format!(
            "2026-01-01 INFO symbolon::audit: audit checkpoint seq=7 checkpoint=\"{signed}\"\n\
             {{\"checkpoint\":\"{signed}\",\"other\":\"eyJub25l\"}}\n{signed}"
        );
        assert_eq!(
            checkpoints_in(&text).collect::<Vec<_>>(),
            [&signed, &signed, &signed]
        );
    }
}
