//! Stored logins: the servers, and the client that commands act as at each.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use symbolon_core::user::ADMIN_SCOPES;
use zeroize::Zeroizing;

use super::super::error::CliError;
use super::super::output::quoted;

/// Its name in a data folder of the development mode, and in the user's configuration folder.
pub const LOGIN_FILE: &str = "login.json";
/// Longest file that is read and written, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// A login.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Login {
    /// URL of the listener for the admin API, without a path.
    pub(in crate::cli) server: String,
    /// Where its tokens come from, as it said when the login was stored: whoever listens in its place later does not say it.
    pub(in crate::cli) token_endpoint: String,
    /// The client.
    pub(in crate::cli) client_id: String,
    /// Its secret.
    pub(in crate::cli) client_secret: SecretString,
    /// How the secret is sent.
    pub(in crate::cli) auth_method: SecretMethod,
    /// What to ask for, separated by spaces.
    pub(in crate::cli) scope: String,
    /// Certificates in PEM to trust besides the system's.
    pub(in crate::cli) ca_file: Option<PathBuf>,
}

/// How a client sends its secret ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::cli) enum SecretMethod {
    /// In the header, which every client may that was not told otherwise.
    #[default]
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// In the body.
    #[serde(rename = "client_secret_post")]
    Post,
}

/// The logins of a file.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Logins {
    /// The server that is meant where none is named: the last that was logged in at.
    current: String,
    /// By the server's URL.
    logins: BTreeMap<String, Login>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StoredAll {
    current: String,
    logins: BTreeMap<String, Stored>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    token_endpoint: String,
    client_id: String,
    client_secret: String,
    #[serde(default)]
    auth_method: SecretMethod,
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

/// Whether a login of the development mode's admin client is stored there.
///
/// # Errors
/// The file can't be read.
pub fn has_dev_login(path: &Path, client_id: &str) -> Result<bool, CliError> {
    Ok(dev_login(&Logins::read(path)?, client_id).is_some())
}

/// The login of that client at a server of this machine.
fn dev_login<'a>(logins: &'a Logins, client_id: &str) -> Option<&'a Login> {
    let is_it =
        |login: &&Login| login.client_id == client_id && login.server.starts_with("http://127.0.0.1:");
    logins.logins.values().find(is_it)
}

/// Stores the login of the development mode's admin client, or tells a stored one where its server listens now.
///
/// # Errors
/// [`CliError`]; what was stored stays.
pub fn store_dev_login(
    path: &Path,
    (server, token_endpoint): (&str, &str),
    client_id: &str,
    secret: Option<SecretString>,
) -> Result<(), CliError> {
    let mut logins = Logins::read(path)?;
    let stored = dev_login(&logins, client_id).cloned();
    let known = stored.as_ref().map(|login| login.client_secret.clone());
    let Some(client_secret) = secret.or(known) else {
        return Ok(());
    };
    if let Some(stored) = stored {
        logins.forget(Some(&stored.server));
    }
    logins.put(Login {
        server: server.to_owned(),
        token_endpoint: token_endpoint.to_owned(),
        client_id: client_id.to_owned(),
        client_secret,
        auth_method: SecretMethod::default(),
        scope: ADMIN_SCOPES.join(" "),
        ca_file: None,
    });
    logins.write(path)
}

/// Where the login is kept that nobody has named a file for: in the data folder, or in the user's configuration folder.
pub(in crate::cli) fn default_path(
    data_dir: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<PathBuf> {
    if let Some(dir) = data_dir {
        return Some(dir.join(LOGIN_FILE));
    }
    let set = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("symbolon").join(LOGIN_FILE))
}

impl Logins {
    /// The login at that server, or at the current one.
    pub(in crate::cli) fn at(&self, server: Option<&str>) -> Option<&Login> {
        self.logins.get(server.unwrap_or(&self.current))
    }

    /// The servers.
    pub(in crate::cli) fn servers(&self) -> impl Iterator<Item = &str> {
        self.logins.keys().map(String::as_str)
    }

    /// Puts a login in the place of that at the same server, which becomes the current one.
    pub(in crate::cli) fn put(&mut self, login: Login) {
        self.current.clone_from(&login.server);
        self.logins.insert(login.server.clone(), login);
    }

    /// Forgets the login at that server, or at the current one; false where there is none.
    pub(in crate::cli) fn forget(&mut self, server: Option<&str>) -> bool {
        let server = server.unwrap_or(&self.current).to_owned();
        self.logins.remove(&server).is_some()
    }

