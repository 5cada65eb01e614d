//! Machines whose clocks are wrong: begun before a revocation is dead, begun after its return is alive.

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::facts::Revocations;
use symbolon_core::revocation::{NewRevocation, Reach};
use symbolon_core::{Clock, SystemClock, UnixMillis};
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::{Deployment, Reply};

use crate::Running;

/// A machine whose clock is ahead by so many milliseconds, or behind.
struct Wrong {
    machine: SystemClock,
    ahead_ms: i64,
}

impl Wrong {
    fn by(ahead_ms: i64) -> Arc<Self> {
        Arc::new(Self {
            machine: SystemClock::new(),
            ahead_ms,
        })
    }
}

impl Clock for Wrong {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.machine.now().0.saturating_add_signed(self.ahead_ms))
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}

/// Revocations, by each node in turn, for each pair of clocks.
const ROUNDS: usize = 6;

async fn assert_dead(nodes: &[Running; 2], login: &Reply) {
    for node in nodes {
        assert!(!node.h.is_active(&login.text("access_token")).await);
        let refreshed = node.h.refresh(&node.h.app, &login.text("refresh_token")).await;
        refreshed.assert_error(400, "invalid_grant");
    }
}

async fn assert_alive(nodes: &[Running; 2], login: &Reply) {
    let mut token = login.text("refresh_token");
    assert!(!token.is_empty(), "{login:?}");
    for node in nodes {
        assert!(node.h.is_active(&login.text("access_token")).await);
        let refreshed = node.h.refresh(&node.h.app, &token).await;
        refreshed.ok();
        token = refreshed.text("refresh_token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_nine_tenths_of_a_second_apart_lose_no_revocation_and_no_login() {
    let deployment = Deployment::on(Postgres::shared(), Redis::shared().url()).await;
    for (one, other) in [(0, 900), (900, 0), (-450, 450), (3_600_000, -3_600_000)] {
        let nodes = [
            Running::start(&deployment, Wrong::by(one)).await,
            Running::start(&deployment, Wrong::by(other)).await,
        ];
        let subject = nodes[0].h.alice.subject;
        for round in 0..ROUNDS {
            let mut before = Vec::new();
            for node in &nodes {
                before.push(node.h.login(&node.h.app).await);
            }
            before.iter().for_each(|login| drop(login.ok()));
            let by = &nodes[round % 2].h.node;
            let revocation = NewRevocation::subject(subject, by.stores.clock.cutoff());
            assert_eq!(by.log.revoke(revocation).await.unwrap(), Reach::Everywhere);
            let mut after = Vec::new();
            for node in &nodes {
                after.push(node.h.login(&node.h.app).await);
            }
            for login in &before {
                assert_dead(&nodes, login).await;
            }
            for login in &after {
                assert_alive(&nodes, login).await;
            }
        }
    }
}
