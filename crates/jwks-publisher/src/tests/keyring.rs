use std::collections::BTreeSet;

use symbolon_core::SystemRng;
use symbolon_core::audit::Act;
use symbolon_core::keys::{KeyState, MAX_UNCONFIRMED};
use symbolon_core::tokens::{ACCESS_TOKEN_TYP, AccessTokens, SignError};
use symbolon_jose::{PrivateKey, SigningAlg, verify_compact};

use super::*;
use crate::{Rewrapped, rewrap_signing_keys};

const ES256: &[SigningAlg] = &[SigningAlg::Es256];

/// Opens the stored key in that state, by the names under which keys are encrypted.
fn stored_key(store: &MemoryKeys, state: &str) -> PrivateKey {
    let row = store.row(state);
    let purpose = format!("signing-key/{}/{}", row.alg, row.kid);
    let der = kek(1).unwrap(&purpose, &row.wrapped).unwrap();
    PrivateKey::from_pkcs8_der(&der, row.alg).unwrap()
}

fn sign_with(key: &PrivateKey, typ: &str, claims: &AccessTokenClaims) -> String {
    key.sign_compact(typ, &serde_json::to_vec(claims).unwrap())
        .unwrap()
}

#[tokio::test]
async fn first_start_makes_and_publishes_an_active_and_a_pending_key_of_each_algorithm() {
    let store = Arc::new(MemoryKeys::default());
    let algorithms = [SigningAlg::EdDsa, SigningAlg::Es256, SigningAlg::Es384];
    let keyring = open(&store, config(&algorithms)).await.unwrap();
    let rows = store.rows();
    assert_eq!((rows.len(), store.changes()), (6, 1));
    for alg in algorithms {
        let states: BTreeSet<_> = rows
            .iter()
            .filter(|row| row.alg == alg)
            .map(|row| row.state.as_str())
            .collect();
        assert_eq!(states, BTreeSet::from(["active", "pending"]), "{alg}");
    }
    assert!(rows.iter().all(|row| row.created == NOW));
    let stored: BTreeSet<_> = rows.iter().map(|row| row.kid.to_string()).collect();
    assert_eq!(kids(&keyring).into_iter().collect::<BTreeSet<_>>(), stored);
    assert!(
        rows.iter().all(|row| row.wrapped.split('.').count() == 5),
        "every private key is a JWE"
    );
}

#[tokio::test]
async fn second_start_finds_the_keys_and_writes_nothing() {
    let store = Arc::new(MemoryKeys::default());
    let first = open(&store, config(ES256)).await.unwrap();
    let token = first.sign(None, &claims()).await.unwrap();
    store.edit(|rows| rows.reverse());
    let second = open(&store, config(ES256)).await.unwrap();
    assert_eq!(store.changes(), 1);
    assert_eq!(kids(&second), kids(&first), "in the same order");
    assert_eq!(*second.verify(&token).unwrap().claims, claims());
}

#[tokio::test]
async fn an_algorithm_added_later_is_published_first_and_one_taken_away_still_verifies() {
    let store = Arc::new(MemoryKeys::default());
    let before = open(&store, config(ES256)).await.unwrap();
    let token = before.sign(None, &claims()).await.unwrap();
    let added = open(&store, config(&[SigningAlg::Es256, SigningAlg::EdDsa]))
        .await
        .unwrap();
    assert_eq!(store.rows().len(), 3);
    let reasons = ["first start", "start without a pending key"];
    assert_eq!(store.acts(), reasons.map(Act::server));
    assert_eq!(jwks(&added).keys.len(), 3);
    let refused = added.sign(Some(SigningAlg::EdDsa), &claims()).await.unwrap_err();
    assert!(matches!(refused, SignError::NoKey(SigningAlg::EdDsa)));

    assert_eq!(
        refusal(&store, config(&[SigningAlg::EdDsa])).await,
        "`keys.default_algorithm` is EdDSA, whose key was published too short a time ago to sign: it may in 1d 5s. \
         Until then set `keys.default_algorithm` to ES256, which signs already, or let the key sign before every \
         verifier can know it: `symbolon keys rotate --alg EdDSA --dangerous-now`"
    );
    let pending = store
        .rows()
        .into_iter()
        .find(|row| row.alg == SigningAlg::EdDsa)
        .unwrap();
    store.set_state(&pending.kid, pending.state.activate(NOW).unwrap());
    let after = open(&store, config(&[SigningAlg::EdDsa])).await.unwrap();
    assert!(after.verify(&token).is_some());
    let refused = after.sign(Some(SigningAlg::Es256), &claims()).await.unwrap_err();
    assert!(matches!(refused, SignError::NoKey(SigningAlg::Es256)));
}

