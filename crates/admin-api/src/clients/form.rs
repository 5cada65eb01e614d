//! Clients as they come in. Creating, changing and importing read the same form, by the same rules.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_core::ClientId;
use symbolon_core::client::{
    AuthMethod, ClientError, ClientPolicy, ClientType, RotationPolicy, ServedAudience,
};
use symbolon_core::view::ClientView;
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use uuid::Uuid;

use crate::problem::Problem;

/// What an administrator decides about a client. Nothing is allowed that is not named.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientForm {
    /// Its name on the wire: printable ASCII without space, colon, double quote and backslash, and no UUID, which could be
    /// taken for a user. One is made where none is given. It can't change.
    #[schema(min_length = 1, max_length = 128)]
    pub client_id: Option<String>,
    /// Name for people, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, required)]
    pub name: String,
    /// `confidential`, which it is where nothing is said, or `public`: it can't keep a secret. It can't change.
    #[serde(rename = "type")]
    #[schema(max_length = 16, pattern = "^(confidential|public)$")]
    pub client_type: Option<String>,
    /// How it may authenticate: `client_secret_basic`, `client_secret_post`, or for a public client `none`. What fits its
    /// type where nothing is said.
    #[schema(max_items = 3)]
    pub auth_methods: Option<Vec<String>>,
    /// The grants that it may use: `client_credentials`, `refresh_token`, or `password`, which RFC 9700 section 2.4 forbids:
    /// allow it to your own, old clients at most.
    #[schema(schema_with = grant_list)]
    pub grants: Vec<String>,
    /// All scope that it may ask for, separated by spaces.
    #[schema(max_length = 4096)]
    pub scope: String,
    /// What it gets when it asks for nothing: a part of `scope` without admin scope.
    #[schema(max_length = 4096)]
    pub default_scope: String,
    /// The resource servers that it may ask tokens for; the first is the default. Each must be served by a client.
    #[schema(schema_with = audience_list)]
    pub audiences: Vec<String>,
    /// The resource servers that it is.
    #[schema(max_items = 32)]
    pub serves: Vec<ServedForm>,
    /// Lifetime of its access tokens in seconds; null for the server's.
    #[schema(minimum = 10, maximum = 3600)]
    pub access_token_lifetime: Option<u32>,
    /// Lifetime of its sessions in seconds; null for the server's.
    #[schema(minimum = 60, maximum = 34560000)]
    pub session_lifetime: Option<u32>,
    /// How long a refresh token may lie unused, in seconds; null for the server's, and where refresh tokens do not rotate.
    #[schema(minimum = 60, maximum = 34560000)]
    pub refresh_idle_lifetime: Option<u32>,
    /// Whether each refresh gives a new refresh token: `always`, which it does where nothing is said, or for confidential
    /// clients `never`.
    #[schema(max_length = 16, pattern = "^(always|never)$")]
    pub rotation: Option<String>,
    /// Late recoveries per session and day; null for the server's.
    #[schema(minimum = 0, maximum = 10)]
    pub late_recoveries: Option<u8>,
    /// The algorithm that its tokens are signed with where the resource server has no say; null for the server's.
    #[schema(max_length = 16)]
    pub signing_alg: Option<String>,
    /// Origins (scheme, host, port as browsers send them) whose scripts may call the token and revocation endpoints.
    #[schema(schema_with = origin_list)]
    pub cors_origins: Vec<String>,
}

/// A resource server that a client is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServedForm {
    /// Its identifier, an absolute URI, which becomes `aud` in its tokens.
    #[schema(max_length = 512)]
    pub audience: String,
    /// The algorithm that it wants its tokens signed with; null leaves the choice to the client.
    #[serde(default)]
    #[schema(max_length = 16)]
    pub signing_alg: Option<String>,
    /// How long its tokens may live at most, in seconds; null leaves it to the client.
    #[serde(default)]
    #[schema(minimum = 10, maximum = 3600)]
    pub access_token_lifetime: Option<u32>,
}

