//! Failed logins count per account, whichever of its names is tried (C6; CVE-2025-24806).

use std::time::Duration;

use symbolon_tests::{Harness, HarnessOptions, PASSWORD, Reply, call, post_request};

use super::{one_hash_thread, visible};

const LOCKOUT: Duration = Duration::from_secs(60);
/// What is left of a lock-out that is about to end; longer than a test may be held up where Redis counts by its own clock.
const LAST: Duration = Duration::from_secs(20);

async fn three_failures_lock() -> Harness {
    let h = Harness::with(HarnessOptions {
        settings: vec![
            ("login.max_failures", "3".to_owned()),
            ("login.lockout", "60s".to_owned()),
        ],
        ..HarnessOptions::default()
    })
    .await;
    h.add_user("Bob", Some("Bob@Example.com"), "orders:read").await;
    h
}

fn retry_after(locked: &Reply) -> u64 {
    locked.header("retry-after").parse().unwrap()
}

async fn fail(h: &Harness, name: &str) {
    h.login_as(&h.app, name, "wrong password", &[])
        .await
        .assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn all_names_of_a_user_count_together() {
    for names in [
        ["bob", "BOB", "bOb"],
        ["bob@example.com", "BOB@EXAMPLE.COM", "bob"],
        ["\u{ff42}ob", "\u{ff22}\u{ff2f}\u{ff22}", "bob@example.com"],
        ["bob\u{ff20}example.com", "Bob", "\u{ff42}\u{ff4f}\u{ff42}"],
    ] {
        let h = three_failures_lock().await;
        for name in names {
            fail(&h, name).await;
        }
        for name in ["Bob", "bob@example.com", "\u{ff42}ob"] {
            let locked = h.login_as(&h.app, name, PASSWORD, &[]).await;
            locked.assert_error(429, "temporarily_unavailable");
            assert!((50..=60).contains(&retry_after(&locked)), "{name}");
        }
        h.login(&h.app).await.ok();

        h.let_lockouts_pass(LOCKOUT - LAST).await;
        let locked = h.login_as(&h.app, "bob", PASSWORD, &[]).await;
        locked.assert_error(429, "temporarily_unavailable");
        assert!((1..=LAST.as_secs()).contains(&retry_after(&locked)));
        h.let_lockouts_pass(LAST).await;
        h.login_as(&h.app, "bob", PASSWORD, &[]).await.ok();
    }
}

#[tokio::test]
async fn unknown_and_disabled_names_lock_like_known_ones() {
    let h = three_failures_lock().await;
    let carol = h.add_user("carol", None, "orders:read").await;
    h.disable_user(&carol).await;
    let mut answers = Vec::new();
    for names in [
        ["bob", "BOB", "bob"],
        ["nobody", "NOBODY", "n\u{ff4f}body"],
        ["carol", "Carol", "CAROL"],
    ] {
        for name in names {
            fail(&h, name).await;
        }
        answers.push(visible(&h.login_as(&h.app, names[0], PASSWORD, &[]).await));
    }
    assert_eq!(answers[0].0, 429);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn failures_count_across_clients_and_the_lock_holds_for_all() {
    let h = three_failures_lock().await;
    for client in [&h.app, &h.spa, &h.app] {
        h.login_as(client, "bob", "wrong password", &[])
            .await
            .assert_error(400, "invalid_grant");
    }
    for client in [&h.app, &h.spa] {
        let locked = h.login_as(client, "bob@example.com", PASSWORD, &[]).await;
        locked.assert_error(429, "temporarily_unavailable");
    }
}

/// Locking somebody out must not throw them out.
#[tokio::test]
async fn a_lockout_leaves_sessions_alone() {
    let h = three_failures_lock().await;
    let session = h.login_as(&h.app, "bob", PASSWORD, &[]).await;
    session.ok();
    for _ in 0..3 {
        fail(&h, "bob").await;
    }
    h.login_as(&h.app, "bob", PASSWORD, &[])
        .await
        .assert_error(429, "temporarily_unavailable");
    h.refresh(&h.app, &session.text("refresh_token")).await.ok();
    assert!(h.is_active(&session.text("access_token")).await);
}

#[tokio::test]
async fn a_good_login_forgets_failures_and_a_refusal_counts_none() {
    let h = three_failures_lock().await;
    for _ in 0..3 {
        fail(&h, "bob").await;
        fail(&h, "bob@example.com").await;
        h.login_as(&h.app, "bob", PASSWORD, &[]).await.ok();
    }
    for _ in 0..3 {
        fail(&h, "bob").await;
    }
    for _ in 0..20 {
        h.login_as(&h.app, "bob", "wrong password", &[])
            .await
            .assert_error(429, "temporarily_unavailable");
    }
    h.let_lockouts_pass(LOCKOUT).await;
    h.login_as(&h.app, "bob", PASSWORD, &[]).await.ok();
}

/// Guesses that wait for their turn while the account is being locked are not made.
#[tokio::test]
async fn guesses_in_the_queue_are_refused_once_the_account_is_locked() {
    const GUESSES: u64 = 40;
    let h = one_hash_thread(&[("login.max_failures", "3"), ("login.lockout", "60s")]).await;
    let lane_taken = h.node.service.lane().enter().await.unwrap();
    let mut guesses = tokio::task::JoinSet::new();
    for n in 0..GUESSES {
        let password = format!("guess {n}");
        let form = [
            ("grant_type", "password"),
            ("username", "alice"),
            ("password", &password),
        ];
        guesses.spawn(call(
            h.router.clone(),
            post_request("/oauth2/token", &h.app, &form),
        ));
    }
    while (h.node.service.lane().waiting() as u64) < GUESSES {
        tokio::task::yield_now().await;
    }
    drop(lane_taken);
    while let Some(guess) = guesses.join_next().await {
        assert!([400, 429].contains(&guess.unwrap().status.as_u16()));
    }
    let made = h.counted("requests_total", &["password_wrong"]);
    // One more may have its turn between the last hash and the count of its failure: one for each hash thread.
    assert!((3..=4).contains(&made), "{made} guesses were made");
    assert_eq!(h.counted("requests_total", &["login_throttled"]), GUESSES - made);
}

/// An account that is locked costs its attacker nothing but a request, and the server no hash.
#[tokio::test]
async fn a_locked_account_takes_no_turn_in_the_lane() {
    let h = one_hash_thread(&[("login.max_failures", "1"), ("passwords.queue_length", "1")]).await;
    fail(&h, "alice").await;
    let _lane_taken = h.node.service.lane().enter().await.unwrap();
    h.login(&h.app).await.assert_error(429, "temporarily_unavailable");
    assert_eq!(h.node.service.lane().waiting(), 0);
}
