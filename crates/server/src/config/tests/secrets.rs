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
            settings(&sources)
                .keys
                .encryption_keys
                .current()
                .to_base64()
                .as_str(),
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
    assert_eq!(
        loaded
            .settings
            .keys
            .encryption_keys
            .current()
            .to_base64()
            .as_str(),
        KEY
    );
    assert_eq!(loaded.warnings, []);
    let by_file = sources(
        "issuer = \"https://a.example\"\nkeys.encryption_key_file = \"/kek\"",
        &[],
    );
    assert_eq!(
        settings(&by_file)
            .keys
            .encryption_keys
            .current()
            .to_base64()
            .as_str(),
        KEY
    );
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
         SYMBOLON_KEYS_ENCRYPTION_KEY_FILE)\n    remedy: keep one of them"
    );
    assert!(refusal(&complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY", KEY)])).contains("also given by file"));
}

#[test]
fn a_secret_given_by_file_and_command_is_refused_and_neither_is_read() {
    let mut twice = complete("keys.encryption_key_command = \"kek\"", &[]);
    let read_file = |_: &Path| -> io::Result<FileText> { panic!("a file was read") };
    let run_command = |_: &str| panic!("a command was run");
    (twice.read_file, twice.run_command) = (Box::new(read_file), Box::new(run_command));
    assert_eq!(
        refusal(&twice),
        "keys.encryption_key (environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_FILE): the secret is also given by \
         command (symbolon.toml:1)\n    remedy: keep one of them"
    );
    twice
        .environment
        .insert("SYMBOLON_KEYS_ENCRYPTION_KEY".to_owned(), KEY.to_owned());
    assert_eq!(
        refusal(&twice),
        "keys.encryption_key (environment variable SYMBOLON_KEYS_ENCRYPTION_KEY): the secret is also given by file \
         (environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_FILE) and by command (symbolon.toml:1)\n    remedy: keep \
         one of them"
    );
    twice.environment.remove("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE");
    assert_eq!(
        refusal(&twice),
        "keys.encryption_key (environment variable SYMBOLON_KEYS_ENCRYPTION_KEY): the secret is also given by command \
         (symbolon.toml:1)\n    remedy: keep one of them"
    );
}

/// Sources whose key-encryption key is given by this command, in the environment.
fn by_command(line: &str) -> Sources {
    let mut sources = complete("", &[("SYMBOLON_KEYS_ENCRYPTION_KEY_COMMAND", line)]);
    sources.environment.remove("SYMBOLON_KEYS_ENCRYPTION_KEY_FILE");
    sources
}

#[test]
fn secrets_are_taken_from_commands_and_trimmed() {
    let by_file = sources(
        "issuer = \"https://a.example\"\nkeys.encryption_key_command = \"kek\"",
        &[],
    );
    for sources in [by_command("kek"), by_command("tail"), by_file] {
        let loaded = load(&sources, Mode::Production).unwrap();
        assert_eq!(loaded.warnings, []);
        assert_eq!(
            loaded
                .settings
                .keys
                .encryption_keys
                .current()
                .to_base64()
                .as_str(),
            KEY
        );
    }
}

#[test]
fn the_real_shell_gives_a_secret() {
    let mut sources = by_command(&format!("echo {KEY} && : token=hunter2"));
    sources.run_command = Box::new(run_command);
    assert_eq!(
        settings(&sources)
            .keys
            .encryption_keys
            .current()
            .to_base64()
            .as_str(),
        KEY
    );
    for line in [
        "echo hunter2; exit 3",
        "kill -9 $$; : hunter2",
        ": hunter2",
        "echo hunter2",
    ] {
        let mut sources = by_command(line);
        sources.run_command = Box::new(run_command);
        let said = refusal(&sources);
        assert!(
            said.starts_with("keys.encryption_key") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

#[test]
fn unusable_commands_are_refused_without_being_shown() {
    const REMEDY: &str =
        "remedy: give a command line that writes nothing but the secret, and ends with status 0";
    let long = format!("hunter2{}", " ".repeat(4096));
    for (line, wrong) in [
        ("fetch --token hunter2", "the command failed with status 127"),
        ("nothing", "the command wrote nothing"),
        ("", "it is empty"),
        ("hunter2\nhunter2", "(command, hidden) holds control characters"),
        (&long, "it is 4103 bytes long, more than 4096"),
    ] {
        let sources = by_command(line);
        let said = refusal(&sources);
        assert_eq!(
            said,
            format!(
                "keys.encryption_key_command (environment variable SYMBOLON_KEYS_ENCRYPTION_KEY_COMMAND): {wrong}\n    \
                 {REMEDY}"
            )
        );
        let explained = explain_text(&explain(&sources));
        assert!(
            !explained.contains("hunter2") && explained.contains("(refused)"),
            "{explained}"
        );
    }
    let mut sources = by_command("hunter2");
    let errors = [
        (
            CommandError::TimedOut(Duration::from_secs(30)),
            "the command had not ended after 30s, and was killed",
        ),
        (
            CommandError::TooLong,
            "the command wrote more than 4096 bytes, and was killed",
        ),
        (CommandError::Ended(9), "the command was ended by signal 9"),
        (CommandError::NotText, "what the command wrote is not UTF-8"),
        (
            CommandError::NotRun(io::ErrorKind::NotFound.into()),
            "the command could not be run: entity not found",
        ),
    ];
    for (error, wrong) in errors {
        let error = std::sync::Mutex::new(Some(error));
        sources.run_command = Box::new(move |_| Err(error.lock().unwrap().take().unwrap()));
        let said = refusal(&sources);
        assert!(
            said.contains(&format!("): {wrong}\n")) && !said.contains("hunter2"),
            "{said}"
        );
    }
    let wrong_type = sources_of_command_in_file("7");
    assert_eq!(
        refusal(&wrong_type),
        "keys.encryption_key_command (symbolon.toml:2): it is an integer, not text in quotes\n    \
         remedy: give a command line for `/bin/sh -c`, in one line of at most 4096 bytes"
    );
}

fn sources_of_command_in_file(value: &str) -> Sources {
    sources(
        &format!("issuer = \"https://a.example\"\nkeys.encryption_key_command = {value}"),
        &[],
    )
}

#[test]
fn what_a_command_wrote_is_judged_like_any_secret() {
    let mut sources = sources_of_command_in_file("\"fetch --token hunter2\"");
    sources.run_command = Box::new(|_| Ok("hunter3".to_owned().into()));
    assert_eq!(
        refusal(&sources),
        "keys.encryption_key (output of keys.encryption_key_command, set by symbolon.toml:2): it is not 32 bytes in \
         base64\n    remedy: make a key with `openssl rand -base64 32` and keep it in a file of its own"
    );
    let explained = explain(&sources);
    let row = explained
        .iter()
        .find(|row| row.key == "keys.encryption_key")
        .unwrap();
    assert_eq!(
        (row.value.as_str(), row.source.as_str()),
        (
            "(secret, 7 characters)",
            "output of keys.encryption_key_command, set by symbolon.toml:2"
        )
    );
    let (text, json) = (explain_text(&explained), explain_json(&explained).unwrap());
    assert!(!text.contains("hunter") && !json.contains("hunter"));
}

#[test]
fn an_override_makes_the_command_needless() {
    let mut sources = by_command("hunter2");
    sources.run_command = Box::new(|_| panic!("a command was run"));
    sources
        .overrides
        .push(Override::new("keys.encryption_key", KEY, "--dev"));
    settings(&sources);
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
