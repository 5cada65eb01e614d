//! Verifiers of the library, which follow nodes over HTTP.

use std::time::Duration;

use symbolon_tests::AUDIENCE;
use symbolon_tests::binary::PATIENCE;
use symbolon_verifier::{Builder, Fetch, Refused, Verifier};

/// Between two looks for a key that is not known: the shortest, so that nobody has to wait longer for one that is new.
const COOLDOWN: Duration = Duration::from_secs(1);
/// Between two looks at what has no end of its own to be waited for.
const LOOK: Duration = Duration::from_millis(20);

/// What a verifier made of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Accepted,
    Revoked,
    Unknown,
    /// For something else.
    Refused,
}

/// A verifier of the resource server that tests have, to be.
pub(crate) fn verifier(issuer: &str, fetch: impl Fetch) -> Builder {
    Verifier::builder(issuer, AUDIENCE)
        .fetch(fetch)
        .cooldown(COOLDOWN)
}

/// What it makes of a token.
pub(crate) async fn verdict(verifier: &Verifier, token: &str) -> Verdict {
    match verifier.verify(token).await {
        Ok(_) => Verdict::Accepted,
        Err(Refused::Revoked(_)) => Verdict::Revoked,
        Err(Refused::RevocationUnknown) => Verdict::Unknown,
        Err(_) => Verdict::Refused,
    }
}

/// Whether it follows the feed as it should.
pub(crate) fn follows(verifier: &Verifier) -> bool {
    let feed = verifier.feed();
    feed.is_some_and(|feed| feed.is_caught_up && !feed.is_stale)
}

/// Waits until it is so, within bounds; whether it came to be.
pub(crate) async fn comes(so: impl AsyncFn() -> bool) -> bool {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.is_ok()
}
