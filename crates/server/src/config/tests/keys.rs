//! Key-encryption keys and the timings of signing keys.

use symbolon_core::keys::KeyTimings;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn timings(environment: &[(&str, &str)]) -> KeyTimings {
    settings(&complete("", environment)).keys.timings
}

#[test]
fn timings_are_derived_from_the_age_of_the_key_set() {
    let derived = KeyTimings {
        rotate_every: 90 * DAY,
        publish_before: DAY,
        publish_after: 2 * HOUR + 10 * MINUTE,
    };
    assert_eq!(timings(&[]), derived);
    for (max_age, publish_before) in [
        ("1m", DAY),
        ("12h", DAY),
        ("12h 1s", DAY + Duration::from_secs(2)),
        ("1d", 2 * DAY),
    ] {
        let expected = KeyTimings {
            publish_before,
            ..derived
        };
        assert_eq!(
            timings(&[("SYMBOLON_JWKS_MAX_AGE", max_age)]),
            expected,
            "{max_age}"
        );
    }
}

#[test]
fn timings_at_their_least_are_accepted() {
    let least = KeyTimings {
        rotate_every: 26 * HOUR + 10 * MINUTE,
        publish_before: DAY,
        publish_after: 2 * HOUR + 10 * MINUTE,
    };
    assert_eq!(timings(&[("SYMBOLON_KEYS_ROTATION_INTERVAL", "26h 10m")]), least);
    let file = "[keys]\nrotation_interval = \"100h\"\npublish_before_signing = \"48h\"\n\
                publish_after_signing = \"52h\"\nrotate_automatically = false\n[jwks]\nmax_age = \"1d\"";
    let loaded = load(&complete(file, &[]), Mode::Production).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(!loaded.settings.keys.rotate_automatically);
    let given = KeyTimings {
        rotate_every: 100 * HOUR,
        publish_before: 48 * HOUR,
        publish_after: 52 * HOUR,
    };
    assert_eq!(loaded.settings.keys.timings, given);
}

/// Environments whose timings are too short, one by one, and what is said of them.
const TOO_SHORT: [(&[(&str, &str)], &str); 8] = [
    (
        &[("SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING", "1h")],
        "keys.publish_before_signing (environment variable SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING): 1h is too short; it \
         must be at least 24h = max(24h, 2 x 15m (`jwks.max_age`, default)): a verifier that read the key set just \
         before the new key came would refuse its tokens\n    remedy: give at least \"24h\", or accept it with \
         --dangerous-key-timings",
    ),
    (
        &[
            ("SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING", "39h 59m 59s"),
            ("SYMBOLON_JWKS_MAX_AGE", "20h"),
        ],
        "keys.publish_before_signing (environment variable SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING): 39h 59m 59s is too \
         short; it must be at least 40h = max(24h, 2 x 20h (`jwks.max_age`, environment variable \
         SYMBOLON_JWKS_MAX_AGE)): a verifier that read the key set just before the new key came would refuse its \
         tokens\n    remedy: give at least \"40h\", or accept it with --dangerous-key-timings",
    ),
    (
        &[("SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING", "5m")],
        "keys.publish_after_signing (environment variable SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING): 5m is too short; it \
         must be at least 2h 10m = 1h (the longest access token) + 1h (that a node may sign from memory) + 10m (clocks \
         of verifiers): the last tokens that the key signed would be refused before they expire\n    remedy: give at \
         least \"2h 10m\", or accept it with --dangerous-key-timings",
    ),
    (
        &[("SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING", "7799s")],
        "keys.publish_after_signing (environment variable SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING): 2h 9m 59s is too \
         short; it must be at least 2h 10m = 1h (the longest access token) + 1h (that a node may sign from memory) + \
         10m (clocks of verifiers): the last tokens that the key signed would be refused before they expire\n    \
         remedy: give at least \"2h 10m\", or accept it with --dangerous-key-timings",
    ),
    (
        &[("SYMBOLON_KEYS_ROTATION_INTERVAL", "1d")],
        "keys.rotation_interval (environment variable SYMBOLON_KEYS_ROTATION_INTERVAL): 24h is too short; it must be \
         at least 26h 10m = 24h (`keys.publish_before_signing`, derived) + 2h 10m (`keys.publish_after_signing`, \
         derived): a key would be due for rotation before its successor is ready or its predecessor gone\n    remedy: \
         give at least \"26h 10m\", or accept it with --dangerous-key-timings",
    ),
    (
        &[
            ("SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING", "88d"),
            ("SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING", "49h"),
        ],
        "keys.rotation_interval (default): 90d is too short; it must be at least 90d 1h = 88d \
         (`keys.publish_before_signing`, environment variable SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING) + 2d 1h \
         (`keys.publish_after_signing`, environment variable SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING): a key would be due \
         for rotation before its successor is ready or its predecessor gone\n    remedy: give at least \"90d 1h\", or \
         accept it with --dangerous-key-timings",
    ),
    (
        &[("SYMBOLON_JWKS_MAX_AGE", "59s")],
        "jwks.max_age (environment variable SYMBOLON_JWKS_MAX_AGE): 59s is below the minimum of 1m: caches would come \
         back for nearly every token\n    remedy: give at least \"1m\", or accept it with --dangerous-key-timings",
    ),
    (
        &[("SYMBOLON_JWKS_MAX_AGE", "1s")],
        "jwks.max_age (environment variable SYMBOLON_JWKS_MAX_AGE): 1s is below the minimum of 1m: caches would come \
         back for nearly every token\n    remedy: give at least \"1m\", or accept it with --dangerous-key-timings",
    ),
];

