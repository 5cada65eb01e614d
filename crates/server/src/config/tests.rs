use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use symbolon_jose::SigningAlg;

use super::kind::TomlType;
use super::table::{Preset, TABLE, keys};
use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Sources of an imagined machine with eight cores and these files: `/kek`, owner only; `/open`, readable by
/// all; `/empty`; `/tail`, with white space around the key.
fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
    let read_file = |path: &Path| {
        let (text, mode) = match path.to_str().unwrap() {
            "/kek" => (KEY.to_owned(), 0o100_600),
            "/open" => (KEY.to_owned(), 0o100_644),
            "/empty" => (" \n".to_owned(), 0o100_600),
            "/tail" => (format!("\n {KEY} \r\n"), 0o100_400),
            _ => return Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        };
        Ok(FileText {
            text,
            mode: Some(mode),
        })
    };
    Sources {
        file: Some(ConfigFile {
            path: PathBuf::from("symbolon.toml"),
            content: FileText {
                text: file.to_owned(),
                mode: Some(0o100_600),
            },
        }),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        overrides: Vec::new(),
        read_file: Box::new(read_file),
        cores: NonZeroUsize::new(8).unwrap(),
    }
}

/// The same with the two required settings given by the environment.
fn complete(file: &str, environment: &[(&str, &str)]) -> Sources {
    let mut sources = sources(file, environment);
    let given: BTreeMap<_, _> = [
        ("SYMBOLON_ISSUER", "https://a.example"),
        ("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE", "/kek"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in given {
        sources.environment.entry(name).or_insert(value);
    }
    sources
}

fn settings(sources: &Sources) -> Settings {
    load(sources, Mode::Production).unwrap().settings
}

/// The one error, as it is printed, of a file beside sound required settings.
#[track_caller]
fn refusal(sources: &Sources) -> String {
    let errors = load(sources, Mode::Production).unwrap_err();
    assert_eq!(errors.findings().len(), 1, "{errors}");
    errors.findings()[0].to_string()
}

#[test]
fn defaults_are_sound() {
    let settings = settings(&complete("", &[]));
    assert_eq!(settings.issuer.as_str(), "https://a.example");
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.tls, None);
    assert!(settings.server.trusted_proxies.is_empty());
    assert_eq!(settings.server.worker_threads, 8);
    assert_eq!(settings.database.url, "sqlite:symbolon-data/symbolon.db");
    assert_eq!(settings.keys.encryption_key.to_base64().as_str(), KEY);
    assert_eq!(settings.keys.algorithms, [SigningAlg::Es256]);
    assert_eq!(settings.keys.import_dir, None);
    assert_eq!(settings.tokens.access_token_lifetime, Duration::from_secs(300));
    assert_eq!(settings.tokens.session_lifetime, Duration::from_secs(90 * 86_400));
    assert_eq!(settings.passwords.hash_threads, 7);
    assert_eq!(settings.log.format, LogFormat::Auto);
}

#[test]
fn overrides_beat_environment_beats_file_beats_default() {
    let file =
        "[tokens]\naccess_token_lifetime = \"1m\"\nrefresh_overlap = \"1s\"\nsession_lifetime = \"60d\"";
    let mut sources = complete(
        file,
        &[
            ("SYMBOLON_TOKENS_ACCESS_TOKEN_LIFETIME", "2m"),
            ("SYMBOLON_TOKENS_REFRESH_OVERLAP", "2s"),
        ],
    );
    sources
        .overrides
        .push(Override::new("tokens.access_token_lifetime", "3m", "--some-flag"));
    let tokens = settings(&sources).tokens;
    assert_eq!(tokens.access_token_lifetime, Duration::from_secs(180));
    assert_eq!(tokens.refresh_overlap, Duration::from_secs(2));
    assert_eq!(tokens.session_lifetime, Duration::from_secs(60 * 86_400));
    assert_eq!(tokens.refresh_idle_lifetime, Duration::from_secs(30 * 86_400));
    let origins: Vec<_> = explain(&sources)
        .into_iter()
        .filter(|row| {
            row.key.starts_with("tokens.re")
                || row.key.starts_with("tokens.acc")
                || row.key.starts_with("tokens.ses")
        })
        .map(|row| row.source)
        .collect();
    assert_eq!(
        origins,
        [
            "--some-flag",
            "symbolon.toml:4",
            "default",
            "environment variable SYMBOLON_TOKENS_REFRESH_OVERLAP",
            "default",
        ]
    );
}

#[test]
fn every_form_of_value_is_read_from_file_and_environment_alike() {
    let file = "server = { listen = \"[::]:0\", max_connections = 0x10, trusted_proxies = [\"10.0.0.0/8\", \"::1\"] }\n\
                keys.algorithms = [\"RS256\", 'EdDSA']\nkeys.default_algorithm = \"EdDSA\"\nkeys.import_dir = \"keys\"\n\
                [database]\nmigrate_on_start = false\n[log]\nlevel = \"info,symbolon_server=debug\"\nformat = \"json\"";
    let environment = [
        ("SYMBOLON_SERVER_LISTEN", "[::]:0"),
        ("SYMBOLON_SERVER_MAX_CONNECTIONS", "16"),
        ("SYMBOLON_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("SYMBOLON_KEYS_ALGORITHMS", "RS256,EdDSA"),
        ("SYMBOLON_KEYS_DEFAULT_ALGORITHM", "EdDSA"),
        ("SYMBOLON_KEYS_IMPORT_DIR", "keys"),
        ("SYMBOLON_DATABASE_MIGRATE_ON_START", "false"),
        ("SYMBOLON_LOG_LEVEL", "info,symbolon_server=debug"),
        ("SYMBOLON_LOG_FORMAT", "json"),
    ];
    let [by_file, by_environment] =
        [complete(file, &[]), complete("", &environment)].map(|sources| settings(&sources));
    assert_eq!(by_file.server.max_connections, 16);
    assert_eq!(
        by_file
            .server
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.0/8", "::1/128"]
    );
    assert_eq!(by_file.keys.algorithms, [SigningAlg::Rs256, SigningAlg::EdDsa]);
    assert!(!by_file.database.migrate_on_start);
    assert_eq!(format!("{by_file:?}"), format!("{by_environment:?}"));
}

#[test]
fn values_at_their_bounds_are_accepted() {
    for spec in TABLE {
        let bounds = match spec.kind {
            kind::Kind::Integer { min, max } => [min.to_string(), max.to_string()],
            kind::Kind::Duration { min, max, .. } => [min, max].map(kind::duration_text),
            _ => continue,
        };
        for bound in bounds {
            let mut sources = complete("", &[]);
            sources.environment.insert(spec.variable(), bound.clone());
            if let Err(errors) = load(&sources, Mode::Production) {
                // A bound may contradict another setting; it is never out of bounds.
                let said = errors.to_string();
                assert!(
                    said.contains("is longer than `tokens.session_lifetime`"),
                    "{} {bound}: {said}",
                    spec.key
                );
            }
        }
    }
}

#[test]
fn every_setting_is_judged() {
    for spec in TABLE {
        let mut sources = complete("", &[]);
        if spec.is_secret() {
            sources.environment.remove(&spec.file_variable().unwrap());
        }
        sources.environment.insert(spec.variable(), "\u{1}".to_owned());
        let errors = load(&sources, Mode::Production).unwrap_err();
        assert!(
            errors
                .findings()
                .iter()
                .any(|finding| finding.setting == spec.key),
            "{}: {errors}",
            spec.key
        );
        sources.environment.insert(spec.variable(), String::new());
        let empty = load(&sources, Mode::Production);
        assert_eq!(
            empty.is_ok(),
            spec.key == "server.trusted_proxies",
            "{}",
            spec.key
        );
    }
}

#[test]
fn production_requires_issuer_and_encryption_key() {
    let errors = load(&sources("", &[]), Mode::Production).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "the configuration is refused for 2 reasons:\
         \n  issuer (not set): it is required and has no default\
         \n    remedy: set it in the configuration file or with SYMBOLON_ISSUER\
         \n  keys.encryption_key (not set): it is required and has no default\
         \n    remedy: name a file that holds it with `keys.encryption_key_file` or SYMBOLON_KEYS_ENCRYPTION_KEY_FILE, \
         or give it with SYMBOLON_KEYS_ENCRYPTION_KEY"
    );
}

#[test]
fn all_errors_are_reported_together() {
    let file = "issuer = \"https://a.example/\"\n[tokens]\naccess_token_lifetime = \"2h\"\nsesion_lifetime = \"1d\"\n\
                [server]\nmax_body_bytes = \"64k\"";
    let errors = load(
        &sources(
            file,
            &[
                ("SYMBOLON_LOG_LEVL", "info"),
                ("SYMBOLON_KEYS_DEFAULT_ALGORITHM", "RS256"),
            ],
        ),
        Mode::Production,
    )
    .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "the configuration is refused for 7 reasons:\
         \n  server.max_body_bytes (symbolon.toml:6): it is text, not an integer\
         \n    remedy: give a whole number from 1024 to 1048576\
         \n  tokens.sesion_lifetime (symbolon.toml:4): there is no such setting; did you mean `tokens.session_lifetime`?\
         \n    remedy: correct or remove it\
         \n  SYMBOLON_LOG_LEVL (environment variable SYMBOLON_LOG_LEVL): no setting has this variable; did you mean \
         `SYMBOLON_LOG_LEVEL`?\
         \n    remedy: correct or unset it\
         \n  issuer (symbolon.toml:1): \"https://a.example/\" ends with a slash\
         \n    remedy: write \"https://a.example\"\
         \n  keys.encryption_key (not set): it is required and has no default\
         \n    remedy: name a file that holds it with `keys.encryption_key_file` or SYMBOLON_KEYS_ENCRYPTION_KEY_FILE, \
         or give it with SYMBOLON_KEYS_ENCRYPTION_KEY\
         \n  tokens.access_token_lifetime (symbolon.toml:3): \"2h\" is above the maximum of 1h\
         \n    remedy: give a duration from 10s to 1h in whole seconds\
         \n  keys.default_algorithm (environment variable SYMBOLON_KEYS_DEFAULT_ALGORITHM): RS256 is not among \
         `keys.algorithms`, ES256 (default)\
         \n    remedy: add it to `keys.algorithms` or choose one of those"
    );
}

