//! Whom a revocation is about.

use symbolon_core::lookup::SessionsOf;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{ClientUid, SessionId, Subject};
use symbolon_oauth_types::revocation::RevocationKind;
use uuid::Uuid;

use super::super::context::LogContext;
use super::super::error::{CliError, ErrorKind};
use super::super::output::rfc3339;
use super::super::{client as clients, user as users};

/// What is to be revoked.
pub(super) struct Target {
    /// The entry. A cutoff in it is of the moment at which this was made.
    pub(super) entry: NewRevocation,
    /// What the entry is about: `sub`, `client_id`, `sid`, `jti` or `kid`.
    pub(super) value: Option<String>,
    /// The same for people.
    pub(super) name: String,
    /// The sessions that end.
    pub(super) sessions: Option<SessionsOf>,
    /// The access tokens that are refused.
    pub(super) tokens: &'static str,
}

impl Target {
    pub(super) fn kind(&self) -> RevocationKind {
        self.entry.entry.kind
    }
}

pub(super) fn all(context: &LogContext<'_>) -> Target {
    Target {
        entry: NewRevocation::all(context.store.clock.cutoff()),
        value: None,
        name: "everything".to_owned(),
        sessions: Some(SessionsOf::All),
        tokens: "every access token issued until now",
    }
}

pub(super) async fn client(context: &LogContext<'_>, text: &str) -> Result<Target, CliError> {
    let client = clients::find(&context.store, text).await?;
    Ok(Target {
        entry: NewRevocation::client(&client.client_id, context.store.clock.cutoff()),
        value: Some(client.client_id.to_string()),
        name: format!("client {} ({})", client.client_id, client.policy.name),
        sessions: Some(SessionsOf::Client(client.uid, client.client_id)),
        tokens: "every access token issued to it until now",
    })
}

pub(super) async fn session(context: &LogContext<'_>, sid: Uuid) -> Result<Target, CliError> {
    let session = SessionId(sid);
    let listed = context.sessions.session(session).await?.ok_or_else(|| {
        CliError::not_found(
            format_args!("there is no session {sid} on the list"),
            "it has ended, or it began after the backup that was restored: then use `symbolon revoke subject` or \
             `symbolon revoke all`",
        )
    })?;
    if listed.ends <= context.store.clock.now() {
        return Err(CliError::refused(
            format_args!("the session ended at {}", rfc3339(listed.ends)),
            "there is nothing to revoke",
        ));
    }
    Ok(Target {
        entry: NewRevocation::session(session, listed.ends).of(listed.subject),
        value: Some(sid.to_string()),
        name: format!("session {sid} of subject {}", listed.subject),
        sessions: Some(SessionsOf::Session(session)),
        tokens: "every access token of it",
    })
}

pub(super) async fn subject(context: &LogContext<'_>, text: &str) -> Result<Target, CliError> {
    let (subject, name) = match users::find(&context.store, text).await {
        Ok(user) => (user.subject, format!("user {} ({})", user.username, user.subject)),
        Err(error) if error.kind == ErrorKind::NotFound => of_client(context, text).await?.ok_or(error)?,
        Err(error) => return Err(error),
    };
    Ok(Target {
        entry: NewRevocation::subject(subject, context.store.clock.cutoff()),
        value: Some(subject.to_string()),
        name,
        sessions: Some(SessionsOf::Subject(subject)),
        tokens: "every access token issued to it until now",
    })
}

/// A client that acts for itself is the subject of its tokens.
async fn of_client(context: &LogContext<'_>, text: &str) -> Result<Option<(Subject, String)>, CliError> {
    let Ok(uid) = Uuid::try_parse(text) else {
        return Ok(None);
    };
    let client = context.store.facts.client_by_uid(ClientUid(uid)).await?;
    Ok(client.map(|client| {
        let name = format!("client {} acting for itself ({uid})", client.client_id);
        (Subject(uid), name)
    }))
}
