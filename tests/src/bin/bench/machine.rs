//! What the figures were measured on.

use std::process::Command;

use crate::process::Cores;

/// A Markdown list of facts about this machine and build.
pub(crate) fn facts(cores: &Cores) -> String {
    let unknown = || "unknown".to_owned();
    let model = read("/proc/cpuinfo")
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(unknown);
    let kernel = read("/proc/sys/kernel/osrelease").map_or_else(unknown, |text| text.trim().to_owned());
    let compiler = output("rustc", &["--version"]).unwrap_or_else(unknown);
    let commit = output("git", &["describe", "--always", "--dirty", "--abbrev=10"]).unwrap_or_else(unknown);
    let build = if cfg!(debug_assertions) {
        "DEBUG BUILD, THE FIGURES MEAN NOTHING"
    } else {
        "release build"
    };
    format!(
        "- Machine: {model}, {} cores usable; {}\n\
         - Software: Symbolon {} at commit {commit}, {build}; {compiler}; Linux {kernel}\n",
        cores.count(),
        cores.description,
        env!("CARGO_PKG_VERSION"),
    )
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
