//! Private keys in files: PEM or JWK.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use symbolon_jose::{PrivateKey, SigningAlg};
use zeroize::Zeroizing;

use crate::error::{ImportProblem, KeyringError};

/// Most key files in the folder.
const MAX_FILES: usize = 64;
/// Longest text that is read as a private key, in bytes.
pub const MAX_KEY_BYTES: usize = 64 * 1024;

/// A key of a file.
pub(crate) struct ImportedKey {
    pub(crate) file: PathBuf,
    pub(crate) key: PrivateKey,
}

/// [`read_key`] for a file.
///
/// # Errors
/// [`ImportProblem`] for what is no readable file, and for anything but one private key that is accepted.
fn read_key_file(file: &Path, rsa_alg: SigningAlg) -> Result<PrivateKey, ImportProblem> {
    // Before it is opened: opening a named pipe would wait for its writer.
    if !fs::metadata(file)?.is_file() {
        return Err(ImportProblem::NotAFile);
    }
    // More capacity than is ever read, so that growing leaves no copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_KEY_BYTES));
    let limit = MAX_KEY_BYTES as u64 + 1;
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    read_key(&bytes, rsa_alg)
}

/// Reads a private key, PEM or JWK, of at most [`MAX_KEY_BYTES`]. The type of the key decides its algorithm; for RSA its JWK
/// does, and where that says nothing it is `rsa_alg`.
///
/// # Errors
/// [`ImportProblem`] for anything but one private key that is accepted.
pub fn read_key(bytes: &[u8], rsa_alg: SigningAlg) -> Result<PrivateKey, ImportProblem> {
    if bytes.len() > MAX_KEY_BYTES {
        return Err(ImportProblem::TooLong { limit: MAX_KEY_BYTES });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ImportProblem::Text)?;
    Ok(PrivateKey::from_text(text, rsa_alg)?)
}

/// The algorithm of an RSA key that names none: the first one configured. Where there is none, the configuration
/// refuses whichever is tried.
pub fn default_rsa_alg(algorithms: &[SigningAlg]) -> SigningAlg {
    let configured = algorithms.iter().copied().find(|alg| is_rsa(*alg));
    configured.unwrap_or(SigningAlg::Rs256)
}

/// Reads the `*.pem` and `*.jwk` files of the folder, sorted by name. The type of a key decides its algorithm; for RSA
/// it is the name (`*.rs256.pem`, `*.ps256.jwk`), otherwise its JWK, otherwise the first RSA algorithm that is
/// configured.
pub(crate) fn read(dir: &Path, algorithms: &[SigningAlg]) -> Result<Vec<ImportedKey>, KeyringError> {
    let import = |file: PathBuf| match import(&file, algorithms) {
        Ok(key) => Ok(ImportedKey { file, key }),
        Err(problem) => Err(KeyringError::Import { file, problem }),
    };
    let mut imports: Vec<ImportedKey> = Vec::new();
    for file in key_files(dir)? {
        let new = import(file)?;
        if let Some(same) = imports.iter().find(|other| other.key.kid() == new.key.kid()) {
            let problem = ImportProblem::Twice(same.file.clone());
            return Err(KeyringError::Import {
                file: new.file,
                problem,
            });
        }
        imports.push(new);
    }
    Ok(imports)
}

fn key_files(dir: &Path) -> Result<Vec<PathBuf>, KeyringError> {
    let failed = |problem| KeyringError::ImportDir {
        dir: dir.to_owned(),
        problem,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pem" || extension == "jwk")
        {
            if files.len() == MAX_FILES {
                return Err(KeyringError::ImportFiles { limit: MAX_FILES });
            }
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn import(file: &Path, algorithms: &[SigningAlg]) -> Result<PrivateKey, ImportProblem> {
    let named = named_alg(file);
    let key = read_key_file(file, named.unwrap_or_else(|| default_rsa_alg(algorithms)))?;
    let found = key.alg();
    if let Some(named) = named.filter(|named| *named != found) {
        return Err(ImportProblem::Name { named, found });
    }
    if algorithms.contains(&found) {
        Ok(key)
    } else {
        Err(ImportProblem::Algorithm(found))
    }
}

/// Whether the algorithm's keys are RSA keys.
pub(crate) fn is_rsa(alg: SigningAlg) -> bool {
    matches!(alg, SigningAlg::Ps256 | SigningAlg::Rs256)
}

/// The RSA algorithm that the file's name asks for.
fn named_alg(file: &Path) -> Option<SigningAlg> {
    let name = file.file_stem()?.to_string_lossy();
    [(".ps256", SigningAlg::Ps256), (".rs256", SigningAlg::Rs256)]
        .into_iter()
        .find_map(|(suffix, alg)| name.ends_with(suffix).then_some(alg))
}
