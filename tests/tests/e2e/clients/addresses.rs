//! Failed logins count per address, too, and nobody is locked out where they have logged in before.

use std::net::IpAddr;
use std::time::Duration;

use symbolon_core::RequestInfo;
use symbolon_tests::{Harness, HarnessOptions, PASSWORD, Reply, post_request};

use super::visible;

const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";
const WINDOW: Duration = Duration::from_secs(600);
/// What is left of a window that is about to end; longer than a test may be held up where Redis counts by its own clock.
const LAST: Duration = Duration::from_secs(20);

async fn harness(more: &[(&'static str, &str)]) -> Harness {
    let mut settings = vec![("login.max_failures", "3".to_owned())];
    settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let h = Harness::with(HarnessOptions {
        settings,
        ..HarnessOptions::default()
    })
    .await;
    h.add_user("Bob", Some("Bob@Example.com"), "orders:read").await;
    h
}

async fn log_in(h: &Harness, name: &str, password: &str, from: &str) -> Reply {
    let form = [
        ("grant_type", "password"),
        ("username", name),
        ("password", password),
    ];
    let mut request = post_request("/oauth2/token", &h.app, &form);
    let address: IpAddr = from.parse().unwrap();
    request.extensions_mut().insert(RequestInfo {
        id: uuid::Uuid::nil(),
        received: symbolon_core::Clock::now(&*h.clock),
        address: Some(address),
    });
    h.send(request).await
}

async fn fail(h: &Harness, name: &str, from: &str) {
    log_in(h, name, "wrong password", from)
        .await
        .assert_error(400, "invalid_grant");
}

async fn assert_locked(h: &Harness, name: &str, from: &str) -> Reply {
    let locked = log_in(h, name, PASSWORD, from).await;
    locked.assert_error(429, "temporarily_unavailable");
    locked
}

fn throttled(h: &Harness, by: &str) -> u64 {
    h.counted("logins_throttled_total", &[&format!("by=\"{by}\"")])
}

#[tokio::test]
async fn guesses_made_elsewhere_lock_nobody_out_at_home() {
    let h = harness(&[]).await;
    log_in(&h, "bob", PASSWORD, HOME).await.ok();
    for (name, from) in [
        ("bob", ELSEWHERE),
        ("BOB", "2001:db8::1"),
        ("bob@example.com", "203.0.113.9"),
    ] {
        fail(&h, name, from).await;
    }
    for from in [ELSEWHERE, "203.0.113.77"] {
        assert_locked(&h, "bob", from).await;
    }
    for name in ["bob", "\u{ff42}OB", "BOB@example.com"] {
        log_in(&h, name, PASSWORD, HOME).await.ok();
        assert_locked(&h, name, ELSEWHERE).await;
    }
    assert_eq!((throttled(&h, "account"), throttled(&h, "address")), (5, 0));
    assert_eq!(h.counted("login_locks_total", &["by=\"account\""]), 1);
    assert_eq!(h.counted("requests_total", &["outcome=\"login_throttled\""]), 5);
}

/// All names count together there, too, and only there.
#[tokio::test]
async fn guesses_made_at_home_are_bounded_and_lock_nobody_out_elsewhere() {
    let h = harness(&[]).await;
    log_in(&h, "bob", PASSWORD, HOME).await.ok();
    for name in ["bob", "BOB@EXAMPLE.COM", "B\u{ff4f}b"] {
        fail(&h, name, HOME).await;
    }
    for name in ["bob", "bob@example.com"] {
        assert_locked(&h, name, HOME).await;
    }
    log_in(&h, "bob", PASSWORD, ELSEWHERE).await.ok();
    log_in(&h, "alice", PASSWORD, HOME).await.ok();
}

#[tokio::test]
async fn an_address_that_guesses_at_many_names_is_refused() {
    let h = harness(&[
        ("login.max_failures_per_address", "5"),
        ("login.address_window", "10m"),
    ])
    .await;
    let (one, another) = ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2");
    log_in(&h, "alice", PASSWORD, one).await.ok();
    for i in 0..5 {
        fail(&h, &format!("name{i}"), if i % 2 == 0 { one } else { another }).await;
    }
    let locked = assert_locked(&h, "bob", another).await;
    let wait: u64 = locked.header("retry-after").parse().unwrap();
    assert!((590..=600).contains(&wait), "{wait}");
    // Who is known there, and who comes from somewhere else, is not concerned.
    log_in(&h, "alice", PASSWORD, another).await.ok();
    log_in(&h, "bob", PASSWORD, "2001:db8:0:2::1").await.ok();
    assert_eq!((throttled(&h, "account"), throttled(&h, "address")), (0, 1));
    assert_eq!(h.counted("login_locks_total", &["by=\"address\""]), 1);
    assert_eq!(
        h.counted("requests_total", &["outcome=\"login_throttled_address\""]),
        1
    );

    h.let_lockouts_pass(WINDOW - LAST).await;
    assert_locked(&h, "carol", one).await;
    h.let_lockouts_pass(LAST).await;
    fail(&h, "carol", one).await;
}

/// Why a login is throttled is nobody's business, and whether the name exists is not either.
#[tokio::test]
async fn locks_look_alike_whatever_was_counted() {
    let h = harness(&[
        ("login.max_failures_per_address", "4"),
        ("login.address_window", "60s"),
        ("login.lockout", "60s"),
    ])
    .await;
    let mut answers = Vec::new();
    for (name, from) in [("bob", "203.0.113.1"), ("nobody", "203.0.113.2")] {
        for _ in 0..3 {
            fail(&h, name, from).await;
        }
        answers.push(assert_locked(&h, name, from).await);
        answers.push(assert_locked(&h, name, "203.0.113.3").await);
        // The fourth failure from there is another's.
        fail(&h, "somebody", from).await;
        answers.push(assert_locked(&h, "alice", from).await);
        answers.push(assert_locked(&h, "stranger", from).await);
    }
    let [first, rest @ ..] = &answers[..] else {
        unreachable!()
    };
    for answer in rest {
        let (mut expected, mut told) = (visible(first), visible(answer));
        let waits = [&mut expected, &mut told].map(|(_, headers, _)| {
            let wait = headers.remove("retry-after").unwrap();
            wait.to_str().unwrap().parse::<u64>().unwrap()
        });
        assert_eq!(told, expected);
        assert!(waits.iter().all(|wait| (30..=60).contains(wait)), "{waits:?}");
    }
}

#[tokio::test]
async fn both_can_be_switched_off() {
    let h = harness(&[
        ("login.max_failures_per_address", "0"),
        ("login.known_address_lifetime", "0s"),
    ])
    .await;
    log_in(&h, "bob", PASSWORD, HOME).await.ok();
    for i in 0..4 {
        fail(&h, &format!("name{i}"), ELSEWHERE).await;
    }
    for _ in 0..3 {
        fail(&h, "bob", ELSEWHERE).await;
    }
    assert_locked(&h, "bob", HOME).await;
    log_in(&h, "alice", PASSWORD, ELSEWHERE).await.ok();
}
