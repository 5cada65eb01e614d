//! What the command line accepts.

use clap::{CommandFactory as _, Parser as _};

use super::super::revoke::RevokeCommand;
use super::*;

fn refusal(line: &str) -> String {
    let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{line}");
    error.to_string()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn help_tells_the_exit_codes() {
    let help = Cli::command().render_long_help().to_string();
    for code in [
        "0  done",
        "1  failed",
        "2  usage",
        "3  not found",
        "4  taken",
        "5  unconfirmed",
    ] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn global_flags_stand_anywhere() {
    for line in [
        "symbolon --json --data-dir d user list",
        "symbolon user list --data-dir d --json",
        "symbolon user --json list --data-dir d",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert!(cli.global.json, "{line}");
        assert_eq!(cli.global.data_dir.unwrap().to_str(), Some("d"));
    }
}

#[test]
fn cursors_may_begin_with_a_hyphen() {
    let line = "symbolon user list --after -rX_9 --json";
    let cli = Cli::try_parse_from(line.split(' '));
    assert!(cli.is_ok_and(|cli| cli.global.json));
}

#[test]
fn key_ids_may_begin_with_a_hyphen() {
    for kid in ["-hV7_nyzvpVfYlS6", "--yes-dry-run_Zz", "-"] {
        for line in [
            format!("keys activate {kid} --dry-run --json"),
            format!("keys compromise --reason x {kid} --json"),
            format!("keys export-public --json {kid}"),
            format!("keys retire --dangerous-now {kid} --json"),
            format!("revoke key --reason x {kid} --json"),
        ] {
            let cli = Cli::try_parse_from(format!("symbolon {line}").split(' ')).unwrap();
            assert!(
                cli.global.json && format!("{:?}", cli.command).contains(&format!("{kid:?}")),
                "{line}"
            );
        }
    }
}

#[test]
fn a_reason_for_a_compromise_fits_the_record() {
    let parsed = |reason: &str| {
        let line = ["symbolon", "keys", "compromise", "k", "--reason", reason];
        Cli::try_parse_from(line).map(|cli| format!("{:?}", cli.command))
    };
    assert!(parsed(&"ä".repeat(200)).is_ok());
    assert!(parsed(&"ä".repeat(201)).is_err());
    assert!(parsed("  stolen laptop ").unwrap().contains("\"stolen laptop\""));
}

#[test]
fn help_on_keys_says_what_happens_and_what_to_do_when_it_is_refused() {
    for (name, said) in [
        (
            "activate",
            &[
                "active key of its algorithm retires",
                "wait as long as the message says",
            ][..],
        ),
        (
            "compromise",
            &[
                "The key leaves the key set at once",
                "revocation log",
                "can't be undone",
                "--yes",
            ],
        ),
        (
            "export-public",
            &["public keys that are published", "jwks:", "pem:"],
        ),
        (
            "generate",
            &["takes over on schedule", "keys.publish_before_signing"],
        ),
        (
            "import",
            &[
                "PKCS#8, PKCS#1, SEC1",
                "JWK",
                "64 KiB",
                "standard input",
                "never taken twice",
            ],
        ),
        (
            "list",
            &["what is next for each, and when", "retired or compromised"],
        ),
        (
            "retire",
            &["keys.publish_after_signing", "symbolon keys compromise"],
        ),
        (
            "rewrap",
            &[
                "keys.previous_encryption_key",
                "can be run again",
                "which key-encryption keys any record still needs",
            ],
        ),
        (
            "rotate",
            &[
                "Refused as a whole",
                "wait as long as the message says",
                "--dangerous-now",
            ],
        ),
    ] {
        let mut cli = Cli::command();
        let keys = cli.find_subcommand_mut("keys").unwrap();
        let help = keys
            .find_subcommand_mut(name)
            .unwrap()
            .render_long_help()
            .to_string();
        let help: Vec<_> = help.split_whitespace().collect();
        let help = help.join(" ");
        for said in said {
            assert!(help.contains(said), "{name}: {help}");
        }
        let changes = !["export-public", "list"].contains(&name);
        assert_eq!(
            help.contains("Only show what would happen, and when"),
            changes,
            "{name}"
        );
    }
}

#[test]
fn every_command_takes_json() {
    for line in [
        "serve",
        "serve --dev --listen 127.0.0.1:0 --data-dir d",
        "migrate",
        "migrate --status",
        "config explain",
        "config example",
        "config check",
        "user add alice --email a@b.c --role r",
        "user list --limit 5 --after x",
        "user show alice",
        "user disable alice",
        "user enable alice",
        "user delete alice --yes",
        "user set-password alice --password-stdin",
        "user set-roles alice r s",
        "user set-roles alice --none",
        "user set-roles alice --role r --role s",
        "role put r --scope a --scope b",
        "role list",
        "role delete r",
        "client add --name n",
        "client list",
        "client list --active --prefix a",
        "client list --active=false --limit 5 --after x",
        "client list --active false",
        "client export --active false",
        "user list --active",
        "user list --active=false",
        "client export --prefix a",
        "client import - --dry-run --reason r",
        "client show i",
        "client update i --name n",
        "client disable i",
        "client enable i",
        "client delete i",
        "client rotate-secret i --overlap 0s",
        "resource-server list --limit 5",
        "resource-server show urn:a",
        "resource-server put urn:a --client c --signing-alg ES256 --access-token-lifetime 1m",
        "resource-server delete urn:a --yes",
        "scope put s --description d --reason r",
        "scope list",
        "scope delete s --yes",
        "keys activate k --dangerous-now --dry-run",
        "keys compromise k --reason leaked --yes --dry-run",
        "keys compromise --all --reason leaked",
        "keys export-public --format pem",
        "keys export-public k",
        "keys generate --alg ES256 --dry-run",
        "keys import key.pem --alg PS256 --dry-run",
        "keys import -",
        "keys list --all",
        "keys retire k --dangerous-now --dry-run",
        "keys rewrap --dry-run",
        "keys rotate --alg RS256 --dangerous-now --dry-run",
        "passwords calibrate --target 20ms",
    ] {
        let cli = Cli::try_parse_from(format!("symbolon {line} --json").split(' '));
        assert!(cli.is_ok_and(|cli| cli.global.json), "{line}");
    }
}

#[test]
fn refuses_what_is_malformed() {
    for (line, said) in [
        (
            "symbolon user add alice --password hunter2",
            "unexpected argument '--password'",
        ),
        (
            "symbolon user add alice --password-stdin --password-hash-stdin",
            "cannot be used with",
        ),
        ("symbolon user add alice --role Admin", "a role name is"),
        ("symbolon user set-roles alice", "required"),
        ("symbolon user list --limit 0", "0 is not in 1..=500"),
        ("symbolon user list --limit 501", "501 is not in 1..=500"),
        ("symbolon role put r", "required"),
        ("symbolon client add --name n --client-id a:b", "a client id is"),
        (
            "symbolon client add --name n --client-id 0190b0a0-0000-7000-8000-000000000000",
            "a UUID could be taken",
        ),
        (
            "symbolon client add --name n --client-id 0190b0a0000070008000000000000000",
            "a UUID could be taken",
        ),
        (
            "symbolon client add --name n --grant implicit",
            "unknown grant type",
        ),
        ("symbolon client add --name n --audience /api", "absolute URI"),
        (
            "symbolon client add --name n --rotation sometimes",
            "unknown rotation policy",
        ),
        (
            "symbolon client add --name n --auth-method tls",
            "unknown authentication method",
        ),
        ("symbolon client add --name n --signing-alg none", "--signing-alg"),
        (
            "symbolon client add --name n --late-recoveries 300",
            "--late-recoveries",
        ),
        (
            "symbolon client add --name n --access-token-lifetime 1.5s",
            "--access-token-lifetime",
        ),
        ("symbolon client update i --public", "unexpected argument"),
        ("symbolon client update i --clear name", "invalid value"),
        ("symbolon client rotate-secret i --overlap 31d", "at most 30d"),
        (
            "symbolon client rotate-secret i --overlap 1500ms",
            "give whole seconds",
        ),
        ("symbolon client list --active=maybe", "invalid value"),
        (
            "symbolon client add --name n --serves urn:a,lifetime=x",
            "is no duration",
        ),
        ("symbolon client import", "required"),
        ("symbolon resource-server show /api", "absolute URI"),
        ("symbolon resource-server put urn:a", "--client"),
        ("symbolon scope put s", "--description"),
        ("symbolon scope delete é", "invalid value"),
        ("symbolon keys activate ../x", "a key id is 1 to 128 characters"),
        ("symbolon keys retire", "required"),
        ("symbolon keys generate", "--alg"),
        ("symbolon keys generate --alg HS256", "unknown signing algorithm"),
        ("symbolon keys rotate --alg es256", "unknown signing algorithm"),
        (
            "symbolon keys import k.pem --alg ES256",
            "only an RSA key is for one of RS256, PS256",
        ),
        ("symbolon keys import", "required"),
        ("symbolon keys compromise --reason x", "<KID|--all>"),
        (
            "symbolon keys compromise k --all --reason x",
            "cannot be used with",
        ),
        ("symbolon keys compromise k", "--reason <TEXT>"),
        (
            "symbolon keys compromise k --reason \n",
            "give 1 to 200 characters on one line",
        ),
        (
            "symbolon keys compromise k --reason a\u{7}b",
            "give 1 to 200 characters on one line",
        ),
        (
            "symbolon keys export-public --format der",
            "possible values: jwks, pem",
        ),
        ("symbolon serve --listen localhost", "--listen"),
        ("symbolon passwords calibrate --target 1h", "5ms to 2s"),
    ] {
        let text = refusal(line);
        assert!(text.contains(said), "{line}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_password_is_not_repeated_from_the_arguments() {
    let text = refusal("symbolon user add alice --password=hunter2");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_revocation_has_a_reason_and_a_bounded_wait() {
    let wait = |line: &str| {
        let line = format!("symbolon revoke subject alice --reason x{line}");
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Revoke(RevokeCommand::Subject(args)) => {
                (args.order.wait.as_millis(), args.order.no_wait)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(wait(""), (10_000, false));
    assert_eq!(wait(" --wait"), (10_000, false));
    assert_eq!(wait(" --wait=1m"), (60_000, false));
    assert_eq!(wait(" --wait 5s"), (5_000, false));
    assert!(wait(" --no-wait").1);
    for (line, said) in [
        ("symbolon revoke subject alice", "--reason"),
        ("symbolon revoke subject alice --reason x --wait=0s", "1ms to 10m"),
        (
            "symbolon revoke subject alice --reason x --wait=11m",
            "1ms to 10m",
        ),
        (
            "symbolon revoke subject alice --reason x --wait=1s --no-wait",
            "cannot be used with",
        ),
        (
            "symbolon revoke subject --reason x --wait alice",
            "give a time such as 30s",
        ),
        ("symbolon revoke token --reason x", "required"),
        (
            "symbolon revoke token 0199b1f0-7c00-7000-8000-000000000001 --token-stdin --reason x",
            "cannot be used with",
        ),
        (
            "symbolon revoke session alice --reason x",
            "a session id is a UUID: see `symbolon session list`",
        ),
        ("symbolon session show abc", "a session id is a UUID"),
        ("symbolon session revoke abc --reason x", "a session id is a UUID"),
        ("symbolon revoke token abc --reason x", "a jti is a UUID"),
        ("symbolon revoke key a/b --reason x", "key id"),
    ] {
        let refusal = refusal(line);
        assert!(refusal.contains(said), "{line}: {refusal}");
    }
}
