//! `If-Match: *` and `If-None-Match: *`: whether a record is to be replaced or to be made.

use http::header::IF_NONE_MATCH;
use serde_json::json;

use crate::bench::{Bench, Call};
use crate::clients::{made, orders};

fn to_replace(call: Call) -> Call {
    call.if_match("*")
}

fn to_make(call: Call) -> Call {
    call.header(IF_NONE_MATCH, "*")
}

#[tokio::test]
async fn a_record_is_made_or_replaced_as_is_meant() {
    let bench = Bench::new().await;
    made(&bench, &orders()).await;
    for (path, first, second) in [
        ("/roles/staff", json!({ "scope": "a" }), json!({ "scope": "b" })),
        (
            "/scopes/a",
            json!({ "description": "one" }),
            json!({ "description": "two" }),
        ),
        (
            "/resource-servers/urn:new",
            json!({ "client_id": "orders" }),
            json!({ "client_id": "orders", "access_token_lifetime": 60 }),
        ),
    ] {
        let put = |body| Call::put(path).json(body);
        let refused = async |call: Call| {
            let before = bench.state().await;
            assert_eq!(call.to(&bench).await.expect(412).kind(), "stale", "{path}");
            assert_eq!(bench.state().await, before, "{path}");
        };
        refused(to_replace(put(&first))).await;
        to_make(put(&first)).to(&bench).await.expect(201);
        refused(to_make(put(&first))).await;
        refused(to_make(put(&second))).await;
        refused(to_make(Call::delete(path))).await;
        to_replace(put(&second)).to(&bench).await.expect(200);
        to_replace(Call::delete(path)).to(&bench).await.expect(204);
    }
}

#[tokio::test]
async fn a_condition_that_can_not_be_meant_is_refused() {
    let bench = Bench::new().await;
    let before = bench.state().await;
    let put = || Call::put("/roles/staff").json(&json!({ "scope": "a" }));
    for call in [
        to_make(to_replace(put())),
        put().header(IF_NONE_MATCH, "\"00112233445566778899aabbccddeeff\""),
    ] {
        assert_eq!(call.to(&bench).await.expect(400).kind(), "malformed");
    }
    assert_eq!(bench.state().await, before);
}
