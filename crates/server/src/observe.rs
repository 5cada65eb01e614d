//! Logs: structured, on standard error, written by a thread of their own.

use std::io::IsTerminal;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::escape;
use crate::config::{LogFormat, LogSettings};
use crate::log_buffer::{LogBuffer, LogThread};

/// Keeps logs flowing; what is buffered is written when it is dropped.
pub struct Logs {
    buffer: LogBuffer,
    _thread: LogThread,
}

impl Logs {
    /// The buffer, which counts the lines that were dropped because standard error could not keep up.
    pub fn buffer(&self) -> LogBuffer {
        self.buffer.clone()
    }
}

/// Starts logging for the process: text on a terminal, otherwise one JSON object a line.
///
/// # Errors
/// The filter does not parse, or logging was started before.
pub fn init(settings: &LogSettings) -> anyhow::Result<Logs> {
    let (buffer, thread) = LogBuffer::start(std::io::stderr())?;
    lines(settings, std::io::stderr().is_terminal(), buffer.clone())?.try_init()?;
    Ok(Logs {
        buffer,
        _thread: thread,
    })
}

/// Writes what is logged as the settings say, to any writer: one line for each event, whatever is in its values.
///
/// # Errors
/// The filter does not parse.
pub fn lines<W>(settings: &LogSettings, on_terminal: bool, writer: W) -> anyhow::Result<Dispatch>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let text = match settings.format {
        LogFormat::Auto => on_terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&settings.filter)?)
        .with_writer(writer)
        .with_target(false);
    // The formatter's own would let line ends and escapes in displayed values through, by which a value could forge a
    // line or give orders to a terminal. JSON has no such gap.
    let escaped = debug_fn(|line, field, value| {
        let value = escape(&format!("{value:?}"), false);
        match field.name() {
            "message" => line.write_str(&value),
            name => write!(line, "{name}={value}"),
        }
    });
    Ok(if text {
        let lines = lines.with_ansi(on_terminal).fmt_fields(escaped.delimited(" "));
        lines.finish().into()
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .finish()
            .into()
    })
}
