//! The trail as JSON lines, byte for byte as its hashes cover it.
//!
//! A record is `{"seq":..,"hash":"..","event":{..}}`, with the body as `event`. A body that is not one line of JSON, which
//! the server never writes, stands as a string in `body`. An export that does not begin with the first record begins with
//! `{"anchor":{"seq":..,"hash":".."}}`: what its first record follows from.

use std::io::{BufRead, Read as _};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use symbolon_core::audit::{AuditHash, AuditHead, AuditRecord, GENESIS};

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 4 << 20;

/// Why a line can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is no line of an export.
    #[error("line {line} is no record of the audit trail: {why}")]
    Malformed {
        /// The number of the line, from 1 on.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The file can't be read.
    #[error("line {line} can't be read: {error}")]
    Unreadable {
        /// The number of the line, from 1 on.
        line: u64,
        /// Why not.
        error: std::io::Error,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<Position>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    event: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Position {
    seq: u64,
    hash: String,
}

/// A record as a line, without its end.
pub fn record_line(record: &AuditRecord) -> String {
    let body = &*record.body;
    let event = serde_json::from_str::<&RawValue>(body)
        .ok()
        .filter(|raw| raw.get() == body && !body.contains(['\n', '\r']));
    write(&Line {
        anchor: None,
        seq: Some(record.seq),
        hash: Some(record.hash.to_string()),
        event,
        body: event.is_none().then(|| record.body.clone()),
    })
}

/// What the first record of an export follows from, as a line without its end.
pub fn anchor_line(anchor: &AuditHead) -> String {
    write(&Line {
        anchor: Some(Position {
            seq: anchor.seq,
            hash: anchor.hash.to_string(),
        }),
        seq: None,
        hash: None,
        event: None,
        body: None,
    })
}

fn write(line: &Line<'_>) -> String {
    // Numbers, strings and what was JSON before: there is nothing in it that has no form in JSON.
    serde_json::to_string(line).unwrap_or_default()
}

/// An export that is read line by line.
pub(super) struct Lines<R> {
    from: R,
    number: u64,
    buffer: String,
    /// What was read and not handed out.
    first: Option<AuditRecord>,
}

enum Read {
    Anchor(AuditHead),
    Record(AuditRecord),
}

impl<R: BufRead> Lines<R> {
    /// Reads up to the first record; returns what that follows from.
    pub(super) fn open(from: R) -> Result<(Self, AuditHead), LineError> {
        let mut lines = Self {
            from,
            number: 0,
            buffer: String::new(),
            first: None,
        };
        let genesis = AuditHead {
            seq: 0,
            hash: GENESIS,
        };
        let anchor = match lines.read()? {
            Some(Read::Anchor(anchor)) => anchor,
            Some(Read::Record(record)) => {
                lines.first = Some(record);
                genesis
            }
            None => genesis,
        };
        Ok((lines, anchor))
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<AuditRecord>, LineError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.read()? {
            None => Ok(None),
            Some(Read::Record(record)) => Ok(Some(record)),
            Some(Read::Anchor(_)) => Err(self.malformed(
                "an anchor stands before the first record only: what lies before this one was swept before it was exported",
            )),
        }
    }

    fn read(&mut self) -> Result<Option<Read>, LineError> {
        loop {
            self.number += 1;
            self.buffer.clear();
            let mut limited = self.from.by_ref().take(MAX_LINE);
            let read = limited.read_line(&mut self.buffer);
            let line = self.number;
            match read.map_err(|error| LineError::Unreadable { line, error })? {
                0 => return Ok(None),
                read if read as u64 == MAX_LINE => return Err(self.malformed("it is too long")),
                _ if self.buffer.trim().is_empty() => {}
                _ => return self.parse().map(Some),
            }
        }
    }

    fn parse(&self) -> Result<Read, LineError> {
        let line: Line<'_> =
            serde_json::from_str(self.buffer.trim()).map_err(|error| self.malformed(&error.to_string()))?;
        let hash = |text: &str| {
            AuditHash::parse(text).ok_or_else(|| self.malformed("`hash` is 64 hexadecimal digits"))
        };
        if let Some(Position { seq, hash: text }) = line.anchor {
            return Ok(Read::Anchor(AuditHead {
                seq,
                hash: hash(&text)?,
            }));
        }
        let body = line.event.map(|event| event.get().to_owned()).or(line.body);
        let (Some(seq), Some(text), Some(body)) = (line.seq, line.hash, body) else {
            return Err(self.malformed("`seq`, `hash` and `event` are required"));
        };
        Ok(Read::Record(AuditRecord {
            seq,
            body,
            hash: hash(&text)?,
        }))
    }

    fn malformed(&self, why: &str) -> LineError {
        LineError::Malformed {
            line: self.number,
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::audit::link;

    use super::*;

    fn record(seq: u64, body: &str) -> AuditRecord {
        AuditRecord {
            seq,
            body: body.to_owned(),
            hash: link(&GENESIS, seq, body),
        }
    }

    fn read(text: &str) -> Result<(AuditHead, Vec<AuditRecord>), LineError> {
        let (mut lines, anchor) = Lines::open(text.as_bytes())?;
        let mut records = Vec::new();
        while let Some(record) = lines.next()? {
            records.push(record);
        }
        Ok((anchor, records))
    }

    #[test]
    fn records_read_back_byte_for_byte_whatever_they_hold() {
        let records = [
            record(8, r#"{"a":1,"b":[2.50, "x"]}"#),
            record(9, "{\"a\":\n1}"),
            record(10, " {} "),
            record(11, "no JSON \u{1b}\""),
            record(12, ""),
        ];
        let anchor = AuditHead {
            seq: 7,
            hash: link(&GENESIS, 7, "x"),
        };
        let lines: Vec<_> = std::iter::once(anchor_line(&anchor))
            .chain(records.iter().map(record_line))
            .collect();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        assert!(
            lines[1].contains(r#""event":{"a":1,"b":[2.50, "x"]}"#),
            "{}",
            lines[1]
        );
        assert_eq!(read(&lines.join("\n")).unwrap(), (anchor, records.to_vec()));
        assert_eq!(read("").unwrap().1, []);
        let first = record(1, "{}");
        let (anchor, records) = read(&format!("\n{}\r\n", record_line(&first))).unwrap();
        assert_eq!((anchor.seq, records), (0, vec![first]));
    }

    #[test]
    fn refuses_what_is_no_export_and_names_the_line() {
        let good = record_line(&record(1, "{}"));
        for bad in [
            "x".to_owned(),
            "{}".to_owned(),
            good.replace("seq", "sequence"),
            good.replace("\"hash\":\"", "\"hash\":\"g"),
            anchor_line(&AuditHead {
                seq: 1,
                hash: GENESIS,
            }),
        ] {
            let error = read(&format!("{good}\n{bad}")).unwrap_err();
            assert!(error.to_string().starts_with("line 2 "), "{error}");
        }
        let long = format!("\"{}\"", "x".repeat(MAX_LINE as usize));
        assert!(read(&long).unwrap_err().to_string().contains("too long"));
    }
}
