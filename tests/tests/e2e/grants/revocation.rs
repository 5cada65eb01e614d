//! Revocation: what it takes with it, and what it leaves.

use std::time::Duration;

use symbolon_core::revocation::NewRevocation;
use symbolon_core::{Clock, UnixMillis};
use symbolon_jose::Kid;
use symbolon_oauth_types::revocation::RevocationKind;
use symbolon_tests::{ClientSpec, Harness, Reply, call, post_request};

use super::{assert_alive, assert_dead, claims};

const TICK: Duration = Duration::from_millis(1);

fn now(h: &Harness) -> UnixMillis {
    h.clock.now()
}

fn client_cutoff(client: &str, at: UnixMillis) -> NewRevocation {
    NewRevocation::client(&client.parse().unwrap(), at)
}

/// G8, CVE-2026-18218: of several cutoffs the latest counts, whatever their kinds and in whichever order they were
/// logged, at refresh and at introspection.
#[tokio::test]
async fn no_cutoff_masks_another() {
    for newer_first in [false, true] {
        for case in 0..6 {
            let h = Harness::start().await;
            let oldest = h.login(&h.app).await;
            let old = now(&h);
            h.clock.advance(TICK);
            let between = h.login(&h.app).await;
            let machine = h.client_credentials(&h.app).await;
            let new = now(&h);
            h.clock.advance(TICK);
            let after = h.login(&h.app).await;
            let (all, client) = (NewRevocation::all, |at| client_cutoff("app", at));
            let subject = |at| NewRevocation::subject(h.alice.subject, at);
            let lift = |at| NewRevocation::client_lifted(&"app".parse().unwrap(), at);
            let mut entries = match case {
                0 => [all(old), client(new)],
                1 => [client(old), all(new)],
                2 => [subject(old), client(new)],
                3 => [all(old), all(new)],
                4 => [client(old), client(new)],
                _ => [lift(old), client(new)],
            };
            if newer_first {
                entries.reverse();
            }
            for entry in entries {
                h.log_revocation(entry).await;
            }
            assert_dead(&h, &h.app, &oldest).await;
            assert_dead(&h, &h.app, &between).await;
            assert_dead(&h, &h.app, &machine).await;
            assert_alive(&h, &h.app, &after).await;
        }
    }
}

/// G8 at the next start: a node that reads the log from the beginning comes to the same.
#[tokio::test]
async fn cutoffs_are_the_same_for_a_node_that_starts_later() {
    use symbolon_core::facts::Revocations;
    let h = Harness::start().await;
    let old = now(&h);
    h.clock.advance(TICK);
    let between = h.login(&h.app).await;
    let new = now(&h);
    for entry in [
        client_cutoff("app", new),
        NewRevocation::all(old),
        client_cutoff("app", old),
    ] {
        h.log_revocation(entry).await;
    }
    let late = symbolon_revocation::LiveLog::open(std::sync::Arc::new(h.node.store.clone()), h.clock.clone())
        .await
        .unwrap();
    let token = symbolon_oauth_types::revocation::Revocable {
        started: new,
        subject: h.alice.subject.0,
        client_id: "app",
        session: Some(super::sid(&between)),
        token: None,
        kid: None,
    };
    assert_eq!(
        late.applied().cutoffs.revokes(&token),
        Some(RevocationKind::Client)
    );
    assert_eq!(late.applied().head, h.node.log.applied().head);
}

