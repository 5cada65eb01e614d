//! Progress of long work, on the terminal's standard error and nowhere else.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a file was read.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of so many bytes, where that is known; `shown` only if standard error is a terminal.
    pub(super) fn new(shown: bool, bytes: Option<u64>) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let template = match bytes {
            Some(_) => "{wide_bar} {percent}%  {msg} users  {eta} to go",
            None => "{spinner} {msg} users  {elapsed}",
        };
        let bar = ProgressBar::with_draw_target(bytes, target);
        Self(match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// So many bytes more were read, and so many users were in all before them.
    pub(super) fn advance(&self, bytes: u64, users: u32) {
        if self.0.is_hidden() {
            return;
        }
        // A text for every user would cost more than the user.
        if users.is_multiple_of(100) {
            self.0.set_message(users.to_string());
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
