use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::mpsc;

/// How long anything may take that has to come. Nothing is measured by it: it ends a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The `symbolon` binary of the build that this test belongs to.
///
/// # Panics
/// It was not built.
#[expect(
    clippy::expect_used,
    clippy::panic,
    reason = "test support: whatever fails here is a failed test"
)]
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    // target/<profile>/deps/<test>
    let path = test
        .ancestors()
        .nth(2)
        .expect("a profile's folder")
        .join("symbolon");
    if !path.is_file() {
        panic!(
            "{} is missing: run `cargo build --workspace --bin symbolon` first, or test with `cargo xtask test`",
            path.display()
        );
    }
    path
}

/// Everything that the processes of an installation have written.
#[derive(Debug, Default)]
pub struct Transcript {
    out: Mutex<String>,
    err: Mutex<String>,
}

impl Transcript {
    /// What went to standard output.
    pub fn out(&self) -> String {
        read(&self.out)
    }

    /// What went to standard error: logs, and what commands say beside their results.
    pub fn err(&self) -> String {
        read(&self.err)
    }
}

fn read(text: &Mutex<String>) -> String {
    text.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn append(text: &Mutex<String>, more: &str) {
    text.lock().unwrap_or_else(PoisonError::into_inner).push_str(more);
}

/// A running program. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    out: mpsc::UnboundedReceiver<String>,
    err: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// What a program that has ended left.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output and nobody has read.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Process {
    /// Starts a program with this on its standard input.
    pub fn start(mut command: Command, stdin: &str, transcript: &Arc<Transcript>) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let mut input = child.stdin.take().expect("standard input");
        // A program that does not read its input may end before it is written.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        let (lines, out) = mpsc::unbounded_channel();
        let err = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().expect("standard output");
        let stderr = child.stderr.take().expect("standard error");
        let readers = vec![
            each_line(stdout, {
                let transcript = transcript.clone();
                move |line| {
                    append(&transcript.out, &line);
                    // Fails where nobody wants to know any more.
                    let _ = lines.send(line);
                }
            }),
            each_line(stderr, {
                let (transcript, err) = (transcript.clone(), err.clone());
                move |line| {
                    append(&transcript.err, &line);
                    append(&err, &line);
                }
            }),
        ];
        Self {
            child,
            ended: None,
            out,
            err,
            readers,
        }
    }

    /// The next line of standard output; `None` once the program has ended.
    pub async fn line(&mut self) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.out.recv())
            .await
            .expect("a line in time")
    }

    /// Waits for the program to end by itself.
    pub async fn end(&mut self) -> Ended {
        let mut out = String::new();
        while let Some(line) = self.line().await {
            out.push_str(&line);
        }
        let status = self.reap();
        Ended {
            code: status.code(),
            out,
            err: read(&self.err),
        }
    }

    /// What it wrote to standard error so far.
    pub fn err(&self) -> String {
        read(&self.err)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a process");
    }

    /// SIGSTOP; returns once none of its threads runs.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED).expect("a process that stops");
    }

    /// Lets it run again after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.expect("a process id")
    }

    /// SIGKILL, at once.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        self.reap();
    }

    fn reap(&mut self) -> ExitStatus {
        let status = match self.ended {
            Some(status) => status,
            None => self.child.wait().expect("a process"),
        };
        self.ended = Some(status);
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader");
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // Both fail only where it has ended already, which is what is wanted.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn each_line(
    from: impl Read + Send + 'static,
    mut then: impl FnMut(String) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            then(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        }
    })
}
