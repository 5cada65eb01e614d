//! What can go wrong, in the words of the store's callers.

use redis::{ErrorKind, RedisError};
use symbolon_core::ports::StoreError;

/// Redis can't be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No answer, or a refusal.
    #[error(
        "Redis can't be used: {0}; see that it runs, and that `redis.url` names it and a user who may use it"
    )]
    Refused(String),
    /// It is older than what the store needs.
    #[error("Redis {found} is too old: 6.2 or later is needed")]
    Version {
        /// What answered.
        found: String,
    },
    /// It forgets sessions when its memory is full.
    #[error(
        "Redis evicts keys when its memory is full (maxmemory-policy {0}), and with them sessions and fences: set \
         `maxmemory-policy noeviction`"
    )]
    Evicts(String),
    /// The authorities that may have signed the servers' certificates can't be read.
    #[error("`redis.ca_file` can't be used: {0}")]
    Authorities(String),
    /// The names of keys can't begin with it.
    #[error("`redis.key_prefix` may have at most 32 bytes, and no braces")]
    Prefix,
    /// The URL is not one.
    #[error("`redis.url` is not understood: {0}")]
    Url(String),
}

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        let told = told(&error);
        let hint = if told.contains("certificate") {
            "; `redis.ca_file` names the authorities of certificates that the system does not trust"
        } else if error.kind() == ErrorKind::Parse
            || error.is_connection_dropped() && !error.is_connection_refusal()
        {
            "; where the server wants TLS, and only there, the URL begins with rediss://"
        } else {
            ""
        };
        Self::Refused(told + hint)
    }
}

/// The store's words for an error of the driver. Nothing is known to have changed, nor not to.
pub(crate) fn store_error(error: RedisError) -> StoreError {
    StoreError::Unavailable(format!("Redis: {}", told(&error)))
}

/// What may be shown of an error. The text of the driver may quote a command, and with it its arguments; only what the
/// server says in answer, what the system and TLS say of the connection, and kinds, are told.
pub(crate) fn told(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => "no connection (no answer in time)".to_owned(),
        ErrorKind::Io => format!("no connection ({error})"),
        ErrorKind::Parse => "no connection (what answers does not speak as Redis does)".to_owned(),
        _ => match error.code() {
            Some(code) => format!("it answered {code}"),
            None => format!("{:?}", error.kind()),
        },
    }
}