/// G9: a new login is good within the same second as the revocation, from the next millisecond on; beside it, in the
/// same millisecond, it is refused rather than let through.
#[tokio::test]
async fn a_login_right_after_a_revocation_is_good() {
    let cutoffs: [fn(&Harness) -> NewRevocation; 3] = [
        |h| NewRevocation::subject(h.alice.subject, now(h)),
        |h| client_cutoff("app", now(h)),
        |h| NewRevocation::all(now(h)),
    ];
    for cutoff in cutoffs {
        let h = Harness::start().await;
        let earlier = h.login(&h.app).await;
        h.clock.advance(TICK);
        let beside = h.login(&h.app).await;
        h.log_revocation(cutoff(&h)).await;
        let before = h.footprint().await;
        h.login(&h.app).await.assert_error(400, "invalid_grant");
        assert_eq!(h.footprint().await, before);
        h.clock.advance(TICK);
        let later = h.login(&h.app).await;

        assert_dead(&h, &h.app, &earlier).await;
        assert_dead(&h, &h.app, &beside).await;
        let seconds = |granted: &Reply| claims(&granted.text("access_token"))["iat"].as_u64();
        assert_eq!(seconds(&earlier), seconds(&later), "all of it within one second");
        let refreshed = assert_alive(&h, &h.app, &later).await;
        assert_alive(&h, &h.app, &refreshed).await;
    }
}

/// G9 for the client's own tokens.
#[tokio::test]
async fn a_client_gets_tokens_right_after_its_revocation() {
    let h = Harness::start().await;
    let earlier = h.client_credentials(&h.app).await;
    h.log_revocation(client_cutoff("app", now(&h))).await;
    // The node that logged it refuses; one that has not heard of it yet may give a token that is worthless.
    let form = [("grant_type", "client_credentials")];
    call(h.router.clone(), post_request("/oauth2/token", &h.app, &form))
        .await
        .assert_error(400, "invalid_grant");
    for _ in h.nodes() {
        let beside = h.client_credentials(&h.app).await;
        match beside.status.as_u16() {
            200 => assert!(!h.is_active(&beside.text("access_token")).await),
            _ => beside.assert_error(400, "invalid_grant"),
        }
    }
    h.refresh_nodes().await;
    for _ in h.nodes() {
        h.client_credentials(&h.app)
            .await
            .assert_error(400, "invalid_grant");
    }
    h.clock.advance(TICK);
    let later = h.client_credentials(&h.app).await;
    assert!(!h.is_active(&earlier.text("access_token")).await);
    assert!(h.is_active(&later.text("access_token")).await);
}

/// G9 for a changed password: whoever logged in with the old one loses the session.
#[tokio::test]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let h = Harness::start().await;
    let stolen = h.login(&h.app).await;
    let other = h.add_user("bob", None, symbolon_tests::SCOPE).await;
    let bob = h
        .login_as(&h.app, &other.name, symbolon_tests::PASSWORD, &[])
        .await;
    h.change_password(&h.alice, "another one altogether").await;
    h.clock.advance(TICK);
    assert_dead(&h, &h.app, &stolen).await;
    h.login(&h.app).await.assert_error(400, "invalid_grant");
    let fresh = h.login_as(&h.app, "alice", "another one altogether", &[]).await;
    assert_alive(&h, &h.app, &fresh).await;
    assert_alive(&h, &h.app, &bob).await;
}

/// G10: another client's revocation is answered as any other, and does nothing.
#[tokio::test]
async fn ignores_revocation_by_another_client() {
    let h = Harness::start().await;
    let rival = h.add_client(ClientSpec::confidential("rival")).await;
    for owner in [&h.app, &h.spa] {
        let login = h.login(owner).await;
        let before = h.footprint().await;
        for thief in [&rival, &h.api, &h.app, &h.spa]
            .into_iter()
            .filter(|c| c.id != owner.id)
        {
            for token in [login.text("refresh_token"), login.text("access_token")] {
                for hint in ["access_token", "refresh_token"] {
                    let form = [("token", &*token), ("token_type_hint", hint)];
                    let reply = h.post("/oauth2/revoke", thief, &form).await;
                    assert_eq!((reply.status.as_u16(), reply.body.len()), (200, 0));
                }
            }
        }
        assert_eq!(h.footprint().await, before);
        assert_alive(&h, owner, &login).await;
    }
    let machine = h.client_credentials(&h.app).await.text("access_token");
    h.revoke(&rival, &machine).await.ok();
    assert!(h.is_active(&machine).await);
}