impl ClientForm {
    /// The client id that was chosen.
    ///
    /// # Errors
    /// It can't be one.
    pub(crate) fn chosen_id(&self) -> Result<Option<ClientId>, Problem> {
        let Some(text) = &self.client_id else {
            return Ok(None);
        };
        if Uuid::try_parse(text).is_ok() {
            return Err(Problem::invalid(
                "client_id",
                "a UUID could be taken for a user: choose another id, or leave it out and one is made",
            ));
        }
        text.parse()
            .map(Some)
            .map_err(|error| Problem::invalid("client_id", error))
    }

    /// The policy: the one way in, and within every rule.
    ///
    /// # Errors
    /// Every field that breaks a rule of its own; or, where none does, the first rule between them that is broken.
    pub(crate) fn policy(&self, algorithms: &[SigningAlg]) -> Result<ClientPolicy, Problem> {
        let mut faults = Faults::default();
        let client_type = faults.value(self.client_type().map(Some));
        let usual = ClientPolicy::new(&self.name, client_type.unwrap_or(ClientType::Confidential));
        let grants = faults.value(list::<GrantType>("grants", &self.grants));
        let origins = faults.value(list::<String>("cors_origins", &self.cors_origins));
        let rotation = faults.value(optional::<RotationPolicy>("rotation", self.rotation.as_ref()));
        let policy = ClientPolicy {
            auth_methods: match &self.auth_methods {
                Some(methods) => faults
                    .value(list::<AuthMethod>("auth_methods", methods))
                    .into_iter()
                    .collect(),
                None => usual.auth_methods,
            },
            grants: grants.into_iter().collect(),
            scope: faults.value(text::<ScopeSet>("scope", &self.scope)),
            default_scope: faults.value(text::<ScopeSet>("default_scope", &self.default_scope)),
            audiences: faults.value(list::<ResourceIndicator>("audiences", &self.audiences)),
            serves: faults.value(self.served(algorithms)),
            access_token_lifetime: self.access_token_lifetime,
            session_lifetime: self.session_lifetime,
            refresh_idle_lifetime: self.refresh_idle_lifetime,
            rotation: rotation.unwrap_or_default(),
            late_recoveries: self.late_recoveries,
            signing_alg: faults.value(algorithm("signing_alg", self.signing_alg.as_ref(), algorithms)),
            cors_origins: origins.into_iter().collect(),
            ..usual
        };
        faults.end()?;
        policy
            .validate()
            .map_err(|error| Problem::invalid(error.field(), error))?;
        Ok(policy)
    }

    /// Whether it can keep a secret.
    ///
    /// # Errors
    /// It is no type.
    pub(crate) fn client_type(&self) -> Result<ClientType, Problem> {
        match self.client_type.as_deref() {
            None | Some("confidential") => Ok(ClientType::Confidential),
            Some("public") => Ok(ClientType::Public),
            Some(_) => Err(Problem::invalid("type", "choose from confidential, public")),
        }
    }

    fn served(&self, algorithms: &[SigningAlg]) -> Result<Vec<ServedAudience>, Problem> {
        let audiences: Vec<_> = self.serves.iter().map(|served| served.audience.clone()).collect();
        let indicators = list::<ResourceIndicator>("serves", &audiences)?;
        (0..)
            .zip(indicators.into_iter().zip(&self.serves))
            .map(|(index, (indicator, form)): (usize, _)| {
                let field = format!("serves[{index}].signing_alg");
                Ok(ServedAudience {
                    indicator,
                    signing_alg: algorithm(&field, form.signing_alg.as_ref(), algorithms)?,
                    access_token_lifetime: form.access_token_lifetime,
                })
            })
            .collect()
    }
}

/// The form that a client would have come in by.
impl From<ClientView> for ClientForm {
    fn from(view: ClientView) -> Self {
        Self {
            client_id: Some(view.client_id),
            name: view.name,
            client_type: Some(view.client_type),
            auth_methods: Some(view.auth_methods),
            grants: view.grants,
            scope: view.scope,
            default_scope: view.default_scope,
            audiences: view.audiences,
            serves: view
                .serves
                .into_iter()
                .map(|served| ServedForm {
                    audience: served.audience,
                    signing_alg: served.signing_alg,
                    access_token_lifetime: served.access_token_lifetime,
                })
                .collect(),
            access_token_lifetime: view.access_token_lifetime,
            session_lifetime: view.session_lifetime,
            refresh_idle_lifetime: view.refresh_idle_lifetime,
            rotation: Some(view.rotation),
            late_recoveries: view.late_recoveries,
            signing_alg: view.signing_alg,
            cors_origins: view.cors_origins,
        }
    }
}

