//! What a setting's value looks like: its bounds, its words in messages, its type in TOML.

use std::time::Duration;

use symbolon_jose::SigningAlg;

use super::{database_url, redis_url};

/// Longest value that is quoted in full in messages, in characters.
const QUOTED_CHARACTERS: usize = 80;

/// The form of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Algorithm,
    Algorithms,
    Boolean,
    Choice(&'static [&'static str]),
    Command,
    DatabaseUrl,
    Duration {
        min: Duration,
        max: Duration,
        step: Duration,
    },
    EncryptionKey,
    Integer {
        min: u64,
        max: u64,
    },
    Issuer,
    LogFilter,
    Networks,
    Password,
    Path,
    RedisUrl,
    SocketAddress,
    /// Printable ASCII without blanks, at least one character and at most `max`.
    Word {
        max: usize,
        braces: bool,
    },
}

/// How a kind is written in a TOML file. Everywhere else values are text, lists separated by commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TomlType {
    Array,
    Boolean,
    Integer,
    Text,
}

impl Kind {
    /// A duration in whole seconds, bounds included.
    pub(super) const fn seconds(min: u64, max: u64) -> Self {
        Self::Duration {
            min: Duration::from_secs(min),
            max: Duration::from_secs(max),
            step: Duration::from_secs(1),
        }
    }

    /// A duration in whole milliseconds, bounds included.
    pub(super) const fn milliseconds(min: u64, max: u64) -> Self {
        Self::Duration {
            min: Duration::from_millis(min),
            max: Duration::from_millis(max),
            step: Duration::from_millis(1),
        }
    }

    /// Whether a value may hold a secret. Such a setting may also be given by a file or a command.
    pub(super) fn is_secret(self) -> bool {
        matches!(
            self,
            Self::DatabaseUrl | Self::EncryptionKey | Self::Password | Self::RedisUrl
        )
    }

    /// Whether this value holds a secret: something that is not shown.
    pub(super) fn hides(self, text: &str) -> bool {
        self.is_secret() && self.shown(text) != printable(text.trim())
    }

    pub(super) fn toml_type(self) -> TomlType {
        match self {
            Self::Algorithms | Self::Networks => TomlType::Array,
            Self::Boolean => TomlType::Boolean,
            Self::Integer { .. } => TomlType::Integer,
            _ => TomlType::Text,
        }
    }

    /// What is accepted, as a noun phrase for the reference and for remedies.
    pub(super) fn expects(self) -> String {
        match self {
            Self::Algorithm => format!("one of {}", algorithm_names(&SigningAlg::ALL)),
            Self::Algorithms => format!(
                "a list of one or more of {}, each once",
                algorithm_names(&SigningAlg::ALL)
            ),
            Self::Boolean => "true or false".to_owned(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
            Self::Command => "a command line for `/bin/sh -c`, in one line of at most 4096 bytes".to_owned(),
            Self::DatabaseUrl => "a `sqlite:` URL with the path of a file, or a `postgres://` URL such as \
                                  \"postgres://user:password@host:5432/database\""
                .to_owned(),
            Self::Duration { min, max, step } => format!(
                "a duration from {} to {} in whole {}",
                duration_text(min),
                duration_text(max),
                if step < Duration::from_secs(1) {
                    "milliseconds"
                } else {
                    "seconds"
                },
            ),
            Self::EncryptionKey => "a secret: 32 bytes in base64".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Issuer => {
                "an https URL without query, fragment and trailing slash, at most 512 bytes (http \
                             for loopback hosts alone)"
                    .to_owned()
            }
            Self::LogFilter => {
                "one of error, warn, info, debug, trace, or tracing filter directives such as \
                                \"info,symbolon_server=debug\""
                    .to_owned()
            }
            Self::Networks => "a list of at most 64 networks such as \"10.0.0.0/8\", or addresses".to_owned(),
            Self::Password => "a secret: a password of at most 4096 bytes".to_owned(),
            Self::Path => "the path of a file or folder".to_owned(),
            Self::RedisUrl => {
                "a `redis://` or `rediss://` URL such as \"redis://user:password@host:6379/0\", for a \
                               cluster and for Sentinels with several hosts, separated by commas"
                    .to_owned()
            }
            Self::SocketAddress => "an IP address and a port, such as \"127.0.0.1:8080\"".to_owned(),
            Self::Word { max, braces } => {
                let except = if braces { "" } else { " and braces" };
                format!("1 to {max} printable ASCII characters without blanks{except}")
            }
        }
    }

    /// A value as it may be shown to the operator: without secrets, passwords and control characters.
    pub(super) fn shown(self, text: &str) -> String {
        match self {
            // It may hold a password or a token.
            Self::Command => "(command, hidden)".to_owned(),
            Self::DatabaseUrl => database_url::shown(text),
            Self::EncryptionKey | Self::Password => format!("(secret, {} characters)", text.chars().count()),
            Self::Issuer if text.contains('@') => "(hidden, it holds user information)".to_owned(),
            Self::RedisUrl => redis_url::shown(text),
            _ => printable(text),
        }
    }

    /// A value quoted for an error message, cut short when it is long.
    pub(super) fn quoted(self, text: &str) -> String {
        let shown = self.shown(text);
        if shown.starts_with('(') {
            return shown;
        }
        quote(&shown)
    }
}

/// Text without control characters.
pub(super) fn printable(text: &str) -> String {
    text.escape_debug().to_string()
}

/// Quotes text that is already free of control characters, cut short when it is long.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("\"{}...\"", &text[..end]),
        None => format!("\"{text}\""),
    }
}

