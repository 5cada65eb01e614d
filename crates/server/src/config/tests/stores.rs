//! The settings of the database and of Redis.

use secrecy::ExposeSecret as _;

use super::*;

const POSTGRES: &str = "postgres://ops:hunter2@db/symbolon";

fn loaded(environment: &[(&str, &str)]) -> Loaded {
    load(&complete("", environment), Mode::Production).unwrap()
}

fn redis(environment: &[(&str, &str)]) -> RedisSettings {
    loaded(environment).settings.redis.unwrap()
}

#[test]
fn redis_is_not_used_without_its_url_and_has_defaults_with_it() {
    assert!(loaded(&[]).settings.redis.is_none());
    let redis = redis(&[("SYMBOLON_REDIS_URL", "rediss://ops:hunter2@cache:6380/3")]);
    assert_eq!(redis.url.expose_secret(), "rediss://ops:hunter2@cache:6380/3");
    assert_eq!(redis.topology, RedisTopology::Single);
    assert_eq!(redis.key_prefix, "sy:");
    assert_eq!(redis.connect_timeout, Duration::from_secs(2));
    assert_eq!(redis.response_timeout, Duration::from_millis(500));
    assert_eq!(redis.replicas, 0);
}

#[test]
fn a_cluster_and_sentinels_are_named_by_several_hosts() {
    let hosts = ("SYMBOLON_REDIS_URL", "redis://:hunter2@a:1,b:2,c:3");
    let cluster = redis(&[hosts, ("SYMBOLON_REDIS_MODE", "cluster")]);
    assert_eq!(cluster.topology, RedisTopology::Cluster);
    assert!(cluster.sentinel_password.is_none());
    let sentinel = redis(&[
        hosts,
        ("SYMBOLON_REDIS_SENTINEL_USERNAME", "watcher"),
        ("SYMBOLON_REDIS_SENTINEL_PASSWORD", " hunter3 "),
        ("SYMBOLON_REDIS_MODE", "sentinel"),
        ("SYMBOLON_REDIS_SENTINEL_SERVICE", "sessions"),
        ("SYMBOLON_REDIS_REPLICAS", "1"),
    ]);
    let service = "sessions".to_owned();
    assert_eq!(sentinel.topology, RedisTopology::Sentinel { service });
    assert_eq!(sentinel.replicas, 1);
    assert_eq!(sentinel.sentinel_username.as_deref(), Some("watcher"));
    let password = sentinel.sentinel_password.as_ref().unwrap();
    assert_eq!(password.expose_secret(), "hunter3");
    assert!(!format!("{sentinel:?}").contains("hunter"));
}

#[test]
fn authorities_are_named_beside_tls() {
    let file = ("SYMBOLON_REDIS_CA_FILE", "ca.pem");
    let redis = redis(&[("SYMBOLON_REDIS_URL", "rediss://cache"), file]);
    assert_eq!(redis.ca_file, Some(PathBuf::from("ca.pem")));
}

