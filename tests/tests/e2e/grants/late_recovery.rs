//! Late recovery: a client whose answer was lost for longer than the overlap.

use std::time::Duration;

use symbolon_tests::{ClientSpec, Harness, HarnessOptions, Reply, TestClient};

use super::{assert_alive, assert_dead, sid};

const LATE: Duration = Duration::from_millis(30_001);
const OVERLAP: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A login and the refresh whose answer the client never saw.
async fn lost_answer(h: &Harness, client: &TestClient) -> (Reply, Reply) {
    let login = h.login(client).await;
    let unseen = h.refresh(client, &login.text("refresh_token")).await;
    unseen.ok();
    (login, unseen)
}

/// G21: once a day the predecessor gets the same successor after the overlap; the second time, after that answer's own
/// overlap, is theft.
#[tokio::test]
async fn recovers_late_once() {
    let h = Harness::start().await;
    for (round, client) in (1..).zip([&h.app, &h.spa]) {
        let (login, unseen) = lost_answer(&h, client).await;
        let before = h.record(sid(&login)).await;
        h.clock.advance(Duration::from_secs(3600));
        let recovered = h.refresh(client, &login.text("refresh_token")).await;
        recovered.ok();
        assert_eq!(recovered.text("refresh_token"), unseen.text("refresh_token"));
        assert_eq!(h.rotations("recovered_late"), round);
        let after = h.record(sid(&login)).await;
        assert_eq!(
            (after.generation, after.rotated_ms, after.late),
            (1, before.rotated_ms, 1)
        );

        h.clock.advance(LATE);
        h.refresh(client, &login.text("refresh_token"))
            .await
            .assert_error(400, "invalid_grant");
        assert_eq!(h.rotations("reused"), round);
        assert_dead(&h, client, &recovered).await;
        assert_dead(&h, client, &unseen).await;
        h.clock.advance(DAY);
        h.refresh_nodes().await;
        h.refresh(client, &login.text("refresh_token"))
            .await
            .assert_error(400, "invalid_grant");
    }
}

/// G21, the answer lost once more: the same successor again for one overlap from the recovery on, which repeats do not
/// extend and which costs no other recovery. Beyond it the token is a theft.
#[tokio::test]
async fn a_late_recovery_whose_answer_is_lost_is_repeated() {
    let h = Harness::start().await;
    for (round, client) in (1..).zip([&h.app, &h.spa]) {
        let (login, unseen) = lost_answer(&h, client).await;
        let old = login.text("refresh_token");
        h.clock.advance(LATE);
        let recovered = h.refresh(client, &old).await;
        recovered.ok();
        let footprint = h.footprint().await;
        for _ in 0..3 {
            h.clock.advance(OVERLAP / 3);
            let again = h.refresh(client, &old).await;
            again.ok();
            assert_eq!(again.text("refresh_token"), unseen.text("refresh_token"));
            assert_ne!(again.text("access_token"), recovered.text("access_token"));
            assert_eq!(h.footprint().await, footprint, "a repeat leaves nothing behind");
        }
        assert_eq!(
            (h.rotations("recovered_late"), h.rotations("replayed")),
            (round, 3 * round)
        );
        assert_eq!(h.rotations("reused"), round - 1);

        h.clock.advance(Duration::from_millis(1));
        h.refresh(client, &old).await.assert_error(400, "invalid_grant");
        assert_eq!(h.rotations("reused"), round);
        assert_dead(&h, client, &recovered).await;
    }
}

