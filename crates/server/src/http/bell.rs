//! Waking a connection for what waits beside it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// Wakes the task of a connection and remembers that it did. A connection is polled at each request, and with this the
/// timer and the signals beside it only when they have something to say.
#[derive(Debug, Default)]
pub(super) struct Bell {
    ringer: Option<(Arc<Ringer>, Waker)>,
}

#[derive(Debug)]
struct Ringer {
    task: Waker,
    rang: AtomicBool,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Bell {
    /// Whether it rang since it was asked last. It has, too, when it is asked for the first time or by another task:
    /// then whatever is to ring it has to be polled in [`Self::context`].
    pub(super) fn rang(&mut self, task: &Waker) -> bool {
        if let Some((ringer, _)) = &self.ringer
            && ringer.task.will_wake(task)
        {
            return ringer.rang.load(Ordering::Acquire) && ringer.rang.swap(false, Ordering::AcqRel);
        }
        let ringer = Arc::new(Ringer {
            task: task.clone(),
            rang: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&ringer));
        self.ringer = Some((ringer, waker));
        true
    }

    /// What rings it.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(self.ringer.as_ref().map_or(Waker::noop(), |(_, waker)| waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Task(std::sync::atomic::AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn wakes_the_task_and_tells_once() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut bell = Bell::default();
        assert!(bell.rang(&waker), "nothing was polled yet");
        assert!(!bell.rang(&waker));
        bell.context().waker().wake_by_ref();
        bell.context().waker().wake_by_ref();
        assert_eq!(task.woken(), 2);
        assert!(bell.rang(&waker));
        assert!(!bell.rang(&waker));
    }

    #[test]
    fn another_task_has_to_poll_anew() {
        let (first, second) = (Arc::new(Task::default()), Arc::new(Task::default()));
        let mut bell = Bell::default();
        assert!(bell.rang(&Waker::from(Arc::clone(&first))));
        let waker = Waker::from(Arc::clone(&second));
        assert!(bell.rang(&waker));
        bell.context().waker().wake_by_ref();
        assert_eq!((first.woken(), second.woken()), (0, 1));
        assert!(bell.rang(&waker));
    }
}
