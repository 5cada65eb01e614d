//! Where settings are read: the file, the environment, overrides. All of it can be injected.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::command::{CommandError, run_command};
use super::finding::{ConfigErrors, Finding, Origin};
use super::table::ENVIRONMENT_PREFIX;

/// Largest file that is read, in bytes: configuration and secrets alike.
const FILE_BYTES: u64 = 1_048_576;

/// The text of a file and, where the system has them, its permission bits. Has no `Debug`: it may hold secrets.
pub struct FileText {
    /// The whole content.
    pub text: String,
    /// Permission bits as in `st_mode`.
    pub mode: Option<u32>,
}

/// The configuration file. Has no `Debug`: it may hold secrets.
pub struct ConfigFile {
    /// As it was named; messages repeat it.
    pub path: PathBuf,
    /// What it holds.
    pub content: FileText,
}

/// A value that beats file and environment: from a flag, or from the development mode.
#[derive(Debug)]
pub struct Override {
    pub(super) key: String,
    pub(super) value: SecretString,
    pub(super) origin: String,
}

impl Override {
    /// Sets `key` to `value`, written as in the environment; `origin` is how messages name its source,
    /// such as `--listen`.
    pub fn new(key: impl Into<String>, value: impl Into<SecretString>, origin: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            origin: origin.into(),
        }
    }
}

/// Reads a file as [`read_file`] does.
pub type FileReader = Box<dyn Fn(&Path) -> io::Result<FileText> + Send + Sync>;

/// Runs a command line as [`run_command`] does.
pub type CommandRunner = Box<dyn Fn(&str) -> Result<Zeroizing<String>, CommandError> + Send + Sync>;

/// Everything that settings are read from, the least important first: the defaults, `file`, `environment`,
/// `overrides`. Has no `Debug`: it may hold secrets.
pub struct Sources {
    /// The configuration file, if one was named.
    pub file: Option<ConfigFile>,
    /// Environment variables; those that do not begin with `SYMBOLON_` are ignored.
    pub environment: BTreeMap<String, String>,
    /// Flags and the development mode.
    pub overrides: Vec<Override>,
    /// Reads the file that a `*_file` setting names.
    pub read_file: FileReader,
    /// Runs the command of a `*_command` setting.
    pub run_command: CommandRunner,
    /// Whether timings of signing keys that make verifiers refuse valid tokens are accepted, with a warning. Not a
    /// setting: nobody should find it in a file years later.
    pub dangerous_key_timings: bool,
    /// Cores of this machine, for settings where zero means "as many as there are".
    pub cores: NonZeroUsize,
}

impl Sources {
    /// The sources of this process: the named file, its environment, the file system, its shell, its cores.
    ///
    /// # Errors
    /// The configuration file cannot be read, or a `SYMBOLON_*` variable is not UTF-8.
    pub fn from_process(config: Option<&Path>, overrides: Vec<Override>) -> Result<Self, ConfigErrors> {
        let mut findings = Vec::new();
        let mut file = None;
        if let Some(path) = config {
            match read_file(path) {
                Ok(content) => {
                    file = Some(ConfigFile {
                        path: path.to_owned(),
                        content,
                    })
                }
                Err(error) => findings.push(Finding {
                    setting: "--config".to_owned(),
                    origin: Origin::Override("command line".to_owned()),
                    wrong: format!("{} cannot be read: {error}", path.display()),
                    remedy: "name a TOML file that this process may read".to_owned(),
                }),
            }
        }
        let environment = environment(std::env::vars_os(), &mut findings);
        if !findings.is_empty() {
            return Err(ConfigErrors::new(findings));
        }
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            file,
            environment,
            overrides,
            read_file: Box::new(read_file),
            run_command: Box::new(run_command),
            dangerous_key_timings: false,
            cores,
        })
    }
}

/// Reads a file of at most 1 MiB.
///
/// # Errors
/// It cannot be read, is not UTF-8, or is larger.
pub fn read_file(path: &Path) -> io::Result<FileText> {
    let file = File::open(path)?;
    let mode = mode(&file)?;
    let mut text = String::new();
    let length = file.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if length as u64 > FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {FILE_BYTES} bytes"),
        ));
    }
    Ok(FileText { text, mode })
}

#[cfg(unix)]
fn mode(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(Some(file.metadata()?.mode()))
}

#[cfg(not(unix))]
fn mode(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, value) in variables {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(ENVIRONMENT_PREFIX) {
            continue;
        }
        match value.into_string() {
            Ok(value) => drop(environment.insert(name, value)),
            Err(_) => findings.push(Finding {
                setting: name.clone(),
                origin: Origin::Environment { variable: name },
                wrong: "its value is not UTF-8".to_owned(),
                remedy: "write the value in UTF-8".to_owned(),
            }),
        }
    }
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_with_its_permissions_and_refuses_a_large_one() {
        let folder = std::env::temp_dir().join(format!("symbolon-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        std::fs::write(&path, "x".repeat(1_048_576)).unwrap();
        let read = read_file(&path).unwrap();
        assert_eq!(read.text.len(), 1_048_576);
        #[cfg(unix)]
        assert_eq!(read.mode.unwrap() & 0o600, 0o600);
        std::fs::write(&path, "x".repeat(1_048_577)).unwrap();
        let error = read_file(&path).err().unwrap();
        assert_eq!(error.to_string(), "it is larger than 1048576 bytes");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn keeps_only_its_own_variables_and_refuses_other_encodings() {
        use std::os::unix::ffi::OsStringExt as _;
        let mut findings = Vec::new();
        let kept = environment(
            [
                ("SYMBOLON_ISSUER".into(), "https://a.example".into()),
                ("PATH".into(), OsString::from_vec(vec![0xff])),
                ("SYMBOLON_LOG_LEVEL".into(), OsString::from_vec(vec![0xff])),
            ]
            .into_iter(),
            &mut findings,
        );
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["SYMBOLON_ISSUER"]);
        assert_eq!(
            findings[0].to_string(),
            "SYMBOLON_LOG_LEVEL (environment variable SYMBOLON_LOG_LEVEL): its value is not UTF-8\n    \
             remedy: write the value in UTF-8"
        );
    }
}
