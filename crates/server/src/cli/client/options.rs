//! What an administrator decides about a client, as flags.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value, json};
use symbolon_admin_api::ServedForm;
use symbolon_core::client::{AuthMethod, RotationPolicy};
use symbolon_core::view::ClientView;
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::{GrantType, ResourceIndicator};

use super::super::error::CliError;
use super::super::output::{Output, Remark};
use super::super::role::scope_set;

/// The policy of a client.
#[derive(Args, Clone, Debug, Default)]
pub struct PolicyArgs {
    /// A grant that the client may use: client_credentials, refresh_token, or password, which RFC 9700 advises
    /// against; may be repeated.
    #[arg(long = "grant", value_name = "GRANT")]
    pub grants: Vec<GrantType>,
    /// A scope that the client may ask for; may be repeated. `client update` replaces the whole list.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// A scope that the client gets when it asks for none; may be repeated.
    #[arg(long = "default-scope", value_name = "SCOPE")]
    pub default_scopes: Vec<String>,
    /// A resource server that the client may ask tokens for, the default one first; may be repeated.
    #[arg(long = "audience", value_name = "URI")]
    pub audiences: Vec<ResourceIndicator>,
    /// A resource server that this client is, with the algorithm that it wants its tokens signed with and how long
    /// they may live at most, 10s to 1h; may be repeated.
    #[arg(long, value_name = "URI[=ALG][,lifetime=DURATION]")]
    pub serves: Vec<ServedArg>,
    /// Lifetime of access tokens, 10s to 1h, rather than `tokens.access_token_lifetime`.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub access_token_lifetime: Option<u32>,
    /// Lifetime of sessions, 1m to 400d, rather than `tokens.session_lifetime`.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub session_lifetime: Option<u32>,
    /// Time after which an unused refresh token expires, rather than `tokens.refresh_idle_lifetime`.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub refresh_idle_lifetime: Option<u32>,
    /// Whether each refresh gives a new refresh token: always, or, for confidential clients, never.
    #[arg(long, value_name = "POLICY")]
    pub rotation: Option<RotationPolicy>,
    /// Late recoveries per session and day, 0 to 10, rather than `tokens.refresh_late_recoveries`.
    #[arg(long, value_name = "N")]
    pub late_recoveries: Option<u8>,
    /// Algorithm that the client's tokens are signed with where the resource server names none.
    #[arg(long, value_name = "ALG")]
    pub signing_alg: Option<SigningAlg>,
    /// An origin whose scripts may call the token and revocation endpoints; may be repeated.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    pub cors_origins: Vec<String>,
    /// How the client may authenticate: client_secret_basic, client_secret_post; may be repeated.
    #[arg(long = "auth-method", value_name = "METHOD")]
    pub auth_methods: Vec<AuthMethod>,
}

/// What `client update --clear` empties or sets back to the server's default.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Clearable {
    /// The server's `tokens.access_token_lifetime` again.
    AccessTokenLifetime,
    /// No resource server to ask tokens for.
    Audience,
    /// No origin.
    CorsOrigin,
    /// Nothing for a client that asks for nothing.
    DefaultScope,
    /// No grant.
    Grant,
    /// The server's `tokens.refresh_late_recoveries` again.
    LateRecoveries,
    /// The server's `tokens.refresh_idle_lifetime` again.
    RefreshIdleLifetime,
    /// No scope.
    Scope,
    /// No resource server any more.
    Serves,
    /// The server's `tokens.session_lifetime` again.
    SessionLifetime,
    /// The server's `keys.default_algorithm` again.
    SigningAlg,
}

impl Clearable {
    /// The field, empty.
    pub(super) fn emptied(self) -> (String, Value) {
        let (name, empty) = match self {
            Self::AccessTokenLifetime => ("access_token_lifetime", Value::Null),
            Self::Audience => ("audiences", json!([])),
            Self::CorsOrigin => ("cors_origins", json!([])),
            Self::DefaultScope => ("default_scope", json!("")),
            Self::Grant => ("grants", json!([])),
            Self::LateRecoveries => ("late_recoveries", Value::Null),
            Self::RefreshIdleLifetime => ("refresh_idle_lifetime", Value::Null),
            Self::Scope => ("scope", json!("")),
            Self::Serves => ("serves", json!([])),
            Self::SessionLifetime => ("session_lifetime", Value::Null),
            Self::SigningAlg => ("signing_alg", Value::Null),
        };
        (name.to_owned(), empty)
    }
}

