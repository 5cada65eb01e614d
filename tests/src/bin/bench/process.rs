//! Server processes: started on a core of their own, watched through `/proc`, ended in any case.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::de::DeserializeOwned;

/// How long a server may take to be ready, and to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which cores this measurement uses.
#[derive(Clone)]
pub(crate) struct Cores {
    all: CpuSet,
    server: CpuSet,
    load: CpuSet,
    /// What a reader of the figures has to know.
    pub(crate) description: String,
}

impl Cores {
    /// The first core that this process may use for servers, the second for load; or, `unpinned`, all for both.
    pub(crate) fn choose(unpinned: bool) -> anyhow::Result<Self> {
        let all = sched_getaffinity(None).context("cannot read the cores that may be used")?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let first = allowed.next().context("no core may be used")?;
        let second = allowed.next();
        let (server, load, description) = match second {
            _ if unpinned => (
                all,
                all,
                format!("{} cores, server and load on all of them", all.count()),
            ),
            None => (
                all,
                all,
                "ONE core, shared by server and load: ratios hold, rates do not".to_owned(),
            ),
            Some(second) => (
                only(first),
                only(second),
                format!("server on core {first} alone, load on core {second} alone"),
            ),
        };
        Ok(Self {
            all,
            server,
            load,
            description,
        })
    }

    /// How many cores this process may use.
    pub(crate) fn count(&self) -> u32 {
        self.all.count()
    }

    /// Moves this thread to the core for load.
    pub(crate) fn pin_load(&self) -> anyhow::Result<()> {
        sched_setaffinity(None, &self.load).context("cannot move to the core for load")
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    /// When it was started.
    pub(crate) started: Instant,
}

impl Server {
    /// Starts `command` on the core for servers and waits for the JSON object that it prints when ready.
    /// Its standard error goes into the file `log`.
    ///
    /// # Errors
    /// If it does not start, ends, or prints no such object within a minute; with the end of its log.
    pub(crate) fn start<T>(mut command: Command, cores: &Cores, log: &Path) -> anyhow::Result<(Self, T)>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let stderr = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        // A child inherits the cores of the thread that starts it, so none of its threads ever runs elsewhere.
        sched_setaffinity(None, &cores.server).context("cannot move to the core for servers")?;
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"));
        cores.pin_load()?;
        let mut server = Self {
            child: child?,
            started,
        };
        let stdout = server.child.stdout.take().context("no standard output")?;

        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let object = T::deserialize(&mut serde_json::Deserializer::from_reader(&mut stdout));
            // Fails if the patience has run out meanwhile: then nobody wants the object any more.
            let _ = sender.send(object);
            // Keeps reading, so that nothing the server prints later blocks it, until it ends.
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        });
        let ready = match receiver.recv_timeout(PATIENCE) {
            Ok(Ok(object)) => Ok(object),
            Ok(Err(error)) if error.is_eof() => Err(anyhow!("it ended without printing where it listens")),
            Ok(Err(error)) => Err(anyhow!(error).context("it printed something else than expected")),
            Err(_) => Err(anyhow!("it was not ready within {PATIENCE:?}")),
        };
        match ready {
            Ok(object) => Ok((server, object)),
            Err(error) => {
                drop(server);
                Err(error.context(format!("{command:?} failed; the end of its log:\n{}", tail(log))))
            }
        }
    }

    /// Ends the server with SIGTERM.
    ///
    /// # Errors
    /// If it does not end within a minute or with another status than success.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::TERM).context("cannot signal the server")?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                if !status.success() {
                    bail!("the server ended with {status} after SIGTERM");
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the server did not end within {PATIENCE:?} after SIGTERM")
    }

    /// Resident memory in KiB: now (`VmRSS`), and at most since its start (`VmHWM`).
    pub(crate) fn memory_kib(&self) -> anyhow::Result<Memory> {
        parse_memory(&self.proc("status")?)
    }

    /// Processor time used so far by all threads.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        parse_cpu_time(&self.proc("stat")?)
    }

    /// The soft limit on open files under which it runs.
    pub(crate) fn open_file_limit(&self) -> anyhow::Result<String> {
        let limits = self.proc("limits")?;
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().next());
        soft.map(str::to_owned).context("no limit on open files in /proc")
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        if text.is_empty() {
            bail!("{path} is empty: the server has ended")
        } else {
            Ok(text)
        }
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("process id out of range")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of a process in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

