//! Signing keys, server secrets and the issuer.

use symbolon_core::UnixMillis;
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_core::ports::WrappedSecret;
use symbolon_core::secret::SecretPurpose;
use symbolon_jose::{Kid, SigningAlg};

use crate::{FakeClock, Fixture};

const NOW: UnixMillis = FakeClock::START;
const PENDING: KeyState = KeyState::Pending { published: NOW };
const ACTIVE: KeyState = KeyState::Active {
    published: NOW,
    activated: NOW,
};
const RETIRED: KeyState = KeyState::Retired { retired: NOW };

fn key(kid: &str, alg: SigningAlg, state: KeyState) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: Kid::parse(kid).unwrap(),
        alg,
        state,
        wrapped: format!("jwe-of-{kid}"),
        created: NOW,
    }
}

/// A `kid` that exists or a second active key of an algorithm: none of them, and the facts stay.
pub async fn keys_are_added_all_or_none(fixture: &Fixture) {
    let facts = async || fixture.log.head().await.unwrap().facts;
    let kids = async || {
        let keys = fixture.keys.signing_keys().await.unwrap();
        keys.iter()
            .map(|key| (key.kid.as_str().to_owned(), key.state))
            .collect::<Vec<_>>()
    };
    let before = facts().await;
    let first = [
        key("a", SigningAlg::Es256, ACTIVE),
        key("b", SigningAlg::Es256, PENDING),
        key("c", SigningAlg::Rs256, ACTIVE),
        key("d", SigningAlg::Es256, RETIRED),
    ];
    assert!(fixture.keys.add_signing_keys(&first).await.unwrap());
    assert_eq!(facts().await, before + 1);
    let kept = [
        ("a".to_owned(), ACTIVE),
        ("b".to_owned(), PENDING),
        ("c".to_owned(), ACTIVE),
    ];
    assert_eq!(kids().await, kept, "retired ones are left out");
    let [a, ..] = &fixture.keys.signing_keys().await.unwrap()[..] else {
        panic!("the keys are there");
    };
    assert_eq!(format!("{a:?}"), format!("{:?}", first[0]));

    for refused in [
        [
            key("e", SigningAlg::EdDsa, ACTIVE),
            key("f", SigningAlg::Es256, ACTIVE),
        ],
        [
            key("e", SigningAlg::EdDsa, ACTIVE),
            key("b", SigningAlg::Ps256, PENDING),
        ],
        [
            key("e", SigningAlg::EdDsa, ACTIVE),
            key("d", SigningAlg::Ps256, PENDING),
        ],
    ] {
        assert!(!fixture.keys.add_signing_keys(&refused).await.unwrap());
        assert_eq!(kids().await, kept);
    }
    assert_eq!(facts().await, before + 1);
    let ed = [key("e", SigningAlg::EdDsa, ACTIVE)];
    assert!(fixture.keys.add_signing_keys(&ed).await.unwrap());
    assert_eq!(facts().await, before + 2);
}

/// A number of a purpose is given once; the issuer is the one that was set last.
pub async fn secrets_and_issuer_are_kept(fixture: &Fixture) {
    let secret = |purpose, id, wrapped: &str| WrappedSecret {
        purpose,
        id,
        active_from: NOW,
        wrapped: wrapped.into(),
    };
    for purpose in SecretPurpose::ALL {
        let first = secret(purpose, 1, purpose.as_str());
        assert!(fixture.server.add_secret(&first).await.unwrap());
    }
    let again = secret(SecretPurpose::Cursor, 1, "other");
    assert!(!fixture.server.add_secret(&again).await.unwrap());
    let largest = secret(SecretPurpose::Cursor, u16::MAX, "largest");
    assert!(fixture.server.add_secret(&largest).await.unwrap());
    let kept = fixture.server.secrets().await.unwrap();
    assert_eq!(kept.len(), 4);
    for secret in kept {
        let expected = if secret.id == 1 {
            secret.purpose.as_str()
        } else {
            "largest"
        };
        assert_eq!((&*secret.wrapped, secret.active_from), (expected, NOW));
    }

    assert_eq!(fixture.server.issuer().await.unwrap(), None);
    for issuer in ["https://one.example", "https://two.example/tenant"] {
        fixture.server.set_issuer(1, issuer).await.unwrap();
        assert_eq!(
            fixture.server.issuer().await.unwrap(),
            Some((1, issuer.to_owned()))
        );
    }
}
