//! The decision at the heart of a refresh: what a presented generation means, given the session's record. Pure, so
//! that every store makes the same decision; a store makes it and its write one atomic step.

use symbolon_oauth_types::UnixMillis;

use crate::revocation::Head;
use crate::{SessionId, Subject};

/// What changes about a session. Its size is constant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionRecord {
    /// The generation of the refresh token that is current; a login issues generation 0.
    pub generation: u32,
    /// When that generation was issued.
    pub rotated: UnixMillis,
    /// The first late recovery of the day in which they are counted; repeats within the overlap since then are free.
    pub late_since: UnixMillis,
    /// Late recoveries since then.
    pub late: u8,
    /// A reuse was seen: the session is dead.
    pub killed: bool,
    /// Absolute end of the session; the record may be swept after it.
    pub ends: UnixMillis,
}

impl SessionRecord {
    /// The record of a session that begins.
    pub fn begun(now: UnixMillis, ends: UnixMillis) -> Self {
        Self {
            generation: 0,
            rotated: now,
            late_since: UnixMillis(0),
            late: 0,
            killed: false,
            ends,
        }
    }
}

/// The rules that hold for this client's sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RotationRules {
    /// Whether a refresh gives a new refresh token.
    pub rotate: bool,
    /// For how long the predecessor gets the identical successor, in milliseconds: since the successor was issued, and
    /// since the first late recovery of a day.
    pub overlap_ms: u64,
    /// Late recoveries per session and day; `None` for no limit.
    pub late_per_day: Option<u8>,
    /// What to do when the store has lost writes: adopt the sealed token, or refuse it.
    pub adopt: bool,
}

/// One use of a refresh token.
#[derive(Clone, Copy, Debug)]
pub struct RotationRequest {
    /// The session.
    pub session: SessionId,
    /// Whose session it is; picks the bucket in stores that have buckets.
    pub subject: Subject,
    /// The generation that was presented, from the seal.
    pub presented: u32,
    /// Absolute end of the session, from the seal.
    pub ends: UnixMillis,
    /// How far the node had applied the log when it authorized the request.
    pub applied: Head,
    /// Now.
    pub now: UnixMillis,
    /// The rules.
    pub rules: RotationRules,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// The log may hold something about the session that the node has not applied: catch up, authorize again, try again.
    CatchUp,
    /// The session is past its absolute end.
    Expired,
    /// The token stays as it is: the client's tokens do not rotate.
    Kept,
    /// The store was emptied and can't tell what was revoked: nothing may be served until it is rebuilt.
    Lost,
    /// The predecessor again: the same successor, issued at the same time. Nothing advanced.
    Replayed {
        /// Generation of the successor.
        generation: u32,
        /// When the successor was first issued.
        issued: UnixMillis,
        /// Whether a late recovery was spent. Not where an answer to one is repeated.
        late: bool,
    },
    /// An older token, or one late recovery too many: theft. The session is dead from here on.
    Reused,
    /// The session was killed before.
    Revoked,
    /// The token was current: its successor is.
    Rotated {
        /// Generation of the successor.
        generation: u32,
        /// When the successor was issued.
        issued: UnixMillis,
        /// Whether the record was behind the token or gone, so that the store must have lost writes.
        adopted: bool,
    },
    /// The record is behind the token or gone, and adopting is switched off.
    Unknown,
}

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Decides, and says what the record becomes; `None` leaves it as it is. Comparing the heads is the store's part.
pub fn decide(
    record: Option<&SessionRecord>,
    request: &RotationRequest,
) -> (Rotation, Option<SessionRecord>) {
    let RotationRequest {
        presented,
        now,
        rules,
        ..
    } = *request;
    if now >= request.ends {
        return (Rotation::Expired, None);
    }
    let Some(record) = record else {
        return advance(SessionRecord::begun(now, request.ends), request, true);
    };
    if record.killed {
        return (Rotation::Revoked, None);
    }
    if presented > record.generation {
        return advance(*record, request, true);
    }
    if presented == record.generation {
        return if rules.rotate {
            advance(*record, request, false)
        } else {
            (Rotation::Kept, None)
        };
    }
    if presented + 1 == record.generation {
        let replay = |late| Rotation::Replayed {
            generation: record.generation,
            issued: record.rotated,
            late,
        };
        if is_repeat(record, request) {
            return (replay(false), None);
        }
        if let Some(spent) = spend_late_recovery(record, request) {
            return (replay(true), Some(spent));
        }
    }
    (
        Rotation::Reused,
        Some(SessionRecord {
            killed: true,
            ..*record
        }),
    )
}

