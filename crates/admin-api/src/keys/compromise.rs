use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use symbolon_core::ports::StoreResult;
use symbolon_core::revocation::{NewRevocation, Reach};
use symbolon_jose::Kid;
use utoipa::ToSchema;

use super::port::KeyOrder;
use super::view::{KeyPlan, KeyRevocation, KeysCompromised};
use crate::api::Api;
use crate::extract::{Body, Caller, Path};
use crate::problem::Problem;
use crate::revocations::reached;

/// Why what keys signed is worth nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyCompromise {
    /// Why, for the record.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// Only say what would happen, and when.
    #[serde(default)]
    dry_run: bool,
}

/// Withdraw a key that leaked: whatever it signed is worth nothing from now on.
///
/// The key leaves the key set at once and for good, its private key is erased, and the revocation log says so. Where it was
/// the one that signs, the pending key takes over at once, or a new one if that is compromised too. It can't be undone.
#[utoipa::path(
    post,
    path = "/keys/{kid}/compromise",
    tag = "keys",
    params(("kid" = String, Path, description = "Its id")),
    request_body = KeyCompromise,
    responses(
        (status = 200, description = "What was done, or would be: no node accepts what the key signed", body = KeysCompromised),
        (status = 202, description = "It is done, but a node that can't read the database may not know of it yet", body = KeysCompromised),
    ),
)]
pub(crate) async fn compromise_key(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(compromise): Body<KeyCompromise>,
) -> Result<Response, Problem> {
    let kid = super::kid(&text)?;
    api.compromise_keys(caller, Some(kid), &compromise).await
}

impl Api {
    /// Takes back one key, or every one that is published, and says how far that reaches.
    pub(super) async fn compromise_keys(
        &self,
        caller: Caller,
        kid: Option<Kid>,
        compromise: &KeyCompromise,
    ) -> Result<Response, Problem> {
        let caller = caller.because(&compromise.reason)?;
        let order = KeyOrder::Compromise { kid };
        let Json(plan) = self.change_keys(&caller, &order, compromise.dry_run).await?;
        if compromise.dry_run {
            let planned = KeysCompromised {
                plan,
                reach: None,
                revocations: Vec::new(),
            };
            return Ok(Json(planned).into_response());
        }
        let (status, reach) = reached(self.promise_keys().await);
        let revocations = self.key_revocations(&plan).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "keys were compromised, but their entries on the revocation log could not be read");
            Vec::new()
        });
        let done = KeysCompromised {
            plan,
            reach: Some(reach.to_owned()),
            revocations,
        };
        Ok((status, Json(done)).into_response())
    }

    /// Makes the promise for everybody's sessions. The change is committed before: where nothing can be promised, it is done
    /// all the same.
    async fn promise_keys(&self) -> Reach {
        let log = &self.parts.log;
        let promised = match log.head().await {
            Ok(head) => log.promise(None, head).await,
            Err(error) => Err(error),
        };
        promised.unwrap_or_else(|error| {
            tracing::warn!(%error, "keys were compromised, but that no node goes by them could not be promised");
            Reach::Logged
        })
    }

    async fn key_revocations(&self, plan: &KeyPlan) -> StoreResult<Vec<KeyRevocation>> {
        let log = self.parts.log.head().await?.log;
        let bad = plan
            .steps
            .iter()
            .filter(|step| step.now && step.to == "compromised");
        let kids = bad
            .filter_map(|step| step.kid.as_deref())
            .filter_map(|kid| Kid::parse(kid).ok());
        let mut revocations = Vec::new();
        for kid in kids {
            let digest = NewRevocation::key(&kid).entry.digest;
            if let Some(recorded) = self.parts.records.last_revocation_of(digest).await? {
                revocations.push(KeyRevocation {
                    kid: kid.to_string(),
                    log,
                    seq: recorded.logged.seq,
                });
            }
        }
        Ok(revocations)
    }
}
