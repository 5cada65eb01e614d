//! Signing keys as they are kept.

use symbolon_core::UnixMillis;
use symbolon_core::keys::{
    KeyAuthority, KeyChange, KeyChangeOutcome, KeyMove, KeySchedule, KeyState, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::revocation::Head;
use symbolon_jose::{Kid, SigningAlg};

use crate::{FakeClock, Fixture};

pub(super) const NOW: UnixMillis = FakeClock::START;
pub(super) const AT: ScheduleTime = ScheduleTime(86_400_000);
pub(super) const PENDING: KeyState = KeyState::Pending { published: NOW };
pub(super) const ACTIVE: KeyState = KeyState::Active {
    published: NOW,
    activated: UnixMillis(NOW.0 + 1),
};
pub(super) const RETIRING: KeyState = KeyState::Retiring {
    published: NOW,
    activated: UnixMillis(NOW.0 + 1),
    retiring: UnixMillis(NOW.0 + 2),
};
pub(super) const RETIRED: KeyState = KeyState::Retired {
    activated: Some(UnixMillis(NOW.0 + 1)),
    retired: UnixMillis(NOW.0 + 3),
};
pub(super) const WITHDRAWN: KeyState = KeyState::Retired {
    activated: None,
    retired: UnixMillis(NOW.0 + 3),
};
const COMPROMISED: KeyState = KeyState::Compromised {
    activated: Some(UnixMillis(NOW.0 + 1)),
    compromised: UnixMillis(NOW.0 + 4),
};

pub(super) fn kid(kid: &str) -> Kid {
    Kid::parse(kid).unwrap()
}

pub(super) fn key(name: &str, alg: SigningAlg, state: KeyState) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: kid(name),
        alg,
        state,
        entered: ScheduleTime(7),
        wrapped: format!("jwe-of-{name}"),
        certificates: name.starts_with('c').then(|| format!("chain-of-{name}")),
        created: NOW,
    }
}

pub(super) fn es256(name: &str, state: KeyState) -> SigningKeyRecord {
    key(name, SigningAlg::Es256, state)
}

/// A pending key that is new, on some authority.
pub(super) fn adding(name: &str, authority: KeyAuthority) -> KeyChange {
    KeyChange {
        authority,
        at: AT,
        moves: Vec::new(),
        add: vec![es256(name, PENDING)],
        entries: Vec::new(),
        act: Fixture::act(),
    }
}

pub(super) fn change(moves: Vec<KeyMove>, add: Vec<SigningKeyRecord>) -> KeyChange {
    KeyChange {
        authority: KeyAuthority::Operator,
        at: AT,
        moves,
        add,
        entries: Vec::new(),
        act: Fixture::act(),
    }
}

pub(super) async fn make(fixture: &Fixture, change: &KeyChange) -> KeyChangeOutcome {
    fixture.keys.change_keys(change).await.unwrap()
}

pub(super) async fn add(fixture: &Fixture, add: Vec<SigningKeyRecord>) {
    let outcome = make(fixture, &change(Vec::new(), add)).await;
    assert_eq!(outcome, KeyChangeOutcome::Done);
}

/// Everything that a change could have touched.
pub(super) async fn picture(fixture: &Fixture) -> (String, Head, KeySchedule) {
    (
        format!("{:?}", fixture.keys.key_history(1_000).await.unwrap()),
        fixture.log.head().await.unwrap(),
        fixture.keys.key_schedule().await.unwrap(),
    )
}

/// Name, state, moment of entry and private key of each that was ever kept, by name.
pub(super) async fn kept(fixture: &Fixture) -> Vec<(String, KeyState, ScheduleTime, String)> {
    let mut keys = fixture.keys.key_history(1_000).await.unwrap();
    keys.sort_by(|a, b| a.kid.as_str().cmp(b.kid.as_str()));
    keys.into_iter()
        .map(|key| (key.kid.as_str().to_owned(), key.state, key.entered, key.wrapped))
        .collect()
}

