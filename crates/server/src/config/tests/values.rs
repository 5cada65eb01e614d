//! Values: where they come from and what they may be.

use super::*;

#[test]
fn defaults_are_sound() {
    let loaded = load(&complete("", &[]), Mode::Production).unwrap();
    assert_eq!(loaded.warnings, []);
    let settings = loaded.settings;
    assert_eq!(settings.issuer.as_str(), "https://a.example");
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.tls, None);
    assert!(settings.server.trusted_proxies.is_empty());
    assert_eq!(settings.server.worker_threads, 8);
    assert_eq!(settings.database.url, "sqlite:symbolon-data/symbolon.db");
    assert_eq!(settings.database.max_connections, 4);
    assert!(settings.redis.is_none());
    assert_eq!(settings.keys.encryption_keys.current().to_base64().as_str(), KEY);
    assert_eq!(settings.keys.algorithms, [SigningAlg::Es256]);
    assert_eq!(settings.keys.import_dir, None);
    assert!(settings.keys.rotate_automatically);
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
            let mut sources = complete("", &[("SYMBOLON_REDIS_URL", "redis://localhost")]);
            sources.environment.insert(spec.variable(), bound.clone());
            if let Err(errors) = load(&sources, Mode::Production) {
                // A bound may contradict another setting; it is never out of bounds.
                let said = errors.to_string();
                assert!(
                    said.contains("is longer than `tokens.session_lifetime`")
                        || said.contains("would leave nobody else a connection")
                        || said.contains("--dangerous-key-timings"),
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
            sources
                .environment
                .remove(&spec.pointer_variable(Pointer::File).unwrap());
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
        ("REDIS_MODE", "master", "\"master\" is not a mode of Redis"),
        ("REDIS_KEY_PREFIX", "", "it is empty"),
        ("REDIS_KEY_PREFIX", "sy{a}:", "\"sy{a}:\" holds '{'"),
        ("REDIS_KEY_PREFIX", "s y", "\"s y\" holds ' '"),
        ("REDIS_KEY_PREFIX", "sÿ", "\"sÿ\" holds 'ÿ'"),
        (
            "REDIS_KEY_PREFIX",
            "abcdefghijklmnopqrstuvwxyz0123456",
            "it is 33 bytes long, more than 32",
        ),
        (
            "REDIS_RESPONSE_TIMEOUT",
            "49ms",
            "\"49ms\" is below the minimum of 50ms",
        ),
        (
            "DATABASE_CLOCK_TOLERANCE",
            "1001ms",
            "\"1001ms\" is above the maximum of 1s",
        ),
    ] {
        let variable = format!("SYMBOLON_{variable}");
        let errors = load(&complete("", &[(&variable, value)]), Mode::Production).unwrap_err();
        assert_eq!(errors.findings()[0].wrong, wrong);
        assert_eq!(errors.findings()[0].origin, Origin::Environment { variable });
    }
}

#[test]
fn hash_threads_leave_a_core_to_everything_else() {
    for (configured, cores, threads) in [(0, 1, 1), (0, 2, 1), (0, 8, 7), (0, 200, 64), (5, 2, 5)] {
        assert_eq!(load::hash_threads(configured, cores), threads);
    }
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
    assert_eq!(settings.keys.encryption_keys.current().to_base64().as_str(), KEY);
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
fn what_the_feed_goes_by_is_derived_where_nobody_set_it() {
    let feed = |environment: &[(&str, &str)]| settings(&complete("", environment)).feed;
    let plain = feed(&[]);
    assert_eq!(
        (plain.max_stale, plain.max_streams),
        (Duration::from_secs(300), 5000)
    );
    let derived = feed(&[
        ("SYMBOLON_TOKENS_ACCESS_TOKEN_LIFETIME", "10m"),
        ("SYMBOLON_SERVER_MAX_CONNECTIONS", "1000000"),
    ]);
    assert_eq!(
        (derived.max_stale, derived.max_streams),
        (Duration::from_secs(600), 10_000)
    );
    let given = feed(&[
        ("SYMBOLON_FEED_MAX_STALE", "1m"),
        ("SYMBOLON_FEED_MAX_STREAMS", "0"),
    ]);
    assert_eq!((given.max_stale, given.max_streams), (Duration::from_secs(60), 0));
}

#[test]
fn streams_may_not_take_every_connection() {
    let environment = |streams| {
        [
            ("SYMBOLON_SERVER_MAX_CONNECTIONS", "100"),
            ("SYMBOLON_FEED_MAX_STREAMS", streams),
        ]
    };
    let said = refusal(&complete("", &environment("100")));
    assert!(
        said.contains("100 streams would leave nobody else a connection"),
        "{said}"
    );
    assert_eq!(settings(&complete("", &environment("99"))).feed.max_streams, 99);
}

#[test]
fn the_management_listener_is_known_without_anything_else() {
    let listen = |file: &str, environment: &[(&str, &str)]| {
        let mut sources = sources(file, environment);
        sources.read_file = Box::new(|_| panic!("a secret is read"));
        sources.run_command = Box::new(|_| panic!("a command is run"));
        management_listen(&sources)
    };
    let elsewhere = ("SYMBOLON_MANAGEMENT_LISTEN", "10.0.0.1:2");
    let file = "bogus = 1\nmanagement.listen = \"10.0.0.1:1\"\nkeys.encryption_key_command = \"kek\"";
    for (file, environment, expected) in [
        ("keys.encryption_key_file = \"/kek\"", &[][..], "127.0.0.1:8081"),
        (file, &[], "10.0.0.1:1"),
        (file, &[elsewhere], "10.0.0.1:2"),
    ] {
        assert_eq!(listen(file, environment).unwrap().to_string(), expected);
    }
    for (file, says) in [
        ("management.listen = \"here\"", "management.listen"),
        ("management.listen = 8081", "management.listen"),
        ("= no TOML", "it is not TOML"),
    ] {
        let errors = listen(file, &[]).unwrap_err().to_string();
        assert!(errors.contains(says), "{file}: {errors}");
    }
}
