//! The choke point. Every path that issues, refreshes or introspects puts all it knows into one struct and asks
//! [`authorize`]; there is no other place that says yes.

use symbolon_jose::SigningAlg;
use symbolon_oauth_types::revocation::{Cutoffs, Revocable, RevocationKind};
use symbolon_oauth_types::{GrantType, ResourceIndicator, ScopeSet, ScopeToken};

use crate::client::{AllowedAudience, Client, ClientType};
use crate::rights::is_admin_audience;
use crate::user::{User, is_admin_scope};

/// What is being asked.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// Is a token that was issued with this scope and these audiences still good?
    Introspect {
        /// The scope in the token.
        scope: &'a ScopeSet,
    },
    /// May tokens be issued for a new login or to the client itself?
    Issue {
        /// The scope asked for.
        requested: Option<&'a ScopeSet>,
    },
    /// May the session go on?
    Refresh {
        /// What the session was granted.
        granted: &'a ScopeSet,
        /// The narrower scope asked for now.
        requested: Option<&'a ScopeSet>,
    },
}

/// On whose behalf.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// The client's own.
    Client,
    /// A user's; `None` where the user is gone.
    User(Option<&'a User>),
}

/// The key that a session is bound to, against the one that was proved.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyBinding<'a> {
    /// Thumbprint in the session.
    pub required: Option<&'a [u8; 32]>,
    /// Thumbprint of the key whose possession this request proved.
    pub proved: Option<&'a [u8; 32]>,
}

/// Everything that decides.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is being asked.
    pub purpose: Purpose<'a>,
    /// The grant in use and, at a refresh, the one that began the session; each must be allowed to the client.
    pub grants: &'a [GrantType],
    /// The client as it stands now.
    pub client: &'a Client,
    /// The user as it stands now.
    pub owner: Owner<'a>,
    /// The audiences asked for, or those of the session or token; `None` for the client's default.
    pub audiences: Option<&'a [ResourceIndicator]>,
    /// What revocations are judged by.
    pub revocable: Revocable<'a>,
    /// The revocations in force.
    pub cutoffs: &'a Cutoffs,
    /// The key binding.
    pub key_binding: KeyBinding<'a>,
}

/// A yes, and to what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorization {
    /// The scope that holds; never empty.
    pub scope: ScopeSet,
    /// The audiences; never empty.
    pub audiences: Vec<ResourceIndicator>,
    /// The algorithm that the resource servers or the client ask for; `None` for the server's default.
    pub signing_alg: Option<SigningAlg>,
    /// How long a token may live at most, in seconds: the shortest of what the resource servers say; `None` where none does.
    pub max_lifetime: Option<u32>,
}

/// A no, and why.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// The audiences want different algorithms.
    AlgorithmConflict,
    /// An audience is not, or no longer, allowed to the client, or its resource server is disabled; or the admin API is
    /// asked for together with another.
    AudienceNotAllowed,
    /// The client is disabled.
    ClientDisabled,
    /// The client may not, or no longer, use the grant.
    GrantNotAllowed,
    /// A public client asked for a token of its own.
    PublicClient,
    /// Revoked, by an entry of this kind.
    Revoked(RevocationKind),
    /// More scope than the session was granted.
    ScopeExceedsGrant,
    /// Scope that the client may not have, or not for these audiences.
    ScopeNotAllowed,
    /// Nothing of the scope is left.
    ScopeEmpty,
    /// The user is disabled.
    UserDisabled,
    /// The user is gone.
    UserGone,
    /// The session is bound to another key, or to one and none was proved.
    WrongKey,
}

/// Decides.
///
/// # Errors
/// The first reason to refuse, in a fixed order: state of client and user, revocation, grant, key, audience, scope.
pub fn authorize(facts: &Facts<'_>) -> Result<Authorization, Refusal> {
    if !facts.client.active {
        return Err(Refusal::ClientDisabled);
    }
    match facts.owner {
        Owner::Client if facts.client.policy.client_type == ClientType::Public => {
            return Err(Refusal::PublicClient);
        }
        Owner::User(None) => return Err(Refusal::UserGone),
        Owner::User(Some(user)) if !user.active => return Err(Refusal::UserDisabled),
        Owner::Client | Owner::User(Some(_)) => {}
    }
    if let Some(kind) = facts.cutoffs.revokes(&facts.revocable) {
        return Err(Refusal::Revoked(kind));
    }
    if !facts
        .grants
        .iter()
        .all(|grant| facts.client.policy.grants.contains(grant))
    {
        return Err(Refusal::GrantNotAllowed);
    }
    if facts.key_binding.required.is_some() && facts.key_binding.required != facts.key_binding.proved {
        return Err(Refusal::WrongKey);
    }
    let audiences = audiences(facts)?;
    Ok(Authorization {
        scope: scope(facts, &audiences)?,
        signing_alg: signing_alg(facts.client, &audiences)?,
        max_lifetime: audiences
            .iter()
            .filter_map(|audience| audience.access_token_lifetime)
            .min(),
        audiences: audiences
            .into_iter()
            .map(|audience| audience.indicator.clone())
            .collect(),
    })
}

