//! Requests that are under way while what they rest on is taken away.

use std::time::Duration;

use symbolon_core::Clock;
use symbolon_core::revocation::NewRevocation;
use symbolon_tests::{Call, Harness, PASSWORD, Point, Reply, TestClient};
use tokio::task::JoinHandle;

use super::{assert_alive, assert_dead, assert_spread, tapped};

const TICK: Duration = Duration::from_millis(1);

/// What is taken away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Blow {
    ChangePassword,
    DeleteClient,
    DeleteUser,
    DisableClient,
    DisableUser,
    DisableClientForAMoment,
    DisableUserForAMoment,
    RevokeAll,
    RevokeClient,
    RevokeSubject,
}

impl Blow {
    const ALL: [Self; 10] = [
        Self::ChangePassword,
        Self::DeleteClient,
        Self::DeleteUser,
        Self::DisableClient,
        Self::DisableUser,
        Self::DisableClientForAMoment,
        Self::DisableUserForAMoment,
        Self::RevokeAll,
        Self::RevokeClient,
        Self::RevokeSubject,
    ];

    /// Whether it concerns what a client has of its own.
    fn hits_clients(self) -> bool {
        matches!(
            self,
            Self::DeleteClient
                | Self::DisableClient
                | Self::DisableClientForAMoment
                | Self::RevokeAll
                | Self::RevokeClient
        )
    }

    /// Whether the same client and user may begin anew.
    fn passes(self) -> bool {
        !matches!(
            self,
            Self::ChangePassword
                | Self::DeleteClient
                | Self::DeleteUser
                | Self::DisableClient
                | Self::DisableUser
        )
    }

    /// Revocations come through this node, changes of facts from another process.
    async fn strike(self, h: &Harness, client: &TestClient) {
        let (alice, now) = (h.alice.subject, h.clock.now());
        let id = client.id.parse().unwrap();
        match self {
            Self::ChangePassword => h.change_password(&h.alice, "another one altogether").await,
            Self::DeleteClient => h.delete_client(client).await,
            Self::DeleteUser => h.delete_user(&h.alice).await,
            Self::DisableClient => h.disable_client(client).await,
            Self::DisableUser => h.disable_user(&h.alice).await,
            Self::DisableClientForAMoment => {
                h.disable_client(client).await;
                h.enable_client(client).await;
            }
            Self::DisableUserForAMoment => {
                h.disable_user(&h.alice).await;
                h.enable_user(&h.alice).await;
            }
            Self::RevokeAll => h.log_revocation(NewRevocation::all(now)).await,
            Self::RevokeClient => h.log_revocation(NewRevocation::client(&id, now)).await,
            Self::RevokeSubject => h.log_revocation(NewRevocation::subject(alice, now)).await,
        }
    }
}

fn start_login(h: &Harness, client: &TestClient) -> JoinHandle<Reply> {
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    h.spawn_post("/oauth2/token", client, &form)
}

fn start_refresh(h: &Harness, client: &TestClient, granted: &Reply) -> JoinHandle<Reply> {
    let token = granted.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*token)];
    h.spawn_post("/oauth2/token", client, &form)
}

/// Nothing that the answer carries is accepted, whatever the answer was.
async fn assert_worthless(h: &Harness, client: &TestClient, reply: &Reply, blow: Blow) {
    assert!(!reply.status.is_server_error(), "{blow:?}: {reply:?}");
    let access = reply.text("access_token");
    if !access.is_empty() {
        assert_eq!(
            h.introspect(&access).await.body,
            r#"{"active":false}"#,
            "{blow:?}"
        );
    }
    let refresh = reply.text("refresh_token");
    if !refresh.is_empty() {
        let refused = h.refresh(client, &refresh).await;
        let status = refused.status.as_u16();
        assert!(status == 400 || status == 401, "{blow:?}: {refused:?}");
    }
}

/// After the blow, who may begin anew does so, and it is good.
async fn assert_begins_anew(h: &Harness, client: &TestClient, blow: Blow) {
    h.clock.advance(TICK);
    if blow.passes() {
        let fresh = h.login(client).await;
        assert_alive(h, client, &fresh).await;
    }
}

/// G17, CVE-2026-16103: the user is locked after the password was verified and before the session begins: no session.
#[tokio::test]
async fn a_login_whose_facts_change_begins_no_session() {
    for blow in Blow::ALL {
        let (h, tap) = tapped().await;
        let hold = tap.hold(Point::Before(Call::Begin));
        let login = start_login(&h, &h.app);
        hold.reached().await;
        blow.strike(&h, &h.app).await;
        let before = h.footprint().await;
        hold.release();
        let reply = login.await.unwrap();
        let refused = (reply.status.as_u16(), reply.text("error"));
        let expected = match blow {
            Blow::DeleteClient | Blow::DisableClient => (401, "invalid_client".to_owned()),
            _ => (400, "invalid_grant".to_owned()),
        };
        assert_eq!(refused, expected, "{blow:?}");
        assert_eq!(h.footprint().await, before, "{blow:?}");
        assert_begins_anew(&h, &h.app, blow).await;
    }
}

