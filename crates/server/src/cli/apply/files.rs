//! The files that are wanted, found and read.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::formats::Format;
use crate::cli::error::CliError;
use crate::cli::output::quoted;

/// Most files of one run.
const MAX_FILES: usize = 1000;
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Deepest folder that is looked into, counted from the one that was named.
const MAX_DEPTH: usize = 8;

/// A file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) text: String,
}

/// Reads that file, or all in that folder and in those below it, in the order of their names. What begins with a dot, and
/// what is neither TOML nor YAML, is passed over.
///
/// # Errors
/// One can't be read or is too long, there are too many, or there is none.
pub(super) fn read_all(path: &Path) -> Result<Vec<Source>, CliError> {
    let mut paths = Vec::new();
    let about = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if about.is_dir() {
        find(path, 0, &mut paths)?;
        if paths.is_empty() {
            return Err(CliError::refused(
                format_args!("{} holds no file in TOML or YAML", shown(path)),
                "name a folder with files that end in .toml, .yaml or .yml",
            ));
        }
    } else if let Some(format) = Format::of(path) {
        paths.push((path.to_owned(), format));
    } else {
        return Err(CliError::refused(
            format_args!("{} is neither TOML nor YAML by its name", shown(path)),
            "name a file that ends in .toml, .yaml or .yml",
        ));
    }
    paths
        .into_iter()
        .map(|(path, format)| {
            let text = read(&path)?;
            Ok(Source { path, format, text })
        })
        .collect()
}

fn find(folder: &Path, depth: usize, found: &mut Vec<(PathBuf, Format)>) -> Result<(), CliError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // Links count as what they lead to: files in a mounted folder may all be links.
        let about = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if about.is_dir() {
            if depth == MAX_DEPTH {
                return Err(CliError::refused(
                    format_args!("{} is too deep: {MAX_DEPTH} folders at most", shown(&path)),
                    "see that no link leads back to a folder above it",
                ));
            }
            find(&path, depth + 1, found)?;
        } else if let Some(format) = Format::of(&path) {
            found.push((path, format));
        }
        if found.len() > MAX_FILES {
            return Err(CliError::refused(
                format_args!("there are more than {MAX_FILES} files"),
                "put several clients into one",
            ));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(CliError::refused(
            format_args!("{} is longer than {MAX_BYTES} bytes", shown(path)),
            "split it",
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| CliError::refused(format_args!("{} is not UTF-8", shown(path)), "write it anew"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::failed(
        format_args!("{} can't be read: {error}", shown(path)),
        "name a file or a folder that can",
    )
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