#[test]
fn values_out_of_bounds_are_refused_by_name() {
    for (variable, value, wrong) in [
        ("SERVER_MAX_CONNECTIONS", "0", "0 is below the minimum of 1"),
        ("SERVER_MAX_CONNECTIONS", "-5", "-5 is below the minimum of 1"),
        (
            "SERVER_MAX_CONNECTIONS",
            "1000001",
            "\"1000001\" is above the maximum of 1000000",
        ),
        (
            "SERVER_MAX_CONNECTIONS",
            "99999999999999999999",
            "\"99999999999999999999\" is above the maximum of 1000000",
        ),
        ("SERVER_MAX_CONNECTIONS", "1e3", "\"1e3\" is not a whole number"),
        ("SERVER_MAX_CONNECTIONS", "+5", "\"+5\" is not a whole number"),
        (
            "TOKENS_ACCESS_TOKEN_LIFETIME",
            "9s",
            "\"9s\" is below the minimum of 10s",
        ),
        (
            "TOKENS_ACCESS_TOKEN_LIFETIME",
            "3601s",
            "\"3601s\" is above the maximum of 1h",
        ),
        (
            "TOKENS_ACCESS_TOKEN_LIFETIME",
            "10500ms",
            "\"10500ms\" is too fine, the finest step is 1s",
        ),
        (
            "TOKENS_ACCESS_TOKEN_LIFETIME",
            "300",
            "\"300\" is not a duration: time unit needed, for example 300sec or 300ms",
        ),
        (
            "PASSWORDS_QUEUE_DEADLINE",
            "99ms",
            "\"99ms\" is below the minimum of 100ms",
        ),
        (
            "DATABASE_MIGRATE_ON_START",
            "yes",
            "\"yes\" is neither true nor false",
        ),
        (
            "SERVER_LISTEN",
            "localhost:8080",
            "\"localhost:8080\" is not an IP address and a port",
        ),
        (
            "SERVER_TRUSTED_PROXIES",
            "proxy",
            "\"proxy\" is neither a network nor an address",
        ),
        (
            "SERVER_TRUSTED_PROXIES",
            "10.0.0.1/8",
            "\"10.0.0.1/8\" has bits set beyond its prefix",
        ),
        (
            "SERVER_TRUSTED_PROXIES",
            "0.0.0.0/0",
            "\"0.0.0.0/0\" trusts every address there is",
        ),
        ("KEYS_ALGORITHMS", "", "the list is empty"),
        ("KEYS_ALGORITHMS", "ES256,ES256", "ES256 is listed twice"),
        (
            "KEYS_ALGORITHMS",
            "ES256,none",
            "\"none\" is not a supported signing algorithm",
        ),
        (
            "KEYS_DEFAULT_ALGORITHM",
            "HS256",
            "\"HS256\" is not a supported signing algorithm",
        ),
        ("KEYS_IMPORT_DIR", "", "it is empty"),
        ("LOG_LEVEL", "inof", "\"inof\" is not a log level"),
        ("LOG_LEVEL", "a=b=c", "\"a=b=c\" is not a tracing filter"),
        ("LOG_FORMAT", "xml", "\"xml\" is not a log format"),
    ] {
        let variable = format!("SYMBOLON_{variable}");
        let errors = load(&complete("", &[(&variable, value)]), Mode::Production).unwrap_err();
        assert_eq!(errors.findings()[0].wrong, wrong);
        assert_eq!(errors.findings()[0].origin, Origin::Environment { variable });
    }
}