#[tokio::test]
async fn refuses_a_default_that_is_not_configured() {
    let store = Arc::new(MemoryKeys::default());
    let config = KeyringConfig {
        default_algorithm: SigningAlg::Rs256,
        ..config(ES256)
    };
    assert_eq!(
        refusal(&store, config).await,
        "`keys.default_algorithm`, RS256, is not among `keys.algorithms`; add it there or choose another"
    );
    assert!(store.rows().is_empty());
}

#[tokio::test]
async fn another_key_encryption_key_is_refused_and_nothing_is_written() {
    let store = Arc::new(MemoryKeys::default());
    open(&store, config(ES256)).await.unwrap();
    let before = store.rows();
    let config = config(&[SigningAlg::Es256, SigningAlg::Es384]);
    let (rng, clock) = (Arc::new(SystemRng), Arc::new(FakeClock::new()));
    let (keys, log) = (encryption_keys(2, &[3]), Arc::new(StillLog::new(clock.clone())));
    let error = match Keyring::open(store.clone(), config, keys, log, (clock, rng)).await {
        Ok(_) => panic!("opened with the wrong key"),
        Err(error) => error.to_string(),
    };
    let needs = kek(1).id().to_string();
    let configured = format!("{}, {}", kek(2).id(), kek(3).id());
    let active = store.row("active").kid;
    assert_eq!(
        error,
        format!(
            "signing key {active} (ES256) is encrypted under the key-encryption key {needs}, and the configured ones \
             are {configured}: the record needs the key-encryption key {needs}; configure that key. Set \
             `keys.encryption_key` or `keys.previous_encryption_key` to the one that it needs; nothing was changed"
        )
    );
    assert_eq!((store.changes(), store.rows().len()), (1, before.len()));
}

#[tokio::test]
async fn records_swapped_between_keys_are_refused() {
    let store = Arc::new(MemoryKeys::default());
    open(&store, config(ES256)).await.unwrap();
    store.edit(|rows| {
        let (first, rest) = rows.split_first_mut().unwrap();
        std::mem::swap(&mut first.wrapped, &mut rest[0].wrapped);
    });
    let error = refusal(&store, config(ES256)).await;
    assert!(error.contains(store.row("active").kid.as_str()), "{error}");
    assert!(error.contains("belongs to another place"), "{error}");
    assert_eq!(store.changes(), 1);
}

#[tokio::test]
async fn a_record_that_holds_another_key_is_refused() {
    let store = Arc::new(MemoryKeys::default());
    open(&store, config(ES256)).await.unwrap();
    let (row, other) = (store.row("active"), generate(SigningAlg::Es256));
    let purpose = format!("signing-key/ES256/{}", row.kid);
    let wrapped = kek(1).wrap(&purpose, other.to_pkcs8_der()).unwrap();
    store.edit(|rows| {
        let row = rows.iter_mut().find(|found| found.kid == row.kid).unwrap();
        row.wrapped = wrapped;
    });
    assert_eq!(
        refusal(&store, config(ES256)).await,
        format!(
            "the record of signing key {} (ES256) holds something else: the key {}; restore the signing keys from a \
             backup; nothing was changed",
            row.kid,
            other.kid()
        )
    );
}

#[tokio::test]
async fn two_active_keys_of_one_algorithm_are_refused() {
    let store = Arc::new(MemoryKeys::default());
    open(&store, config(ES256)).await.unwrap();
    let (active, pending) = (store.row("active"), store.row("pending"));
    store.set_state(&pending.kid, active.state);
    assert_eq!(
        refusal(&store, config(ES256)).await,
        "more than one ES256 key is active in the store; restore the signing keys from a backup"
    );
}

