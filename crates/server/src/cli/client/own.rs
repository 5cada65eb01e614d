//! The client that a command acts as, which must not be shut out by mistake.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Map, Value, json};
use symbolon_core::rights::ADMIN_AUDIENCE;
use symbolon_oauth_types::GrantType;
use uuid::Uuid;

use super::super::api::Login;
use super::super::context::ApiContext;
use super::super::error::{CliError, ErrorKind};
use super::find;

/// Whether a command may end its own login.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OwnArgs {
    /// Also where it is the client that this command acts as, whose login ends with it.
    #[arg(long)]
    pub own: bool,
}

impl OwnArgs {
    /// Refuses what would end the login of this command `how`, unless that is meant.
    ///
    /// # Errors
    /// It is not meant.
    pub(super) fn refuse(self, login: &Login, how: &str) -> Result<(), CliError> {
        if self.own {
            return Ok(());
        }
        let own = &login.client_id;
        Err(CliError::refused(
            format_args!("this command acts as client {own} itself, whose login ends {how}"),
            "log in as another client with `symbolon login`, or give --own if that is meant",
        ))
    }

    /// The same of a patch, or a new form, of the client that it acts as.
    ///
    /// # Errors
    /// The client would lose what the login needs, and that is not meant.
    pub(in crate::cli) fn refuse_losing(
        self,
        login: &Login,
        patch: &Map<String, Value>,
    ) -> Result<(), CliError> {
        match lost(patch, login) {
            Some(lost) => self.refuse(login, &format!("without {lost}")),
            None => Ok(()),
        }
    }
}

/// The login of this command, where that client, by client id or uid, is the one that it acts as.
///
/// # Errors
/// The client can't be looked up. One that may not be read goes by its client id alone.
pub(super) async fn own_login<'a>(
    context: &ApiContext<'a>,
    text: &str,
) -> Result<Option<&'a Login>, CliError> {
    let Some(login) = context.api.login() else {
        return Ok(None);
    };
    if login.client_id == text {
        return Ok(Some(login));
    }
    if Uuid::try_parse(text).is_err() {
        return Ok(None);
    }
    match find(context, text).await {
        Ok(client) => Ok((client.client_id == login.client_id).then_some(login)),
        Err(error) if error.kind == ErrorKind::Denied => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the login needs and its client loses by that patch; nothing where the login stays good.
fn lost(patch: &Map<String, Value>, login: &Login) -> Option<String> {
    let lacks = |member: &str, needed: Value| {
        let left = patch.get(member)?.as_array()?;
        (!left.contains(&needed)).then_some(needed)
    };
    let gone = lacks("grants", json!(GrantType::ClientCredentials.as_str()))
        .or_else(|| lacks("audiences", json!(ADMIN_AUDIENCE)))
        .or_else(|| lacks("auth_methods", json!(login.auth_method)));
    if let Some(gone) = gone {
        return gone.as_str().map(str::to_owned);
    }
    let left: BTreeSet<_> = patch.get("scope")?.as_str()?.split(' ').collect();
    let asked = login.scope.split(' ').find(|scope| !left.contains(scope))?;
    Some(format!("the scope {asked}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::api::SecretMethod;
    use super::*;

    #[test]
    fn what_a_login_needs_is_missed() {
        let login = Login {
            server: "https://a.example".to_owned(),
            token_endpoint: "https://a.example/token".to_owned(),
            client_id: "admin".to_owned(),
            client_secret: "sbs_secret".to_owned().into(),
            auth_method: SecretMethod::Post,
            scope: "users:read users:write".to_owned(),
            ca_file: None,
        };
        let lost = |patch: Value| lost(patch.as_object().unwrap(), &login);
        for (patch, what) in [
            (json!({ "grants": ["password"] }), "client_credentials"),
            (json!({ "audiences": [] }), "urn:symbolon:admin"),
            (
                json!({ "auth_methods": ["client_secret_basic"] }),
                "client_secret_post",
            ),
            (json!({ "scope": "users:read" }), "the scope users:write"),
            (json!({ "scope": "" }), "the scope users:read"),
        ] {
            assert_eq!(lost(patch.clone()).as_deref(), Some(what), "{patch}");
        }
        for patch in [
            json!({}),
            json!({ "name": "A", "default_scope": "", "serves": [] }),
            json!({
                "grants": ["client_credentials", "password"], "audiences": ["urn:a", "urn:symbolon:admin"],
                "auth_methods": ["client_secret_basic", "client_secret_post"],
                "scope": "users:write keys:read users:read",
            }),
        ] {
            assert_eq!(lost(patch.clone()), None, "{patch}");
        }
    }
}
