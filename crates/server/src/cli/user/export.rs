//! `user export`: everything about users but their secrets.

use http::Method;
use symbolon_admin_api::{MAX_LIMIT, Page};
use symbolon_core::view::UserView;

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::{Output, json_line};

/// Writes one JSON object per user, in the order of their subjects. Whoever is added meanwhile may or may not be there.
pub(super) async fn export(context: &ApiContext<'_>, out: &mut Output<'_>) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let call = Call::new(Method::GET, &["users"])
            .with("limit", MAX_LIMIT)
            .with_some("after", after.as_ref());
        let page: Page<UserView> = context.api.send(call).await?.read()?;
        let lines: Result<String, CliError> = page.items.iter().map(json_line).collect();
        out.write(&lines?)?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
