//! Somebody between the verifiers and their nodes replays old documents, keeps new ones back, or forges them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jsonwebtoken::EncodingKey;
use rcgen::{KeyPair, PKCS_ED25519};
use symbolon_tests::Via;
use symbolon_tests::binary::{Cluster, PATIENCE, Site, free_port};

use super::cluster;
use super::court::{Court, Spec};
use super::judge::{POLLS, STREAMS};
use super::meddler::{Forger, Lie};
use crate::stage::SETTINGS;
use crate::verifying::Verdict;

const SPEC: Spec<'_> = Spec {
    judges: &[STREAMS, STREAMS, STREAMS, POLLS, POLLS, POLLS],
    max_stale: Duration::from_secs(3),
    tokens: 30,
};
const PAUSE: Duration = Duration::from_millis(30);

/// All lies at once, each to verifiers of its own.
pub(super) async fn told() -> Vec<String> {
    let cluster = cluster().await;
    let address = free_port();
    let other = Site::configured(&format!("http://{address}"), address, SETTINGS);
    let other = other.serve().await;
    let elsewhere = || Arc::new(Via::to(other.address()));
    let (token_key, own_key) = (key(), key());
    let token_kid = import(&cluster, &token_key).await;
    let forger = |kid: Option<&str>, key: &KeyPair| {
        Lie::Forge(Arc::new(Forger {
            kid: kid.map(str::to_owned),
            key: EncodingKey::from_ed_der(key.serialized_der()),
        }))
    };
    let lies = [
        ("old head, snapshot and batches replayed", Lie::Replay, true),
        ("batches withheld", Lie::Withhold, true),
        ("every other batch missing from the stream", Lie::Skip, false),
        (
            "forged by another key under the name of the feed's",
            forger(None, &own_key),
            true,
        ),
        (
            "forged by another key under a name of its own",
            forger(Some("forger"), &own_key),
            true,
        ),
        (
            "signed by a key for tokens",
            forger(Some(&token_kid), &token_key),
            true,
        ),
        ("feed of another issuer", Lie::Foreign(elsewhere()), true),
        (
            "feed of another issuer and its keys",
            Lie::ForeignKeys(elsewhere()),
            true,
        ),
    ];
    // Each has verifiers and tokens of its own, and spends its time waiting for verifiers to know that they know too little.
    let tellings = lies.map(|(name, lie, blinds)| telling(&cluster, name, lie, blinds));
    join_all(tellings).await.concat()
}

/// While it lasts nobody can be told of a revocation, which each verifier must notice if it `blinds`; when it ends, all is
/// well by itself.
async fn telling(cluster: &Cluster, name: &str, lie: Lie, blinds: bool) -> Vec<String> {
    let court = Court::open(cluster, SPEC).await;
    court.revoke(5, PAUSE).await;
    court.all_refuse().await;
    court.meddling.lie(lie);
    court.revoke(5, PAUSE).await;
    if blinds {
        court.all_are_stale().await;
        court.none_accepts_the_dead().await;
        // Who begins now believes no more.
        let (one, other) = tokio::join!(court.newcomer(STREAMS, 0, &SPEC), court.newcomer(POLLS, 1, &SPEC));
        for (newcomer, token) in [one, other]
            .iter()
            .flat_map(|one| court.tokens.iter().map(move |token| (one, token)))
        {
            if newcomer.judges(token).await == Verdict::Accepted {
                court
                    .tally
                    .wrongly_accepted("by one that began meanwhile".to_owned());
            }
        }
    } else {
        court.all_refuse().await;
    }
    court.meddling.lie(Lie::None);
    court.close(name).await
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key")
}

/// Makes it a key of the issuer for tokens, and returns its name once both nodes publish it.
async fn import(cluster: &Cluster, key: &KeyPair) -> String {
    let imported = cluster
        .commands
        .json_typed(&key.serialize_pem(), "keys import -")
        .await;
    // It takes the place of the pending one.
    let mut steps = imported["steps"].as_array().into_iter().flatten();
    let new = steps.find(|step| step["from"].is_null()).expect("a new key");
    let kid = new["kid"].as_str().expect("a kid").to_owned();
    let published = async {
        for node in &cluster.nodes {
            while !node
                .remote()
                .get_path("/.well-known/jwks.json")
                .await
                .json()
                .to_string()
                .contains(&kid)
            {
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, published)
        .await
        .expect("a key that is published");
    kid
}
