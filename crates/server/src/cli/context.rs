//! What commands work with. Everything comes in from outside, so that a command runs the same in a test.

use std::io::{self, BufRead};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use secrecy::SecretString;
use symbolon_core::Clock;
use zeroize::Zeroizing;

use super::api::{Call, Connection};
use super::args::SureArgs;
use super::error::{CliError, input_failed};

/// Waits for the given time.
pub type Wait = dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync;

/// What commands that go through the admin API work with.
#[derive(Clone, Copy)]
pub struct ApiContext<'a> {
    /// The API.
    pub api: &'a Connection,
    /// Time, to tell how long ago something was.
    pub clock: &'a dyn Clock,
    /// Waits, and does nothing else.
    pub pause: &'a Wait,
}

impl ApiContext<'_> {
    /// Deletes the record of that path, once that is confirmed.
    ///
    /// # Errors
    /// It was not confirmed, or the server refuses.
    pub(super) async fn delete(
        &self,
        console: &mut dyn Console,
        sure: &SureArgs,
        question: &str,
        path: &[&str],
    ) -> Result<(), CliError> {
        confirm(console, sure.yes, question)?;
        let call = Call::new(Method::DELETE, path).with_some("reason", sure.why.reason.as_ref());
        self.api.send(call).await.map(drop)
    }
}

/// Whoever runs this process, for the record: the operating system's name of the user.
pub(super) fn operator_name() -> String {
    let names = ["USER", "LOGNAME"].map(|name| std::env::var(name).unwrap_or_default());
    usable(&names).to_owned()
}

/// The first of the names that is one.
fn usable(names: &[String]) -> &str {
    let is_one = |name: &&String| !name.is_empty() && !name.contains(char::is_control);
    names.iter().find(is_one).map_or("unknown", String::as_str)
}

/// Standard input and the terminal.
pub trait Console {
    /// Whether a person can be asked: standard input and standard error are a terminal.
    fn is_terminal(&self) -> bool;

    /// Reads standard input to its end, at most `limit` bytes of it.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&mut self, limit: usize) -> io::Result<Zeroizing<Vec<u8>>>;

    /// Standard input, to be read line by line.
    fn lines(&mut self) -> Box<dyn BufRead + '_>;

    /// Whether progress is shown: standard error is a terminal.
    fn shows_progress(&self) -> bool;

    /// Whether results are shown to a person: standard output is a terminal.
    fn shows_results(&self) -> bool;

    /// Asks for a text that is not shown while it is typed.
    ///
    /// # Errors
    /// There is no terminal.
    fn ask_hidden(&mut self, prompt: &str) -> io::Result<SecretString>;

    /// Asks for a line.
    ///
    /// # Errors
    /// There is no terminal.
    fn ask(&mut self, prompt: &str) -> io::Result<String>;
}

/// Asks before something is deleted, unless `yes` says that it was asked already.
///
/// # Errors
/// [`CliError`] where the answer is no, or where there is nobody to ask.
pub(super) fn confirm(console: &mut dyn Console, yes: bool, question: &str) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !console.is_terminal() {
        return Err(CliError::refused(
            "there is no terminal to ask for confirmation",
            "give --yes",
        ));
    }
    let prompt = format!("{} [y/N] ", super::output::escape(question, false));
    let answer = console.ask(&prompt).map_err(input_failed)?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(CliError::refused("not confirmed", "nothing was changed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_the_first_usable_name() {
        let first = |names: [&str; 2]| usable(&names.map(str::to_owned)).to_owned();
        assert_eq!(first(["alice", "bob"]), "alice");
        assert_eq!(first(["", "bob"]), "bob");
        assert_eq!(first(["a\nb", ""]), "unknown");
    }
}