/// G17 at the refresh: authorized before, rotated after: refused, and the record is as it was.
#[tokio::test]
async fn a_refresh_whose_facts_change_does_not_rotate() {
    for blow in Blow::ALL {
        let (h, tap) = tapped().await;
        let login = h.login(&h.spa).await;
        let hold = tap.hold(Point::Before(Call::Rotate));
        let refresh = start_refresh(&h, &h.spa, &login);
        hold.reached().await;
        blow.strike(&h, &h.spa).await;
        let before = h.footprint().await;
        hold.release();
        let reply = refresh.await.unwrap();
        assert!(matches!(reply.status.as_u16(), 400 | 401), "{blow:?}: {reply:?}");
        assert_eq!(h.footprint().await, before, "{blow:?}");
        assert_eq!(h.rotations("rotated"), 0);
        assert_worthless(&h, &h.spa, &login, blow).await;
        assert_begins_anew(&h, &h.spa, blow).await;
    }
}

/// G20: held between the commit and the signature, or with the signature made and the answer not sent, while the
/// ground is taken away: nothing that a login, a refresh or a client_credentials request returns is accepted.
#[tokio::test]
async fn nothing_that_was_authorized_before_a_revocation_is_accepted_after_it() {
    for blow in Blow::ALL {
        for point in [Point::Before(Call::Sign), Point::After(Call::Sign)] {
            let (h, tap) = tapped().await;
            let earlier = h.login(&h.app).await;
            h.clock.advance(TICK);
            let mut held = Vec::new();
            let hold = tap.hold(point);
            let login = start_login(&h, &h.app);
            hold.reached().await;
            held.push((hold, login));
            let hold = tap.hold(point);
            let refresh = start_refresh(&h, &h.app, &earlier);
            hold.reached().await;
            held.push((hold, refresh));
            if blow.hits_clients() {
                let hold = tap.hold(point);
                let form = [("grant_type", "client_credentials")];
                let machine = h.spawn_post("/oauth2/token", &h.app, &form);
                hold.reached().await;
                held.push((hold, machine));
            }
            blow.strike(&h, &h.app).await;
            // Time goes on before the signatures are made: the tokens look younger than the revocation.
            h.clock.advance(Duration::from_millis(500));
            for (hold, request) in held {
                hold.release();
                let reply = request.await.unwrap();
                reply.ok();
                assert_worthless(&h, &h.app, &reply, blow).await;
            }
            assert_worthless(&h, &h.app, &earlier, blow).await;
            assert_begins_anew(&h, &h.app, blow).await;
        }
    }
}

/// G20 for a session that its own client revokes while a refresh of it is held.
#[tokio::test]
async fn a_refresh_that_is_held_while_its_session_is_revoked_is_worthless() {
    for point in [
        Point::Before(Call::Rotate),
        Point::After(Call::Rotate),
        Point::Before(Call::Sign),
    ] {
        let (h, tap) = tapped().await;
        let login = h.login(&h.app).await;
        let hold = tap.hold(point);
        let refresh = start_refresh(&h, &h.app, &login);
        hold.reached().await;
        h.revoke(&h.app, &login.text("refresh_token")).await.ok();
        hold.release();
        let reply = refresh.await.unwrap();
        if point == Point::Before(Call::Rotate) {
            reply.assert_error(400, "invalid_grant");
        } else {
            reply.ok();
            assert_dead(&h, &h.app, &reply).await;
        }
        assert_dead(&h, &h.app, &login).await;
    }
}

/// G20 at introspection: a question that began before the revocation returned may be answered either way; one that
/// begins after it may not, whatever this node has read of the log.
#[tokio::test]
async fn introspection_waits_for_what_is_on_the_log() {
    for blow in Blow::ALL {
        let (h, tap) = tapped().await;
        let login = h.login(&h.app).await;
        assert!(h.is_active(&login.text("access_token")).await);
        // Held before it has looked how far the log has come, it must see what was logged meanwhile.
        let hold = tap.hold(Point::Before(Call::Fence));
        let token = login.text("access_token");
        let asked = h.spawn_post("/oauth2/introspect", &h.api, &[("token", &*token)]);
        hold.reached().await;
        blow.strike(&h, &h.app).await;
        hold.release();
        assert_eq!(asked.await.unwrap().body, r#"{"active":false}"#, "{blow:?}");
    }
}

/// G5: a revocation that races a hundred refreshes: when it has returned, nothing of the session is accepted,
/// neither what the racers were given before nor what they are given after.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_refresh_beats_a_revocation() {
    let h = Harness::start().await;
    for round in 0..3 {
        for by_subject in [false, true] {
            h.clock.advance(TICK);
            let login = h.login(&h.app).await;
            let racers: Vec<_> = (0..50).map(|_| start_refresh(&h, &h.app, &login)).collect();
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let revoked = async {
                if by_subject {
                    h.log_revocation(NewRevocation::subject(h.alice.subject, h.clock.now()))
                        .await;
                } else {
                    h.revoke(&h.app, &login.text("refresh_token")).await.ok();
                }
            };
            revoked.await;
            h.refresh(&h.app, &login.text("refresh_token"))
                .await
                .assert_error(400, "invalid_grant");
            let behind: Vec<_> = (0..50).map(|_| start_refresh(&h, &h.app, &login)).collect();
            for request in behind {
                request.await.unwrap().assert_error(400, "invalid_grant");
            }
            for request in racers {
                let reply = request.await.unwrap();
                match reply.status.as_u16() {
                    200 => assert_dead(&h, &h.app, &reply).await,
                    _ => reply.assert_error(400, "invalid_grant"),
                }
            }
            assert_dead(&h, &h.app, &login).await;
        }
    }
    assert_spread(&h, 3 * 2 * 100);
    h.clock.advance(TICK);
    let fresh = h.login(&h.app).await;
    assert_alive(&h, &h.app, &fresh).await;
}
