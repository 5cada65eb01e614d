//! From columns to domain values and back. What does not fit is corrupt; the text says what, and no value.

use std::str::FromStr;

use symbolon_core::UnixMillis;
use symbolon_core::keys::ScheduleTime;
use symbolon_core::ports::{StoreError, StoreResult};

/// The largest integer of SQL stands for [`UnixMillis::NEVER`], and for whatever else is past it.
pub(crate) fn to_ms(moment: UnixMillis) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

pub(crate) fn from_ms(ms: i64, what: &str) -> StoreResult<UnixMillis> {
    match u64::try_from(ms) {
        Ok(_) if ms == i64::MAX => Ok(UnixMillis::NEVER),
        Ok(ms) => Ok(UnixMillis(ms)),
        Err(_) => Err(corrupt(format_args!("{what} lies before 1970"))),
    }
}

/// Times past the largest integer of SQL, which no schedule lives to see, are kept as that.
pub(crate) fn to_schedule_ms(time: ScheduleTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

pub(crate) fn from_schedule_ms(ms: i64, what: &str) -> StoreResult<ScheduleTime> {
    number(ms, what).map(ScheduleTime)
}

pub(crate) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

/// The operation asks for more than the store takes.
pub(crate) fn refused(what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(what.to_string())
}

pub(crate) fn parse<T: FromStr>(text: &str, what: &str) -> StoreResult<T> {
    text.parse()
        .map_err(|_| corrupt(format_args!("{what} is not well-formed")))
}

/// An integer of SQL in the domain's type.
pub(crate) fn number<N, T: TryFrom<N>>(value: N, what: &str) -> StoreResult<T> {
    T::try_from(value).map_err(|_| corrupt(format_args!("{what} is out of range")))
}

/// Rows of which there may be `max`: ask for one more, and let this refuse it.
pub(crate) fn bounded<T>(rows: Vec<T>, max: u64, what: &str) -> StoreResult<Vec<T>> {
    if rows.len() as u64 > max {
        return Err(corrupt(format_args!("there are more than {max} {what}")));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_never_and_refuse_what_is_before_1970() {
        for moment in [UnixMillis(0), UnixMillis(1_700_000_000_000), UnixMillis::NEVER] {
            assert_eq!(from_ms(to_ms(moment), "x").unwrap(), moment);
        }
        assert_eq!(
            from_ms(-1, "the end").unwrap_err().to_string(),
            "the store holds something impossible: the end lies before 1970"
        );
    }

    #[test]
    fn one_row_too_many_is_refused() {
        assert!(bounded(vec![1, 2], 2, "rows").is_ok());
        assert!(bounded(vec![1, 2, 3], 2, "rows").is_err());
    }
}
