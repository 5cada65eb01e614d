//! Progress of long work, on the terminal's standard error and nowhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a file was read.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of lines called so, and so many bytes where that is known; `shown` only if standard error is a terminal.
    pub(super) fn new(lines: &str, shown: bool, bytes: Option<u64>) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let template = match bytes {
            Some(_) => format!("{{wide_bar}} {{percent}}%  {{msg}} {lines}  {{eta}} to go"),
            None => format!("{{spinner}} {{msg}} {lines}  {{elapsed}}"),
        };
        let bar = ProgressBar::with_draw_target(bytes, target);
        Self(match ProgressStyle::with_template(&template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// So many bytes more were read, and so many lines were in all before them.
    pub(super) fn advance(&self, bytes: u64, lines: u32) {
        if self.0.is_hidden() {
            return;
        }
        // A text for every line would cost more than the line.
        if lines.is_multiple_of(100) {
            self.0.set_message(lines.to_string());
        }
        self.0.inc(bytes);
    }

    /// Writes something to standard error meanwhile.
    pub(super) fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    /// Takes it off the terminal.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
