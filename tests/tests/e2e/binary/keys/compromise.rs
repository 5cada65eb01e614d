//! A key leaked: what holds on every node once the command has returned.

use symbolon_tests::binary::free_port;

use super::{Stage, kid};

#[tokio::test]
async fn a_compromised_key_is_gone_from_every_node_when_the_command_returns() {
    let stage = Stage::set(free_port(), "", &[]).await;
    let nodes = [stage.node().await, stage.node_beside(free_port()).await];
    let mut tokens = Vec::new();
    for node in &nodes {
        tokens.push(node.token(&stage.service).await);
    }
    let [bad, same] = [kid(&tokens[0]), kid(&tokens[1])];
    assert_eq!(bad, same, "nodes sign with the same key");
    for node in &nodes {
        for token in &tokens {
            assert_eq!(stage.verify(token, &node.keys().await), Ok(bad.clone()));
            assert!(node.remote.is_active(&stage.api, token).await);
        }
    }

    let done = format!("keys compromise {bad} --reason leaked --yes");
    stage.site.json(&done).await;
    for node in &nodes {
        assert!(node.keys().await.find(&bad).is_none(), "it is published");
        for token in &tokens {
            assert!(
                !node.remote.is_active(&stage.api, token).await,
                "its token is active"
            );
        }
    }
    // What every node signs now is accepted wherever it is shown.
    for node in &nodes {
        let token = node.token(&stage.service).await;
        assert_ne!(kid(&token), bad, "it signs");
        for other in &nodes {
            assert_eq!(stage.verify(&token, &other.keys().await), Ok(kid(&token)));
            assert!(other.remote.is_active(&stage.api, &token).await);
        }
    }
}
