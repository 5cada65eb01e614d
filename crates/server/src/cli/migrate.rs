//! `migrate`: the schema of the database.

use serde_json::json;
use symbolon_core::Rng;
use symbolon_core::revocation::LEASE;
use symbolon_store_sql::SqlStore;

use super::args::MigrateArgs;
use super::context::Wait;
use super::error::CliError;
use super::output::{Output, table};

/// Brings the schema up to date, or shows where it stands. After a restored backup it also gives the revocation log a new
/// identity; `wait` is until running servers have seen that.
///
/// # Errors
/// [`CliError`] where the database fails or belongs to a newer version; nothing changed.
pub async fn run(
    store: &SqlStore,
    rng: &dyn Rng,
    wait: &Wait,
    out: &mut Output<'_>,
    args: MigrateArgs,
) -> Result<(), CliError> {
    if args.status {
        return status(store, out).await;
    }
    let pending = store.pending_migrations().await?;
    let taken = store.migrate(rng).await?;
    if args.restored {
        store.renew_log(rng).await?;
        wait(LEASE).await;
    }
    let mut text = "the schema is up to date".to_owned();
    if taken > 0 {
        text = format!("{text}; steps taken: {}", pending.join(", "));
    }
    if args.restored {
        text.push_str("\nthe revocation log has a new identity: every server reads it anew");
    }
    out.result(
        &json!({ "taken": taken, "steps": pending, "restored": args.restored }),
        &text,
    )
}

async fn status(store: &SqlStore, out: &mut Output<'_>) -> Result<(), CliError> {
    let steps = store.migration_status().await?;
    let pending = steps.iter().filter(|step| !step.applied).count();
    let views: Vec<_> = steps
        .iter()
        .map(|step| json!({ "name": step.name, "applied": step.applied }))
        .collect();
    let state = |applied| if applied { "applied" } else { "pending" };
    let rows: Vec<_> = steps
        .iter()
        .map(|step| [step.name.clone(), state(step.applied).to_owned()])
        .collect();
    out.result(
        &json!({ "pending": pending, "steps": views }),
        &table(["STEP", "STATE"], &rows),
    )
}
