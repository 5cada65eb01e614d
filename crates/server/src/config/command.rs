//! Secrets that a command writes: the real runner of `*_command` settings.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use zeroize::Zeroizing;

use super::kind::duration_text;
use super::table::ENVIRONMENT_PREFIX;

/// Longest time that a command may take.
const TIME: Duration = Duration::from_secs(30);
/// Most that a command may write, in bytes.
const OUTPUT_BYTES: usize = 4096;

/// Why the output of a command can't be used. Names neither the command nor what it wrote: both may be secret.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It was ended by a signal of this number.
    #[error("the command was ended by signal {0}")]
    Ended(i32),
    /// It ended with this status, which is not zero.
    #[error("the command failed with status {0}")]
    Failed(i32),
    /// Its output is not UTF-8.
    #[error("what the command wrote is not UTF-8")]
    NotText,
    /// It could not be run or watched.
    #[error("the command could not be run: {0}")]
    NotRun(#[from] io::Error),
    /// It had not ended, or its output was still open, after this time; it was killed.
    #[error("the command had not ended after {}, and was killed", duration_text(*.0))]
    TimedOut(Duration),
    /// It wrote more than 4 KiB; it was killed.
    #[error("the command wrote more than {OUTPUT_BYTES} bytes, and was killed")]
    TooLong,
}

/// Runs a command line with `/bin/sh -c`, without input and without `SYMBOLON_*` variables, and returns what it
/// wrote to its standard output: at most 4 KiB, within 30 seconds. Its standard error is that of this process.
/// Blocks.
///
/// # Errors
/// It failed, in any of the ways of [`CommandError`]; a command that has not ended then is killed with everything
/// that it started.
pub fn run_command(line: &str) -> Result<Zeroizing<String>, CommandError> {
    run_within(line, TIME)
}

fn run_within(line: &str, time: Duration) -> Result<Zeroizing<String>, CommandError> {
    let mut child = shell(line, std::env::vars_os().map(|(name, _)| name)).spawn()?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let watch = start_watch(&mut child, sender);
    let watched = match watch.map(|()| receiver.recv_timeout(time)) {
        Ok(Ok(output)) => output.map_err(CommandError::from),
        Ok(Err(mpsc::RecvTimeoutError::Timeout)) => Err(CommandError::TimedOut(time)),
        Ok(Err(mpsc::RecvTimeoutError::Disconnected)) => Err(io::Error::other("nobody watches it").into()),
        Err(error) => Err(error.into()),
    };
    let output = watched.and_then(|output| match output.len() {
        0..=OUTPUT_BYTES => Ok(output),
        _ => Err(CommandError::TooLong),
    });
    if output.is_err() {
        kill(&mut child);
    }
    // Either it has ended or it was killed: this does not block.
    let status = child.wait()?;
    judge(&output?, status)
}

fn judge(output: &[u8], status: ExitStatus) -> Result<Zeroizing<String>, CommandError> {
    match (status.code(), status.signal()) {
        (Some(0), _) => {}
        (Some(code), _) => return Err(CommandError::Failed(code)),
        (None, signal) => return Err(CommandError::Ended(signal.unwrap_or_default())),
    }
    let text = std::str::from_utf8(output).map_err(|_| CommandError::NotText)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The shell, in a process group of its own, so that it can be killed with everything that it started.
fn shell(line: &str, variables: impl Iterator<Item = OsString>) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(line)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    let own = |name: &OsString| name.as_encoded_bytes().starts_with(ENVIRONMENT_PREFIX.as_bytes());
    for name in variables.filter(own) {
        command.env_remove(name);
    }
    command
}

type Watched = io::Result<Zeroizing<Vec<u8>>>;

