//! One time for all nodes of a cluster: that of the database they share, as far as each can know it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::{Clock, UnixMillis};

/// How fast two clocks may at most drift apart: 500 millionths, by which the kernel bends a clock to follow NTP. Where a
/// clock is bent faster, as some daemons do to make up for a large offset, each answer is a small step.
const DRIFT_PER_MILLION: i128 = 500;
/// How long a step of the database's clock widens the spread: many looks, of every node.
const STEP_REMEMBERED: Duration = Duration::from_secs(10);
/// A look at the database's clock that is older says nothing about how well it can be reached.
const RECENT: Duration = Duration::from_secs(3);

/// The database's clock, known by asking for it and by measuring how long the answer took. Each answer bounds it; what is
/// known between two answers gets less certain by the drift of the clocks. Steps of this machine's clock do not matter.
///
/// Before the first answer, and where the database has no clock of its own, it is the local clock.
pub struct ClusterClock {
    local: Arc<dyn Clock>,
    listens: bool,
    tolerance: Duration,
    known: RwLock<Option<Known>>,
    stepped: RwLock<Option<Step>>,
}

/// The database's clock was found to differ by so many microseconds from what was known of it.
#[derive(Clone, Copy)]
struct Step {
    size: i128,
    at: Duration,
}

/// The database's time less the local monotonic time, in microseconds, lies between the two bounds.
#[derive(Clone, Copy)]
struct Known {
    low: i128,
    high: i128,
    at: Duration,
}

/// What an answer said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Observed {
    /// It agrees with what was known.
    Agrees,
    /// It does not: the database's clock stepped, or another database answers. It holds from now on.
    Stepped,
}

fn micros(duration: Duration) -> i128 {
    i128::try_from(duration.as_micros()).unwrap_or(i128::MAX)
}

impl Known {
    fn widened(self, now: Duration) -> Self {
        let drift = micros(now.saturating_sub(self.at)) * DRIFT_PER_MILLION / 1_000_000;
        Self {
            low: self.low - drift,
            high: self.high + drift,
            at: now,
        }
    }

    fn uncertainty(self) -> i128 {
        (self.high - self.low).div_euclid(2)
    }
}

impl ClusterClock {
    /// A clock that is the local one until it is told of another. Every node of the cluster is taken to know the time
    /// to `tolerance`; one that does not stamps what it begins the earlier by that, so that no cutoff misses it.
    pub fn new(local: Arc<dyn Clock>, tolerance: Duration) -> Self {
        Self {
            local,
            listens: true,
            tolerance,
            known: RwLock::new(None),
            stepped: RwLock::new(None),
        }
    }

    /// The local clock, whatever it is told: for nodes that share one machine's clock, as those over SQLite do.
    pub fn of_machine(local: Arc<dyn Clock>) -> Self {
        Self {
            listens: false,
            ..Self::new(local, Duration::ZERO)
        }
    }

