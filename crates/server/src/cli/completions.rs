//! `completions`: command lines completed by the shell.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};
use serde_json::json;

use super::args::Cli;
use super::error::CliError;
use super::output::Output;

/// `completions`.
#[derive(Args, Clone, Copy, Debug)]
pub struct CompletionsArgs {
    /// The shell that reads the script.
    pub shell: Shell,
}

/// Writes the script; with `--json` as the member `script`.
///
/// # Errors
/// Standard output can't be written.
pub fn run(out: &mut Output<'_>, args: CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "symbolon", &mut script);
    // It is made of the names of commands, which are ASCII.
    let script = String::from_utf8_lossy(&script);
    if out.json {
        let object = json!({ "shell": args.shell.to_string(), "script": script });
        return out.result(&object, "");
    }
    // As it stands: a tab in it is not for the screen.
    out.write(&script)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn written(shell: Shell, json: bool) -> String {
        let mut written = Vec::new();
        let mut out = Output {
            out: &mut written,
            err: &mut Vec::new(),
            json,
        };
        run(&mut out, CompletionsArgs { shell }).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn there_is_a_script_for_each_shell_that_knows_every_command() {
        let shells = [
            Shell::Bash,
            Shell::Elvish,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Zsh,
        ];
        let commands = Cli::command();
        for shell in shells {
            let script = written(shell, false);
            for command in commands.get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
            assert!(script.contains("data-dir"), "{shell}");
        }
    }

    #[test]
    fn with_json_the_script_is_a_member() {
        let line = written(Shell::Fish, true);
        assert_eq!(line.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["shell"], "fish");
        assert_eq!(object["script"], written(Shell::Fish, false));
    }

    #[test]
    fn bash_completes_a_command_by_its_script() {
        let mut bash = Command::new("bash")
            .args(["--norc", "--noprofile"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = "\nCOMP_WORDS=(symbolon doc); COMP_CWORD=1\n_symbolon symbolon doc symbolon\necho \"${COMPREPLY[@]}\"\n";
        let mut stdin = bash.stdin.take().unwrap();
        stdin.write_all(written(Shell::Bash, false).as_bytes()).unwrap();
        stdin.write_all(ask.as_bytes()).unwrap();
        drop(stdin);
        let answer = bash.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "doctor");
    }
}
