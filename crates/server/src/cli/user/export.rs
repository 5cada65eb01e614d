//! `user export`: everything about users but their secrets.

use super::super::context::Context;
use super::super::error::CliError;
use super::super::output::{Output, json_line};
use super::view::View;

/// Users read at a time.
const PAGE: u32 = 500;

/// Writes one JSON object per user, in the order of their subjects. Whoever is added meanwhile may or may not be there.
pub(super) async fn export(context: &Context<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = context
            .admin
            .users(&Default::default(), after.as_deref(), PAGE)
            .await?;
        let lines: Result<String, CliError> = page
            .items
            .iter()
            .map(|user| json_line(&View::from(user)))
            .collect();
        out.write(&lines?)?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
