//! `/users`: who logs in.

mod active;
mod create;
mod delete;
mod import;
mod list;
mod password;
mod show;
mod update;

use std::fmt;

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_core::Subject;
use symbolon_core::import::{LineError, LinePassword};
use symbolon_core::password::PasswordHash;
use symbolon_core::profile::{MAX_ROLES, ProfileError};
use symbolon_core::user::{Role, RoleName, User};
use symbolon_core::view::{UserView, Version};
use symbolon_oauth_types::ScopeSet;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa_axum::routes;
use uuid::Uuid;
use zeroize::Zeroize as _;

pub use create::UserCreate;
pub use import::{ImportOutcome, ImportReport, ImportedUser, UserImport, UserText};
pub use password::PasswordSet;
pub use update::UserUpdate;

use crate::api::Api;
use crate::change::tagged;
use crate::json::unique;
use crate::operation::{Operation, needs};
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("users:read", routes!(list::list_users)),
        needs("users:write", routes!(create::create_user)),
        needs("users:write", routes!(import::import_users)),
        needs("users:read", routes!(show::show_user_by_name)),
        needs("users:read", routes!(show::show_user)),
        needs("users:write", routes!(update::update_user)),
        needs("users:write", routes!(delete::delete_user)),
        needs("users:write", routes!(active::disable_user)),
        needs("users:write", routes!(active::enable_user)),
        needs("users:write", routes!(password::set_user_password)),
    ]
}

/// A user with what the roles allow. The version in `ETag` is that of the user: roles have their own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct UserDetail {
    /// The user.
    #[serde(flatten)]
    pub user: UserView,
    /// All scope that the roles allow, separated by spaces.
    pub scope: String,
}

/// A user, with the version that changes go by.
fn shown(user: &User) -> Response {
    tagged(version(user), &detail(user))
}

fn detail(user: &User) -> UserDetail {
    UserDetail {
        user: UserView::from(user),
        scope: user.scope.to_string(),
    }
}

fn version(user: &User) -> Version {
    Version::of(&UserView::from(user))
}

/// Roles that there are, in the order in which the store tells of those that a user holds.
struct HeldRoles {
    names: Vec<RoleName>,
    /// All that they allow.
    scope: ScopeSet,
}

impl HeldRoles {
    /// Those that are wanted of all that there are.
    ///
    /// # Errors
    /// The first that there is not.
    fn of<'a>(wanted: &'a [RoleName], all: &[Role]) -> Result<Self, &'a RoleName> {
        if let Some(unknown) = wanted
            .iter()
            .find(|name| all.iter().all(|role| role.name != **name))
        {
            return Err(unknown);
        }
        let held: Vec<&Role> = all.iter().filter(|role| wanted.contains(&role.name)).collect();
        Ok(Self {
            scope: held.iter().flat_map(|role| role.scope.iter()).cloned().collect(),
            names: held.into_iter().map(|role| role.name.clone()).collect(),
        })
    }
}

impl Api {
    /// The user of that subject, as the database has it now.
    async fn user(&self, subject: Uuid) -> Result<User, Problem> {
        let user = self.parts.facts.user(Subject(subject)).await?;
        user.ok_or_else(|| Problem::not_found("user"))
    }

    /// The roles that a user is to hold.
    async fn roles_to_hold(&self, wanted: &[RoleName]) -> Result<HeldRoles, Problem> {
        let all = self.reading().roles().await?;
        HeldRoles::of(wanted, &all)
            .map_err(|unknown| Problem::invalid("roles", format_args!("there is no role {unknown}")))
    }

    /// The hash to keep. Takes the time of one password hash where a password is given.
    async fn hash(&self, password: LinePassword) -> Result<PasswordHash, Problem> {
        match password {
            LinePassword::Hash(hash) => Ok(hash),
            LinePassword::Plain(password) => self.parts.passwords.hash(password).await,
        }
    }
}

/// The names of roles, as a request gives them.
fn role_names(given: &[String]) -> Result<Vec<RoleName>, Problem> {
    let parse = |(place, name): (usize, &String)| {
        name.parse()
            .map_err(|error| Problem::invalid(format!("roles[{place}]"), error))
    };
    given.iter().enumerate().map(parse).collect()
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        Self::invalid(error.field(), error)
    }
}

impl From<LineError> for Problem {
    fn from(error: LineError) -> Self {
        Self::invalid(error.field.unwrap_or_default(), error.rule)
    }
}

/// A password or its hash on its way in: wiped when it is dropped. Messages and `Debug` show nothing of it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Concealed(#[serde(deserialize_with = "unique")] Value);

impl Concealed {
    /// A password, or a hash as text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Value::String(text.into()))
    }

    /// A credential of Keycloak.
    pub fn credential(credential: Value) -> Self {
        Self(credential)
    }

    /// What `password` and `password_hash` hold, of which one must be there.
    fn read(password: Option<Self>, hash: Option<Self>) -> Result<LinePassword, Problem> {
        let value = |mut it: Self| std::mem::take(&mut it.0);
        Ok(LinePassword::read(password.map(value), hash.map(value))?)
    }
}

impl Drop for Concealed {
    fn drop(&mut self) {
        if let Value::String(text) = &mut self.0 {
            text.zeroize();
        }
    }
}

impl fmt::Debug for Concealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Concealed(..)")
    }
}

/// How the roles to hold are given.
fn role_names_schema() -> RefOr<Schema> {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(64))
        .pattern(Some("^[a-z0-9_-]*$"));
    ArrayBuilder::new()
        .items(name)
        .max_items(Some(MAX_ROLES))
        .description(Some("Names of the roles to hold"))
        .into()
}

/// How a hash of another system is given.
fn password_hash_schema() -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "Argon2, bcrypt, scrypt or PBKDF2, in PHC or modular-crypt form or Django's",
        ))
        .max_length(Some(PasswordHash::MAX_BYTES));
    let credential = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("A credential of Keycloak"));
    OneOfBuilder::new()
        .item(text)
        .item(credential)
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some(
            "The hash of the password, in place of it; within the ceilings that imports have",
        ))
        .into()
}
