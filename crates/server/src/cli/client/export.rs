//! `client export`: everything about clients but their secrets.

use http::Method;
use symbolon_admin_api::{MAX_LIMIT, Page};
use symbolon_core::view::ClientView;

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::{Output, json_line};
use super::ClientFilter;

/// Writes one JSON object per client. One that is added meanwhile may or may not be there.
pub(super) async fn export(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    filter: &ClientFilter,
) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let call = Call::new(Method::GET, &["clients"]).with("limit", MAX_LIMIT);
        let call = filter.on(call).with_some("after", after);
        let page: Page<ClientView> = context.api.send(call).await?.read()?;
        let lines: Result<String, CliError> = page.items.iter().map(json_line).collect();
        out.write(&lines?)?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