/// Fields that break a rule, of which none hides another.
#[derive(Default)]
struct Faults(Option<Problem>);

impl Faults {
    /// What was read of a field; where it breaks a rule, something that nobody goes by.
    fn value<T: Default>(&mut self, read: Result<T, Problem>) -> T {
        read.unwrap_or_else(|problem| {
            self.0 = Some(match self.0.take() {
                None => problem,
                Some(mut first) => {
                    first.detail = format!("{}; {}", first.detail, problem.detail);
                    first.errors.extend(problem.errors);
                    first
                }
            });
            T::default()
        })
    }

    /// # Errors
    /// What was wrong.
    fn end(self) -> Result<(), Problem> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Refuses an algorithm that the server has no key for.
///
/// # Errors
/// [`Problem`], which names the field.
pub(crate) fn has_key(
    alg: Option<SigningAlg>,
    field: &str,
    algorithms: &[SigningAlg],
) -> Result<(), Problem> {
    match alg.filter(|alg| !algorithms.contains(alg)) {
        None => Ok(()),
        Some(alg) => Err(Problem::invalid(
            field,
            format_args!("the server has no {alg} key: add the algorithm to `keys.algorithms` first"),
        )),
    }
}

fn algorithm(
    field: &str,
    given: Option<&String>,
    algorithms: &[SigningAlg],
) -> Result<Option<SigningAlg>, Problem> {
    let alg = optional(field, given)?;
    has_key(alg, field, algorithms)?;
    Ok(alg)
}

fn text<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::invalid(field, error))
}

fn optional<T: FromStr<Err: Display>>(field: &str, given: Option<&String>) -> Result<Option<T>, Problem> {
    given.map(|given| text(field, given)).transpose()
}

/// The values of a list, of which none may be there twice: of two that differ in what belongs to them, which counts?
fn list<T: FromStr<Err: Display> + PartialEq>(field: &str, texts: &[String]) -> Result<Vec<T>, Problem> {
    if texts.len() > ClientPolicy::MAX_LIST {
        return Err(Problem::invalid(field, ClientError::TooMany));
    }
    let mut values = Vec::with_capacity(texts.len());
    for (index, given) in texts.iter().enumerate() {
        let place = format!("{field}[{index}]");
        let value = text(&place, given)?;
        if values.contains(&value) {
            return Err(Problem::invalid(place, "it is named twice"));
        }
        values.push(value);
    }
    Ok(values)
}

fn list_of(max_length: usize) -> Array {
    let item = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(max_length));
    ArrayBuilder::new()
        .items(item)
        .max_items(Some(ClientPolicy::MAX_LIST))
        .unique_items(true)
        .build()
}

fn audience_list() -> Array {
    list_of(ResourceIndicator::MAX_BYTES)
}

fn origin_list() -> Array {
    list_of(255)
}

