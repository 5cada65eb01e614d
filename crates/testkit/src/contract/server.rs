//! Server secrets and the issuer.

use serde_json::json;
use symbolon_core::UnixMillis;
use symbolon_core::ports::WrappedSecret;
use symbolon_core::secret::SecretPurpose;

use super::audit::told_since;
use crate::{FakeClock, Fixture};

const NOW: UnixMillis = FakeClock::START;

fn secret(purpose: SecretPurpose, id: u16, wrapped: &str) -> WrappedSecret {
    WrappedSecret {
        purpose,
        id,
        active_from: NOW,
        wrapped: wrapped.into(),
    }
}

/// A number of a purpose is given once; the issuer is the one that was set last, and the trail tells where it is another.
pub async fn secrets_and_issuer_are_kept(fixture: &Fixture) {
    for purpose in SecretPurpose::ALL {
        let first = secret(purpose, 1, purpose.as_str());
        assert!(fixture.server.add_secret(&first).await.unwrap());
    }
    let again = secret(SecretPurpose::Cursor, 1, "other");
    assert!(!fixture.server.add_secret(&again).await.unwrap());
    let largest = secret(SecretPurpose::Cursor, u16::MAX, "largest");
    assert!(fixture.server.add_secret(&largest).await.unwrap());
    let kept = fixture.server.secrets().await.unwrap();
    assert_eq!(kept.len(), SecretPurpose::ALL.len() + 1);
    for secret in kept {
        let expected = if secret.id == 1 {
            secret.purpose.as_str()
        } else {
            "largest"
        };
        assert_eq!((&*secret.wrapped, secret.active_from), (expected, NOW));
    }

    assert_eq!(fixture.server.issuer().await.unwrap(), None);
    let issuers = ["https://one.example", "https://two.example/tenant"];
    for issuer in [issuers[0], issuers[0], issuers[1], issuers[1]] {
        fixture.server.set_issuer(1, issuer).await.unwrap();
        assert_eq!(
            fixture.server.issuer().await.unwrap(),
            Some((1, issuer.to_owned()))
        );
    }
    let told = told_since(fixture, 0).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["event"], &told[0]["actor"], &told[0]["details"]),
        (
            &json!("issuer.changed"),
            &json!("server"),
            &json!({ "before": issuers[0], "after": issuers[1] })
        )
    );
}

/// Only what was read is replaced, in the one record that is meant, and no node need know.
pub async fn a_secret_is_rewrapped_only_where_it_is_still_the_same(fixture: &Fixture) {
    for purpose in SecretPurpose::ALL {
        for id in [1, 2] {
            let old = secret(purpose, id, "old");
            assert!(fixture.server.add_secret(&old).await.unwrap());
        }
    }
    let before = fixture.log.head().await.unwrap();
    let rewrap = async |purpose, id, from, to| {
        let rewrapped = fixture.server.rewrap_secret(purpose, id, from, to).await;
        rewrapped.unwrap()
    };
    let cursor = SecretPurpose::Cursor;
    assert!(!rewrap(cursor, 3, "old", "new").await, "there is none");
    assert!(
        !rewrap(cursor, 2, "older", "new").await,
        "it holds something else"
    );
    assert!(rewrap(cursor, 2, "old", "new").await);
    assert!(!rewrap(cursor, 2, "old", "newer").await, "another was first");
    for kept in fixture.server.secrets().await.unwrap() {
        let is_meant = (kept.purpose, kept.id) == (cursor, 2);
        let expected = if is_meant { "new" } else { "old" };
        assert_eq!((&*kept.wrapped, kept.active_from), (expected, NOW));
    }
    assert_eq!(fixture.log.head().await.unwrap(), before);
}
