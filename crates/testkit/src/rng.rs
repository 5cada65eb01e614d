use std::sync::atomic::{AtomicU64, Ordering};

use symbolon_core::Rng;

/// Deterministic and anything but secret: the same calls give the same bytes, and no two blocks of eight bytes are
/// ever equal.
#[derive(Debug)]
pub struct SeqRng {
    next: AtomicU64,
}

impl SeqRng {
    /// The sequence from its start.
    pub const fn new() -> Self {
        Self::starting_at(0)
    }

    /// The sequence from its `n`th block on.
    pub const fn starting_at(n: u64) -> Self {
        Self {
            next: AtomicU64::new(n),
        }
    }
}

impl Default for SeqRng {
    fn default() -> Self {
        Self::new()
    }
}

impl Rng for SeqRng {
    fn fill(&self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(8) {
            let n = self.next.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(&mix(n).to_be_bytes()[..chunk.len()]);
        }
    }
}

/// SplitMix64's output function, which maps no two numbers to one.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn repeats_from_the_start_and_never_within() {
        let draw = |rng: &SeqRng| {
            let mut bytes = [0; 16];
            rng.fill(&mut bytes);
            bytes
        };
        let (a, b) = (SeqRng::new(), SeqRng::new());
        let drawn: Vec<_> = (0..1000).map(|_| draw(&a)).collect();
        assert!(drawn.iter().all(|bytes| *bytes == draw(&b)));
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 1000);
    }
}
