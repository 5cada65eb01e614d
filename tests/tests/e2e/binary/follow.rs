//! `audit follow`, at a server that goes away for a while.

use serde_json::Value;
use symbolon_tests::binary::{Process, Site, free_port};

/// The next record that a role was made, and its position.
async fn next_role(follower: &mut Process) -> (String, u64) {
    loop {
        let line = follower.line().await.unwrap();
        let record: Value = serde_json::from_str(&line).unwrap();
        if record["event"]["event"] == "role.put" {
            let name = record["event"]["target"]["id"].as_str().unwrap();
            return (name.to_owned(), record["seq"].as_u64().unwrap());
        }
    }
}

#[tokio::test]
async fn the_trail_is_followed_past_a_restart_and_nothing_is_missing() {
    let (listen, admin) = (free_port(), free_port());
    let site = Site::configured(&format!("http://{listen}"), listen, "");
    site.reconfigure(
        "admin.listen = \"127.0.0.1:0\"",
        &format!("admin.listen = \"{admin}\""),
    );
    let server = site.serve().await;
    let made = site.json("bootstrap --client-id ada").await;
    let secret = made["client_secret"].as_str().unwrap();
    let login = format!("--login {}", site.path("login.json").display());
    let line = format!("login --server http://{admin} --client-id ada --secret-stdin {login}");
    site.json_typed(secret, &line).await;
    let put = async |name: &str| {
        let line = format!("role put {name} --scope a {login}");
        site.json(&line).await;
    };
    put("before").await;

    let line = format!("audit follow --json {login}");
    let mut follower = site.spawn("", line.split(' '));
    // Where it begins is known once it has its token: a record of that is on the trail before its stream is.
    let mut first = 0;
    while first == 0 {
        put("first").await;
        first = match tokio::time::timeout(std::time::Duration::from_secs(2), follower.line()).await {
            Ok(Some(line)) => serde_json::from_str::<Value>(&line).unwrap()["seq"]
                .as_u64()
                .unwrap(),
            Ok(None) => panic!("{}", follower.err()),
            Err(_) => 0,
        };
    }
    server.stop().await;
    // Nobody streams what is written now.
    site.json("--offline role put meanwhile --scope a").await;
    let server = site.serve().await;
    put("after").await;
    let mut seen = Vec::new();
    let mut last = first;
    while seen.last().is_none_or(|name| name != "after") {
        let (name, seq) = next_role(&mut follower).await;
        assert!(seq > last, "none comes twice");
        last = seq;
        seen.push(name);
    }
    seen.retain(|name| name != "first");
    assert_eq!(seen, ["meanwhile", "after"]);
    let said = follower.err();
    assert!(said.contains("taken up again"), "{said}");

    // A login that has been taken away ends it.
    site.json("--offline client disable ada").await;
    let ended = follower.end().await;
    assert_eq!(ended.code, Some(8), "{}", ended.err);
    server.stop().await;
}