/// A value of `--serves`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServedArg(pub ServedForm);

impl FromStr for ServedArg {
    type Err = String;

    /// Reads `URI`, `URI=ALG`, and either with `,lifetime=DURATION` behind it. Where the URI has a query, its last `=`
    /// belongs to it unless an algorithm follows.
    fn from_str(text: &str) -> Result<Self, String> {
        let (text, access_token_lifetime) = match text.rsplit_once(",lifetime=") {
            Some((text, lifetime)) => {
                let lifetime = seconds(lifetime)
                    .map_err(|error| format!("what follows lifetime= is no duration: {error}"))?;
                (text, Some(lifetime))
            }
            None => (text, None),
        };
        let (uri, signing_alg) = match text.rsplit_once('=') {
            Some((uri, alg)) => match alg.parse::<SigningAlg>() {
                Ok(alg) => (uri, Some(alg)),
                Err(_) if uri.contains('?') => (text, None),
                Err(error) => return Err(format!("what follows the = is no algorithm: {error}")),
            },
            None => (text, None),
        };
        let indicator = uri
            .parse::<ResourceIndicator>()
            .map_err(|error| error.to_string())?;
        Ok(Self(ServedForm {
            audience: indicator.to_string(),
            signing_alg: signing_alg.map(|alg| alg.to_string()),
            access_token_lifetime,
        }))
    }
}

/// A duration in whole seconds.
pub(in crate::cli) fn seconds(text: &str) -> Result<u32, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.subsec_nanos() != 0 {
        return Err("give whole seconds".to_owned());
    }
    u32::try_from(duration.as_secs()).map_err(|_| "give at most 400 days".to_owned())
}

/// The longest overlap of two secrets: 30 days, in seconds.
const MAX_OVERLAP: u32 = 30 * 86_400;

/// A value of `--overlap`, in seconds.
pub(super) fn overlap(text: &str) -> Result<u32, String> {
    let seconds = seconds(text)?;
    if seconds <= MAX_OVERLAP {
        return Ok(seconds);
    }
    Err("give at most 30d".to_owned())
}

