//! Imports: a file of JSON lines goes to the server in batches, and what came of each line is told. What is refused does
//! not hold up the rest.

mod batch;

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::json;
use symbolon_admin_api::{ClientOutcome as Outcome, ShownSecret, UserText as LineText};
use symbolon_core::import::LineError;
use zeroize::Zeroizing;

use self::batch::Batch;
pub(super) use self::batch::Weight;
use super::api::Call;
use super::context::{ApiContext, Console};
use super::error::{CliError, ErrorKind};
use super::lines::{next_line, open};
use super::output::Output;
use super::progress::Progress;

/// Longest time that others have between two batches.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// Most lines that were refused here and are not told yet.
const MAX_HELD: usize = 1000;

/// What the lines of a file are.
pub(super) trait Lines {
    /// What they are called: in messages, in the path of the API, and as the member of the request that holds them.
    const NAME: &'static str;
    /// What one of them is called in messages.
    const ONE: &'static str;
    /// Most lines of a file.
    const MAX_LINES: u32;
    /// Longest line, in bytes.
    const MAX_LINE_BYTES: usize;
    /// What to do where an import was broken off.
    const AGAIN: &'static str;
    /// What the server answers.
    type Answer: DeserializeOwned;

    /// What to do where lines were refused.
    fn mend(&self) -> &'static str;

    /// Looks at a line, so that what can be known here is not sent.
    ///
    /// # Errors
    /// The rule that it breaks.
    fn check(&mut self, number: u32, text: &[u8]) -> Result<Weight, LineError>;

    /// Whether the answer is about a dry run, and what came of each line of the request, in its order.
    fn came(answer: Self::Answer) -> (bool, Vec<Came>);

    /// Says what came of a line.
    ///
    /// # Errors
    /// It can't be written.
    fn tell(
        &mut self,
        out: &mut Output<'_>,
        progress: &Progress,
        dry_run: bool,
        came: &Came,
    ) -> Result<(), CliError>;

    /// Nothing more is told.
    ///
    /// # Errors
    /// What was told can't be written.
    fn end(&mut self) -> Result<(), CliError> {
        Ok(())
    }
}

/// What came of a line.
#[derive(Debug, Serialize)]
pub(super) struct Came {
    /// The number of the line in the file, from 1 on.
    pub(super) line: u32,
    pub(super) outcome: Outcome,
    pub(super) client_id: Option<String>,
    /// The field for which nothing was made, where it is one.
    pub(super) field: Option<String>,
    /// Why nothing was made.
    pub(super) rule: Option<String>,
    pub(super) client_secret: Option<ShownSecret>,
}

/// How an import is made.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) context: &'a ApiContext<'a>,
    pub(super) dry_run: bool,
    /// For the audit trail.
    pub(super) reason: Option<&'a str>,
}

/// Where the lines are read.
pub(super) struct Source<'a> {
    input: Box<dyn BufRead + 'a>,
    /// How many bytes there are, where that is known.
    bytes: Option<u64>,
    shows_progress: bool,
}

impl<'a> Source<'a> {
    /// The file of that name, or standard input for `-`.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn open(path: &Path, console: &'a mut dyn Console) -> Result<Self, CliError> {
        let shows_progress = console.shows_progress();
        let is_file = path != Path::new("-");
        Ok(Self {
            input: open(path, console)?,
            bytes: is_file
                .then(|| std::fs::metadata(path).ok())
                .flatten()
                .map(|about| about.len()),
            shows_progress,
        })
    }
}

/// Reads lines and has made of them what they say.
///
/// # Errors
/// [`ErrorKind::Incomplete`] where lines were refused; any other says how far the import came.
pub(super) async fn import<L: Lines>(
    job: Job<'_>,
    source: Source<'_>,
    lines: L,
    out: &mut Output<'_>,
) -> Result<(), CliError> {
    let mut import = Import {
        job,
        lines,
        progress: Progress::new(L::NAME, source.shows_progress, source.bytes),
        counts: Counts::default(),
        batch: Batch::default(),
        held: Vec::new(),
    };
    let read = import.read(out, source.input).await;
    import.progress.end();
    // What was told holds for what was done, also where something failed in the end.
    let told = import.lines.end();
    read.and(told)?;
    import.counts.write(out, job.dry_run, &import.lines)
}

