//! Connections that break and requests that die half-way.

use symbolon_core::ports::StoreResult;
use symbolon_revocation::drain_killed;
use symbolon_tests::{Call, Harness, Hold, Point, Reply, TestClient};
use tokio::task::JoinHandle;

use super::{assert_alive, assert_dead, sid, tapped, told_to_holder};

/// Breaks the connection once the request is at the hold.
async fn cut(request: JoinHandle<Reply>, hold: Hold) {
    hold.reached().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
}

/// What each node does by itself every few seconds.
async fn drain(h: &Harness) -> StoreResult<u64> {
    drain_killed(&*h.node.stores.sessions(), &*h.node.log).await
}

fn start_refresh(h: &Harness, client: &TestClient, granted: &Reply) -> JoinHandle<Reply> {
    let token = granted.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
    h.spawn_post("/oauth2/token", client, &form)
}

/// G19: the connection breaks after the rotation committed, wherever that is; the retry with the old token gets the
/// successor that the store has.
#[tokio::test]
async fn a_retry_after_a_lost_answer_gets_the_same_successor() {
    let (h, tap) = tapped().await;
    for point in [
        Point::After(Call::Rotate),
        Point::Before(Call::Sign),
        Point::After(Call::Sign),
    ] {
        for client in [&h.app, &h.spa] {
            let login = h.login(client).await;
            let hold = tap.hold(point);
            cut(start_refresh(&h, client, &login), hold).await;
            let committed = h.footprint().await;
            assert_eq!(h.record(sid(&login)).await.generation, 1);

            let retried = h.refresh(client, &login.text("refresh_token")).await;
            retried.ok();
            let again = h.refresh(client, &login.text("refresh_token")).await;
            assert_eq!(again.text("refresh_token"), retried.text("refresh_token"));
            assert_eq!(h.footprint().await, committed, "a retry commits nothing");
            assert_alive(&h, client, &retried).await;
        }
    }
}

/// G19, from the other side: a connection that breaks before the commit has changed nothing.
#[tokio::test]
async fn a_request_that_dies_before_its_commit_changes_nothing() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let before = h.footprint().await;
    let hold = tap.hold(Point::Before(Call::Rotate));
    cut(start_refresh(&h, &h.app, &login), hold).await;
    assert_eq!(h.footprint().await, before);
    let refreshed = assert_alive(&h, &h.app, &login).await;
    assert_eq!((h.rotations("rotated"), h.rotations("replayed")), (1, 0));

    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", symbolon_tests::PASSWORD),
    ];
    let before = h.footprint().await;
    let hold = tap.hold(Point::Before(Call::Begin));
    cut(h.spawn_post("/oauth2/token", &h.app, &form), hold).await;
    assert_eq!(h.footprint().await, before);

    let token = refreshed.text("refresh_token");
    let hold = tap.hold(Point::Before(Call::Append));
    cut(
        h.spawn_post("/oauth2/revoke", &h.app, &[("token", &*token)]),
        hold,
    )
    .await;
    assert_eq!(h.footprint().await, before);
    assert_alive(&h, &h.app, &refreshed).await;
}

/// G19 for revocation: the entry is committed, the caller gone and this node does not know of it yet; it holds all
/// the same.
#[tokio::test]
async fn a_revocation_holds_once_it_is_committed() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let token = login.text("refresh_token");
    let hold = tap.hold(Point::After(Call::Append));
    cut(
        h.spawn_post("/oauth2/revoke", &h.app, &[("token", &*token)]),
        hold,
    )
    .await;
    assert_dead(&h, &h.app, &login).await;
}

/// A reuse whose log entry fails: the session is dead at once, also at introspection; the kill waits in the outbox, and
/// draining it tells the log.
#[tokio::test]
async fn a_kill_that_could_not_be_logged_is_logged_later() {
    for failing in [Call::Append, Call::KilledLogged] {
        let (h, tap) = tapped().await;
        let login = h.login(&h.app).await;
        let first = h.refresh(&h.app, &login.text("refresh_token")).await;
        let second = h.refresh(&h.app, &first.text("refresh_token")).await;
        tap.fail(failing);
        h.refresh(&h.app, &login.text("refresh_token"))
            .await
            .assert_error(400, "invalid_grant");
        let record = h.record(sid(&login)).await;
        assert_eq!((record.killed, record.kill_logged), (true, false));
        for granted in [&login, &first, &second] {
            let token = granted.text("refresh_token");
            assert_eq!(told_to_holder(&h, &h.app, &token).await, Some(false));
            h.refresh(&h.app, &token).await.assert_error(400, "invalid_grant");
        }
        // Introspection asks the token store, too, and does not wait for the log.
        assert!(!h.is_active(&second.text("access_token")).await);
        let unlogged = failing == Call::Append;
        assert_eq!(drain(&h).await.is_err(), unlogged);

        tap.mend();
        drain(&h).await.unwrap();
        assert!(h.record(sid(&login)).await.kill_logged);
        assert_eq!(drain(&h).await.unwrap(), 0);
        for granted in [&login, &first, &second] {
            assert_dead(&h, &h.app, granted).await;
        }
    }
}

/// The caller of a reuse goes away before the kill is logged: the outbox has it.
#[tokio::test]
async fn a_kill_survives_the_connection_that_brought_it() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;
    let hold = tap.hold(Point::After(Call::Rotate));
    cut(start_refresh(&h, &h.app, &login), hold).await;
    let record = h.record(sid(&login)).await;
    assert_eq!((record.killed, record.kill_logged), (true, false));
    assert_eq!(drain(&h).await.unwrap(), 1);
    for granted in [&login, &first, &second] {
        assert_dead(&h, &h.app, granted).await;
    }
}
