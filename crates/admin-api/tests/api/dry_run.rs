//! `dry_run`: what would come of a change.

use std::collections::BTreeSet;

use http::Method;
use http::header::{ETAG, LOCATION};
use serde_json::{Value, json};
use symbolon_admin_api::{PREFIX, catalogue, document};

use crate::bench::{Answer, Bench, Call};
use crate::clients::{app, bench as with_clients, made, orders, with};

/// With the clients `orders`, `app` and `both`, which is more than a resource server, and the scope `old`.
async fn bench() -> Bench {
    let bench = with_clients().await;
    let serves = json!([{ "audience": "urn:both" }]);
    made(
        &bench,
        &with(app(), json!({ "client_id": "both", "serves": serves })),
    )
    .await;
    put("/scopes/old", json!({ "description": "Old" }))
        .to(&bench)
        .await
        .expect(201);
    bench
}

fn put(path: &str, body: Value) -> Call {
    Call::put(path).json(&body)
}

/// The same call, only tried.
fn tried(mut call: Call) -> Call {
    call.path += "?dry_run=true";
    call
}

/// Each operation that can be tried, by its name, with calls that would be done.
fn good() -> Vec<(&'static str, Call)> {
    let new = with(app(), json!({ "client_id": "new" }));
    let spa = json!({ "client_id": "spa", "type": "public", "grants": ["password"] });
    let described = || json!({ "description": "Now" });
    vec![
        ("create_client", Call::post("/clients").json(&new)),
        ("create_client", Call::post("/clients").json(&with(app(), spa))),
        (
            "update_client",
            Call::patch("/clients/app", &json!({ "name": "Renamed" })),
        ),
        ("delete_client", Call::delete("/clients/app")),
        ("put_scope", put("/scopes/new", described())),
        ("put_scope", put("/scopes/old", described())),
        ("delete_scope", Call::delete("/scopes/old")),
        (
            "put_resource_server",
            put("/resource-servers/urn:new", json!({ "client_id": "both" })),
        ),
        (
            "put_resource_server",
            put(
                "/resource-servers/urn:both",
                json!({ "client_id": "both", "access_token_lifetime": 60 }),
            ),
        ),
        (
            "delete_resource_server",
            Call::delete("/resource-servers/urn:both"),
        ),
    ]
}

