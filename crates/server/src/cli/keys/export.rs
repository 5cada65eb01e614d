//! `keys export-public`: for verifiers that can't fetch the key set.

use http::Method;
use serde_json::json;
use symbolon_admin_api::{PemKeys, PublicKeys};

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::Output;
use super::{KeysExportPublic, PublicFormat};

/// Writes the public keys to standard output, and nothing else.
pub(super) async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &KeysExportPublic,
) -> Result<(), CliError> {
    let form = match args.format {
        PublicFormat::Jwks => "jwks",
        PublicFormat::Pem => "pem",
    };
    let call = Call::new(Method::GET, &["keys", form]).with_some("kid", args.kid.as_ref());
    let answer = context.api.send(call).await?;
    match args.format {
        PublicFormat::Jwks => {
            let set = json!(answer.read::<PublicKeys>()?);
            out.result(&set, &set.to_string())
        }
        PublicFormat::Pem => {
            let keys: PemKeys = answer.read()?;
            let blocks: String = keys.keys.iter().map(|key| key.pem.as_str()).collect();
            out.result(&keys, blocks.trim_end())
        }
    }
}
