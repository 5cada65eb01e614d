//! `keys rewrap`: another key-encryption key.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use symbolon_core::ports::StoreResult;
use symbolon_jose::KeyEncryptionKey;
use symbolon_jwks_publisher::{Rewrapped, rewrap_signing_keys};

use super::super::context::{Console, KeyContext};
use super::super::error::CliError;
use super::super::output::{Output, Remark, table};
use super::{KeysRewrap, failed, refused};
use crate::secrets::rewrap_secrets;

/// Most records that are named of those that need one key, in text.
const MAX_NAMED: usize = 3;

/// What came of it.
struct Outcome {
    signing_keys: Rewrapped,
    server_secrets: Rewrapped,
    /// The records that each key-encryption key is needed by, by its id.
    needed: BTreeMap<String, Vec<String>>,
    dry_run: bool,
}

/// Encrypts the records again, and says which key-encryption keys are needed afterwards.
pub(super) async fn run(
    context: &KeyContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &KeysRewrap,
) -> Result<(), CliError> {
    let dry_run = args.dry_run.dry_run;
    // Everything is opened before the first record is touched, and nothing is put where a running server can't open it.
    context.operations.check_nodes().await.map_err(refused)?;
    let mut signing_keys = rewrap_keys(context, true, |_, _| {}).await?;
    let mut server_secrets = rewrap_server_secrets(context, true).await?;
    if !dry_run {
        let shown = console.is_terminal();
        let mut written = Ok(());
        let progress = |done: usize, total: usize| {
            if shown && written.is_ok() {
                written = out.remark(Remark::Note, &format!("signing key {done} of {total}"));
            }
        };
        signing_keys = rewrap_keys(context, false, progress).await?;
        written?;
        server_secrets = rewrap_server_secrets(context, false).await?;
    }
    let outcome = Outcome {
        signing_keys,
        server_secrets,
        needed: needed(context).await?,
        dry_run,
    };
    show(context, out, &outcome)
}

async fn rewrap_keys(
    context: &KeyContext<'_>,
    dry_run: bool,
    mut progress: impl FnMut(usize, usize),
) -> Result<Rewrapped, CliError> {
    rewrap_signing_keys(context.keys, context.encryption_keys, dry_run, &mut progress)
        .await
        .map_err(failed)
}

async fn rewrap_server_secrets(context: &KeyContext<'_>, dry_run: bool) -> Result<Rewrapped, CliError> {
    let (total, changed) = rewrap_secrets(context.secrets, context.encryption_keys, dry_run)
        .await
        .map_err(|error| CliError::failed(format_args!("{error:#}"), ""))?;
    Ok(Rewrapped { total, changed })
}

/// Reads the records anew: a server that goes by the old configuration may have added one meanwhile.
async fn needed(context: &KeyContext<'_>) -> StoreResult<BTreeMap<String, Vec<String>>> {
    let keys = context.keys.signing_keys().await?;
    let keys = keys.iter().map(|key| {
        let name = format!("signing key {} ({})", key.kid, key.alg);
        (&key.wrapped, name)
    });
    let secrets = context.secrets.secrets().await?;
    let secrets = secrets.iter().map(|secret| {
        let name = format!("server secret {} {}", secret.purpose.as_str(), secret.id);
        (&secret.wrapped, name)
    });
    let mut needed = BTreeMap::<_, Vec<_>>::new();
    for (wrapped, name) in keys.chain(secrets) {
        let id = KeyEncryptionKey::key_id_of(wrapped);
        let id = id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        needed.entry(id).or_default().push(name);
    }
    Ok(needed)
}

fn show(context: &KeyContext<'_>, out: &mut Output<'_>, outcome: &Outcome) -> Result<(), CliError> {
    let previous = context.encryption_keys.previous().iter();
    let (kept, removable): (Vec<_>, Vec<_>) = previous
        .map(|key| key.id().to_string())
        .partition(|id| outcome.needed.contains_key(id));
    if !outcome.dry_run {
        for id in &kept {
            let text = format!(
                "keys.previous_encryption_key ({id}) is still needed: a server went on to encrypt under it; give every \
                 server the new keys.encryption_key, and run this again"
            );
            out.remark(Remark::Warning, &text)?;
        }
    }
    let mut object = json!({
        "encryption_key": context.encryption_keys.current().id().to_string(),
        "signing_keys": counts(&outcome.signing_keys),
        "server_secrets": counts(&outcome.server_secrets),
        "needed": outcome.needed.iter().map(|(id, records)| json!({
            "encryption_key": id,
            "setting": setting(context, id),
            "records": records,
        })).collect::<Vec<_>>(),
        "removable": removable,
    });
    if outcome.dry_run {
        object["dry_run"] = true.into();
    } else {
        object["done"] = "rewrapped".into();
    }
    out.result(&object, &text(context, outcome, &removable))
}

fn counts(of: &Rewrapped) -> Value {
    json!({ "total": of.total, "changed": of.changed })
}

fn text(context: &KeyContext<'_>, outcome: &Outcome, removable: &[String]) -> String {
    let counts = |name: &str, of: &Rewrapped| [name.to_owned(), of.total.to_string(), of.changed.to_string()];
    let counts = [
        counts("signing keys", &outcome.signing_keys),
        counts("server secrets", &outcome.server_secrets),
    ];
    let needed = outcome.needed.iter().map(|(id, records)| {
        let setting = setting(context, id).unwrap_or("not configured").to_owned();
        let current = *id == context.encryption_keys.current().id().to_string();
        // What is where it belongs needs no names.
        let records = if current {
            format!("{} records", records.len())
        } else {
            named(records)
        };
        [id.clone(), setting, records]
    });
    let needed: Vec<_> = needed.collect();
    let mut parts = vec![
        table(["RECORDS", "TOTAL", "ENCRYPTED AGAIN"], &counts),
        table(["NEEDED KEY", "SETTING", "BY"], &needed),
    ];
    parts.extend(removable.iter().map(|id| {
        format!(
            "keys.previous_encryption_key ({id}) is no longer needed: remove it, once every server has the new \
             keys.encryption_key. Backups that were made before need it still"
        )
    }));
    if outcome.dry_run {
        parts.push("dry run: nothing was changed".to_owned());
    }
    parts.join("\n\n")
}

/// The setting that the key-encryption key comes from.
fn setting(context: &KeyContext<'_>, id: &str) -> Option<&'static str> {
    let keys = context.encryption_keys;
    if keys.current().id().as_ref() == id {
        return Some("keys.encryption_key");
    }
    let mut previous = keys.previous().iter();
    previous
        .any(|key| key.id().as_ref() == id)
        .then_some("keys.previous_encryption_key")
}

fn named(records: &[String]) -> String {
    match records.split_at_checked(MAX_NAMED) {
        Some((named, others)) if !others.is_empty() => {
            format!("{} and {} more", named.join(", "), others.len())
        }
        _ => records.join(", "),
    }
}