#[test]
fn contradictions_of_redis_are_refused() {
    let one = ("SYMBOLON_REDIS_URL", "redis://:hunter2@cache/2");
    let three = ("SYMBOLON_REDIS_URL", "redis://:hunter2@a,b,c");
    for (environment, said) in [
        (
            &[("SYMBOLON_REDIS_REPLICAS", "1")][..],
            "redis.replicas (environment variable SYMBOLON_REDIS_REPLICAS): it is set without `redis.url`\n    remedy: \
             set `redis.url` to keep sessions in Redis, or remove it",
        ),
        (
            &[("SYMBOLON_REDIS_MODE", "sentinel")],
            "redis.mode (environment variable SYMBOLON_REDIS_MODE): it is set without `redis.url`\n    remedy: set \
             `redis.url` to keep sessions in Redis, or remove it",
        ),
        (
            &[one, ("SYMBOLON_REDIS_MODE", "sentinel")],
            "redis.mode (environment variable SYMBOLON_REDIS_MODE): it is sentinel without `redis.sentinel_service`\n    \
             remedy: set that to the name which `sentinel monitor` gives the server",
        ),
        (
            &[one, ("SYMBOLON_REDIS_SENTINEL_SERVICE", "sessions")],
            "redis.sentinel_service (environment variable SYMBOLON_REDIS_SENTINEL_SERVICE): it is set, yet `redis.mode` \
             is single (default)\n    remedy: set `redis.mode` to sentinel, or remove it",
        ),
        (
            &[one, ("SYMBOLON_REDIS_SENTINEL_PASSWORD", "hunter3")],
            "redis.sentinel_password (environment variable SYMBOLON_REDIS_SENTINEL_PASSWORD): it is set, yet `redis.mode` \
             is single (default)\n    remedy: set `redis.mode` to sentinel, or remove it",
        ),
        (
            &[
                one,
                ("SYMBOLON_REDIS_MODE", "sentinel"),
                ("SYMBOLON_REDIS_SENTINEL_SERVICE", "sessions"),
                ("SYMBOLON_REDIS_SENTINEL_USERNAME", "watcher"),
            ],
            "redis.sentinel_username (environment variable SYMBOLON_REDIS_SENTINEL_USERNAME): it is set without \
             `redis.sentinel_password`\n    remedy: set both, or the password alone for the default user",
        ),
        (
            &[one, ("SYMBOLON_REDIS_CA_FILE", "ca.pem")],
            "redis.ca_file (environment variable SYMBOLON_REDIS_CA_FILE): it is set, yet `redis.url` (environment \
             variable SYMBOLON_REDIS_URL) asks for no TLS\n    remedy: begin `redis.url` with rediss://, or remove it",
        ),
        (
            &[three],
            "redis.url (environment variable SYMBOLON_REDIS_URL): it names 3 hosts, yet `redis.mode` is single \
             (default)\n    remedy: set `redis.mode` to cluster or sentinel, or name one host",
        ),
        (
            &[one, ("SYMBOLON_REDIS_MODE", "cluster")],
            "redis.url (environment variable SYMBOLON_REDIS_URL): it names database 2, yet `redis.mode` is cluster \
             (environment variable SYMBOLON_REDIS_MODE), which has no database but 0\n    remedy: remove the number; \
             `redis.key_prefix` keeps deployments apart",
        ),
    ] {
        assert_eq!(refusal(&complete("", environment)), said);
    }
}

#[test]
fn every_setting_of_redis_is_refused_without_the_url() {
    let file = "[redis]\nca_file = \"a\"\nmode = \"single\"\nsentinel_service = \"a\"\nsentinel_username = \"a\"\n\
                sentinel_password = \"a\"\nkey_prefix = \"a\"\nconnect_timeout = \"1s\"\n\
                response_timeout = \"1s\"\nreplicas = 0";
    let errors = load(&complete(file, &[]), Mode::Production).unwrap_err();
    let settings: Vec<_> = errors
        .findings()
        .iter()
        .filter(|finding| finding.wrong == "it is set without `redis.url`")
        .map(|finding| finding.setting.as_str())
        .collect();
    assert_eq!(
        settings,
        [
            "redis.ca_file",
            "redis.mode",
            "redis.sentinel_service",
            "redis.sentinel_username",
            "redis.sentinel_password",
            "redis.key_prefix",
            "redis.connect_timeout",
            "redis.response_timeout",
            "redis.replicas",
        ]
    );
    assert_eq!(errors.findings().len(), settings.len());
}

#[test]
fn the_development_mode_never_uses_redis() {
    let mut sources = complete("", &[("SYMBOLON_REDIS_URL", "redis://production")]);
    sources
        .overrides
        .push(Override::new("database.url", "sqlite:dev.db", "--dev"));
    assert_eq!(
        load(&sources, Mode::Dev).unwrap_err().to_string(),
        "the configuration is refused:\n  redis.url (environment variable SYMBOLON_REDIS_URL): --dev keeps everything \
         in its data folder\n    remedy: unset it, or start without --dev"
    );
}

#[test]
fn redis_beside_sqlite_is_warned_of() {
    let url = ("SYMBOLON_REDIS_URL", "redis://:hunter2@cache");
    let warnings = loaded(&[url]).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        warnings[0].to_string(),
        "redis.url (environment variable SYMBOLON_REDIS_URL): sessions are in Redis, and all the rest is in a file of \
         SQLite, `database.url` (default): one node alone can serve\n    remedy: start no second node, or set \
         `database.url` to a PostgreSQL database"
    );
    assert_eq!(loaded(&[url, ("SYMBOLON_DATABASE_URL", POSTGRES)]).warnings, []);
}

