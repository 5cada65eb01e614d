//! What is written about the settings.

use super::*;

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
fn the_example_file_is_sound_and_shows_the_defaults() {
    let example = example_toml();
    // Without it the other settings of Redis are refused.
    let redis = ("SYMBOLON_REDIS_URL", "redis://localhost");
    let sources_of = |text: &str| {
        let mut sources = sources(text, &[redis]);
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
