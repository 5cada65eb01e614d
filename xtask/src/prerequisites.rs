//! Programs outside the Rust toolchain that the build and the tests need.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// One program, how to see that it works, and where Debian has it.
struct Prerequisite {
    program: &'static str,
    /// Arguments that make it succeed at once if, and only if, it is of use to us.
    probe: &'static [&'static str],
    package: &'static str,
    why: &'static str,
}

/// Everything needed. A further service that the tests start is one more row.
const PREREQUISITES: &[Prerequisite] = &[
    Prerequisite {
        program: "cc",
        // A compiler without the C library's headers is a common half-installed state.
        probe: &["-fsyntax-only", "-include", "stdlib.h", "-x", "c", "/dev/null"],
        package: "build-essential",
        why: "links Rust programs; builds OpenSSL, AWS-LC and SQLite",
    },
    Prerequisite {
        program: "make",
        probe: &["--version"],
        package: "build-essential",
        why: "builds OpenSSL",
    },
    Prerequisite {
        program: "perl",
        // Debian's perl-base runs, but lacks the modules that OpenSSL's Configure loads.
        probe: &[
            "-MFindBin",
            "-MIPC::Cmd",
            "-MFile::Compare",
            "-MFile::Copy",
            "-e",
            "1",
        ],
        package: "perl",
        why: "configures OpenSSL",
    },
    Prerequisite {
        program: "sh",
        // Debian keeps the server out of the path.
        probe: &[
            "-c",
            "command -v postgres || ls /usr/lib/postgresql/*/bin/postgres",
        ],
        package: "postgresql",
        why: "PostgreSQL, the database of a cluster, is what its tests run on",
    },
    Prerequisite {
        program: "redis-server",
        probe: &["--version"],
        package: "redis-server",
        why: "is what sessions of a cluster are tested on",
    },
    Prerequisite {
        program: "redis-cli",
        probe: &["--version"],
        package: "redis-tools",
        why: "puts the servers of a test cluster together",
    },
];

/// Sees to it that everything needed is there: installs it where this process may.
///
/// # Errors
/// If something is missing and this process is not root or has no `apt-get` (the message says what to
/// run), or if the installation fails or does not help.
pub(crate) fn ensure() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    for prerequisite in &missing {
        println!("missing: {} ({})", prerequisite.program, prerequisite.why);
    }
    let packages = packages(&missing);
    let remedy = format!("apt-get update && apt-get install --yes {}", packages.join(" "));
    if !succeeds("apt-get", &["--version"]) {
        bail!("this is not a Debian system: install what is missing above (on Debian: {remedy})");
    }
    if !is_root()? {
        bail!("not running as root: run `sudo sh -c '{remedy}'`, then try again");
    }
    apt_get(&["update"])?;
    apt_get(
        &[
            &["install", "--yes", "--no-install-recommends"],
            packages.as_slice(),
        ]
        .concat(),
    )?;
    match self::missing().first() {
        None => Ok(()),
        Some(still) => {
            bail!(
                "{} still does not work although package {} is installed",
                still.program,
                still.package
            )
        }
    }
}

fn missing() -> Vec<&'static Prerequisite> {
    PREREQUISITES
        .iter()
        .filter(|one| !succeeds(one.program, one.probe))
        .collect()
}

/// The packages that bring what is `missing`, each once.
fn packages(missing: &[&Prerequisite]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|one| one.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn is_root() -> anyhow::Result<bool> {
    let output = Command::new("id")
        .arg("-u")
        .output()
        .context("cannot run `id -u`")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    crate::command::step(&format!("apt-get {}", arguments.join(" ")), &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_each_package_once() {
        let all: Vec<_> = PREREQUISITES.iter().collect();
        assert_eq!(
            packages(&all),
            [
                "build-essential",
                "perl",
                "postgresql",
                "redis-server",
                "redis-tools"
            ]
        );
    }

    #[test]
    fn a_program_that_is_absent_or_fails_its_probe_is_missing() {
        assert!(succeeds("true", &[]));
        assert!(!succeeds("false", &[]));
        assert!(!succeeds("a-program-that-nobody-has", &[]));
    }
}
