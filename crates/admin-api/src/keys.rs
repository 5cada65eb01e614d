//! `/keys`: the signing keys.

mod activate;
mod compromise;
mod compromise_all;
mod export;
mod generate;
mod import;
mod list;
mod port;
mod retire;
mod rewrap;
mod rotate;
mod secret;
mod show;
mod view;

pub use port::{KeyOrder, Keys};
pub use secret::KeyText;
pub use view::{
    KeyNextStep, KeyPlan, KeyPlanStep, KeyRevocation, KeyView, KeysCompromised, KeysRewrapped, NeededKey,
    PemKey, PemKeys, PublicKeys, RewrapCount,
};

use axum::Json;
use symbolon_core::audit::{Act, Expected};
use symbolon_jose::{Kid, SigningAlg};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa_axum::routes;

use crate::api::Api;
use crate::extract::Caller;
use crate::idempotency::changes_nothing;
use crate::operation::{Operation, needs};
use crate::problem::{Problem, ProblemKind};

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("keys:read", routes!(list::list_keys)),
        needs("keys:read", routes!(export::export_jwks)),
        needs("keys:read", routes!(export::export_pem)),
        needs("keys:read", routes!(show::show_key)),
        needs("keys:rotate", routes!(rotate::rotate_keys)),
        needs("keys:rotate", routes!(generate::generate_key)),
        needs("keys:rotate", routes!(import::import_key)),
        needs("keys:rotate", routes!(compromise_all::compromise_all_keys)),
        needs("keys:rotate", routes!(rewrap::rewrap_keys)),
        needs("keys:rotate", routes!(activate::activate_key)),
        needs("keys:rotate", routes!(retire::retire_key)),
        needs("keys:rotate", routes!(compromise::compromise_key)),
    ]
}

impl Api {
    /// Carries out an order and returns once every node that can read the database goes by it, or only plans it.
    async fn change_keys(
        &self,
        caller: &Caller,
        order: &KeyOrder,
        dry_run: bool,
    ) -> Result<Json<KeyPlan>, Problem> {
        let act = doing(caller)?;
        let keys = &self.parts.keys;
        if dry_run {
            changes_nothing();
            return Ok(Json(keys.plan(order).await?));
        }
        let plan = keys.carry_out(order, &act).await?;
        self.settle().await;
        Ok(Json(plan))
    }
}

/// For the record. Keys have no version: what is next for them moves with time, and each change is planned on the keys as
/// they stand, and made only where they still stand so.
fn doing(caller: &Caller) -> Result<Act, Problem> {
    let act = caller.act();
    if act.expected.is_some_and(|expected| expected != Expected::Present) {
        return Err(Problem::new(
            ProblemKind::Stale,
            "signing keys have no ETag: leave the condition out, and look at the plan with dry_run first",
        ));
    }
    Ok(act)
}

/// A key id in a path or a query: what can't be one names no key.
fn kid(text: &str) -> Result<Kid, Problem> {
    Kid::parse(text).map_err(|_| Problem::not_found("signing key"))
}

/// An algorithm in a body.
fn alg(text: &str) -> Result<SigningAlg, Problem> {
    text.parse().map_err(|error| Problem::invalid("alg", error))
}

/// The algorithms, for the document.
fn alg_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(SigningAlg::ALL.map(SigningAlg::as_str)))
        .description(Some("One of `keys.algorithms`."))
        .build()
}
