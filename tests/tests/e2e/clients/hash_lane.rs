//! Password hashing can't be used to exhaust the server (C4).

use symbolon_tests::{Harness, PASSWORD, call, post_request};

use super::one_hash_thread;

#[tokio::test]
async fn rejects_a_password_of_a_megabyte_before_any_work() {
    let h = one_hash_thread(&[]).await;
    let lane_taken = h.node.service.lane().enter().await.unwrap();
    let bomb = "x".repeat(1 << 20);
    h.login_as(&h.app, "alice", &bomb, &[])
        .await
        .assert_error(413, "invalid_request");
    // Within the body but past any password.
    let long = "x".repeat(1025);
    h.login_as(&h.app, "alice", &long, &[])
        .await
        .assert_error(400, "invalid_request");
    h.login_as(&h.app, &long, PASSWORD, &[])
        .await
        .assert_error(400, "invalid_request");
    assert_eq!(h.node.service.lane().waiting(), 0, "nobody asked for a turn");
    drop(lane_taken);
    assert_eq!(h.counted("requests_total", &["body_too_large"]), 1);
    h.login(&h.app).await.ok();
}

#[tokio::test]
async fn the_longest_password_is_hashed_like_any_other() {
    let h = Harness::start().await;
    h.login_as(&h.app, "alice", &"x".repeat(1024), &[])
        .await
        .assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_login_storm_is_shed_and_everything_else_answers() {
    const STORM: usize = 300;
    const QUEUE: usize = 4;
    // Whoever asks the database at once with all the others waits for it, and is then turned back by the lane.
    let settings = [
        ("passwords.queue_length", "4"),
        ("database.acquire_timeout", "30s"),
    ];
    let h = one_hash_thread(&settings).await;
    let session = h.login(&h.app).await;
    let lane = h.node.service.lane();
    let lane_taken = lane.enter().await.unwrap();

    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let mut storm = tokio::task::JoinSet::new();
    for _ in 0..STORM {
        storm.spawn(call(
            h.router.clone(),
            post_request("/oauth2/token", &h.app, &form),
        ));
    }
    for _ in 0..STORM - QUEUE {
        let shed = storm.join_next().await.unwrap().unwrap();
        shed.assert_error(503, "temporarily_unavailable");
        assert_eq!(shed.header("retry-after"), "1");
    }
    assert_eq!((lane.waiting(), lane.running()), (QUEUE, 1));

    // The lane is still full, and only logins know of it.
    h.client_credentials(&h.app).await.ok();
    assert!(h.is_active(&session.text("access_token")).await);
    let refreshed = h.refresh(&h.app, &session.text("refresh_token")).await;
    refreshed.ok();
    h.get("/.well-known/jwks.json").await.ok();
    h.get("/healthz").await.ok();
    h.get("/readyz").await.ok();
    h.revoke(&h.app, &refreshed.text("refresh_token")).await.ok();

    drop(lane_taken);
    while let Some(waited) = storm.join_next().await {
        waited.unwrap().ok();
    }
    assert_eq!((lane.waiting(), lane.running()), (0, 0));
    assert_eq!(h.counted("hash_lane_shed_total", &[]), (STORM - QUEUE) as u64);
    h.login(&h.app).await.ok();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let h = one_hash_thread(&[("passwords.queue_length", "1")]).await;
    let lane = h.node.service.lane();
    let lane_taken = lane.enter().await.unwrap();
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let gone = tokio::spawn(call(
        h.router.clone(),
        post_request("/oauth2/token", &h.app, &form),
    ));
    while lane.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    assert_eq!(lane.waiting(), 0);
    drop(lane_taken);
    h.login(&h.app).await.ok();
}
