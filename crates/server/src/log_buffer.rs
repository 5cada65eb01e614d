//! Where log lines wait to be written. Requests only append to memory: one thread writes, a batch at a time, and a
//! reader that stalls costs lines, which are counted, never requests.

use std::io::{self, Write};
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait.
const CAPACITY: usize = 4 << 20;
/// How long lines are gathered before they are written: a thread that is woken for each line costs more than the line.
const GATHER: Duration = Duration::from_millis(5);

/// Takes lines; clones share the buffer.
#[derive(Clone)]
pub struct LogBuffer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    closed: bool,
}

/// The thread that writes. Dropping it writes what waits.
pub struct LogThread {
    buffer: LogBuffer,
    thread: Option<JoinHandle<()>>,
}

impl LogBuffer {
    /// A buffer, and the thread that empties it into `out`.
    ///
    /// # Errors
    /// The operating system's, where it gives no more threads.
    pub fn start(mut out: impl Write + Send + 'static) -> io::Result<(Self, LogThread)> {
        let buffer = Self(Arc::default());
        let shared = buffer.0.clone();
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                while let Some(lines) = shared.next() {
                    // There is nobody to tell of a standard error that is gone.
                    let _ = out.write_all(&lines).and_then(|()| out.flush());
                }
            })?;
        let writer = LogThread {
            buffer: buffer.clone(),
            thread: Some(thread),
        };
        Ok((buffer, writer))
    }

    /// Lines that found the buffer full.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes them; `None` when there will be no more.
    fn next(&self) -> Option<Vec<u8>> {
        let empty = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.closed;
        let filled = self.filled.wait_while(self.waiting(), empty);
        let closed = filled.unwrap_or_else(PoisonError::into_inner).closed;
        if !closed {
            std::thread::sleep(GATHER);
        }
        let lines = take(&mut self.waiting().lines);
        (!lines.is_empty() || !closed).then_some(lines)
    }
}

/// One call is one line: that is how the formatter writes.
impl Write for LogBuffer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting();
        if waiting.lines.len() + line.len() > CAPACITY {
            drop(waiting);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if first {
            self.0.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogBuffer {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.buffer.0.waiting().closed = true;
        self.buffer.0.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to write.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_written_in_order_by_the_end() {
        let sink = Sink::default();
        let (mut buffer, thread) = LogBuffer::start(sink.clone()).unwrap();
        let mut expected = String::new();
        for i in 0..1000 {
            let line = format!("line {i}\n");
            buffer.write_all(line.as_bytes()).unwrap();
            expected.push_str(&line);
        }
        drop(thread);
        assert_eq!(
            String::from_utf8(sink.0.lock().unwrap().clone()).unwrap(),
            expected
        );
        assert_eq!(buffer.dropped(), 0);
    }

    /// Stalls at its first write until it is let go.
    struct Stalled(Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some((reached, go)) = self.0.take() {
                reached.send(()).unwrap();
                go.recv().unwrap();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_bounded_memory() {
        let (reached, has_reached) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let (mut buffer, thread) = LogBuffer::start(Stalled(Some((reached, may_go)))).unwrap();
        buffer.write_all(b"first\n").unwrap();
        has_reached.recv().unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..6 {
            buffer.write_all(&line).unwrap();
        }
        assert_eq!(buffer.dropped(), 2);
        assert_eq!(buffer.0.waiting().lines.len(), CAPACITY);
        go.send(()).unwrap();
        drop(thread);
    }
}
