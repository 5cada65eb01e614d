//! `user import`: users of another system, as JSON lines.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use symbolon_core::import::{
    EarlierNames, ImportMode, Imported, LineError, LinePassword, MAX_LINE_BYTES, UserLine,
};
use symbolon_core::password::{HashMemory, PasswordHash};
use symbolon_core::ports::NewUser;
use symbolon_core::revocation::LEASE;
use zeroize::Zeroizing;

use super::super::context::{Console, Context};
use super::super::error::{CliError, ErrorKind};
use super::super::output::{Output, json_line, quoted};
use super::super::progress::Progress;

/// Users of one transaction. It takes a few milliseconds, for which nobody else writes.
const BATCH: usize = 200;
/// Most lines of a file: their names are remembered, about 50 bytes for each.
const MAX_LINES: u32 = 1_000_000;
/// Most refused lines that are shown where no report is written.
const SHOWN: u32 = 100;

/// `user import`.
#[derive(Args, Debug)]
pub struct UserImport {
    /// A file with one JSON object per line, or `-` for standard input: username, email, roles, active, and either
    /// password_hash or password.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only say what would come of it.
    #[arg(long)]
    pub dry_run: bool,
    /// Write what came of every line that made no user to this file, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Reads users line by line and makes them in batches. What is refused does not hold up the rest.
pub(super) async fn import(
    context: &Context<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &UserImport,
) -> Result<(), CliError> {
    let shows_progress = console.shows_progress();
    let (input, bytes): (Box<dyn BufRead + '_>, _) = if args.file == Path::new("-") {
        (console.lines(), None)
    } else {
        let file = File::open(&args.file).map_err(|error| unreadable(&args.file, &error))?;
        let length = file.metadata().map(|about| about.len()).ok();
        (Box::new(BufReader::new(file)), length)
    };
    let mut import = Import {
        context,
        mode: if args.dry_run {
            ImportMode::Check
        } else {
            ImportMode::Write
        },
        report: args.report.as_deref().map(new_report).transpose()?,
        progress: Progress::new(shows_progress, bytes),
        counts: Counts::default(),
        earlier: EarlierNames::default(),
        batch: Vec::with_capacity(BATCH),
        memory: HashMemory::default(),
    };
    let read = import.read(out, input).await;
    import.progress.end();
    // The report holds for what was done, also where something failed in the end.
    let reported = import.report.map_or(Ok(()), |mut report| report.flush());
    read?;
    reported.map_err(report_failed)?;
    if import.mode == ImportMode::Write && import.counts.added > 0 {
        (context.wait)(LEASE).await;
    }
    import.counts.write(out, args.dry_run)
}

struct Import<'a> {
    context: &'a Context<'a>,
    mode: ImportMode,
    report: Option<BufWriter<File>>,
    progress: Progress,
    counts: Counts,
    earlier: EarlierNames,
    /// Who is to be made, and on which line that stands.
    batch: Vec<(u32, NewUser)>,
    memory: HashMemory,
}

/// What came of the lines.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lines: u32,
    added: u32,
    existing: u32,
    refused: u32,
}

