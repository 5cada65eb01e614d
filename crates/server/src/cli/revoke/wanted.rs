//! Whom a revocation is about.

use http::Method;
use symbolon_admin_api::{Filter, TokenFilter};
use symbolon_core::view::ClientView;
use symbolon_jose::MAX_TOKEN_LEN;
use uuid::Uuid;

use super::super::api::Call;
use super::super::context::{ApiContext, Console};
use super::super::error::{CliError, ErrorKind, input_failed};
use super::super::output::quoted;
use super::super::user::subject_of;

/// What is to be revoked.
pub(super) struct Wanted {
    pub(super) filter: Filter,
    /// As it was called at the command line.
    text: Option<String>,
}

impl Wanted {
    pub(super) fn of(filter: Filter) -> Self {
        Self { filter, text: None }
    }

    /// The access tokens that are refused, in words.
    pub(super) fn tokens(&self) -> &'static str {
        match &self.filter {
            Filter::All(_) => "every access token issued until then",
            Filter::Clients(_) | Filter::Subjects(_) => "every access token issued to it until then",
            Filter::Key(_) => "every access token that it signed",
            Filter::Session(_) => "every access token of it",
            Filter::Token(_) => "that access token",
        }
    }

    /// Whether it is about sessions, and not only about access tokens.
    pub(super) fn ends_sessions(&self) -> bool {
        !matches!(self.filter, Filter::Key(_) | Filter::Token(_))
    }

    /// An error in the words of the command line.
    pub(super) fn named(&self, error: CliError) -> CliError {
        if error.kind != ErrorKind::NotFound {
            return error;
        }
        match (&self.filter, &self.text) {
            (Filter::Subjects(_), Some(text)) => CliError::not_found(
                format_args!("there is no user {}", quoted(text)),
                "see `symbolon user list`",
            ),
            (Filter::Session(sid), _) => CliError::not_found(
                format_args!("there is no session {sid} on the list, or it has reached its end"),
                "if it began after the backup that was restored, use `symbolon revoke subject` or `symbolon revoke all`",
            ),
            _ => error,
        }
    }
}

/// The client of that client id, or else of that uid.
pub(super) async fn client(context: &ApiContext<'_>, text: &str) -> Result<Wanted, CliError> {
    let call = Call::new(Method::GET, &["clients", text]);
    let sent = context.api.send(call).await.map_err(|error| match error.kind {
        ErrorKind::NotFound => CliError::not_found(
            format_args!("there is no client {}", quoted(text)),
            "see `symbolon client list`",
        ),
        _ => error,
    })?;
    let client: ClientView = sent.read()?;
    Ok(Wanted::of(Filter::Clients(vec![client.client_id])))
}

/// The user of that name or subject; a client that acts for itself is the subject of its tokens.
pub(super) async fn subject(context: &ApiContext<'_>, text: &str) -> Result<Wanted, CliError> {
    let subject: Uuid = subject_of(context, text).await?;
    Ok(Wanted {
        filter: Filter::Subjects(vec![subject]),
        text: Some(text.to_owned()),
    })
}

/// The access token on standard input.
pub(super) fn token_on(console: &mut dyn Console) -> Result<TokenFilter, CliError> {
    // With a line feed behind it, and one more to tell that it is too long.
    let input = console.read(MAX_TOKEN_LEN + 2).map_err(input_failed)?;
    let token = std::str::from_utf8(&input).unwrap_or_default().trim();
    Ok(TokenFilter::Value(token.to_owned()))
}
