use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use symbolon_core::password::HashMemory;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Bounds of the lane in which passwords are hashed.
#[derive(Clone, Copy, Debug)]
pub struct LaneConfig {
    /// Hashes at a time, each with a working memory of its own.
    pub threads: usize,
    /// Requests that may wait for their turn.
    pub queue_length: usize,
    /// How long one may wait.
    pub queue_deadline: Duration,
}

/// Threads of their own that hash passwords and do nothing else, at a lower priority than those that serve requests:
/// a login storm takes neither memory nor time from anything else.
pub struct HashLane {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    config: LaneConfig,
    jobs: Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut HashMemory) + Send>;

/// Working memory is given back after this long without a login.
const MEMORY_IDLE: Duration = Duration::from_secs(10);
/// How much nicer the threads are than the rest of the process.
const NICE: i32 = 10;

impl HashLane {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system's, where it gives no more threads.
    pub fn start(config: LaneConfig) -> std::io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for n in 0..config.threads {
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("hash-{n}"))
                .spawn(move || work(&queue))?;
        }
        let turns = Arc::new(Semaphore::new(config.threads));
        Ok(Self {
            turns,
            waiting: Arc::new(AtomicUsize::new(0)),
            config,
            jobs,
        })
    }

    /// Waits for a turn, first come, first served. A caller that goes away leaves the queue.
    ///
    /// # Errors
    /// [`LaneError::Full`] at once, [`LaneError::Deadline`] after the queue deadline.
    pub async fn enter(&self) -> Result<Turn<'_>, LaneError> {
        if let Ok(permit) = self.turns.clone().try_acquire_owned() {
            return Ok(Turn { lane: self, permit });
        }
        let _place = Place::take(&self.waiting, self.config.queue_length).ok_or(LaneError::Full)?;
        let turn = tokio::time::timeout(self.config.queue_deadline, self.turns.clone().acquire_owned());
        let permit = turn
            .await
            .map_err(|_| LaneError::Deadline)?
            .map_err(|_| LaneError::Failed)?;
        Ok(Turn { lane: self, permit })
    }

    /// Refuses what could only be refused in the end, before anything is looked up for it.
    ///
    /// # Errors
    /// [`LaneError::Full`].
    pub fn check(&self) -> Result<(), LaneError> {
        if self.waiting() < self.config.queue_length {
            Ok(())
        } else {
            Err(LaneError::Full)
        }
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many hashes are under way.
    pub fn running(&self) -> usize {
        self.config.threads - self.turns.available_permits()
    }
}

/// A place in the queue, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, length: usize) -> Option<Self> {
        let free = |n: usize| (n < length).then_some(n + 1);
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, free)
            .ok()?;
        Some(Self(waiting.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to one job.
pub struct Turn<'a> {
    lane: &'a HashLane,
    permit: OwnedSemaphorePermit,
}

impl Turn<'_> {
    /// Runs a job on a thread of the lane. The turn ends with the job, not with the caller.
    ///
    /// # Errors
    /// [`LaneError::Failed`] where the job panicked.
    pub async fn run<T: Send + 'static>(
        self,
        job: impl FnOnce(&mut HashMemory) -> T + Send + 'static,
    ) -> Result<T, LaneError> {
        let (answer, answered) = oneshot::channel();
        let Self { lane, permit } = self;
        let boxed: Job = Box::new(move |memory| {
            if !answer.is_closed() {
                let result = job(memory);
                drop(permit);
                // A caller that has gone away needs no answer.
                answer.send(result).ok();
            }
        });
        lane.jobs.send(boxed).map_err(|_| LaneError::Failed)?;
        answered.await.map_err(|_| LaneError::Failed)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    // Being nice is a courtesy to the other threads; a kernel that refuses it changes nothing else.
    rustix::process::nice(NICE).ok();
    let mut memory = HashMemory::default();
    loop {
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(MEMORY_IDLE);
        match next {
            Ok(job) => {
                let ran = std::panic::catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
                if ran.is_err() {
                    tracing::error!("a password-hashing job panicked");
                    memory = HashMemory::default();
                }
            }
            Err(RecvTimeoutError::Timeout) => memory = HashMemory::default(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LaneError {
    /// The queue deadline passed.
    #[error("no turn within the queue deadline")]
    Deadline,
    /// The job failed.
    #[error("the job failed")]
    Failed,
    /// The queue is full.
    #[error("the queue is full")]
    Full,
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn lane(threads: usize, queue_length: usize, deadline_ms: u64) -> HashLane {
        let queue_deadline = Duration::from_millis(deadline_ms);
        HashLane::start(LaneConfig {
            threads,
            queue_length,
            queue_deadline,
        })
        .unwrap()
    }

    #[tokio::test]
    async fn sheds_past_the_queue_and_at_the_deadline() {
        let lane = Arc::new(lane(1, 1, 20));
        let turn = lane.enter().await.unwrap();
        let second = tokio::spawn({
            let lane = lane.clone();
            async move { lane.enter().await.map(|_| ()) }
        });
        while lane.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.check(), Err(LaneError::Full));
        assert_eq!(lane.enter().await.map(|_| ()).unwrap_err(), LaneError::Full);
        assert_eq!(second.await.unwrap().unwrap_err(), LaneError::Deadline);
        assert_eq!(turn.run(|_| 7).await, Ok(7));
        assert_eq!((lane.waiting(), lane.running()), (0, 0));
        assert_eq!(lane.check(), Ok(()));
        assert!(lane.enter().await.is_ok());
    }

    #[tokio::test]
    async fn a_job_outlives_its_caller_and_keeps_its_turn_until_it_ends() {
        let lane = lane(1, 1, 5_000);
        let (started, has_started) = mpsc::channel();
        let (end, may_end) = mpsc::channel();
        let turn = lane.enter().await.unwrap();
        let caller = turn.run(move |_| {
            started.send(()).unwrap();
            may_end.recv().unwrap();
        });
        let gone = tokio::time::timeout(Duration::ZERO, caller).await;
        assert!(gone.is_err());
        if has_started.recv_timeout(Duration::from_secs(5)).is_ok() {
            assert_eq!(lane.running(), 1);
            end.send(()).unwrap();
        }
        assert!(lane.enter().await.is_ok(), "the turn comes back");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let lane = lane(1, 1, 5_000);
        let failed = lane.enter().await.unwrap().run(|_| panic!("on purpose")).await;
        assert_eq!(failed, Err::<(), _>(LaneError::Failed));
        assert_eq!(lane.enter().await.unwrap().run(|_| 1).await, Ok(1));
    }
}
