//! `migrate`: the schema of the database.

use serde_json::json;
use symbolon_core::Rng;
use symbolon_store_sql::SqlStore;

use super::args::MigrateArgs;
use super::error::CliError;
use super::output::{Output, table};

/// Brings the schema up to date, or shows where it stands.
///
/// # Errors
/// [`CliError`] where the database fails or belongs to a newer version; nothing changed.
pub async fn run(
    store: &SqlStore,
    rng: &dyn Rng,
    out: &mut Output<'_>,
    args: MigrateArgs,
) -> Result<(), CliError> {
    if args.status {
        return status(store, out).await;
    }
    let pending = store.pending_migrations().await?;
    let taken = store.migrate(rng).await?;
    let text = match taken {
        0 => "the schema is up to date".to_owned(),
        _ => format!("the schema is up to date; steps taken: {}", pending.join(", ")),
    };
    out.result(&json!({ "taken": taken, "steps": pending }), &text)
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
