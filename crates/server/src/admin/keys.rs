//! The signing keys, as the admin API asks for them.

mod problem;
mod rewrap;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use symbolon_admin_api::{KeyOrder, KeyPlan, KeyText, KeyView, Keys, KeysRewrapped, Problem, ProblemKind};
use symbolon_core::Clock;
use symbolon_core::audit::{Act, AuditStore};
use symbolon_core::ports::{KeyStore, ServerStore};
use symbolon_jose::{CertificateChain, Kid, PrivateKey, PublicJwk, SigningAlg};
use symbolon_jwks_publisher::{
    Compromised, KeyOperation, KeyOperations, Plan, SharedEncryptionKeys, default_rsa_alg, read_key, spell,
};

use problem::{refused, unpublished};
use rewrap::Rewrap;

/// What [`AdminKeys`] is made of.
pub struct KeyParts {
    /// Plans and makes changes.
    pub operations: KeyOperations,
    /// Signing keys as they are kept.
    pub keys: Arc<dyn KeyStore>,
    /// Server secrets as they are kept.
    pub secrets: Arc<dyn ServerStore>,
    /// What both are encrypted under.
    pub encryption_keys: SharedEncryptionKeys,
    /// The audit trail.
    pub audit: Arc<dyn AuditStore>,
    /// The algorithms that the server has keys for, `keys.algorithms`.
    pub algorithms: Vec<SigningAlg>,
    /// For how long the key set may be cached, `jwks.max_age`.
    pub max_age: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The signing keys of the server. It opens nothing by itself, so that it helps where something can't be opened.
pub struct AdminKeys {
    parts: KeyParts,
}

impl AdminKeys {
    /// The keys of those parts.
    pub fn new(parts: KeyParts) -> Self {
        Self { parts }
    }

    async fn operation(&self, order: &KeyOrder) -> Result<KeyOperation, Problem> {
        Ok(match order {
            KeyOrder::Activate { kid, dangerous_now } => KeyOperation::Activate {
                kid: kid.clone(),
                at_once: *dangerous_now,
            },
            KeyOrder::Compromise { kid } => KeyOperation::Compromise {
                which: kid.clone().map_or(Compromised::All, Compromised::One),
            },
            KeyOrder::Generate { alg } => KeyOperation::Generate { alg: *alg },
            KeyOrder::Import {
                key,
                alg,
                certificates,
            } => KeyOperation::Import {
                key: self.read(key, *alg).await?,
                certificates: certificates.as_deref().map(chain).transpose()?,
            },
            KeyOrder::Retire { kid, dangerous_now } => KeyOperation::Retire {
                kid: kid.clone(),
                at_once: *dangerous_now,
            },
            KeyOrder::Rotate { alg, dangerous_now } => KeyOperation::Rotate {
                alg: *alg,
                at_once: *dangerous_now,
            },
        })
    }

    /// Reads and judges a private key, off the threads that serve: the primes of an RSA key take their time.
    async fn read(&self, text: &KeyText, alg: Option<SigningAlg>) -> Result<PrivateKey, Problem> {
        let rsa_alg = alg.unwrap_or_else(|| default_rsa_alg(&self.parts.algorithms));
        let text = text.clone();
        let job = tokio::task::spawn_blocking(move || read_key(text.expose().as_bytes(), rsa_alg));
        let read = job
            .await
            .map_err(|_| Problem::new(ProblemKind::Internal, "reading the key broke off"))?;
        let key = read.map_err(|problem| Problem::invalid("key", problem))?;
        match alg {
            Some(alg) if alg != key.alg() => Err(Problem::invalid(
                "alg",
                format_args!("the key is for {}: leave this out, or give that key", key.alg()),
            )),
            _ => Ok(key),
        }
    }

    fn plan_view(&self, order: &KeyOrder, plan: &Plan, dry_run: bool) -> KeyPlan {
        KeyPlan {
            steps: plan.steps.iter().map(view::step).collect(),
            warnings: plan.warnings.clone(),
            notes: match order {
                KeyOrder::Compromise { kid } => left_to_do(self.parts.max_age, kid.is_none()),
                _ => Vec::new(),
            },
            dry_run,
        }
    }
}

#[async_trait]
impl Keys for AdminKeys {
    async fn keys(&self, all: bool) -> Result<Vec<KeyView>, Problem> {
        let listed = self
            .parts
            .operations
            .list(all)
            .await
            .map_err(|error| refused(error, None))?;
        Ok(listed.iter().map(view::key).collect())
    }

    async fn public_keys(&self, kid: Option<&Kid>) -> Result<Vec<PublicJwk>, Problem> {
        self.parts
            .operations
            .export_public(kid)
            .await
            .map_err(unpublished)
    }

    async fn plan(&self, order: &KeyOrder) -> Result<KeyPlan, Problem> {
        let operation = self.operation(order).await?;
        let planned = self.parts.operations.plan(&operation).await;
        let plan = planned.map_err(|error| refused(error, Some(order)))?;
        Ok(self.plan_view(order, &plan, true))
    }

    async fn carry_out(&self, order: &KeyOrder, act: &Act) -> Result<KeyPlan, Problem> {
        let operation = self.operation(order).await?;
        let done = self.parts.operations.carry_out(&operation, act).await;
        let plan = done.map_err(|error| refused(error, Some(order)))?;
        Ok(self.plan_view(order, &plan, false))
    }

    async fn rewrap(&self, dry_run: bool, act: &Act) -> Result<KeysRewrapped, Problem> {
        let parts = &self.parts;
        // Nothing is put where a running server can't open it.
        parts
            .operations
            .check_nodes()
            .await
            .map_err(|error| refused(error, None))?;
        let rewrap = Rewrap {
            keys: parts.keys.clone(),
            secrets: parts.secrets.clone(),
            encryption_keys: parts.encryption_keys.load_full(),
            audit: parts.audit.clone(),
            now: parts.clock.now(),
        };
        rewrap.run(dry_run, act.clone()).await
    }
}

fn chain(pem: &str) -> Result<CertificateChain, Problem> {
    CertificateChain::from_pem(pem).map_err(|error| Problem::invalid("certificates", error))
}

/// What the server can't do where keys leaked: one, or all.
fn left_to_do(max_age: Duration, all: bool) -> Vec<String> {
    let mut notes = vec![
        format!(
            "introspection refuses what was signed, and so do verifiers that follow the revocation feed; others that keep \
             the key set go on accepting it until they read it anew, at most {} (`jwks.max_age`) and a minute from now \
             where they follow its Cache-Control: restart those that keep it longer",
            spell(max_age)
        ),
        "this database alone has lost the private key: destroy every other copy, in `keys.import_dir`, files and \
         backups"
            .to_owned(),
    ];
    if all {
        notes.push(
            "whoever can still read the database reads the new keys, too, with the key-encryption key that they have: \
             shut them out, give `keys.encryption_key` another value, the present one as \
             `keys.previous_encryption_key`, run `symbolon keys rewrap`, and then this again"
                .to_owned(),
        );
    }
    notes
}