    /// The database said that it is `theirs`, in microseconds since the Unix epoch, at some moment between `asked` and
    /// `answered`, both of [`Clock::monotonic`].
    pub fn observe(&self, asked: Duration, answered: Duration, theirs: u64) -> Observed {
        if !self.listens {
            return Observed::Agrees;
        }
        let theirs = i128::from(theirs);
        let new = Known {
            low: theirs - micros(answered),
            high: theirs - micros(asked),
            at: answered,
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = known.map(|known| known.widened(answered)) else {
            *known = Some(new);
            return Observed::Agrees;
        };
        let (low, high) = (old.low.max(new.low), old.high.min(new.high));
        if low > high {
            *known = Some(new);
            self.step(low - high, answered);
            return Observed::Stepped;
        }
        *known = Some(Known {
            low,
            high,
            at: answered,
        });
        Observed::Agrees
    }

    /// How far this clock may be from the database's, either way; nothing where it is the local clock.
    pub fn uncertainty(&self) -> Option<Duration> {
        Some(duration(self.present()?.1.uncertainty()))
    }

    /// How far the machine's own clock is ahead of the database's, in milliseconds; nothing where this is that clock.
    pub fn local_ahead_ms(&self) -> Option<i64> {
        self.present()?;
        let (local, cluster) = (self.local.now().0, self.now().0);
        let ahead = i128::from(local) - i128::from(cluster);
        i64::try_from(ahead).ok()
    }

    /// Whether the database answers, but so late that this node can't know the time to the tolerance.
    pub fn is_too_uncertain(&self) -> bool {
        let Some(known) = self.known() else {
            return false;
        };
        let now = self.local.monotonic();
        now.saturating_sub(known.at) < RECENT && known.widened(now).uncertainty() > micros(self.tolerance)
    }

    /// What the last answer left known. The lock is held for no longer than it takes to copy it.
    fn known(&self) -> Option<Known> {
        *self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Local monotonic time and what is known by it.
    fn present(&self) -> Option<(Duration, Known)> {
        let known = self.known()?;
        let monotonic = self.local.monotonic();
        Some((monotonic, known.widened(monotonic)))
    }

    /// The larger of this step and of one that is still remembered counts.
    fn step(&self, size: i128, at: Duration) {
        let recent = self.recent_step(at);
        *self.stepped.write().unwrap_or_else(PoisonError::into_inner) = Some(Step {
            size: size.max(recent),
            at,
        });
    }

    /// How far the database's clock stepped lately, in microseconds: other nodes may not have seen it yet, or it may be on
    /// its way from one time to another.
    fn recent_step(&self, now: Duration) -> i128 {
        let stepped = *self.stepped.read().unwrap_or_else(PoisonError::into_inner);
        stepped
            .filter(|step| now.saturating_sub(step.at) < STEP_REMEMBERED)
            .map_or(0, |step| step.size)
    }

    /// By how much more than the tolerance it is uncertain, in microseconds.
    fn excess(&self, known: Known) -> i128 {
        (known.uncertainty() - micros(self.tolerance)).max(0)
    }
}

fn duration(micros: i128) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

impl Clock for ClusterClock {
    /// Never ahead of the database by more than the tolerance.
    fn now(&self) -> UnixMillis {
        let Some((monotonic, known)) = self.present() else {
            return self.local.now();
        };
        let middle = known.low + known.uncertainty();
        let now = micros(monotonic) + middle - self.excess(known);
        UnixMillis(u64::try_from(now.div_euclid(1000)).unwrap_or(0))
    }

    fn monotonic(&self) -> Duration {
        self.local.monotonic()
    }

    /// By both clocks: one that jumped ahead, by hours or by years, must not make anybody forget.
    fn safely_past(&self) -> UnixMillis {
        self.now().min(self.local.now())
    }

    fn spread(&self) -> Duration {
        match self.present() {
            None => self.local.spread(),
            // The database may be ahead by the uncertainty and by what was taken off, another node ahead of it by the
            // tolerance; a millisecond is lost by rounding down.
            Some((monotonic, known)) => {
                let unknown = known.uncertainty() + self.excess(known) + self.recent_step(monotonic);
                duration(unknown + 1000) + self.tolerance
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    const TOLERANCE: Duration = Duration::from_millis(10);
    const EPOCH_MS: u64 = 1_800_000_000_000;

    /// A machine whose clock is wrong by as much as one likes.
    struct Machine(Mutex<Duration>);

    impl Machine {
        fn at(elapsed: Duration) -> Arc<Self> {
            Arc::new(Self(Mutex::new(elapsed)))
        }

        fn pass(&self, time: Duration) -> Duration {
            let mut now = self.0.lock().unwrap();
            *now += time;
            *now
        }
    }

    impl Clock for Machine {
        fn now(&self) -> UnixMillis {
            UnixMillis(7)
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_is_the_local_clock_until_it_is_told() {
        let clock = ClusterClock::new(Machine::at(Duration::ZERO), TOLERANCE);
        assert_eq!((clock.now(), clock.spread()), (UnixMillis(7), Duration::ZERO));
        assert_eq!((clock.uncertainty(), clock.local_ahead_ms()), (None, None));
        assert!(!clock.is_too_uncertain());
    }

    #[test]
    fn it_knows_the_time_to_half_the_round_trip_and_less_as_time_passes() {
        let machine = Machine::at(Duration::from_secs(100));
        let clock = ClusterClock::new(machine.clone(), TOLERANCE);
        let asked = machine.monotonic();
        let answered = machine.pass(4 * MS);
        assert_eq!(clock.observe(asked, answered, EPOCH_MS * 1000), Observed::Agrees);
        assert_eq!(clock.uncertainty(), Some(2 * MS));
        assert_eq!(clock.now(), UnixMillis(EPOCH_MS + 2));
        assert_eq!(clock.spread(), 13 * MS);
        machine.pass(Duration::from_secs(2));
        assert_eq!(clock.uncertainty(), Some(3 * MS));
        assert_eq!(clock.local_ahead_ms(), Some(7 - (EPOCH_MS as i64 + 2002)));
        // Within the tolerance nothing is taken off; beyond it, as much as is beyond.
        machine.pass(Duration::from_secs(18));
        assert_eq!(clock.now(), UnixMillis(EPOCH_MS + 20_000));
        assert!(!clock.is_too_uncertain(), "nobody answers");
    }

    #[test]
    fn a_late_answer_is_worth_little_and_says_so() {
        let machine = Machine::at(Duration::from_secs(100));
        let clock = ClusterClock::new(machine.clone(), TOLERANCE);
        let asked = machine.monotonic();
        let answered = machine.pass(60 * MS);
        clock.observe(asked, answered, EPOCH_MS * 1000);
        assert!(clock.is_too_uncertain());
        let asked = machine.pass(MS);
        let answered = machine.pass(MS);
        assert_eq!(
            clock.observe(asked, answered, (EPOCH_MS + 40) * 1000),
            Observed::Agrees
        );
        assert!(!clock.is_too_uncertain());
    }

    #[test]
    fn a_clock_that_stepped_is_followed() {
        let machine = Machine::at(Duration::from_secs(100));
        let clock = ClusterClock::new(machine.clone(), TOLERANCE);
        let look = |theirs: u64| {
            let asked = machine.monotonic();
            let answered = machine.pass(2 * MS);
            clock.observe(asked, answered, theirs * 1000)
        };
        assert_eq!(look(EPOCH_MS), Observed::Agrees);
        assert_eq!(look(EPOCH_MS - 10_000), Observed::Stepped);
        assert_eq!(clock.now(), UnixMillis(EPOCH_MS - 10_000 + 1));
        // Others may not have seen it: what they began by the old time is within the spread, for a while.
        assert!(clock.spread() >= Duration::from_millis(9_990));
        assert_eq!(look(EPOCH_MS - 9_998 - 50), Observed::Stepped);
        assert!(
            clock.spread() >= Duration::from_millis(9_990),
            "the larger one counts"
        );
        machine.pass(STEP_REMEMBERED);
        assert!(clock.spread() < 30 * MS);
    }

    /// A lock that is taken for reading twice, one within the other, hangs when somebody wants to write in between.
    #[test]
    fn looks_and_questions_do_not_wait_for_each_other() {
        let machine = Machine::at(Duration::from_secs(100));
        let clock = ClusterClock::new(machine.clone(), TOLERANCE);
        let now = machine.monotonic();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..100_000 {
                    clock.observe(now, now, EPOCH_MS * 1000);
                }
            });
            for _ in 0..100_000 {
                assert!(!clock.is_too_uncertain());
                assert!(clock.spread() < Duration::from_secs(1));
            }
        });
    }

    #[test]
    fn nothing_is_forgotten_by_a_clock_that_jumped_ahead() {
        let machine = Machine::at(Duration::from_secs(100));
        let clock = ClusterClock::new(machine.clone(), TOLERANCE);
        clock.observe(machine.monotonic(), machine.monotonic(), EPOCH_MS * 1000);
        assert_eq!(clock.now(), UnixMillis(EPOCH_MS));
        assert_eq!(
            clock.safely_past(),
            UnixMillis(7),
            "the machine's clock has not come that far"
        );
    }

    /// Two nodes, each with answers of its own: whatever the one began before the other stamped a cutoff is at or before
    /// it, and whatever it begins after the cutoff has passed is behind it.
    #[derive(Clone, Debug)]
    struct Look {
        before_us: u64,
        there_us: u64,
        back_us: u64,
    }

    fn looks() -> impl Strategy<Value = Vec<Look>> {
        let look =
            (0..5_000_000u64, 0..40_000u64, 0..40_000u64).prop_map(|(before_us, there_us, back_us)| Look {
                before_us,
                there_us,
                back_us,
            });
        proptest::collection::vec(look, 1..6)
    }

    /// A node whose monotonic clock runs `ppm` millionths fast, after its looks, at true time `at_us`.
    fn node(looks: &[Look], ppm: i64, at_us: u64) -> ClusterClock {
        let local = |true_us: u64| {
            let fast = i128::from(true_us) * i128::from(ppm) / 1_000_000;
            duration(i128::from(true_us) + fast)
        };
        let machine = Machine::at(Duration::ZERO);
        let clock = ClusterClock::new(machine.clone(), TOLERANCE);
        let mut true_us = 0;
        for look in looks {
            let asked = true_us + look.before_us;
            let read = asked + look.there_us;
            true_us = read + look.back_us;
            if true_us > at_us {
                break;
            }
            let observed = clock.observe(local(asked), local(true_us), EPOCH_MS * 1000 + read);
            assert_eq!(observed, Observed::Agrees);
        }
        *machine.0.lock().unwrap() = local(at_us);
        clock
    }

    proptest! {
        #[test]
        fn no_cutoff_misses_what_another_node_began(
            one in looks(), other in looks(), fast in -250..250i64, slow in -250..250i64, at_us in 6_000_000..60_000_000u64,
        ) {
            let (one, other) = (node(&one, fast, at_us), node(&other, slow, at_us));
            let known = one.uncertainty().is_some() && other.uncertainty().is_some();
            prop_assume!(known);
            let true_ms = EPOCH_MS + at_us / 1000;
            for clock in [&one, &other] {
                prop_assert!(clock.now().0 <= true_ms + TOLERANCE.as_millis() as u64);
            }
            prop_assert!(other.now() <= one.cutoff(), "{:?} {:?}", other.now(), one.cutoff());
            if other.uncertainty().unwrap() <= TOLERANCE {
                prop_assert!(other.now() >= one.passed(), "{:?} {:?}", other.now(), one.passed());
            }
        }
    }
}