/// The names of the operations that take the parameter, by the document, and of the other changes.
fn operations() -> (BTreeSet<String>, BTreeSet<String>) {
    let document = serde_json::to_value(document()).unwrap();
    let changes = catalogue()
        .into_iter()
        .filter(|listed| listed.method != Method::GET);
    let (tried, others): (Vec<_>, Vec<_>) = changes.partition(|listed| {
        let path = format!("{PREFIX}{}", listed.path);
        let described = &document["paths"][&path][listed.method.as_str().to_lowercase()];
        let parameters = described["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|it| it["name"] == "dry_run"))
    });
    let ids = |all: Vec<symbolon_admin_api::Listed>| all.into_iter().map(|listed| listed.id).collect();
    (ids(tried), ids(others))
}

#[tokio::test]
async fn what_is_only_tried_changes_nothing() {
    let bench = bench().await;
    let (before, settled) = (bench.state().await, bench.settled.times());
    let mut seen = BTreeSet::new();
    for (operation, call) in good() {
        seen.insert(operation.to_owned());
        let method = call.method.clone();
        let answer = tried(call).to(&bench).await;
        let status = if method == Method::DELETE { 204 } else { 200 };
        let answer = answer.expect(status);
        assert!(
            !answer.headers.contains_key(ETAG) && !answer.headers.contains_key(LOCATION),
            "{operation}"
        );
        assert_eq!(bench.state().await, before, "{operation}");
    }
    assert_eq!(bench.settled.times(), settled);
    assert!(bench.told.take().is_empty());
    assert_eq!(seen, operations().0);

    // In earnest each of them is done.
    for (operation, call) in good() {
        let bench = self::bench().await;
        let before = bench.state().await;
        let answer = call.to(&bench).await;
        assert!([200, 201, 204].contains(&answer.status), "{}", answer.text);
        assert_ne!(bench.state().await, before, "{operation}");
    }
}

#[tokio::test]
async fn the_answer_is_the_record_as_it_would_be() {
    let bench = bench().await;
    let new = with(app(), json!({ "client_id": "new" }));
    let would_be = tried(Call::post("/clients").json(&new))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(would_be.body["client_secret"], Value::Null);
    assert_eq!(would_be.body["secret_id"], Value::Null);
    let is = Call::post("/clients").json(&new).to(&bench).await.expect(201);
    let known = |answer: &Answer| {
        let mut client = answer.body["client"].clone();
        for made_up in ["uid", "secrets", "created", "created_ms"] {
            client.as_object_mut().unwrap().remove(made_up);
        }
        client
    };
    assert_eq!(known(&would_be), known(&is));

    let patch = json!({ "name": "Renamed", "access_token_lifetime": 60 });
    let would_be = tried(Call::patch("/clients/app", &patch)).to(&bench).await;
    let is = Call::patch("/clients/app", &patch).to(&bench).await;
    assert_eq!(would_be.expect(200).body, is.expect(200).body);
    for (path, body) in [
        ("/scopes/new", json!({ "description": "New" })),
        ("/resource-servers/urn:new", json!({ "client_id": "orders" })),
    ] {
        let would_be = tried(put(path, body.clone())).to(&bench).await.expect(200);
        assert_eq!(would_be.body, put(path, body).to(&bench).await.expect(201).body);
    }
}

#[tokio::test]
async fn what_would_be_refused_is_refused_alike() {
    let bench = bench().await;
    let rotator = json!({
        "client_id": "rotator", "scope": "keys:rotate", "audiences": ["urn:symbolon:admin"],
        "serves": [{ "audience": "urn:keys" }],
    });
    made(&bench, &with(app(), rotator)).await;
    let old = Call::get("/clients/app").to(&bench).await.etag();
    let patch = json!({ "access_token_lifetime": 60 });
    Call::patch("/clients/app", &patch).to(&bench).await.expect(200);
    bench.gate.lacking(&["keys:rotate"]);
    let before = bench.state().await;
    let make = |changes| Call::post("/clients").json(&with(app(), changes));
    let refused = [
        (409, make(json!({}))),
        (422, make(json!({ "client_id": "new", "grants": ["implicit"] }))),
        (422, make(json!({ "client_id": "new", "signing_alg": "RS256" }))),
        (422, make(json!({ "client_id": "new", "cors_origins": ["x"] }))),
        (422, make(json!({ "client_id": "new", "redirect": [] }))),
        (403, make(json!({ "client_id": "new", "scope": "keys:rotate" }))),
        (404, Call::patch("/clients/nobody", &json!({}))),
        (422, Call::patch("/clients/app", &json!({ "type": "public" }))),
        (
            403,
            Call::patch("/clients/app", &json!({ "scope": "keys:rotate" })),
        ),
        (403, Call::patch("/clients/rotator", &json!({ "name": "Mine" }))),
        (
            412,
            Call::patch("/clients/app", &json!({ "name": "Mine" })).if_match(&old),
        ),
        (403, Call::delete("/clients/rotator")),
        (404, Call::delete("/clients/nobody")),
        (412, Call::delete("/clients/app").if_match(&old)),
        (422, put("/scopes/new", json!({ "description": "a\nb" }))),
        (
            412,
            put("/scopes/old", json!({ "description": "x" })).if_match(&old),
        ),
        (404, Call::delete("/scopes/nobody")),
        (412, Call::delete("/scopes/old").if_match(&old)),
        (
            409,
            put("/resource-servers/urn:orders", json!({ "client_id": "app" })),
        ),
        (
            422,
            put("/resource-servers/urn:new", json!({ "client_id": "nobody" })),
        ),
        (
            403,
            put("/resource-servers/urn:new", json!({ "client_id": "rotator" })),
        ),
        (403, Call::delete("/resource-servers/urn:keys")),
        (409, Call::delete("/resource-servers/urn:orders")),
        (404, Call::delete("/resource-servers/urn:nobody")),
    ];
    for (status, call) in refused {
        let said = tried(call.clone()).to(&bench).await.expect(status);
        let done = call.to(&bench).await.expect(status);
        assert_eq!(said.body, done.body);
        assert_eq!(bench.state().await, before, "{}", said.text);
    }
}

/// Another change may see to it first.
#[tokio::test]
async fn who_serves_an_audience_is_not_looked_at() {
    let bench = bench().await;
    for changes in [
        json!({ "client_id": "new", "audiences": ["urn:nobody"] }),
        json!({ "client_id": "new", "serves": [{ "audience": "urn:orders" }] }),
    ] {
        let call = Call::post("/clients").json(&with(app(), changes));
        tried(call.clone()).to(&bench).await.expect(200);
        assert!([409, 422].contains(&call.to(&bench).await.status));
    }
}

#[tokio::test]
async fn what_can_not_be_tried_is_not_done_either() {
    let bench = bench().await;
    let before = bench.state().await;
    let (tried, others) = operations();
    assert!(
        others.contains("delete_user") && others.contains("rotate_keys"),
        "{others:?}"
    );
    for listed in catalogue()
        .into_iter()
        .filter(|listed| others.contains(&listed.id))
    {
        let path = listed.path.replace(['{', '}'], "");
        for asked in ["true", "false"] {
            let call = Call::new(listed.method.clone(), &format!("{path}?dry_run={asked}"));
            let answer = call.to(&bench).await.expect(400);
            assert!(answer.text.contains("no parameter dry_run"), "{}", answer.text);
        }
    }
    for listed in catalogue()
        .into_iter()
        .filter(|listed| tried.contains(&listed.id))
    {
        let path = listed.path.replace(['{', '}'], "");
        for asked in ["dry_run=", "dry_run=1", "dry_run=true&dry_run=false"] {
            let call = Call::new(listed.method.clone(), &format!("{path}?{asked}"));
            call.to(&bench).await.expect(400);
        }
    }
    assert_eq!(bench.state().await, before);
    let call = Call::delete("/scopes/old?dry_run=false");
    call.to(&bench).await.expect(204);
    assert_ne!(bench.state().await, before);
}

#[tokio::test]
async fn a_try_takes_no_idempotency_key() {
    let bench = bench().await;
    let body = with(
        orders(),
        json!({ "client_id": "new", "serves": [{ "audience": "urn:new" }] }),
    );
    let make = || Call::post("/clients").json(&body).key("k1");
    for _ in 0..2 {
        let answer = tried(make()).to(&bench).await.expect(200);
        assert!(!answer.headers.contains_key("idempotency-replayed"));
    }
    make().to(&bench).await.expect(201);
}

#[tokio::test]
async fn a_parameter_that_an_operation_does_not_have_is_refused_and_nothing_is_done() {
    let bench = bench().await;
    let before = bench.state().await;
    let unknown = [
        "dry-run=true",
        "Dry_run=true",
        "DRY%5FRUN=1",
        "dryrun",
        "reasons=x",
        "=",
        "%00=1",
    ];
    for listed in catalogue() {
        let path = listed.path.replace(['{', '}'], "");
        for query in unknown {
            let call = Call::new(listed.method.clone(), &format!("{path}?{query}")).json(&json!({}));
            let answer = call.to(&bench).await.expect(400);
            assert!(answer.text.contains("has no parameter"), "{}", answer.text);
        }
    }
    for (operation, mut call) in good() {
        call.path += "?reason=x&dry-run=true";
        let answer = call.to(&bench).await.expect_fields(400, &["dry-run"]);
        assert!(
            answer.text.contains("it has reason, dry_run"),
            "{operation}: {}",
            answer.text
        );
    }
    assert_eq!(bench.state().await, before);
    assert!(bench.keys.orders().is_empty());
}