fn advance(
    record: SessionRecord,
    request: &RotationRequest,
    adopted: bool,
) -> (Rotation, Option<SessionRecord>) {
    if adopted && !request.rules.adopt {
        return (Rotation::Unknown, None);
    }
    let Some(generation) = request.presented.checked_add(1) else {
        return (Rotation::Expired, None);
    };
    if adopted && !request.rules.rotate {
        return (
            Rotation::Kept,
            Some(SessionRecord {
                generation: request.presented,
                ..record
            }),
        );
    }
    // A clock that stepped back must not make the successor older than its predecessor.
    let issued = request.now.max(record.rotated);
    (
        Rotation::Rotated {
            generation,
            issued,
            adopted,
        },
        Some(SessionRecord {
            generation,
            rotated: issued,
            ..record
        }),
    )
}

/// Whether the predecessor asks again for what it has just been given: within the overlap since the successor was
/// issued, or since the first late recovery of the day, whose answer may have been lost as well. Neither moves with what
/// it grants. A generation that was issued after that recovery is the younger of the two, so that its overlap, which it
/// has anyway, outlasts the recovery's.
fn is_repeat(record: &SessionRecord, request: &RotationRequest) -> bool {
    let recent = |moment| request.now.since(moment) <= request.rules.overlap_ms;
    recent(record.rotated) || (record.late > 0 && recent(record.late_since))
}

