//! `keys rewrap`: another key-encryption key.

use http::Method;
use serde_json::{Value, json};
use symbolon_admin_api::{KeysRewrapped, NeededKey, RewrapCount};

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::{Output, Remark, table};
use super::KeysRewrap;

/// Most records that are named of those that need one key, in text.
const MAX_NAMED: usize = 3;

/// Has the records encrypted again, and says which key-encryption keys are needed afterwards.
pub(super) async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: KeysRewrap,
) -> Result<(), CliError> {
    let call = Call::new(Method::POST, &["keys", "rewrap"])
        .with_some("reason", args.why.reason)
        .body(&json!({ "dry_run": args.dry_run.dry_run }))?;
    let made: KeysRewrapped = context.api.send(call).await?.read()?;
    for warning in &made.warnings {
        out.remark(Remark::Warning, warning)?;
    }
    out.result(&object(&made), &text(&made))
}

fn object(made: &KeysRewrapped) -> Value {
    let mut object = json!({
        "encryption_key": made.encryption_key,
        "signing_keys": made.signing_keys,
        "server_secrets": made.server_secrets,
        "needed": made.needed,
        "removable": made.removable,
    });
    if made.dry_run {
        object["dry_run"] = true.into();
    } else {
        object["done"] = "rewrapped".into();
    }
    object
}

fn text(made: &KeysRewrapped) -> String {
    let counts =
        |name: &str, of: RewrapCount| [name.to_owned(), of.total.to_string(), of.changed.to_string()];
    let counts = [
        counts("signing keys", made.signing_keys),
        counts("server secrets", made.server_secrets),
    ];
    let needed = |key: &NeededKey| {
        let setting = key.setting.as_deref().unwrap_or("not configured");
        // What is where it belongs needs no names.
        let records = if key.encryption_key == made.encryption_key {
            format!("{} records", key.records.len())
        } else {
            named(&key.records)
        };
        [key.encryption_key.clone(), setting.to_owned(), records]
    };
    let needed: Vec<_> = made.needed.iter().map(needed).collect();
    let mut parts = vec![
        table(["RECORDS", "TOTAL", "ENCRYPTED AGAIN"], &counts),
        table(["NEEDED KEY", "SETTING", "BY"], &needed),
    ];
    parts.extend(made.removable.iter().map(|id| {
        format!(
            "keys.previous_encryption_key ({id}) is no longer needed: remove it, once every server has the new \
             keys.encryption_key. Backups that were made before need it still"
        )
    }));
    if made.dry_run {
        parts.push("dry run: nothing was changed".to_owned());
    }
    parts.join("\n\n")
}

fn named(records: &[String]) -> String {
    match records.split_at_checked(MAX_NAMED) {
        Some((named, others)) if !others.is_empty() => {
            format!("{} and {} more", named.join(", "), others.len())
        }
        _ => records.join(", "),
    }
}
