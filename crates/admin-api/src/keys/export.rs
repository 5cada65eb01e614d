//! The public keys, for verifiers that can't fetch the key set.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use symbolon_jose::{PublicJwk, PublicKey};
use utoipa::IntoParams;

use super::kid;
use super::view::{PemKey, PemKeys, PublicKeys};
use crate::api::Api;
use crate::extract::Query;
use crate::problem::{Problem, ProblemKind};

/// Which keys are exported.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only the key of this id.
    #[param(max_length = 128)]
    kid: Option<String>,
}

/// Export the published public keys as a JWK set, like the one at the `jwks_uri`.
#[utoipa::path(
    get,
    path = "/keys/jwks",
    tag = "keys",
    params(Which),
    responses(
        (status = 200, description = "The keys", body = PublicKeys),
        (status = 404, description = "No key of that id is published", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn export_jwks(
    State(api): State<Arc<Api>>,
    Query(which): Query<Which>,
) -> Result<Json<PublicKeys>, Problem> {
    let keys = public_keys(&api, &which).await?;
    Ok(Json(PublicKeys { keys }))
}

/// Export the published public keys as PEM.
#[utoipa::path(
    get,
    path = "/keys/pem",
    tag = "keys",
    params(Which),
    responses(
        (status = 200, description = "The keys", body = PemKeys),
        (status = 404, description = "No key of that id is published", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn export_pem(
    State(api): State<Arc<Api>>,
    Query(which): Query<Which>,
) -> Result<Json<PemKeys>, Problem> {
    let keys = public_keys(&api, &which).await?;
    let keys = keys.iter().map(pem).collect::<Result<_, _>>()?;
    Ok(Json(PemKeys { keys }))
}

async fn public_keys(api: &Api, which: &Which) -> Result<Vec<PublicJwk>, Problem> {
    let kid = which.kid.as_deref().map(kid).transpose()?;
    api.parts.keys.public_keys(kid.as_ref()).await
}

fn pem(jwk: &PublicJwk) -> Result<PemKey, Problem> {
    let key = PublicKey::from_jwk(jwk).map_err(|error| {
        tracing::error!(kid = %jwk.kid(), %error, "a published key can't be written as PEM");
        Problem::new(
            ProblemKind::Internal,
            "a published key can't be written as PEM: see the server's log",
        )
    })?;
    Ok(PemKey {
        kid: jwk.kid().to_string(),
        alg: jwk.alg().to_string(),
        pem: key.to_pem(),
    })
}
