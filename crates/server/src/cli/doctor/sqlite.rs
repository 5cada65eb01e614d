//! The file of SQLite: where it lies, and how it is written.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use symbolon_store_sql::sqlite_journal_mode;

use super::check::{Check, LONGEST, Name, blocking, late, within};

/// Less free space than this is told: 1 GiB.
const SPACE_SHORT: u64 = 1 << 30;
/// Less than this and little more can be written: 64 MiB.
const SPACE_GONE: u64 = 64 << 20;

/// File systems on which SQLite's locks and its shared memory do not hold, by the kernel's numbers (`statfs(2)`).
const NETWORK: [(u32, &str); 9] = [
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0xff53_4d42, "CIFS"),
    (0x4750_4653, "GPFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0000_6969, "NFS"),
    (0x0000_517b, "SMB"),
    (0xfe53_4d42, "SMB 2"),
];

/// Looks at the file from outside. Returns whether there is one to open: opening it otherwise would make it.
pub(super) async fn look(path: &Path, checks: &mut Vec<Check>) -> bool {
    let own = path.to_owned();
    let Some(found) = blocking(move || File::of(&own)).await else {
        checks.push(late(Name::DatabaseFile));
        return false;
    };
    match found {
        Ok(file) => {
            checks.extend([file.place(), file.space()]);
            let there = file.connection();
            let is_there = there.is_none();
            checks.extend(there);
            if is_there {
                checks.push(durability(path).await);
            }
            is_there
        }
        Err(error) => {
            checks.push(Check::failed(
                Name::DatabaseFile,
                format!("{} can't be looked at: {error}", path.display()),
                "see that the folder of `database.url` can be entered by the user that runs the server",
            ));
            false
        }
    }
}

/// What the system tells of the file, or of the nearest folder where it is not there yet.
struct File {
    path: PathBuf,
    exists: bool,
    usable: bool,
    /// The kind of file system that it lies on, where that is one of [`NETWORK`].
    network: Option<&'static str>,
    free_bytes: u64,
    /// Whether others than the owner may read it.
    open_to_others: bool,
}

impl File {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Of a relative path that names a file alone, the folder is the working one.
        let nearest = path
            .ancestors()
            .map(|part| {
                if part.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    part
                }
            })
            .find(|part| part.exists())
            .unwrap_or(Path::new("/"));
        let space = statvfs(nearest)?;
        Ok(Self {
            path: path.to_owned(),
            exists: metadata.is_some(),
            usable: access(nearest, Access::READ_OK | Access::WRITE_OK).is_ok(),
            network: network(nearest)?,
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            open_to_others: metadata.is_some_and(|metadata| mode(&metadata) & 0o077 != 0),
        })
    }

    /// What keeps the file from being opened.
    fn connection(&self) -> Option<Check> {
        let (name, path) = (Name::DatabaseConnection, self.path.display());
        if !self.usable {
            return Some(Check::failed(
                name,
                format!("{path} can't be read and written by this user"),
                "run this as the user that runs the server, or give that user the file and folder of `database.url`",
            ));
        }
        (!self.exists).then(|| {
            Check::warning(
                name,
                format!("there is no {path} yet"),
                "run `symbolon migrate` or start the server, which make it; if there should be one, mend `database.url`, \
                 whose relative path starts at the working directory",
            )
        })
    }

    fn place(&self) -> Check {
        let (name, path) = (Name::DatabaseFile, self.path.display());
        if let Some(kind) = self.network {
            return Check::failed(
                name,
                format!(
                    "{path} lies on a network file system ({kind}), on which SQLite's locks do not hold: it gets corrupted"
                ),
                "move the file of `database.url` to a disk of this machine, or use PostgreSQL",
            );
        }
        if self.open_to_others {
            return Check::warning(
                name,
                format!("others than its owner may read {path}, with its password hashes"),
                "chmod 600 the file of `database.url`",
            );
        }
        Check::ok(name, "it lies on a file system of this machine")
    }

    fn space(&self) -> Check {
        let (name, free) = (Name::DatabaseCapacity, self.free_bytes);
        let found = format!("{} MiB are free where the database lies", free >> 20);
        let remedy = "free some space, or move the file of `database.url` to a larger disk";
        match free {
            ..SPACE_GONE => Check::failed(name, found, remedy),
            SPACE_GONE..SPACE_SHORT => Check::warning(name, found, remedy),
            _ => Check::ok(name, found),
        }
    }
}

