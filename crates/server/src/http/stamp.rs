//! The moment and the id of a request.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use symbolon_core::{Clock, RequestInfo, Rng};
use uuid::Builder;

/// Stamps requests as they come in. Request ids name log lines and open nothing: they hold the moment, a number that
/// the process drew once, and a count, so that a request costs no randomness.
#[derive(Clone)]
pub struct Stamp {
    clock: Arc<dyn Clock>,
    process: u32,
    count: Arc<AtomicU64>,
}

impl Stamp {
    /// Stamps of one process.
    pub fn new(clock: Arc<dyn Clock>, rng: &dyn Rng) -> Self {
        let mut process = [0; 4];
        rng.fill(&mut process);
        Self {
            clock,
            process: u32::from_be_bytes(process),
            count: Arc::default(),
        }
    }

    /// What is known of a request before anything of it is looked at.
    pub(super) fn request(&self, address: IpAddr) -> RequestInfo {
        let received = self.clock.now();
        let mut tail = [0; 10];
        tail[..4].copy_from_slice(&self.process.to_be_bytes());
        tail[4..].copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes()[2..]);
        RequestInfo {
            id: Builder::from_unix_timestamp_millis(received.0, &tail).into_uuid(),
            received,
            address: Some(address),
        }
    }
}

impl std::fmt::Debug for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stamp").finish_non_exhaustive()
    }
}
