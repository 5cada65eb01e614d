//! What commands work with. Everything comes in from outside, so that a command runs the same in a test.

use std::io::{self, BufRead};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use symbolon_core::audit::{Act, Actor};
use symbolon_core::cursor::Cursors;
use symbolon_core::password::PasswordCost;
use symbolon_core::ports::{AdminStore, Change, FactStore, StoreResult};
use symbolon_core::revocation::{LEASE, NewRevocation};
use symbolon_core::secret::ClientSecrets;
use symbolon_core::{Clock, Rng, UnixMillis};
use symbolon_jose::SigningAlg;
use zeroize::Zeroizing;

use super::api::Connection;
use super::error::{CliError, ErrorKind, input_failed};

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

/// What commands on users, roles and clients work with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Changes.
    pub admin: &'a dyn AdminStore,
    /// Facts, read without a cache.
    pub facts: &'a dyn FactStore,
    /// Makes and hashes client secrets.
    pub secrets: &'a ClientSecrets,
    /// Makes and checks page cursors.
    pub cursors: &'a Cursors,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Randomness.
    pub rng: &'a dyn Rng,
    /// Waits until running servers have seen a change.
    pub wait: &'a Wait,
    /// Who makes the changes, for the record: see [`actor`].
    pub actor: &'a str,
    /// Cost of new password hashes.
    pub password_cost: PasswordCost,
    /// The algorithms that the server has keys for, `keys.algorithms`.
    pub algorithms: &'a [SigningAlg],
}

impl Context<'_> {
    /// Makes a change and returns once no server goes by older facts: servers may use cached facts for [`LEASE`]
    /// after the commit.
    ///
    /// # Errors
    /// The store failed, a name is taken, or there is no such record; nothing changed.
    pub(super) async fn commit(
        &self,
        change: impl Future<Output = StoreResult<Change>>,
    ) -> Result<(), CliError> {
        match change.await? {
            Change::Done => {
                (self.wait)(LEASE).await;
                Ok(())
            }
            Change::Stale => Err(CliError::new(
                ErrorKind::Stale,
                "the record has changed meanwhile",
                "look at it again",
            )),
            Change::Taken(what) => Err(taken(what)),
            Change::Unknown(what) => Err(unknown(what)),
        }
    }

    /// The moment up to which a cutoff reaches: the end of the wait that follows the commit. What begins beside the
    /// command, by facts that are about to be old, is dead with what began before it; what begins after the
    /// command has returned is alive.
    pub(super) fn cutoff(&self) -> UnixMillis {
        self.clock.now().plus(LEASE.as_millis() as u64)
    }

    /// Says for the record why an entry is made and by whom.
    pub(super) fn because(&self, entry: NewRevocation, done: &str) -> NewRevocation {
        entry.by(&Act::new(Actor::operator(self.actor), done))
    }
}

fn taken(what: &str) -> CliError {
    match what {
        "username" => CliError::taken("the user name is taken", "choose another one"),
        "email" => CliError::taken("the e-mail address is taken", "choose another one"),
        "client_id" => CliError::taken(
            "the client id is taken",
            "choose another one, or leave it out to have one made",
        ),
        "audience" => CliError::taken(
            "another client serves that audience already",
            "find it with `symbolon client list`",
        ),
        other => CliError::taken(format_args!("the {other} is taken"), "choose another one"),
    }
}

fn unknown(what: &str) -> CliError {
    match what {
        "audience" => CliError::not_found(
            "nobody serves one of those audiences",
            "add its resource server first with `symbolon client add --serves`",
        ),
        "role" => CliError::not_found(
            "there is no role of that name",
            "see `symbolon role list`, or make it with `symbolon role put`",
        ),
        other => CliError::not_found(
            format_args!("there is no such {other}"),
            format!("see `symbolon {other} list`"),
        ),
    }
}

/// Whoever runs this process, for the record.
pub(super) fn operator_name() -> String {
    let names = ["USER", "LOGNAME"].map(|name| std::env::var(name).unwrap_or_default());
    let named = actor(names.iter().map(String::as_str));
    named.trim_start_matches("cli:").to_owned()
}

/// Who changes something at the command line, for the record: `cli:` and the operating system's name of the user,
/// the first of `names` (`$USER`, `$LOGNAME`) that is one.
pub fn actor<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let usable = |name: &&str| !name.is_empty() && !name.contains(char::is_control);
    let name = names.into_iter().find(usable).unwrap_or("unknown");
    format!("cli:{name}")
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
    fn the_actor_is_the_first_usable_name() {
        assert_eq!(actor(["alice", "bob"]), "cli:alice");
        assert_eq!(actor(["", "bob"]), "cli:bob");
        assert_eq!(actor(["a\nb", ""]), "cli:unknown");
    }
}