/// G10: a client that does not prove itself revokes nothing.
#[tokio::test]
async fn rejects_revocation_without_the_secret() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let before = h.footprint().await;
    for secret in [String::new(), h.api.secret.clone()] {
        let impostor = symbolon_tests::TestClient {
            secret,
            ..h.app.clone()
        };
        for token in [login.text("refresh_token"), login.text("access_token")] {
            h.revoke(&impostor, &token)
                .await
                .assert_error(401, "invalid_client");
        }
    }
    assert_eq!(h.footprint().await, before);
    assert_alive(&h, &h.app, &login).await;
}

/// G11: a refresh token takes its session with it and no other, whichever generation is shown.
#[tokio::test]
async fn a_refresh_token_takes_its_own_session_only() {
    let h = Harness::start().await;
    let mine = h.login(&h.app).await;
    let elsewhere = h.login(&h.app).await;
    let other_client = h.login(&h.spa).await;
    let machine = h.client_credentials(&h.app).await.text("access_token");
    let first = h.refresh(&h.app, &mine.text("refresh_token")).await;
    let second = h.refresh(&h.app, &first.text("refresh_token")).await;

    h.revoke(&h.app, &mine.text("refresh_token")).await.ok();
    for granted in [&mine, &first, &second] {
        assert_dead(&h, &h.app, granted).await;
    }
    let head = h.footprint().await.head;
    h.revoke(&h.app, &second.text("refresh_token")).await.ok();
    assert_eq!(h.footprint().await.head, head, "revoking twice logs once");
    assert_alive(&h, &h.app, &elsewhere).await;
    assert_alive(&h, &h.spa, &other_client).await;
    assert!(h.is_active(&machine).await);
}

/// G11: an access token takes only itself.
#[tokio::test]
async fn an_access_token_takes_only_itself() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let first = h.refresh(&h.app, &login.text("refresh_token")).await;
    h.revoke(&h.app, &login.text("access_token")).await.ok();
    assert!(!h.is_active(&login.text("access_token")).await);
    let second = assert_alive(&h, &h.app, &first).await;
    assert_alive(&h, &h.app, &second).await;
}

/// Entries about single tokens are bounded: past the bound the session is revoked as a whole, and a client's own
/// tokens are refused revocation loudly.
#[tokio::test]
async fn single_token_entries_are_bounded() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let other = h.login(&h.app).await;
    for _ in 0..64 {
        let token = h
            .refresh(&h.app, &login.text("refresh_token"))
            .await
            .text("access_token");
        h.revoke(&h.app, &token).await.ok();
        assert!(!h.is_active(&token).await);
    }
    let last = h.refresh(&h.app, &login.text("refresh_token")).await;
    assert!(h.is_active(&last.text("access_token")).await);
    h.revoke(&h.app, &last.text("access_token")).await.ok();
    assert_dead(&h, &h.app, &last).await;
    assert_alive(&h, &h.app, &other).await;

    for _ in 0..64 {
        let token = h.client_credentials(&h.app).await.text("access_token");
        h.revoke(&h.app, &token).await.ok();
    }
    let before = h.footprint().await;
    let token = h.client_credentials(&h.app).await.text("access_token");
    let reply = h.revoke(&h.app, &token).await;
    reply.assert_error(429, "temporarily_unavailable");
    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(h.footprint().await, before);
    assert!(h.is_active(&token).await);
}

/// A revoked signing key takes every access token that it signed, and no session.
#[tokio::test]
async fn a_revoked_key_takes_what_it_signed() {
    let h = Harness::start().await;
    let login = h.login(&h.app).await;
    let machine = h.client_credentials(&h.app).await;
    let token = login.text("access_token");
    let header = h.get("/.well-known/jwks.json").await.ok();
    let signer = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    assert!(
        header["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|key| key["kid"] == *signer)
    );
    h.log_revocation(NewRevocation::key(&Kid::parse(&signer).unwrap()))
        .await;
    assert!(!h.is_active(&token).await);
    assert!(!h.is_active(&machine.text("access_token")).await);
    let refreshed = h.refresh(&h.app, &login.text("refresh_token")).await;
    refreshed.ok();
    assert!(
        !h.is_active(&refreshed.text("access_token")).await,
        "the key goes on signing until it is replaced"
    );
}
