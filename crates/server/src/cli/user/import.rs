//! `user import`: users of another system, as JSON lines.

mod batch;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde_json::json;
use symbolon_admin_api::{ImportOutcome, ImportReport, UserImport as ImportRequest};
use symbolon_core::import::{EarlierNames, LineError, LinePassword, MAX_LINE_BYTES, UserLine};
use zeroize::Zeroizing;

use super::super::api::Call;
use super::super::context::{ApiContext, Console};
use super::super::error::{CliError, ErrorKind};
use super::super::lines::{next_line, open};
use super::super::output::{Output, json_line, quoted};
use super::super::progress::Progress;
use super::UserImport;
use batch::Batch;

/// Most lines of a file: their names are remembered, about 50 bytes for each.
const MAX_LINES: u32 = 1_000_000;
/// Most refused lines that are shown where no report is written.
const SHOWN: u32 = 100;
/// Longest time that others have between two batches.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// Reads users line by line and has them made in batches. What is refused does not hold up the rest.
pub(super) async fn import(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &UserImport,
) -> Result<(), CliError> {
    let shows_progress = console.shows_progress();
    let input = open(&args.file, console)?;
    let is_file = args.file != Path::new("-");
    let bytes = is_file.then(|| std::fs::metadata(&args.file).ok()).flatten();
    let mut import = Import {
        context,
        args,
        report: args.report.as_deref().map(new_report).transpose()?,
        progress: Progress::new(shows_progress, bytes.map(|about| about.len())),
        counts: Counts::default(),
        earlier: EarlierNames::default(),
        batch: Batch::default(),
    };
    let read = import.read(out, input).await;
    import.progress.end();
    // The report holds for what was done, also where something failed in the end.
    let reported = import.report.map_or(Ok(()), |mut report| report.flush());
    read?;
    reported.map_err(report_failed)?;
    import.counts.write(out, args.dry_run)
}

struct Import<'a> {
    context: &'a ApiContext<'a>,
    args: &'a UserImport,
    report: Option<BufWriter<File>>,
    progress: Progress,
    counts: Counts,
    earlier: EarlierNames,
    batch: Batch,
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
            let read = next_line(&mut *input, &mut line, MAX_LINE_BYTES).map_err(|error| {
                let done = self.batch.first().map_or(number, |first| first - 1);
                self.cut_short(done, &CliError::failed(error, ""))
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
            let checked = if read.too_long {
                Err(LineError::too_long())
            } else {
                self.check(number, text)
            };
            match checked {
                Ok(user) => self.add(out, number, user).await?,
                Err(error) => self.refuse(out, number, error.field, &error.rule)?,
            }
        }
    }

    /// Looks at a line: what can be known here is not sent, as the names of lines that went before.
    fn check<'t>(&mut self, number: u32, text: &'t [u8]) -> Result<Checked<'t>, LineError> {
        let line = UserLine::parse(text)?;
        let text = std::str::from_utf8(text).map_err(|_| LineError::whole("a line must be UTF-8"))?;
        self.earlier.take(line.profile.names(), number)?;
        Ok(Checked {
            text,
            is_plain: matches!(line.password, LinePassword::Plain(_)),
        })
    }

    async fn add(&mut self, out: &mut Output<'_>, number: u32, user: Checked<'_>) -> Result<(), CliError> {
        if !self.batch.has_room(user.text, user.is_plain) {
            self.write_batch(out).await?;
        }
        self.batch.push(number, user.text, user.is_plain);
        Ok(())
    }

    /// One request, and one transaction there. As long as it took, others have their turn.
    async fn write_batch(&mut self, out: &mut Output<'_>) -> Result<(), CliError> {
        let batch = std::mem::take(&mut self.batch);
        let Some(first) = batch.first() else {
            return Ok(());
        };
        let begun = self.context.clock.monotonic();
        let came = self.send(batch).await;
        let came = came.map_err(|error| self.cut_short(first - 1, &error))?;
        for (line, outcome) in came {
            match outcome {
                Came::Added => self.counts.added += 1,
                Came::Exists => self.exists(line)?,
                Came::Refused(field, rule) => self.refuse(out, line, field.as_deref(), &rule)?,
            }
        }
        let took = self.context.clock.monotonic().saturating_sub(begun);
        if !self.args.dry_run && !took.is_zero() {
            (self.context.pause)(took.min(MAX_PAUSE)).await;
        }
        Ok(())
    }

    /// What came of each line of a batch.
    async fn send(&self, batch: Batch) -> Result<Vec<(u32, Came)>, CliError> {
        let (users, lines) = batch.into_parts();
        let dry_run = self.args.dry_run;
        let call = Call::new(Method::POST, &["users", "import"])
            .with_some("reason", self.args.why.reason.as_ref())
            .body(&ImportRequest { users, dry_run })?;
        let report: ImportReport = self.context.api.send(call).await?.read()?;
        if report.dry_run != dry_run || report.users.len() != lines.len() {
            return Err(CliError::failed(
                "the server's answer is not about the users who were sent",
                "use a `symbolon` of the server's version",
            ));
        }
        // In the order of the request.
        let came = report.users.into_iter().map(|user| match user.outcome {
            ImportOutcome::Added => Came::Added,
            ImportOutcome::Exists => Came::Exists,
            ImportOutcome::Refused => Came::Refused(user.field, user.rule.unwrap_or_default()),
        });
        Ok(lines.into_iter().zip(came).collect())
    }

    fn exists(&mut self, line: u32) -> Result<(), CliError> {
        self.counts.existing += 1;
        self.report(&json!({ "line": line, "outcome": "exists" }))
    }

    fn refuse(
        &mut self,
        out: &mut Output<'_>,
        line: u32,
        field: Option<&str>,
        rule: &str,
    ) -> Result<(), CliError> {
        self.counts.refused += 1;
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
    fn cut_short(&self, done: u32, error: &CliError) -> CliError {
        let is_changed = !self.args.dry_run && self.counts.added > 0;
        let what = if self.args.dry_run {
            "looked at"
        } else {
            "imported"
        };
        CliError::new(
            // The exit codes of most kinds say that nothing changed.
            if is_changed { ErrorKind::Failed } else { error.kind },
            format_args!("{error}; the lines up to {done} were {what}"),
            "run it again: users who are there are left as they are",
        )
    }
}

/// A line that may make a user.
struct Checked<'t> {
    text: &'t str,
    /// Whether it holds a password in place of its hash.
    is_plain: bool,
}

/// What came of a user.
enum Came {
    Added,
    Exists,
    /// The field, where it is one, and the rule that it breaks.
    Refused(Option<String>, String),
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

/// A new file, for its owner alone: it says who is in the database.
fn new_report(path: &Path) -> Result<BufWriter<File>, CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(BufWriter::new).map_err(|error| {
        CliError::failed(
            format_args!(
                "the report {} can't be made: {error}",
                quoted(&path.to_string_lossy())
            ),
            "name a file that is not there yet, in a folder that can be written",
        )
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` wants")]
fn report_failed(error: io::Error) -> CliError {
    CliError::failed(
        format_args!("the report can't be written: {error}"),
        "run it again with another report: users who are there are left as they are",
    )
}
