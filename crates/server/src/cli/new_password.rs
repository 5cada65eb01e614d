//! New passwords and imported hashes: from standard input or a prompt, never from arguments.

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use symbolon_core::password::{HashMemory, PasswordHash, PasswordHashError, check_new_password};

use super::context::{Console, Context};
use super::error::{CliError, input_failed};

/// Longest input that is read, in bytes: the longest password with its line end, and one more to notice excess.
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

/// The hash to keep. Takes the time of one password hash where a password is given.
///
/// # Errors
/// [`CliError`] where there is no password, it breaks the rule for new ones, or the hash is refused.
pub(super) fn new_password(
    context: &Context<'_>,
    console: &mut dyn Console,
    args: PasswordArgs,
) -> Result<PasswordHash, CliError> {
    if args.password_hash_stdin {
        let text = read_line(console)?;
        return text.expose_secret().parse().map_err(refused);
    }
    let password = if args.password_stdin {
        read_line(console)?
    } else {
        ask_twice(console)?
    };
    check_new_password(&password).map_err(refused)?;
    let mut memory = HashMemory::default();
    PasswordHash::create(&password, context.password_cost, context.rng, &mut memory).map_err(refused)
}

/// The one line of standard input, without its end.
fn read_line(console: &mut dyn Console) -> Result<SecretString, CliError> {
    let bytes = console.read(INPUT_BYTES).map_err(input_failed)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line)
        .map_err(|_| CliError::refused("standard input is not UTF-8", "give the text in UTF-8"))?;
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
    check_new_password(&first).map_err(refused)?;
    let second = console.ask_hidden("The same again: ").map_err(input_failed)?;
    // Both were typed by the same person just now: there is nobody to hide the time of the comparison from.
    if first.expose_secret() != second.expose_secret() {
        return Err(CliError::refused("the two passwords differ", "try again"));
    }
    Ok(first)
}

fn refused(error: PasswordHashError) -> CliError {
    let remedy = match error {
        PasswordHashError::Algorithm
        | PasswordHashError::Bytes
        | PasswordHashError::Malformed(_)
        | PasswordHashError::Output
        | PasswordHashError::Salt => {
            "see `Importing users` in the manual, or give the password itself with --password-stdin"
        }
        PasswordHashError::Ceiling(_) => "hash the password with less, or give it with --password-stdin",
        PasswordHashError::Cost => "correct the parameters, or the `passwords.*` settings",
        PasswordHashError::Length => "choose another one",
    };
    CliError::refused(error, remedy)
}
