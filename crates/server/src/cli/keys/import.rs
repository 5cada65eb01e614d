//! `keys import`: one private key from elsewhere.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use http::Method;
use serde::Serialize;
use symbolon_jose::SigningAlg;
use symbolon_jwks_publisher::{ImportProblem, MAX_KEY_BYTES};
use zeroize::Zeroizing;

use super::super::api::Call;
use super::super::context::Console;
use super::super::error::{CliError, input_failed};
use super::super::output::quoted;
use super::KeysImport;

/// Longest file of certificates that is read, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 512 * 1024;

/// What is asked for. Made only to be sent: it holds the private key.
#[derive(Serialize)]
struct Import<'a> {
    key: &'a str,
    alg: Option<SigningAlg>,
    certificates: Option<&'a str>,
    dry_run: bool,
}

/// Reads the files and asks for the key to be taken. What stands in them is for the server to judge.
pub(super) fn call(console: &mut dyn Console, args: &KeysImport) -> Result<Call, CliError> {
    let (name, bytes) = key(console, args)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refused(&name, ImportProblem::Text))?;
    let mut call = Call::new(Method::POST, &["keys", "import"])
        .with_some("reason", args.why.reason.as_ref())
        .naming("key", name.as_str())
        .naming("alg", "--alg");
    let chain = match &args.certificates {
        Some(file) => {
            let (name, chain) = certificates(file)?;
            call = call.naming("certificates", name);
            Some(chain)
        }
        None => None,
    };
    call.body(&Import {
        key: text,
        alg: args.alg,
        certificates: chain.as_deref(),
        dry_run: args.dry_run.dry_run,
    })
}

/// The name of the file as messages quote it, and the private key.
fn key(console: &mut dyn Console, args: &KeysImport) -> Result<(String, Zeroizing<Vec<u8>>), CliError> {
    if args.file == Path::new("-") {
        let bytes = console.read(MAX_KEY_BYTES + 1).map_err(input_failed)?;
        return Ok(("standard input".to_owned(), bytes));
    }
    let name = quoted(&args.file.to_string_lossy());
    match read(&args.file, MAX_KEY_BYTES) {
        Ok(bytes) => Ok((name, bytes)),
        Err(problem) => Err(refused(&name, problem)),
    }
}

/// The same for the certificates that go with it.
fn certificates(file: &Path) -> Result<(String, String), CliError> {
    let name = quoted(&file.to_string_lossy());
    let unread = |why: &dyn std::fmt::Display| {
        CliError::failed(
            format_args!("{name} can't be read: {why}"),
            "name a PEM file that can be read",
        )
    };
    let bytes = read(file, MAX_CERTIFICATE_BYTES).map_err(|problem| match problem {
        ImportProblem::Read(error) => unread(&error),
        _ => unread(&"it is not a file"),
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unread(&"it is not text"))?;
    let text = text.to_owned();
    Ok((name, text))
}

/// What stands in a file: at most one byte more than `limit`, to tell what is too long from what just fits.
fn read(file: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, ImportProblem> {
    // Before it is opened: opening a named pipe would wait for its writer.
    if !fs::metadata(file)?.is_file() {
        return Err(ImportProblem::NotAFile);
    }
    // More capacity than is ever read, so that growing leaves no copy of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * limit));
    File::open(file)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refused(name: &str, problem: ImportProblem) -> CliError {
    match problem {
        ImportProblem::NotAFile => CliError::refused(
            format_args!("{name} is not a file"),
            "name a file, or give - and the key on standard input",
        ),
        ImportProblem::Read(error) => CliError::failed(
            format_args!("{name} can't be read: {error}"),
            "name a file that can be read, or give - and the key on standard input",
        ),
        // Each names its own remedy.
        other => CliError::refused(format_args!("{name}: {other}"), ""),
    }
}