#[test]
fn settings_of_postgresql_are_warned_of_beside_sqlite() {
    for (name, value) in [("connect_timeout", "1s"), ("clock_tolerance", "1ms")] {
        let variable = format!("SYMBOLON_DATABASE_{}", name.to_ascii_uppercase());
        let warnings = loaded(&[(&variable, value)]).warnings;
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            warnings[0].to_string(),
            format!(
                "database.{name} (environment variable {variable}): it has no effect on SQLite, `database.url` \
                 (default)\n    remedy: remove it, or set `database.url` to a PostgreSQL database"
            )
        );
        let on_postgres = [(variable.as_str(), value), ("SYMBOLON_DATABASE_URL", POSTGRES)];
        assert_eq!(loaded(&on_postgres).warnings, []);
    }
    assert_eq!(
        loaded(&[("SYMBOLON_DATABASE_ACQUIRE_TIMEOUT", "1s")]).warnings,
        []
    );
}

#[test]
fn postgresql_has_more_connections_unless_their_number_is_given() {
    let database = |environment: &[(&str, &str)]| loaded(environment).settings.database;
    let postgres = ("SYMBOLON_DATABASE_URL", POSTGRES);
    let settings = database(&[postgres]);
    assert_eq!(settings.url, POSTGRES);
    assert_eq!(settings.max_connections, 10);
    assert_eq!(settings.connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.acquire_timeout, Duration::from_secs(2));
    assert_eq!(settings.statement_timeout, Duration::from_secs(5));
    assert_eq!(settings.clock_tolerance, Duration::from_millis(10));
    let given = ("SYMBOLON_DATABASE_MAX_CONNECTIONS", "7");
    assert_eq!(database(&[postgres, given]).max_connections, 7);
    assert_eq!(database(&[given]).max_connections, 7);
}

#[test]
fn unusable_databases_are_refused_without_their_password() {
    let refused = |url| {
        let said = refusal(&complete("", &[("SYMBOLON_DATABASE_URL", url)]));
        assert!(!said.contains("hunter2"), "{said}");
        said
    };
    assert_eq!(
        refused("mysql://user:hunter2@db/symbolon"),
        "database.url (environment variable SYMBOLON_DATABASE_URL): the scheme \"mysql\" is not supported\n    remedy: \
         use SQLite, such as \"sqlite:symbolon.db\", or PostgreSQL, such as \
         \"postgres://user:password@host:5432/database\""
    );
    assert_eq!(
        refused("postgres://user:hunter2/3@db/symbolon"),
        "database.url (environment variable SYMBOLON_DATABASE_URL): its user or password holds a character that divides \
         URLs, or there is an @ behind the host\n    remedy: write %23 for #, %2F for /, %3F for ? and %40 for @"
    );
    assert_eq!(
        refused("postgres://user@db/symbolon?password=hunter2"),
        "database.url (environment variable SYMBOLON_DATABASE_URL): it has a parameter that is not known\n    remedy: \
         use none but application_name, host, sslcert, sslkey, sslmode, sslrootcert; user and password stand before \
         the host"
    );
    assert_eq!(
        refused("postgres://user:hunter2@db/symbolon?sslmode=on"),
        "database.url (environment variable SYMBOLON_DATABASE_URL): its sslmode is not known\n    remedy: use one of \
         allow, disable, prefer, require, verify-ca, verify-full"
    );
    for (url, wrong) in [
        ("hunter2", "it is not the URL of a database"),
        ("db:hunter2", "it is not the URL of a database"),
        ("sqlite:", "\"sqlite:\" names no file"),
        ("sqlite://?mode=rwc", "\"sqlite://?mode=rwc\" names no file"),
        ("sqlite::memory:", "\"sqlite::memory:\" is lost at every restart"),
        (
            "sqlite:x?mode=memory",
            "\"sqlite:x?mode=memory\" is lost at every restart",
        ),
        ("postgres:///symbolon", "it names no host"),
        (
            "postgres://user:hunter2@db",
            "it does not name one database behind the host",
        ),
        (
            "postgres://user:hunter2@db/a/b",
            "it does not name one database behind the host",
        ),
        ("postgres://user:hunter2@db/a#b", "it has a fragment"),
        (
            "postgres://user:hunter2@db:port/a",
            "it is not a URL: invalid port number",
        ),
    ] {
        let said = refused(url);
        assert!(said.contains(&format!("): {wrong}\n")), "{said}");
    }
}

#[test]
fn an_unusable_redis_is_refused_without_its_password() {
    assert_eq!(
        refusal(&complete("", &[("SYMBOLON_REDIS_URL", "redis://hunter2@cache")])),
        "redis.url (environment variable SYMBOLON_REDIS_URL): it has a user and no password\n    remedy: write \
         user:password@ before the host, :password@ where there is no user, or neither"
    );
    assert_eq!(
        refusal(&complete(
            "",
            &[("SYMBOLON_REDIS_URL", "rediss://:hunter2@cache#insecure")]
        )),
        "redis.url (environment variable SYMBOLON_REDIS_URL): it has parameters or a fragment\n    remedy: end it \
         behind the number of the database; certificates are always verified"
    );
}