struct Import<'a, L> {
    job: Job<'a>,
    lines: L,
    progress: Progress,
    counts: Counts,
    batch: Batch,
    /// Lines that were refused here and stand behind one of the batch: they are told in the order of the file.
    held: Vec<Came>,
}

/// What came of the lines.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lines: u32,
    added: u32,
    existing: u32,
    refused: u32,
}

/// The request: `{"<name>": [<lines>], "dry_run": ..}`.
struct Request {
    name: &'static str,
    lines: Vec<LineText>,
    dry_run: bool,
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut members = to.serialize_map(Some(2))?;
        members.serialize_entry(self.name, &self.lines)?;
        members.serialize_entry("dry_run", &self.dry_run)?;
        members.end()
    }
}

impl<L: Lines> Import<'_, L> {
    async fn read(&mut self, out: &mut Output<'_>, mut input: Box<dyn BufRead + '_>) -> Result<(), CliError> {
        // Never grows: a buffer that did would leave copies of secrets behind.
        let mut line = Zeroizing::new(Vec::with_capacity(L::MAX_LINE_BYTES + 2));
        let mut number = 0;
        loop {
            let read = next_line(&mut *input, &mut line, L::MAX_LINE_BYTES).map_err(|error| {
                let done = self.batch.first().map_or(number, |first| first - 1);
                self.cut_short(done, &CliError::failed(error, ""))
            })?;
            let Some(read) = read else {
                return self.send_batch(out).await;
            };
            number += 1;
            self.progress.advance(read.bytes, self.counts.lines);
            if number > L::MAX_LINES {
                self.send_batch(out).await?;
                return Err(CliError::refused(
                    format_args!(
                        "the file has more than {} lines; those were seen to",
                        L::MAX_LINES
                    ),
                    "split the file",
                ));
            }
            let text = line.trim_ascii();
            if text.is_empty() && !read.too_long {
                continue;
            }
            self.counts.lines += 1;
            let checked = if read.too_long {
                let rule = format!("a line is at most {} bytes long", L::MAX_LINE_BYTES);
                Err(LineError::whole(rule))
            } else {
                self.check(number, text)
            };
            match checked {
                Ok((text, weight)) => self.add(out, number, text, weight).await?,
                Err(error) => self.refuse(out, number, error).await?,
            }
        }
    }

    fn check<'t>(&mut self, number: u32, text: &'t [u8]) -> Result<(&'t str, Weight), LineError> {
        let weight = self.lines.check(number, text)?;
        let text = std::str::from_utf8(text).map_err(|_| LineError::whole("a line must be UTF-8"))?;
        Ok((text, weight))
    }

    async fn add(
        &mut self,
        out: &mut Output<'_>,
        number: u32,
        text: &str,
        weight: Weight,
    ) -> Result<(), CliError> {
        if !self.batch.has_room(text, weight) {
            self.send_batch(out).await?;
        }
        self.batch.push(number, text, weight);
        Ok(())
    }

    /// One request. As long as it took, others have their turn.
    async fn send_batch(&mut self, out: &mut Output<'_>) -> Result<(), CliError> {
        let batch = std::mem::take(&mut self.batch);
        let Some(first) = batch.first() else {
            return Ok(());
        };
        let clock = self.job.context.clock;
        let begun = clock.monotonic();
        let came = self.send(batch).await;
        let mut came = came.map_err(|error| self.cut_short(first - 1, &error))?;
        came.append(&mut self.held);
        came.sort_by_key(|came| came.line);
        let took = clock.monotonic().saturating_sub(begun);
        let mut broken = None;
        for came in came {
            if broken.is_none() && came.outcome == Outcome::Failed {
                let why = came.rule.as_deref().unwrap_or_default();
                broken = Some(format!("the server failed at line {}: {why}", came.line));
            }
            self.tell(out, &came)?;
        }
        if let Some(what) = broken {
            return Err(CliError::failed(what, L::AGAIN));
        }
        if !self.job.dry_run && !took.is_zero() {
            (self.job.context.pause)(took.min(MAX_PAUSE)).await;
        }
        Ok(())
    }

    /// What came of each line of a batch.
    async fn send(&self, batch: Batch) -> Result<Vec<Came>, CliError> {
        let (lines, numbers) = batch.into_parts();
        let dry_run = self.job.dry_run;
        let call = Call::new(Method::POST, &[L::NAME, "import"])
            .with_some("reason", self.job.reason)
            .body(&Request {
                name: L::NAME,
                lines,
                dry_run,
            })?;
        let answer: L::Answer = self.job.context.api.send(call).await?.read()?;
        let (was_dry_run, mut came) = L::came(answer);
        if was_dry_run != dry_run || came.len() != numbers.len() {
            return Err(CliError::failed(
                format_args!("the server's answer is not about the {} that were sent", L::NAME),
                "use a `symbolon` of the server's version",
            ));
        }
        for (came, number) in came.iter_mut().zip(numbers) {
            came.line = number;
        }
        Ok(came)
    }

    async fn refuse(&mut self, out: &mut Output<'_>, line: u32, error: LineError) -> Result<(), CliError> {
        let refused = Came {
            line,
            outcome: Outcome::Refused,
            client_id: None,
            field: error.field.map(str::to_owned),
            rule: Some(error.rule),
            client_secret: None,
        };
        if self.batch.first().is_none() {
            return self.tell(out, &refused);
        }
        self.held.push(refused);
        if self.held.len() < MAX_HELD {
            return Ok(());
        }
        self.send_batch(out).await
    }

    fn tell(&mut self, out: &mut Output<'_>, came: &Came) -> Result<(), CliError> {
        match came.outcome {
            Outcome::Added => self.counts.added += 1,
            Outcome::Exists => self.counts.existing += 1,
            Outcome::Failed | Outcome::NotTried => {}
            Outcome::Refused => self.counts.refused += 1,
        }
        self.lines.tell(out, &self.progress, self.job.dry_run, came)
    }

    /// Something failed behind line `done`.
    fn cut_short(&self, done: u32, error: &CliError) -> CliError {
        let is_changed = !self.job.dry_run && self.counts.added > 0;
        let what = if self.job.dry_run { "looked at" } else { "imported" };
        CliError::new(
            // The exit codes of most kinds say that nothing changed.
            if is_changed { ErrorKind::Failed } else { error.kind },
            format_args!("{error}; the lines up to {done} were {what}"),
            L::AGAIN,
        )
    }
}

impl Counts {
    fn write<L: Lines>(self, out: &mut Output<'_>, dry_run: bool, of: &L) -> Result<(), CliError> {
        let Self {
            lines,
            added,
            existing,
            refused,
        } = self;
        let verb = if dry_run { "would be added" } else { "added" };
        let text = format!(
            "{lines} {}: {added} {verb}, {existing} there already, {refused} refused",
            if lines == 1 { L::ONE } else { L::NAME }
        );
        let object = json!({
            "dry_run": dry_run, "lines": lines, "added": added, "existing": existing, "refused": refused,
        });
        out.result(&object, &text)?;
        if refused == 0 {
            return Ok(());
        }
        let were = if refused == 1 { "was" } else { "were" };
        Err(CliError::new(
            ErrorKind::Incomplete,
            format_args!("{refused} of {lines} lines {were} refused"),
            of.mend(),
        ))
    }
}
