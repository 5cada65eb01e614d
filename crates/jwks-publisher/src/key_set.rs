//! The key set as it is served, and for how long it may be cached.

use std::time::Duration;

use symbolon_core::Rng;
use symbolon_documents::{Document, open};
use symbolon_jose::JwkSet;

/// How long a cache may answer with what it has while it asks again. It adds to the time for which a removed key can
/// still be seen, so it is short.
const STALE: Duration = Duration::from_secs(60);
/// What a cache may keep a key set for whose change is overdue: it is tried again about as often.
const OVERDUE: Duration = Duration::from_secs(60);
/// For this long a change that is due is expected any moment.
const IMMINENT: Duration = Duration::from_secs(5);
/// The header is up to a second old when it is sent, and the answer on its way for a while.
const MARGIN: Duration = Duration::from_secs(2);
/// A node takes up to this part off what is configured, in thousandths, so that caches that were filled by different
/// nodes, or in different hours, do not all come back at the same moment.
const MOST_JITTER: u64 = 100;

/// When the key set changes next, by the monotonic clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    /// When another node may do it, which is not known to be as far.
    pub(crate) earliest: Duration,
    /// When this node does it.
    pub(crate) latest: Duration,
}

/// How long the key set may be cached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Caching {
    max_age: Duration,
}

impl Caching {
    /// At most `max_age`, less a part that is this node's own.
    pub(crate) fn new(max_age: Duration, rng: &dyn Rng) -> Self {
        let mut random = [0; 8];
        rng.fill(&mut random);
        let jitter = u64::from_le_bytes(random) % (MOST_JITTER + 1);
        let taken_off = max_age.as_secs().saturating_mul(jitter) / 1000;
        Self {
            max_age: max_age.saturating_sub(Duration::from_secs(taken_off)),
        }
    }

    /// `Cache-Control` for a key set whose change is planned, if it is, at the moment `now` of the same clock. No cache
    /// keeps it past the change, not even while it asks again.
    pub(crate) fn header(self, change: Option<Change>, now: Duration) -> String {
        let left = match change {
            None => Duration::MAX,
            Some(change) if now.saturating_sub(change.latest) > IMMINENT => OVERDUE,
            Some(change) => change.earliest.saturating_sub(now).saturating_sub(MARGIN),
        };
        let max_age = self.max_age.min(left);
        let stale = STALE.min(left.saturating_sub(max_age));
        format!(
            "public, max-age={}, stale-while-revalidate={}",
            max_age.as_secs(),
            stale.as_secs()
        )
    }
}

/// The document. Public keys are for everybody.
pub(crate) fn document(jwks: &JwkSet, cache_control: &str) -> Document {
    Document::json(jwks, cache_control, &open::HEADERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Rng for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.copy_from_slice(&self.0.to_le_bytes());
        }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn no_cache_keeps_a_key_set_past_its_next_change() {
        let caching = Caching::new(secs(900), &Fixed(0));
        for (change, header) in [
            (None, "public, max-age=900, stale-while-revalidate=60"),
            (
                Some((1962, 1962)),
                "public, max-age=900, stale-while-revalidate=60",
            ),
            (
                Some((1932, 1932)),
                "public, max-age=900, stale-while-revalidate=30",
            ),
            (
                Some((1901, 1962)),
                "public, max-age=899, stale-while-revalidate=0",
            ),
            (Some((1001, 1001)), "public, max-age=0, stale-while-revalidate=0"),
            (Some((995, 995)), "public, max-age=0, stale-while-revalidate=0"),
            (Some((500, 995)), "public, max-age=0, stale-while-revalidate=0"),
            (Some((500, 1962)), "public, max-age=0, stale-while-revalidate=0"),
            (Some((994, 994)), "public, max-age=60, stale-while-revalidate=0"),
        ] {
            let change = change.map(|(earliest, latest)| Change {
                earliest: secs(earliest),
                latest: secs(latest),
            });
            assert_eq!(caching.header(change, secs(1000)), header);
        }
    }

    #[test]
    fn nodes_take_up_to_a_tenth_off() {
        let ages: Vec<_> = (0..=MOST_JITTER)
            .map(|random| Caching::new(secs(900), &Fixed(random)).max_age)
            .collect();
        assert_eq!(ages.first(), Some(&secs(900)));
        assert_eq!(ages.last(), Some(&secs(810)));
        assert!(ages.is_sorted_by(|a, b| a >= b));
        assert_eq!(
            Caching::new(secs(900), &Fixed(MOST_JITTER + 1)).max_age,
            secs(900)
        );
    }
}
