//! `keys export-public`: for verifiers that can't fetch the key set.

use serde_json::json;
use symbolon_jose::{JwkSet, PublicJwk, PublicKey};

use super::super::context::KeyContext;
use super::super::error::CliError;
use super::super::output::Output;
use super::{KeysExportPublic, PublicFormat, refused};

/// Writes the public keys to standard output, and nothing else.
pub(super) async fn run(
    context: &KeyContext<'_>,
    out: &mut Output<'_>,
    args: &KeysExportPublic,
) -> Result<(), CliError> {
    let keys = context.operations.export_public(args.kid.as_ref()).await;
    let keys = keys.map_err(refused)?;
    match args.format {
        PublicFormat::Jwks => {
            let set = json!(JwkSet { keys });
            out.result(&set, &set.to_string())
        }
        PublicFormat::Pem => {
            let blocks: Vec<_> = keys.iter().map(pem).collect::<Result<_, _>>()?;
            let view =
                |(key, pem): (&PublicJwk, &String)| json!({ "kid": key.kid(), "alg": key.alg(), "pem": pem });
            let views: Vec<_> = keys.iter().zip(&blocks).map(view).collect();
            out.result(&json!({ "keys": views }), blocks.concat().trim_end())
        }
    }
}

fn pem(key: &PublicJwk) -> Result<String, CliError> {
    let key = PublicKey::from_jwk(key).map_err(|error| {
        CliError::failed(
            format_args!("key {} can't be written: {error}", key.kid()),
            "report this as a fault",
        )
    })?;
    Ok(key.to_pem())
}
