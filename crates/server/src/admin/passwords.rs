//! Where passwords are hashed that administrators set.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use symbolon_admin_api::{Passwords, Problem, ProblemKind};
use symbolon_core::Rng;
use symbolon_core::password::{HashMemory, PasswordCost, PasswordHash};
use symbolon_token_endpoint::Service;

/// In the lane in which logins are verified, within its bounds.
pub struct LanePasswords {
    service: Arc<Service>,
    cost: PasswordCost,
    rng: Arc<dyn Rng>,
}

impl LanePasswords {
    /// In the lane of that node.
    pub fn new(service: Arc<Service>, cost: PasswordCost, rng: Arc<dyn Rng>) -> Self {
        Self { service, cost, rng }
    }
}

#[async_trait]
impl Passwords for LanePasswords {
    async fn hash(&self, password: SecretString) -> Result<PasswordHash, Problem> {
        let busy = |error: &dyn std::fmt::Display| {
            Problem::new(
                ProblemKind::Unavailable,
                format_args!("the password could not be hashed now ({error}): try again"),
            )
        };
        let turn = self.service.lane().enter().await.map_err(|error| busy(&error))?;
        let (cost, rng) = (self.cost, self.rng.clone());
        let job = turn.run(move |memory| PasswordHash::create(&password, cost, &*rng, memory));
        made(job.await.map_err(|error| busy(&error))?)
    }
}

/// On a thread beside: for commands, which wait for nobody else.
pub struct DirectPasswords {
    cost: PasswordCost,
    rng: Arc<dyn Rng>,
}

impl DirectPasswords {
    /// At that cost.
    pub fn new(cost: PasswordCost, rng: Arc<dyn Rng>) -> Self {
        Self { cost, rng }
    }
}

#[async_trait]
impl Passwords for DirectPasswords {
    async fn hash(&self, password: SecretString) -> Result<PasswordHash, Problem> {
        let (cost, rng) = (self.cost, self.rng.clone());
        let create = move || PasswordHash::create(&password, cost, &*rng, &mut HashMemory::default());
        let job = tokio::task::spawn_blocking(create).await;
        made(job.map_err(|_| Problem::new(ProblemKind::Internal, "hashing the password broke off"))?)
    }
}

fn made<E: std::fmt::Display>(hash: Result<PasswordHash, E>) -> Result<PasswordHash, Problem> {
    hash.map_err(|error| Problem::invalid("password", error))
}
