//! Rotation, its overlap, and reuse.

use std::collections::BTreeSet;
use std::time::Duration;

use symbolon_core::client::RotationPolicy;
use symbolon_tests::{ClientSpec, Harness, Reply, TestClient};

use super::{assert_alive, assert_dead, assert_spread, sid};

const OVERLAP: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(1);
const RACERS: usize = 100;

/// Sends the same refresh token in as many requests at once.
async fn race(h: &Harness, client: &TestClient, token: &str) -> Vec<Reply> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let requests: Vec<_> = (0..RACERS)
        .map(|_| h.spawn_post("/oauth2/token", client, &form))
        .collect();
    let mut replies = Vec::with_capacity(RACERS);
    for request in requests {
        replies.push(request.await.unwrap());
    }
    replies
}

/// G1, the refresh race of CVE-2026-1035: all are served, all get the same successor, and one of them rotates.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_racing_refreshes_get_one_successor() {
    let h = Harness::start().await;
    for (round, client) in (1..).zip([&h.app, &h.spa]) {
        let login = h.login(client).await;
        let head = h.footprint().await.head;
        let replies = race(&h, client, &login.text("refresh_token")).await;

        assert!(replies.iter().all(|reply| reply.status == 200));
        let successors: BTreeSet<_> = replies.iter().map(|reply| reply.text("refresh_token")).collect();
        assert_eq!(successors.len(), 1);
        assert!(!successors.contains(&login.text("refresh_token")));
        let access: BTreeSet<_> = replies.iter().map(|reply| reply.text("access_token")).collect();
        assert_eq!(access.len(), RACERS);

        let record = h.record(sid(&login)).await;
        assert_eq!((record.generation, record.killed), (1, false));
        assert_eq!(
            (h.rotations("rotated"), h.rotations("replayed")),
            (round, 99 * round)
        );
        assert_eq!((h.rotations("reused"), h.rotations("recovered_late")), (0, 0));
        assert_eq!(h.footprint().await.head, head, "nothing went on the log");
        for token in &access {
            assert!(h.is_active(token).await);
        }
    }
    // The session goes on from the one successor.
    let login = h.login(&h.app).await;
    let replies = race(&h, &h.app, &login.text("refresh_token")).await;
    let next = assert_alive(&h, &h.app, &replies[RACERS - 1]).await;
    assert_alive(&h, &h.app, &next).await;
    assert_spread(&h, 3 * RACERS as u64);
}

/// G1 beside itself: sessions that race at the same time do not mix.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_sessions_do_not_mix() {
    let h = Harness::start().await;
    let mut logins = Vec::new();
    for _ in 0..10 {
        logins.push(h.login(&h.app).await);
    }
    let requests: Vec<_> = (0..10 * logins.len())
        .map(|i| {
            let token = logins[i % logins.len()].text("refresh_token");
            let form = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
            h.spawn_post("/oauth2/token", &h.app, &form)
        })
        .collect();
    let mut successors = vec![BTreeSet::new(); logins.len()];
    for (i, request) in requests.into_iter().enumerate() {
        let reply = request.await.unwrap();
        let login = &logins[i % logins.len()];
        assert_eq!((reply.status.as_u16(), sid(&reply)), (200, sid(login)));
        successors[i % logins.len()].insert(reply.text("refresh_token"));
    }
    assert!(successors.iter().all(|tokens| tokens.len() == 1));
    assert_eq!((h.rotations("rotated"), h.rotations("replayed")), (10, 90));
    let records = h.footprint().await.records;
    assert!(
        records
            .iter()
            .all(|record| record.generation == 1 && !record.killed)
    );
}

/// G2: replays move nothing, and the overlap ends when it ends, to the millisecond.
#[tokio::test]
async fn replays_do_not_extend_the_overlap() {
    let h = Harness::start().await;
    let strict = h
        .add_client(ClientSpec::public("strict").with(|policy| policy.late_recoveries = Some(0)))
        .await;
    let login = h.login(&strict).await;
    let old = login.text("refresh_token");
    let first = h.refresh(&strict, &old).await;
    let rotated = h.footprint().await;
    for _ in 0..3 {
        h.clock.advance(OVERLAP / 3);
        let replay = h.refresh(&strict, &old).await;
        replay.ok();
        assert_eq!(replay.text("refresh_token"), first.text("refresh_token"));
        assert_ne!(replay.text("access_token"), first.text("access_token"));
        assert_eq!(h.footprint().await, rotated, "a replay leaves nothing behind");
    }
    h.clock.advance(TICK);
    h.refresh(&strict, &old).await.assert_error(400, "invalid_grant");
    assert!(h.record(sid(&login)).await.killed);
    assert_dead(&h, &strict, &first).await;
}