impl PolicyArgs {
    /// What is given, as members of the form of a client.
    ///
    /// # Errors
    /// [`CliError`] where a scope is malformed.
    pub(super) fn members(self) -> Result<Map<String, Value>, CliError> {
        let lifetime = |seconds: Option<u32>| json!(seconds);
        let serves = self.serves.into_iter().map(|served| served.0);
        let members = [
            ("grants", set(self.grants, GrantType::as_str)),
            ("scope", scope(&self.scopes)?),
            ("default_scope", scope(&self.default_scopes)?),
            ("audiences", list(self.audiences)),
            ("serves", list(serves)),
            ("access_token_lifetime", lifetime(self.access_token_lifetime)),
            ("session_lifetime", lifetime(self.session_lifetime)),
            ("refresh_idle_lifetime", lifetime(self.refresh_idle_lifetime)),
            ("rotation", json!(self.rotation.map(RotationPolicy::as_str))),
            ("late_recoveries", json!(self.late_recoveries)),
            ("signing_alg", json!(self.signing_alg)),
            ("cors_origins", set(self.cors_origins, |origin| origin)),
            ("auth_methods", set(self.auth_methods, AuthMethod::as_str)),
        ];
        let given = members.into_iter().filter(|(_, value)| !value.is_null());
        Ok(given.map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// The scope of several flags; null where there are none.
fn scope(flags: &[String]) -> Result<Value, CliError> {
    if flags.is_empty() {
        return Ok(Value::Null);
    }
    Ok(json!(scope_set(flags)?))
}

/// A list whose order does not count, in the order in which the server keeps it; null where it is empty.
fn set<T: Ord, N: Serialize>(items: Vec<T>, name: impl Fn(T) -> N) -> Value {
    list(items.into_iter().collect::<BTreeSet<_>>().into_iter().map(name))
}

/// A list whose order counts; null where it is empty.
fn list<T: Serialize>(items: impl IntoIterator<Item = T>) -> Value {
    let items: Vec<_> = items.into_iter().collect();
    if items.is_empty() {
        Value::Null
    } else {
        json!(items)
    }
}

/// Warns of what a client may do although it is advised against.
pub(super) fn warn(out: &mut Output<'_>, client: &ClientView) -> Result<(), CliError> {
    if client
        .grants
        .iter()
        .any(|grant| grant == GrantType::Password.as_str())
    {
        out.remark(
            Remark::Warning,
            "the password grant shows the user's password to the client: RFC 9700 section 2.4 says that it must not \
             be used; allow it to your own, old clients at most",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use symbolon_admin_api::ClientForm;

    use super::*;

    #[test]
    fn served_audiences_may_name_an_algorithm_and_a_lifetime() {
        let read = |text: &str| {
            let ServedArg(served) = text.parse()?;
            let (audience, alg) = (served.audience, served.signing_alg);
            Ok::<_, String>((audience, alg, served.access_token_lifetime))
        };
        for (text, uri, alg, lifetime) in [
            ("urn:api", "urn:api", None, None),
            ("urn:api=RS256", "urn:api", Some("RS256"), None),
            ("urn:api=ES256,lifetime=60s", "urn:api", Some("ES256"), Some(60)),
            ("urn:api,lifetime=5m", "urn:api", None, Some(300)),
            ("https://a.example/?v=1", "https://a.example/?v=1", None, None),
            (
                "https://a.example/?v=1,lifetime=1h",
                "https://a.example/?v=1",
                None,
                Some(3600),
            ),
            (
                "https://a.example/?v=1=ES256",
                "https://a.example/?v=1",
                Some("ES256"),
                None,
            ),
        ] {
            let expected = (uri.to_owned(), alg.map(str::to_owned), lifetime);
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "api",
            "=ES256",
            "urn:api=",
            "urn:api=HS256",
            "urn:api=none",
            "urn:a#b",
            "urn:api,lifetime=",
            "urn:api,lifetime=60",
            "urn:api,lifetime=60s=ES256",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_member_is_one_of_the_form_of_a_client() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            policy: PolicyArgs,
        }
        let line = "x --grant refresh_token --grant password --scope b --scope a --default-scope a --audience urn:b \
                    --audience urn:a --serves urn:a=ES256 --access-token-lifetime 1m --session-lifetime 1h \
                    --refresh-idle-lifetime 1h --rotation never --late-recoveries 2 --signing-alg RS256 --cors-origin o \
                    --auth-method client_secret_post";
        let Line { policy } = clap::Parser::parse_from(line.split_whitespace());
        let members = policy.members().unwrap();
        let form: ClientForm = serde_json::from_value(Value::Object(members.clone())).unwrap();
        assert_eq!(form.grants, ["password", "refresh_token"]);
        assert_eq!(
            (form.scope.as_str(), form.rotation.as_deref()),
            ("a b", Some("never"))
        );
        assert_eq!(form.audiences, ["urn:b", "urn:a"]);
        for field in Clearable::value_variants() {
            let (name, empty) = field.emptied();
            assert!(members.contains_key(&name), "{name}");
            let form = Value::Object(Map::from_iter([(name, empty)]));
            assert_eq!(
                serde_json::from_value::<ClientForm>(form).unwrap(),
                ClientForm::default()
            );
        }
        assert_eq!(PolicyArgs::default().members().unwrap(), Map::new());
    }

    #[test]
    fn durations_are_whole_and_bounded() {
        assert_eq!(seconds("5m"), Ok(300));
        for bad in ["1500ms", "5", "200y", "-1s", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(overlap("0s"), Ok(0));
        assert_eq!(overlap("30d"), Ok(MAX_OVERLAP));
        assert!(overlap("31d").is_err());
    }
}