/// The imagined machine, with the URLs in files that others may read and by commands.
fn with_urls_elsewhere(environment: &[(&str, &str)]) -> Sources {
    let mut sources = complete("", environment);
    sources.read_file = Box::new(|path| {
        let text = match path.to_str().unwrap() {
            "/database" => format!("{POSTGRES}\n"),
            "/sqlite" => "sqlite:symbolon.db\n".to_owned(),
            "/redis" => "redis://:hunter2@cache\n".to_owned(),
            _ => KEY.to_owned(),
        };
        let mode = Some(if path == Path::new("/kek") { 0o600 } else { 0o644 });
        Ok(FileText { text, mode })
    });
    sources.run_command = Box::new(|line| match line {
        "database" => Ok(POSTGRES.to_owned().into()),
        _ => Ok("redis://:hunter2@cache".to_owned().into()),
    });
    sources
}

#[test]
fn urls_are_given_by_files_and_commands_like_any_secret() {
    let by_file = with_urls_elsewhere(&[
        ("SYMBOLON_DATABASE_URL_FILE", "/database"),
        ("SYMBOLON_REDIS_URL_FILE", "/redis"),
    ]);
    let by_command = with_urls_elsewhere(&[
        ("SYMBOLON_DATABASE_URL_COMMAND", "database"),
        ("SYMBOLON_REDIS_URL_COMMAND", "redis"),
    ]);
    for (sources, warnings) in [(&by_file, 2), (&by_command, 0)] {
        let loaded = load(sources, Mode::Production).unwrap();
        assert_eq!(loaded.settings.database.url, POSTGRES);
        let redis = loaded.settings.redis.unwrap();
        assert_eq!(redis.url.expose_secret(), "redis://:hunter2@cache");
        assert_eq!(loaded.warnings.len(), warnings);
        for warning in loaded.warnings {
            assert_eq!(
                warning.wrong,
                "the file that holds this secret can be read by others than its owner"
            );
        }
    }
    let twice = with_urls_elsewhere(&[
        ("SYMBOLON_DATABASE_URL_FILE", "/database"),
        ("SYMBOLON_DATABASE_URL", "sqlite:symbolon.db"),
    ]);
    assert_eq!(
        refusal(&twice),
        "database.url (environment variable SYMBOLON_DATABASE_URL): the secret is also given by file (environment \
         variable SYMBOLON_DATABASE_URL_FILE)\n    remedy: keep one of them"
    );
}

#[test]
fn urls_without_a_password_may_be_read_by_others() {
    let sources = with_urls_elsewhere(&[("SYMBOLON_DATABASE_URL_FILE", "/sqlite")]);
    assert_eq!(load(&sources, Mode::Production).unwrap().warnings, []);
    let mut inline = complete("database.url = \"sqlite:symbolon.db\"", &[]);
    inline.file.as_mut().unwrap().content.mode = Some(0o100_644);
    assert_eq!(load(&inline, Mode::Production).unwrap().warnings, []);
    let mut inline = complete(&format!("database.url = \"{POSTGRES}\""), &[]);
    inline.file.as_mut().unwrap().content.mode = Some(0o100_644);
    let warnings = load(&inline, Mode::Production).unwrap().warnings;
    assert_eq!(
        (warnings.len(), warnings[0].setting.as_str()),
        (1, "database.url")
    );
}

#[test]
fn passwords_of_the_stores_are_in_no_output() {
    let sources = complete(
        "",
        &[
            ("SYMBOLON_DATABASE_URL", POSTGRES),
            ("SYMBOLON_REDIS_URL", "redis://ops:hunter2@cache:6379/1"),
        ],
    );
    let rows = explain(&sources);
    let value = |key| &rows.iter().find(|row| row.key == key).unwrap().value;
    assert_eq!(value("database.url"), "postgres://ops:***@db/symbolon");
    assert_eq!(value("redis.url"), "redis://***@cache:6379/1");
    let debug = format!("{:?}", load(&sources, Mode::Production).unwrap());
    assert!(debug.contains("postgres://ops:***@db/symbolon"), "{debug}");
    for text in [debug, explain_text(&rows), explain_json(&rows).unwrap()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