/// The names of algorithms, separated by commas.
pub(super) fn algorithm_names(algorithms: &[SigningAlg]) -> String {
    algorithms
        .iter()
        .map(|algorithm| algorithm.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The shortest exact text of a duration in one unit: `90d`, `12h`, `5m`, `30s`, `250ms`.
pub(super) fn duration_text(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let milliseconds = duration.as_millis();
    UNITS
        .iter()
        .find(|(unit, _)| milliseconds != 0 && milliseconds.is_multiple_of(*unit))
        .map_or_else(
            || {
                if milliseconds == 0 {
                    "0s".to_owned()
                } else {
                    format!("{milliseconds}ms")
                }
            },
            |(unit, suffix)| format!("{}{suffix}", milliseconds / unit),
        )
}

/// The exact text of a duration of whole seconds, in as many units as it takes; days from two days on: `24h`,
/// `2h 10m`, `90d`.
pub(super) fn sum_text(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    let seconds = duration.as_secs();
    let days = if seconds < 2 * DAY { 0 } else { seconds / DAY };
    let rest = seconds - days * DAY;
    let parts = [
        (days, "d"),
        (rest / 3600, "h"),
        (rest % 3600 / 60, "m"),
        (rest % 60, "s"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number != 0)
        .map(|(number, suffix)| format!("{number}{suffix}"))
        .collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_are_not_shown_whole_hide_something() {
        assert!(Kind::EncryptionKey.hides("hunter2"));
        assert!(Kind::DatabaseUrl.hides("postgres://u:hunter2@db/x"));
        assert!(!Kind::DatabaseUrl.hides("postgres://u@db/x"));
        assert!(!Kind::DatabaseUrl.hides("sqlite:a \"b\".db"));
        assert!(Kind::RedisUrl.hides("redis://:hunter2@db"));
        assert!(!Kind::RedisUrl.hides("redis://db"));
    }

    #[test]
    fn durations_are_shown_in_their_largest_exact_unit() {
        for text in ["0s", "100ms", "1500ms", "30s", "90s", "5m", "1h", "25h", "90d"] {
            assert_eq!(duration_text(humantime::parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sums_are_shown_in_several_units() {
        for text in [
            "1s",
            "59s",
            "1m",
            "1m 1s",
            "24h",
            "26h 10m",
            "47h 59m 59s",
            "2d",
            "2d 1s",
            "90d",
            "400d 2h 10m",
        ] {
            assert_eq!(sum_text(humantime::parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn shown_values_hide_secrets_and_control_characters() {
        assert_eq!(Kind::EncryptionKey.shown("hunter2"), "(secret, 7 characters)");
        assert_eq!(Kind::DatabaseUrl.shown("hunter2"), "(hidden)");
        assert_eq!(Kind::RedisUrl.shown("hunter2"), "(hidden)");
        assert_eq!(
            Kind::Issuer.shown("https://u:hunter2@a"),
            "(hidden, it holds user information)"
        );
        assert_eq!(Kind::Command.shown("fetch --token hunter2"), "(command, hidden)");
        assert_eq!(Kind::Path.shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
    }
}
