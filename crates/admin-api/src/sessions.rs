//! `/sessions`: what logins began, and ending it.

mod list;
mod revoke;
mod show;

pub use revoke::SessionRevocation;
use serde::{Deserialize, Serialize};
use symbolon_core::lookup::{SessionDetail, SessionsOf};
use symbolon_core::time::rfc3339;
use symbolon_core::{ClientId, ClientUid, SessionId, Subject};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::Api;
use crate::operation::{Operation, needs};
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("sessions:read", routes!(list::list_sessions)),
        needs("sessions:read", routes!(show::show_session)),
        needs("sessions:revoke", routes!(revoke::revoke_session)),
    ]
}

/// A session: what one login started for one client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// `sid` in its tokens.
    pub sid: Uuid,
    /// Whose it is.
    pub subject: Uuid,
    /// Their user name; null where they were deleted.
    pub username: Option<String>,
    /// The client.
    pub client_uid: Uuid,
    /// Its name on the wire; null where it was deleted.
    pub client_id: Option<String>,
    /// The scope that was granted, separated by spaces.
    pub scope: String,
    /// Where the login came from.
    pub address: Option<String>,
    /// What the client software called itself.
    pub user_agent: Option<String>,
    /// Whether it was ended: by an entry on the revocation log about it, its subject, its client, or everything.
    pub ended: bool,
    /// When it began.
    pub began: String,
    /// The same in milliseconds since the epoch.
    pub began_ms: u64,
    /// Its absolute end.
    pub ends: String,
    /// The same in milliseconds since the epoch.
    pub ends_ms: u64,
}

impl From<SessionDetail> for SessionView {
    fn from(detail: SessionDetail) -> Self {
        let listed = detail.listed;
        let began = listed.session.moment();
        Self {
            sid: listed.session.0,
            subject: listed.subject.0,
            username: detail.username,
            client_uid: listed.client.0,
            client_id: detail.client_id,
            scope: detail.scope,
            address: detail.address,
            user_agent: detail.user_agent,
            ended: detail.ended,
            began: rfc3339(began),
            began_ms: began.0,
            ends: rfc3339(listed.ends),
            ends_ms: listed.ends.0,
        }
    }
}

impl Api {
    /// The session of that id, where it has not reached its absolute end.
    async fn live_session(&self, sid: Uuid) -> Result<SessionDetail, Problem> {
        let of = SessionsOf::Session(SessionId(sid));
        let page = self
            .parts
            .sessions
            .sessions(&of, self.parts.clock.now(), None, 1)
            .await?;
        let found = page.items.into_iter().next();
        found.ok_or_else(|| Problem::not_found("session, or it has reached its end"))
    }

    /// Which sessions are meant by these parameters.
    async fn sessions_of(
        &self,
        subject: Option<Uuid>,
        client_id: Option<&str>,
    ) -> Result<SessionsOf, Problem> {
        match (subject, client_id) {
            (None, None) => Ok(SessionsOf::All),
            (Some(subject), None) => Ok(SessionsOf::Subject(Subject(subject))),
            (None, Some(client)) => {
                let (uid, id) = self.known_client(client).await?;
                Ok(SessionsOf::Client(uid, id))
            }
            (Some(_), Some(_)) => Err(Problem::invalid(
                "client_id",
                "give subject or client_id, not both",
            )),
        }
    }

    /// The client of that id.
    pub(crate) async fn known_client(&self, text: &str) -> Result<(ClientUid, ClientId), Problem> {
        let unknown = || Problem::not_found("client");
        let id: ClientId = text.parse().map_err(|_| unknown())?;
        let client = self.parts.facts.client(&id).await?.ok_or_else(unknown)?;
        Ok((client.uid, client.client_id))
    }
}
