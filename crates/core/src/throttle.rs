//! Throttling of failed logins, per account.

use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use symbolon_oauth_types::revocation::{Digest, RevocationKind};

use crate::Subject;
use crate::ports::StoreResult;
use crate::user::LoginName;

/// Whose failures are counted together: all the names of one account, or one name that nobody has. Both kinds
/// count alike, so that a throttled name tells nothing about whether the account exists.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ThrottleKey(pub [u8; 16]);

impl ThrottleKey {
    /// The key of an account, whichever of its names was used.
    pub fn of_account(subject: Subject) -> Self {
        Self(Digest::of_uuid(RevocationKind::Subject, subject.0).0)
    }

    /// The key of a name that nobody has.
    pub fn of_unknown(name: &LoginName) -> Self {
        let hash = Sha256::new()
            .chain_update("unknown-name|")
            .chain_update(name.as_str())
            .finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Throttle {
    /// It may.
    Open,
    /// Not before this much time has passed.
    Wait(Duration),
}

/// How long failures are remembered of an account that is not tried meanwhile: a quarter of an hour, or two lock-outs.
pub fn remembered_for(lockout: Duration) -> Duration {
    Duration::from_secs(15 * 60).max(lockout.saturating_mul(2))
}

/// Counts failed logins. Implementations are bounded in memory. Where one can't be asked nobody logs in: guesses that are
/// not counted are not bounded.
#[async_trait]
pub trait LoginThrottle: Send + Sync {
    /// Whether an attempt may be made now. Counts nothing.
    async fn check(&self, key: ThrottleKey) -> StoreResult<Throttle>;

    /// Counts a failure.
    async fn failed(&self, key: ThrottleKey) -> StoreResult<()>;

    /// Forgets the failures: the login was good.
    async fn succeeded(&self, key: ThrottleKey) -> StoreResult<()>;
}
