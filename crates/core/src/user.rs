//! Users, their names and their roles.

use std::fmt;
use std::str::FromStr;

use symbolon_oauth_types::{ScopeSet, ScopeToken};
use unicode_normalization::UnicodeNormalization;

use crate::password::PasswordHash;
use crate::text::is_unseen;
use crate::{Subject, UnixMillis};

/// The scopes that open the admin API. No client has one by default, and a user only through a role that names it.
pub const ADMIN_SCOPES: [&str; 13] = [
    "audit:read",
    "clients:read",
    "clients:write",
    "keys:read",
    "keys:rotate",
    "roles:read",
    "roles:write",
    "server:read",
    "sessions:read",
    "sessions:revoke",
    "users:read",
    "users:write",
    "verifiers:read",
];

/// Whether a scope opens the admin API.
pub fn is_admin_scope(scope: &ScopeToken) -> bool {
    ADMIN_SCOPES.contains(&scope.as_str())
}

/// A user as grants see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The unchanging identity.
    pub subject: Subject,
    /// The name as it was given.
    pub username: String,
    /// The e-mail address, with which the user can log in too.
    pub email: Option<String>,
    /// False while the user is disabled.
    pub active: bool,
    /// Names of the roles held.
    pub roles: Vec<RoleName>,
    /// What those roles allow.
    pub scope: ScopeSet,
    /// When the user was made.
    pub created: UnixMillis,
}

/// A user and the password hash, as a login needs them.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user.
    pub user: User,
    /// The kept hash.
    pub password: PasswordHash,
}

/// A name that a user logs in with, brought to one form: NFKC, lower case. All the names of a user (user name and
/// e-mail, in any case) lead to the same account and count together when logins fail.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LoginName(String);

impl LoginName {
    /// Longest name that is accepted, in bytes, before and after it was brought to one form.
    pub const MAX_BYTES: usize = 320;

    /// The normalised name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LoginName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > Self::MAX_BYTES {
            return Err(NameError);
        }
        let name: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let bad = |c: char| c.is_control() || c.is_whitespace() || is_unseen(c);
        if name.is_empty() || name.len() > Self::MAX_BYTES || name.chars().any(bad) {
            return Err(NameError);
        }
        Ok(Self(name))
    }
}

/// The text can't be a login name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a login name is 1 to {} bytes long, without white space, control or invisible characters",
    LoginName::MAX_BYTES
)]
pub struct NameError;

/// Name of a role: lower-case ASCII letters, digits, `-`, `_`, 1 to 64 bytes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoleName(String);

impl RoleName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = RoleNameError;

    fn from_str(text: &str) -> Result<Self, RoleNameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if !(1..=64).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(RoleNameError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text can't be the name of a role.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a role name is 1 to 64 of a-z, 0-9, - and _")]
pub struct RoleNameError;

/// A role: a name for a set of scopes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// What it allows.
    pub scope: ScopeSet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_form_variants_are_one_name() {
        let name = |text: &str| text.parse::<LoginName>().unwrap();
        for variant in ["ALICE@Example.com", "alice@example.com", "ａlice@example.com"] {
            assert_eq!(name(variant).as_str(), "alice@example.com");
        }
        assert_eq!(name("STRASSE"), name("strasse"));
    }

    #[test]
    fn refuses_what_can_not_be_a_name() {
        let long = "x".repeat(321);
        for bad in [
            "",
            "a b",
            "a\r\nb",
            "a\u{1b}[0m",
            "a\u{200b}",
            "a\u{202e}b",
            "ali\u{61c}ce",
            "ali\u{3164}ce",
            "ali\u{ffa0}ce",
            "ali\u{fe0f}ce",
            "ali\u{e0041}ce",
            "ali\u{fffa}ce",
            &long,
            &"ﷺ".repeat(100),
        ] {
            assert_eq!(bad.parse::<LoginName>(), Err(NameError), "{bad:?}");
        }
    }

    #[test]
    fn admin_scopes_are_well_formed_and_sorted() {
        assert!(ADMIN_SCOPES.is_sorted());
        assert!(ADMIN_SCOPES.iter().all(|s| is_admin_scope(&s.parse().unwrap())));
        assert!(!is_admin_scope(&"orders:read".parse().unwrap()));
    }
}
