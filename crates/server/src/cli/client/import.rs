//! `client import`: clients as JSON lines.

use std::io::BufRead;
use std::path::PathBuf;

use clap::Args;
use http::Method;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::{Value, json};
use symbolon_admin_api::{ClientOutcome, ClientsImported, ImportedClient};
use zeroize::Zeroizing;

use super::super::api::Call;
use super::super::args::WhyArgs;
use super::super::context::{ApiContext, Console};
use super::super::error::{CliError, ErrorKind, input_failed};
use super::super::lines::{next_line, open};
use super::super::output::{Output, Remark};

/// Most clients of one request.
const BATCH: usize = 500;
/// Longest line, in bytes: with what stands around it, it fits into the smallest `admin.max_body_bytes`.
const MAX_LINE_BYTES: usize = 60_000;
/// Most bytes of the clients of one request.
const BATCH_BYTES: usize = 64_000;
/// Most lines of a file.
const MAX_LINES: usize = 100_000;

/// What to do where an import was broken off.
const AGAIN: &str = "run it again: clients that are there are left as they are; where one is there whose secret was not shown, \
                     make another with `symbolon client rotate-secret`";

/// `client import`.
#[derive(Args, Debug)]
pub struct ClientImport {
    /// A file with one JSON object per line, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only say what would come of it; of 500 lines at a time, as if none before them were there.
    #[arg(long)]
    pub dry_run: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// Reads clients line by line and makes them in batches. What is refused does not hold up the rest.
pub(super) async fn import(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ClientImport,
) -> Result<(), CliError> {
    let input = open(&args.file, console)?;
    let mut import = Import {
        context,
        args,
        batch: Batch::default(),
        counts: Counts::default(),
        has_shown: false,
    };
    import.read(out, input).await?;
    import.counts.write(out, args.dry_run)
}

struct Import<'a> {
    context: &'a ApiContext<'a>,
    args: &'a ClientImport,
    batch: Batch,
    counts: Counts,
    /// Whether a secret was shown.
    has_shown: bool,
}

/// What goes into the next request.
#[derive(Default)]
struct Batch {
    /// On which lines the clients stand.
    numbers: Vec<usize>,
    clients: Vec<Value>,
    bytes: usize,
}

/// The request, as [`symbolon_admin_api::ClientsImport`] reads it.
#[derive(Serialize)]
struct Request<'a> {
    clients: &'a [Value],
    dry_run: bool,
}

/// What came of the lines.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lines: usize,
    added: usize,
    existing: usize,
    refused: usize,
}

impl Import<'_> {
    async fn read(&mut self, out: &mut Output<'_>, mut input: Box<dyn BufRead + '_>) -> Result<(), CliError> {
        // Never grows: a buffer that did would leave copies of secrets behind.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES + 2));
        for number in 1.. {
            let read = next_line(&mut *input, &mut line, MAX_LINE_BYTES).map_err(input_failed)?;
            let Some(read) = read else { break };
            if number > MAX_LINES {
                self.send(out).await?;
                return Err(CliError::refused(
                    format_args!("the file has more than {MAX_LINES} lines; those were seen to"),
                    "split the file",
                ));
            }
            let text = line.trim_ascii();
            if text.is_empty() && !read.too_long {
                continue;
            }
            self.counts.lines += 1;
            if read.too_long {
                let rule = format!("a line is at most {MAX_LINE_BYTES} bytes long");
                self.refuse(out, number, rule)?;
                continue;
            }
            match serde_json::from_slice::<Value>(text) {
                Ok(client) => self.put(out, number, client).await?,
                Err(error) => self.refuse(out, number, format!("it is no JSON: {error}"))?,
            }
        }
        self.send(out).await
    }

    async fn put(&mut self, out: &mut Output<'_>, number: usize, client: Value) -> Result<(), CliError> {
        let bytes = Zeroizing::new(client.to_string()).len() + 1;
        if self.batch.clients.len() == BATCH || self.batch.bytes + bytes > BATCH_BYTES {
            self.send(out).await?;
        }
        self.batch.numbers.push(number);
        self.batch.clients.push(client);
        self.batch.bytes += bytes;
        Ok(())
    }

    /// One request, and what came of each client in it.
    async fn send(&mut self, out: &mut Output<'_>) -> Result<(), CliError> {
        let batch = std::mem::take(&mut self.batch);
        let (Some(first), Some(last)) = (batch.numbers.first(), batch.numbers.last()) else {
            return Ok(());
        };
        let call = Call::new(Method::POST, &["clients", "import"])
            .with_some("reason", self.args.why.reason.as_ref())
            .body(&Request {
                clients: &batch.clients,
                dry_run: self.args.dry_run,
            })?;
        let sent = self.context.api.send(call).await;
        let imported: ClientsImported = sent.and_then(|answer| answer.read()).map_err(|error| {
            let what = format!("{error}; that was at the lines {first} to {last}");
            CliError::new(error.kind, what, AGAIN)
        })?;
        self.counts.added += imported.added;
        self.counts.existing += imported.existing;
        self.counts.refused += imported.refused;
        let mut broken = None;
        for mut client in imported.clients {
            // It is counted from 1 within the request.
            let place = client.line.checked_sub(1);
            client.line = place
                .and_then(|place| batch.numbers.get(place))
                .copied()
                .unwrap_or(0);
            if broken.is_none() && client.outcome == ClientOutcome::Failed {
                broken = Some((client.line, client.rule.clone().unwrap_or_default()));
            }
            self.report(out, &client)?;
        }
        match broken {
            None => Ok(()),
            Some((line, why)) => Err(CliError::failed(
                format_args!("the server failed at line {line}: {why}"),
                AGAIN,
            )),
        }
    }

    fn refuse(&mut self, out: &mut Output<'_>, line: usize, rule: String) -> Result<(), CliError> {
        self.counts.refused += 1;
        let client = ImportedClient {
            line,
            outcome: ClientOutcome::Refused,
            client_id: None,
            field: None,
            rule: Some(rule),
            client_secret: None,
        };
        self.report(out, &client)
    }

    /// Says what came of a line. A secret is nowhere else.
    fn report(&mut self, out: &mut Output<'_>, client: &ImportedClient) -> Result<(), CliError> {
        if client.client_secret.is_some() && !self.has_shown {
            self.has_shown = true;
            out.remark(
                Remark::Note,
                "client secrets are shown this once and kept only as hashes: store them now",
            )?;
        }
        out.result(client, &self.text(client))
    }

    fn text(&self, client: &ImportedClient) -> String {
        let outcome = match client.outcome {
            ClientOutcome::Added if self.args.dry_run => "would be added",
            ClientOutcome::Added => "added",
            ClientOutcome::Exists => "there already",
            ClientOutcome::Failed => "failed",
            ClientOutcome::NotTried => "not tried",
            ClientOutcome::Refused => "refused",
        };
        let mut text = format!("line {}: {outcome}", client.line);
        let secret = client
            .client_secret
            .as_ref()
            .map(|secret| secret.0.expose_secret());
        let shown = [
            ("client_id", client.client_id.as_deref()),
            ("client_secret", secret),
            ("field", client.field.as_deref()),
            ("rule", client.rule.as_deref()),
        ];
        for (name, value) in shown {
            text.extend(value.map(|value| format!(", {name}: {value}")));
        }
        text
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
        let text = format!("{lines} clients: {added} {verb}, {existing} there already, {refused} refused");
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
            "correct them and import the file again: clients that are there are left as they are",
        ))
    }
}
