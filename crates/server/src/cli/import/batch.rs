//! Lines that are sent together.

use symbolon_admin_api::UserText as LineText;
use symbolon_core::import::{MAX_BATCH, MAX_PLAIN};
use zeroize::Zeroizing;

/// Most bytes of a batch, all of its lines together. A server may take bodies of 64 KiB and no larger ones
/// (`admin.max_body_bytes`); the rest is for what stands around the lines.
const MAX_BYTES: usize = 63 << 10;

/// What a line costs the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Weight {
    /// A password is hashed for it.
    Heavy,
    /// No more than reading and writing it.
    Light,
}

/// Lines that go into one request, and where they stand in the file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    lines: Vec<LineText>,
    numbers: Vec<u32>,
    bytes: usize,
    heavy: usize,
}

impl Batch {
    /// Whether one more fits. Into an empty one every line does.
    pub(super) fn has_room(&self, text: &str, weight: Weight) -> bool {
        self.lines.len() < MAX_BATCH
            && self.bytes + text.len() < MAX_BYTES
            && self.heavy + usize::from(weight == Weight::Heavy) <= MAX_PLAIN
    }

    /// Takes one in.
    pub(super) fn push(&mut self, number: u32, text: &str, weight: Weight) {
        self.lines.push(LineText::new(Zeroizing::new(text.to_owned())));
        self.numbers.push(number);
        // With the comma.
        self.bytes += text.len() + 1;
        self.heavy += usize::from(weight == Weight::Heavy);
    }

    /// The number of the first of them; `None` where there is none.
    pub(super) fn first(&self) -> Option<u32> {
        self.numbers.first().copied()
    }

    /// The lines, and their numbers.
    pub(super) fn into_parts(self) -> (Vec<LineText>, Vec<u32>) {
        (self.lines, self.numbers)
    }
}

#[cfg(test)]
mod tests {
    use symbolon_admin_api::UserImport;
    use symbolon_core::import::MAX_LINE_BYTES;

    use super::*;

    /// How many of these lines fit, and the body that is sent of them.
    fn filled(text: &str, weight: Weight) -> (usize, usize) {
        let mut batch = Batch::default();
        while batch.has_room(text, weight) {
            batch.push(1, text, weight);
        }
        let (users, numbers) = batch.into_parts();
        assert_eq!(users.len(), numbers.len());
        let body = UserImport {
            users,
            dry_run: false,
        };
        (numbers.len(), serde_json::to_string(&body).unwrap().len())
    }

    #[test]
    fn a_batch_is_what_every_server_takes() {
        let of = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(filled(&of(50), Weight::Light).0, 500);
        assert_eq!(filled(&of(50), Weight::Heavy).0, 100);
        assert_eq!(filled(&of(MAX_LINE_BYTES), Weight::Light).0, 1);
        for bytes in [3, 50, 200, 1_000, MAX_LINE_BYTES, 60_000] {
            let (count, body) = filled(&of(bytes), Weight::Light);
            assert!(count > 0 && body <= 64 << 10, "{count} of {bytes}: {body}");
        }
    }
}
