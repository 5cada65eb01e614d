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
    /// The URL is not one.
    #[error("`redis.url` is not understood: {0}")]
    Url(String),
}

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        Self::Refused(told(&error))
    }
}

/// The store's words for an error of the driver. Nothing is known to have changed, nor not to.
pub(crate) fn store_error(error: RedisError) -> StoreError {
    StoreError::Unavailable(format!("Redis: {}", told(&error)))
}

/// What may be shown of an error. The text of the driver may quote a command, and with it its arguments; only what the
/// server says in answer, and kinds, are told.
fn told(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Io => format!(
            "no connection ({})",
            if error.is_timeout() {
                "no answer in time"
            } else {
                "it broke"
            }
        ),
        _ => match error.code() {
            Some(code) => format!("it answered {code}"),
            None => format!("{:?}", error.kind()),
        },
    }
}
