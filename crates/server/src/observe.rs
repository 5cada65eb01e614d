//! Logs: structured, on standard error, written by a thread of their own.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogSettings};

/// Keeps logs flowing; what is buffered is written when it is dropped.
pub struct Logs {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

impl Logs {
    /// Counts lines that were dropped because standard error could not keep up. A reader that stalls must not stall
    /// the server.
    pub fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// Lines that may wait to be written.
const BUFFERED_LINES: usize = 16_384;

/// Starts logging for the process: text on a terminal, otherwise one JSON object a line. Control characters and
/// escapes in values are escaped in both.
///
/// # Errors
/// The filter does not parse, or logging was started before.
pub fn init(settings: &LogSettings) -> anyhow::Result<Logs> {
    let builder = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES);
    let (writer, guard) = builder.thread_name("log").finish(std::io::stderr());
    let dropped = writer.error_counter();
    let filter = EnvFilter::try_new(&settings.filter)?;
    let on_terminal = std::io::stderr().is_terminal();
    let text = match settings.format {
        LogFormat::Auto => on_terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false);
    if text {
        lines.with_ansi(on_terminal).finish().try_init()?;
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .finish()
            .try_init()?;
    }
    Ok(Logs {
        dropped,
        _writer: guard,
    })
}
