//! The first of many events that are alike.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tells the first event of a kind, from each place, in each minute from those that follow, so that nobody can fill a record
/// with what they repeat. Of a kind it knows at most [`Self::PLACES`] places in a minute, and in all at most [`Self::MOST`]
/// events: further ones it never calls the first.
#[derive(Debug)]
pub struct FirstOfMinute<K, P = ()> {
    seen: Mutex<Seen<K, P>>,
}

#[derive(Debug)]
struct Seen<K, P> {
    minute: u64,
    firsts: usize,
    places: HashMap<K, Vec<P>>,
}

impl<K, P> Default for FirstOfMinute<K, P> {
    fn default() -> Self {
        let seen = Seen {
            minute: 0,
            firsts: 0,
            places: HashMap::new(),
        };
        Self {
            seen: Mutex::new(seen),
        }
    }
}

impl<K: Eq + Hash, P: PartialEq> FirstOfMinute<K, P> {
    /// Most events that are the first of their kind and place in a minute.
    pub const MOST: usize = 1000;
    /// Most places of one kind in a minute.
    pub const PLACES: usize = 20;

    /// Whether none of this kind came before from that place in the minute of that monotonic time.
    pub fn is_first(&self, kind: K, place: P, now: Duration) -> bool {
        let minute = now.as_secs() / 60;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.minute != minute {
            seen.minute = minute;
            seen.firsts = 0;
            seen.places.clear();
        }
        if seen.firsts >= Self::MOST {
            return false;
        }
        let places = seen.places.entry(kind).or_default();
        if places.len() >= Self::PLACES || places.contains(&place) {
            return false;
        }
        places.push(place);
        seen.firsts += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn one_of_a_kind_and_place_is_the_first_in_each_minute() {
        let first = FirstOfMinute::default();
        assert!(first.is_first("a", 1, MINUTE) && first.is_first("b", 1, MINUTE));
        assert!(first.is_first("a", 2, MINUTE));
        assert!(!first.is_first("a", 1, MINUTE + Duration::from_secs(59)));
        assert!(first.is_first("a", 1, 2 * MINUTE));
    }

    #[test]
    fn a_kind_has_so_many_places_and_leaves_room_for_others() {
        let first = FirstOfMinute::default();
        let places = |kind, now| (0..100).filter(|place| first.is_first(kind, *place, now)).count();
        assert_eq!((places("a", MINUTE), places("a", MINUTE)), (20, 0));
        assert_eq!(places("b", MINUTE), 20);
        assert_eq!(places("a", 2 * MINUTE), 20);
    }

    #[test]
    fn past_a_thousand_in_a_minute_none_is() {
        let first = FirstOfMinute::default();
        let firsts = |now| (0..2000).filter(|kind| first.is_first(*kind, (), now)).count();
        assert_eq!(firsts(MINUTE), 1000);
        assert_eq!(firsts(MINUTE), 0);
        assert_eq!(firsts(2 * MINUTE), 1000);
    }
}
