//! `cargo xtask bench`: builds the server and the load generator, then runs the latter.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::command::{cargo, step, workspace_root};
use crate::prerequisites;

/// Builds with `profile` and runs the load generator with `arguments`, which starts the servers itself.
///
/// # Errors
/// If the build fails or the load generator cannot be started. A failed measurement is no error but a
/// failing exit code.
pub(crate) fn run(profile: &str, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    prerequisites::ensure()?;
    // One build, so that the server and the bare handlers share the same compiled dependencies.
    step(
        &format!("build ({profile})"),
        cargo([
            "build",
            "--locked",
            "--workspace",
            "--bin",
            "symbolon",
            "--bin",
            "bare",
            "--bin",
            "bench",
        ])
        .args(["--profile", profile]),
    )?;
    let status = Command::new(binary(profile, "bench")?)
        .args(arguments)
        .current_dir(workspace_root())
        .status()
        .context("cannot start the load generator")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The path of a binary built with `profile`: next to the folder that holds this program.
fn binary(profile: &str, name: &str) -> anyhow::Result<PathBuf> {
    let folder = if profile == "dev" { "debug" } else { profile };
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let target = own
        .ancestors()
        .nth(2)
        .context("this program does not lie in a target folder")?;
    let path = target.join(folder).join(name);
    if !path.is_file() {
        bail!("{} was not built", path.display());
    }
    Ok(path)
}
