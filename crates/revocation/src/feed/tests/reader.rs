//! What a verifier does with the documents, as far as these tests need it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::de::DeserializeOwned;
use symbolon_jose::{JwkSet, PublicKey};
use symbolon_oauth_types::feed::{BATCH_TYPE, Batch, FeedEntry, HEAD_TYPE, Head, SNAPSHOT_TYPE, Snapshot};
use symbolon_oauth_types::revocation::Cutoffs;
use uuid::Uuid;

use super::Site;

/// The payload of a document of that type, whose signature is by a key of the feed and by nothing else.
pub(super) fn opened<T: DeserializeOwned>(keys: &JwkSet, typ: &str, jwt: &str) -> T {
    let parts: Vec<_> = jwt.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("not a compact JWS: {jwt}")
    };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let text: serde_json::Value = serde_json::from_slice(&bytes(header)).unwrap();
    assert_eq!((&text["alg"], &text["typ"]), (&"EdDSA".into(), &typ.into()));
    let jwk = keys.keys.iter().find(|key| key.kid().as_str() == text["kid"]);
    let key = PublicKey::from_jwk(jwk.expect("a key of the feed")).unwrap();
    let input = format!("{header}.{payload}");
    key.verify(input.as_bytes(), &bytes(signature)).unwrap();
    serde_json::from_slice(&bytes(payload)).unwrap()
}

/// What is in force, in an order that can be compared.
pub(super) fn in_force(cutoffs: &Cutoffs) -> Vec<FeedEntry> {
    let mut entries: Vec<_> = cutoffs.entries().collect();
    entries.sort_by_key(|entry| entry.digest);
    entries
}

pub(super) fn folded(entries: &[FeedEntry]) -> Cutoffs {
    folded_on(&Cutoffs::default(), entries)
}

pub(super) fn folded_on(known: &Cutoffs, entries: &[FeedEntry]) -> Cutoffs {
    let mut cutoffs = known.clone();
    entries.iter().for_each(|entry| cutoffs.apply(entry));
    cutoffs
}

impl Site {
    pub(super) async fn keys(&self) -> JwkSet {
        serde_json::from_str(self.get("/keys").await.text()).unwrap()
    }

    pub(super) async fn head(&self) -> Head {
        let reply = self.get("/head").await;
        opened(&self.keys().await, HEAD_TYPE, reply.text())
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        let reply = self.get("/snapshot").await;
        opened(&self.keys().await, SNAPSHOT_TYPE, reply.text())
    }

    /// The batch behind a position, where one is kept.
    pub(super) async fn batch(&self, log: Uuid, seq: u64) -> Option<Batch> {
        let reply = self.get(&format!("/batches/{log}/{seq}")).await;
        if reply.status == StatusCode::NOT_FOUND {
            return None;
        }
        let batch: Batch = opened(&self.keys().await, BATCH_TYPE, reply.text());
        assert!(
            batch.log == log && batch.from <= seq && seq < batch.to,
            "{batch:?}"
        );
        Some(batch)
    }

    /// Applies the batches from a position on, up to the end of the log; returns how many there were, and the end.
    pub(super) async fn follow(&self, cutoffs: &mut Cutoffs, log: Uuid, from: u64) -> (usize, u64) {
        let (mut count, mut seq) = (0, from);
        while let Some(batch) = self.batch(log, seq).await {
            batch.entries.iter().for_each(|entry| cutoffs.apply(entry));
            (count, seq) = (count + 1, batch.to);
        }
        (count, seq)
    }

    /// What a verifier knows that reads the snapshot and what is behind it.
    pub(super) async fn read(&self) -> Cutoffs {
        let snapshot = self.snapshot().await;
        let mut cutoffs = folded(&snapshot.entries);
        let (_, end) = self.follow(&mut cutoffs, snapshot.log, snapshot.seq).await;
        let head = self.head().await;
        assert_eq!((head.log, head.seq), (snapshot.log, end));
        cutoffs
    }
}
