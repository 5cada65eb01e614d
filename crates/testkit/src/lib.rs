//! Fakes, a fake clock and the store contract suite; for tests only.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "this crate is a part of tests, where a broken assumption must fail loudly"
)]

mod client_mother;
mod clock;
pub mod contract;
mod fixture;
mod memory_log;
mod rng;
pub mod servers;
mod user_mother;

pub use client_mother::{ClientMother, confidential_client, public_client, resource_server};
pub use clock::FakeClock;
pub use fixture::Fixture;
pub use memory_log::{HeadAnswer, MemoryLog, Written};
pub use rng::SeqRng;
pub use user_mother::{UserMother, password_hash, user};

use symbolon_core::{ClientUid, SessionId, Subject, UnixMillis};

/// Ids that are distinct within the process, whatever runs beside.
static IDS: SeqRng = SeqRng::starting_at(0x5eed);

/// A fresh subject, of the moment at which fake clocks start.
pub fn fresh_subject() -> Subject {
    Subject::new(FakeClock::START, &IDS)
}

/// A fresh client uid, of the moment at which fake clocks start.
pub fn fresh_client_uid() -> ClientUid {
    ClientUid::new(FakeClock::START, &IDS)
}

/// A fresh session that begins at `at`.
pub fn fresh_session(at: UnixMillis) -> SessionId {
    SessionId::new(at, &IDS)
}
