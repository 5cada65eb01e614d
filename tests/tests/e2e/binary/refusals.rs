//! Production starts that are refused: each names the setting, where it was read and the remedy, and leaves no trace
//! in the database.

use symbolon_tests::binary::{Ended, Site, encryption_key, free_port};

use super::Cast;

const ISSUER: &str = "https://login.example.org";

struct Row {
    what: &'static str,
    /// The configuration file.
    toml: &'static str,
    /// A variable.
    set: Option<(&'static str, &'static str)>,
    /// What the message says: the setting, where it was read, the remedy.
    says: [&'static str; 3],
}

/// What every other row leaves sound.
const SOUND: &str = "issuer = \"https://login.example.org\"\nserver.listen = \"127.0.0.1:0\"\n\
                     management.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nkeys.encryption_key_file = \"encryption-key\"\n";

const ROWS: [Row; 9] = [
    Row {
        what: "no issuer",
        toml: "keys.encryption_key_file = \"encryption-key\"",
        set: None,
        says: [
            "issuer (not set)",
            "required",
            "set it in the configuration file or with SYMBOLON_ISSUER",
        ],
    },
    Row {
        what: "no key-encryption key",
        toml: "issuer = \"https://login.example.org\"",
        set: None,
        says: [
            "keys.encryption_key (not set)",
            "required",
            "keys.encryption_key_file",
        ],
    },
    Row {
        what: "a key-encryption key that is not there",
        toml: "issuer = \"https://login.example.org\"\nkeys.encryption_key_file = \"no-such-file\"",
        set: None,
        says: ["keys.encryption_key", "symbolon.toml:2", "no-such-file"],
    },
    Row {
        what: "an unknown key in the file",
        toml: "SOUND\ntokens.sesion_lifetime = \"1d\"",
        set: None,
        says: [
            "tokens.sesion_lifetime",
            "symbolon.toml:6",
            "tokens.session_lifetime",
        ],
    },
    Row {
        what: "an unknown variable",
        toml: "SOUND",
        set: Some(("SYMBOLON_TOKENS_SESION_LIFETIME", "1d")),
        says: [
            "SYMBOLON_TOKENS_SESION_LIFETIME (environment variable",
            "SYMBOLON_TOKENS_SESSION_LIFETIME",
            "correct or unset it",
        ],
    },
    Row {
        what: "half of TLS",
        toml: "SOUND\nserver.tls_certificate_file = \"certificate.pem\"",
        set: None,
        says: [
            "server.tls_certificate_file",
            "symbolon.toml:6",
            "set both for TLS, or neither for plain HTTP",
        ],
    },
    Row {
        what: "plain HTTP to everybody",
        toml: "SOUND",
        set: Some(("SYMBOLON_SERVER_LISTEN", "0.0.0.0:0")),
        says: [
            "server.listen (environment variable SYMBOLON_SERVER_LISTEN)",
            "plain HTTP",
            "server.trusted_proxies",
        ],
    },
    Row {
        what: "a value that is none",
        toml: "SOUND\ntokens.access_token_lifetime = \"2h\"",
        set: None,
        says: ["tokens.access_token_lifetime", "symbolon.toml:6", "1h"],
    },
    Row {
        what: "a TLS certificate that is not there",
        toml: "SOUND\nserver.tls_certificate_file = \"no.pem\"\nserver.tls_key_file = \"no.key\"",
        set: None,
        says: ["server.tls_certificate_file", "no.pem", "correct the path"],
    },
];

/// A start that must end by itself.
async fn refused(site: &Site, line: &str) -> Ended {
    let ended = site.run(line).await;
    assert_ne!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.code.is_some(), "it ended by itself");
    assert_eq!(ended.out, "", "nothing is announced");
    ended
}

#[tokio::test]
async fn an_unsound_configuration_is_refused_before_the_database_is_made() {
    for row in ROWS {
        let mut site = Site::configured(ISSUER, free_port(), "");
        site.write(
            "symbolon.toml",
            &row.toml.replace("SOUND\n", SOUND).replace("SOUND", SOUND),
        );
        let database = site.database();
        site.set("SYMBOLON_DATABASE_URL", format!("sqlite:{}", database.display()));
        if let Some((variable, value)) = row.set {
            site.set(variable, value);
        }
        let ended = refused(&site, "serve").await;
        for said in row.says {
            assert!(
                ended.err.contains(said),
                "{}: {said} is not in: {}",
                row.what,
                ended.err
            );
        }
        assert!(!database.exists(), "{}", row.what);
        let key = encryption_key(1);
        assert!(!ended.err.contains(&key), "{}", row.what);
    }
}