#[test]
fn timings_too_short_for_verifiers_are_refused_with_the_arithmetic() {
    for (environment, said) in TOO_SHORT {
        assert_eq!(refusal(&complete("", environment)), said);
    }
}

#[test]
fn timings_too_short_for_verifiers_are_warned_of_where_the_danger_is_accepted() {
    for (environment, said) in TOO_SHORT {
        let mut sources = complete("", environment);
        sources.dangerous_key_timings = true;
        for mode in [Mode::Production, Mode::Dev] {
            let loaded = load(&sources, mode).unwrap();
            assert_eq!(loaded.warnings.len(), 1);
            assert_eq!(loaded.warnings[0].to_string(), said);
        }
    }
}

#[test]
fn accepting_the_danger_accepts_nothing_else() {
    let dangerous = |environment: &[(&str, &str)]| {
        let mut sources = complete("", environment);
        sources.dangerous_key_timings = true;
        sources
    };
    assert_eq!(load(&dangerous(&[]), Mode::Production).unwrap().warnings, []);
    for (variable, value, wrong) in [
        ("SYMBOLON_JWKS_MAX_AGE", "0s", "\"0s\" is below the minimum of 1s"),
        (
            "SYMBOLON_KEYS_ROTATION_INTERVAL",
            "0s",
            "\"0s\" is below the minimum of 1s",
        ),
        (
            "SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING",
            "201d",
            "\"201d\" is above the maximum of 200d",
        ),
        (
            "SYMBOLON_SERVER_LISTEN",
            "0.0.0.0:80",
            "0.0.0.0:80 would be served in plain HTTP to everybody, passwords and tokens included",
        ),
    ] {
        let errors = load(&dangerous(&[(variable, value)]), Mode::Production).unwrap_err();
        assert_eq!(errors.findings()[0].wrong, wrong);
    }
    let short = dangerous(&[
        ("SYMBOLON_KEYS_ROTATION_INTERVAL", "12s"),
        ("SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING", "3s"),
        ("SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING", "2s"),
        ("SYMBOLON_JWKS_MAX_AGE", "1s"),
    ]);
    let loaded = load(&short, Mode::Production).unwrap();
    let seconds = Duration::from_secs;
    let given = KeyTimings {
        rotate_every: seconds(12),
        publish_before: seconds(3),
        publish_after: seconds(2),
    };
    assert_eq!(loaded.settings.keys.timings, given);
    let warned: Vec<_> = loaded.warnings.iter().map(|w| w.setting.as_str()).collect();
    assert_eq!(
        warned,
        [
            "keys.publish_before_signing",
            "keys.publish_after_signing",
            "jwks.max_age"
        ]
    );
}

