//! `keys list` and `keys show`: the timeline.

use http::Method;
use serde_json::json;
use symbolon_admin_api::{KeyView, Page};
use symbolon_core::UnixMillis;

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::{CliError, ErrorKind};
use super::super::output::{Output, fields, table};
use super::plan::moment;
use super::{KeysList, KeysShow};

/// Lists the keys. None of them is opened, so that it helps where the key-encryption key is the wrong one.
pub(super) async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &KeysList,
) -> Result<(), CliError> {
    let now = context.clock.now();
    let call = Call::new(Method::GET, &["keys"]).with("all", args.all);
    let keys: Page<KeyView> = context.api.send(call).await?.read()?;
    let row = |key: &KeyView| {
        [
            key.kid.clone(),
            key.alg.clone(),
            key.state.clone(),
            key.since.clone(),
            next(key, now),
            encrypted_under(key),
        ]
    };
    let rows: Vec<_> = keys.items.iter().map(row).collect();
    let headers = ["KID", "ALG", "STATE", "SINCE", "NEXT", "ENCRYPTED UNDER"];
    out.result(&json!({ "keys": keys.items }), &table(headers, &rows))
}

/// Shows one key.
pub(super) async fn show(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &KeysShow,
) -> Result<(), CliError> {
    let read = context.api.read(&["keys", args.kid.as_str()]).await;
    let key: KeyView = read.map_err(|error| match error.kind {
        ErrorKind::NotFound => CliError::not_found(
            "there is no signing key of that id",
            "see `symbolon keys list --all`",
        ),
        _ => error,
    })?;
    let pairs = [
        ("kid", key.kid.clone()),
        ("algorithm", key.alg.clone()),
        ("state", key.state.clone()),
        ("since", key.since.clone()),
        ("created", key.created.clone()),
        (
            "signed from",
            key.activated.clone().unwrap_or_else(|| "-".to_owned()),
        ),
        ("next", next(&key, context.clock.now())),
        ("encrypted under", encrypted_under(&key)),
    ];
    out.result(&key, &fields(&pairs))
}

/// What becomes of the key and when; of a pending one also whether it could sign.
fn next(key: &KeyView, now: UnixMillis) -> String {
    let step = key.next.as_ref();
    let step = step.map(|next| format!("{} {}", next.to, moment(UnixMillis(next.at_ms), now)));
    let ready = match (&key.withheld_by, key.ready_ms.map(UnixMillis)) {
        (Some(node), _) => Some(format!("withheld by {node}")),
        (None, Some(at)) if at <= now => Some("ready".to_owned()),
        (None, Some(at)) => Some(format!("ready {}", moment(at, now))),
        (None, None) => None,
    };
    let parts: Vec<_> = step.into_iter().chain(ready).collect();
    if parts.is_empty() {
        return "-".to_owned();
    }
    parts.join(", ")
}

/// The key-encryption key; none where the private key is erased.
fn encrypted_under(key: &KeyView) -> String {
    let erased = matches!(key.state.as_str(), "retired" | "compromised");
    let none = if erased { "-" } else { "unknown" };
    key.encryption_key.clone().unwrap_or_else(|| none.to_owned())
}