/// The audiences asked for, each allowed to the client and served; without any the client's default. The admin API is asked
/// for alone: a resource server that gets a token could replay it there.
fn audiences<'a>(facts: &Facts<'a>) -> Result<Vec<&'a AllowedAudience>, Refusal> {
    let allowed = &facts.client.audiences;
    let found: Option<Vec<_>> = match facts.audiences {
        None => allowed.first().map(|audience| vec![audience]),
        Some(wanted) => wanted
            .iter()
            .map(|w| allowed.iter().find(|audience| audience.indicator == *w))
            .collect(),
    };
    let found = found.unwrap_or_default();
    let is_admin = found.iter().filter(|a| is_admin_audience(&a.indicator)).count();
    let is_alone = is_admin == 0 || is_admin == found.len();
    if !found.is_empty() && is_alone && found.iter().all(|audience| audience.active) {
        Ok(found)
    } else {
        Err(Refusal::AudienceNotAllowed)
    }
}

/// Granted is what is asked for, within what the session was granted, what the client may have and what the
/// user's roles give ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)). What the client
/// may not even ask for is refused; what the user does not have is left out.
///
/// Admin scopes are for the admin API alone, and it has no others: a token with ordinary scope opens nothing there. Asked for by name with another audience they are something that the client may
/// not ask for there, whoever the user is, and refused like it: left out in silence they would give a token that opens
/// nothing, and nobody would learn that the audience is what is missing. Where nobody asks for them by name, in a session or a
/// token that has them, they are left out.
fn scope(facts: &Facts<'_>, audiences: &[&AllowedAudience]) -> Result<ScopeSet, Refusal> {
    let for_admin = audiences.iter().all(|a| is_admin_audience(&a.indicator));
    let fits = |scope: &ScopeToken| for_admin == is_admin_scope(scope);
    let policy = &facts.client.policy;
    let asked = match facts.purpose {
        Purpose::Introspect { scope } => scope,
        Purpose::Issue { requested: None } => &policy.default_scope,
        Purpose::Issue {
            requested: Some(requested),
        } => {
            if !requested.is_subset(&policy.scope) || !requested.iter().all(fits) {
                return Err(Refusal::ScopeNotAllowed);
            }
            requested
        }
        Purpose::Refresh {
            granted,
            requested: None,
        } => granted,
        Purpose::Refresh {
            granted,
            requested: Some(requested),
        } => {
            if !requested.is_subset(granted) {
                return Err(Refusal::ScopeExceedsGrant);
            }
            requested
        }
    };
    let allowed = asked.intersection(&policy.scope);
    let allowed: ScopeSet = allowed.iter().filter(|scope| fits(scope)).cloned().collect();
    let scope = match facts.owner {
        Owner::User(Some(user)) => allowed.intersection(&user.scope),
        Owner::User(None) => ScopeSet::default(),
        Owner::Client => allowed,
    };
    if scope.is_empty() {
        Err(Refusal::ScopeEmpty)
    } else {
        Ok(scope)
    }
}

/// The resource server verifies the token, so its wish comes before the client's; two wishes can't both be met.
fn signing_alg(client: &Client, audiences: &[&AllowedAudience]) -> Result<Option<SigningAlg>, Refusal> {
    let mut wishes = audiences.iter().filter_map(|audience| audience.signing_alg);
    let Some(first) = wishes.next() else {
        return Ok(client.policy.signing_alg);
    };
    if wishes.all(|wish| wish == first) {
        Ok(Some(first))
    } else {
        Err(Refusal::AlgorithmConflict)
    }
}

#[cfg(test)]
mod tests;
