//! Moments as people and documents read them.

use std::time::{Duration, UNIX_EPOCH};

use crate::UnixMillis;

/// The moment as RFC 3339 text in UTC with milliseconds; `never` from the year 10000 on, which RFC 3339 has no form for.
pub fn rfc3339(at: UnixMillis) -> String {
    /// The first moment of the year 10000.
    const END: u64 = 253_402_300_800_000;
    if at.0 >= END {
        return "never".to_owned();
    }
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(at.0)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_utc_up_to_the_year_9999() {
        assert_eq!(rfc3339(UnixMillis(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!(
            rfc3339(UnixMillis(253_402_300_799_999)),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(rfc3339(UnixMillis(253_402_300_800_000)), "never");
        assert_eq!(rfc3339(UnixMillis::NEVER), "never");
    }
}