impl Import<'_> {
    async fn read(&mut self, out: &mut Output<'_>, mut input: Box<dyn BufRead + '_>) -> Result<(), CliError> {
        // Never grows: a buffer that did would leave copies of passwords behind.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES + 2));
        let mut number = 0;
        loop {
            let read = next_line(&mut *input, &mut line).map_err(|error| {
                let done = self.batch.first().map_or(number, |(first, _)| first - 1);
                self.cut_short(done, &error)
            })?;
            let Some(read) = read else {
                return self.write_batch(out).await;
            };
            number += 1;
            self.progress.advance(read.bytes, self.counts.lines);
            if number > MAX_LINES {
                self.write_batch(out).await?;
                return Err(CliError::refused(
                    format_args!("the file has more than {MAX_LINES} lines; those were imported"),
                    "split the file",
                ));
            }
            let text = line.trim_ascii();
            if text.is_empty() && !read.too_long {
                continue;
            }
            self.counts.lines += 1;
            let user = if read.too_long {
                Err(LineError::too_long())
            } else {
                self.user(number, text)
            };
            match user {
                Ok(user) => self.batch.push((number, user)),
                Err(error) => self.refuse(out, number, &error)?,
            }
            if self.batch.len() == BATCH {
                self.write_batch(out).await?;
            }
        }
    }

    /// The user of a line, with the hash to keep.
    fn user(&mut self, number: u32, text: &[u8]) -> Result<NewUser, LineError> {
        let line = UserLine::parse(text)?;
        self.earlier.take(line.profile.names(), number)?;
        let (context, cost) = (self.context, self.context.password_cost);
        let hash = match line.password {
            LinePassword::Hash(hash) => hash,
            // Nobody is made of it.
            LinePassword::Plain(_) if self.mode == ImportMode::Check => {
                PasswordHash::decoy(cost, context.rng)
            }
            LinePassword::Plain(password) => {
                PasswordHash::create(&password, cost, context.rng, &mut self.memory)
                    .map_err(|error| LineError::of("password", error.to_string()))?
            }
        };
        let now = context.clock.now();
        Ok(line.profile.into_new_user(line.active, hash, now, context.rng))
    }

    /// One transaction. As long as it took, others have their turn.
    async fn write_batch(&mut self, out: &mut Output<'_>) -> Result<(), CliError> {
        let (numbers, users): (Vec<u32>, Vec<NewUser>) = self.batch.drain(..).unzip();
        let Some(first) = numbers.first() else {
            return Ok(());
        };
        let begun = self.context.clock.monotonic();
        let outcomes = self.context.admin.import_users(&users, self.mode).await;
        let outcomes = outcomes.map_err(|error| self.cut_short(first - 1, &error))?;
        for (number, outcome) in numbers.into_iter().zip(outcomes) {
            match outcome {
                Imported::Added => self.counts.added += 1,
                Imported::Exists => self.exists(number)?,
                Imported::Taken(field) => {
                    let error = LineError::of(field, "belongs to another user already");
                    self.refuse(out, number, &error)?;
                }
                Imported::Unknown(_) => {
                    let rule = "names a role that there is not: see `symbolon role list`";
                    self.refuse(out, number, &LineError::of("roles", rule))?;
                }
            }
        }
        if self.mode == ImportMode::Write {
            tokio::time::sleep(self.context.clock.monotonic().saturating_sub(begun)).await;
        }
        Ok(())
    }

    fn exists(&mut self, line: u32) -> Result<(), CliError> {
        self.counts.existing += 1;
        self.report(&json!({ "line": line, "outcome": "exists" }))
    }

    fn refuse(&mut self, out: &mut Output<'_>, line: u32, error: &LineError) -> Result<(), CliError> {
        self.counts.refused += 1;
        let LineError { field, rule } = error;
        let object = json!({ "line": line, "outcome": "refused", "field": field, "rule": rule });
        if self.report.is_some() {
            return self.report(&object);
        }
        if self.counts.refused > SHOWN {
            return Ok(());
        }
        let field = field.map(|field| format!("{field}: ")).unwrap_or_default();
        let text = format!("line {line}: {field}{rule}");
        self.progress.beside(|| out.aside(&object, &text))
    }

    fn report(&mut self, object: &impl Serialize) -> Result<(), CliError> {
        let Some(report) = &mut self.report else {
            return Ok(());
        };
        report
            .write_all(json_line(object)?.as_bytes())
            .map_err(report_failed)
    }

    /// Something failed behind line `done`.
    fn cut_short(&self, done: u32, error: &dyn std::error::Error) -> CliError {
        let what = match self.mode {
            ImportMode::Check => "looked at",
            ImportMode::Write => "imported",
        };
        CliError::failed(
            format_args!("{error}; the lines up to {done} were {what}"),
            "run it again: users who are there are left as they are",
        )
    }
}

impl Counts {
    fn write(self, out: &mut Output<'_>, dry_run: bool) -> Result<(), CliError> {
        let Self {
            lines,
            added,
            existing,
            refused,
        } = self;
        let verb = if dry_run { "would be added" } else { "added" };
        let text = format!("{lines} users: {added} {verb}, {existing} there already, {refused} refused");
        let object = json!({
            "dry_run": dry_run, "lines": lines, "added": added, "existing": existing, "refused": refused,
        });
        out.result(&object, &text)?;
        if refused == 0 {
            return Ok(());
        }
        Err(CliError::new(
            ErrorKind::Incomplete,
            format_args!("{refused} of {lines} lines were refused"),
            "correct them and import the file again: users who are there are left as they are; --report lists all",
        ))
    }
}

/// What was read of the input.
#[derive(Clone, Copy, Debug)]
struct ReadLine {
    bytes: u64,
    too_long: bool,
}

/// Reads to the end of the next line and keeps at most one byte more than a line may have.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<ReadLine>> {
    line.clear();
    let mut read = ReadLine {
        bytes: 0,
        too_long: false,
    };
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        if length == 0 {
            return Ok((read.bytes > 0).then_some(read));
        }
        // The line's own end does not count.
        if line.len() + length > MAX_LINE_BYTES + 2 {
            read.too_long = true;
        } else {
            line.extend_from_slice(&buffer[..length]);
        }
        input.consume(length);
        read.bytes += length as u64;
        if end.is_some() {
            return Ok(Some(read));
        }
    }
}

/// A new file, for its owner alone: it says who is in the database.
fn new_report(path: &Path) -> Result<BufWriter<File>, CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(BufWriter::new).map_err(|error| {
        CliError::failed(
            format_args!("the report {} can't be made: {error}", shown(path)),
            "name a file that is not there yet, in a folder that can be written",
        )
    })
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(
        format_args!("{} can't be read: {error}", shown(path)),
        "name a file that can, or `-` for standard input",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` wants")]
fn report_failed(error: io::Error) -> CliError {
    CliError::failed(
        format_args!("the report can't be written: {error}"),
        "run it again with another report: users who are there are left as they are",
    )
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
