//! Lock-outs as two nodes that share Redis see them (C6; CVE-2025-24806).

#![expect(
    clippy::unwrap_used,
    reason = "whatever fails in what tests share is a failed test"
)]

use std::sync::Arc;

use symbolon_core::{RequestInfo, SystemClock};
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::{Deployment, Harness, HarnessOptions, PASSWORD, Reply, post_request};
use uuid::Uuid;

const HOME: &str = "192.0.2.1";
const ELSEWHERE: [&str; 2] = ["198.51.100.1", "198.51.100.2"];

async fn node(deployment: &Deployment) -> Harness {
    let options = HarnessOptions {
        settings: vec![
            ("login.max_failures", "4".to_owned()),
            ("login.lockout", "10m".to_owned()),
            ("login.max_failures_per_address", "10".to_owned()),
        ],
        machine: Some(Arc::new(SystemClock::new())),
        ..HarnessOptions::default()
    };
    deployment.open(options).await.unwrap()
}

async fn log_in(node: &Harness, name: &str, password: &str, from: &str) -> Reply {
    let form = [
        ("grant_type", "password"),
        ("username", name),
        ("password", password),
    ];
    let mut request = post_request("/oauth2/token", &node.app, &form);
    request.extensions_mut().insert(RequestInfo {
        id: Uuid::nil(),
        received: symbolon_core::Clock::now(&*node.node.stores.clock),
        address: Some(from.parse().unwrap()),
    });
    node.send(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_lock_and_know_together() {
    let deployment = Deployment::on(Postgres::shared(), Redis::shared().url()).await;
    let (one, other) = (node(&deployment).await, node(&deployment).await);
    one.add_user("Bob", Some("Bob@Example.com"), "orders:read").await;
    log_in(&one, "bob", PASSWORD, HOME).await.ok();

    // Every name of one account, from two addresses, at both nodes.
    for (node, name, from) in [
        (&one, "bob", ELSEWHERE[0]),
        (&other, "BOB", ELSEWHERE[0]),
        (&one, "bob@example.com", ELSEWHERE[1]),
        (&other, "\u{ff22}ob@EXAMPLE.com", ELSEWHERE[1]),
    ] {
        let refused = log_in(node, name, "wrong password", from).await;
        refused.assert_error(400, "invalid_grant");
    }
    for node in [&one, &other] {
        for name in ["bob", "BOB", "bob@example.com"] {
            for from in ELSEWHERE {
                let locked = log_in(node, name, PASSWORD, from).await;
                locked.assert_error(429, "temporarily_unavailable");
            }
            // Where Bob has logged in, by whichever node.
            log_in(node, name, PASSWORD, HOME).await.ok();
        }
        assert_eq!(
            node.counted("logins_throttled_total", &["by=\"account\""]),
            6,
            "counted where it was refused"
        );
    }

    // Eight more names from one address, which makes ten failures there.
    for i in 0..8 {
        let node = [&one, &other][i % 2];
        let refused = log_in(node, &format!("name{i}"), PASSWORD, ELSEWHERE[0]).await;
        refused.assert_error(400, "invalid_grant");
    }
    for node in [&one, &other] {
        let locked = log_in(node, "alice", PASSWORD, ELSEWHERE[0]).await;
        locked.assert_error(429, "temporarily_unavailable");
        assert_eq!(node.counted("logins_throttled_total", &["by=\"address\""]), 1);
    }

    // A node that starts afterwards knows all of it.
    let third = node(&deployment).await;
    let locked = log_in(&third, "bob", PASSWORD, ELSEWHERE[1]).await;
    locked.assert_error(429, "temporarily_unavailable");
    log_in(&third, "bob", PASSWORD, HOME).await.ok();
}