/// Resident memory of this process.
pub(crate) fn own_memory() -> anyhow::Result<Memory> {
    parse_memory(&std::fs::read_to_string("/proc/self/status")?)
}

fn parse_memory(status: &str) -> anyhow::Result<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        number.with_context(|| format!("no {name} in /proc"))
    };
    Ok(Memory {
        now: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

/// Lets this process open so many files; `fewer` is the option to ask less of it by.
///
/// # Errors
/// The hard limit does not allow it.
pub(crate) fn allow_open_files(needed: u64, fewer: &str) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "this process may open {:?} files and needs {needed}: raise the hard limit (ulimit -Hn), or use fewer {fewer}",
        limit.maximum
    );
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: Some(needed),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    }
    Ok(())
}

/// Processor time used so far by this process.
pub(crate) fn own_cpu_time() -> anyhow::Result<Duration> {
    parse_cpu_time(&std::fs::read_to_string("/proc/self/stat")?)
}

/// Processor time used so far by all threads of another process.
pub(crate) fn cpu_time_of(process: u64) -> anyhow::Result<Duration> {
    parse_cpu_time(&std::fs::read_to_string(format!("/proc/{process}/stat"))?)
}

/// User and system time in a `/proc/PID/stat` (proc(5): fields 14 and 15, counted from before the name, which may
/// hold spaces and parentheses).
fn parse_cpu_time(stat: &str) -> anyhow::Result<Duration> {
    let (_, after_name) = stat.rsplit_once(") ").context("no process name in /proc")?;
    let mut fields = after_name.split(' ').skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (user, system) = ticks().zip(ticks()).context("no processor time in /proc")?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_micros((user + system) * 1_000_000 / per_second))
}

/// The last lines of a log, at most 4 KiB.
fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    if let Err(error) = File::open(log).and_then(|mut file| file.read_to_end(&mut text)) {
        return format!("(cannot read it: {error})");
    }
    String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_processor_time_past_a_hostile_process_name() {
        let ticks = rustix::param::clock_ticks_per_second();
        let stat = format!("42 (a) b) R 1 2 3 4 5 6 7 8 9 10 {ticks} {} 0 0", 2 * ticks);
        assert_eq!(parse_cpu_time(&stat).unwrap(), Duration::from_secs(3));
        assert!(parse_cpu_time("42 (a) R 1").is_err());
    }

    #[test]
    fn waits_for_the_object_and_measures_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo '{\"port\":'; echo '1}'; exec sleep 60"]);
        let cores = Cores::choose(true).unwrap();
        let (server, object): (_, serde_json::Value) =
            Server::start(command, &cores, &folder.path().join("log")).unwrap();
        assert_eq!(object, serde_json::json!({ "port": 1 }));
        let memory = server.memory_kib().unwrap();
        assert!(0 < memory.now && memory.now <= memory.peak);
        server.cpu_time().unwrap();
        assert!(!server.open_file_limit().unwrap().is_empty());
    }

    #[test]
    fn a_server_that_ends_is_an_error_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo the reason >&2"]);
        let cores = Cores::choose(true).unwrap();
        let outcome = Server::start::<serde_json::Value>(command, &cores, &folder.path().join("log"));
        let error = format!("{:#}", outcome.err().unwrap());
        assert!(
            error.contains("the reason") && error.contains("ended without"),
            "{error}"
        );
    }
}
