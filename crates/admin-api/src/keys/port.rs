//! What the operations ask of whoever keeps the keys.

use async_trait::async_trait;
use symbolon_core::audit::Act;
use symbolon_jose::{Kid, PublicJwk, SigningAlg};

use super::secret::KeyText;
use super::view::{KeyPlan, KeyView, KeysRewrapped};
use crate::problem::Problem;

/// A change of signing keys, as it is ordered.
#[derive(Clone, Debug)]
pub enum KeyOrder {
    /// A pending key signs now rather than on schedule.
    Activate {
        /// The key.
        kid: Kid,
        /// Also before every verifier can know it.
        dangerous_now: bool,
    },
    /// What a key signed, or all of them, is worth nothing from now on.
    Compromise {
        /// The key; none: every key that is published.
        kid: Option<Kid>,
    },
    /// A new pending key takes the place of the present one.
    Generate {
        /// Its algorithm.
        alg: SigningAlg,
    },
    /// A key from elsewhere takes the place of the pending one.
    Import {
        /// The private key.
        key: KeyText,
        /// What an RSA key signs with. Without it what its JWK says, else the first that is configured.
        alg: Option<SigningAlg>,
        /// Certificates to publish beside it, as PEM.
        certificates: Option<String>,
    },
    /// A key stops.
    Retire {
        /// The key.
        kid: Kid,
        /// Also before its successor can be known, or before what it signed has expired.
        dangerous_now: bool,
    },
    /// Pending keys sign now rather than on schedule.
    Rotate {
        /// Of this algorithm alone.
        alg: Option<SigningAlg>,
        /// Also before every verifier can know them.
        dangerous_now: bool,
    },
}

/// The signing keys of the server. Problems name the fields of the request bodies that they are about.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The keys by algorithm, those that sign first; `all` includes those that are no longer published. At most 1,000, the
    /// latest of them.
    ///
    /// # Errors
    /// [`Problem`].
    async fn keys(&self, all: bool) -> Result<Vec<KeyView>, Problem>;

    /// The published keys, or one of them, as they stand in the key set.
    ///
    /// # Errors
    /// [`Problem`]; where the key is not published, that there is none.
    async fn public_keys(&self, kid: Option<&Kid>) -> Result<Vec<PublicJwk>, Problem>;

    /// What the order would do, and when. Changes nothing.
    ///
    /// # Errors
    /// [`Problem`], the same that carrying it out would give.
    async fn plan(&self, order: &KeyOrder) -> Result<KeyPlan, Problem>;

    /// Does it as that doing; when it returns, it is committed and on the audit trail.
    ///
    /// # Errors
    /// [`Problem`]; nothing was changed.
    async fn carry_out(&self, order: &KeyOrder, act: &Act) -> Result<KeyPlan, Problem>;

    /// Encrypts again, under the current key-encryption key, what is encrypted under another: signing keys and server
    /// secrets. A dry run only opens them all.
    ///
    /// # Errors
    /// [`Problem`]; what was encrypted again before stays so, and it can be done again.
    async fn rewrap(&self, dry_run: bool, act: &Act) -> Result<KeysRewrapped, Problem>;
}