/// G21: the overlap of a late recovery is for an unused successor. What is older kills, there as anywhere.
#[tokio::test]
async fn the_overlap_of_a_late_recovery_ends_with_the_next_rotation() {
    let h = Harness::start().await;
    let (login, _) = lost_answer(&h, &h.app).await;
    h.clock.advance(LATE);
    let recovered = h.refresh(&h.app, &login.text("refresh_token")).await;
    let next = h.refresh(&h.app, &recovered.text("refresh_token")).await;
    next.ok();
    h.refresh(&h.app, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert_dead(&h, &h.app, &next).await;
}

/// G21: what was recovered is an ordinary token: the session goes on with it.
#[tokio::test]
async fn the_session_goes_on_after_a_late_recovery() {
    let h = Harness::start().await;
    let (login, _) = lost_answer(&h, &h.app).await;
    h.clock.advance(LATE);
    let recovered = h.refresh(&h.app, &login.text("refresh_token")).await;
    let next = assert_alive(&h, &h.app, &recovered).await;
    assert_alive(&h, &h.app, &next).await;
}

/// G21: after the successor was used there is nothing to recover.
#[tokio::test]
async fn no_recovery_after_the_successor_was_used() {
    let h = Harness::start().await;
    let (login, seen) = lost_answer(&h, &h.app).await;
    let next = h.refresh(&h.app, &seen.text("refresh_token")).await;
    h.clock.advance(LATE);
    h.refresh(&h.app, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!((h.rotations("reused"), h.rotations("recovered_late")), (1, 0));
    assert_dead(&h, &h.app, &next).await;
}

/// G21: recoveries are counted for the session, not for the generation, and anew after a day.
#[tokio::test]
async fn recoveries_are_counted_per_session_and_day() {
    let h = Harness::start().await;
    for (pause, survives) in [(DAY - LATE - Duration::from_millis(1), false), (DAY - LATE, true)] {
        let (login, _) = lost_answer(&h, &h.app).await;
        h.clock.advance(LATE);
        let recovered = h.refresh(&h.app, &login.text("refresh_token")).await;
        h.refresh(&h.app, &recovered.text("refresh_token")).await.ok();
        h.clock.advance(LATE + pause);
        h.refresh_nodes().await;
        let again = h.refresh(&h.app, &recovered.text("refresh_token")).await;
        if survives {
            assert_alive(&h, &h.app, &again).await;
        } else {
            again.assert_error(400, "invalid_grant");
            assert!(h.record(sid(&login)).await.killed);
        }
    }
}

/// G21: how many is the client's, before the server's; none at all included.
#[tokio::test]
async fn a_client_has_its_own_number_of_late_recoveries() {
    let settings = vec![("tokens.refresh_late_recoveries", "3".to_owned())];
    let options = HarnessOptions {
        settings,
        ..Default::default()
    };
    let h = Harness::with(options).await;
    for (limit, expected) in [(Some(0), 0), (Some(2), 2), (None, 3)] {
        let name = format!("client-{expected}");
        let client = h
            .add_client(ClientSpec::public(&name).with(|policy| policy.late_recoveries = limit))
            .await;
        let (login, unseen) = lost_answer(&h, &client).await;
        for _ in 0..expected {
            h.clock.advance(LATE);
            let recovered = h.refresh(&client, &login.text("refresh_token")).await;
            assert_eq!(recovered.text("refresh_token"), unseen.text("refresh_token"));
        }
        assert_eq!(h.record(sid(&login)).await.late, expected);
        h.clock.advance(LATE);
        h.refresh(&client, &login.text("refresh_token"))
            .await
            .assert_error(400, "invalid_grant");
        assert_dead(&h, &client, &unseen).await;
    }
}

/// G21, raced, as by the tabs of one browser after an outage: however many ask late at the same time, all get the same
/// successor, and one recovery is spent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_late_recoveries_spend_one() {
    let h = Harness::start().await;
    let (login, unseen) = lost_answer(&h, &h.app).await;
    h.clock.advance(LATE);
    let token = login.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
    let racing: Vec<_> = (0..20)
        .map(|_| h.spawn_post("/oauth2/token", &h.app, &form))
        .collect();
    for request in racing {
        let reply = request.await.unwrap();
        reply.ok();
        assert_eq!(reply.text("refresh_token"), unseen.text("refresh_token"));
    }
    assert_eq!((h.rotations("recovered_late"), h.rotations("replayed")), (1, 19));
    let record = h.record(sid(&login)).await;
    assert_eq!((record.generation, record.late, record.killed), (1, 1, false));
    assert_alive(&h, &h.app, &unseen).await;

    // Two generations on, the token that they raced with is a theft.
    h.refresh(&h.app, &token).await.assert_error(400, "invalid_grant");
    assert_dead(&h, &h.app, &unseen).await;
}
