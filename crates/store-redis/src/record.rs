//! The bytes of a record and of a fence. The scripts read and write the same.

use symbolon_core::UnixMillis;
use symbolon_core::cluster::Position;
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_core::revocation::{Head, UNKNOWN_TIP};
use symbolon_core::rotation::SessionRecord;
use uuid::Uuid;

/// Version, generation, rotated, start of the late recoveries, their number, killed, end; big-endian.
pub(crate) const RECORD_LEN: usize = 31;
/// The first byte of a record. Another version is refused, never guessed.
const VERSION: u8 = 1;
/// Log id and position; big-endian.
const FENCE_LEN: usize = 24;

/// The last millisecond that the scripts can tell from the next: their numbers are doubles. It is 285,000 years away;
/// [`UnixMillis::NEVER`] becomes it.
pub(crate) fn exact(millis: u64) -> u64 {
    millis.min((1 << 53) - 1)
}

/// The record as bytes.
pub(crate) fn pack(record: &SessionRecord) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_LEN);
    bytes.push(VERSION);
    bytes.extend(record.generation.to_be_bytes());
    bytes.extend(exact(record.rotated.0).to_be_bytes());
    bytes.extend(exact(record.late_since.0).to_be_bytes());
    bytes.extend([record.late, u8::from(record.killed)]);
    bytes.extend(exact(record.ends.0).to_be_bytes());
    bytes
}

/// Whether a record says that a reuse killed its session.
pub(crate) fn is_killed(bytes: &[u8]) -> StoreResult<bool> {
    match bytes {
        [VERSION, rest @ ..] if rest.len() == RECORD_LEN - 1 => Ok(bytes[22] != 0),
        _ => Err(corrupt("a session's record is malformed")),
    }
}

/// The fence as bytes.
pub(crate) fn pack_fence(position: Position) -> Vec<u8> {
    [&position.log.as_bytes()[..], &position.seq.to_be_bytes()].concat()
}

/// The fence from its bytes.
pub(crate) fn unpack_fence(bytes: &[u8]) -> StoreResult<Position> {
    let malformed = || corrupt("a fence is malformed");
    let fence: [u8; FENCE_LEN] = bytes.try_into().map_err(|_| malformed())?;
    let (log, seq) = fence.split_at(16);
    Ok(Position {
        log: Uuid::from_slice(log).map_err(|_| malformed())?,
        seq: u64::from_be_bytes(seq.try_into().map_err(|_| malformed())?),
    })
}

/// The head as bytes: log id, position, version of the facts; big-endian.
pub(crate) fn pack_head(head: Head) -> Vec<u8> {
    [&pack_fence(head.into())[..], &head.facts.to_be_bytes()].concat()
}

/// The head from its bytes.
pub(crate) fn unpack_head(bytes: &[u8]) -> StoreResult<Head> {
    let malformed = || corrupt("the head is malformed");
    let (fence, facts) = bytes.split_at_checked(FENCE_LEN).ok_or_else(malformed)?;
    let Position { log, seq } = unpack_fence(fence).map_err(|_| malformed())?;
    let facts = u64::from_be_bytes(facts.try_into().map_err(|_| malformed())?);
    Ok(Head {
        log,
        seq,
        facts,
        tip: UNKNOWN_TIP,
    })
}

/// The entry of the outbox: whose session it is, and its end.
pub(crate) fn unpack_killed(bytes: &[u8]) -> StoreResult<(Uuid, UnixMillis)> {
    let malformed = || corrupt("an entry of the outbox is malformed");
    let entry: [u8; FENCE_LEN] = bytes.try_into().map_err(|_| malformed())?;
    let (subject, ends) = entry.split_at(16);
    Ok((
        Uuid::from_slice(subject).map_err(|_| malformed())?,
        UnixMillis(u64::from_be_bytes(ends.try_into().map_err(|_| malformed())?)),
    ))
}

/// It holds something that can't be.
pub(crate) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("Redis: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_size_and_says_whether_it_is_killed() {
        for killed in [false, true] {
            let record = SessionRecord {
                generation: u32::MAX,
                rotated: UnixMillis(1),
                late_since: UnixMillis(2),
                late: u8::MAX,
                killed,
                ends: UnixMillis((1 << 53) - 1),
            };
            let mut bytes = pack(&record);
            assert_eq!(bytes.len(), RECORD_LEN);
            assert_eq!(is_killed(&bytes).unwrap(), killed);
            bytes[0] = 2;
            assert!(is_killed(&bytes).is_err());
            assert!(is_killed(&bytes[1..]).is_err());
        }
    }

    #[test]
    fn a_fence_survives_its_bytes() {
        let position = Position {
            log: Uuid::from_u128(7),
            seq: 1 << 40,
        };
        let bytes = pack_fence(position);
        assert_eq!(unpack_fence(&bytes).unwrap(), position);
        assert!(unpack_fence(&bytes[1..]).is_err());
        let head = Head {
            log: position.log,
            seq: position.seq,
            facts: 3,
            tip: [0; 16],
        };
        let bytes = pack_head(head);
        assert_eq!(unpack_head(&bytes).unwrap(), head);
        assert!(unpack_head(&bytes[1..]).is_err());
        assert!(unpack_head(&bytes[..16]).is_err());
    }
}
