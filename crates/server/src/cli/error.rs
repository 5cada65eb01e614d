//! How commands fail: an exit code, what is wrong, and the remedy.

use std::fmt;
use std::io;
use std::process::ExitCode;

use symbolon_core::cursor::CursorError;
use symbolon_core::ports::StoreError;

/// The exit codes, as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: the database or another file could not be read or written
  2  usage: the command line, the configuration or a value was refused; nothing changed
  3  not found: there is no such user, client, role, audience or key; nothing changed
  4  taken: the name belongs to somebody else already, or the key is there; nothing changed
  5  unconfirmed: it is revoked, but not every live verifier has reported in time that it applied it
  6  incomplete: some of what files hold was refused, and the rest done
  7  unhealthy: a check of `symbolon doctor` failed, or the server is not as `symbolon healthcheck` asks
  8  denied: the server refuses the login, or it lacks the scope; nothing changed
  9  stale: somebody else has changed the record meanwhile; nothing changed
  10 tampered: the audit trail is not as it was written
  141 unread: whoever read the output has closed it, as `| head` does; of a command that changes nothing

Errors go to standard error as `error: <what>; <remedy>`, with --json as {\"error\": <kind>, \"message\": <text>}.";

/// What kind of failure it is; decides the exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The store or another file could not be read or written.
    Failed,
    /// The server refuses whoever asks.
    Denied,
    /// Some of what files hold was refused, and the rest done.
    Incomplete,
    /// There is no such record.
    NotFound,
    /// The command line, the configuration or a value was refused.
    Refused,
    /// The record has changed meanwhile.
    Stale,
    /// A name is taken, or a key is there already.
    Taken,
    /// The audit trail is not as it was written.
    Tampered,
    /// It is done, but not every live verifier has reported so in time.
    Unconfirmed,
    /// A check of `doctor` failed, or that of `healthcheck` did.
    Unhealthy,
}

impl ErrorKind {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Stale => "stale",
            Self::Taken => "taken",
            Self::Tampered => "tampered",
            Self::Unconfirmed => "unconfirmed",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Refused => 2,
            Self::NotFound => 3,
            Self::Taken => 4,
            Self::Unconfirmed => 5,
            Self::Incomplete => 6,
            Self::Unhealthy => 7,
            Self::Denied => 8,
            Self::Stale => 9,
            Self::Tampered => 10,
        }
    }
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        kind.exit_code().into()
    }
}

/// Why a command failed. Never holds a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CliError {
    /// The kind.
    pub kind: ErrorKind,
    what: String,
    remedy: String,
    is_unread: bool,
}

impl CliError {
    /// A failure of the given kind; an empty `remedy` where `what` names it already.
    pub fn new(kind: ErrorKind, what: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.to_string(),
            remedy: remedy.into(),
            is_unread: false,
        }
    }

    /// Whether it is that nobody reads the output any more, as behind `| head`.
    pub(super) fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// [`ErrorKind::Failed`].
    pub fn failed(what: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, what, remedy)
    }

    /// [`ErrorKind::NotFound`].
    pub fn not_found(what: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, what, remedy)
    }

    /// [`ErrorKind::Refused`].
    pub fn refused(what: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, what, remedy)
    }

    /// [`ErrorKind::Taken`].
    pub fn taken(what: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Taken, what, remedy)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for CliError {}

impl From<CursorError> for CliError {
    fn from(error: CursorError) -> Self {
        Self::refused(error, "")
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let remedy = match error {
            StoreError::Corrupt(_) => "restore the database from a backup, or report this as a fault",
            StoreError::Unavailable(_) => {
                "see that the database can be reached and that `symbolon migrate` was run, then try again"
            }
        };
        Self::failed(error, remedy)
    }
}

/// What could not be read from the terminal or from standard input.
pub(super) fn input_failed(error: io::Error) -> CliError {
    CliError::failed(
        format_args!("the input could not be read: {error}"),
        "try again, or give it on standard input",
    )
}

/// What could not be written to standard output or standard error.
pub(super) fn output_failed(error: io::Error) -> CliError {
    let is_unread = error.kind() == io::ErrorKind::BrokenPipe;
    let failed = CliError::failed(
        format_args!("the output could not be written: {error}"),
        "a change may have been made all the same: look before you try again",
    );
    CliError { is_unread, ..failed }
}
