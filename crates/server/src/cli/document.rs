//! The reference of the command line, `docs/cli.md`, made from the definition that clap reads it by.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::args::Cli;
use super::error::EXIT_CODES;

const INTRODUCTION: &str = "\
# Command line

<!-- Generated from the definition of the command line: `UPDATE_DOCS=1 cargo test -p symbolon-server document` writes \
it anew. -->

`symbolon <command> --help` says the same. Settings come from a file and from the environment: see the
[configuration](configuration.md).

With `--json` each result is one JSON object on standard output, and each warning and error one on standard error.
";

/// The reference in Markdown. The same whatever the width of the terminal.
pub fn cli_markdown() -> String {
    let mut root = Cli::command();
    // Gives every command its whole name and its usage.
    root.build();
    let mut text = INTRODUCTION.to_owned();
    append(&mut text, "\n## For every command\n\n");
    for argument in root.get_arguments().filter(|argument| argument.is_global_set()) {
        append_argument(&mut text, argument);
    }
    append_exit_codes(&mut text);
    append(
        &mut text,
        "\n## Commands\n\n| Command | What it does |\n|---|---|\n",
    );
    each_command(&root, &mut |command| {
        let (name, about) = (whole_name(command), about(command));
        append(
            &mut text,
            &format!("| [`{name}`](#{}) | {} |\n", anchor(name), cell(&about)),
        );
    });
    each_command(&root, &mut |command| append_command(&mut text, command));
    text
}

/// Every command that does something, in the order of the definition.
fn each_command(command: &Command, visit: &mut impl FnMut(&Command)) {
    let mut below = command
        .get_subcommands()
        .filter(|command| is_shown(command))
        .peekable();
    if below.peek().is_none() {
        return visit(command);
    }
    below.for_each(|command| each_command(command, visit));
}

/// `help` is what clap adds by itself.
fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

fn append_command(text: &mut String, command: &Command) {
    let name = whole_name(command);
    append(text, &format!("\n## `{name}`\n\n{}\n", about(command)));
    if let Some(long) = command.get_long_about() {
        let (long, about) = (paragraphs(&long.to_string()), about(command));
        // It begins with what is said already.
        let rest = long.strip_prefix(&about).unwrap_or(&long).trim_start();
        if !rest.is_empty() {
            append(text, &format!("\n{rest}\n"));
        }
    }
    append(text, &format!("\n```text\n{}\n```\n", usage(command)));
    if let Some(after) = command.get_after_help() {
        append(
            text,
            &format!("\n```text\n{}\n```\n", after.to_string().trim_end()),
        );
    }
    let own = || command.get_arguments().filter(|argument| !is_of_all(argument));
    if own().next().is_some() {
        append(text, "\n");
    }
    let (positional, options): (Vec<_>, Vec<_>) = own().partition(|argument| argument.is_positional());
    for argument in positional.into_iter().chain(options) {
        append_argument(text, argument);
    }
}

/// What stands once, above.
fn is_of_all(argument: &Arg) -> bool {
    argument.is_hide_set()
        || argument.is_global_set()
        || matches!(
            argument.get_action(),
            ArgAction::Help | ArgAction::HelpLong | ArgAction::HelpShort | ArgAction::Version
        )
}

/// The usage on one line, without what every command has.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.split_whitespace().collect::<Vec<_>>().join(" ");
    usage.trim_start_matches("Usage: ").to_owned()
}

fn append_argument(text: &mut String, argument: &Arg) {
    let help = Some(help(argument)).filter(|help| !help.is_empty());
    let notes: Vec<_> = help.into_iter().chain(notes(argument)).collect();
    append(text, &format!("- `{}`: {}\n", form(argument), notes.join(" ")));
}

/// What holds of an argument beside its help, each a sentence.
fn notes(argument: &Arg) -> Vec<String> {
    let mut notes = Vec::new();
    if argument.is_required_set() {
        notes.push("Required.".to_owned());
    }
    let said = help(argument).contains("may be repeated");
    if matches!(argument.get_action(), ArgAction::Append) && !said {
        notes.push("May be repeated.".to_owned());
    }
    if takes_value(argument) {
        let values = argument.get_possible_values();
        let values = values.iter().filter(|value| !value.is_hide_set());
        let values: Vec<_> = values.map(|value| format!("`{}`", value.get_name())).collect();
        if !values.is_empty() {
            notes.push(format!("One of {}.", values.join(", ")));
        }
        let defaults = argument.get_default_values().iter();
        let defaults: Vec<_> = defaults
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        if !defaults.is_empty() && !argument.is_hide_default_value_set() {
            notes.push(format!("Default: {}.", defaults.join(", ")));
        }
    }
    if let Some(variable) = argument.get_env() {
        notes.push(format!("Environment: `{}`.", variable.to_string_lossy()));
    }
    notes
}

