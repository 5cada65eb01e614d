//! Signing keys.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use symbolon_admin_api::{
    KeyOrder, KeyPlan, KeyPlanStep, KeyView, Keys, KeysRewrapped, Problem, ProblemKind, RewrapCount,
};
use symbolon_core::audit::Act;
use symbolon_jose::{Kid, PrivateKey, PublicJwk, SigningAlg};

/// An active key `k1`, and `k0`, which is retired. Refuses every change until it is told to obey, and keeps what it was
/// ordered.
#[derive(Default)]
pub(crate) struct FakeKeys {
    obeys: AtomicBool,
    planned: Mutex<Vec<KeyOrder>>,
    orders: Mutex<Vec<KeyOrder>>,
    acts: Mutex<Vec<Act>>,
}

impl FakeKeys {
    /// Does what it is told from now on.
    pub(crate) fn obey(&self) {
        self.obeys.store(true, Ordering::SeqCst);
    }

    /// The orders so far that were only planned.
    pub(crate) fn planned(&self) -> Vec<KeyOrder> {
        self.planned.lock().unwrap().clone()
    }

    /// The orders so far that were to be carried out.
    pub(crate) fn orders(&self) -> Vec<KeyOrder> {
        self.orders.lock().unwrap().clone()
    }

    /// Whose doings they were, and those of what was encrypted again.
    pub(crate) fn acts(&self) -> Vec<Act> {
        self.acts.lock().unwrap().clone()
    }

    fn obeys(&self) -> Result<(), Problem> {
        if self.obeys.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Problem::new(
            ProblemKind::Conflict,
            "the keys are not to be changed",
        ))
    }
}

#[async_trait]
impl Keys for FakeKeys {
    async fn keys(&self, all: bool) -> Result<Vec<KeyView>, Problem> {
        let mut keys = vec![key("k1", "active")];
        keys.extend(all.then(|| key("k0", "retired")));
        Ok(keys)
    }

    async fn public_keys(&self, kid: Option<&Kid>) -> Result<Vec<PublicJwk>, Problem> {
        let key = PrivateKey::generate(SigningAlg::Es256, &mut |dest| dest.fill(7)).unwrap();
        let jwk = key.public().jwk().clone();
        match kid {
            Some(kid) if kid != jwk.kid() => Err(Problem::new(ProblemKind::NotFound, "there is no such key")),
            _ => Ok(vec![jwk]),
        }
    }

    async fn plan(&self, order: &KeyOrder) -> Result<KeyPlan, Problem> {
        self.obeys()?;
        self.planned.lock().unwrap().push(order.clone());
        Ok(plan(true))
    }

    async fn carry_out(&self, order: &KeyOrder, act: &Act) -> Result<KeyPlan, Problem> {
        self.orders.lock().unwrap().push(order.clone());
        self.obeys()?;
        self.acts.lock().unwrap().push(act.clone());
        Ok(plan(false))
    }

    async fn rewrap(&self, dry_run: bool, act: &Act) -> Result<KeysRewrapped, Problem> {
        self.obeys()?;
        self.acts.lock().unwrap().push(act.clone());
        let count = RewrapCount { total: 2, changed: 1 };
        Ok(KeysRewrapped {
            encryption_key: "e1".to_owned(),
            signing_keys: count,
            server_secrets: count,
            needed: Vec::new(),
            removable: Vec::new(),
            warnings: Vec::new(),
            dry_run,
        })
    }
}

fn key(kid: &str, state: &str) -> KeyView {
    KeyView {
        kid: kid.to_owned(),
        alg: "ES256".to_owned(),
        state: state.to_owned(),
        since: "2026-01-01T00:00:00.000Z".to_owned(),
        since_ms: 1_767_225_600_000,
        created: "2026-01-01T00:00:00.000Z".to_owned(),
        created_ms: 1_767_225_600_000,
        activated: None,
        activated_ms: None,
        next: None,
        ready: None,
        ready_ms: None,
        withheld_by: None,
        encryption_key: None,
    }
}

/// A plan that makes `k1` compromised now, and a new key active later.
fn plan(dry_run: bool) -> KeyPlan {
    let step = |kid: Option<&str>, to: &str, now| KeyPlanStep {
        alg: "ES256".to_owned(),
        kid: kid.map(str::to_owned),
        from: None,
        to: to.to_owned(),
        at: "2026-01-01T00:00:00.000Z".to_owned(),
        at_ms: 1_767_225_600_000,
        now,
    };
    KeyPlan {
        steps: vec![step(Some("k1"), "compromised", true), step(None, "active", false)],
        warnings: vec!["a warning".to_owned()],
        notes: Vec::new(),
        dry_run,
    }
}
