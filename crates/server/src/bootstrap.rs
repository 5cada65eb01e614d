//! The first clients: an administrator that has every admin scope, and those of the development mode.

use std::collections::BTreeSet;

use secrecy::SecretString;
use symbolon_core::client::{AuthMethod, Client, ClientPolicy, ClientType};
use symbolon_core::ports::{AdminStore, Change, StoreResult};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rights::admin_audience;
use symbolon_core::secret::ClientSecrets;
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_core::{ClientId, ClientUid, Clock, Rng};
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

/// Makes a client with that policy, and a secret where it can keep one.
///
/// # Errors
/// The store's; nothing changed.
pub async fn make(
    admin: &dyn AdminStore,
    secrets: &ClientSecrets,
    clock: &dyn Clock,
    rng: &dyn Rng,
    client_id: &ClientId,
    policy: ClientPolicy,
) -> StoreResult<(Change, Option<SecretString>)> {
    let now = clock.now();
    let uid = ClientUid::new(now, rng);
    let confidential = policy.client_type == ClientType::Confidential;
    let secret = confidential.then(|| ClientSecrets::generate(rng));
    let kept = secret.iter().filter_map(|secret| secrets.hash(uid, secret));
    let client = Client {
        uid,
        client_id: client_id.clone(),
        active: true,
        created: now,
        policy,
        audiences: vec![],
        secrets: kept.collect(),
    };
    let lift = NewRevocation::client_lifted(client_id, now);
    Ok((admin.add_client(&client, &lift).await?, secret))
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
