//! Introspection (RFC 7662).

use symbolon_tests::{AUDIENCE, ClientSpec, Harness, form_request};

use super::{part, with_settings};

const INACTIVE: &str = r#"{"active":false}"#;

#[tokio::test]
async fn an_active_answer_says_what_the_token_says() {
    let h = Harness::start().await;
    for reply in [h.login(&h.app).await, h.client_credentials(&h.app).await] {
        let token = reply.text("access_token");
        let mut claims = part(&token, 1);
        claims["active"] = true.into();
        claims["token_type"] = "Bearer".into();
        let told = h.introspect(&token).await;
        assert_eq!(told.ok(), claims);
        assert_eq!(told.header("content-type"), "application/json");
        assert_eq!(told.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_hint_is_only_a_hint() {
    let h = Harness::start().await;
    let token = h.login(&h.app).await.text("access_token");
    for hint in ["access_token", "refresh_token", "id_token", "x", ""] {
        let form = [("token", token.as_str()), ("token_type_hint", hint)];
        assert_eq!(
            h.post("/oauth2/introspect", &h.api, &form).await.ok()["active"],
            true,
            "{hint}"
        );
    }
}

#[tokio::test]
async fn rejects_callers_that_do_not_prove_who_they_are() {
    let h = Harness::start().await;
    let token = h.login(&h.app).await.text("access_token");
    for body in [
        format!("token={token}"),
        format!("token={token}&client_id=spa"),
        format!("token={token}&client_id=api"),
    ] {
        h.send(form_request("/oauth2/introspect", &[], body))
            .await
            .assert_error(401, "invalid_client");
    }
    // The token itself opens nothing.
    let bearer = format!("Bearer {token}");
    h.send(form_request(
        "/oauth2/introspect",
        &[("authorization", &bearer)],
        format!("token={token}"),
    ))
    .await
    .assert_error(401, "invalid_client");
    h.post("/oauth2/introspect", &h.api, &[])
        .await
        .assert_error(400, "invalid_request");
}

#[tokio::test]
async fn whatever_is_no_token_is_inactive_and_nothing_else() {
    let h = Harness::start().await;
    let token = h.login(&h.app).await.text("access_token");
    let upper = token.to_uppercase();
    for bad in [
        "x",
        ".",
        "..",
        "...",
        "null",
        "{}",
        &token[1..],
        &token[..token.len() - 1],
        &format!("{token}="),
        &format!("{token}."),
        &format!(" {token}"),
        &format!("{token}\n"),
        &upper,
        "\u{e4}",
        "\0",
    ] {
        let reply = h.introspect(bad).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body[..]),
            (200, INACTIVE.as_bytes()),
            "{bad:?}"
        );
    }
    assert!(h.is_active(&token).await);
}

#[tokio::test]
async fn a_resource_server_is_told_only_of_its_own_audience() {
    let h = with_settings(&[]).await;
    let other = h
        .add_client(ClientSpec::resource_server("other", "https://other.example"))
        .await;
    let both = ClientSpec::confidential("both")
        .with(|policy| policy.audiences.push("https://other.example".parse().unwrap()));
    let both = h.add_client(both).await;
    h.refresh_nodes().await;
    let token = h
        .login_as(
            &both,
            "alice",
            symbolon_tests::PASSWORD,
            &[("resource", AUDIENCE)],
        )
        .await
        .text("access_token");
    assert!(h.is_active(&token).await);
    for caller in [&other, &both, &h.app] {
        let reply = h.post("/oauth2/introspect", caller, &[("token", &token)]).await;
        assert_eq!(reply.body, INACTIVE, "{}", caller.id);
    }
}
