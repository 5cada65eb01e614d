//! Reading a file line by line, however long its lines are.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::context::Console;
use super::error::CliError;
use super::output::quoted;

/// What was read of the input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ReadLine {
    /// With the line's end.
    pub(super) bytes: u64,
    /// What was kept is not all of it.
    pub(super) too_long: bool,
}

/// The file of that name, or standard input for `-`.
///
/// # Errors
/// It can't be read.
pub(super) fn open<'a>(path: &Path, console: &'a mut dyn Console) -> Result<Box<dyn BufRead + 'a>, CliError> {
    if path == Path::new("-") {
        return Ok(console.lines());
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => Err(CliError::failed(
            format_args!("{} can't be read: {error}", quoted(&path.to_string_lossy())),
            "name a file that can, or `-` for standard input",
        )),
    }
}

/// Reads to the end of the next line, and keeps it where it has at most `limit` bytes without its end.
///
/// # Errors
/// The input can't be read.
pub(super) fn next_line(
    input: &mut dyn BufRead,
    line: &mut Vec<u8>,
    limit: usize,
) -> io::Result<Option<ReadLine>> {
    line.clear();
    let mut read = ReadLine {
        bytes: 0,
        too_long: false,
    };
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        if length == 0 {
            return Ok((read.bytes > 0).then_some(read));
        }
        // The line's own end, of two bytes at most, does not count.
        if line.len() + length > limit + 2 {
            read.too_long = true;
        } else {
            line.extend_from_slice(&buffer[..length]);
        }
        input.consume(length);
        read.bytes += length as u64;
        if end.is_some() {
            return Ok(Some(read));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_passed_over_whole_and_the_next_is_read() {
        let text = format!("{}\nab\r\n\nlast", "x".repeat(40));
        let mut input = BufReader::with_capacity(3, text.as_bytes());
        let mut line = Vec::new();
        let mut read = || {
            let read = next_line(&mut input, &mut line, 4).unwrap()?;
            let kept = String::from_utf8(line.clone()).unwrap();
            Some((read.bytes, (!read.too_long).then_some(kept)))
        };
        assert_eq!(read(), Some((41, None)));
        assert_eq!(read(), Some((4, Some("ab\r\n".to_owned()))));
        assert_eq!(read(), Some((1, Some("\n".to_owned()))));
        assert_eq!(read(), Some((4, Some("last".to_owned()))));
        assert_eq!(read(), None);
    }
}