    /// Reads a file that nobody else may read; without logins where there is none.
    ///
    /// # Errors
    /// It can't be read, others may read it, or it is no login.
    pub(in crate::cli) fn read(path: &Path) -> Result<Self, CliError> {
        let shown = quoted(&path.to_string_lossy());
        let refused = |what: String, remedy: &str| CliError::refused(format_args!("{shown} {what}"), remedy);
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(refused(
                    format!("can't be read: {error}"),
                    "name another file with --login",
                ));
            }
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            let what = "holds a secret, and others may read it".to_owned();
            return Err(refused(
                what,
                "run chmod 600 on it, and replace the secret if others may have read it",
            ));
        }
        if metadata.len() > MAX_BYTES as u64 {
            return Err(refused(
                "is no login: it is too long".to_owned(),
                "remove it and run `symbolon login` again, or name another file with --login",
            ));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            refused(
                format!("can't be read: {error}"),
                "name another file with --login",
            )
        })?;
        let stored: StoredAll = serde_json::from_str(&text)
            .map_err(|error| refused(format!("holds no logins: {error}"), "run `symbolon login` again"))?;
        let logins = stored.logins.into_iter().map(|(server, stored)| {
            let login = Login {
                server: server.clone(),
                token_endpoint: stored.token_endpoint,
                client_id: stored.client_id,
                client_secret: stored.client_secret.into(),
                auth_method: stored.auth_method,
                scope: stored.scope,
                ca_file: stored.ca_file,
            };
            (server, login)
        });
        Ok(Self {
            current: stored.current,
            logins: logins.collect(),
        })
    }

    /// Writes them, so that nobody else may read it; what was there is replaced whole or not at all.
    ///
    /// # Errors
    /// It can't be written, or would be longer than what is read.
    pub(in crate::cli) fn write(&self, path: &Path) -> Result<(), CliError> {
        let shown = quoted(&path.to_string_lossy());
        let failed = |error: std::io::Error| {
            CliError::failed(
                format_args!("{shown} can't be written: {error}"),
                "name another file with --login",
            )
        };
        let text = self.text().map_err(|error| failed(error.into()))?;
        if text.len() > MAX_BYTES {
            return Err(CliError::refused(
                format_args!("{shown} would have more than {MAX_BYTES} bytes; what it holds was kept"),
                "forget a login with `symbolon logout --server URL`, or name another file with --login",
            ));
        }
        replace(path, text.as_bytes()).map_err(failed)
    }

    /// What the file holds.
    fn text(&self) -> serde_json::Result<Zeroizing<String>> {
        let logins = self.logins.iter().map(|(server, login)| {
            let stored = Stored {
                token_endpoint: login.token_endpoint.clone(),
                client_id: login.client_id.clone(),
                client_secret: login.client_secret.expose_secret().to_owned(),
                auth_method: login.auth_method,
                scope: login.scope.clone(),
                ca_file: login.ca_file.clone(),
            };
            (server.clone(), stored)
        });
        let stored = StoredAll {
            current: self.current.clone(),
            logins: logins.collect(),
        };
        let mut text = Zeroizing::new(serde_json::to_string_pretty(&stored)?);
        text.push('\n');
        Ok(text)
    }
}

/// Puts a file in the place of the one that is there, whole or not at all, so that nobody else may read it.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let fresh = path.with_extension("json.new");
    // A leftover of one that was broken off.
    let _ = std::fs::remove_file(&fresh);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(server: &str) -> Login {
        Login {
            server: server.into(),
            token_endpoint: format!("{server}/token"),
            client_id: "admin".into(),
            client_secret: "sbs_secret".to_owned().into(),
            auth_method: SecretMethod::Post,
            scope: "users:read".into(),
            ca_file: None,
        }
    }

    #[test]
    fn reads_what_it_wrote_and_nobody_else_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/login.json");
        let mut logins = Logins::read(&path).unwrap();
        assert!(logins.at(None).is_none());
        for server in ["https://a.example", "https://b.example"] {
            logins.put(login(server));
            logins.write(&path).unwrap();
        }
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let mut read = Logins::read(&path).unwrap();
        assert_eq!(read.at(None).unwrap().server, "https://b.example");
        let first = read.at(Some("https://a.example")).unwrap();
        assert_eq!(first.client_secret.expose_secret(), "sbs_secret");
        assert_eq!(first.auth_method, SecretMethod::Post);
        assert!(read.at(Some("https://c.example")).is_none());
        assert!(read.forget(None) && !read.forget(None));
        assert_eq!(read.servers().collect::<Vec<_>>(), ["https://a.example"]);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Logins::read(&path).unwrap_err().to_string();
        assert!(
            refused.contains("chmod 600") && !refused.contains("sbs_"),
            "{refused}"
        );
    }

    #[test]
    fn a_file_that_would_be_too_long_is_not_written_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("login.json");
        let mut logins = Logins::default();
        let refused = loop {
            let kept = std::fs::read(&path).ok();
            logins.put(login(&format!("https://{}.example", logins.logins.len())));
            if let Err(refused) = logins.write(&path) {
                assert_eq!(std::fs::read(&path).ok(), kept);
                break refused.to_string();
            }
            let read = Logins::read(&path).unwrap();
            assert_eq!(read.logins.len(), logins.logins.len(), "what is written is read");
        };
        assert!(
            refused.contains("symbolon logout") && !refused.contains("sbs_"),
            "{refused}"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

        // The remedy is one.
        assert!(logins.forget(Some("https://0.example")));
        logins.write(&path).unwrap();
        assert!(Logins::read(&path).unwrap().at(None).is_some());
    }

    #[test]
    fn no_error_tells_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("login.json");
        std::fs::write(
            &path,
            "{\"logins\":{\"a\":{\"client_secret\":\"sbs_secret\",\"x\":1}}}",
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!("{}", Logins::read(&path).unwrap_err());
        assert!(
            text.contains("symbolon login") && !text.contains("sbs_secret"),
            "{text}"
        );
        assert!(!format!("{:?}", login("a")).contains("sbs_secret"));
    }

    #[test]
    fn the_folder_is_the_one_that_is_named_or_the_users() {
        let of = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                let pair = pairs.iter().find(|(known, _)| *known == name)?;
                Some(pair.1.to_owned())
            }
        };
        let at = |dir, pairs| default_path(dir, of(pairs)).map(|path| path.display().to_string());
        assert_eq!(at(Some(Path::new("d")), &[]).unwrap(), "d/login.json");
        assert_eq!(
            at(None, &[("HOME", "/h")]).unwrap(),
            "/h/.config/symbolon/login.json"
        );
        let both = &[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")];
        assert_eq!(at(None, both).unwrap(), "/x/symbolon/login.json");
        assert_eq!(at(None, &[]), None);
    }
}
