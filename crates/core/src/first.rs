//! The first of many events that are alike.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tells the first event of a kind in each minute from those that follow, so that nobody can fill a record with what they
/// repeat. It knows of at most 1,000 kinds in a minute: of further ones it calls none the first.
#[derive(Debug)]
pub struct FirstOfMinute<K> {
    seen: Mutex<HashMap<K, u64>>,
}

impl<K> Default for FirstOfMinute<K> {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash> FirstOfMinute<K> {
    const MOST: usize = 1000;

    /// Whether none of this kind came before in the minute of that monotonic time.
    pub fn is_first(&self, kind: K, now: Duration) -> bool {
        let minute = now.as_secs() / 60;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= Self::MOST {
            seen.retain(|_, at| *at == minute);
        }
        seen.len() < Self::MOST && seen.insert(kind, minute) != Some(minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn one_of_a_kind_is_the_first_in_each_minute() {
        let first = FirstOfMinute::default();
        assert!(first.is_first("a", MINUTE) && first.is_first("b", MINUTE));
        assert!(!first.is_first("a", MINUTE + Duration::from_secs(59)));
        assert!(first.is_first("a", 2 * MINUTE));
    }

    #[test]
    fn past_a_thousand_kinds_in_a_minute_none_is() {
        let first = FirstOfMinute::default();
        let firsts = |now| (0..2000).filter(|kind| first.is_first(*kind, now)).count();
        assert_eq!(firsts(MINUTE), 1000);
        assert_eq!(firsts(MINUTE), 0);
        assert_eq!(firsts(2 * MINUTE), 1000);
    }
}
