//! What keeps a node from having its keys.

use std::path::PathBuf;

use symbolon_core::keys::KeyTransitionError;
use symbolon_core::ports::StoreError;
use symbolon_jose::{KekId, KeyError, Kid, SigningAlg, WrapError};

/// The signing keys can't be opened, imported or made. Keys that were in use before stay in use.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Other nodes kept adding keys while this one tried to.
    #[error("other nodes kept adding signing keys at the same moment; start this one again")]
    Contended,
    /// The default algorithm has no keys.
    #[error("`keys.default_algorithm`, {0}, is not among `keys.algorithms`; add it there or choose another")]
    DefaultAlgorithm(SigningAlg),
    /// The default algorithm was added to a server that has keys, and its own may not sign yet.
    #[error(
        "`keys.default_algorithm` is {alg}, whose key was published too short a time ago to sign: {when}. {}let the key \
         sign before every verifier can know it: `symbolon keys rotate --alg {alg} --dangerous-now`",
        until_then(instead)
    )]
    DefaultNotReady {
        /// The default algorithm.
        alg: SigningAlg,
        /// When its key may sign.
        when: String,
        /// Algorithms that have an active key, listed; empty where there is none.
        instead: String,
    },
    /// A key could not be made.
    #[error("no {alg} key could be made: {problem}")]
    Generate {
        /// Its algorithm.
        alg: SigningAlg,
        /// Why.
        problem: KeyError,
    },
    /// The file of a key is refused; nothing was imported.
    #[error("{} (in `keys.import_dir`): {problem}", file.display().to_string().escape_debug())]
    Import {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: ImportProblem,
    },
    /// The folder of keys can't be read.
    #[error(
        "`keys.import_dir`, {}, can't be read: {problem}; make the folder readable or remove the setting",
        dir.display().to_string().escape_debug()
    )]
    ImportDir {
        /// The folder.
        dir: PathBuf,
        /// Why.
        problem: std::io::Error,
    },
    /// The folder holds more files than are read.
    #[error("`keys.import_dir` holds more than {limit} keys; remove those that were imported already")]
    ImportFiles {
        /// The bound.
        limit: usize,
    },
    /// An encrypted record can't be opened.
    #[error(
        "signing key {kid} ({alg}) is encrypted under the key-encryption key {}, and the configured ones are \
         {configured}: {problem}. {}; nothing was changed",
        needs.as_ref().map_or("(unreadable)", AsRef::as_ref),
        open_remedy(problem)
    )]
    Open {
        /// The key.
        kid: Kid,
        /// Its algorithm.
        alg: SigningAlg,
        /// The key-encryption key that the record names.
        needs: Option<KekId>,
        /// The key-encryption keys that are configured, listed.
        configured: String,
        /// Why it can't be opened.
        problem: WrapError,
    },
    /// A running node could not open what would be made.
    #[error(
        "node {node} does not have the key-encryption key {key}, so it could not open what is encrypted under it: give \
         that node the key, as `keys.previous_encryption_key`, by SIGHUP or a restart"
    )]
    NodeLacks {
        /// The node's name.
        node: String,
        /// The key-encryption key.
        key: KekId,
    },
    /// More than one key of an algorithm is active.
    #[error("more than one {0} key is active in the store; restore the signing keys from a backup")]
    SeveralActive(SigningAlg),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record was opened, and what it holds is not the key that it says.
    #[error(
        "the record of signing key {kid} ({alg}) holds something else: {found}; restore the signing keys from a \
         backup; nothing was changed"
    )]
    Substituted {
        /// The key that the record names.
        kid: Kid,
        /// Its algorithm.
        alg: SigningAlg,
        /// What is there.
        found: String,
    },
    /// A task of the server's own ended before its result.
    #[error("the work on a key was cut short: {0}; start again")]
    Task(#[from] tokio::task::JoinError),
    /// A key could not be encrypted.
    #[error("signing key {kid} could not be encrypted: {problem}")]
    Wrap {
        /// The key.
        kid: Kid,
        /// Why.
        problem: WrapError,
    },
}

fn until_then(instead: &str) -> String {
    match instead {
        "" => "No other key signs either: ".to_owned(),
        _ => format!("Until then set `keys.default_algorithm` to {instead}, which signs already, or "),
    }
}

