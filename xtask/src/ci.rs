//! `cargo xtask ci`: everything a change must pass.

use std::process::ExitCode;

use crate::command::{cargo, step};
use crate::{prerequisites, test};

/// Checks formatting, lints and documentation, then runs the tests, whose count is the last line printed.
/// Everything is built in the one profile `dev`.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    prerequisites::ensure()?;
    step("format", &mut cargo(["fmt", "--all", "--check"]))?;
    step(
        "clippy",
        &mut cargo([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]),
    )?;
    step(
        "doc",
        cargo(["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"),
    )?;
    test::run(&[])
}
