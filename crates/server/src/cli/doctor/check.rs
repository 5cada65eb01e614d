//! What a check is called and what it found.

use std::time::Duration;

use serde::Serialize;

/// Longest time that one check may take. A store that gives no answer has failed by then.
pub(super) const LONGEST: Duration = Duration::from_secs(20);

macro_rules! names {
    ($($variant:ident = $text:literal,)+) => {
        /// What is checked, in the order of the report.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub(in crate::cli) enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
        }

        impl Name {
            /// All of them, in order.
            pub(super) const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it stands in the report.
            pub(in crate::cli) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

names! {
    Configuration = "configuration",
    ClockMachine = "clock.machine",
    ClockDatabase = "clock.database",
    ClockRedis = "clock.redis",
    DatabaseConnection = "database.connection",
    DatabaseFile = "database.file",
    DatabaseTls = "database.tls",
    DatabaseDurability = "database.durability",
    DatabaseCapacity = "database.capacity",
    DatabaseSchema = "database.schema",
    DatabaseIssuer = "database.issuer",
    KeysEncryption = "keys.encryption",
    KeysActive = "keys.active",
    KeysRotation = "keys.rotation",
    KeysImportDir = "keys.import_dir",
    RedisConnection = "redis.connection",
    RedisTls = "redis.tls",
    RedisPersistence = "redis.persistence",
    RedisMemory = "redis.memory",
    RedisReplicas = "redis.replicas",
    TlsCertificate = "tls.certificate",
    ListenServer = "listen.server",
    ListenManagement = "listen.management",
    ListenAdmin = "listen.admin",
    ReachabilityManagement = "reachability.management",
    ReachabilityIssuer = "reachability.issuer",
    ReachabilityAdmin = "reachability.admin",
    AdminListener = "admin.listener",
    ProxiesTrusted = "proxies.trusted",
    ProxiesClientAddress = "proxies.client_address",
    LimitsOpenFiles = "limits.open_files",
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Outcome {
    /// It keeps the server from serving, or breaks a promise.
    Failed,
    /// As it should be.
    Ok,
    /// It does not apply here, or could not be checked.
    Skipped,
    /// The server runs with it, but it is likely a mistake.
    Warning,
}

impl Outcome {
    /// As it stands in the report.
    pub(in crate::cli) fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
        }
    }
}

/// What a check found. Never holds a secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(in crate::cli) struct Check {
    /// What was checked.
    pub(in crate::cli) name: Name,
    /// What came of it.
    pub(in crate::cli) outcome: Outcome,
    /// What was found.
    pub(in crate::cli) detail: String,
    /// How to mend it, where it is not as it should be.
    pub(in crate::cli) remedy: Option<String>,
}

impl Check {
    /// It is as it should be.
    pub(super) fn ok(name: Name, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Ok, detail, None)
    }

    /// It is likely a mistake.
    pub(super) fn warning(name: Name, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(name, Outcome::Warning, detail, Some(remedy.into()))
    }

    /// It must be mended.
    pub(super) fn failed(name: Name, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(name, Outcome::Failed, detail, Some(remedy.into()))
    }

    /// It was not checked, and why.
    pub(super) fn skipped(name: Name, why: impl Into<String>) -> Self {
        Self::new(name, Outcome::Skipped, why, None)
    }

    fn new(name: Name, outcome: Outcome, detail: impl Into<String>, remedy: Option<String>) -> Self {
        Self {
            name,
            outcome,
            detail: detail.into(),
            remedy,
        }
    }
}

/// What the check finds, or that it took too long.
pub(super) async fn bounded(name: Name, check: impl Future<Output = Check>) -> Check {
    within(LONGEST, check).await.unwrap_or_else(|| late(name))
}

/// What comes within `time`; `None` where nothing does.
pub(super) async fn within<T>(time: Duration, answer: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, answer).await.ok()
}

/// What is found of something that blocks, on a thread of its own; `None` where it takes too long.
pub(super) async fn blocking<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    within(LONGEST, tokio::task::spawn_blocking(look)).await?.ok()
}

/// A check that took too long.
pub(super) fn late(name: Name) -> Check {
    Check::failed(
        name,
        format!("there was no answer within {} s", LONGEST.as_secs()),
        "see that what it asks is up and can be reached from here, then try again",
    )
}

/// Adds every one of `names` that nothing was found of, as skipped.
pub(super) fn skip_rest(checks: &mut Vec<Check>, names: &[Name], why: &str) {
    for name in names {
        if !checks.iter().any(|check| check.name == *name) {
            checks.push(Check::skipped(*name, why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_gives_no_answer_fails_in_the_end() {
        let check = bounded(Name::RedisConnection, std::future::pending()).await;
        assert_eq!(
            (check.name, check.outcome, check.detail.as_str()),
            (
                Name::RedisConnection,
                Outcome::Failed,
                "there was no answer within 20 s"
            )
        );
    }

    #[test]
    fn what_was_not_reached_is_skipped_and_what_was_stays() {
        let mut checks = vec![Check::ok(Name::RedisTls, "it is")];
        skip_rest(
            &mut checks,
            &[Name::RedisConnection, Name::RedisTls],
            "there is none",
        );
        assert_eq!(
            checks,
            [
                Check::ok(Name::RedisTls, "it is"),
                Check::skipped(Name::RedisConnection, "there is none")
            ]
        );
    }

    #[test]
    fn a_check_is_one_object_with_all_its_members() {
        let json = |check| serde_json::to_string(&check).unwrap();
        assert_eq!(
            json(Check::failed(Name::ClockDatabase, "a", "b")),
            r#"{"name":"clock.database","outcome":"failed","detail":"a","remedy":"b"}"#
        );
        assert_eq!(
            json(Check::skipped(Name::KeysActive, "a")),
            r#"{"name":"keys.active","outcome":"skipped","detail":"a","remedy":null}"#
        );
    }
}
