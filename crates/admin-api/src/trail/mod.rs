//! What watches over the audit trail: keeps the events of the endpoints, signs checkpoints, verifies, and says when
//! revocations have arrived.

mod checkpoint;
mod checkpointer;
mod confirm;
mod counts;
mod export;
mod journal;
mod stream;
mod verify;
mod walk;

pub use checkpoint::{
    CHECKPOINT_TYPE, CheckpointError, CheckpointKeyError, CheckpointKeys, Statement, TrailKeys,
    checkpoints_in,
};
pub use checkpointer::{Checkpointer, Unsigned};
pub use confirm::{ConfirmParts, Confirmations};
pub use export::{LineError, anchor_line, record_line};
pub use journal::Journal;
pub use stream::{Records, TrailStream};
pub use verify::{Report, Retention, VerifyError, verify, verify_export};
pub use walk::{Fault, Wrong};

#[cfg(test)]
pub(crate) mod tests;
