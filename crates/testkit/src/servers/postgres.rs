//! PostgreSQL servers on free ports, in folders of their own. They end with the test process, however it went.
//!
//! PostgreSQL refuses to run as root: where the tests do, the server runs as `postgres` or `nobody`.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;

/// A server, for as long as this is kept.
pub struct Postgres {
    port: u16,
    settings: Vec<String>,
    programs: Programs,
    dir: PathBuf,
    /// Removes the folder; [`UNTIL_INPUT_ENDS`] does where nobody is there to drop this.
    _owned: Option<TempDir>,
    process: Mutex<Option<Process>>,
    databases: AtomicU32,
}

/// The user that owns the databases, and that is let in without a password.
const USER: &str = "symbolon";

/// Settings of every server: nothing that it writes must outlive the machine, and it waits for nobody when it ends.
const SETTINGS: [&str; 10] = [
    "fsync=off",
    "full_page_writes=off",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=32MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "log_min_messages=log",
];

/// Runs the server until standard input ends, which it does when the test process is gone, however it went; then it
/// asks it to end at once, which also works while it is frozen. `SWEEP` is a folder to remove, or empty.
const UNTIL_INPUT_ENDS: &str = r#"trap : INT; "$@" >>"$LOG" 2>&1 & server=$!; echo $server; cat >/dev/null
all="$server $(cat /proc/$server/task/*/children 2>/dev/null)"
kill -QUIT $server 2>/dev/null; kill -CONT $all 2>/dev/null; wait $server; rm -rf "$SWEEP""#;

impl Postgres {
    /// Starts a server, with settings such as `max_connections=5` beside those of every server.
    pub fn start(settings: &[&str]) -> Self {
        let owned = tempfile::tempdir().unwrap();
        let dir = owned.path().to_owned();
        Self::start_in(dir, Some(owned), settings)
    }