fn grant_list() -> Array {
    list_of(32)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ALGORITHMS: [SigningAlg; 1] = [SigningAlg::Es256];

    fn form(change: Value) -> Result<ClientPolicy, Problem> {
        let mut value = json!({
            "name": "App",
            "grants": ["client_credentials"],
            "scope": "a b users:write",
            "audiences": ["urn:api"],
        });
        for (name, member) in change.as_object().unwrap() {
            value[name] = member.clone();
        }
        let form: ClientForm = serde_json::from_value(value).unwrap();
        form.chosen_id()?;
        form.policy(&ALGORITHMS)
    }

    #[test]
    fn what_is_not_said_is_as_a_new_policy_has_it() {
        let policy = form(json!({})).unwrap();
        let usual = ClientPolicy::new("App", ClientType::Confidential);
        assert_eq!(policy.auth_methods, usual.auth_methods);
        assert_eq!(policy.rotation, RotationPolicy::Always);
        assert!(policy.default_scope.is_empty());
    }

    #[test]
    fn each_refusal_names_its_field() {
        let twice = json!([{ "audience": "urn:a" }, { "audience": "urn:a", "signing_alg": "ES256" }]);
        let many: Vec<_> = (0..33).map(|n| format!("urn:{n}")).collect();
        let broken = [
            ("client_id", json!("a b")),
            ("client_id", json!("")),
            ("client_id", json!("0189c6a0-0000-7000-8000-000000000000")),
            (
                "client_id",
                json!("urn:uuid:0189c6a0-0000-7000-8000-000000000000"),
            ),
            ("name", json!(" ")),
            ("type", json!("secret")),
            ("auth_methods", json!([])),
            ("auth_methods[0]", json!(["private_key_jwt"])),
            ("auth_methods", json!(["none"])),
            ("grants[0]", json!(["implicit"])),
            ("grants[1]", json!(["password", "password"])),
            ("grants", json!([])),
            ("scope", json!("a\u{1b}")),
            ("scope", json!("")),
            ("default_scope", json!("c")),
            ("default_scope", json!("users:write")),
            ("audiences", json!([])),
            ("audiences[0]", json!(["api"])),
            ("audiences[1]", json!(["urn:api", "urn:api"])),
            ("audiences", json!(many)),
            ("serves[1]", twice),
            ("serves[0]", json!([{ "audience": "api" }])),
            (
                "serves[0].signing_alg",
                json!([{ "audience": "urn:a", "signing_alg": "none" }]),
            ),
            (
                "serves[0].signing_alg",
                json!([{ "audience": "urn:a", "signing_alg": "RS256" }]),
            ),
            ("serves", json!([{ "audience": "urn:symbolon:admin" }])),
            (
                "serves",
                json!([{ "audience": "urn:a", "access_token_lifetime": 9 }]),
            ),
            ("access_token_lifetime", json!(3601)),
            ("session_lifetime", json!(59)),
            ("refresh_idle_lifetime", json!(59)),
            ("rotation", json!("sometimes")),
            ("late_recoveries", json!(11)),
            ("signing_alg", json!("HS256")),
            ("signing_alg", json!("RS256")),
            ("cors_origins", json!(["https://app.example/"])),
        ];
        for (field, value) in broken {
            let name = field.split('[').next().unwrap();
            let problem = form(json!({ name: value })).unwrap_err();
            let named: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
            assert_eq!((problem.status, &named[..]), (422, &[field][..]), "{value}");
        }
    }

    #[test]
    fn no_refusal_hides_another() {
        let change = json!({
            "type": "secret", "grants": ["a"], "scope": "\u{1b}", "audiences": ["b"], "signing_alg": "RS256",
            "serves": [{ "audience": "c" }], "name": "",
        });
        let problem = form(change).unwrap_err();
        let named: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        let broken = [
            "type",
            "grants[0]",
            "scope",
            "audiences[0]",
            "serves[0]",
            "signing_alg",
        ];
        assert_eq!(named, broken);
        assert!(
            broken
                .iter()
                .all(|field| problem.detail.contains(&format!("{field}: ")))
        );
    }

    #[test]
    fn every_field_of_a_rule_is_one_of_the_form() {
        let all = serde_json::to_value(ClientForm::default()).unwrap();
        let errors = [
            ClientError::AccessTokenLifetime,
            ClientError::AdminAudience,
            ClientError::AuthMethods,
            ClientError::DefaultAdminScope,
            ClientError::DefaultScope,
            ClientError::IdleLifetime,
            ClientError::IdleWithoutRotation,
            ClientError::LateRecoveries,
            ClientError::Name,
            ClientError::NoAudience,
            ClientError::NoAuthMethod,
            ClientError::NoGrant,
            ClientError::NoScope,
            ClientError::Origin,
            ClientError::PublicClientCredentials,
            ClientError::PublicResourceServer,
            ClientError::PublicWithoutRotation,
            ClientError::ServedLifetime,
            ClientError::SessionLifetime,
            ClientError::UnknownAuthMethod,
            ClientError::UnknownRotation,
        ];
        for error in errors {
            assert!(all.get(error.field()).is_some(), "{error:?}");
        }
    }
}