#[test]
fn databases_other_than_a_sqlite_file_are_refused_without_their_password() {
    let refused = |url| refusal(&complete("", &[("SYMBOLON_DATABASE_URL", url)]));
    assert_eq!(
        refused("postgres://user:hunter2@db/symbolon"),
        "database.url (environment variable SYMBOLON_DATABASE_URL): the scheme \"postgres\" is not supported\n    \
         remedy: use sqlite, the one database that is supported, such as \"sqlite:symbolon.db\""
    );
    for (url, wrong) in [
        ("hunter2", "it is not a URL"),
        ("sqlite:", "\"sqlite:\" names no file"),
        ("sqlite://?mode=rwc", "\"sqlite://?mode=rwc\" names no file"),
        ("sqlite::memory:", "\"sqlite::memory:\" is lost at every restart"),
        (
            "sqlite:x?mode=memory",
            "\"sqlite:x?mode=memory\" is lost at every restart",
        ),
    ] {
        let said = refused(url);
        assert!(said.contains(&format!("): {wrong}\n")), "{said}");
        assert!(!said.contains("hunter2"));
    }
}

#[test]
fn encryption_keys_are_judged_without_being_shown() {
    let refused = |key: &str| {
        let mut sources = complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY", key)]);
        sources.environment.remove("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE");
        refusal(&sources)
    };
    assert_eq!(
        refused("hunter2!"),
        "keys.encryption_key (environment variable SYMBOLON_KEYS_ENCRYPTION_KEY): it is not 32 bytes in base64\n    \
         remedy: make a key with `openssl rand -base64 32` and keep it in a file of its own"
    );
    assert!(refused("aHVudGVyMg==").contains("it is not 32 bytes in base64"));
    assert!(refused(&"A".repeat(43)).contains("it is a placeholder, not a key"));
}

