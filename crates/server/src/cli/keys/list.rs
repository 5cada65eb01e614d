//! `keys list`: the timeline.

use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_jwks_publisher::KeyInfo;

use super::super::context::KeyContext;
use super::super::error::CliError;
use super::super::output::{Output, rfc3339, table};
use super::view::moment;
use super::{KeysList, refused};

/// Lists the keys. Opens none of them, so that it helps where the key-encryption key is the wrong one.
pub(super) async fn run(
    context: &KeyContext<'_>,
    out: &mut Output<'_>,
    args: &KeysList,
) -> Result<(), CliError> {
    let now = context.clock.now();
    let keys = context.operations.list(args.all).await.map_err(refused)?;
    let row = |key: &KeyInfo| {
        [
            key.kid.to_string(),
            key.alg.to_string(),
            key.state.to_owned(),
            rfc3339(key.since),
            next(key, now),
            encrypted_under(key),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let views: Vec<_> = keys.iter().map(view).collect();
    let headers = ["KID", "ALG", "STATE", "SINCE", "NEXT", "ENCRYPTED UNDER"];
    out.result(&json!({ "keys": views }), &table(headers, &rows))
}

/// What becomes of the key and when; of a pending one also whether it could sign.
fn next(key: &KeyInfo, now: UnixMillis) -> String {
    let step = key.next.as_ref();
    let step = step.map(|next| format!("{} {}", next.to, moment(next.at, now)));
    let ready = match (&key.withheld_by, key.ready) {
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
fn encrypted_under(key: &KeyInfo) -> String {
    let erased = matches!(key.state, "retired" | "compromised");
    let none = if erased { "-" } else { "unknown" };
    key.encryption_key.clone().unwrap_or_else(|| none.to_owned())
}

fn view(key: &KeyInfo) -> Value {
    let millis = |at: Option<UnixMillis>| at.map(|at| at.0);
    json!({
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "since": rfc3339(key.since),
        "since_ms": key.since.0,
        "created": rfc3339(key.created),
        "created_ms": key.created.0,
        "activated": key.activated.map(rfc3339),
        "activated_ms": millis(key.activated),
        "next": key.next.as_ref().map(|next| json!({
            "to": next.to,
            "at": rfc3339(next.at),
            "at_ms": next.at.0,
        })),
        "ready": key.ready.map(rfc3339),
        "ready_ms": millis(key.ready),
        "withheld_by": key.withheld_by,
        "encryption_key": key.encryption_key,
    })
}
