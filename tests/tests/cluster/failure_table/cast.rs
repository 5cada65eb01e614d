//! Who takes part while a condition lasts, and what must have become of them afterwards.

use std::sync::Mutex;

use symbolon_tests::{PASSWORD, Reply, SCOPE, TestUser};
use tokio::task::block_in_place;

use super::Scene;
use super::condition::{Condition, remember};
use super::row::{Round, Row};

/// Sessions, all of one condition, and what came of the calls about them.
pub(super) struct Cast {
    /// Refreshed, by a user who is in the caches.
    pub(super) cached: Holder,
    /// Refreshed, by a user who is not.
    pub(super) uncached: Holder,
    /// Introspected, and otherwise left alone.
    pub(super) shown: Reply,
    /// Its session was revoked.
    pub(super) revoked: Reply,
    /// Its user was disabled.
    pub(super) disabled: Reply,
    /// The user who was disabled.
    pub(super) gone: TestUser,
    /// One pair a round: revoked by refresh token, and by access token.
    doomed: [[Doomed; 2]; 2],
    /// One a round, disabled by a command.
    leavers: [Leaver; 2],
}

/// An honest client: it keeps its refresh token until it gets another.
pub(super) struct Holder(Mutex<String>);

/// A session, or an access token, that is revoked, and what the call was answered.
pub(super) struct Doomed {
    pub(super) login: Reply,
    pub(super) answer: Mutex<String>,
}

/// A user who is disabled by a command, and what it said.
pub(super) struct Leaver {
    pub(super) user: TestUser,
    login: Reply,
    pub(super) answer: Mutex<String>,
}

impl Holder {
    fn new(login: &Reply) -> Self {
        Self(Mutex::new(login.text("refresh_token")))
    }

    pub(super) async fn refresh(&self, scene: &Scene) -> Reply {
        let h = &scene.node.h;
        let token = self.0.lock().unwrap().clone();
        let reply = h.refresh(&h.app, &token).await;
        if reply.status == 200 {
            *self.0.lock().unwrap() = reply.text("refresh_token");
        }
        reply
    }
}

impl Doomed {
    fn new(login: Reply) -> Self {
        Self {
            login,
            answer: Mutex::default(),
        }
    }
}

impl Cast {
    /// Gathers everybody, fills the caches with some, and sees that all is well.
    pub(super) async fn gather(scene: &Scene, condition: Condition) -> Self {
        let h = &scene.node.h;
        let name = |who: &str| format!("{who}-{condition:?}").to_lowercase();
        let (gone, early, late) = (name("gone"), name("early"), name("late"));
        let (gone, early, late) = tokio::join!(
            h.add_user(&gone, None, SCOPE),
            h.add_user(&early, None, SCOPE),
            h.add_user(&late, None, SCOPE),
        );
        let login = async |user: &TestUser| {
            let login = h.login_as(&h.app, &user.name, PASSWORD, &[]).await;
            login.ok();
            login
        };
        let doomed = async || Doomed::new(login(&h.alice).await);
        let cast = Self {
            cached: Holder::new(&login(&h.alice).await),
            uncached: Holder::new(&login(&scene.carol).await),
            shown: login(&h.alice).await,
            revoked: login(&h.alice).await,
            disabled: login(&gone).await,
            doomed: [[doomed().await, doomed().await], [doomed().await, doomed().await]],
            leavers: [
                Leaver {
                    login: login(&early).await,
                    user: early,
                    answer: Mutex::default(),
                },
                Leaver {
                    login: login(&late).await,
                    user: late,
                    answer: Mutex::default(),
                },
            ],
            gone,
        };
        block_in_place(|| remember(scene));
        let revoked = h.revoke(&h.app, &cast.revoked.text("refresh_token")).await;
        assert_eq!(revoked.status, 200, "{revoked:?}");
        // Facts have changed: whatever was cached is not any more.
        h.disable_user(&cast.gone).await;
        for row in Row::ALL.into_iter().filter(|row| row.is_warmed()) {
            row.ask(scene, &cast, Round::Early).await;
        }
        cast
    }

    pub(super) fn doomed_by_refresh_token(&self, round: Round) -> &Doomed {
        &self.doomed[round as usize][0]
    }

    pub(super) fn doomed_by_access_token(&self, round: Round) -> &Doomed {
        &self.doomed[round as usize][1]
    }

    pub(super) fn leaver(&self, round: Round) -> &Leaver {
        &self.leavers[round as usize]
    }

    /// What is wrong once all is well again: nobody who is honest is logged out, and what was promised, or said to be
    /// logged, holds.
    pub(super) async fn aftermath(&self, scene: &Scene) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |what: &str, answer: String, wanted: &str| {
            if answer != wanted {
                wrong.push(format!("{what}: {answer} instead of {wanted}"));
            }
        };
        let h = &scene.node.h;
        let status = |reply: Reply| reply.status.as_u16().to_string();
        for (who, holder) in [
            ("the cached user", &self.cached),
            ("the user not cached", &self.uncached),
            ("who was introspected", &Holder::new(&self.shown)),
        ] {
            expect(who, status(holder.refresh(scene).await), "200");
        }
        for login in [&self.revoked, &self.disabled] {
            let refreshed = h.refresh(&h.app, &login.text("refresh_token")).await;
            expect("a session that was ended before", status(refreshed), "400");
        }
        for (doomed, by) in self
            .doomed
            .iter()
            .flat_map(|pair| pair.iter().zip(["refresh_token", "access_token"]))
        {
            let answer = doomed.answer.lock().unwrap().clone();
            let what = format!("revoked by its {by}, which was answered {answer}");
            if !matches!(answer.as_str(), "200" | "202") {
                let again = h.revoke(&h.app, &doomed.login.text(by)).await;
                expect(&format!("{what}; asked again"), status(again), "200");
            }
            let active = h.is_active(&doomed.login.text("access_token")).await;
            expect(&what, format!("active: {active}"), "active: false");
            let refreshed = h.refresh(&h.app, &doomed.login.text("refresh_token")).await;
            let wanted = if by == "refresh_token" { "400" } else { "200" };
            expect(&what, status(refreshed), wanted);
        }
        for Leaver { user, login, answer } in &self.leavers {
            let answer = answer.lock().unwrap().clone();
            let wanted = if answer == "refused" { "200" } else { "400" };
            let refreshed = h.refresh(&h.app, &login.text("refresh_token")).await;
            let what = format!("{}, whose disabling was {answer}", user.name);
            expect(&what, status(refreshed), wanted);
        }
        wrong
    }
}
