//! The register of scopes: what the metadata document lists, and what each scope is for.

use symbolon_oauth_types::ScopeToken;

/// A scope on the register: what the metadata document lists, and what people read when they are asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegisteredScope {
    /// The scope.
    pub name: ScopeToken,
    /// What it allows, in words for people: at most 200 characters, without control characters.
    pub description: String,
}

impl RegisteredScope {
    /// Longest description, in characters.
    pub const MAX_DESCRIPTION: usize = 200;

    /// A scope with its description; an empty one says nothing.
    ///
    /// # Errors
    /// [`DescriptionError`]: the description is too long, or has characters that are none.
    pub fn new(name: ScopeToken, description: &str) -> Result<Self, DescriptionError> {
        let is_short = description.chars().count() <= Self::MAX_DESCRIPTION;
        if !is_short || description.chars().any(char::is_control) {
            return Err(DescriptionError);
        }
        Ok(Self {
            name,
            description: description.to_owned(),
        })
    }
}

/// The text can't be a description.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a description is at most {} characters long, without control characters",
    RegisteredScope::MAX_DESCRIPTION
)]
pub struct DescriptionError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_bounded_and_of_one_line() {
        let described = |text: &str| RegisteredScope::new("orders:read".parse().unwrap(), text);
        for good in ["", "Read orders – all of them", &"ü".repeat(200)] {
            assert_eq!(described(good).unwrap().description, good);
        }
        for bad in [&"x".repeat(201), "a\nb", "a\u{1b}[31m", "a\0"] {
            assert_eq!(described(bad), Err(DescriptionError), "{bad:?}");
        }
    }
}
