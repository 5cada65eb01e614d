//! Signing and verifying access tokens, as the endpoints see it.

use std::sync::Arc;

use async_trait::async_trait;
use symbolon_jose::{Kid, SigningAlg};
use symbolon_oauth_types::AccessTokenClaims;

/// The `typ` of access tokens ([RFC 9068 section 2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";

/// Signs and verifies this server's access tokens with the keys that are published.
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// Signs with the active key of the algorithm, or of the server's default where none is asked for.
    ///
    /// # Errors
    /// [`SignError`]; nothing was issued.
    async fn sign(&self, alg: Option<SigningAlg>, claims: &AccessTokenClaims) -> Result<String, SignError>;

    /// Whether there is a key to sign with, so that nothing is committed for a token that can't be signed.
    ///
    /// # Errors
    /// [`SignError::NoKey`] and [`SignError::Unconfirmed`].
    fn can_sign(&self, alg: Option<SigningAlg>) -> Result<(), SignError>;

    /// Verifies signature, type, key and issuer; not times, audience or revocation, which
    /// [`crate::authorize::authorize`] and its caller judge. `None` for anything that is not, in every byte, an
    /// access token of this issuer under a key that is published.
    fn verify(&self, token: &str) -> Option<VerifiedAccessToken>;
}

/// The claims of an access token whose signature, type and issuer are good.
#[derive(Clone, Debug)]
pub struct VerifiedAccessToken {
    /// The claims.
    pub claims: Arc<AccessTokenClaims>,
    /// The key that signed it.
    pub kid: Kid,
}

/// An access token could not be signed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignError {
    /// No key of the algorithm is active.
    #[error(
        "no {0} key is active: add it to keys.algorithms, and see `symbolon keys list` for when it will sign"
    )]
    NoKey(SigningAlg),
    /// It is too long since the node last knew that its keys had not changed.
    #[error("it is not known whether the signing keys have changed: see that the database answers")]
    Unconfirmed,
    /// The signature failed.
    #[error("signing failed: {0}")]
    Failed(String),
}
