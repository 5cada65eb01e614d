//! `client import`: clients as JSON lines.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use symbolon_admin_api::{ClientOutcome, ClientsImported, ImportedClient};
use symbolon_core::ClientId;
use symbolon_core::import::LineError;

use super::super::args::WhyArgs;
use super::super::context::{ApiContext, Console};
use super::super::error::CliError;
use super::super::import::{self, Came, Job, Lines, Source, Weight};
use super::super::output::{Output, Remark};
use super::super::progress::Progress;
use super::super::role::joined_by_comma;

/// `client import`.
#[derive(Args, Debug)]
pub struct ClientImport {
    /// A file with one JSON object per line, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only say what would come of it; of audiences by 500 lines at a time, as if those before them served none.
    #[arg(long)]
    pub dry_run: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// Makes clients line by line; each is reported by itself.
pub(super) async fn import(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ClientImport,
) -> Result<(), CliError> {
    let source = Source::open(&args.file, console)?;
    let job = Job {
        context,
        dry_run: args.dry_run,
        reason: args.why.reason.as_deref(),
    };
    import::import(job, source, Clients::default(), out).await
}

#[derive(Default)]
struct Clients {
    /// Whether a secret was shown.
    has_shown: bool,
    /// On which line each client id stands first.
    earlier: HashMap<ClientId, u32>,
    /// What may be a mistake in the scopes of a line that is not told of yet.
    doubts: HashMap<u32, String>,
}

impl Lines for Clients {
    const NAME: &'static str = "clients";
    const ONE: &'static str = "client";
    const MAX_LINES: u32 = 100_000;
    /// With what stands around it, it fits into the smallest `admin.max_body_bytes`.
    const MAX_LINE_BYTES: usize = 60_000;
    const AGAIN: &'static str = "run it again: clients that are there are left as they are; where one is there whose secret \
                                 was not shown, make another with `symbolon client rotate-secret`";
    type Answer = ClientsImported;

    fn mend(&self) -> &'static str {
        "correct them and import the file again: clients that are there are left as they are"
    }

    fn check(&mut self, number: u32, text: &[u8]) -> Result<Weight, LineError> {
        let client: Value = serde_json::from_slice(text)
            .map_err(|error| LineError::whole(format!("it is no JSON: {error}")))?;
        // What can't be a client id is the server's to refuse.
        let id = client.get("client_id").and_then(Value::as_str);
        if let Some(id) = id.and_then(|id| id.parse::<ClientId>().ok()) {
            let first = *self.earlier.entry(id).or_insert(number);
            if first != number {
                return Err(LineError::of("client_id", format!("is on line {first} already")));
            }
        }
        let scopes = ["scope", "default_scope"].map(|field| client.get(field).and_then(Value::as_str));
        if let Some(doubt) = scopes.into_iter().flatten().find_map(joined_by_comma) {
            self.doubts.insert(number, doubt);
        }
        Ok(Weight::Light)
    }

    fn came(answer: ClientsImported) -> (bool, Vec<Came>) {
        let came = |client: ImportedClient| Came {
            line: 0,
            outcome: client.outcome,
            client_id: client.client_id,
            field: client.field,
            rule: client.rule,
            client_secret: client.client_secret,
        };
        (answer.dry_run, answer.clients.into_iter().map(came).collect())
    }

    /// Says what came of a line. A secret is nowhere else.
    fn tell(
        &mut self,
        out: &mut Output<'_>,
        progress: &Progress,
        dry_run: bool,
        came: &Came,
    ) -> Result<(), CliError> {
        let doubt = self.doubts.remove(&came.line);
        progress.beside(|| {
            if came.client_secret.is_some() && !self.has_shown {
                self.has_shown = true;
                out.remark(
                    Remark::Note,
                    "client secrets are shown this once and kept only as hashes: store them now",
                )?;
            }
            if let Some(doubt) = doubt.filter(|_| came.outcome == ClientOutcome::Added) {
                out.remark(Remark::Warning, &format!("line {}: {doubt}", came.line))?;
            }
            out.result(came, &text(came, dry_run))
        })
    }
}

fn text(client: &Came, dry_run: bool) -> String {
    let outcome = match client.outcome {
        ClientOutcome::Added if dry_run => "would be added",
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
