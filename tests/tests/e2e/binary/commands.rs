//! The command line beside a running server.

use serde_json::Value;
use symbolon_tests::binary::{Credentials, Ended, Site};

use super::{Cast, Dev};

const FIRST: &str = "the first password of bob";
const SECOND: &str = "the second password of bob";

/// Asserts that a command with `--json` was refused with this exit code and kind, and said this.
#[track_caller]
fn assert_refused(ended: &Ended, code: i32, kind: &str, said: &str) {
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(code), ""),
        "{}",
        ended.err
    );
    let error: Value = serde_json::from_str(ended.err.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"], kind);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(said), "{message}");
}

/// Asserts that each of these was written so often in all by any process, to standard output alone.
#[track_caller]
fn assert_written(site: &Site, times: usize, secrets: &[&str]) {
    let (out, err) = (site.transcript().out(), site.transcript().err());
    for secret in secrets {
        assert!(secret.len() >= 16, "long enough to be told from other text");
        assert_eq!(out.matches(secret).count(), times, "{secret}");
        assert!(!err.contains(secret), "{secret} is in a log or a message");
    }
}

#[tokio::test]
async fn a_change_of_a_user_holds_when_the_command_returns() {
    let mut site = Site::dev();
    site.set("SYMBOLON_LOG_LEVEL", "debug");
    let dev = Dev::start_on(site).await;
    let Cast { app, api, .. } = dev.cast.clone();
    let (site, remote, app, api) = (&dev.site, &dev.remote, &app, &api);
    let mut tokens: Vec<String> = Vec::new();

    let put = site.json("role put reader --scope orders:read").await;
    assert_eq!(
        (&put["done"], &put["scope"]),
        (&"put".into(), &"orders:read".into())
    );
    let added = site
        .json_typed(
            FIRST,
            "user add bob --email bob@example.org --role reader --password-stdin",
        )
        .await;
    assert_eq!(
        (&added["done"], &added["username"]),
        (&"added".into(), &"bob".into())
    );
    let subject = added["subject"].as_str().unwrap();
    let login = remote.login(app, "bob@example.org", FIRST).await;
    assert_eq!(login.ok()["scope"], "orders:read", "what the role gives");
    tokens.extend(["access_token", "refresh_token"].map(|name| login.text(name)));

    let taken = site
        .run_typed(FIRST, "user add BOB --password-stdin --json")
        .await;
    assert_refused(&taken, 4, "taken", "username: it is taken");
    let weak = site
        .run_typed("short", "user set-password bob --password-stdin --json")
        .await;
    assert_refused(
        &weak,
        2,
        "refused",
        "password: a password must be 8 to 1024 bytes",
    );
    remote.login(app, "bob", FIRST).await.ok();

    // A new password ends what the old one began.
    let set = site
        .json_typed(SECOND, "user set-password bob --password-stdin")
        .await;
    assert_eq!(set["done"], "password_set");
    remote
        .refresh(app, &login.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    assert!(!remote.is_active(api, &login.text("access_token")).await);
    remote
        .login(app, "bob", FIRST)
        .await
        .assert_error(400, "invalid_grant");
    let login = remote.login(app, "bob", SECOND).await;
    login.ok();
    let refreshed = remote.refresh(app, &login.text("refresh_token")).await;
    refreshed.ok();
    tokens.extend(["access_token", "refresh_token"].map(|name| refreshed.text(name)));

    // So does disabling; enabling revives nothing.
    let alice = dev.login().await;
    assert_eq!(site.json("user disable bob").await["active"], false);
    for again in [false, true] {
        if again {
            assert_eq!(site.json("user enable bob").await["active"], true);
        } else {
            remote
                .login(app, "bob", SECOND)
                .await
                .assert_error(400, "invalid_grant");
        }
        remote
            .refresh(app, &refreshed.text("refresh_token"))
            .await
            .assert_error(400, "invalid_grant");
        assert!(!remote.is_active(api, &refreshed.text("access_token")).await);
    }
    let login = remote.login(app, "bob", SECOND).await;
    login.ok();
    assert!(
        remote.is_active(api, &login.text("access_token")).await,
        "what begins afterwards lives"
    );
    assert!(remote.is_active(api, &alice.0).await, "nobody else was touched");

    let unconfirmed = site.run("user delete bob --json").await;
    assert_refused(&unconfirmed, 2, "refused", "give --yes");
    assert!(remote.is_active(api, &login.text("access_token")).await);
    assert_eq!(site.json("user delete bob --yes").await["subject"], subject);
    assert!(!remote.is_active(api, &login.text("access_token")).await);
    let gone = site.run("user show bob --json").await;
    assert_refused(&gone, 3, "not_found", "there is no user");

    dev.server.stop().await;
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    assert_written(&dev.site, 0, &tokens);
    assert_written(&dev.site, 0, &[FIRST, SECOND, &alice.0, &alice.1]);
    assert_written(&dev.site, 1, &[&app.secret, &api.secret, &dev.cast.password]);
}

#[tokio::test]
async fn a_change_of_a_client_holds_when_the_command_returns() {
    let dev = Dev::start().await;
    let cast = dev.cast.clone();
    let (site, remote, api) = (&dev.site, &dev.remote, &cast.api);
    let audience = dev.server.text("/resource_server/audience");
    let add = format!(
        "client add --name Shop --client-id shop --grant password --grant refresh_token --scope orders:read \
         --default-scope orders:read --audience {audience}"
    );
    let added = site.json(&add).await;
    let shop = Credentials::of(&added);
    assert_eq!(added["done"], "added");
    assert!(
        site.transcript().err().contains("RFC 9700"),
        "the password grant is warned of"
    );
    let taken = site.run(&format!("{add} --json")).await;
    assert_refused(&taken, 4, "taken", "--client-id: it is taken");
    let unserved = site
        .run("client add --name X --grant client_credentials --scope read --audience https://nobody.example --json")
        .await;
    assert_refused(&unserved, 2, "refused", "nobody serves");

    let login = remote.login(&shop, &cast.username, &cast.password).await;
    assert_eq!(login.ok()["scope"], "orders:read");
    let other = dev.login().await;

    // Two secrets for as long as they overlap, and then one.
    let rotated = site.json("client rotate-secret shop").await;
    assert!(rotated["old_secret_until"].is_string());
    let second = Credentials::of(&rotated);
    let mut refresh = login.text("refresh_token");
    for secret in [&shop, &second] {
        let reply = remote.refresh(secret, &refresh).await;
        reply.ok();
        refresh = reply.text("refresh_token");
    }
    let third = Credentials::of(&site.json("client rotate-secret shop --overlap 0s --yes").await);
    for dead in [&shop, &second] {
        remote
            .refresh(dead, &refresh)
            .await
            .assert_error(401, "invalid_client");
    }
    let refreshed = remote.refresh(&third, &refresh).await;
    refreshed.ok();
    let public = site.run("client rotate-secret dev-public-app --json").await;
    assert_refused(&public, 2, "refused", "a public client has no secret");

    assert_eq!(site.json("client disable shop").await["active"], false);
    remote
        .refresh(&third, &refreshed.text("refresh_token"))
        .await
        .assert_error(401, "invalid_client");
    assert!(!remote.is_active(api, &refreshed.text("access_token")).await);
    remote
        .login(&third, &cast.username, &cast.password)
        .await
        .assert_error(401, "invalid_client");
    assert!(
        remote.is_active(api, &other.0).await,
        "no other client was touched"
    );
    assert_eq!(site.json("client enable shop").await["active"], true);
    remote
        .refresh(&third, &refreshed.text("refresh_token"))
        .await
        .assert_error(400, "invalid_grant");
    let login = remote.login(&third, &cast.username, &cast.password).await;
    login.ok();
    assert!(remote.is_active(api, &login.text("access_token")).await);

    let shown = site.json("client show shop").await;
    assert_eq!(
        (&shown["client_id"], &shown["active"]),
        (&"shop".into(), &true.into())
    );
    let listed = site.json("client list").await;
    let ids: Vec<_> = listed["clients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["client_id"])
        .collect();
    let of_dev = ["dev-api", "dev-app", "dev-public-app", "dev-admin"];
    assert_eq!(ids, [&of_dev[..], &["shop"]].concat());

    assert_eq!(site.json("client delete shop --yes").await["done"], "deleted");
    assert!(!remote.is_active(api, &login.text("access_token")).await);
    remote
        .login(&third, &cast.username, &cast.password)
        .await
        .assert_error(401, "invalid_client");
    let gone = site.run("client show shop --json").await;
    assert_refused(&gone, 3, "not_found", "there is no client");

    dev.server.stop().await;
    assert_written(&dev.site, 1, &[&shop.secret, &second.secret, &third.secret]);
    assert_written(
        &dev.site,
        1,
        &[&cast.app.secret, &cast.api.secret, &cast.password],
    );
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    assert_written(&dev.site, 0, &[&access, &refresh, &other.0, &other.1]);
    let key = std::fs::read_to_string(dev.site.path("data/encryption-key")).unwrap();
    assert_written(&dev.site, 0, &[key.trim()]);
}

#[tokio::test]
async fn what_is_there_is_shown() {
    let dev = Dev::start().await;
    let site = &dev.site;
    let keys = site.json("keys list").await;
    let keys = keys["keys"].as_array().unwrap();
    let published = dev.remote.get(dev.server.text("/jwks_uri")).await.ok();
    for key in keys {
        assert_eq!(key["alg"], "ES256");
        let is_it = |other: &Value| other["kid"] == key["kid"];
        assert!(published["keys"].as_array().unwrap().iter().any(is_it), "{key}");
    }
    let mut states: Vec<_> = keys.iter().map(|key| key["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["active", "pending"]);

    let explained = site.json("config explain").await;
    let settings = explained["settings"].as_array().unwrap();
    let row = |key: &str| settings.iter().find(|row| row["key"] == key).unwrap();
    let key = row("keys.encryption_key");
    assert_eq!(
        (&key["value"], &key["source"]),
        (&"(secret, 44 characters)".into(), &"--data-dir".into())
    );
    assert_eq!(row("tokens.session_lifetime")["value"], "90d");
    assert_eq!(
        row("tokens.session_lifetime")["env"],
        "SYMBOLON_TOKENS_SESSION_LIFETIME"
    );
    for row in settings {
        assert!(!row["meaning"].as_str().unwrap().is_empty(), "{row}");
    }

    let status = site.json("migrate --status").await;
    assert_eq!(status["pending"], 0);
    assert_eq!(status["steps"][0]["applied"], true);
    assert_eq!(site.json("migrate").await["taken"], 0);

    let roles = site.json("role list").await;
    assert_eq!(roles["roles"][0]["scope"], "orders:read orders:write");
    let user = site.json("user show alice").await;
    assert_eq!(
        (&user["username"], &user["roles"][0]),
        (&"alice".into(), &"user".into())
    );
    let page = site.json("client list --limit 2").await;
    assert_eq!(page["clients"].as_array().unwrap().len(), 2);
    let cursor = page["next"].as_str().unwrap();
    let rest = site
        .json(&format!("client list --limit 2 --after {cursor}"))
        .await;
    assert_eq!(
        (rest["clients"].as_array().unwrap().len(), &rest["next"]),
        (2, &Value::Null)
    );
    let forged = site.run(&format!("client list --after {cursor}x --json")).await;
    assert_eq!(forged.code, Some(2), "{}", forged.err);
    let borrowed = site.run(&format!("user list --after {cursor} --json")).await;
    assert_eq!(borrowed.code, Some(2), "another list's cursor: {}", borrowed.err);
}

#[tokio::test]
async fn the_command_line_itself_is_refused_with_its_usage() {
    let site = Site::dev();
    for (line, said) in [
        ("client list --no-such-flag --json", "--no-such-flag"),
        ("client add --json", "--name"),
        (
            "user add bob --password secret-on-the-command-line --json",
            "--password",
        ),
        ("conquer --json", "conquer"),
    ] {
        let ended = site.run(line).await;
        assert_refused(&ended, 2, "refused", said);
    }
    // No folder is made by looking into it.
    let nowhere = site.run("client list --offline --json").await;
    assert_refused(&nowhere, 2, "refused", "serve --dev --data-dir");
    assert!(!site.path("data").exists());
    let help = site.run("--help").await;
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("Exit codes:"), "{}", help.out);
}

#[tokio::test]
async fn nobody_ends_their_own_login_by_mistake() {
    let dev = Dev::start().await;
    let site = &dev.site;
    let file = site.write(
        "own.toml",
        "[[client]]\nclient_id = \"dev-admin\"\nname = \"Admin\"\ngrants = [\"client_credentials\"]\nscope = \"clients:read\"\n\
         audiences = [\"urn:symbolon:admin\"]\n",
    );
    let apply = format!("apply -f {} --yes", file.display());
    for line in [
        apply.as_str(),
        "client disable dev-admin",
        "client delete dev-admin --yes",
        "client update dev-admin --scope clients:read",
        "client rotate-secret dev-admin --overlap 0s --yes",
    ] {
        let refused = site.run(&format!("{line} --json")).await;
        assert_refused(&refused, 2, "refused", "give --own if that is meant");
    }
    site.json("client list").await;
    let meant = site.run(&format!("{apply} --own --json")).await;
    assert_eq!(meant.code, Some(0), "{}", meant.err);
    let over = site.run("user list --json").await;
    assert_eq!(over.code, Some(8), "{}", over.err);
}
