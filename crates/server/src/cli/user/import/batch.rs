//! Users who are sent together.

use symbolon_admin_api::UserText;
use symbolon_core::import::MAX_BATCH;
use zeroize::Zeroizing;

/// Most bytes of a batch, all of its lines together. A server may take bodies of 64 KiB and no larger ones
/// (`admin.max_body_bytes`); the rest is for what stands around the lines.
const MAX_BYTES: usize = 63 << 10;
/// Most users of a batch who come with a password in place of its hash, as the admin API has it.
const MAX_PLAIN: usize = 100;

/// Users who are to be made by one request, and on which lines they stand.
#[derive(Debug, Default)]
pub(super) struct Batch {
    users: Vec<UserText>,
    lines: Vec<u32>,
    bytes: usize,
    plain: usize,
}

impl Batch {
    /// Whether one more fits, who comes with a password where `is_plain`. Into an empty one every line does.
    pub(super) fn has_room(&self, text: &str, is_plain: bool) -> bool {
        self.users.len() < MAX_BATCH
            && self.bytes + text.len() < MAX_BYTES
            && self.plain + usize::from(is_plain) <= MAX_PLAIN
    }

    /// Takes one in.
    pub(super) fn push(&mut self, line: u32, text: &str, is_plain: bool) {
        self.users.push(UserText::new(Zeroizing::new(text.to_owned())));
        self.lines.push(line);
        // With the comma.
        self.bytes += text.len() + 1;
        self.plain += usize::from(is_plain);
    }

    /// The line that the first of them stands on; `None` where there is nobody.
    pub(super) fn first(&self) -> Option<u32> {
        self.lines.first().copied()
    }

    /// The users, and their lines.
    pub(super) fn into_parts(self) -> (Vec<UserText>, Vec<u32>) {
        (self.users, self.lines)
    }
}

#[cfg(test)]
mod tests {
    use symbolon_admin_api::UserImport;
    use symbolon_core::import::MAX_LINE_BYTES;

    use super::*;

    /// How many of these lines fit, and the body that is sent of them.
    fn filled(text: &str, is_plain: bool) -> (usize, usize) {
        let mut batch = Batch::default();
        while batch.has_room(text, is_plain) {
            batch.push(1, text, is_plain);
        }
        let (users, lines) = batch.into_parts();
        assert_eq!(users.len(), lines.len());
        let body = UserImport {
            users,
            dry_run: false,
        };
        (lines.len(), serde_json::to_string(&body).unwrap().len())
    }

    #[test]
    fn a_batch_is_what_every_server_takes() {
        let of = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(filled(&of(50), false).0, 500);
        assert_eq!(filled(&of(50), true).0, 100);
        assert_eq!(filled(&of(MAX_LINE_BYTES), false).0, 1);
        for bytes in [3, 50, 200, 1_000, MAX_LINE_BYTES] {
            let (count, body) = filled(&of(bytes), false);
            assert!(count > 0 && body <= 64 << 10, "{count} of {bytes}: {body}");
        }
    }
}
