//! Client secrets: made here, shown once, kept as keyed hashes.

use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use symbolon_core::client::{Client, ClientType};
use symbolon_core::secret::{ClientSecretHash, ClientSecrets};
use symbolon_core::{ClientUid, UnixMillis};

use super::super::context::Context;
use super::super::error::CliError;
use super::super::output::{Output, Remark, fields, rfc3339};
use super::find;
use super::options::overlap;

/// `client rotate-secret`.
#[derive(Args, Debug)]
pub struct RotateSecret {
    /// The client id.
    #[arg(value_name = "ID")]
    pub client: String,
    /// How long the newest old secret stays good, at most 30d; 0s ends it at once.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = overlap)]
    pub overlap: Duration,
}

/// A secret that was just made.
pub(super) struct Made {
    /// What the client presents.
    pub(super) text: SecretString,
    /// What is kept.
    pub(super) hash: ClientSecretHash,
}

/// A fresh secret.
pub(super) fn make(context: &Context<'_>, client: ClientUid) -> Result<Made, CliError> {
    let text = ClientSecrets::generate(context.rng);
    let hash = context.secrets.hash(client, &text).ok_or_else(|| {
        CliError::failed(
            "the database has no server secret for client secrets",
            "start the server once, which makes it",
        )
    })?;
    Ok(Made { text, hash })
}

/// `client rotate-secret`.
pub(super) async fn rotate(
    context: &Context<'_>,
    out: &mut Output<'_>,
    args: &RotateSecret,
) -> Result<(), CliError> {
    let mut client = find(context, &args.client).await?;
    if client.policy.client_type == ClientType::Public {
        return Err(CliError::refused(
            "a public client has no secret",
            "make a confidential client in its place",
        ));
    }
    let made = make(context, client.uid)?;
    client.secrets = overlapping(&client.secrets, made.hash, context.clock.now(), args.overlap);
    context
        .commit(context.admin.set_client_secrets(client.uid, &client.secrets))
        .await?;
    show(out, "secret_rotated", &client, &made.text)
}

/// The newest of the live secrets, until the overlap ends, and the new one. Two at most.
fn overlapping(
    kept: &[ClientSecretHash],
    new: ClientSecretHash,
    now: UnixMillis,
    overlap: Duration,
) -> Vec<ClientSecretHash> {
    let millis = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
    let end = now.plus(millis);
    // The newest is the one that no rotation has given an end yet.
    let live = kept
        .iter()
        .filter(|hash| hash.expires.is_none_or(|expires| now < expires));
    let newest = live.max_by_key(|hash| hash.expires.unwrap_or(UnixMillis::NEVER));
    let old = newest.filter(|_| end > now).map(|hash| ClientSecretHash {
        expires: Some(hash.expires.map_or(end, |expires| expires.min(end))),
        ..hash.clone()
    });
    old.into_iter().chain([new]).collect()
}

/// Writes the secret, this once, to standard output alone.
pub(super) fn show(
    out: &mut Output<'_>,
    done: &'static str,
    client: &Client,
    secret: &SecretString,
) -> Result<(), CliError> {
    let old = client.secrets.iter().find_map(|hash| hash.expires);
    let mut pairs = vec![
        ("client_id", client.client_id.to_string()),
        ("client_secret", secret.expose_secret().to_owned()),
    ];
    if let Some(end) = old {
        pairs.push(("old secret until", rfc3339(end)));
    }
    out.remark(
        Remark::Note,
        "the client secret is shown this once and kept only as a hash: store it now",
    )?;
    out.result(
        &json!({
            "done": done,
            "client_id": client.client_id,
            "uid": client.uid,
            "client_secret": secret.expose_secret(),
            "old_secret_until": old.map(rfc3339),
            "old_secret_until_ms": old.map(|end| end.0),
        }),
        &fields(&pairs),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8, expires: Option<u64>) -> ClientSecretHash {
        ClientSecretHash {
            key_id: 1,
            mac: [byte; 32],
            expires: expires.map(UnixMillis),
        }
    }

    fn after(kept: &[ClientSecretHash], overlap_ms: u64) -> Vec<(u8, Option<u64>)> {
        let overlap = Duration::from_millis(overlap_ms);
        overlapping(kept, hash(9, None), UnixMillis(100), overlap)
            .iter()
            .map(|hash| (hash.mac[0], hash.expires.map(|end| end.0)))
            .collect()
    }

    #[test]
    fn keeps_the_newest_old_secret_for_the_overlap() {
        assert_eq!(after(&[hash(1, None)], 50), [(1, Some(150)), (9, None)]);
        assert_eq!(
            after(&[hash(1, Some(110)), hash(2, None)], 50),
            [(2, Some(150)), (9, None)]
        );
        assert_eq!(
            after(&[hash(2, None), hash(1, Some(110))], 50),
            [(2, Some(150)), (9, None)]
        );
    }

    #[test]
    fn no_overlap_ends_every_old_secret() {
        assert_eq!(after(&[hash(1, Some(110)), hash(2, None)], 0), [(9, None)]);
    }

    #[test]
    fn never_lengthens_or_revives_a_secret() {
        assert_eq!(after(&[hash(1, Some(110))], 50), [(1, Some(110)), (9, None)]);
        assert_eq!(after(&[hash(1, Some(100))], 50), [(9, None)]);
        assert_eq!(after(&[], 50), [(9, None)]);
    }
}
