//! Key-encryption keys: the current one and the previous one.

use super::*;

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
