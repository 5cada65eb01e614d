//! Chance that repeats.

use std::time::Duration;

use symbolon_core::Rng;
use symbolon_testkit::SeqRng;

/// The same seed throws the same.
pub(super) struct Dice(SeqRng);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        // Far from the sequences of other seeds.
        Self(SeqRng::starting_at(seed << 32))
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }

    /// True in so many of a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A time from `least` to `most`, in whole milliseconds.
    pub(super) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_millis() as u64 + 1;
        least + Duration::from_millis(self.below(span))
    }

    pub(super) fn one_of<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len() as u64) as usize]
    }
}
