//! `cargo xtask test`: every test of the workspace, counted.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::Context as _;

use crate::command::{cargo, step};
use crate::prerequisites;

/// The end-to-end tests that run a second time, on two nodes over PostgreSQL and Redis rather than one over SQLite.
const ON_A_CLUSTER: [&str; 4] = ["clients::", "grants::", "hostile::", "http::"];
/// What the end-to-end tests choose by.
const BACKEND: &str = "SYMBOLON_TEST_BACKEND";

/// Runs all tests; the last line printed is `N passed, N failed`. Arguments are handed to `cargo test`: then only what they
/// choose runs, once.
///
/// # Errors
/// If the tests cannot be built or started. Failing tests are no error but a failing exit code.
pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    prerequisites::ensure()?;
    // The end-to-end tests start the real binary. Choosing it out of the whole workspace resolves the same
    // features as the test build does, so that no dependency is compiled twice.
    step(
        "build symbolon",
        &mut cargo(["build", "--locked", "--workspace", "--bin", "symbolon"]),
    )?;

    let mut tally = Tally::default();
    println!("==> test");
    let mut command = cargo(["test", "--locked", "--workspace", "--no-fail-fast"]);
    tally.count(command.args(arguments))?;
    if arguments.is_empty() {
        println!("==> test on a cluster");
        let mut command = cargo([
            "test",
            "--locked",
            "--workspace",
            "--no-fail-fast",
            "--test",
            "e2e",
            "--",
        ]);
        tally.count(command.args(ON_A_CLUSTER).env(BACKEND, "cluster"))?;
    }

    println!("==> test: {:.1} s in all", start.elapsed().as_secs_f64());
    for remark in tally.remarks() {
        println!("==> {remark}");
    }
    println!("{} passed, {} failed", tally.passed, tally.all_failed());
    Ok(if tally.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Copies `input` to standard output line by line and shows each line to `inspect`.
fn copy_lines(mut input: impl BufRead, mut inspect: impl FnMut(&str)) -> anyhow::Result<()> {
    let mut line = Vec::new();
    let mut stdout = std::io::stdout().lock();
    while input
        .read_until(b'\n', &mut line)
        .context("cannot read the output of cargo test")?
        > 0
    {
        stdout.write_all(&line)?;
        stdout.flush()?;
        inspect(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

/// What the test binaries said so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Test binaries that began and never told a result: crashed, or killed.
    unfinished: u64,
    /// A binary has said how many tests it runs, and not yet how they ended.
    running: bool,
    /// Cargo failed although no failed test accounts for it, such as a build that broke.
    failed_elsewhere: bool,
}

impl Tally {
    fn read_line(&mut self, line: &str) {
        if is_announcement(line) {
            self.unfinished += u64::from(self.running);
            self.running = true;
        } else if let Some([passed, failed, ignored]) = parse_result(line) {
            self.passed += passed;
            self.failed += failed;
            self.ignored += ignored;
            self.running = false;
        }
    }

    /// Runs `cargo test` and counts what it says.
    fn count(&mut self, command: &mut Command) -> anyhow::Result<()> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start cargo test")?;
        let output = child.stdout.take().context("cargo test has no standard output")?;
        let failed_before = self.failed + self.unfinished;
        copy_lines(BufReader::new(output), |line| self.read_line(line))?;
        let status = child.wait().context("cannot wait for cargo test")?;
        self.end(failed_before, status.success());
        Ok(())
    }

    fn end(&mut self, failed_before: u64, cargo_succeeded: bool) {
        self.unfinished += u64::from(self.running);
        self.running = false;
        self.failed_elsewhere |= !cargo_succeeded && self.failed + self.unfinished == failed_before;
    }

    /// Failures of every kind. An ignored test is one too: a test that does not run proves nothing.
    fn all_failed(&self) -> u64 {
        self.failed + self.ignored + self.unfinished + u64::from(self.failed_elsewhere)
    }

    fn is_success(&self) -> bool {
        self.passed > 0 && self.all_failed() == 0
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.ignored > 0 {
            remarks.push(format!(
                "{} ignored tests are counted as failed: none is allowed",
                self.ignored
            ));
        }
        if self.unfinished > 0 {
            remarks.push(format!(
                "{} test binaries crashed: counted as one failure each",
                self.unfinished
            ));
        }
        if self.failed_elsewhere {
            remarks.push("cargo failed outside the tests (see above): counted as one failure".to_owned());
        }
        if self.passed == 0 && self.all_failed() == 0 {
            remarks.push("no test ran: that is a failure".to_owned());
        }
        remarks
    }
}

/// Whether `line` is `running N tests`, which a test binary prints first.
fn is_announcement(line: &str) -> bool {
    line.strip_prefix("running ")
        .and_then(|rest| rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test")))
        .is_some_and(|count| count.parse::<u64>().is_ok())
}

/// The passed, failed and ignored counts of a line such as
/// `test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
fn parse_result(line: &str) -> Option<[u64; 3]> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut fields = counts.split("; ");
    let mut count = |name: &str| fields.next()?.strip_suffix(name)?.trim_end().parse().ok();
    Some([count("passed")?, count("failed")?, count("ignored")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str], cargo_succeeded: bool) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read_line(line));
        tally.end(0, cargo_succeeded);
        tally
    }

    const TWO_PASSED: [&str; 4] = [
        "running 2 tests",
        "test a ... ok",
        "test b ... ok",
        "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
    ];

    #[test]
    fn sums_over_all_binaries() {
        let tally = tally(
            &[
                &TWO_PASSED[..],
                &["running 4 tests"],
                &["test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.2s"],
            ]
            .concat(),
            false,
        );
        assert_eq!((tally.passed, tally.all_failed()), (5, 1));
        assert!(!tally.is_success());
        assert_eq!(tally.remarks(), Vec::<String>::new());
    }

    #[test]
    fn all_passed_is_success() {
        assert!(tally(&TWO_PASSED, true).is_success());
    }

    #[test]
    fn no_test_is_failure() {
        let line =
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        let tally = tally(&["running 0 tests", line], true);
        assert!(!tally.is_success());
        assert_eq!(tally.remarks(), ["no test ran: that is a failure"]);
    }

    #[test]
    fn ignored_test_is_failure() {
        let line =
            "test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let tally = tally(&["running 2 tests", line], true);
        assert_eq!((tally.passed, tally.all_failed()), (1, 1));
        assert!(!tally.is_success());
    }

    #[test]
    fn crashed_binary_is_failure_wherever_it_stands() {
        let first = tally(&[&["running 1 test"], &TWO_PASSED[..]].concat(), false);
        let last = tally(
            &[&TWO_PASSED[..], &["running 1 test", "test a ... "]].concat(),
            false,
        );
        assert_eq!((first.passed, first.all_failed()), (2, 1));
        assert_eq!(first, last);
    }

    #[test]
    fn failure_of_cargo_itself_is_counted() {
        let tally = tally(&TWO_PASSED, false);
        assert_eq!((tally.passed, tally.all_failed()), (2, 1));
    }

    #[test]
    fn output_of_tests_is_not_taken_for_counts() {
        let lines = ["running late", "test result: pending", "running two tests"];
        assert_eq!(tally(&lines, true), Tally::default());
    }
}
