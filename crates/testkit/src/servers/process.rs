//! A server beneath a shell that ends it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// The server and the shell that ends it: when this is dropped, and when the test process is gone, however it went.
pub(super) struct Process {
    shell: Child,
    /// The server's process id.
    pub(super) server: String,
}

impl Process {
    /// Starts a shell that prints the process id of its server, and ends the server when standard input ends.
    pub(super) fn start(shell: &mut Command) -> Self {
        let mut shell = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut server)
            .unwrap();
        let server = server.trim().to_owned();
        Self { shell, server }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
