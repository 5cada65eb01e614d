//! What one connection does during a round.

use std::sync::Arc;
use std::time::Instant;

use super::target::Target;
use crate::connection::Connection;
use crate::statistics::microseconds;
use crate::symbolon::{Session, TokenRequests};

/// Latencies in microseconds, and the session with the refresh token it has come to.
pub(super) type Outcome = anyhow::Result<(Vec<u32>, Option<Session>)>;

/// Sends the same request again and again.
pub(super) async fn repeat(
    mut connection: Connection,
    request: Arc<[u8]>,
    target: Target,
    until: Instant,
) -> Outcome {
    let mut latencies = Vec::new();
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok((latencies, None));
        }
        let response = connection.exchange(&request).await?;
        latencies.push(microseconds(start.elapsed()));
        target.check(response)?;
    }
}

/// Refreshes one session again and again, each time with the token it got last.
pub(super) async fn refresh(
    mut connection: Connection,
    requests: TokenRequests,
    mut session: Session,
    until: Instant,
) -> Outcome {
    let mut latencies = Vec::new();
    loop {
        let request = requests.refresh(&session.refresh_token);
        let start = Instant::now();
        if start >= until {
            return Ok((latencies, Some(session)));
        }
        let body = connection.exchange(&request).await?.ok()?;
        latencies.push(microseconds(start.elapsed()));
        session.advance(body)?;
    }
}
