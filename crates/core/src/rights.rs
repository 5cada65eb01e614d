//! Who may administer what. Nobody gives a right, or takes over an account or a client, that holds more than they hold
//! themselves; what counts as more are the scopes that open the admin API.

use std::sync::OnceLock;

use symbolon_oauth_types::{ResourceIndicator, ScopeSet, ScopeToken};

use crate::user::is_admin_scope;

/// The audience of tokens for the admin API, the same at every server: what tells servers apart is `iss`. No client can
/// serve it.
pub const ADMIN_AUDIENCE: &str = "urn:symbolon:admin";

/// [`ADMIN_AUDIENCE`] as the audience that it is.
pub fn admin_audience() -> &'static ResourceIndicator {
    static INDICATOR: OnceLock<ResourceIndicator> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "the text is a constant, which a test parses")]
    INDICATOR.get_or_init(|| ADMIN_AUDIENCE.parse().expect("a constant that is well-formed"))
}

/// Whether that is [`ADMIN_AUDIENCE`].
pub fn is_admin_audience(audience: &ResourceIndicator) -> bool {
    audience.as_str() == ADMIN_AUDIENCE
}

/// The admin scopes in `wanted` that whoever has `held` lacks: they may neither give them nor take over what has them.
pub fn beyond<'a>(held: &ScopeSet, wanted: &'a ScopeSet) -> Vec<&'a ScopeToken> {
    wanted
        .iter()
        .filter(|scope| is_admin_scope(scope) && !held.contains(scope))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_admin_scopes_are_more() {
        let scope = |text: &str| text.parse::<ScopeSet>().unwrap();
        let held = scope("users:read users:write");
        assert!(beyond(&held, &scope("users:write orders:read")).is_empty());
        let wanted = scope("users:write keys:rotate orders:read");
        let more: Vec<_> = beyond(&held, &wanted).into_iter().map(|s| s.as_str()).collect();
        assert_eq!(more, ["keys:rotate"]);
    }

    #[test]
    fn the_admin_audience_is_one() {
        assert_eq!(admin_audience().as_str(), ADMIN_AUDIENCE);
    }
}
