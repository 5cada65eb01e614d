//! What happens where the revocation feed could not be followed for too long.

use std::collections::BTreeMap;

use symbolon_oauth_types::{ScopeSet, ScopeToken};

/// What becomes of a token that is good but for this: what is known of revocations is older than it may be, so that
/// nobody can tell whether the token was revoked since. One that is known to be revoked is refused in either case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenStale {
    /// It is accepted, which [`crate::Metrics::accepted_stale`] and the log tell of. **Whoever keeps the feed away from
    /// the verifier keeps revoked tokens alive**, until they expire.
    Accept,
    /// It is refused, with status 503.
    #[default]
    Refuse,
}

/// The policy of a verifier, and those of single scopes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staleness {
    pub(crate) default: WhenStale,
    pub(crate) scopes: BTreeMap<ScopeToken, WhenStale>,
}

impl Staleness {
    /// For a request that needs these scopes. The strictest counts; a scope without a policy has that of the verifier.
    pub(crate) fn of_required(&self, required: &ScopeSet) -> WhenStale {
        if required.is_empty() {
            return self.default;
        }
        let of = |scope| self.scopes.get(scope).copied().unwrap_or(self.default);
        strictest(required.iter().map(of))
    }

    /// Where it was not said what the request needs: nobody may have to remember to ask again, so a token that has a scope
    /// which is refused is refused.
    pub(crate) fn of_token(&self, scope: &ScopeSet) -> WhenStale {
        let of = |scope| self.scopes.get(scope).copied();
        // Most verifiers have no such policy: nothing is looked up.
        match self.default {
            WhenStale::Accept if !self.scopes.is_empty() => strictest(scope.iter().filter_map(of)),
            default => default,
        }
    }
}

fn strictest(mut policies: impl Iterator<Item = WhenStale>) -> WhenStale {
    if policies.any(|policy| policy == WhenStale::Refuse) {
        return WhenStale::Refuse;
    }
    WhenStale::Accept
}

#[cfg(test)]
mod tests {
    use super::WhenStale::{Accept, Refuse};
    use super::*;

    fn staleness(default: WhenStale, scopes: &[(&str, WhenStale)]) -> Staleness {
        let scopes = scopes
            .iter()
            .map(|(scope, policy)| (scope.parse().unwrap(), *policy));
        Staleness {
            default,
            scopes: scopes.collect(),
        }
    }

    #[test]
    fn the_strictest_of_what_is_needed_counts() {
        let lax = staleness(Accept, &[("pay", Refuse), ("read", Accept)]);
        let strict = staleness(Refuse, &[("pay", Refuse), ("read", Accept)]);
        for (required, of_lax, of_strict) in [
            ("", Accept, Refuse),
            ("read", Accept, Accept),
            ("write", Accept, Refuse),
            ("read write", Accept, Refuse),
            ("pay", Refuse, Refuse),
            ("pay read", Refuse, Refuse),
        ] {
            let required: ScopeSet = required.parse().unwrap();
            assert_eq!(lax.of_required(&required), of_lax, "{required}");
            assert_eq!(strict.of_required(&required), of_strict, "{required}");
        }
    }

    #[test]
    fn where_nothing_was_said_to_be_needed_all_that_the_token_may_counts() {
        let lax = staleness(Accept, &[("pay", Refuse), ("read", Accept)]);
        let strict = staleness(Refuse, &[("read", Accept)]);
        for (scope, of_lax) in [("", Accept), ("read write", Accept), ("pay read", Refuse)] {
            let scope: ScopeSet = scope.parse().unwrap();
            assert_eq!(lax.of_token(&scope), of_lax, "{scope}");
            assert_eq!(strict.of_token(&scope), Refuse, "{scope}");
        }
    }
}
