//! The admin API for commands that work on the database itself.

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use symbolon_admin_api::trail::CheckpointKeys;
use symbolon_admin_api::{Api, ApiParts, Settle};
use symbolon_core::audit::{Actor, Unheard};
use symbolon_core::cursor::Cursors;
use symbolon_core::ports::{RevocationLog, ServerStore as _};
use symbolon_core::secret::{ClientSecrets, ServerSecret};
use symbolon_core::tokens::{ACCESS_TOKEN_TYP, AccessTokens, SignError, VerifiedAccessToken};
use symbolon_core::{Clock, Rng, UnixMillis};
use symbolon_jose::{PublicKey, SigningAlg, verify_compact};
use symbolon_jwks_publisher::{KeyOperations, share_encryption_keys};
use symbolon_oauth_types::AccessTokenClaims;
use symbolon_revocation::LiveLog;
use symbolon_store_sql::SqlStore;
use zeroize::Zeroizing;

use super::gate::OperatorGate;
use super::info::CommandInfo;
use super::keys::{AdminKeys, KeyParts};
use super::passwords::DirectPasswords;
use crate::config::Settings;
use crate::node;
use crate::secrets::open_server_keys;

/// What the API of a command is made of.
pub struct Offline<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The database.
    pub store: &'a SqlStore,
    /// The revocation log, with its fences where there are any.
    pub log: Arc<dyn RevocationLog>,
    /// Who runs the command.
    pub operator: Actor,
    /// Waits for changes to hold.
    pub settle: Arc<dyn Settle>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// The API, and what could not be opened for it.
pub struct Opened {
    /// The API.
    pub api: Arc<Api>,
    /// Why server secrets can't be opened, where they can't: clients get no secrets then, and cursors hold for one command.
    pub sealed: Option<String>,
}

impl Offline<'_> {
    /// Composes the API.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(self) -> anyhow::Result<Opened> {
        let Self { settings, store, .. } = &self;
        let (secrets, cursors, checkpoint_keys, sealed) = self.secrets().await;
        let shared = Arc::new((*store).clone());
        let issuer = store.issuer().await?;
        let issuer = issuer.map_or_else(|| settings.issuer.as_str().to_owned(), |(_, issuer)| issuer);
        let revocations = LiveLog::open(self.log.clone(), self.clock.clone()).await?;
        let operations = || {
            KeyOperations::new(
                shared.clone(),
                share_encryption_keys(settings.keys.encryption_keys.clone()),
                node::rotation_config(settings),
                self.clock.clone(),
                self.rng.clone(),
            )
        };
        let info = CommandInfo::new(settings, (*store).clone(), &*self.clock);
        let tokens = PublishedKeys::read(&operations(), issuer.clone()).await;
        let keys = AdminKeys::new(KeyParts {
            operations: operations(),
            keys: shared.clone(),
            secrets: shared.clone(),
            encryption_keys: share_encryption_keys(settings.keys.encryption_keys.clone()),
            audit: shared.clone(),
            algorithms: settings.keys.algorithms.clone(),
            max_age: settings.jwks.max_age,
            clock: self.clock.clone(),
        });
        let api = Api::new(ApiParts {
            token_endpoint: node::token_endpoint(&issuer),
            issuer,
            gate: Arc::new(OperatorGate::new(self.operator.clone()).context("the admin scopes")?),
            admin: shared.clone(),
            facts: shared.clone(),
            sessions: shared.clone(),
            revocations: Arc::new(revocations),
            log: self.log.clone(),
            records: shared.clone(),
            reports: shared.clone(),
            audit: shared.clone(),
            audit_retention: settings.audit.retention,
            trail: None,
            checkpoint_keys,
            server: Arc::new(info),
            // An operator is never refused, and there are no other events that go with no change.
            sink: Arc::new(Unheard),
            tokens: Arc::new(tokens),
            idempotency: shared.clone(),
            keys: Arc::new(keys),
            passwords: Arc::new(DirectPasswords::new(
                node::password_cost(settings),
                self.rng.clone(),
            )),
            settle: self.settle.clone(),
            secrets,
            cursors,
            algorithms: settings.keys.algorithms.clone(),
            max_body_bytes: settings.admin.max_body_bytes,
            clock: self.clock.clone(),
            rng: self.rng.clone(),
        });
        Ok(Opened { api, sealed })
    }

    /// What the server derives from its secrets, or what stands in for it where they can't be opened: commands on keys
    /// must help there.
    async fn secrets(&self) -> (ClientSecrets, Cursors, Option<CheckpointKeys>, Option<String>) {
        let keys = &self.settings.keys.encryption_keys;
        match open_server_keys(self.store, keys, &*self.rng).await {
            Ok(opened) => (opened.client_secrets, opened.cursors, Some(opened.audit), None),
            Err(error) => {
                let mut key = Zeroizing::new([0; 32]);
                self.rng.fill(&mut *key);
                let passing = ServerSecret {
                    id: 1,
                    active_from: UnixMillis(0),
                    key,
                };
                (
                    ClientSecrets::new(Vec::new()),
                    Cursors::new(&passing),
                    None,
                    Some(format!("{error:#}")),
                )
            }
        }
    }
}

/// Verifies what the published keys have signed, and signs nothing.
struct PublishedKeys {
    issuer: String,
    keys: Vec<PublicKey>,
}

impl PublishedKeys {
    /// The keys as they are now. Where they can't be opened nothing verifies.
    async fn read(operations: &KeyOperations, issuer: String) -> Self {
        let published = operations.export_public(None).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the published keys can't be read: no token can be verified");
            Vec::new()
        });
        let keys = published.iter().filter_map(|jwk| PublicKey::from_jwk(jwk).ok());
        Self {
            issuer,
            keys: keys.collect(),
        }
    }
}

#[async_trait]
impl AccessTokens for PublishedKeys {
    async fn sign(&self, _alg: Option<SigningAlg>, _claims: &AccessTokenClaims) -> Result<String, SignError> {
        Err(SignError::Failed("a command signs no tokens".to_owned()))
    }

    fn can_sign(&self, _alg: Option<SigningAlg>) -> Result<(), SignError> {
        Err(SignError::Failed("a command signs no tokens".to_owned()))
    }

    fn verify(&self, token: &str) -> Option<VerifiedAccessToken> {
        let key = |kid: &_| self.keys.iter().find(|key| key.kid() == kid);
        let verified = verify_compact(token, ACCESS_TOKEN_TYP, key).ok()?;
        let claims: AccessTokenClaims = serde_json::from_slice(verified.payload()).ok()?;
        (claims.iss == self.issuer).then(|| VerifiedAccessToken {
            claims: Arc::new(claims),
            kid: verified.kid().clone(),
        })
    }
}
