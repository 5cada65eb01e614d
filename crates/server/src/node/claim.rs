//! That one server has a file of SQLite for itself.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::bail;
use rustix::fs::OFlags;

use super::place;

/// Claims the database of that URL for as long as a server runs. A second server on a file of SQLite is refused in the
/// development mode, where it would put its own address in the place of the first one's in the stored login; elsewhere its
/// log says that it is one too many. Nothing is claimed of a server, which many nodes may share.
///
/// The claim is the file's, until that is dropped; the operating system gives it up with the process, however that ends.
///
/// # Errors
/// In the development mode: another server runs on the file.
pub fn claim_database(url: &str, is_dev: bool) -> anyhow::Result<Option<File>> {
    let Some(database) = place::of_sqlite(url) else {
        return Ok(None);
    };
    match claim(database) {
        Ok(Claim::Ours(lock)) => return Ok(Some(lock)),
        Ok(Claim::Taken(file)) if is_dev => bail!(
            "a server is already running on the database {}: stop it, or give another --data-dir",
            file.display()
        ),
        Ok(Claim::Taken(file)) => tracing::warn!(
            file = %file.display(),
            remedy = "stop one of the two; several nodes share a PostgreSQL",
            "another server is already running on this database"
        ),
        Err(error) => tracing::warn!(
            %error,
            "whether another server runs on this database is not known: there is no locking a file beside it"
        ),
    }
    Ok(None)
}

#[derive(Debug)]
enum Claim {
    Ours(File),
    /// Another process has this file.
    Taken(PathBuf),
}

/// Locks a file beside the database, so that SQLite's own are left alone. It fails where that can't be made, or its file
/// system knows no locks.
fn claim(database: &Path) -> io::Result<Claim> {
    // By whatever name it goes it is the same.
    let database = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let lock = lock_file(&database)?;
    match lock.try_lock() {
        Ok(()) => Ok(Claim::Ours(lock)),
        Err(TryLockError::WouldBlock) => Ok(Claim::Taken(database)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens the file beside that database, and makes it and its folder where they are missing, for their owner alone.
fn lock_file(database: &Path) -> io::Result<File> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let mut name = OsString::from(database);
    name.push(".lock");
    match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        _ => {}
    }
    // Whatever else somebody has put there is neither followed nor waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(name)?;
    if lock.metadata()?.is_file() {
        Ok(lock)
    } else {
        Err(io::Error::other("what stands there is no file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_link(path: &Path) {
        std::os::unix::fs::symlink(path.with_file_name("elsewhere"), path).unwrap();
    }

    fn make_pipe(path: &Path) {
        let (cwd, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
        rustix::fs::mknodat(cwd, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

    #[test]
    fn a_file_is_claimed_once_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("new/symbolon.db");
        let first = claim(&database).unwrap();
        assert!(matches!(first, Claim::Ours(_)), "{first:?}");
        assert!(!database.exists(), "the database is left to SQLite");

        fs::write(&database, "").unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&database, &link).unwrap();
        for name in [&database, &link] {
            let second = claim(name).unwrap();
            assert!(
                matches!(&second, Claim::Taken(file) if file.ends_with("new/symbolon.db")),
                "{second:?}"
            );
        }
        let other = claim(&folder.path().join("other.db")).unwrap();
        assert!(matches!(other, Claim::Ours(_)), "{other:?}");

        // Neither what it leads to nor who has its other end is waited for.
        for (name, make) in [("a", make_link as fn(&Path)), ("b", make_pipe)] {
            let database = folder.path().join(name);
            make(&folder.path().join(format!("{name}.lock")));
            assert!(claim(&database).is_err(), "{name}");
        }
        assert!(!folder.path().join("elsewhere").exists());

        drop(first);
        let again = claim(&link).unwrap();
        assert!(matches!(again, Claim::Ours(_)), "{again:?}");
    }

    #[test]
    fn a_second_server_is_refused_in_the_development_mode_alone() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("symbolon.db").display());
        let first = claim_database(&url, true).unwrap();
        assert!(first.is_some());
        let refused = claim_database(&url, true).unwrap_err().to_string();
        assert!(
            refused.contains("already running") && refused.contains("symbolon.db"),
            "{refused}"
        );
        assert!(claim_database(&url, false).unwrap().is_none());
    }

    #[test]
    fn no_start_fails_for_want_of_a_lock() {
        assert!(claim_database("postgres://me@db/x", true).unwrap().is_none());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let within = file.join("symbolon.db");
        assert!(claim(&within).is_err());
        let url = format!("sqlite:{}", within.display());
        assert!(claim_database(&url, true).unwrap().is_none());
    }
}
