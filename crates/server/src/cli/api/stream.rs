//! An answer that goes on, line by line.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

/// Longest line that is read, in bytes.
const MAX_LINE: usize = 1024 * 1024;
/// Longest wait for something to come: the server sends a comment each 15 seconds.
const SILENCE: Duration = Duration::from_secs(60);

/// The lines of an answer as they come.
#[derive(Debug)]
pub(in crate::cli) struct Lines {
    response: Response,
    cut: Cut,
}

impl Lines {
    pub(super) fn of(response: Response) -> Self {
        Self {
            response,
            cut: Cut::default(),
        }
    }

    /// The next line, without its end; `None` where the answer ends.
    ///
    /// # Errors
    /// The connection broke, nothing came for a minute, or a line is too long or no UTF-8.
    pub(in crate::cli) async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(line) = self.cut.whole.pop_front() {
                let line = String::from_utf8(line);
                return line.map(Some).map_err(io::Error::other);
            }
            let chunk = timeout(SILENCE, self.response.chunk()).await?;
            match chunk.map_err(io::Error::other)? {
                Some(chunk) => self.cut.push(&chunk)?,
                None => return Ok(None),
            }
        }
    }
}

/// Cuts what comes into lines.
#[derive(Debug, Default)]
struct Cut {
    whole: VecDeque<Vec<u8>>,
    part: Vec<u8>,
}

impl Cut {
    fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.part.len() + piece.len() > MAX_LINE {
                return Err(io::Error::other("a line is too long"));
            }
            self.part.extend_from_slice(piece);
            if self.part.pop_if(|byte| *byte == b'\n').is_some() {
                self.whole.push_back(std::mem::take(&mut self.part));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut cut = Cut::default();
        for chunk in ["a", "b\n\nc", "", "\n", "d"] {
            cut.push(chunk.as_bytes()).unwrap();
        }
        assert_eq!(cut.whole, [b"ab".to_vec(), b"".to_vec(), b"c".to_vec()]);
        assert_eq!(cut.part, b"d");
    }

    #[test]
    fn a_line_has_a_bound() {
        let mut cut = Cut::default();
        cut.push(&vec![b'x'; MAX_LINE - 1]).unwrap();
        cut.push(b"\n").unwrap();
        cut.push(&vec![b'x'; MAX_LINE]).unwrap();
        assert!(cut.push(b"\n").is_err());
    }
}
