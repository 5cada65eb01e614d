//! Names that are used again.

use std::time::Duration;

use symbolon_core::{Clock, UnixMillis};
use symbolon_tests::{ClientSpec, Harness, PASSWORD, SCOPE, TestClient};

use super::{assert_alive, assert_dead};

const TICK: Duration = Duration::from_millis(1);

/// G18, CVE-2026-55670: a user of the same name is another user.
#[tokio::test]
async fn tokens_of_a_deleted_user_stay_dead() {
    let h = Harness::start().await;
    let first = h.login(&h.app).await;
    let second = h.login(&h.spa).await;
    h.delete_user(&h.alice).await;
    for (client, granted) in [(&h.app, &first), (&h.spa, &second)] {
        assert_dead(&h, client, granted).await;
        h.login(client).await.assert_error(400, "invalid_grant");
    }
    h.clock.advance(TICK);
    let again = h.add_user("alice", None, SCOPE).await;
    assert_ne!(again.subject, h.alice.subject);
    let before = h.footprint().await;
    for (client, granted) in [(&h.app, &first), (&h.spa, &second)] {
        assert_dead(&h, client, granted).await;
    }
    assert_eq!(h.footprint().await, before);
    let fresh = h.login(&h.app).await;
    let told = h.introspect(&fresh.text("access_token")).await.ok();
    assert_eq!(told["sub"], again.subject.to_string());
    let refreshed = assert_alive(&h, &h.app, &fresh).await;
    let told = h.introspect(&refreshed.text("access_token")).await.ok();
    assert_eq!(told["sub"], again.subject.to_string());
    assert_dead(&h, &h.app, &first).await;
}

/// G18: a client of the same name is another client; neither it nor the secret of the old one gets at what was.
#[tokio::test]
async fn tokens_of_a_deleted_client_stay_dead() {
    let h = Harness::start().await;
    for (client, spec) in [
        (&h.app, ClientSpec::confidential("app")),
        (&h.spa, ClientSpec::public("spa")),
    ] {
        let login = h.login(client).await;
        let machine = (client.id == "app").then_some(h.client_credentials(client).await);
        h.delete_client(client).await;
        assert!(!h.is_active(&login.text("access_token")).await);
        h.refresh(client, &login.text("refresh_token"))
            .await
            .assert_error(401, "invalid_client");

        let again = h.add_client(spec).await;
        assert_ne!(again.uid, client.uid);
        if client.id == "app" {
            h.client_credentials(client)
                .await
                .assert_error(401, "invalid_client");
        }
        let before = h.footprint().await;
        assert_dead(&h, &again, &login).await;
        h.revoke(&again, &login.text("refresh_token")).await.ok();
        h.revoke(&again, &login.text("access_token")).await.ok();
        assert_eq!(h.footprint().await, before);
        if let Some(machine) = machine {
            assert!(!h.is_active(&machine.text("access_token")).await);
            let fresh = h.client_credentials(&again).await;
            let told = h.introspect(&fresh.text("access_token")).await.ok();
            assert_eq!(told["sub"], again.uid.to_string());
        }
        let fresh = h.login(&again).await;
        assert_alive(&h, &again, &fresh).await;
        assert_dead(&h, &again, &login).await;
    }
}

/// What brings a name back.
#[derive(Clone, Copy, Debug)]
enum Return {
    ClientEnabled,
    ClientMadeAgain,
    UserEnabled,
}

/// G18: with the clock standing still between all of it, or stepping back, the old tokens are dead all the same.
#[tokio::test]
async fn old_tokens_stay_dead_however_the_clock_goes() {
    for way in [
        Return::ClientEnabled,
        Return::ClientMadeAgain,
        Return::UserEnabled,
    ] {
        for back in [0, 5_000] {
            let h = Harness::start().await;
            h.clock.advance(Duration::from_secs(10));
            let login = h.login(&h.app).await;
            let machine = h.client_credentials(&h.app).await;
            match way {
                Return::ClientEnabled => h.disable_client(&h.app).await,
                Return::ClientMadeAgain => h.delete_client(&h.app).await,
                Return::UserEnabled => h.disable_user(&h.alice).await,
            }
            let blocked = h.clock.now();
            h.clock.set(UnixMillis(blocked.0 - back));
            let client = come_back(&h, way).await;
            h.clock.set(UnixMillis(blocked.0 - back));
            assert_dead(&h, &client, &login).await;
            let of_user = matches!(way, Return::UserEnabled);
            assert_eq!(
                h.is_active(&machine.text("access_token")).await,
                of_user,
                "{way:?}"
            );
            h.clock.set(blocked.plus(1));
            let fresh = h.login(&client).await;
            assert_alive(&h, &client, &fresh).await;
            assert_dead(&h, &client, &login).await;
        }
    }
}

async fn come_back(h: &Harness, way: Return) -> TestClient {
    match way {
        Return::ClientEnabled => h.enable_client(&h.app).await,
        Return::ClientMadeAgain => return h.add_client(ClientSpec::confidential("app")).await,
        Return::UserEnabled => h.enable_user(&h.alice).await,
    }
    h.app.clone()
}

/// G18 for user names that differ only in their form: the name is one, and so is who comes after.
#[tokio::test]
async fn a_name_in_another_form_is_the_same_name() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    h.delete_user(&h.alice).await;
    h.clock.advance(TICK);
    let again = h.add_user("ALICE", None, SCOPE).await;
    let fresh = h.login_as(&h.app, "alice", PASSWORD, &[]).await;
    let told = h.introspect(&fresh.text("access_token")).await.ok();
    assert_eq!(told["sub"], again.subject.to_string());
    assert_dead(&h, &h.app, &login).await;
}
