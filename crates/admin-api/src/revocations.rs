//! `/revocations`: ending what was issued, by filter, and what the revocation log holds.

mod create;
mod list;
mod plan;
mod show;
mod view;

use utoipa_axum::routes;

use crate::operation::{Operation, needs};

pub use create::{Everything, Filter, RevocationRequest, TokenFilter};
pub(crate) use view::reached;
pub use view::{AppliedBy, RevocationView, RevocationsMade, RevokedTarget, ShownRevocation};

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("sessions:revoke", routes!(create::create_revocation)),
        needs("sessions:read", routes!(list::list_revocations)),
        needs("sessions:read", routes!(show::show_revocation)),
    ]
}
