//! `audit follow`: the trail as it is written.

use std::time::Duration;

use clap::Args;
use http::Method;
use symbolon_admin_api::{Page, RecordView};

use super::super::api::{Call, Lines, not_understood};
use super::super::context::{ApiContext, Console};
use super::super::error::{CliError, ErrorKind};
use super::super::output::{Output, Remark, escape, escape_json};
use super::row;

/// Shortest and longest wait before the server is asked again, where it does not answer.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// `audit follow`.
#[derive(Args, Clone, Copy, Debug)]
pub struct AuditFollow {
    /// Behind this position; without it, what is written from now on.
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
}

/// Writes record after record until it is interrupted. Streams end every so often, and servers go away for a while: it goes
/// on behind the last record, so that none is missing and none comes twice.
pub(super) async fn run(
    context: &ApiContext<'_>,
    console: &dyn Console,
    out: &mut Output<'_>,
    args: AuditFollow,
) -> Result<(), CliError> {
    let mut after = match args.after {
        Some(after) => after,
        None => head(context).await?,
    };
    let mut lines = open(context, after).await?;
    loop {
        let broken = loop {
            match lines.next().await {
                Ok(Some(line)) => {
                    // Each record is one line of data; what else there is are its position and comments.
                    if let Some(line) = line.strip_prefix("data: ") {
                        after = show(console, out, line)?;
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        if let Some(why) = broken {
            lost(out, &why)?;
        }
        lines = again(context, out, after).await?;
    }
}

/// The position of the last record; 0 where there is none.
async fn head(context: &ApiContext<'_>) -> Result<u64, CliError> {
    let call = Call::new(Method::GET, &["audit"]).with("limit", 1);
    let page: Page<RecordView> = context.api.send(call).await?.read()?;
    Ok(page.items.first().map_or(0, |record| record.seq))
}

async fn open(context: &ApiContext<'_>, after: u64) -> Result<Lines, CliError> {
    let call = Call::new(Method::GET, &["audit", "stream"]).with("after", after);
    context.api.open(&call).await
}

/// Opens the stream once more, for as long as it takes, unless it is refused.
async fn again(context: &ApiContext<'_>, out: &mut Output<'_>, after: u64) -> Result<Lines, CliError> {
    let mut pause = PAUSE;
    loop {
        (context.pause)(pause).await;
        match open(context, after).await {
            Err(error) if error.kind == ErrorKind::Failed => {
                if pause == PAUSE {
                    lost(out, &error.to_string())?;
                }
                pause = (2 * pause).min(MAX_PAUSE);
            }
            opened => return opened,
        }
    }
}

fn lost(out: &mut Output<'_>, why: &str) -> Result<(), CliError> {
    out.remark(
        Remark::Warning,
        &format!("the stream broke and is taken up again: {why}"),
    )
}

/// Writes a record and tells its position.
fn show(console: &dyn Console, out: &mut Output<'_>, line: &str) -> Result<u64, CliError> {
    let record: RecordView = serde_json::from_str(line).map_err(not_understood)?;
    let text = if !out.json {
        escape(&row(&record).join("  "), false)
    } else if console.shows_results() {
        escape_json(line)
    } else {
        line.to_owned()
    };
    out.write(&(text + "\n"))?;
    Ok(record.seq)
}
