//! What an administrator decides about a client, as flags.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use symbolon_core::client::{AuthMethod, ClientError, ClientPolicy, RotationPolicy, ServedAudience};
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::{GrantType, ResourceIndicator};

use super::super::context::Context;
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
    /// A scope that the client may ask for; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// A scope that the client gets when it asks for none; may be repeated.
    #[arg(long = "default-scope", value_name = "SCOPE")]
    pub default_scopes: Vec<String>,
    /// A resource server that the client may ask tokens for, the default one first; may be repeated.
    #[arg(long = "audience", value_name = "URI")]
    pub audiences: Vec<ResourceIndicator>,
    /// A resource server that this client is, with the algorithm that it wants its tokens signed with; may be
    /// repeated.
    #[arg(long, value_name = "URI[=ALG]")]
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
    /// Empties the field.
    pub(super) fn clear(self, policy: &mut ClientPolicy) {
        match self {
            Self::AccessTokenLifetime => policy.access_token_lifetime = None,
            Self::Audience => policy.audiences.clear(),
            Self::CorsOrigin => policy.cors_origins.clear(),
            Self::DefaultScope => policy.default_scope = Default::default(),
            Self::Grant => policy.grants.clear(),
            Self::LateRecoveries => policy.late_recoveries = None,
            Self::RefreshIdleLifetime => policy.refresh_idle_lifetime = None,
            Self::Scope => policy.scope = Default::default(),
            Self::Serves => policy.serves.clear(),
            Self::SessionLifetime => policy.session_lifetime = None,
            Self::SigningAlg => policy.signing_alg = None,
        }
    }
}

/// A value of `--serves`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServedArg(pub ServedAudience);

impl FromStr for ServedArg {
    type Err = String;

    /// Reads `URI` or `URI=ALG`. Where the URI has a query, its last `=` belongs to it unless an algorithm follows.
    fn from_str(text: &str) -> Result<Self, String> {
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
        Ok(Self(ServedAudience {
            indicator,
            signing_alg,
            access_token_lifetime: None,
        }))
    }
}

/// A duration in whole seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.subsec_nanos() != 0 {
        return Err("give whole seconds".to_owned());
    }
    u32::try_from(duration.as_secs()).map_err(|_| "give at most 400 days".to_owned())
}

/// The longest overlap of two secrets: 30 days.
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 86_400);

/// A value of `--overlap`.
pub(super) fn overlap(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration <= MAX_OVERLAP {
        return Ok(duration);
    }
    Err("give at most 30d".to_owned())
}

impl PolicyArgs {
    /// Replaces what is given.
    ///
    /// # Errors
    /// [`CliError`] where a scope is malformed or a list is too long.
    pub(super) fn apply(self, policy: &mut ClientPolicy) -> Result<(), CliError> {
        let longest = [self.audiences.len(), self.serves.len(), self.cors_origins.len()];
        if longest.iter().any(|len| *len > ClientPolicy::MAX_LIST) {
            return Err(refused(ClientError::TooMany));
        }
        if !self.scopes.is_empty() {
            policy.scope = scope_set(&self.scopes)?;
        }
        if !self.default_scopes.is_empty() {
            policy.default_scope = scope_set(&self.default_scopes)?;
        }
        replace_set(&mut policy.grants, self.grants);
        replace_set(&mut policy.cors_origins, self.cors_origins);
        replace_set(&mut policy.auth_methods, self.auth_methods);
        replace_list(&mut policy.audiences, self.audiences, |a, b| a == b);
        let serves = self.serves.into_iter().map(|served| served.0).collect();
        replace_list(&mut policy.serves, serves, |a, b| a.indicator == b.indicator);
        replace(&mut policy.access_token_lifetime, self.access_token_lifetime);
        replace(&mut policy.session_lifetime, self.session_lifetime);
        replace(&mut policy.refresh_idle_lifetime, self.refresh_idle_lifetime);
        replace(&mut policy.late_recoveries, self.late_recoveries);
        replace(&mut policy.signing_alg, self.signing_alg);
        policy.rotation = self.rotation.unwrap_or(policy.rotation);
        Ok(())
    }
}

fn replace<T>(kept: &mut Option<T>, given: Option<T>) {
    if given.is_some() {
        *kept = given;
    }
}

fn replace_set<T: Ord>(kept: &mut BTreeSet<T>, given: Vec<T>) {
    if !given.is_empty() {
        *kept = given.into_iter().collect();
    }
}

/// Replaces a list whose order counts; of repeats the first stays.
fn replace_list<T>(kept: &mut Vec<T>, given: Vec<T>, same: fn(&T, &T) -> bool) {
    if given.is_empty() {
        return;
    }
    kept.clear();
    for item in given {
        if !kept.iter().any(|other| same(other, &item)) {
            kept.push(item);
        }
    }
}

/// Validates a policy, and warns of what is allowed but advised against.
///
/// # Errors
/// [`CliError`] with the first rule that is broken.
pub(super) fn check(
    context: &Context<'_>,
    out: &mut Output<'_>,
    policy: &ClientPolicy,
) -> Result<(), CliError> {
    policy.validate().map_err(refused)?;
    let served = policy.serves.iter().filter_map(|served| served.signing_alg);
    let mut wanted = policy.signing_alg.into_iter().chain(served);
    if let Some(alg) = wanted.find(|alg| !context.algorithms.contains(alg)) {
        return Err(CliError::refused(
            format_args!("the server has no {alg} key"),
            "add the algorithm to `keys.algorithms` first",
        ));
    }
    if policy.grants.contains(&GrantType::Password) {
        out.remark(
            Remark::Warning,
            "the password grant shows the user's password to the client: RFC 9700 section 2.4 says that it must not \
             be used; allow it to your own, old clients at most",
        )?;
    }
    Ok(())
}

fn refused(error: ClientError) -> CliError {
    // The texts name the remedy.
    CliError::refused(error, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_audiences_may_name_an_algorithm() {
        let read = |text: &str| {
            let ServedArg(served) = text.parse()?;
            Ok::<_, String>((served.indicator.to_string(), served.signing_alg))
        };
        assert_eq!(read("urn:api"), Ok(("urn:api".to_owned(), None)));
        assert_eq!(
            read("urn:api=RS256"),
            Ok(("urn:api".to_owned(), Some(SigningAlg::Rs256)))
        );
        assert_eq!(
            read("https://a.example/?v=1"),
            Ok(("https://a.example/?v=1".to_owned(), None))
        );
        assert_eq!(
            read("https://a.example/?v=1=ES256"),
            Ok(("https://a.example/?v=1".to_owned(), Some(SigningAlg::Es256)))
        );
        for bad in [
            "",
            "api",
            "=ES256",
            "urn:api=",
            "urn:api=HS256",
            "urn:api=none",
            "urn:a#b",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_whole_and_bounded() {
        assert_eq!(seconds("5m"), Ok(300));
        for bad in ["1500ms", "5", "200y", "-1s", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(overlap("0s"), Ok(Duration::ZERO));
        assert_eq!(overlap("30d"), Ok(MAX_OVERLAP));
        assert!(overlap("31d").is_err());
    }
}