#[tokio::test]
async fn another_encryption_key_or_issuer_than_the_databases_is_refused() {
    let listen = free_port();
    let issuer = format!("http://{listen}");
    let mut site = Site::configured(&issuer, listen, "");
    Cast::hire(&site).await;
    site.serve().await.stop().await;
    let before = site.stored();
    assert_eq!(before.len(), 1, "a stopped server leaves nothing in the log");

    site.write("encryption-key", &encryption_key(2));
    for command in [
        "serve",
        "client list",
        "user disable alice",
        "client rotate-secret app",
    ] {
        let ended = refused(&site, command).await;
        for said in [
            "is encrypted under the key-encryption key",
            "nothing was changed",
            "keys.encryption_key",
        ] {
            assert!(ended.err.contains(said), "{command}: {}", ended.err);
        }
        for seed in [1, 2] {
            assert!(!ended.err.contains(&encryption_key(seed)), "{command}");
        }
        assert!(site.stored() == before, "{command} wrote to the database");
    }
    site.write("encryption-key", &encryption_key(1));

    site.set("SYMBOLON_ISSUER", ISSUER);
    let ended = refused(&site, "serve").await;
    for said in [ISSUER, &issuer, "set issuer back", "--dangerous-change-issuer"] {
        assert!(ended.err.contains(said), "{}", ended.err);
    }
    assert!(site.stored() == before, "another issuer wrote to the database");

    // Whoever means it may.
    let mut server = site.spawn("", ["serve", "--json", "--dangerous-change-issuer"]);
    let ready: serde_json::Value = serde_json::from_str(&server.line().await.unwrap()).unwrap();
    assert_eq!(ready["issuer"], ISSUER);
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let site = Site::configured(&format!("http://{listen}"), listen, "");
    let ended = refused(&site, "serve").await;
    assert!(ended.err.contains("server.listen"), "{}", ended.err);
    assert!(ended.err.contains(&listen.to_string()), "{}", ended.err);
    assert!(!site.database().exists());
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_by_looking_into_it() {
    let listen = free_port();
    let site = Site::configured(&format!("http://{listen}"), listen, "");
    let database = site.database();
    for command in [
        "user list",
        "audit verify",
        "user disable alice",
        "keys list",
        "migrate --status",
        "migrate --restored",
    ] {
        let ended = refused(&site, command).await;
        assert_eq!(ended.code, Some(2), "{command}: {}", ended.err);
        for said in ["database.url", database.to_str().unwrap(), "symbolon migrate"] {
            assert!(ended.err.contains(said), "{command}: {}", ended.err);
        }
        assert!(!database.exists(), "{command}");
    }
    site.json("migrate").await;
    assert_eq!(site.json("user list").await["users"], serde_json::json!([]));
}

#[tokio::test]
async fn a_configuration_does_not_choose_the_server_of_a_command() {
    let listen = free_port();
    let site = Site::configured(&format!("http://{listen}"), listen, "");
    let ended = refused(&site, "user disable alice --server http://127.0.0.1:1").await;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    for said in ["--config", "symbolon.toml", "--server", "--offline"] {
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}

#[tokio::test]
async fn a_second_development_server_is_refused_until_the_first_is_gone() {
    let site = Site::dev();
    let first = site.serve().await;
    let login = site.path("data/login.json");
    let stored = std::fs::read(&login).unwrap();
    let ended = refused(&site, "serve --dev --listen 127.0.0.1:0").await;
    for said in ["already running", "symbolon.db", "--data-dir"] {
        assert!(ended.err.contains(said), "{}", ended.err);
    }
    assert!(
        std::fs::read(&login).unwrap() == stored,
        "the login is the first one's"
    );
    site.json("user list").await;

    first.kill();
    site.serve().await.stop().await;
}

#[tokio::test]
async fn a_second_server_on_one_file_is_told_of_the_first() {
    let listen = free_port();
    let site = Site::configured(&format!("http://{listen}"), listen, "");
    let said = "another server is already running on this database";
    let first = site.serve().await;
    assert!(!site.transcript().err().contains(said));
    let second = site.serve_beside(free_port()).await;
    second.stop().await;
    first.stop().await;
    assert!(site.transcript().err().contains(said));
}