/// Reads on a thread, so that there is a bound on the time. The thread ends with the command.
fn start_watch(child: &mut Child, sender: mpsc::SyncSender<Watched>) -> io::Result<()> {
    let (Some(stdout), Some(group)) = (child.stdout.take(), group(child)) else {
        return Err(io::Error::other("it has no output"));
    };
    let watch = move || {
        // Nobody listens any more once the time is up.
        let _ = sender.send(watch(stdout, group));
    };
    thread::Builder::new()
        .name("secret command".to_owned())
        .spawn(watch)
        .map(drop)
}

/// The output, one byte more than is allowed at most, once the command has ended or has written too much. Leaves its
/// status to be collected, so that its process id stays taken for as long as it may be killed by it.
fn watch(stdout: ChildStdout, shell: Pid) -> Watched {
    let limit = OUTPUT_BYTES + 1;
    // With room to spare it never grows, which would leave a copy behind.
    let mut output = Zeroizing::new(Vec::with_capacity(2 * limit));
    stdout.take(limit as u64).read_to_end(&mut output)?;
    if output.len() < limit {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        retry_on_intr(|| waitid(WaitId::Pid(shell), ended))?;
    }
    Ok(output)
}

fn kill(child: &mut Child) {
    // Fails where it has ended meanwhile.
    let _ = match group(child) {
        Some(group) => kill_process_group(group, Signal::KILL).map_err(io::Error::from),
        None => child.kill(),
    };
}

fn group(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn refused(line: &str) -> String {
        run_command(line).unwrap_err().to_string()
    }

    #[test]
    fn returns_what_the_command_wrote() {
        assert_eq!(run_command("echo a; printf ' b'").unwrap().as_str(), "a\n b");
        assert_eq!(run_command("true").unwrap().as_str(), "");
        // There is nothing to read.
        assert_eq!(run_command("cat").unwrap().as_str(), "");
        let longest = run_command("head -c 4096 /dev/zero").unwrap();
        assert_eq!(longest.len(), OUTPUT_BYTES);
    }

    #[test]
    fn tells_every_failure_and_shows_no_output() {
        assert_eq!(
            refused("echo hunter2; exit 3"),
            "the command failed with status 3"
        );
        assert_eq!(
            refused("exec /no/such/command"),
            "the command failed with status 127"
        );
        assert_eq!(
            refused("echo hunter2; kill -KILL $$"),
            "the command was ended by signal 9"
        );
        assert_eq!(refused(r"printf '\377'"), "what the command wrote is not UTF-8");
        let too_long = "the command wrote more than 4096 bytes, and was killed";
        assert_eq!(refused("head -c 4097 /dev/zero"), too_long);
        assert_eq!(refused("yes hunter2"), too_long);
    }

    #[test]
    fn a_command_that_does_not_end_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let (sender, receiver) = channel();
        let reader = pipe.clone();
        // The read returns when the last process that holds the other end is gone.
        thread::spawn(move || sender.send(std::fs::read(reader)));
        let line = format!("exec 3>'{}'; sleep 3600 & sleep 3600", pipe.display());
        let error = run_within(&line, Duration::from_millis(300)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the command had not ended after 300ms, and was killed"
        );
        let read = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(read.unwrap(), b"");
    }

    #[test]
    fn output_that_stays_open_and_a_process_that_stays_are_bounded() {
        for line in ["echo a; sleep 3600 &", "exec 1>&-; sleep 3600"] {
            let error = run_within(line, Duration::from_millis(300)).unwrap_err();
            assert!(matches!(error, CommandError::TimedOut(_)), "{line}: {error}");
        }
    }

    #[test]
    fn our_own_variables_are_not_passed_on() {
        let names = ["SYMBOLON_KEYS_ENCRYPTION_KEY", "SYMBOLON_", "SYMBOL", "PATH"];
        let command = shell("true", names.into_iter().map(OsString::from));
        let mut changed: Vec<_> = command.get_envs().collect();
        changed.sort_unstable();
        assert_eq!(
            changed,
            [
                ("SYMBOLON_".as_ref(), None),
                ("SYMBOLON_KEYS_ENCRYPTION_KEY".as_ref(), None)
            ]
        );
    }
}
