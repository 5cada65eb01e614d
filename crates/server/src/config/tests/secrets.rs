//! Secrets: how they are given.

use super::*;

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
fn secrets_stay_out_of_debug() {
    let mut sources = complete("", &[]);
    sources
        .overrides
        .push(Override::new("keys.encryption_key", KEY, "--dev"));
    assert!(!format!("{:?}", sources.overrides).contains(KEY));
    assert!(!format!("{:?}", load(&sources, Mode::Production).unwrap()).contains(KEY));
}
