//! Another key-encryption key for a running server with many signing keys, without a restart.

use rustix::process::Signal;
use symbolon_core::audit::{Act, Actor};
use symbolon_core::keys::{KeyAuthority, KeyChange, KeyChangeOutcome, KeyState, SigningKeyRecord};
use symbolon_core::ports::KeyStore;
use symbolon_core::{Clock, Rng, SystemClock, SystemRng};
use symbolon_jose::{KeyEncryptionKey, PrivateKey, SigningAlg};
use symbolon_server::node::claim_issuer;
use symbolon_tests::binary::{Site, encryption_key, free_port};

use super::{Node, Stage};
use crate::binary::eventually;

const KEYS: usize = 50;
/// Seeds of the key-encryption keys.
const OLD: u8 = 1;
const NEW: u8 = 2;

fn key_encryption_key(seed: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::from_base64(&encryption_key(seed)).unwrap()
}

/// Puts many keys into the database, as a server leaves them after many rotations by hand: one signs, one is going to,
/// all others have just stopped.
async fn fill(stage: &Stage) {
    let store = stage.store().await;
    claim_issuer(&store, &stage.issuer, false).await.unwrap();
    let now = SystemClock::new().now();
    let entered = store.key_schedule().await.unwrap().elapsed;
    let pending = KeyState::Pending { published: now };
    let active = pending.activate(now).unwrap();
    let retiring = active.retire(now).unwrap();
    let states = [pending, active].into_iter().chain(std::iter::repeat(retiring));
    let old = key_encryption_key(OLD);
    let record = |state| {
        let key = PrivateKey::generate(SigningAlg::Es256, &mut |dest| SystemRng.fill(dest)).unwrap();
        let (kid, alg) = (key.kid().clone(), key.alg());
        SigningKeyRecord {
            wrapped: old
                .wrap(&format!("signing-key/{alg}/{kid}"), key.to_pkcs8_der())
                .unwrap(),
            kid,
            alg,
            state,
            entered,
            certificates: None,
            created: now,
        }
    };
    let change = KeyChange {
        authority: KeyAuthority::Operator,
        at: entered,
        moves: Vec::new(),
        add: states.take(KEYS).map(record).collect(),
        entries: Vec::new(),
        act: Act::new(Actor::operator("test"), "to rewrap them"),
    };
    assert_eq!(store.change_keys(&change).await.unwrap(), KeyChangeOutcome::Done);
    store.close().await;
}

/// Asserts that no server starts with the configured keys, as one signing key needs another one, and that the
/// database stays as it is.
async fn assert_refused(stage: &Stage, kids: &[String], needs: u8) {
    let before = stage.site.stored();
    let ended = stage.site.run("serve").await;
    assert_ne!(ended.code, Some(0));
    assert_eq!(ended.out, "", "nothing is announced");
    let needed = key_encryption_key(needs);
    for said in [
        needed.id().as_ref(),
        "keys.previous_encryption_key",
        "nothing was changed",
    ] {
        assert!(ended.err.contains(said), "{said} is not in: {}", ended.err);
    }
    assert!(
        kids.iter().any(|kid| ended.err.contains(kid)),
        "no kid in: {}",
        ended.err
    );
    for seed in [OLD, NEW] {
        assert!(!ended.err.contains(&encryption_key(seed)), "{}", ended.err);
    }
    assert!(stage.site.stored() == before, "something was written");
}

/// Makes these the configured key-encryption keys: one that encrypts, and perhaps one that may open.
fn configure(site: &Site, current: u8, previous: Option<u8>) {
    const PREVIOUS: &str = "keys.previous_encryption_key_file = \"previous-encryption-key\"\n";
    const CURRENT: &str = "keys.encryption_key_file";
    site.write("encryption-key", &encryption_key(current));
    match previous {
        Some(previous) => {
            site.write("previous-encryption-key", &encryption_key(previous));
            site.reconfigure(CURRENT, &format!("{PREVIOUS}{CURRENT}"));
        }
        None => {
            let _ = std::fs::remove_file(site.path("previous-encryption-key"));
            site.reconfigure(PREVIOUS, "");
        }
    }
}

/// Lets the server read its keys again, and waits until it has said this once more.
async fn hang_up(node: &Node, said: &str) {
    let times = || node.server.process.err().matches(said).count();
    let before = times();
    node.server.process.signal(Signal::HUP);
    eventually(said, async || times() > before).await;
}

const READ_AGAIN: &str = "the key-encryption keys were read again";
const NOT_REPLACED: &str = "the key-encryption keys could not be replaced: the old ones go on";

#[tokio::test]
async fn fifty_keys_get_another_key_encryption_key_while_tokens_are_issued() {
    let stage = Stage::set(free_port(), "", &[]).await;
    fill(&stage).await;
    let site = &stage.site;
    let listed = site.json("keys list").await;
    let kids: Vec<String> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kids.len(), KEYS);

    // The new one alone opens nothing yet, at the start as in a running server.
    site.write("encryption-key", &encryption_key(NEW));
    assert_refused(&stage, &kids, OLD).await;
    site.write("encryption-key", &encryption_key(OLD));
    let node = stage.node().await;
    let keys = node.keys().await;
    assert_eq!(keys.keys.len(), KEYS);
    site.write("encryption-key", &encryption_key(NEW));
    hang_up(&node, NOT_REPLACED).await;
    let first = node.token(&stage.service).await;

    // Both: the running server goes on while every key is encrypted again.
    configure(site, NEW, Some(OLD));
    hang_up(&node, READ_AGAIN).await;
    let mut issued = 0;
    let issue = async {
        loop {
            let token = node.token(&stage.service).await;
            stage.verify(&token, &keys).unwrap();
            assert!(node.remote.is_active(&stage.api, &token).await);
            issued += 1;
        }
    };
    let rewrapped = tokio::select! {
        rewrapped = site.json("keys rewrap") => rewrapped,
        () = issue => unreachable!("it has no end"),
    };
    assert!(issued > 0, "tokens were issued meanwhile");
    assert_eq!(rewrapped["signing_keys"]["changed"], KEYS, "{rewrapped}");
    assert_eq!(rewrapped["removable"][0], key_encryption_key(OLD).id().as_ref());

    // The new one alone.
    configure(site, NEW, None);
    hang_up(&node, READ_AGAIN).await;
    let last = node.token(&stage.service).await;
    assert_eq!(node.keys().await, keys);
    node.server.stop().await;
    site.write("encryption-key", &encryption_key(OLD));
    assert_refused(&stage, &kids, NEW).await;
    site.write("encryption-key", &encryption_key(NEW));
    let node = stage.node().await;
    let again = node.keys().await;
    assert_eq!(again, keys);
    let new = node.token(&stage.service).await;
    for token in [first, last, new] {
        stage.verify(&token, &again).unwrap();
        assert!(node.remote.is_active(&stage.api, &token).await);
    }
}
