//! Server-sent events (the HTML standard, section 9.2), of bounded size.

use symbolon_oauth_types::feed::MAX_BATCH_BYTES;

/// The longest line, and the longest `data` of an event, in bytes: those of the longest batch.
const MAX_LINE_BYTES: usize = MAX_BATCH_BYTES + 1024;

/// An event of the stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// `event`; empty where the stream does not say.
    pub name: String,
    /// `data`, with a line feed between its lines.
    pub data: String,
}

/// A line, or the data of an event, is longer than any that is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a line or an event of the stream is longer than {MAX_LINE_BYTES} bytes")]
pub struct TooLong;

/// Takes a stream apart, piece by piece. It keeps no more than one line and one event.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, so that a line feed ends no other line.
    after_return: bool,
    event: Event,
    has_data: bool,
}

impl Events {
    /// Takes in a piece of the stream and hands over each event that it completes. `id` and `retry` are not looked at:
    /// where the stream is taken up again is known from what was applied.
    ///
    /// # Errors
    /// [`TooLong`]; the stream is of no more use then.
    pub fn push(&mut self, piece: &[u8], mut complete: impl FnMut(Event)) -> Result<(), TooLong> {
        let mut rest = piece;
        if std::mem::take(&mut self.after_return) && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
            self.extend(&rest[..end])?;
            if let Some(event) = self.end_line()? {
                complete(event);
            }
            let returned = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if returned {
                self.after_return = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
        }
        self.extend(rest)
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + part.len() > MAX_LINE_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    /// An empty line ends an event, which counts only if it has data.
    fn end_line(&mut self) -> Result<Option<Event>, TooLong> {
        if self.line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line);
        let (name, value) = match line.iter().position(|b| *b == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match name {
            b"event" => self.event.name = value.into_owned(),
            b"data" => {
                if self.event.data.len() + value.len() >= MAX_LINE_BYTES {
                    return Err(TooLong);
                }
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(&value);
            }
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut parser, mut found) = (Events::default(), Vec::new());
        for piece in pieces {
            let mut take = |event: Event| found.push((event.name, event.data));
            parser.push(piece, &mut take).unwrap();
        }
        found
    }

    fn pair(name: &str, data: &str) -> (String, String) {
        (name.into(), data.into())
    }

    const STREAM: &[u8] = b"\xEF\xBB\xBFevent: batch\nid: x:1\ndata: a.b.c\n\n: a comment\nretry: 5\n\n\
        event:head\r\ndata:d\r\ndata:  e\r\n\r\ndata\rdata\r\revent: nothing\n\nwhat: ever\ndata: f\n\nevent: cut\ndata: off";

    #[test]
    fn takes_events_apart_as_the_standard_says() {
        let expected = [
            pair("batch", "a.b.c"),
            pair("head", "d\n e"),
            pair("", "\n"),
            pair("", "f"),
        ];
        assert_eq!(events(&[STREAM]), expected);
        let bytes: Vec<_> = STREAM.chunks(1).collect();
        assert_eq!(events(&bytes), expected);
        for at in 0..STREAM.len() {
            let (a, b) = STREAM.split_at(at);
            assert_eq!(events(&[a, b]), expected, "cut at {at}");
        }
    }

    #[test]
    fn lines_and_events_are_bounded() {
        let mut long = Events::default();
        let kibibyte = [b'x'; 1024];
        let outcomes = (0..1000).map(|_| long.push(&kibibyte, |_| panic!("no event")));
        assert!(outcomes.into_iter().any(|outcome| outcome == Err(TooLong)));
        assert!(long.line.len() <= MAX_LINE_BYTES);
        let mut many = Events::default();
        let line = format!("data: {}\n", "x".repeat(1024));
        let outcomes = (0..1000).map(|_| many.push(line.as_bytes(), |_| panic!("no event")));
        assert!(outcomes.into_iter().any(|outcome| outcome == Err(TooLong)));
        assert!(many.event.data.len() <= MAX_LINE_BYTES);
    }
}