#[tokio::test]
async fn a_node_that_comes_second_takes_the_keys_of_the_first() {
    let elsewhere = Arc::new(MemoryKeys::default());
    let rival = open(&elsewhere, config(ES256)).await.unwrap();
    let store = Arc::new(MemoryKeys::default());
    store.rival_adds(elsewhere.rows());
    let keyring = open(&store, config(ES256)).await.unwrap();
    assert_eq!(kids(&keyring), kids(&rival));
    assert_eq!((store.changes(), store.rows().len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_agree_on_the_keys() {
    let store = Arc::new(MemoryKeys::default());
    let start = || {
        let store = store.clone();
        tokio::spawn(async move { open(&store, config(ES256)).await.unwrap() })
    };
    let nodes: Vec<_> = std::iter::repeat_with(start).take(8).collect();
    let mut published = BTreeSet::new();
    for node in nodes {
        published.insert(kids(&node.await.unwrap()));
    }
    assert_eq!((published.len(), store.rows().len()), (1, 2));
}

#[tokio::test]
async fn signs_and_verifies_with_each_algorithm() {
    let store = Arc::new(MemoryKeys::default());
    let keyring = open(&store, config(&SigningAlg::ALL)).await.unwrap();
    let set = jwks(&keyring);
    for alg in SigningAlg::ALL {
        let token = keyring.sign(Some(alg), &claims()).await.unwrap();
        let verified = keyring.verify(&token).unwrap();
        assert_eq!(*verified.claims, claims());
        let published = set.keys.iter().find(|key| *key.kid() == verified.kid).unwrap();
        assert_eq!(published.alg(), alg);
        // What a verifier does that has nothing but the key set.
        let public = symbolon_jose::PublicKey::from_jwk(published).unwrap();
        verify_compact(&token, ACCESS_TOKEN_TYP, |_| Some(&public)).unwrap();
    }
    let token = keyring.sign(None, &claims()).await.unwrap();
    let default = keyring.verify(&token).unwrap().kid;
    assert_eq!(
        store.rows().iter().find(|row| row.kid == default).unwrap().alg,
        SigningAlg::Es256
    );
}

#[tokio::test]
async fn verify_refuses_what_is_not_an_access_token_of_this_issuer() {
    let store = Arc::new(MemoryKeys::default());
    let keyring = open(&store, config(ES256)).await.unwrap();
    let key = stored_key(&store, "active");
    let good = sign_with(&key, ACCESS_TOKEN_TYP, &claims());
    assert!(keyring.verify(&good).is_some());
    for issuer in [
        "https://other.example",
        "https://as.example/",
        "HTTPS://as.example",
        "",
    ] {
        let claims = AccessTokenClaims {
            iss: issuer.to_owned(),
            ..claims()
        };
        assert!(
            keyring
                .verify(&sign_with(&key, ACCESS_TOKEN_TYP, &claims))
                .is_none(),
            "{issuer}"
        );
    }
    for typ in ["JWT", "logout+jwt", "at"] {
        assert!(
            keyring.verify(&sign_with(&key, typ, &claims())).is_none(),
            "{typ}"
        );
    }
    let stranger = generate(SigningAlg::Es256);
    assert!(
        keyring
            .verify(&sign_with(&stranger, ACCESS_TOKEN_TYP, &claims()))
            .is_none()
    );
    let text = serde_json::to_string(&claims()).unwrap();
    for broken in [
        text.replace(r#""exp":"#, r#""exp":"1","x":"#),
        text.replace(r#""exp":"#, r#""exp":1,"exp":"#),
        format!("{text}{{}}"),
        format!("[{text}]"),
        String::new(),
    ] {
        let token = key.sign_compact(ACCESS_TOKEN_TYP, broken.as_bytes()).unwrap();
        assert!(keyring.verify(&token).is_none(), "{broken}");
    }
    for token in [
        String::new(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        format!("{good}."),
        format!(" {good}"),
        ".".repeat(1_000_000),
        good.clone() + &"A".repeat(symbolon_jose::MAX_TOKEN_LEN),
    ] {
        assert!(keyring.verify(&token).is_none());
    }
}

#[tokio::test]
async fn published_keys_verify_and_only_the_active_one_signs() {
    let store = Arc::new(MemoryKeys::default());
    let keyring = open(&store, config(ES256)).await.unwrap();
    let (old, next) = (stored_key(&store, "active"), stored_key(&store, "pending"));
    let by_old = sign_with(&old, ACCESS_TOKEN_TYP, &claims());
    let by_next = sign_with(&next, ACCESS_TOKEN_TYP, &claims());
    assert!(keyring.verify(&by_next).is_some(), "pending keys are published");
    let signer = async || {
        keyring
            .verify(&keyring.sign(None, &claims()).await.unwrap())
            .unwrap()
            .kid
    };
    assert_eq!(signer().await, *old.kid());

    let [active, pending] = ["active", "pending"].map(|state| store.row(state).state);
    store.set_state(old.kid(), active.retire(NOW).unwrap());
    store.set_state(next.kid(), pending.activate(NOW).unwrap());
    keyring.reload().await.unwrap();
    assert_eq!(signer().await, *next.kid());
    assert!(keyring.verify(&by_old).is_some(), "retiring keys are published");

    for gone in [
        KeyState::Retired {
            activated: None,
            retired: NOW,
        },
        KeyState::Compromised {
            activated: None,
            compromised: NOW,
        },
    ] {
        store.set_state(old.kid(), gone);
        keyring.reload().await.unwrap();
        assert!(keyring.verify(&by_old).is_none(), "{}", gone.as_str());
        assert_eq!(kids(&keyring), [next.kid().as_str()]);
    }
}

#[tokio::test]
async fn compromised_keys_stay_closed() {
    let store = Arc::new(MemoryKeys::default());
    open(&store, config(ES256)).await.unwrap();
    let (bad, next) = (store.row("active").kid, store.row("pending"));
    store.set_state(&next.kid, next.state.activate(NOW).unwrap());
    store.edit(|rows| {
        let row = rows.iter_mut().find(|row| row.kid == bad).unwrap();
        row.state = KeyState::Compromised {
            activated: None,
            compromised: NOW,
        };
        row.wrapped = "gone".to_owned();
    });
    let keyring = open(&store, config(ES256)).await.unwrap();
    assert!(!kids(&keyring).contains(&bad.to_string()));
    assert!(keyring.sign(None, &claims()).await.is_ok());
}

#[tokio::test]
async fn a_reload_that_can_not_read_leaves_the_keys_as_they_were() {
    let store = Arc::new(MemoryKeys::default());
    let keyring = open(&store, config(ES256)).await.unwrap();
    let before = kids(&keyring);
    store.set_down(true);
    assert!(matches!(keyring.reload().await, Err(KeyringError::Store(_))));
    assert_eq!(kids(&keyring), before);
    assert!(keyring.sign(None, &claims()).await.is_ok());
}

/// One damaged record must not keep a compromised key in force.
#[tokio::test]
async fn a_key_that_can_not_be_opened_holds_up_no_other_and_is_told_of() {
    let store = Arc::new(MemoryKeys::default());
    let keyring = open(&store, config(ES256)).await.unwrap();
    let (bad, next) = (store.row("active"), store.row("pending"));
    let other = Arc::new(MemoryKeys::default());
    open(&other, config(ES256)).await.unwrap();
    let mut foreign = other.row("pending");
    foreign.wrapped = bad.wrapped.clone();
    assert_eq!(keyring.complete_since(&store.rows()), Some(Duration::ZERO));

    store.set_state(&bad.kid, bad.state.compromise(NOW).unwrap());
    store.set_state(&next.kid, next.state.activate(NOW).unwrap());
    store.edit(|rows| rows.push(foreign));
    assert!(keyring.reload().await.unwrap());
    assert_eq!(kids(&keyring), [next.kid.as_str()]);
    assert!(keyring.sign(None, &claims()).await.is_ok());
    let published: Vec<_> = store
        .rows()
        .into_iter()
        .filter(|row| row.state.is_published())
        .collect();
    assert_eq!(keyring.complete_since(&published), None);
}

/// Cut off from the store, a node can't know whether its key is about to leave the key set.
#[tokio::test]
async fn a_node_that_hears_nothing_for_an_hour_signs_no_more() {
    let (store, clock) = (Arc::new(MemoryKeys::default()), Arc::new(FakeClock::new()));
    let (log, keys, rng) = (
        Arc::new(StillLog::new(clock.clone())),
        encryption_keys(1, &[]),
        Arc::new(SystemRng),
    );
    let opened = Keyring::open(
        store.clone(),
        config(ES256),
        keys,
        log.clone(),
        (clock.clone(), rng),
    );
    let keyring = opened.await.unwrap();
    log.cut();
    let token = keyring.sign(None, &claims()).await.unwrap();
    clock.advance(MAX_UNCONFIRMED);
    assert!(keyring.sign(None, &claims()).await.is_ok());
    clock.advance(Duration::from_millis(1));
    assert!(matches!(keyring.can_sign(None), Err(SignError::Unconfirmed)));
    let refused = keyring.sign(None, &claims()).await.unwrap_err();
    assert!(matches!(refused, SignError::Unconfirmed));
    assert!(keyring.verify(&token).is_some(), "what was signed stays good");
    // It hears again, and that something has changed: the keys are read before any signs.
    log.look(1);
    assert!(keyring.can_sign(None).is_err());
    assert!(keyring.sign(None, &claims()).await.is_ok());
    assert!(keyring.can_sign(None).is_ok());
}

/// That nothing was promised beyond what the node knows does not tell that no key was taken back.
#[tokio::test]
async fn a_node_that_only_redis_confirms_signs_for_no_more_than_an_hour() {
    let (store, clock) = (Arc::new(MemoryKeys::default()), Arc::new(FakeClock::new()));
    let (log, keys, rng) = (
        Arc::new(StillLog::new(clock.clone())),
        encryption_keys(1, &[]),
        Arc::new(SystemRng),
    );
    let opened = Keyring::open(store, config(ES256), keys, log.clone(), (clock.clone(), rng));
    let keyring = opened.await.unwrap();
    log.cut();
    log.look(0);
    for _ in 0..60 {
        clock.advance(MAX_UNCONFIRMED / 60);
        log.confirm();
        assert!(keyring.sign(None, &claims()).await.is_ok());
    }
    clock.advance(Duration::from_millis(1));
    log.confirm();
    let refused = keyring.sign(None, &claims()).await.unwrap_err();
    assert!(matches!(refused, SignError::Unconfirmed));
    log.look(0);
    assert!(keyring.sign(None, &claims()).await.is_ok());
}

/// The same count of the facts may stand for other facts.
#[tokio::test]
async fn keys_are_read_again_from_a_database_that_lost_changes() {
    let (store, clock) = (Arc::new(MemoryKeys::default()), Arc::new(FakeClock::new()));
    let (log, keys, rng) = (
        Arc::new(StillLog::new(clock.clone())),
        encryption_keys(1, &[]),
        Arc::new(SystemRng),
    );
    let opened = Keyring::open(store.clone(), config(ES256), keys, log.clone(), (clock, rng));
    let keyring = opened.await.unwrap();
    let (bad, next) = (store.row("active"), store.row("pending"));
    store.set_state(&bad.kid, bad.state.compromise(NOW).unwrap());
    store.set_state(&next.kid, next.state.activate(NOW).unwrap());
    log.lose();
    let token = keyring.sign(None, &claims()).await.unwrap();
    assert_eq!(keyring.verify(&token).unwrap().kid, next.kid);
}

/// Whoever took a key back may rely on it from the moment at which a node knows that facts have changed.
#[tokio::test]
async fn no_key_signs_that_was_taken_back_before_the_request() {
    let (store, clock) = (Arc::new(MemoryKeys::default()), Arc::new(FakeClock::new()));
    let (log, keys, rng) = (
        Arc::new(StillLog::new(clock.clone())),
        encryption_keys(1, &[]),
        Arc::new(SystemRng),
    );
    let opened = Keyring::open(store.clone(), config(ES256), keys, log.clone(), (clock, rng));
    let keyring = opened.await.unwrap();
    let (bad, next) = (store.row("active"), store.row("pending"));
    store.set_state(&bad.kid, bad.state.compromise(NOW).unwrap());
    store.set_state(&next.kid, next.state.activate(NOW).unwrap());
    log.look(1);
    let token = keyring.sign(None, &claims()).await.unwrap();
    assert_eq!(keyring.verify(&token).unwrap().kid, next.kid);
    assert_eq!(kids(&keyring), [next.kid.as_str()]);
}

#[tokio::test]
async fn other_key_encryption_keys_take_over_only_where_they_open_everything() {
    let (store, keys) = (Arc::new(MemoryKeys::default()), encryption_keys(1, &[]));
    let (clock, rng) = (Arc::new(FakeClock::new()), Arc::new(SystemRng));
    let log = Arc::new(StillLog::new(clock.clone()));
    let keyring = Keyring::open(store.clone(), config(ES256), keys.clone(), log, (clock, rng))
        .await
        .unwrap();
    let replace = |current, previous: &[u8]| {
        keyring.replace_encryption_keys(encryption_keys(current, previous).load_full())
    };
    let error = replace(2, &[]).await.unwrap_err().to_string();
    assert!(error.contains("needs the key-encryption key"), "{error}");
    assert_eq!(keys.load().current().id(), kek(1).id());
    replace(2, &[1]).await.unwrap();
    assert_eq!(keys.load().current().id(), kek(2).id());

    let mut told = Vec::new();
    let new = encryption_keys(2, &[1]).load_full();
    for dry_run in [true, false] {
        told.clear();
        let mut tell = |done, total| told.push((done, total));
        let done = rewrap_signing_keys(&*store, &new, dry_run, &mut tell)
            .await
            .unwrap();
        assert_eq!(done, Rewrapped { total: 2, changed: 2 });
    }
    assert_eq!(told, [(1, 2), (2, 2)]);
    let again = rewrap_signing_keys(&*store, &new, false, &mut |_, _| {})
        .await
        .unwrap();
    assert_eq!(again, Rewrapped { total: 2, changed: 0 });
    assert!(
        replace(1, &[]).await.is_err(),
        "the old one opens nothing any more"
    );
    replace(2, &[]).await.unwrap();
    assert!(keyring.sign(None, &claims()).await.is_ok());
}
