//! `keys import`: one private key from elsewhere.

use std::io::Read as _;
use std::path::Path;

use symbolon_jose::{CertificateChain, PrivateKey};
use symbolon_jwks_publisher::{ImportProblem, MAX_KEY_BYTES, default_rsa_alg, read_key, read_key_file};

use super::super::context::{Console, KeyContext};
use super::super::error::{CliError, input_failed};
use super::super::output::quoted;
use super::KeysImport;

/// Reads the key and judges it.
pub(super) fn read(
    context: &KeyContext<'_>,
    console: &mut dyn Console,
    args: &KeysImport,
) -> Result<PrivateKey, CliError> {
    let rsa_alg = args.alg.unwrap_or_else(|| default_rsa_alg(context.algorithms));
    let (name, key) = if args.file == Path::new("-") {
        // One byte more than is taken, to tell what is too long from what just fits.
        let bytes = console.read(MAX_KEY_BYTES + 1).map_err(input_failed)?;
        ("standard input".to_owned(), read_key(&bytes, rsa_alg))
    } else {
        let name = quoted(&args.file.to_string_lossy());
        (name, read_key_file(&args.file, rsa_alg))
    };
    let key = key.map_err(|problem| refused(&name, problem))?;
    match args.alg {
        Some(alg) if alg != key.alg() => Err(CliError::refused(
            format_args!("--alg says {alg}, and {name} holds a key for {}", key.alg()),
            "leave --alg out, or give the key that it is meant for",
        )),
        _ => Ok(key),
    }
}

/// Longest file of certificates, in bytes.
const MAX_CERTIFICATE_BYTES: u64 = 512 * 1024;

/// Reads the certificates that go with the key, if there are any.
pub(super) fn certificates(args: &KeysImport) -> Result<Option<CertificateChain>, CliError> {
    let Some(file) = &args.certificates else {
        return Ok(None);
    };
    let name = quoted(&file.to_string_lossy());
    let mut text = String::new();
    let read = std::fs::metadata(file).and_then(|metadata| {
        if !metadata.is_file() {
            return Err(std::io::Error::other("it is not a file"));
        }
        std::fs::File::open(file)?
            .take(MAX_CERTIFICATE_BYTES + 1)
            .read_to_string(&mut text)
    });
    read.map_err(|error| {
        CliError::failed(
            format_args!("{name} can't be read: {error}"),
            "name a PEM file that can be read",
        )
    })?;
    let chain = CertificateChain::from_pem(&text);
    chain
        .map(Some)
        .map_err(|error| CliError::refused(format_args!("{name}: {error}"), ""))
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
