use symbolon_core::audit::Act;
use symbolon_core::facts::Revocations;
use symbolon_core::ports::{SessionStore, StoreResult};
use symbolon_core::revocation::{NewRevocation, Reach};

/// Reason in the log for sessions that a reused refresh token killed.
const REASON: &str = "refresh token reused";
const BATCH: u32 = 100;

/// Puts sessions that were killed by a reuse on the revocation log. A kill is decided in the token store; this makes
/// sure that the log, and with it every verifier, learns of it even if the log could not be written at that moment.
/// Returns how many were logged.
///
/// # Errors
/// The store's; what is left is taken up by the next call.
pub async fn drain_killed(sessions: &dyn SessionStore, revocations: &dyn Revocations) -> StoreResult<u64> {
    let mut logged = 0;
    loop {
        let batch = sessions.killed(BATCH).await?;
        for killed in &batch {
            let entry = NewRevocation::session(killed.session, killed.ends).by(&Act::server(REASON));
            let entry = match killed.subject {
                Some(subject) => entry.of(subject),
                None => entry,
            };
            // It is killed in the store already; what was missing is the log.
            let (Reach::Everywhere | Reach::Logged) = revocations.revoke(entry).await?;
            sessions.killed_logged(killed).await?;
            logged += 1;
        }
        if batch.len() < BATCH as usize {
            return Ok(logged);
        }
    }
}