/// Listed are those that are published; the history has them all, and only those that are published have a private key.
pub async fn keys_are_kept_as_they_were_added(fixture: &Fixture) {
    let (_, before, schedule) = picture(fixture).await;
    let keys = vec![
        es256("a", ACTIVE),
        es256("b", PENDING),
        key("c", SigningAlg::Rs256, ACTIVE),
        es256("d", RETIRED),
        es256("e", RETIRING),
        es256("f", WITHDRAWN),
        es256("g", COMPROMISED),
    ];
    add(fixture, keys.clone()).await;
    let listed = fixture.keys.signing_keys().await.unwrap();
    let expected = [&keys[..3], &keys[4..5]].concat();
    assert_eq!(format!("{listed:?}"), format!("{expected:?}"));
    for ((name, state, entered, wrapped), added) in kept(fixture).await.into_iter().zip(&keys) {
        let erased = ["d", "f", "g"].contains(&&*name);
        let expected = if erased { "" } else { &*added.wrapped };
        assert_eq!((&*name, state), (added.kid.as_str(), added.state));
        assert_eq!((&*wrapped, entered), (expected, ScheduleTime(7)), "{name}");
    }
    let (_, head, now) = picture(fixture).await;
    assert_eq!(
        (head.seq, head.facts, now.fence),
        (before.seq, before.facts + 1, schedule.fence + 1)
    );
}

/// By when they were made; those that are gone included.
pub async fn the_history_is_the_newest_first(fixture: &Fixture) {
    let made = |name, state, after| SigningKeyRecord {
        created: NOW.plus(after),
        ..es256(name, state)
    };
    let keys = vec![
        made("b", ACTIVE, 20),
        made("d", WITHDRAWN, 30),
        made("a", PENDING, 10),
        made("c", RETIRED, 0),
    ];
    add(fixture, keys).await;
    let history = async |limit| {
        let keys = fixture.keys.key_history(limit).await.unwrap();
        keys.iter()
            .map(|key| key.kid.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(history(10).await, ["d", "b", "a", "c"]);
    assert_eq!(history(3).await, ["d", "b", "a"]);
    assert!(history(0).await.is_empty());
}

/// Only what was read is replaced, nothing else changes, and nothing comes back that was erased.
pub async fn a_key_is_rewrapped_only_where_it_is_still_the_same(fixture: &Fixture) {
    let keys = vec![
        es256("a", ACTIVE),
        es256("b", PENDING),
        es256("c", RETIRING),
        es256("d", RETIRED),
    ];
    add(fixture, keys).await;
    let before = picture(fixture).await;
    let rewrap = async |name, from, to| {
        let rewrapped = fixture.keys.rewrap_key(&kid(name), from, to).await;
        rewrapped.unwrap()
    };
    assert!(!rewrap("nobody", "jwe-of-a", "new").await, "there is none");
    assert!(!rewrap("a", "jwe-of-b", "new").await, "it holds something else");
    assert!(!rewrap("d", "", "new").await, "it was erased");
    assert_eq!(picture(fixture).await, before);
    for (name, old) in [("a", "jwe-of-a"), ("b", "jwe-of-b"), ("c", "jwe-of-c")] {
        assert!(rewrap(name, old, "new").await);
        assert!(!rewrap(name, old, "newer").await, "another was first");
    }
    let (_, head, schedule) = picture(fixture).await;
    assert_eq!((head, schedule), (before.1, before.2));
    let expected = [
        ("a", ACTIVE, "new"),
        ("b", PENDING, "new"),
        ("c", RETIRING, "new"),
        ("d", RETIRED, ""),
    ]
    .map(|(name, state, wrapped)| (name.to_owned(), state, ScheduleTime(7), wrapped.to_owned()));
    assert_eq!(kept(fixture).await, expected);
}
