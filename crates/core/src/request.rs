//! What the listener knows of a request besides its content; handlers find it in the request's extensions.

use std::net::IpAddr;

use uuid::Uuid;

use crate::UnixMillis;

/// One HTTP request.
#[derive(Clone, Copy, Debug)]
pub struct RequestInfo {
    /// Names the request in every log line and in the response's `x-request-id`.
    pub id: Uuid,
    /// When it came in, stamped before the first fact was read: what begins in it began at this moment.
    pub received: UnixMillis,
    /// The peer's address, or the client's as a trusted proxy tells it.
    pub address: Option<IpAddr>,
}
