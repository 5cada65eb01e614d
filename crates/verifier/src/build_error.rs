use crate::builder::{MAX_AUDIENCE_LEN, MAX_REMEMBERED};

/// A setting that a verifier can't be built with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No algorithm is allowed.
    #[error("no algorithm is allowed: name at least one")]
    Algorithms,
    /// The audience is no resource indicator.
    #[error(
        "the audience must have 1 to {MAX_AUDIENCE_LEN} bytes of printable ASCII, without space, double quote and backslash"
    )]
    Audience,
    /// A duration is out of bounds.
    #[error("`{0}` must be 1 s to 24 h, and the lower bound no more than the upper")]
    Duration(&'static str),
    /// There is nothing that fetches.
    #[error("nothing fetches keys: {0}")]
    Fetch(String),
    /// The issuer is no issuer identifier.
    #[error("the issuer must be an https URL (http on loopback) without query, fragment and credentials")]
    Issuer,
    /// There is nothing to report, since no feed is followed.
    #[error(
        "`report_as` reports what is applied of the revocation feed, which this verifier does not follow"
    )]
    NothingToReport,
    /// The leeway is too long.
    #[error("the leeway must be 60 s or less")]
    Leeway,
    /// A report can't be made as it was said.
    #[error(
        "the name to report as must have 1 to 100 characters of A-Z a-z 0-9 . _ : -, client id and secret 1 to 512 bytes"
    )]
    Report,
    /// Too many tokens would be remembered.
    #[error("at most {MAX_REMEMBERED} tokens may be remembered")]
    Remember,
}