    /// One server that all tests of the process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start_in(tempfile::tempdir().unwrap().keep(), None, &[]))
    }

    /// `postgres://` with the address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data is; files that it is to read must be put there by [`Postgres::give`].
    pub fn folder(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Puts a file that only the server can read beside its data.
    pub fn give(&self, name: &str, content: &str) {
        let path = self.folder().join(name);
        std::fs::write(&path, content).unwrap();
        set_mode(&path, 0o600);
        self.programs.own(&path);
    }

    /// Makes an empty database; returns its URL.
    pub async fn fresh_database(&self) -> String {
        self.copy_of("template0").await
    }

    /// Makes a copy of a database, known by its name or its URL, to which nobody is connected; returns its URL.
    pub async fn copy_of(&self, template: &str) -> String {
        let template = database_name(template);
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        let mut psql = self.psql("postgres", &sql);
        let made = tokio::task::spawn_blocking(move || psql.output().unwrap());
        let made = made.await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.url(&name)
    }

    /// Runs statements in a database, known by its name or its URL; returns the rows of the last, without headings.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let done = self.psql(database, sql).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Cuts every connection to a database (`pg_terminate_backend`), known by its name or its URL, and waits until it is
    /// cut.
    pub fn cut_connections(&self, database: &str) {
        let database = database_name(database);
        let others = format!("pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()");
        self.sql(
            "postgres",
            &format!("SELECT pg_terminate_backend(pid, 10000) FROM {others}"),
        );
    }

    /// Ends the server in order (SIGINT): its connections are cut, and all is written.
    pub fn stop(&self) {
        self.signal("-INT");
        self.end();
    }

    /// Ends the server and all that belongs to it by SIGKILL. It may be ended already.
    pub fn kill(&self) {
        if self.runs() {
            self.signal("-KILL");
        }
        self.end();
    }

    /// Starts the server again, with its data and on the same port; ends it in order before, where it runs.
    pub fn restart(&self) {
        if self.runs() {
            self.stop();
        }
        self.run();
    }

    /// Stops the server where it stands (SIGSTOP): its connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen server go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn start_in(dir: PathBuf, owned: Option<TempDir>, settings: &[&str]) -> Self {
        let server = Self {
            port: free_port(),
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            programs: Programs::find(),
            dir,
            _owned: owned,
            process: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        server.programs.own(&server.dir);
        let data = server.folder();
        let mut initdb = server.programs.as_user("initdb");
        initdb.arg("-D").arg(&data).args(["-U", USER, "-A", "trust"]);
        initdb.args(["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.run();
        server
    }

    fn run(&self) {
        // What a server that was killed leaves behind may be in the way of the next for a moment.
        let came_up = (0..100).any(|_| {
            self.spawn();
            let up = self.wait();
            if !up {
                self.end();
                std::thread::sleep(Duration::from_millis(50));
            }
            up
        });
        assert!(came_up, "PostgreSQL did not start:\n{}", self.log());
    }

    fn spawn(&self) {
        let mut server = self.programs.as_user("postgres");
        server
            .arg("-D")
            .arg(self.folder())
            .args(["-p", &self.port.to_string()]);
        let settings = self.settings.iter().map(String::as_str);
        for setting in SETTINGS.into_iter().chain(settings) {
            server.args(["-c", setting]);
        }
        let sweep = if self._owned.is_some() {
            Path::new("")
        } else {
            &self.dir
        };
        let mut shell = Command::new("sh");
        shell
            .args(["-c", UNTIL_INPUT_ENDS, "sh"])
            .arg(server.get_program())
            .args(server.get_args())
            .env("LOG", self.dir.join("log"))
            .env("SWEEP", sweep)
            .current_dir("/");
        *self.process() = Some(Process::start(&mut shell));
    }

    /// Whether it came up; false where it ended instead.
    fn wait(&self) -> bool {
        (0..1500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && self
                    .psql("postgres", "SELECT 1")
                    .output()
                    .unwrap()
                    .status
                    .success()
                || !self.runs()
        }) && self.runs()
    }

    /// Whether the server is there, frozen or not.
    fn runs(&self) -> bool {
        self.process().as_ref().is_some_and(|process| {
            let status = std::fs::read_to_string(format!("/proc/{}/stat", process.server));
            // The state follows the name, which is in brackets; Z is a process that has ended.
            status.is_ok_and(|text| {
                text.rsplit(')')
                    .next()
                    .is_some_and(|rest| !rest.starts_with(" Z"))
            })
        })
    }

    /// Lets the shell go, and waits for it.
    fn end(&self) {
        drop(self.process().take());
    }

    /// Signals the server and then, where it is not asked to end by itself, what it has started.
    fn signal(&self, signal: &str) {
        let process = self.process();
        let server = &process.as_ref().expect("the server runs").server;
        let send = |to: &str| Command::new("kill").args([signal, to]).output().unwrap();
        let children = || {
            let list = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
            list.unwrap_or_default()
        };
        // A server that is gone has lost its children: they are looked up before, and again behind, since it may start
        // some meanwhile.
        let before = if signal == "-KILL" {
            children()
        } else {
            String::new()
        };
        assert!(send(server).status.success());
        if signal != "-INT" {
            for child in before.split_whitespace().chain(children().split_whitespace()) {
                send(child);
            }
        }
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut psql = Command::new(self.programs.folder.join("psql"));
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database_name(database)))
            .env("PGCONNECT_TIMEOUT", "10");
        psql
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

/// The name of a database, of which this is the name or the URL.
pub fn database_name(database: &str) -> &str {
    database
        .rsplit_once('/')
        .map_or(database, |(_, database)| database)
}

/// Where the programs of PostgreSQL are, and as whom the server runs.
struct Programs {
    folder: PathBuf,
    /// Where we are root: another user.
    user: Option<User>,
}

struct User {
    uid: u32,
    gid: u32,
}

impl Programs {
    fn find() -> Self {
        Self {
            folder: folder()
                .expect("PostgreSQL is not installed: no `initdb` on the path or in /usr/lib/postgresql"),
            user: (id(&["-u"]) == Some(0)).then(|| {
                ["postgres", "nobody"]
                    .into_iter()
                    .find_map(|name| {
                        Some(User {
                            uid: id(&["-u", name])?,
                            gid: id(&["-g", name])?,
                        })
                    })
                    .expect("a user `postgres` or `nobody`, since PostgreSQL does not run as root")
            }),
        }
    }

    /// A program, run as the server's user.
    fn as_user(&self, program: &str) -> Command {
        let program = self.folder.join(program);
        let mut command = match &self.user {
            None => Command::new(program),
            Some(User { uid, gid }) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={uid}"), &format!("--regid={gid}")]);
                command.arg("--clear-groups").arg(program);
                command
            }
        };
        command.current_dir("/");
        command
    }

    /// Makes a file or folder the server's.
    fn own(&self, path: &Path) {
        if let Some(User { uid, gid }) = self.user {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
}

/// The folder of `initdb`: the one to which the path leads, else that of the newest version that Debian has installed.
fn folder() -> Option<PathBuf> {
    let on_the_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .filter_map(|folder| folder.join("initdb").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_owned));
    let debians = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"));
    let version = |folder: &PathBuf| -> u32 {
        let name = folder.parent().and_then(Path::file_name);
        name.and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
    };
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "psql"]
            .iter()
            .all(|p| folder.join(p).exists())
    };
    let first = on_the_path.into_iter().find(complete);
    first.or_else(|| debians.filter(complete).max_by_key(version))
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