/// The kind of network file system that it lies on, if it does.
#[cfg(target_os = "linux")]
fn network(path: &Path) -> io::Result<Option<&'static str>> {
    Ok(named(rustix::fs::statfs(path)?.f_type))
}

#[cfg(not(target_os = "linux"))]
fn network(_: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// `f_type` is as wide as the machine's words; the numbers have 32 bits.
fn named(kind: impl TryInto<i64>) -> Option<&'static str> {
    let kind = kind.try_into().ok()? as u32;
    let known = NETWORK.iter().find(|(number, _)| *number == kind);
    known.map(|(_, name)| *name)
}

fn mode(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode()
}

/// How the file is written now. The server switches it to write-ahead logging at its start, for good.
async fn durability(path: &Path) -> Check {
    let name = Name::DatabaseDurability;
    let mode = within(LONGEST, sqlite_journal_mode(path)).await;
    match mode {
        None => late(name),
        Some(Ok(mode)) if mode == "wal" => Check::ok(name, "it is written ahead (WAL)"),
        Some(Ok(mode)) => Check::warning(
            name,
            format!("its journal mode is {mode}: no server has opened it yet, or somebody has switched it"),
            "start the server, which switches it to WAL, and let no other program change it",
        ),
        Some(Err(error)) => Check::failed(
            name,
            format!("the file is no sound database: {error}"),
            "mend `database.url`, or restore the file from a backup",
        ),
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::sqlite::SqliteConnectOptions;
    use sea_orm::sqlx::{ConnectOptions as _, Connection as _};

    use super::super::check::Outcome;
    use super::*;

    fn file() -> File {
        File {
            path: "/x/symbolon.db".into(),
            exists: true,
            usable: true,
            network: None,
            free_bytes: 1 << 40,
            open_to_others: false,
        }
    }

    #[test]
    fn the_place_of_the_file_is_judged() {
        assert_eq!(file().connection(), None);
        assert_eq!(file().place().outcome, Outcome::Ok);
        let remote = File {
            network: named(0x6969_i64),
            ..file()
        };
        let place = remote.place();
        assert_eq!(place.outcome, Outcome::Failed);
        assert!(place.detail.contains("(NFS)"), "{place:?}");
        // As 32-bit machines say it.
        assert_eq!(named(0xff53_4d42_u32 as i32), Some("CIFS"));
        assert_eq!(named(0xff53_4d42_i64), Some("CIFS"));
        assert_eq!(named(0xef53_i64), None);
        let open = File {
            open_to_others: true,
            ..file()
        };
        assert_eq!(open.place().outcome, Outcome::Warning);
        let forbidden = File {
            usable: false,
            ..file()
        };
        assert_eq!(forbidden.connection().unwrap().outcome, Outcome::Failed);
    }

    #[test]
    fn the_space_is_judged() {
        for (free_bytes, outcome) in [
            (SPACE_GONE - 1, Outcome::Failed),
            (SPACE_GONE, Outcome::Warning),
            (SPACE_SHORT - 1, Outcome::Warning),
            (SPACE_SHORT, Outcome::Ok),
        ] {
            let space = File { free_bytes, ..file() }.space();
            assert_eq!(space.outcome, outcome, "{space:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_missing_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/symbolon.db");
        let mut checks = Vec::new();
        assert!(!look(&path, &mut checks).await);
        let connection = checks.iter().find(|check| check.name == Name::DatabaseConnection);
        assert_eq!(connection.unwrap().outcome, Outcome::Warning, "{checks:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_journal_is_read_and_not_switched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("symbolon.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let mut plain = options.connect().await.unwrap();
        sea_orm::sqlx::query("CREATE TABLE x (y)")
            .execute(&mut plain)
            .await
            .unwrap();
        let check = durability(&path).await;
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.detail.contains("delete"), "{check:?}");
        assert_eq!(durability(&path).await, check);
        sea_orm::sqlx::query("PRAGMA journal_mode = wal")
            .execute(&mut plain)
            .await
            .unwrap();
        plain.close().await.unwrap();
        assert_eq!(durability(&path).await.outcome, Outcome::Ok);
        std::fs::write(
            &path,
            "this is not a database, and long enough to be read as one".repeat(20),
        )
        .unwrap();
        let check = durability(&path).await;
        assert_eq!(check.outcome, Outcome::Failed, "{check:?}");
    }
}
