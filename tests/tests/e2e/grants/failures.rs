//! Stores that fail: nothing fails open, and nothing is said to be done that is not.

use std::time::Duration;

use symbolon_core::revocation::LEASE;
use symbolon_tests::{Call, Harness, Reply};

use super::{assert_alive, assert_dead, tapped};

#[track_caller]
fn assert_try_again(reply: &Reply) {
    reply.assert_error(503, "temporarily_unavailable");
    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
}

/// A session of the application that every node has seen before goes on where Redis keeps it. Otherwise nobody can tell.
async fn assert_known(h: &Harness, granted: &Reply, redis: bool) {
    for _ in h.nodes() {
        let refreshed = h.refresh(&h.app, &granted.text("refresh_token")).await;
        match redis {
            true => drop(refreshed.ok()),
            false => assert_try_again(&refreshed),
        }
    }
    for _ in h.nodes() {
        let told = h.introspect(&granted.text("access_token")).await;
        match redis {
            true => assert_eq!(told.ok()["active"], true),
            false => assert_try_again(&told),
        }
    }
}

/// G14, CVE-2020-15223: a revocation that the log does not have is never answered 200.
#[tokio::test]
async fn a_revocation_that_fails_is_not_a_success() {
    let (h, tap) = tapped().await;
    for client in [&h.app, &h.spa] {
        let login = h.login(client).await;
        let before = h.footprint().await;
        for token in [login.text("refresh_token"), login.text("access_token")] {
            tap.fail(Call::Append);
            assert_try_again(&h.revoke(client, &token).await);
            assert_eq!(h.footprint().await, before);
            tap.mend();
            assert!(h.is_active(&login.text("access_token")).await);
        }
        tap.fail(Call::LiveTokens);
        assert_try_again(&h.revoke(client, &login.text("access_token")).await);
        tap.mend();
        assert_eq!(h.footprint().await, before);
        let refreshed = assert_alive(&h, client, &login).await;

        h.revoke(client, &refreshed.text("refresh_token")).await.ok();
        assert_dead(&h, client, &refreshed).await;
    }
}

/// G14: the entry is logged, but this node can't read it back: not promised, so no success, and yet it may hold.
#[tokio::test]
async fn a_revocation_that_was_not_applied_is_not_a_success() {
    let (h, tap) = tapped().await;
    for broken in [Call::Head, Call::Entries] {
        let login = h.login(&h.app).await;
        tap.fail(broken);
        assert_try_again(&h.revoke(&h.app, &login.text("refresh_token")).await);
        // Other requests of the session can't be told that it lives, either.
        assert_try_again(&h.introspect(&login.text("access_token")).await);
        assert_try_again(&h.refresh(&h.app, &login.text("refresh_token")).await);
        tap.mend();
        assert_dead(&h, &h.app, &login).await;
        h.revoke(&h.app, &login.text("refresh_token")).await.ok();
    }
}

/// G14: the session store fails under each grant and under introspection.
#[tokio::test]
async fn a_session_store_that_fails_is_answered_503() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let before = h.footprint().await;
    for call in [Call::Begin, Call::Rotate, Call::Fence] {
        tap.fail(call);
    }
    assert_try_again(&h.login(&h.app).await);
    assert_try_again(&h.refresh(&h.app, &login.text("refresh_token")).await);
    assert_try_again(&h.introspect(&login.text("access_token")).await);
    // What needs no session store goes on.
    let machine = h.client_credentials(&h.app).await;
    machine.ok();
    assert_eq!(h.footprint().await, before);
    tap.mend();
    assert!(h.is_active(&machine.text("access_token")).await);
    assert_alive(&h, &h.app, &login).await;
}

/// G14: signing fails after the commit. The retry gets the same successor, so that nobody is logged out by it.
#[tokio::test]
async fn a_signature_that_fails_loses_no_session() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    tap.fail(Call::Sign);
    for reply in [
        h.refresh(&h.app, &login.text("refresh_token")).await,
        h.login(&h.app).await,
        h.client_credentials(&h.app).await,
    ] {
        reply.assert_error(500, "server_error");
        assert!(reply.json().get("access_token").is_none());
    }
    tap.mend();
    let retried = h.refresh(&h.app, &login.text("refresh_token")).await;
    let again = h.refresh(&h.app, &login.text("refresh_token")).await;
    assert_eq!(again.text("refresh_token"), retried.text("refresh_token"));
    assert_alive(&h, &h.app, &retried).await;
}

/// G14: facts whose lease ended are not used while the log can't be read and nobody confirms that nothing has changed.
#[tokio::test]
async fn facts_without_a_lease_are_not_used() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let before = h.footprint().await;
    tap.fail(Call::Head);
    tap.fail(Call::Confirms);
    h.clock.advance(LEASE);
    assert_try_again(&h.client_credentials(&h.app).await);
    assert_try_again(&h.login(&h.app).await);
    assert_try_again(&h.refresh(&h.app, &login.text("refresh_token")).await);
    assert_try_again(&h.introspect(&login.text("access_token")).await);
    assert_try_again(&h.revoke(&h.app, &login.text("refresh_token")).await);
    assert_eq!(h.footprint().await, before);
    tap.mend();
    assert_alive(&h, &h.app, &login).await;
}

/// While the log can't be read, Redis tells of what was promised: nodes go on with their facts where nothing was, and
/// stop where something was. Where there is no Redis, nobody can tell.
#[tokio::test]
async fn facts_are_used_for_as_long_as_redis_confirms_them() {
    let (h, tap) = tapped().await;
    let redis = h.settings.redis.is_some();
    let login = h.login(&h.app).await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    for _ in h.nodes() {
        h.client_credentials(&h.app).await.ok();
        h.refresh(&h.app, &refresh).await.ok();
        assert!(h.is_active(&access).await);
    }
    tap.fail(Call::Head);
    h.clock.advance(LEASE);
    for _ in h.nodes() {
        let machine = h.client_credentials(&h.app).await;
        match redis {
            true => drop(machine.ok()),
            false => assert_try_again(&machine),
        }
    }
    assert_known(&h, &login, redis).await;
    // Another process, which reaches the database, disables a client that has nothing to do with all this.
    h.disable_client(&h.spa).await;
    h.clock.advance(LEASE);
    for _ in h.nodes() {
        assert_try_again(&h.client_credentials(&h.app).await);
        assert_try_again(&h.refresh(&h.app, &refresh).await);
        assert_try_again(&h.introspect(&access).await);
    }
    tap.mend();
    assert_alive(&h, &h.app, &login).await;
}

/// G14: the whole database is gone. What needs it is answered 503; with Redis, what is in force can still be told, and
/// sessions that are known go on.
#[tokio::test]
async fn without_the_database_nothing_begins_and_nothing_ends() {
    let h = Harness::start().await;
    let redis = h.settings.redis.is_some();
    let login = h.login(&h.app).await;
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    for _ in h.nodes() {
        h.refresh(&h.app, &refresh).await.ok();
    }
    for _ in h.nodes() {
        assert!(h.is_active(&access).await);
    }
    for node in h.nodes() {
        node.store.close().await;
    }
    for lease_over in [false, true] {
        if lease_over {
            h.clock.advance(LEASE + Duration::from_millis(1));
        }
        assert_known(&h, &login, redis).await;
        for _ in h.nodes() {
            assert_try_again(&h.login(&h.app).await);
            assert_try_again(&h.revoke(&h.app, &refresh).await);
            assert_try_again(&h.revoke(&h.app, &access).await);
        }
    }
}