/// G2, from the other end: rotating on does not open the overlap of an earlier generation again.
#[tokio::test]
async fn the_overlap_of_a_generation_ends_with_the_next_rotation() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    h.clock.advance(OVERLAP);
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;
    // The predecessor of the newest has a window of its own that begins now.
    h.clock.advance(OVERLAP);
    let replay = h.refresh(&h.app, &first.text("refresh_token")).await;
    assert_eq!(replay.text("refresh_token"), second.text("refresh_token"));
    h.refresh(&h.app, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert_dead(&h, &h.app, &replay).await;
}

/// G3: a token two generations old is a reuse even inside the window; the session dies with all that it gave out,
/// and the log has it.
#[tokio::test]
async fn reuse_of_a_grandparent_kills_the_session() {
    let h = Harness::start().await;
    for client in [&h.app, &h.spa] {
        let other = h.login(client).await;
        let login = h.login(client).await;
        let first = h.refresh(client, &login.text("refresh_token")).await;
        let second = h.refresh(client, &first.text("refresh_token")).await;
        let before = h.footprint().await.head;
        let reused = h.refresh(client, &login.text("refresh_token")).await;
        reused.assert_error(400, "invalid_grant");

        let record = h.record(sid(&login)).await;
        assert!(record.killed && record.kill_logged);
        assert_eq!(h.footprint().await.head.seq, before.seq + 1);
        for granted in [&login, &first, &second] {
            assert_dead(&h, client, granted).await;
        }
        assert_eq!(
            h.footprint().await.head.seq,
            before.seq + 1,
            "a dead session is logged once"
        );
        assert_alive(&h, client, &other).await;
    }
}

/// G4, CVE-2026-55672: what another client presents is refused like a forgery and changes nothing for its owner.
#[tokio::test]
async fn rejects_refresh_token_of_another_client() {
    let h = Harness::start().await;
    let rival = h.add_client(ClientSpec::confidential("rival")).await;
    for (owner, thief) in [(&h.app, &rival), (&h.app, &h.spa), (&h.spa, &h.app)] {
        let login = h.login(owner).await;
        let successor = h.refresh(owner, &login.text("refresh_token")).await;
        let before = h.footprint().await;
        let forged = h.refresh(thief, "sbr_AAAA").await;
        for token in [login.text("refresh_token"), successor.text("refresh_token")] {
            let reply = h.refresh(thief, &token).await;
            reply.assert_error(400, "invalid_grant");
            assert_eq!(
                reply.body, forged.body,
                "nothing tells a token of another client from a forgery"
            );
        }
        // Not even a reuse counts when the wrong client shows it.
        h.clock.advance(OVERLAP + TICK);
        h.refresh(thief, &login.text("refresh_token"))
            .await
            .assert_error(400, "invalid_grant");
        assert_eq!(h.footprint().await, before);
        assert_alive(&h, owner, &successor).await;
    }
}

/// The policy `never`: the token stays as it is, however often it is used, and dies with its session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_does_not_rotate_keeps_its_token() {
    let h = Harness::start().await;
    let steady = h
        .add_client(ClientSpec::confidential("steady").with(|policy| policy.rotation = RotationPolicy::Never))
        .await;
    let login = h.login(&steady).await;
    let before = h.footprint().await;
    for reply in race(&h, &steady, &login.text("refresh_token")).await {
        assert!(reply.ok().get("refresh_token").is_none());
    }
    h.clock.advance(Duration::from_secs(3600));
    h.refresh(&steady, &login.text("refresh_token")).await.ok();
    assert_eq!(h.footprint().await, before);
    assert_eq!(h.rotations("kept"), 101);

    let last = h.refresh(&steady, &login.text("refresh_token")).await;
    h.revoke(&steady, &login.text("refresh_token")).await.ok();
    assert_dead(&h, &steady, &last).await;
    assert_dead(&h, &steady, &login).await;
}

/// A client that is switched from `always` to `never` does not make the tokens live again that rotation replaced.
#[tokio::test]
async fn an_old_token_stays_a_reuse_when_rotation_is_switched_off() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;
    h.change_client(&h.app, |policy| policy.rotation = RotationPolicy::Never)
        .await;
    let kept = h.refresh(&h.app, &second.text("refresh_token")).await;
    assert!(kept.ok().get("refresh_token").is_none());
    h.refresh(&h.app, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    for granted in [&login, &first, &second, &kept] {
        assert_dead(&h, &h.app, granted).await;
    }
}