#[test]
fn encryption_keys_are_accepted_in_either_alphabet_and_normalised() {
    let bytes: Vec<u8> = (224..=255).collect();
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        let mut sources = complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY", &engine.encode(&bytes))]);
        sources.environment.remove("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE");
        assert_eq!(
            settings(&sources).keys.encryption_key.to_base64().as_str(),
            STANDARD.encode(&bytes)
        );
    }
}

#[test]
fn secrets_are_read_from_files_and_trimmed() {
    let loaded = load(
        &complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE", "/tail")]),
        Mode::Production,
    )
    .unwrap();
    assert_eq!(loaded.settings.keys.encryption_key.to_base64().as_str(), KEY);
    assert_eq!(loaded.warnings, []);
    let by_file = sources(
        "issuer = \"https://a.example\"\nkeys.encryption_key_file = \"/kek\"",
        &[],
    );
    assert_eq!(settings(&by_file).keys.encryption_key.to_base64().as_str(), KEY);
}

#[test]
fn unusable_secret_files_are_refused() {
    let refused = |path| refusal(&complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE", path)]));
    assert_eq!(
        refused("/none"),
        "keys.encryption_key_file (environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_FILE): /none cannot be read: no \
         such file\n    remedy: name a file that holds the secret and that this process may read"
    );
    assert_eq!(
        refused("/empty"),
        "keys.encryption_key (file /empty, named by environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_FILE): it is not \
         32 bytes in base64\n    remedy: make a key with `openssl rand -base64 32` and keep it in a file of its own"
    );
    assert!(refused("").contains("): it is empty\n"));
    let numeric = sources(
        "issuer = \"https://a.example\"\nkeys.encryption_key_file = 7",
        &[],
    );
    assert_eq!(
        refusal(&numeric),
        "keys.encryption_key_file (symbolon.toml:2): it is an integer, not text in quotes\n    \
         remedy: give the path of a file or folder"
    );
}

#[test]
fn a_secret_given_twice_is_refused_wherever_each_stands() {
    let file = format!("keys.encryption_key = \"{KEY}\"");
    assert_eq!(
        refusal(&complete(&file, &[])),
        "keys.encryption_key (symbolon.toml:1): the secret is also given by file (environment variable \
         SYMBOLON_KEYS_ENCRYPTION_KEY_FILE)\n    remedy: keep one of the two"
    );
    assert!(refusal(&complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY", KEY)])).contains("also given by file"));
}

#[test]
fn secrets_that_others_may_read_are_warned_of() {
    let loaded = load(
        &complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE", "/open")]),
        Mode::Production,
    )
    .unwrap();
    assert_eq!(
        loaded.warnings[0].to_string(),
        "keys.encryption_key (file /open, named by environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_FILE): the file \
         that holds this secret can be read by others than its owner\n    remedy: take the right away with `chmod 600`"
    );
    let mut inline = sources(
        &format!("issuer = \"https://a.example\"\nkeys.encryption_key = \"{KEY}\""),
        &[],
    );
    assert_eq!(load(&inline, Mode::Production).unwrap().warnings, []);
    inline.file.as_mut().unwrap().content.mode = Some(0o100_640);
    let warnings = load(&inline, Mode::Production).unwrap().warnings;
    assert_eq!(warnings[0].origin.to_string(), "symbolon.toml:2");
}

#[test]
fn unknown_keys_and_sections_are_refused_with_a_suggestion() {
    for (file, said) in [
        (
            "isuer = \"x\"",
            "isuer (symbolon.toml:1): there is no such setting; did you mean `issuer`?",
        ),
        (
            "[token]\nx = 1",
            "token (symbolon.toml:1): there is no such section; did you mean `tokens`?",
        ),
        (
            "[log]\nlisten = 1",
            "log.listen (symbolon.toml:2): there is no such setting; did you mean `server.listen`?",
        ),
        (
            "[redis]\nurl = 1",
            "redis (symbolon.toml:1): there is no such section",
        ),
        (
            "\"a\\nb\" = 1",
            "a\\nb (symbolon.toml:1): there is no such setting",
        ),
        (
            "server = 1",
            "server (symbolon.toml:1): it is a section, not a setting",
        ),
        (
            "[[server]]",
            "server (symbolon.toml:1): it is a section, not a setting",
        ),
        (
            "[tokens.session_lifetime]",
            "tokens.session_lifetime (symbolon.toml:1): it is a table, not text in quotes",
        ),
        (
            "tokens.session_lifetime = 90",
            "tokens.session_lifetime (symbolon.toml:1): it is an integer, not text in quotes",
        ),
        (
            "keys.algorithms = \"ES256\"",
            "keys.algorithms (symbolon.toml:1): it is text, not an array",
        ),
        (
            "keys.algorithms = [1]",
            "keys.algorithms (symbolon.toml:1): it holds an integer, not text in quotes",
        ),
        (
            "keys.algorithms = [\"ES256,RS256\"]",
            "keys.algorithms (symbolon.toml:1): one of its items holds a comma",
        ),
    ] {
        let refusal = refusal(&complete(file, &[]));
        assert_eq!(refusal.lines().next(), Some(said), "{file}");
    }
}

#[test]
fn unknown_variables_are_refused_and_links_of_services_are_not() {
    assert_eq!(
        refusal(&complete("", &[("SYMBOLON_ISUER", "hunter2")])),
        "SYMBOLON_ISUER (environment variable SYMBOLON_ISUER): no setting has this variable; did you mean \
         `SYMBOLON_ISSUER`?\n    remedy: correct or unset it"
    );
    settings(&complete(
        "",
        &[
            ("SYMBOLON_PORT", "tcp://10.0.0.1:80"),
            ("SYMBOLONX", "1"),
            ("PATH", "/bin"),
        ],
    ));
}

#[test]
fn unknown_overrides_are_refused() {
    let mut sources = complete("", &[]);
    sources
        .overrides
        .push(Override::new("server.lisen", "127.0.0.1:1", "--listen"));
    assert_eq!(
        refusal(&sources),
        "server.lisen (--listen): there is no such setting; did you mean `server.listen`?\n    remedy: correct or remove it"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_without_quoting_it() {
    let errors = load(
        &sources(
            "issuer = \"https://a.example\"\nkeys.encryption_key = hunter2\n",
            &[],
        ),
        Mode::Production,
    )
    .unwrap_err()
    .to_string();
    assert!(
        errors.contains("the configuration file (symbolon.toml:2): it is not TOML: "),
        "{errors}"
    );
    assert!(
        !errors.contains("hunter2") && !errors.contains("required"),
        "{errors}"
    );
    let twice = load(&sources("issuer = \"a\"\nissuer = \"b\"", &[]), Mode::Production)
        .unwrap_err()
        .to_string();
    assert!(
        twice.contains("(symbolon.toml:2): it is not TOML: duplicate key"),
        "{twice}"
    );
}

#[test]
fn contradictions_are_refused() {
    for (environment, said) in [
        (
            &[("SYMBOLON_SERVER_TLS_CERTIFICATE_FILE", "c.pem")][..],
            "server.tls_certificate_file (environment variable SYMBOLON_SERVER_TLS_CERTIFICATE_FILE): it is set without \
             `server.tls_key_file`\n    remedy: set both for TLS, or neither for plain HTTP",
        ),
        (
            &[("SYMBOLON_SERVER_TLS_KEY_FILE", "k.pem")],
            "server.tls_key_file (environment variable SYMBOLON_SERVER_TLS_KEY_FILE): it is set without \
             `server.tls_certificate_file`\n    remedy: set both for TLS, or neither for plain HTTP",
        ),
        (
            &[("SYMBOLON_SERVER_LISTEN", "0.0.0.0:80")],
            "server.listen (environment variable SYMBOLON_SERVER_LISTEN): 0.0.0.0:80 would be served in plain HTTP to \
             everybody, passwords and tokens included\n    remedy: set `server.tls_certificate_file` and \
             `server.tls_key_file`, or declare the proxies that end TLS in `server.trusted_proxies`, or listen on \
             127.0.0.1",
        ),
        (
            &[
                ("SYMBOLON_ISSUER", "http://localhost"),
                ("SYMBOLON_SERVER_LISTEN", "0.0.0.0:80"),
                ("SYMBOLON_SERVER_TRUSTED_PROXIES", "10.0.0.0/8"),
            ],
            "issuer (environment variable SYMBOLON_ISSUER): http://localhost is a plain http issuer, yet the server \
             listens on 0.0.0.0:80 (environment variable SYMBOLON_SERVER_LISTEN)\n    remedy: give the public https URL, \
             or listen on 127.0.0.1",
        ),
        (
            &[("SYMBOLON_MANAGEMENT_LISTEN", "127.0.0.1:8080")],
            "management.listen (environment variable SYMBOLON_MANAGEMENT_LISTEN): 127.0.0.1:8080 is taken by \
             `server.listen`, 127.0.0.1:8080 (default)\n    remedy: give each listener a port of its own",
        ),
        (
            &[("SYMBOLON_KEYS_ALGORITHMS", "RS256,PS256")],
            "keys.default_algorithm (default): ES256 is not among `keys.algorithms`, RS256, PS256 (environment variable \
             SYMBOLON_KEYS_ALGORITHMS)\n    remedy: add it to `keys.algorithms` or choose one of those",
        ),
        (
            &[("SYMBOLON_TOKENS_SESSION_LIFETIME", "1d")],
            "tokens.refresh_idle_lifetime (default): 30d is longer than `tokens.session_lifetime`, 1d (environment \
             variable SYMBOLON_TOKENS_SESSION_LIFETIME)\n    remedy: shorten it or lengthen the session",
        ),
        (
            &[
                ("SYMBOLON_PASSWORDS_MEMORY_KIB", "1048576"),
                ("SYMBOLON_PASSWORDS_HASH_THREADS", "9"),
            ],
            "passwords.memory_kib (environment variable SYMBOLON_PASSWORDS_MEMORY_KIB): 1048576 KiB x 9 threads \
             (`passwords.hash_threads`, environment variable SYMBOLON_PASSWORDS_HASH_THREADS) = 9437184 KiB, above the \
             limit of 8388608 KiB (8 GiB)\n    remedy: lower either of the two",
        ),
    ] {
        assert_eq!(refusal(&complete("", environment)), said);
    }
}

#[test]
fn what_only_looks_contradictory_is_accepted() {
    for environment in [
        &[
            ("SYMBOLON_SERVER_LISTEN", "0.0.0.0:80"),
            ("SYMBOLON_SERVER_TRUSTED_PROXIES", "10.0.0.0/8"),
        ][..],
        &[
            ("SYMBOLON_SERVER_LISTEN", "0.0.0.0:443"),
            ("SYMBOLON_SERVER_TLS_CERTIFICATE_FILE", "c.pem"),
            ("SYMBOLON_SERVER_TLS_KEY_FILE", "k.pem"),
        ],
        &[
            ("SYMBOLON_SERVER_LISTEN", "127.0.0.1:0"),
            ("SYMBOLON_MANAGEMENT_LISTEN", "127.0.0.1:0"),
        ],
        &[
            ("SYMBOLON_SERVER_LISTEN", "[::ffff:127.0.0.1]:80"),
            ("SYMBOLON_ISSUER", "http://127.0.0.1"),
        ],
        &[
            ("SYMBOLON_PASSWORDS_MEMORY_KIB", "1048576"),
            ("SYMBOLON_PASSWORDS_HASH_THREADS", "8"),
        ],
    ] {
        settings(&complete("", environment));
    }
}

#[test]
fn management_off_loopback_is_warned_of() {
    let warnings = load(
        &complete("management.listen = \"0.0.0.0:9000\"", &[]),
        Mode::Production,
    )
    .unwrap()
    .warnings;
    assert_eq!(
        warnings[0].to_string(),
        "management.listen (symbolon.toml:1): 0.0.0.0:9000 is not loopback: whoever reaches it reads the metrics\n    \
         remedy: keep the port behind a firewall, or listen on 127.0.0.1"
    );
}

#[test]
fn dev_takes_what_is_required_from_overrides_and_stays_on_loopback() {
    let mut sources = sources("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE", "/none")]);
    sources
        .overrides
        .push(Override::new("issuer", "http://127.0.0.1:8080", "--dev"));
    sources
        .overrides
        .push(Override::new("keys.encryption_key", KEY, "--dev"));
    let settings = load(&sources, Mode::Dev).unwrap().settings;
    assert_eq!(settings.issuer.as_str(), "http://127.0.0.1:8080");
    assert_eq!(settings.keys.encryption_key.to_base64().as_str(), KEY);
    sources
        .overrides
        .push(Override::new("server.listen", "0.0.0.0:8080", "--listen"));
    assert_eq!(
        load(&sources, Mode::Dev).unwrap_err().to_string(),
        "the configuration is refused:\n  server.listen (--listen): 0.0.0.0:8080 is not loopback, where alone --dev \
         listens\n    remedy: give an address such as 127.0.0.1:8080, or start without --dev"
    );
}

#[test]
fn hash_threads_leave_a_core_to_everything_else() {
    for (configured, cores, threads) in [(0, 1, 1), (0, 2, 1), (0, 8, 7), (0, 200, 64), (5, 2, 5)] {
        assert_eq!(load::hash_threads(configured, cores), threads);
    }
}

#[test]
fn explain_shows_values_sources_and_defaults_even_of_an_unsound_configuration() {
    let file = "issuer = \"nonsense\"\n[tokens]\nsession_lifetime = 90";
    let rows = explain(&sources(
        file,
        &[
            ("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE", "/kek"),
            ("SYMBOLON_BAD", "x"),
        ],
    ));
    let row = |key| rows.iter().find(|row| row.key == key).unwrap();
    let short = |key| {
        (
            row(key).value.as_str(),
            row(key).source.as_str(),
            row(key).default,
        )
    };
    assert_eq!(rows.len(), TABLE.len());
    assert_eq!(short("issuer"), ("nonsense", "symbolon.toml:1", "(required)"));
    assert_eq!(
        short("tokens.session_lifetime"),
        ("(refused)", "symbolon.toml:3", "90d")
    );
    assert_eq!(
        short("server.tls_key_file"),
        ("(not set)", "not set", "(not set)")
    );
    assert_eq!(short("server.trusted_proxies"), ("(empty)", "default", "(empty)"));
    assert_eq!(
        short("keys.encryption_key"),
        (
            "(secret, 44 characters)",
            "file /kek, named by environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_FILE",
            "(required)"
        )
    );
    assert_eq!(row("log.level").env, "SYMBOLON_LOG_LEVEL");
    let (text, json) = (explain_text(&rows), explain_json(&rows).unwrap());
    assert!(!text.contains(KEY) && !json.contains(KEY));
    assert_eq!(text.lines().count(), TABLE.len() + 1);
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed[0]["value"], "nonsense");
    assert_eq!(parsed[0]["env"], "SYMBOLON_ISSUER");
}

#[test]
fn explain_aligns_its_columns() {
    let row = |key, value: &str| Explained {
        key,
        value: value.to_owned(),
        source: "default".to_owned(),
        default: "5m",
        meaning: "A time.",
        env: "X".to_owned(),
    };
    assert_eq!(
        explain_text(&[row("a", "5m"), row("longer.key", "(not set)")]),
        "SETTING     VALUE      SOURCE   DEFAULT  MEANING\n\
         a           5m         default  5m       A time.\n\
         longer.key  (not set)  default  5m       A time.\n"
    );
}

#[test]
fn secrets_stay_out_of_debug() {
    let mut sources = complete("", &[]);
    sources
        .overrides
        .push(Override::new("keys.encryption_key", KEY, "--dev"));
    assert!(!format!("{:?}", sources.overrides).contains(KEY));
    assert!(!format!("{:?}", load(&sources, Mode::Production).unwrap()).contains(KEY));
}

#[test]
fn the_example_file_is_sound_and_shows_the_defaults() {
    let example = example_toml();
    let sources_of = |text: &str| {
        let mut sources = sources(text, &[]);
        sources.read_file = Box::new(|_| {
            Ok(FileText {
                text: KEY.to_owned(),
                mode: None,
            })
        });
        sources
    };
    let plain = settings(&sources_of(&example));
    assert_eq!(plain.issuer.as_str(), "https://login.example.org");
    let is_setting = |line: &str| {
        keys().iter().any(|key| {
            line.strip_prefix("# ")
                .and_then(|line| line.strip_prefix(key.rsplit('.').next().unwrap()))
                .is_some_and(|rest| rest.strip_prefix(" = ").is_some_and(|value| !value.is_empty()))
        })
    };
    let uncommented: Vec<_> = example
        .lines()
        .map(|line| if is_setting(line) { &line[2..] } else { line })
        .collect();
    let shown = uncommented
        .iter()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
        .count();
    assert_eq!(
        shown,
        TABLE.iter().filter(|spec| spec.preset != Preset::Unset).count()
    );
    let all = settings(&sources_of(&uncommented.join("\n")));
    assert_eq!(format!("{all:?}"), format!("{plain:?}"));
}

#[test]
fn defaults_in_toml_are_of_the_right_type() {
    for spec in TABLE {
        let Preset::Value(value) = spec.preset else {
            continue;
        };
        let starts = match spec.kind.toml_type() {
            TomlType::Array => "[",
            TomlType::Text => "\"",
            TomlType::Boolean | TomlType::Integer => value,
        };
        assert!(spec.toml(value).starts_with(starts), "{}", spec.key);
    }
}

/// `UPDATE_DOCS=1` writes the files instead of comparing them.
#[test]
fn generated_documentation_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, generated) in [
        ("docs/configuration.md", reference_markdown()),
        ("symbolon.example.toml", example_toml()),
    ] {
        let path = root.join(name);
        if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
            std::fs::write(&path, &generated).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == generated,
            "{name} is stale: write it anew with `UPDATE_DOCS=1 cargo test -p symbolon-server config`"
        );
    }
}
