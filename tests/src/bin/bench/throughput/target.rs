//! What is measured, and what its answers must be.

use anyhow::ensure;
use clap::ValueEnum;

use crate::connection::Response;

/// What is measured, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Target {
    Constant,
    SignOnly,
    AskAndSign,
    ClientCredentials,
    Refresh,
    RefreshOnRedis,
    Introspection,
    Jwks,
    #[value(name = "jwks-304")]
    Jwks304,
}

impl Target {
    pub(super) const ALL: [Self; 9] = [
        Self::Constant,
        Self::SignOnly,
        Self::AskAndSign,
        Self::ClientCredentials,
        Self::Refresh,
        Self::RefreshOnRedis,
        Self::Introspection,
        Self::Jwks,
        Self::Jwks304,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Constant => "(a) bare handler, constant",
            Self::SignOnly => "(b) bare handler, signs one ES256 JWT",
            Self::AskAndSign => "(c) bare handler, asks Redis once and signs one ES256 JWT",
            Self::ClientCredentials => "`client_credentials`, ES256",
            Self::Refresh => "`refresh_token`, rotating",
            Self::RefreshOnRedis => "`refresh_token`, rotating, on Redis",
            Self::Introspection => "introspection",
            Self::Jwks => "JWKS",
            Self::Jwks304 => "JWKS, 304",
        }
    }

    /// Whether the bare server answers it.
    pub(super) fn is_bare(self) -> bool {
        matches!(self, Self::Constant | Self::SignOnly | Self::AskAndSign)
    }

    /// Whether Redis is asked for it.
    pub(super) fn asks_redis(self) -> bool {
        matches!(self, Self::AskAndSign | Self::RefreshOnRedis)
    }

    /// Whether each request uses the refresh token of the answer before.
    pub(super) fn refreshes(self) -> bool {
        matches!(self, Self::Refresh | Self::RefreshOnRedis)
    }

    /// Checks an answer.
    ///
    /// # Errors
    /// If it has another status or body than it must have.
    pub(super) fn check(self, response: Response<'_>) -> anyhow::Result<()> {
        let mark = match self {
            Self::Jwks304 => {
                let body = response.expect(304)?;
                ensure!(body.is_empty(), "a 304 with a body");
                return Ok(());
            }
            Self::Constant | Self::Jwks => "\"keys\"",
            Self::SignOnly
            | Self::AskAndSign
            | Self::ClientCredentials
            | Self::Refresh
            | Self::RefreshOnRedis => "\"access_token\"",
            Self::Introspection => "\"active\":true",
        };
        let body = response.ok()?;
        let marked = body.windows(mark.len()).any(|window| window == mark.as_bytes());
        ensure!(
            marked,
            "an answer without {mark}: {}",
            String::from_utf8_lossy(body)
        );
        Ok(())
    }
}
