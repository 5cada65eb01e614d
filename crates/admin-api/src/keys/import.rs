use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use symbolon_jose::SigningAlg;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::port::KeyOrder;
use super::secret::{KeyText, SecretBody, key_schema};
use super::view::KeyPlan;
use crate::api::Api;
use crate::extract::{Caller, Why};
use crate::problem::Problem;

/// A private key from elsewhere.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyImport {
    /// The private key: as text PEM (PKCS#8, PKCS#1 or SEC1, not encrypted) or a JWK, or a JWK as an object. At most 64 KiB.
    #[schema(schema_with = key_schema)]
    key: KeyText,
    /// What an RSA key signs with. Without it what its JWK says, else the first of the two in `keys.algorithms`.
    #[schema(schema_with = rsa_schema)]
    alg: Option<String>,
    /// PEM certificates to publish beside the key as `x5c`: first that of the key, then each that issued the one before.
    #[schema(max_length = 524288)]
    certificates: Option<String>,
    /// Only say what would happen, and when.
    #[serde(default)]
    dry_run: bool,
}

/// Take a private key from elsewhere as the pending key of its algorithm.
///
/// The present pending key, which never signed, is withdrawn. The imported one is published at once and takes over on
/// schedule. The same key is never taken twice, not even when it is retired. Nothing shows the private key again.
#[utoipa::path(
    post,
    path = "/keys/import",
    tag = "keys",
    params(Why),
    request_body = KeyImport,
    responses((status = 200, description = "What was done, or would be", body = KeyPlan)),
)]
pub(crate) async fn import_key(
    State(api): State<Arc<Api>>,
    caller: Caller,
    SecretBody(import): SecretBody<KeyImport>,
) -> Result<Json<KeyPlan>, Problem> {
    let order = KeyOrder::Import {
        key: import.key,
        alg: import.alg.as_deref().map(rsa_alg).transpose()?,
        certificates: import.certificates,
    };
    api.change_keys(&caller, &order, import.dry_run).await
}

/// The algorithms of RSA keys: the type of any other key decides its own.
const RSA: [SigningAlg; 2] = [SigningAlg::Rs256, SigningAlg::Ps256];

fn rsa_alg(text: &str) -> Result<SigningAlg, Problem> {
    let found = RSA.into_iter().find(|alg| alg.as_str() == text);
    found.ok_or_else(|| {
        Problem::invalid(
            "alg",
            "the type of the key decides; only an RSA key is for one of RS256, PS256",
        )
    })
}

fn rsa_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(RSA.map(SigningAlg::as_str)))
        .description(Some(
            "What an RSA key signs with. Without it what its JWK says, else the first of the two in `keys.algorithms`.",
        ))
        .build()
}