#[test]
fn unsound_timings_are_reported_once() {
    for (variable, value) in [
        ("SYMBOLON_JWKS_MAX_AGE", "x"),
        ("SYMBOLON_KEYS_ROTATION_INTERVAL", "401d"),
        ("SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING", ""),
        ("SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING", "1500ms"),
    ] {
        let said = refusal(&complete("", &[(variable, value)]));
        assert!(
            said.contains(&format!("(environment variable {variable}): ")),
            "{said}"
        );
    }
    let errors = load(
        &complete(
            "",
            &[
                ("SYMBOLON_KEYS_PUBLISH_BEFORE_SIGNING", "1h"),
                ("SYMBOLON_KEYS_PUBLISH_AFTER_SIGNING", "1h"),
                ("SYMBOLON_KEYS_ROTATION_INTERVAL", "1h"),
                ("SYMBOLON_JWKS_MAX_AGE", "1s"),
            ],
        ),
        Mode::Production,
    )
    .unwrap_err();
    assert_eq!(errors.findings().len(), 4, "{errors}");
}

#[test]
fn a_previous_key_opens_and_encrypts_nothing() {
    let none = settings(&complete("", &[])).keys.encryption_keys;
    assert!(none.previous().is_empty());
    for (variable, value) in [
        ("SYMBOLON_KEYS_PREVIOUS_ENCRYPTION_KEY", OTHER_KEY),
        ("SYMBOLON_KEYS_PREVIOUS_ENCRYPTION_KEY_FILE", "/other"),
        ("SYMBOLON_KEYS_PREVIOUS_ENCRYPTION_KEY_COMMAND", "other"),
    ] {
        let keys = settings(&complete("", &[(variable, value)])).keys.encryption_keys;
        assert_eq!(keys.current().to_base64().as_str(), KEY);
        let previous: Vec<_> = keys.previous().iter().map(|key| key.to_base64()).collect();
        assert_eq!(previous.len(), 1);
        assert_eq!(previous[0].as_str(), OTHER_KEY);
        let kept = keys.previous()[0].wrap("test", b"record").unwrap();
        assert_eq!(keys.unwrap("test", &kept).unwrap().as_slice(), b"record");
        let new = keys.wrap("test", b"record").unwrap();
        assert!(keys.previous()[0].unwrap("test", &new).is_err());
    }
}

#[test]
fn the_same_key_as_current_and_previous_is_refused() {
    let same = complete("keys.previous_encryption_key_file = \"/tail\"", &[]);
    assert_eq!(
        refusal(&same),
        "keys.previous_encryption_key (file /tail, named by symbolon.toml:1): it is the same key as \
         `keys.encryption_key` (file /kek, named by environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_FILE)\n    \
         remedy: give the key that `keys.encryption_key` was before, or unset it once `symbolon keys rewrap` has been \
         run"
    );
    // The other alphabet of base64 and no padding: the keys are compared, not their texts.
    let mut texts = complete("", &[]);
    for (variable, key) in [
        ("SYMBOLON_KEYS_ENCRYPTION_KEY", "-_v7".to_owned() + &KEY[4..43]),
        (
            "SYMBOLON_KEYS_PREVIOUS_ENCRYPTION_KEY",
            "+/v7".to_owned() + &KEY[4..],
        ),
    ] {
        texts.environment.insert(variable.to_owned(), key);
    }
    texts.environment.remove("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE");
    assert!(refusal(&texts).contains("it is the same key as"));
}

#[test]
fn an_unsound_previous_key_is_refused_without_being_shown() {
    assert_eq!(
        refusal(&complete(
            "",
            &[("SYMBOLON_KEYS_PREVIOUS_ENCRYPTION_KEY", "hunter2!")]
        )),
        "keys.previous_encryption_key (environment variable SYMBOLON_KEYS_PREVIOUS_ENCRYPTION_KEY): it is not 32 bytes \
         in base64\n    remedy: make a key with `openssl rand -base64 32` and keep it in a file of its own"
    );
}

#[test]
fn key_encryption_keys_are_read_anew() {
    let mut sources = complete("", &[]);
    let reloaded = |sources: &Sources| {
        let keys = reload_encryption_keys(sources, Mode::Production)?;
        Ok::<_, ConfigErrors>(keys.current().to_base64().to_string())
    };
    assert_eq!(reloaded(&sources).unwrap(), KEY);
    // The file that the setting names holds another key now.
    sources.read_file = Box::new(|_| {
        Ok(FileText {
            text: OTHER_KEY.to_owned(),
            mode: None,
        })
    });
    assert_eq!(reloaded(&sources).unwrap(), OTHER_KEY);
    sources.read_file = Box::new(|_| Err(io::ErrorKind::NotFound.into()));
    let refused = reloaded(&sources).unwrap_err().to_string();
    assert!(refused.contains("/kek cannot be read"), "{refused}");
}
