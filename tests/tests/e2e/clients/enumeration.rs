//! Nobody learns who exists (C1; CVE-2026-23511).

use symbolon_tests::{Harness, PASSWORD, Reply, TestClient, basic, call, form_request, post_request};

use super::{ENDPOINTS, one_hash_thread, visible};

/// The answer to a login and the turns in the hash lane that it took: counted, not timed.
async fn login_counting_turns(h: &Harness, name: &str, password: &str) -> (Reply, u32) {
    let lane = h.node.service.lane();
    let form = [
        ("grant_type", "password"),
        ("username", name),
        ("password", password),
    ];
    let mut turn = lane.enter().await.unwrap();
    let login = tokio::spawn(call(
        h.router.clone(),
        post_request("/oauth2/token", &h.app, &form),
    ));
    let mut turns = 0;
    loop {
        while lane.waiting() == 0 && !login.is_finished() {
            tokio::task::yield_now().await;
        }
        if login.is_finished() {
            return (login.await.unwrap(), turns);
        }
        turns += 1;
        // First in, first out: the test is next behind the login, which gets this one turn and no other.
        let next = lane.enter();
        tokio::pin!(next);
        tokio::select! {
            biased;
            _ = &mut next => panic!("the lane is taken"),
            () = std::future::ready(()) => {}
        }
        drop(turn);
        turn = next.await.unwrap();
    }
}

#[tokio::test]
async fn unknown_wrong_and_disabled_cost_one_turn_and_look_alike() {
    let h = one_hash_thread(&[]).await;
    let bob = h.add_user("bob", Some("bob@example.com"), "orders:read").await;
    h.disable_user(&bob).await;
    let (reference, turns) = login_counting_turns(&h, "nobody", "wrong password").await;
    reference.assert_error(400, "invalid_grant");
    assert_eq!(turns, 1, "a name that nobody has is hashed for");
    for (name, password) in [
        ("alice", "wrong password"),
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("bob", "wrong password"),
        ("bob", PASSWORD),
        ("bob@example.com", PASSWORD),
        ("BOB", PASSWORD),
    ] {
        let (reply, turns) = login_counting_turns(&h, name, password).await;
        assert_eq!(visible(&reply), visible(&reference), "{name}");
        assert_eq!(turns, 1, "{name}");
    }
    let (good, turns) = login_counting_turns(&h, "alice", PASSWORD).await;
    good.ok();
    assert_eq!(turns, 1, "a good login costs the same");
}

/// What can't be a login name takes no turn. That tells nobody anything but the rule for names, which is public: no
/// account can have such a name.
#[tokio::test]
async fn impossible_names_look_like_unknown_ones() {
    let h = one_hash_thread(&[]).await;
    let reference = h.login_as(&h.app, "nobody", "wrong password", &[]).await;
    for name in [
        "alice\r\nx",
        "al ice",
        "alice\u{1b}[0m",
        "alice\u{200b}",
        "\u{202e}ecila",
        "\0",
        "\u{fdfa}".repeat(100).as_str(),
    ] {
        let (reply, _) = login_counting_turns(&h, name, PASSWORD).await;
        assert_eq!(visible(&reply), visible(&reference), "{name:?}");
    }
    h.login(&h.app).await.ok();
}

#[tokio::test]
async fn unknown_wrong_and_disabled_clients_look_alike_at_every_endpoint() {
    let h = Harness::start().await;
    let off = h
        .add_client(symbolon_tests::ClientSpec::confidential("off"))
        .await;
    h.disable_client(&off).await;
    h.refresh_nodes().await;
    let wrong = |client: &TestClient| basic(&client.id, &h.api.secret);
    for (path, body) in ENDPOINTS {
        let reference = h
            .send(form_request(
                path,
                &[("authorization", &basic("nobody", "x"))],
                body,
            ))
            .await;
        reference.assert_error(401, "invalid_client");
        for authorization in [
            wrong(&h.app),
            wrong(&off),
            basic(&off.id, &off.secret),
            basic("", ""),
            basic("no\u{e4}", "x"),
            basic(&"x".repeat(129), "x"),
            basic(&h.spa.id, "x"),
            basic(&h.spa.id, ""),
            "Basic ???".to_owned(),
            "Basic".to_owned(),
        ] {
            let reply = h
                .send(form_request(path, &[("authorization", &authorization)], body))
                .await;
            assert_eq!(visible(&reply), visible(&reference), "{path} {authorization}");
        }
        for who in [
            "client_id=nobody",
            "client_id=app",
            "client_id=app&client_secret=x",
            "client_id=spa&client_secret=x",
            "client_id=a%3Ab",
            "",
        ] {
            let reply = h.send(form_request(path, &[], format!("{body}&{who}"))).await;
            assert_eq!(visible(&reply), visible(&reference), "{path} {who}");
        }
    }
    h.client_credentials(&h.app).await.ok();
}
