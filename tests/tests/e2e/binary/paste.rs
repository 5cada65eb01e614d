//! What `serve --dev` prints for people, pasted into a shell.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use symbolon_tests::binary::Site;

/// Runs a script as bash reads it from a terminal: line by line.
fn paste(script: &str) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let mut bash = Command::new("bash")
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash is installed");
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success(), "curl is installed: {:?}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_printed_lines_run_in_a_shell() {
    let site = Site::dev();
    let mut server = site.spawn("", ["serve", "--dev", "--listen", "127.0.0.1:0"]);
    let mut printed = String::new();
    while !printed.contains("jwks.json") {
        printed.push_str(&server.line().await.expect("the server starts"));
    }
    assert!(printed.contains("NOT FOR PRODUCTION"), "{printed}");
    let (_, script) = printed.split_once("Paste into a shell:\n").unwrap();
    let output = tokio::task::spawn_blocking({
        let script = script.to_owned();
        move || paste(&script)
    })
    .await
    .unwrap();

    let lines: Vec<&str> = output.lines().collect();
    let [login, refreshed, active, revoked, inactive, keys] = lines[..] else {
        panic!("six lines, not {output}");
    };
    let json = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let (login, refreshed) = (json(login), json(refreshed));
    for token in ["access_token", "refresh_token"] {
        assert!(login[token].is_string(), "{login}");
        assert!(refreshed[token].is_string(), "{refreshed}");
        assert_ne!(login[token], refreshed[token]);
    }
    assert_eq!(json(active)["active"], true);
    assert_eq!(json(active)["scope"], "orders:read orders:write");
    assert_eq!(revoked, "200");
    assert_eq!(inactive, r#"{"active":false}"#);
    assert!(!json(keys)["keys"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_second_start_says_that_secrets_were_shown() {
    let site = Site::dev();
    let first = site.serve().await;
    let secret = first.text("/confidential_client/client_secret").to_owned();
    first.stop().await;
    let mut server = site.spawn("", ["serve", "--dev", "--listen", "127.0.0.1:0"]);
    let mut printed = String::new();
    while !printed.contains("another --data-dir") {
        printed.push_str(&server.line().await.expect("the server starts"));
    }
    assert!(printed.contains("showed the secrets once"), "{printed}");
    assert!(!printed.contains("curl"), "{printed}");
    assert_eq!(site.transcript().out().matches(&secret).count(), 1);
    assert_eq!(site.transcript().err().matches(&secret).count(), 0);
}