/// Late recoveries are counted per session and day; the count starts anew with the first one after a day.
fn spend_late_recovery(record: &SessionRecord, request: &RotationRequest) -> Option<SessionRecord> {
    let same_day = record.late > 0 && request.now.since(record.late_since) < DAY_MS;
    let (late, late_since) = if same_day {
        (record.late, record.late_since)
    } else {
        (0, request.now)
    };
    if request.rules.late_per_day.is_some_and(|limit| late >= limit) {
        return None;
    }
    Some(SessionRecord {
        late: late.saturating_add(1),
        late_since,
        ..*record
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const RULES: RotationRules = RotationRules {
        rotate: true,
        overlap_ms: 30_000,
        late_per_day: Some(1),
        adopt: true,
    };
    const ENDS: UnixMillis = UnixMillis(10 * DAY_MS);

    fn request(presented: u32, now: u64) -> RotationRequest {
        RotationRequest {
            session: SessionId(Uuid::nil()),
            subject: Subject(Uuid::nil()),
            presented,
            ends: ENDS,
            applied: Head {
                log: Uuid::nil(),
                seq: 0,
                facts: 0,
                tip: [0; 16],
            },
            now: UnixMillis(now),
            rules: RULES,
        }
    }

    fn record(generation: u32, rotated: u64) -> SessionRecord {
        SessionRecord {
            generation,
            ..SessionRecord::begun(UnixMillis(rotated), ENDS)
        }
    }

    #[test]
    fn the_current_generation_rotates() {
        let (outcome, next) = decide(Some(&record(3, 100)), &request(3, 200));
        assert_eq!(
            outcome,
            Rotation::Rotated {
                generation: 4,
                issued: UnixMillis(200),
                adopted: false
            }
        );
        assert_eq!(next, Some(record(4, 200)));
    }

    #[test]
    fn a_replay_within_the_overlap_changes_nothing_and_never_extends_it() {
        let kept = record(4, 1_000);
        for now in [1_000, 31_000] {
            let (outcome, next) = decide(Some(&kept), &request(3, now));
            assert_eq!(
                outcome,
                Rotation::Replayed {
                    generation: 4,
                    issued: UnixMillis(1_000),
                    late: false
                }
            );
            assert_eq!(next, None);
        }
        let (outcome, _) = decide(Some(&kept), &request(3, 31_001));
        assert_eq!(
            outcome,
            Rotation::Replayed {
                generation: 4,
                issued: UnixMillis(1_000),
                late: true
            }
        );
    }

    #[test]
    fn one_late_recovery_a_day_then_the_session_dies() {
        let (_, spent) = decide(Some(&record(4, 1_000)), &request(3, 50_000));
        let spent = spent.unwrap();
        let (outcome, killed) = decide(Some(&spent), &request(3, 80_001));
        assert_eq!(outcome, Rotation::Reused);
        assert!(killed.unwrap().killed);
        let (outcome, _) = decide(Some(&spent), &request(3, 50_000 + DAY_MS));
        assert!(matches!(outcome, Rotation::Replayed { late: true, .. }));
        let mut unlimited = request(3, 80_001);
        unlimited.rules.late_per_day = None;
        assert!(matches!(
            decide(Some(&spent), &unlimited).0,
            Rotation::Replayed { late: true, .. }
        ));
    }

    #[test]
    fn a_late_recovery_is_repeatable_for_one_overlap_that_never_extends() {
        let (_, spent) = decide(Some(&record(4, 1_000)), &request(3, 50_000));
        let spent = spent.unwrap();
        let again = Rotation::Replayed {
            generation: 4,
            issued: UnixMillis(1_000),
            late: false,
        };
        for now in [49_000, 50_000, 80_000] {
            assert_eq!(decide(Some(&spent), &request(3, now)), (again, None));
        }
        assert_eq!(decide(Some(&spent), &request(3, 80_001)).0, Rotation::Reused);
        // The successor has been used: its predecessor is too old, whatever was recovered.
        let (_, used) = decide(Some(&spent), &request(4, 51_000));
        let used = used.unwrap();
        assert_eq!(decide(Some(&used), &request(3, 51_001)).0, Rotation::Reused);
        // The next generation has its own overlap and nothing beside it.
        assert!(matches!(
            decide(Some(&used), &request(4, 81_000)).0,
            Rotation::Replayed { late: false, .. }
        ));
        assert_eq!(decide(Some(&used), &request(4, 81_001)).0, Rotation::Reused);
    }

    #[test]
    fn only_the_first_recovery_of_a_day_opens_an_overlap() {
        let thrice = |presented, now| {
            let mut request = request(presented, now);
            request.rules.late_per_day = Some(3);
            request
        };
        let mut kept = record(4, 1_000);
        for (now, late, count) in [
            (50_000, true, 1),
            (80_000, false, 1),
            (80_001, true, 2),
            (80_002, true, 3),
        ] {
            let (outcome, next) = decide(Some(&kept), &thrice(3, now));
            let expected = Rotation::Replayed {
                generation: 4,
                issued: UnixMillis(1_000),
                late,
            };
            assert_eq!(outcome, expected, "{now}");
            kept = next.unwrap_or(kept);
            assert_eq!((kept.late, kept.late_since), (count, UnixMillis(50_000)));
        }
        assert_eq!(decide(Some(&kept), &thrice(3, 80_003)).0, Rotation::Reused);
        // The next day's first opens one again.
        let (_, next) = decide(Some(&kept), &thrice(3, 50_000 + DAY_MS));
        let (outcome, _) = decide(next.as_ref(), &thrice(3, 80_000 + DAY_MS));
        assert!(matches!(outcome, Rotation::Replayed { late: false, .. }));
    }

    #[test]
    fn a_grandparent_kills_even_inside_the_overlap() {
        let (outcome, killed) = decide(Some(&record(5, 1_000)), &request(3, 1_001));
        assert_eq!(outcome, Rotation::Reused);
        let killed = killed.unwrap();
        for presented in 0..8 {
            assert_eq!(
                decide(Some(&killed), &request(presented, 1_002)),
                (Rotation::Revoked, None)
            );
        }
    }

    #[test]
    fn lost_writes_are_adopted_or_refused() {
        for kept in [None, Some(record(2, 100))] {
            let (outcome, next) = decide(kept.as_ref(), &request(7, 200));
            assert_eq!(
                outcome,
                Rotation::Rotated {
                    generation: 8,
                    issued: UnixMillis(200),
                    adopted: true
                }
            );
            assert_eq!(next.unwrap().generation, 8);
            let mut refuse = request(7, 200);
            refuse.rules.adopt = false;
            assert_eq!(decide(kept.as_ref(), &refuse), (Rotation::Unknown, None));
        }
    }

    #[test]
    fn tokens_that_do_not_rotate_stay_but_their_ancestors_still_kill() {
        let mut keep = request(4, 200_000);
        keep.rules.rotate = false;
        assert_eq!(decide(Some(&record(4, 100)), &keep), (Rotation::Kept, None));
        keep.presented = 1;
        assert_eq!(decide(Some(&record(4, 100)), &keep).0, Rotation::Reused);
        keep.presented = 6;
        let (outcome, next) = decide(Some(&record(4, 100)), &keep);
        assert_eq!((outcome, next.unwrap().generation), (Rotation::Kept, 6));
    }

    #[test]
    fn ends_when_it_ends_and_survives_a_clock_that_steps_back() {
        assert_eq!(
            decide(Some(&record(1, 0)), &request(1, ENDS.0)),
            (Rotation::Expired, None)
        );
        let (outcome, _) = decide(Some(&record(1, 5_000)), &request(1, 4_000));
        assert_eq!(
            outcome,
            Rotation::Rotated {
                generation: 2,
                issued: UnixMillis(5_000),
                adopted: false
            }
        );
        assert!(matches!(
            decide(Some(&record(2, 5_000)), &request(1, 4_000)).0,
            Rotation::Replayed { late: false, .. }
        ));
    }
}
