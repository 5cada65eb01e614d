//! The revocation feed, as Symbolon's `docs/revocation-feed.md` specifies it, without any I/O.
//!
//! A [`crate::Verifier`] does all this by itself. What is here is for whoever gets the documents by other means, and
//! for tests: [`read`] verifies a document, [`State`] decides what it changes, and [`Events`] takes a stream apart.

mod document;
mod events;
mod outcome;
mod state;
mod track;

pub use document::{Document, DocumentError, FeedKeys, read};
pub(crate) use document::{form, read_verified};
pub use events::{Event, Events, TooLong};
pub use outcome::{Adopted, Need, Outcome, Resync};
pub use state::{Moment, Position, State};
pub use symbolon_oauth_types::feed::{Batch, FeedEntry, Head, Snapshot, Tip};
pub use symbolon_oauth_types::revocation::{Digest, Effect, Lookup};
pub use track::Candidate;
