//! The console of this process.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::context::Console;

/// Longest answer to a question, in bytes.
const ANSWER_BYTES: u64 = 64;

/// Standard input, and the terminal for questions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

impl Console for Terminal {
    fn is_terminal(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn read(&mut self, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        // Filled in place: a buffer that grew would leave copies of the password behind.
        let mut bytes = Zeroizing::new(vec![0; limit]);
        let mut filled = 0;
        let mut input = io::stdin().lock();
        while filled < limit {
            match input.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn lines(&mut self) -> Box<dyn BufRead + '_> {
        Box::new(io::stdin().lock())
    }

    fn shows_progress(&self) -> bool {
        io::stderr().is_terminal()
    }

    fn shows_results(&self) -> bool {
        io::stdout().is_terminal()
    }

    fn ask_hidden(&mut self, prompt: &str) -> io::Result<SecretString> {
        rpassword::prompt_password(prompt).map(SecretString::from)
    }

    fn ask(&mut self, prompt: &str) -> io::Result<String> {
        io::stderr().write_all(prompt.as_bytes())?;
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().take(ANSWER_BYTES).read_line(&mut answer)?;
        Ok(answer)
    }
}