/// The option or argument as it is written.
fn form(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let values: Vec<_> = match names {
        [] => vec![format!("<{}>", argument.get_id().as_str().to_uppercase())],
        names => names.iter().map(|name| format!("<{name}>")).collect(),
    };
    let values = values.join(" ");
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    let flags: Vec<_> = short.into_iter().chain(long).collect();
    match (flags.is_empty(), takes_value(argument)) {
        (true, _) => values,
        (false, true) => format!("{} {values}", flags.join(", ")),
        (false, false) => flags.join(", "),
    }
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

fn help(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    sentence(&help.map(ToString::to_string).unwrap_or_default())
}

fn about(command: &Command) -> String {
    let about = command.get_about().or(command.get_long_about());
    sentence(&about.map(ToString::to_string).unwrap_or_default())
}

/// A text of several paragraphs, each on one line.
fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(sentence).collect::<Vec<_>>().join("\n\n")
}

/// A text on one line, which ends as sentences do: clap leaves the full stop out.
fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().last() {
        None | Some('.' | ':' | '!' | '?') => line,
        Some(_) => line + ".",
    }
}

fn whole_name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or(command.get_name())
}

/// The anchor that a heading of this name gets.
fn anchor(name: &str) -> String {
    name.replace(' ', "-")
}

/// Text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The table of exit codes and what stands behind it, as `--help` has it.
fn append_exit_codes(text: &mut String) {
    append(text, "\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    let mut rest = Vec::new();
    for line in EXIT_CODES.lines().skip(1) {
        match line.trim().split_once(' ') {
            Some((code, meaning)) if code.parse::<u8>().is_ok() => {
                append(text, &format!("| {code} | {} |\n", cell(meaning.trim_start())));
            }
            _ => rest.push(line),
        }
    }
    append(text, &format!("\n```text\n{}\n```\n", rest.join("\n").trim()));
}

fn append(text: &mut String, what: &str) {
    // Writing to a text does not fail.
    let _ = text.write_str(what);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::error::ErrorKind;
    use super::*;

    /// `UPDATE_DOCS=1` writes the file instead of comparing it.
    #[test]
    fn the_document_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
        let generated = cli_markdown();
        if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
            std::fs::write(&path, &generated).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == generated,
            "docs/cli.md is stale: write it anew with `UPDATE_DOCS=1 cargo test -p symbolon-server document`"
        );
    }

    #[test]
    fn every_command_and_option_is_in_it() {
        fn look(command: &Command, text: &str) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                if let Some(long) = argument
                    .get_long()
                    .filter(|long| !["help", "version"].contains(long))
                {
                    assert!(text.contains(&format!("--{long}")), "{long}");
                }
            }
            let below = command.get_subcommands().filter(|command| is_shown(command));
            for command in below {
                assert!(text.contains(&format!("`{}`", whole_name(command))) || command.has_subcommands());
                look(command, text);
            }
        }
        let mut root = Cli::command();
        root.build();
        look(&root, &cli_markdown());
    }

    #[test]
    fn every_exit_code_is_in_the_table() {
        let text = cli_markdown();
        for kind in [
            ErrorKind::Denied,
            ErrorKind::Failed,
            ErrorKind::Incomplete,
            ErrorKind::NotFound,
            ErrorKind::Refused,
            ErrorKind::Stale,
            ErrorKind::Taken,
            ErrorKind::Tampered,
            ErrorKind::Unconfirmed,
            ErrorKind::Unhealthy,
        ] {
            let code = kind.exit_code();
            assert_eq!(text.matches(&format!("\n| {code} | ")).count(), 1, "{kind:?}");
        }
        assert!(text.contains("\n| 0 | done |\n"));
    }

    #[test]
    fn what_a_command_does_is_said_once() {
        let written = |long: &'static str| {
            let mut command = Command::new("x").about("Do it").long_about(long);
            command.build();
            let mut text = String::new();
            append_command(&mut text, &command);
            text
        };
        let usage = "\n```text\nx\n```\n";
        assert_eq!(written("Do it"), format!("\n## `x`\n\nDo it.\n{usage}"));
        assert_eq!(
            written("Do it.\n\nNow."),
            format!("\n## `x`\n\nDo it.\n\nNow.\n{usage}")
        );
        assert_eq!(
            written("Otherwise."),
            format!("\n## `x`\n\nDo it.\n\nOtherwise.\n{usage}")
        );
    }

    #[test]
    fn an_argument_is_written_with_all_that_holds_of_it() {
        let written = |argument: Arg| {
            let command = Command::new("x").arg(argument);
            let mut text = String::new();
            append_argument(&mut text, command.get_arguments().next().unwrap());
            text
        };
        assert_eq!(
            written(
                Arg::new("limit")
                    .long("limit")
                    .short('l')
                    .value_name("N")
                    .default_value("5")
                    .env("LIMIT")
                    .help("Most\n  items")
            ),
            "- `-l, --limit <N>`: Most items. Default: `5`. Environment: `LIMIT`.\n"
        );
        assert_eq!(
            written(
                Arg::new("flag")
                    .long("flag")
                    .action(ArgAction::SetTrue)
                    .help("Do it.")
            ),
            "- `--flag`: Do it.\n"
        );
        assert_eq!(
            written(
                Arg::new("kind")
                    .required(true)
                    .value_parser(["a", "b"])
                    .action(ArgAction::Append)
            ),
            "- `<KIND>`: Required. May be repeated. One of `a`, `b`.\n"
        );
        let said = Arg::new("x")
            .long("x")
            .action(ArgAction::Append)
            .help("An x; may be repeated");
        assert_eq!(written(said), "- `--x <X>`: An x; may be repeated.\n");
    }
}
