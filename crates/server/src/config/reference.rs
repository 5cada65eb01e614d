//! The reference, `docs/configuration.md`, and the example file, `symbolon.example.toml`, made from the table.

use std::fmt::Write as _;

use super::table::{Pointer, Preset, Spec, TABLE, sections};

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the table of settings: `UPDATE_DOCS=1 cargo test -p symbolon-server config` writes it anew. -->

Settings are read from these places, later ones beating earlier ones:

1. the defaults below;
2. the TOML file that `--config` names ([an example](../symbolon.example.toml));
3. environment variables;
4. command line flags such as `--listen`.

In the environment lists are separated by commas. Durations are text such as `\"30s\"`, `\"5m\"`, `\"12h\"` or
`\"90d\"`, also in the file. Relative paths start at the working directory.

A secret is best kept in a file of its own: instead of the secret itself give the file's path, in the file under
the key with `_file` behind it, in the environment by the variable with `_FILE` behind it. A file that others than
its owner may read is reported in the log. The URLs of the database and of Redis count as secrets, since they may hold
a password.

A secret that is kept elsewhere comes from a command: give a command line with `_command` or `_COMMAND` behind the
name, such as `encryption_key_command = \"vault kv get -field=key secret/symbolon\"`. `/bin/sh -c` runs it whenever
settings are read, `symbolon config explain` included, and what it writes to its standard output is the secret: at
most 4 KiB, within 30 seconds, after which it is killed with everything that it started. It gets no input and no
`SYMBOLON_*` variables; its standard error is the server's. A command that fails, or writes nothing, is refused.
The command line and its output are never shown.

White space around a secret is ignored. Giving a secret in more than one of these ways is refused, wherever each
stands.

The server refuses to start on unknown keys, unknown `SYMBOLON_*` variables, values out of bounds, and settings
that contradict each other, and lists everything that is wrong at once. Variables that Kubernetes and Docker make
for a service of this name (`SYMBOLON_SERVICE_HOST`, `SYMBOLON_PORT_8080_TCP` and their like) are ignored.

`symbolon config explain` shows every setting with its value, where that was read, its default and its meaning,
and never a secret.
";

const CONTRADICTIONS: &str = "
## What is refused together

- `server.tls_certificate_file` without `server.tls_key_file`, or the other way round.
- `server.listen` or `admin.listen` off loopback in plain HTTP without `server.trusted_proxies`.
- An `issuer` of scheme http with `server.listen` off loopback.
- Two listeners on one address and port.
- Any `redis.*` setting without `redis.url`.
- `redis.mode` sentinel without `redis.sentinel_service`, or any `redis.sentinel_*` setting with another mode.
- `redis.sentinel_username` without `redis.sentinel_password`.
- `redis.ca_file` with a `redis.url` that asks for no TLS.
- Several hosts in `redis.url` with `redis.mode` single, or a database number other than 0 with `redis.mode` cluster.
- `keys.previous_encryption_key` that is the same key as `keys.encryption_key`.
- `keys.default_algorithm` outside `keys.algorithms`.
- `feed.max_streams` not below `server.max_connections`.
- `tokens.refresh_idle_lifetime` longer than `tokens.session_lifetime`.
- `passwords.memory_kib` times `passwords.hash_threads` above 8 GiB.
- With `--dev`, any listener off loopback, and `redis.url`.

Allowed, and warned of in the log:

- `management.listen` off loopback.
- `redis.url` with a database of SQLite, on which there can be no second node.
- Settings of PostgreSQL alone with a database of SQLite.

By these timings verifiers would refuse valid tokens or ask for the key set all the time, or rotation could not keep
its schedule. The flag `--dangerous-key-timings`, which every command has, turns the refusals into warnings; it is
meant for tests.

- `keys.publish_before_signing` below 24h, or below twice `jwks.max_age` where that is longer: a verifier that read
  the key set just before the new key came would refuse its tokens.
- `keys.publish_after_signing` below 2h 10m = 1h (the longest access token) + 1h (that a node may sign from memory) +
  10m (clocks of verifiers): the last tokens that the key signed would be refused before they expire.
- `keys.rotation_interval` below `keys.publish_before_signing` + `keys.publish_after_signing`: a key would be due for
  rotation before its successor is ready or its predecessor gone.
- `jwks.max_age` below 1m: caches would come back for nearly every token.
";

const EXAMPLE_INTRODUCTION: &str = "\
# Every setting of Symbolon. What is commented out is the default, or unset. See docs/configuration.md.
# Generated from the table of settings: `UPDATE_DOCS=1 cargo test -p symbolon-server config` writes it anew.
";

/// The reference of all settings in Markdown.
pub fn reference_markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in std::iter::once("").chain(sections()) {
        let title = if section.is_empty() {
            "Top level".to_owned()
        } else {
            format!("`[{section}]`")
        };
        append(&mut text, format_args!("\n## {title}\n"));
        for spec in TABLE.iter().filter(|spec| spec.section_and_name().0 == section) {
            append_reference(&mut text, spec);
        }
    }
    text.push_str(CONTRADICTIONS);
    text
}

/// A configuration file with every setting, the required ones given and the others commented out.
pub fn example_toml() -> String {
    let mut text = EXAMPLE_INTRODUCTION.to_owned();
    for section in std::iter::once("").chain(sections()) {
        if !section.is_empty() {
            append(&mut text, format_args!("\n[{section}]\n"));
        }
        for spec in TABLE.iter().filter(|spec| spec.section_and_name().0 == section) {
            append_example(&mut text, spec);
        }
    }
    text
}

fn append_reference(text: &mut String, spec: &Spec) {
    append(text, format_args!("\n### `{}`\n\n{}\n\n", spec.key, spec.meaning));
    append(text, format_args!("- Value: {}\n", spec.kind.expects()));
    match spec.preset {
        Preset::Required(_) => text.push_str("- Required; `--dev` alone provides it\n"),
        Preset::Unset => text.push_str("- Default: not set\n"),
        Preset::Value(value) => append(text, format_args!("- Default: `{}`\n", spec.toml(value))),
    }
    append(text, format_args!("- Environment: `{}`\n", spec.variable()));
    for pointer in Pointer::ALL {
        if let (Some(key), Some(variable)) = (spec.pointer_key(pointer), spec.pointer_variable(pointer)) {
            append(
                text,
                format_args!("- By {}: `{key}` or `{variable}`\n", pointer.name()),
            );
        }
    }
}

fn append_example(text: &mut String, spec: &Spec) {
    let (_, name) = spec.section_and_name();
    text.push('\n');
    for line in wrapped(spec.meaning) {
        append(text, format_args!("# {line}\n"));
    }
    append(text, format_args!("# Value: {}.\n", spec.kind.expects()));
    match spec.preset {
        Preset::Required(example) if spec.is_secret() => {
            append(text, format_args!("{name}_file = \"{example}\"\n"))
        }
        Preset::Required(example) => append(text, format_args!("{name} = {}\n", spec.toml(example))),
        Preset::Unset if spec.is_secret() => append(text, format_args!("# {name}_file =\n")),
        Preset::Unset => append(text, format_args!("# {name} =\n")),
        Preset::Value(value) => append(text, format_args!("# {name} = {}\n", spec.toml(value))),
    }
    if matches!(spec.preset, Preset::Value(_)) && spec.is_secret() {
        append(text, format_args!("# {name}_file =\n"));
    }
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = text.write_fmt(arguments);
}

/// Breaks a text into lines of at most 100 characters, at spaces.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
