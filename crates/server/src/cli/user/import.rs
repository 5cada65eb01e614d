//! `user import`: users of another system, as JSON lines.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde_json::json;
use symbolon_admin_api::{ClientOutcome as Outcome, ImportOutcome, ImportReport, ImportedUser};
use symbolon_core::import::{EarlierNames, LineError, LinePassword, MAX_LINE_BYTES, UserLine};

use super::super::context::{ApiContext, Console};
use super::super::error::{CliError, ErrorKind};
use super::super::import::{self, Came, Job, Lines, Source, Weight};
use super::super::output::{Output, json_line, new_file, quoted};
use super::super::progress::Progress;
use super::UserImport;

/// Most refused lines that are shown where no report is written.
const SHOWN: u32 = 100;

/// Makes users line by line, a batch in one transaction.
pub(super) async fn import(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &UserImport,
) -> Result<(), CliError> {
    let source = Source::open(&args.file, console)?;
    let users = Users {
        report: args.report.as_deref().map(new_report).transpose()?,
        earlier: EarlierNames::default(),
        shown: 0,
    };
    let job = Job {
        context,
        dry_run: args.dry_run,
        reason: args.why.reason.as_deref(),
    };
    import::import(job, source, users, out).await
}

struct Users {
    report: Option<BufWriter<File>>,
    earlier: EarlierNames,
    /// How many refused lines were shown.
    shown: u32,
}

impl Lines for Users {
    const NAME: &'static str = "users";
    const ONE: &'static str = "user";
    /// Their names are remembered, about 50 bytes for each.
    const MAX_LINES: u32 = 1_000_000;
    const MAX_LINE_BYTES: usize = MAX_LINE_BYTES;
    const AGAIN: &'static str = "run it again: users who are there are left as they are";
    type Answer = ImportReport;

    fn mend(&self) -> &'static str {
        if self.report.is_some() {
            "correct them and import the file again: users who are there are left as they are; the report lists all"
        } else {
            "correct them and import the file again: users who are there are left as they are; --report FILE lists all"
        }
    }

    /// Looks at a line, and at the names of those that went before.
    fn check(&mut self, number: u32, text: &[u8]) -> Result<Weight, LineError> {
        let line = UserLine::parse(text)?;
        self.earlier.take(line.profile.names(), number)?;
        Ok(match line.password {
            LinePassword::Plain(_) => Weight::Heavy,
            _ => Weight::Light,
        })
    }

    fn came(answer: ImportReport) -> (bool, Vec<Came>) {
        let came = |user: ImportedUser| Came {
            line: 0,
            outcome: match user.outcome {
                ImportOutcome::Added => Outcome::Added,
                ImportOutcome::Exists => Outcome::Exists,
                ImportOutcome::Refused => Outcome::Refused,
            },
            client_id: None,
            field: user.field,
            rule: user.rule,
            client_secret: None,
        };
        (answer.dry_run, answer.users.into_iter().map(came).collect())
    }

    /// Writes a line that made no user into the report, or shows it where it was refused.
    fn tell(
        &mut self,
        out: &mut Output<'_>,
        progress: &Progress,
        _dry_run: bool,
        came: &Came,
    ) -> Result<(), CliError> {
        if came.outcome == Outcome::Added {
            return Ok(());
        }
        let object = json!({
            "line": came.line, "outcome": came.outcome, "field": came.field, "rule": came.rule,
        });
        if let Some(report) = &mut self.report {
            let line = json_line(&object)?;
            return report.write_all(line.as_bytes()).map_err(report_failed);
        }
        if came.outcome != Outcome::Refused || self.shown == SHOWN {
            return Ok(());
        }
        self.shown += 1;
        let field = came.field.as_deref().map(|field| format!("{field}: "));
        let text = format!(
            "line {}: {}{}",
            came.line,
            field.unwrap_or_default(),
            came.rule.as_deref().unwrap_or_default()
        );
        progress.beside(|| out.aside(&object, &text))
    }

    fn end(&mut self) -> Result<(), CliError> {
        self.report
            .as_mut()
            .map_or(Ok(()), |report| report.flush().map_err(report_failed))
    }
}

fn new_report(path: &Path) -> Result<BufWriter<File>, CliError> {
    new_file(path).map(BufWriter::new).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::AlreadyExists => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        };
        CliError::new(
            kind,
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
