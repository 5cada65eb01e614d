//! The moment and the id of a request.

use std::{net::IpAddr, sync::Arc};

use symbolon_core::{Clock, RequestInfo, Rng, ids::uuid_v7};

/// Stamps requests as they come in.
#[derive(Clone)]
pub struct Stamp {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

impl Stamp {
    /// What is known of a request before anything of it is looked at.
    pub(super) fn request(&self, address: IpAddr) -> RequestInfo {
        let received = self.clock.now();
        RequestInfo {
            id: uuid_v7(received, &*self.rng),
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
