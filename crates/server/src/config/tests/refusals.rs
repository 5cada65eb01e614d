//! What is refused, with its message.

use super::*;

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
         or a command that writes it with `keys.encryption_key_command` or SYMBOLON_KEYS_ENCRYPTION_KEY_COMMAND, \
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
         or a command that writes it with `keys.encryption_key_command` or SYMBOLON_KEYS_ENCRYPTION_KEY_COMMAND, \
         or give it with SYMBOLON_KEYS_ENCRYPTION_KEY\
         \n  tokens.access_token_lifetime (symbolon.toml:3): \"2h\" is above the maximum of 1h\
         \n    remedy: give a duration from 10s to 1h in whole seconds\
         \n  keys.default_algorithm (environment variable SYMBOLON_KEYS_DEFAULT_ALGORITHM): RS256 is not among \
         `keys.algorithms`, ES256 (default)\
         \n    remedy: add it to `keys.algorithms` or choose one of those"
    );
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
            "[cache]\nurl = 1",
            "cache (symbolon.toml:1): there is no such section",
        ),
        (
            "[redis]\nurl = 1",
            "redis.url (symbolon.toml:2): it is an integer, not text in quotes",
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
