//! New passwords and imported hashes: from standard input or a prompt, never from arguments. What they must be like is for
//! the admin API to say.

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use symbolon_admin_api::{Concealed, PasswordSet};

use super::context::Console;
use super::error::{CliError, input_failed};

/// Longest input that is read, in bytes: the longest password with its line end, and one more, so that excess is refused.
const INPUT_BYTES: usize = 1024 + 3;

/// Where a new password comes from; without a flag it is asked for twice.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PasswordArgs {
    /// Read the password from standard input: one line of 8 to 1024 bytes.
    #[arg(long, conflicts_with = "password_hash_stdin")]
    pub password_stdin: bool,
    /// Read a password hash from standard input in place of a password: Argon2, bcrypt, scrypt or PBKDF2.
    #[arg(long)]
    pub password_hash_stdin: bool,
}

/// The password, or its hash.
///
/// # Errors
/// [`CliError`] where there is none, or the two that were typed differ.
pub(super) fn new_password(console: &mut dyn Console, args: PasswordArgs) -> Result<PasswordSet, CliError> {
    let (password, password_hash) = if args.password_hash_stdin {
        (None, Some(read_line(console)?))
    } else if args.password_stdin {
        (Some(read_line(console)?), None)
    } else {
        (Some(ask_twice(console)?), None)
    };
    let concealed = |text: SecretString| Concealed::text(text.expose_secret());
    Ok(PasswordSet {
        password: password.map(concealed),
        password_hash: password_hash.map(concealed),
    })
}

/// The one line of standard input, without its end.
fn read_line(console: &mut dyn Console) -> Result<SecretString, CliError> {
    let bytes = console.read(INPUT_BYTES).map_err(input_failed)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line)
        .map_err(|_| CliError::refused("standard input is not UTF-8", "give the text in UTF-8"))?;
    if text.is_empty() {
        return Err(CliError::refused("standard input is empty", "give one line"));
    }
    if text.contains(['\n', '\r']) {
        return Err(CliError::refused(
            "standard input holds more than one line",
            "give one line",
        ));
    }
    Ok(text.into())
}

fn ask_twice(console: &mut dyn Console) -> Result<SecretString, CliError> {
    if !console.is_terminal() {
        return Err(CliError::refused(
            "there is no terminal to ask for the password",
            "give --password-stdin or --password-hash-stdin",
        ));
    }
    let first = console.ask_hidden("New password: ").map_err(input_failed)?;
    if first.expose_secret().is_empty() {
        return Err(CliError::refused("the password is empty", "type one"));
    }
    let second = console.ask_hidden("The same again: ").map_err(input_failed)?;
    // Both were typed by the same person just now: there is nobody to hide the time of the comparison from.
    if first.expose_secret() != second.expose_secret() {
        return Err(CliError::refused("the two passwords differ", "try again"));
    }
    Ok(first)
}
