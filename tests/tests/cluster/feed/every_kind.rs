//! Twenty verifiers on two nodes, half by stream and half by polling: what is revoked is refused by all of them, and
//! nothing else is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use symbolon_tests::binary::Cluster;

use super::cluster;
use super::court::{Court, Spec};
use super::judge::{POLLS, STREAMS};
use super::revoker::Watched;

/// Each node has five of either kind.
const SPEC: Spec<'_> = Spec {
    judges: &[
        STREAMS, STREAMS, POLLS, POLLS, STREAMS, STREAMS, POLLS, POLLS, STREAMS, STREAMS, POLLS, POLLS,
        STREAMS, STREAMS, POLLS, POLLS, STREAMS, STREAMS, POLLS, POLLS,
    ],
    max_stale: Duration::from_secs(600),
    tokens: 15,
};

/// By clients over HTTP and by operators at the command line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_revoked_is_refused_by_every_verifier() {
    let cluster = cluster().await;
    let court = Court::open(&cluster, SPEC).await;
    let tokens = &court.tokens;
    for (turn, form) in [(0, &tokens[0].access), (1, &tokens[1].refresh)] {
        let watched = &tokens[turn];
        watched.ask();
        court.remotes[turn].revoke(&court.cast.app, form).await.ok();
        watched.die();
        court.settles().await;
    }
    let by_command = async |typed: &str, line: &str, dies: &dyn Fn(&Watched) -> bool| {
        let dying: Vec<_> = tokens.iter().filter(|token| dies(token)).collect();
        assert!(!dying.is_empty(), "{line}");
        dying.iter().for_each(|token| token.ask());
        let line = format!("{line} --reason test");
        cluster.commands.json_typed(typed, &line).await;
        dying.iter().for_each(|token| token.die());
        court.settles().await;
    };
    let is = |which: usize| move |token: &Watched| token.access == tokens[which].access;
    by_command(&tokens[2].access, "revoke token --token-stdin", &is(2)).await;
    let session = format!("revoke session {}", claim(&tokens[3].access, "sid"));
    by_command("", &session, &is(3)).await;
    by_command("", "revoke subject alice", &|token| token.user == "alice").await;
    by_command("", "revoke client app", &|_| true).await;
    let mut faults = court.close("every kind: token, session, subject, client").await;
    faults.extend(all_at_once(&cluster).await);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What begins after it is good again.
async fn all_at_once(cluster: &Cluster) -> Vec<String> {
    let court = Court::open(cluster, SPEC).await;
    court.settles().await;
    court.tokens.iter().for_each(|token| token.ask());
    cluster.commands.json("revoke all --yes --reason test").await;
    court.tokens.iter().for_each(|token| token.die());
    court.close("every kind: all").await
}

fn claim(token: &str, name: &str) -> String {
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let claims: Value = serde_json::from_slice(&payload).expect("JSON");
    claims[name].as_str().expect("a text").to_owned()
}
