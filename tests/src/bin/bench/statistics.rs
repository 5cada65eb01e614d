//! Medians and percentiles.

/// The median of `values`: the mean of the two in the middle if their number is even; NaN if there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => f64::NAN,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(values[middle - 1], *upper),
    }
}

/// Latencies in microseconds, sorted.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl From<Vec<u32>> for Latencies {
    fn from(mut microseconds: Vec<u32>) -> Self {
        microseconds.sort_unstable();
        Self(microseconds)
    }
}

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The latency in milliseconds that `percent` (0 to 100) of all don't exceed (nearest rank); NaN if there is none.
    pub(crate) fn percentile_ms(&self, percent: u32) -> f64 {
        let rank = (self.0.len() * percent as usize).div_ceil(100).max(1);
        self.0
            .get(rank - 1)
            .map_or(f64::NAN, |microseconds| f64::from(*microseconds) / 1000.0)
    }
}

/// Whole microseconds of `duration`; beyond 71 minutes, the largest number.
pub(crate) fn microseconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let latencies = Latencies::from((1..=200).rev().map(|n| n * 1000).collect::<Vec<_>>());
        assert_eq!(latencies.percentile_ms(50), 100.0);
        assert_eq!(latencies.percentile_ms(99), 198.0);
        assert_eq!(latencies.percentile_ms(100), 200.0);
        assert_eq!(Latencies::from(vec![7000]).percentile_ms(50), 7.0);
        assert!(Latencies::default().percentile_ms(50).is_nan());
    }
}
