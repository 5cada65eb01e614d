//! The register of scopes, and resource servers.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_scope_is_put_on_the_register_and_taken_off() {
    let bench = Bench::new().await;
    let put = async |description: &str| {
        let args = [
            "scope",
            "put",
            "orders:read",
            "--json",
            "--description",
            description,
        ];
        bench.run_args(&mut Script::default(), &args).await.json()
    };
    assert_eq!(
        put("Read orders").await,
        json!({ "done": "put", "name": "orders:read", "description": "Read orders" })
    );
    bench
        .run("scope put orders:read --new --description x")
        .await
        .refused(4, "--new: there is one already");
    put("See orders").await;
    assert_eq!(
        bench.json("", "scope list").await,
        json!({ "scopes": [{ "name": "orders:read", "description": "See orders" }] })
    );
    assert_eq!(
        bench.json("", "scope show orders:read").await,
        json!({ "name": "orders:read", "description": "See orders" })
    );
    let hostile = ["scope", "put", "a", "--description", "a\u{1b}[31m"];
    bench
        .run_args(&mut Script::default(), &hostile)
        .await
        .refused(2, "--description: ");
    bench
        .run("scope delete orders:read")
        .await
        .refused(2, "give --yes");
    let gone = bench.json("", "scope delete orders:read --yes").await;
    assert_eq!(gone, json!({ "done": "deleted", "name": "orders:read" }));
    bench
        .run("scope delete orders:read --yes")
        .await
        .refused(3, "there is no such scope");
    assert_eq!(bench.json("", "scope list").await, json!({ "scopes": [] }));
}

#[tokio::test]
async fn names_that_would_lead_elsewhere_in_a_path_are_refused() {
    let bench = Bench::new().await;
    for line in [
        "scope put . --description x",
        "scope delete .. --yes",
        "client show .",
        "client show ..",
        "client disable ..",
        "client rotate-secret .",
    ] {
        bench.run(line).await.refused(2, "can't stand in a path");
    }
    for id in ["", "a\n"] {
        let args = ["client", "show", id];
        let shown = bench.run_args(&mut Script::default(), &args).await;
        shown.refused(2, "can't stand in a path");
    }
}

#[tokio::test]
async fn a_resource_server_is_put_shown_and_deleted() {
    let bench = Bench::new().await;
    bench
        .json("", "client add --name API --client-id api --serves urn:first")
        .await;
    let second = "https://api.example/v1?a=b";
    let line =
        format!("resource-server put {second} --client api --signing-alg ES256 --access-token-lifetime 1m");
    let put = bench.json("", &line).await;
    let expected = json!({
        "audience": second, "client_id": "api", "client_uid": put["client_uid"], "active": true,
        "signing_alg": "ES256", "access_token_lifetime": 60,
    });
    let shown = bench.json("", &format!("resource-server show {second}")).await;
    assert_eq!(shown, expected);
    assert_eq!(put["done"], "put");

    let listed = bench.json("", "resource-server list --limit 1").await;
    assert_eq!(listed["resource_servers"], json!([expected]));
    let cursor = listed["next"].as_str().unwrap();
    let rest = bench
        .json("", &format!("resource-server list --after {cursor}"))
        .await;
    assert_eq!(rest["resource_servers"][0]["audience"], "urn:first");
    let table = bench.run("resource-server list").await.out;
    assert!(table.contains("ES256") && table.contains("1m"), "{table}");

    bench
        .run(&format!("resource-server put {second} --client api --new"))
        .await
        .refused(4, "--new: there is one already");
    // What is not given is taken away.
    let put = bench
        .json("", &format!("resource-server put {second} --client api"))
        .await;
    assert_eq!(
        (&put["signing_alg"], &put["access_token_lifetime"]),
        (&Value::Null, &Value::Null)
    );

    for (line, code, said) in [
        (
            "put urn:x --client nobody",
            2,
            "--client: there is no such client",
        ),
        (
            "put urn:x --client api --signing-alg RS256",
            2,
            "--signing-alg: the server has no RS256 key",
        ),
        (
            "put urn:x --client api --access-token-lifetime 2h",
            2,
            "--access-token-lifetime: ",
        ),
        ("show urn:x", 3, "nobody serves \"urn:x\""),
        ("delete urn:x --yes", 3, "nobody serves \"urn:x\""),
        ("delete urn:first", 2, "give --yes"),
    ] {
        bench
            .run(&format!("resource-server {line}"))
            .await
            .refused(code, said);
    }
    bench.json("", "resource-server delete urn:first --yes").await;
    bench
        .run(&format!("resource-server delete {second} --yes"))
        .await
        .refused(2, "is nothing but this resource server");
}
