//! Private keys in PEM files.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use symbolon_jose::{PrivateKey, SigningAlg};
use zeroize::Zeroizing;

use crate::error::{ImportProblem, KeyringError};

/// Most PEM files in the folder.
const MAX_FILES: usize = 64;
/// Longest file, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A key of a PEM file.
pub(crate) struct ImportedKey {
    pub(crate) file: PathBuf,
    pub(crate) key: PrivateKey,
}

/// Reads the `*.pem` files of the folder, sorted by name. The type of a key decides its algorithm; for RSA it is the
/// name (`*.rs256.pem`, `*.ps256.pem`), otherwise the first RSA algorithm that is configured.
pub(crate) fn read(dir: &Path, algorithms: &[SigningAlg]) -> Result<Vec<ImportedKey>, KeyringError> {
    let import = |file: PathBuf| match import(&file, algorithms) {
        Ok(key) => Ok(ImportedKey { file, key }),
        Err(problem) => Err(KeyringError::Import { file, problem }),
    };
    pem_files(dir)?.into_iter().map(import).collect()
}

fn pem_files(dir: &Path) -> Result<Vec<PathBuf>, KeyringError> {
    let failed = |source| KeyringError::ImportDir {
        dir: dir.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
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
    let text = text(file)?;
    let named = named_alg(file);
    let configured = algorithms.iter().copied().find(|alg| is_rsa(*alg));
    // Where no RSA algorithm is named or configured, the check below refuses whichever is tried.
    let rsa_alg = named.or(configured).unwrap_or(SigningAlg::Rs256);
    let key = PrivateKey::from_pem(&text, rsa_alg)?;
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
    let name = file.file_name()?.to_string_lossy();
    [
        (".ps256.pem", SigningAlg::Ps256),
        (".rs256.pem", SigningAlg::Rs256),
    ]
    .into_iter()
    .find_map(|(suffix, alg)| name.ends_with(suffix).then_some(alg))
}

fn text(file: &Path) -> Result<Zeroizing<String>, ImportProblem> {
    // Before it is opened: opening a named pipe would wait for its writer.
    if !fs::metadata(file)?.is_file() {
        return Err(ImportProblem::NotAFile);
    }
    // More capacity than is ever read, so that growing leaves no copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_BYTES as usize));
    File::open(file)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ImportProblem::TooLong { limit: MAX_BYTES });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| ImportProblem::Text)?;
    Ok(Zeroizing::new(text.to_owned()))
}
