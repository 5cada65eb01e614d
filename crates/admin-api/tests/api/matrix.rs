//! Every operation that there is, against tokens that do not open it.

use http::header::WWW_AUTHENTICATE;
use serde_json::json;
use symbolon_admin_api::{Listed, catalogue};
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_testkit::user;

use crate::bench::{Answer, Bench, Call};

/// A call of the operation about something that is there, as far as it is a user or a role.
fn call(operation: &Listed, subject: &str) -> Call {
    let fill = |part: &str| match part {
        "{subject}" => subject.to_owned(),
        "{name}" => "staff".to_owned(),
        part if part.starts_with('{') => "1".to_owned(),
        part => part.to_owned(),
    };
    let path: Vec<_> = operation.path.split('/').map(fill).collect();
    Call::new(operation.method.clone(), &path.join("/")).json(&json!({}))
}

/// Calls every operation with that token, when the caller's token has what `hold` lets it have, and sees that nothing changes.
async fn each_without_effect(
    token: Option<&str>,
    hold: impl Fn(&Bench, &Listed),
    check: impl Fn(&Listed, &Answer),
) -> Bench {
    let bench = Bench::new().await;
    bench.role("staff", "orders:read").await;
    let subject = bench
        .user(user("alice").roles(&["staff"]))
        .await
        .subject
        .to_string();
    let before = bench.state().await;
    for operation in catalogue() {
        hold(&bench, &operation);
        let answer = call(&operation, &subject).token(token).to(&bench).await;
        check(&operation, &answer);
        assert_eq!(bench.state().await, before, "{operation:?}");
        assert!(bench.keys.orders().is_empty(), "{operation:?}");
    }
    bench
}

fn challenge(answer: &Answer) -> &str {
    answer.headers[WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn refuses_every_operation_without_a_token() {
    let bench = each_without_effect(
        None,
        |_, _| {},
        |operation, answer| {
            assert_eq!(answer.status, 401, "{operation:?}");
            assert_eq!(challenge(answer), "Bearer realm=\"symbolon-admin\"");
        },
    )
    .await;
    assert_eq!(bench.told.take_counted().len(), catalogue().len());
}

#[tokio::test]
async fn refuses_every_operation_with_a_token_that_is_not_good() {
    let bench = each_without_effect(
        Some("expired"),
        |_, _| {},
        |operation, answer| {
            assert_eq!(answer.status, 401, "{operation:?}");
            assert!(challenge(answer).contains("error=\"invalid_token\""));
            // Why is for the audit trail alone.
            assert!(!answer.text.contains("expired"));
        },
    )
    .await;
    assert_eq!(bench.told.take_counted().len(), catalogue().len());
}

#[tokio::test]
async fn refuses_every_operation_without_its_scope() {
    let bench = each_without_effect(
        Some("good"),
        |bench, operation| bench.gate.lacking(&[operation.scope]),
        |operation, answer| {
            assert_eq!(
                (answer.status, answer.kind()),
                (403, "insufficient-scope"),
                "{operation:?}"
            );
            let wanted = format!(
                "Bearer error=\"insufficient_scope\", scope=\"{}\"",
                operation.scope
            );
            assert_eq!(challenge(answer), wanted);
        },
    )
    .await;
    let told = bench.told.take();
    assert_eq!(told.len(), catalogue().len());
    for (event, operation) in told.iter().zip(catalogue()) {
        assert_eq!(event.kind.as_str(), "admin.refused");
        assert_eq!(event.act.actor.as_str(), "client:console");
        let target = event.target.as_ref().map(|target| target.id.as_str());
        assert_eq!(target, Some(operation.id.as_str()));
    }
}

#[tokio::test]
async fn says_of_no_operation_that_it_is_refused_while_nobody_can_tell() {
    each_without_effect(
        Some("unasked"),
        |_, _| {},
        |operation, answer| assert_eq!(answer.status, 503, "{operation:?}"),
    )
    .await;
}

/// So that what the catalogue says is needed is also enough to come in.
#[tokio::test]
async fn every_operation_is_open_to_its_scope() {
    let bench = Bench::new().await;
    for operation in catalogue() {
        bench.gate.holding(operation.scope);
        // The body of what goes on and on is left unread.
        let response = bench.send(call(&operation, "1")).await;
        let challenged = response.headers().get(WWW_AUTHENTICATE);
        assert!(challenged.is_none(), "{operation:?}: {}", response.status());
        assert!(response.status() != 500, "{operation:?}");
    }
}

#[test]
fn every_scope_opens_something() {
    let catalogue = catalogue();
    for scope in ADMIN_SCOPES {
        assert!(
            catalogue.iter().any(|operation| operation.scope == scope),
            "{scope}"
        );
    }
}
