//! What an operator does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::revocation::LEASE;
use symbolon_jose::SigningAlg;
use symbolon_jwks_publisher::{Compromised, KeyOperation};

use super::super::{compromise, keys_in, operate};
use super::{Soak, Token};

impl Soak {
    /// The pending key of some algorithm is replaced shortly before its turn, so that it comes late.
    pub(super) async fn replace_pending(&mut self) {
        let alg = *self.dice.one_of(&SigningAlg::ALL);
        operate(self.any(), KeyOperation::Generate { alg }).await.unwrap();
        self.hear_of_an_operator().await;
    }

    async fn hear_of_an_operator(&mut self) {
        self.watch.forgive();
        for which in 0..2 {
            let wait = self.dice.between(Duration::ZERO, LEASE / 2);
            self.clock.advance(wait);
            if let Some(node) = &self.nodes[which] {
                node.poll().await.unwrap();
                // In a process that runs this wakes the schedule.
                node.look().await;
            }
        }
        self.watch.forgive();
        self.poll().await;
    }

    /// An active key has leaked. Returns how many of its tokens were alive.
    pub(super) async fn leak(&mut self) -> usize {
        let alg = *self.dice.one_of(&SigningAlg::ALL);
        let bad = keys_in(self.any(), alg, "active").await.remove(0).kid;
        let mut dead = Vec::new();
        for tokens in self.agenda.values_mut() {
            dead.extend(tokens.iter().filter(|token| token.kid == bad).cloned());
            tokens.retain(|token| token.kid != bad);
        }
        for node in self.nodes.iter().flatten() {
            for _ in 0..10 {
                let text = node.sign(alg).await.unwrap();
                assert!(node.is_active(&text).await);
                dead.push(Arc::new(Token {
                    text,
                    kid: bad.clone(),
                    exp: u64::MAX,
                }));
            }
        }
        compromise(self.any(), Compromised::One(bad.clone())).await;
        self.hear_of_an_operator().await;
        for node in self.nodes.iter().flatten() {
            for token in &dead {
                assert!(!node.is_active(&token.text).await, "a token of {bad} is accepted");
            }
            assert!(!node.publishes().await.contains(&bad));
            assert_ne!(node.signs_with(alg).await, bad);
        }
        for which in 0..2 {
            self.issue(which, alg).await;
        }
        dead.len()
    }
}
