//! The first administrator: a client that has every admin scope.

use std::collections::BTreeSet;

use symbolon_core::client::{AuthMethod, ClientPolicy, ClientType};
use symbolon_core::rights::admin_audience;
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_oauth_types::{GrantType, ScopeSet};

/// What the first admin client may do: get tokens of its own for the admin API, with any admin scope that it asks for.
///
/// # Errors
/// The admin scopes are malformed, which a test rules out.
pub fn policy(name: &str) -> anyhow::Result<ClientPolicy> {
    let scope: ScopeSet = ADMIN_SCOPES.join(" ").parse()?;
    Ok(ClientPolicy {
        auth_methods: BTreeSet::from([AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost]),
        grants: BTreeSet::from([GrantType::ClientCredentials]),
        scope,
        audiences: vec![admin_audience().clone()],
        ..ClientPolicy::new(name, ClientType::Confidential)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_holds_to_the_rules() {
        let policy = policy("Admin").unwrap();
        policy.validate().unwrap();
        assert_eq!(policy.scope.iter().count(), ADMIN_SCOPES.len());
        assert!(policy.default_scope.is_empty());
    }
}