fn open_remedy(error: &WrapError) -> &'static str {
    match error {
        WrapError::WrongKey { .. } => {
            "Set `keys.encryption_key` or `keys.previous_encryption_key` to the one that it needs"
        }
        _ => "Restore the signing keys from a backup",
    }
}

/// An operation on keys was not carried out; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyOperationError {
    /// Keys could not be made or opened.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// It would break something, or there is nothing to do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an operation on keys is refused, and what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The algorithm is not configured.
    #[error("{0} is not in `keys.algorithms`; add it there and restart the server")]
    Algorithm(SigningAlg),
    /// The certificates are not those of the key.
    #[error("the certificates can't be published beside key {0}: {1}")]
    Certificates(Kid, String),
    /// A key of that id exists, or existed: the same key never comes back.
    #[error("key {0} exists already ({1}, {2}); a key is imported once")]
    Duplicate(Kid, SigningAlg, &'static str),
    /// The key has left the key set and its private key is erased.
    #[error("key {0} is {1}: it is not published and its private key is erased")]
    Erased(Kid, &'static str),
    /// The store is empty.
    #[error("there are no signing keys yet; the first start of the server makes them, and they sign at once")]
    NoKeys,
    /// There is no pending key to take over.
    #[error("{0} has no pending key that could take over; make one with `symbolon keys generate --alg {0}`")]
    NoPending(SigningAlg),
    /// Only a pending key can become active.
    #[error("key {0} is {1}; only a pending key can become active: see `symbolon keys list`")]
    NotPending(Kid, &'static str),
    /// The pending key was not published for long enough.
    #[error(
        "key {kid} ({alg}) has been published for {published} and must be for {needed} before it signs, so that every \
         verifier knows it: wait {left} more, or give --dangerous-now if it must be"
    )]
    NotReady {
        /// The key.
        kid: Kid,
        /// Its algorithm.
        alg: SigningAlg,
        /// For how long it has been published.
        published: String,
        /// For how long it must be.
        needed: String,
        /// How long to wait.
        left: String,
    },
    /// Tokens that the key signed may be alive.
    #[error(
        "tokens that key {0} signed may be alive for {1} more; it leaves the key set by itself then. Give \
         --dangerous-now to have them refused, or use `symbolon keys compromise` if it leaked"
    )]
    StillNeeded(Kid, String),
    /// The lifecycle has no such transition.
    #[error("key {0}: {1}")]
    Transition(Kid, KeyTransitionError),
    /// No key of that id was ever there.
    #[error("there is no signing key {0}; see `symbolon keys list --all`")]
    Unknown(Kid),
    /// A node does not publish the pending key.
    #[error(
        "node {by} does not publish key {kid} ({alg}), so its verifiers would refuse what it signs: see that node's log, \
         or give --dangerous-now if it must be"
    )]
    Withheld {
        /// The key.
        kid: Kid,
        /// Its algorithm.
        alg: SigningAlg,
        /// The node's name.
        by: String,
    },
}

/// Why the file of a key is refused.
#[derive(Debug, thiserror::Error)]
pub enum ImportProblem {
    /// The algorithm is not configured.
    #[error("it holds a key for {0}, which is not in `keys.algorithms`; add {0} there or remove the file")]
    Algorithm(SigningAlg),
    /// It is not a private key that is accepted.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The name says another algorithm than the key.
    #[error("its name says {named} and it holds a key for {found}; rename the file")]
    Name {
        /// The algorithm in the name.
        named: SigningAlg,
        /// The algorithm of the key.
        found: SigningAlg,
    },
    /// It is a folder, a device or the like.
    #[error("it is not a file; remove it or give it another name")]
    NotAFile,
    /// It can't be read.
    #[error("it can't be read: {0}; make it readable or remove it")]
    Read(#[from] std::io::Error),
    /// Another file of the folder is the pending key of the algorithm.
    #[error(
        "another file of the folder is the pending {0} key already, and there is one at a time; remove this file until \
         that key signs (`symbolon keys list` shows the keys)"
    )]
    SecondPending(SigningAlg),
    /// It is not text.
    #[error("it is not text; convert it to PEM: `openssl pkey -inform der -in key.der -out key.pem`")]
    Text,
    /// Another file of the folder holds the same key.
    #[error("it holds the same key as {}; remove one of them", .0.display().to_string().escape_debug())]
    Twice(PathBuf),
    /// It is longer than any key.
    #[error("it is longer than {limit} bytes; that is no key")]
    TooLong {
        /// The bound, in bytes.
        limit: usize,
    },
}
