//! What a user who is to be made must be like: one rule for every way in.

use uuid::Uuid;

use crate::password::PasswordHash;
use crate::ports::NewUser;
use crate::user::{LoginName, NameError, RoleName, User};
use crate::{Rng, Subject, UnixMillis};

/// Most roles that one user may hold.
pub const MAX_ROLES: usize = 64;

/// What is known of a user before there is one, and within the rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    username: String,
    email: Option<String>,
    roles: Vec<RoleName>,
    names: Vec<LoginName>,
}

impl Profile {
    /// A user of that name, of that e-mail address, and with those roles, which may repeat. Whether the names are free
    /// and the roles exist is for the store to say.
    ///
    /// # Errors
    /// [`ProfileError`]; the first that there is.
    pub fn new(username: String, email: Option<String>, roles: Vec<RoleName>) -> Result<Self, ProfileError> {
        // Commands take a subject and a name in the same place.
        if Uuid::try_parse(&username).is_ok() {
            return Err(ProfileError::UsernameIsSubject);
        }
        let mut names = vec![username.parse().map_err(ProfileError::Username)?];
        if let Some(email) = &email {
            let has_parts = |(local, domain): (&str, &str)| !local.is_empty() && !domain.is_empty();
            if !email.rsplit_once('@').is_some_and(has_parts) {
                return Err(ProfileError::EmailForm);
            }
            let name = email.parse().map_err(ProfileError::Email)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self {
            username,
            email,
            roles: distinct_roles(roles)?,
            names,
        })
    }

    /// The name as it was given.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The e-mail address as it was given.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The roles, without repeats, in the order given.
    pub fn roles(&self) -> &[RoleName] {
        &self.roles
    }

    /// All names that lead to the user, in their one form; that of the user name is the first.
    pub fn names(&self) -> &[LoginName] {
        &self.names
    }

    /// The user to be made. The subject is a fresh one of ours, whatever the user was elsewhere.
    pub fn into_new_user(
        self,
        active: bool,
        password: PasswordHash,
        now: UnixMillis,
        rng: &dyn Rng,
    ) -> NewUser {
        NewUser {
            user: User {
                subject: Subject::new(now, rng),
                username: self.username,
                email: self.email,
                active,
                roles: self.roles,
                scope: Default::default(),
                created: now,
            },
            names: self.names,
            password,
        }
    }
}

/// The roles without repeats, in the order given.
///
/// # Errors
/// [`ProfileError::TooManyRoles`].
pub fn distinct_roles(roles: Vec<RoleName>) -> Result<Vec<RoleName>, ProfileError> {
    let mut distinct: Vec<RoleName> = Vec::new();
    for role in roles {
        if !distinct.contains(&role) {
            distinct.push(role);
        }
        if distinct.len() > MAX_ROLES {
            return Err(ProfileError::TooManyRoles);
        }
    }
    Ok(distinct)
}

/// Which rule a user who is to be made would break.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// The e-mail address can't be a login name.
    #[error(transparent)]
    Email(NameError),
    /// No e-mail address.
    #[error("an e-mail address is of the form name@example.org")]
    EmailForm,
    /// Too many roles.
    #[error("a user holds at most {MAX_ROLES} roles")]
    TooManyRoles,
    /// The user name can't be a login name.
    #[error(transparent)]
    Username(NameError),
    /// The user name is a UUID.
    #[error("a user name that is a UUID could be taken for the subject of another user")]
    UsernameIsSubject,
}

impl ProfileError {
    /// The field that breaks it: `email`, `roles` or `username`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Email(_) | Self::EmailForm => "email",
            Self::TooManyRoles => "roles",
            Self::Username(_) | Self::UsernameIsSubject => "username",
        }
    }
}
