//! How long it takes to revoke everything of one subject.

use std::time::Instant;

use anyhow::ensure;
use symbolon_core::Clock as _;
use symbolon_core::cluster::SessionRecords as _;
use symbolon_core::facts::Revocations as _;
use symbolon_core::revocation::{NewRevocation, Reach};
use symbolon_core::rotation::Rotation;
use symbolon_oauth_types::revocation::{Revocable, RevocationKind};

use super::crowd::{Crowd, Group};
use super::member::Member;

/// The revocations of one subject, by round.
pub(super) struct Revoked {
    /// How many sessions it had.
    pub(super) sessions: usize,
    /// By cutoff: what began until now.
    pub(super) cutoff_ms: Vec<f64>,
    /// By block: whatever began whenever.
    pub(super) block_ms: Vec<f64>,
    /// How far the cutoffs reached beyond their moment.
    pub(super) spread_ms: Vec<f64>,
}

/// Revokes everything of each group's subject, so many times by turns.
///
/// # Errors
/// If a revocation fails, is not promised, or does not reach each of the sessions.
pub(super) async fn measure(member: &Member, crowd: &Crowd, rounds: u32) -> anyhow::Result<Vec<Revoked>> {
    let mut measured: Vec<_> = crowd
        .groups
        .iter()
        .map(|group| Revoked {
            sessions: group.sessions.len(),
            cutoff_ms: Vec::new(),
            block_ms: Vec::new(),
            spread_ms: Vec::new(),
        })
        .collect();
    for group in &crowd.groups {
        ensure!(
            revoked(member, group) == 0,
            "sessions are revoked before they are"
        );
    }
    for round in 0..rounds as usize {
        for turn in 0..measured.len() {
            let which = (round + turn) % measured.len();
            let (group, row) = (&crowd.groups[which], &mut measured[which]);
            let behind = member.head();
            row.spread_ms.push(member.clock().spread().as_secs_f64() * 1000.0);
            let start = Instant::now();
            let cutoff = NewRevocation::subject(group.subject, member.clock().cutoff());
            revoke(member, cutoff).await?;
            row.cutoff_ms.push(milliseconds(start));
            ensure!(
                revoked(member, group) == group.sessions.len(),
                "some sessions are not revoked"
            );
            refuses_who_is_behind(member, crowd, group, behind).await?;

            let start = Instant::now();
            revoke(member, NewRevocation::subject_blocked(group.subject)).await?;
            row.block_ms.push(milliseconds(start));
        }
    }
    Ok(measured)
}

async fn revoke(member: &Member, revocation: NewRevocation) -> anyhow::Result<()> {
    let reach = member.log().revoke(revocation).await?;
    ensure!(
        reach == Reach::Everywhere,
        "a revocation is not promised: {reach:?}"
    );
    Ok(())
}

/// How many sessions of a group are revoked, by the one decision that every path asks.
fn revoked(member: &Member, group: &Group) -> usize {
    let applied = member.log().applied();
    let is_revoked = |session: &&symbolon_core::SessionId| {
        let token = Revocable {
            started: session.moment(),
            subject: group.subject.0,
            client_id: "bench",
            session: Some(session.0),
            token: None,
            kid: None,
        };
        applied.cutoffs.revokes(&token) == Some(RevocationKind::Subject)
    };
    group.sessions.iter().filter(is_revoked).count()
}

/// A node that has not read of the revocation may not rotate a session of the subject.
async fn refuses_who_is_behind(
    member: &Member,
    crowd: &Crowd,
    group: &Group,
    behind: symbolon_core::revocation::Head,
) -> anyhow::Result<()> {
    let request = crowd.rotation(group.subject, group.sessions[0], 0, behind);
    let outcome = member.records.peek(&request).await?;
    ensure!(
        outcome == Rotation::CatchUp,
        "a node that is behind is not stopped: {outcome:?}"
    );
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
