//! Very many sessions: of subjects with many, and of very many subjects with one each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{bail, ensure};
use symbolon_core::cluster::{Fenced, SessionRecords as _};
use symbolon_core::ports::NewSession;
use symbolon_core::revocation::Head;
use symbolon_core::rotation::{Rotation, RotationRequest, RotationRules};
use symbolon_core::{ClientUid, Clock as _, SessionId, Subject, SystemClock, SystemRng, UnixMillis};
use tokio::task::JoinSet;

use super::member::Member;

/// How many sessions subjects have, in the order of the table.
const GROUPS: [usize; 3] = [1, 100, 10_000];
/// How many sessions are begun at the same time.
const WORKERS: usize = 256;
/// Refreshes of a session when it is to be seen whether it grows.
const REFRESHES: u32 = 3;
const SCOPE: &str = "orders:read orders:write";
const NINETY_DAYS_MS: u64 = 90 * 24 * 3600 * 1000;

pub(super) struct Crowd {
    pub(super) groups: Vec<Group>,
    now: UnixMillis,
    ends: UnixMillis,
    client: ClientUid,
    begun: AtomicU32,
}

/// The sessions of one subject.
pub(super) struct Group {
    pub(super) subject: Subject,
    pub(super) sessions: Vec<SessionId>,
}

impl Crowd {
    /// Nobody has begun yet.
    pub(super) fn new() -> Self {
        let now = SystemClock::new().now();
        let group = |size| Group {
            subject: Subject::new(now, &SystemRng),
            sessions: (0..size).map(|_| SessionId::new(now, &SystemRng)).collect(),
        };
        Self {
            groups: GROUPS.into_iter().map(group).collect(),
            now,
            ends: now.plus(NINETY_DAYS_MS),
            client: ClientUid::new(now, &SystemRng),
            begun: AtomicU32::new(0),
        }
    }

    /// Statements that list so many sessions, those of the groups among them.
    pub(super) fn listing(&self, sessions: u32) -> String {
        let Self {
            now, ends, client, ..
        } = self;
        let mut rest = sessions as usize;
        let mut statements = String::new();
        let insert = |subject: &str, rows: usize| {
            format!(
                "INSERT INTO sessions (sid, subject, client_uid, scope, started_ms, ends_ms, address, user_agent) \
                 SELECT gen_random_uuid(), {subject}, '{client}'::uuid, '{SCOPE}', {}, {}, '192.0.2.1', \
                 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0' \
                 FROM generate_series(1, {rows}); ",
                now.0, ends.0
            )
        };
        for group in &self.groups {
            rest = rest.saturating_sub(group.sessions.len());
            statements += &insert(&format!("'{}'::uuid", group.subject), group.sessions.len());
        }
        statements += &insert("gen_random_uuid()", rest);
        statements + "ANALYZE sessions"
    }

    /// Begins sessions, as logins do, until there are so many. Returns how many a second.
    ///
    /// # Errors
    /// If one can't be begun.
    pub(super) async fn grow_to(
        self: &Arc<Self>,
        member: &Arc<Member>,
        sessions: u32,
    ) -> anyhow::Result<f64> {
        let (start, before) = (Instant::now(), self.begun.load(Ordering::Relaxed));
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            workers.spawn(Arc::clone(self).begin(Arc::clone(member), sessions));
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        self.begun.store(sessions, Ordering::Relaxed);
        Ok(f64::from(sessions - before) / start.elapsed().as_secs_f64())
    }

    async fn begin(self: Arc<Self>, member: Arc<Member>, until: u32) -> anyhow::Result<()> {
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            if number >= until {
                return Ok(());
            }
            let (subject, session) = self.nth(number as usize);
            let session = NewSession {
                session,
                subject,
                client: self.client,
                scope: SCOPE.to_owned(),
                ends: self.ends,
                issued: self.now,
                address: None,
                user_agent: None,
                refreshable: true,
            };
            let outcome = member.records.begin(&session, member.head()).await?;
            ensure!(
                outcome == Fenced::Done(()),
                "a session could not begin: {outcome:?}"
            );
        }
    }

    /// Whose session is begun at this place, and which: the groups come first.
    fn nth(&self, mut number: usize) -> (Subject, SessionId) {
        for group in &self.groups {
            match group.sessions.get(number) {
                Some(session) => return (group.subject, *session),
                None => number -= group.sessions.len(),
            }
        }
        (
            Subject::new(self.now, &SystemRng),
            SessionId::new(self.now, &SystemRng),
        )
    }

    /// Refreshes each session of the last group a few times. Returns how many sessions these are.
    ///
    /// # Errors
    /// If one does not rotate.
    pub(super) async fn refresh(&self, member: &Member) -> anyhow::Result<u32> {
        let Some(group) = self.groups.last() else {
            bail!("no group");
        };
        for presented in 0..REFRESHES {
            for session in &group.sessions {
                let request = self.rotation(group.subject, *session, presented, member.head());
                let outcome = member.records.rotate(&request).await?;
                ensure!(
                    matches!(outcome, Rotation::Rotated { generation, adopted: false, .. } if generation == presented + 1),
                    "a session did not rotate: {outcome:?}"
                );
            }
        }
        Ok(u32::try_from(group.sessions.len())?)
    }

    /// The use of a refresh token at a node that has read the log so far.
    pub(super) fn rotation(
        &self,
        subject: Subject,
        session: SessionId,
        presented: u32,
        applied: Head,
    ) -> RotationRequest {
        RotationRequest {
            session,
            subject,
            presented,
            ends: self.ends,
            applied,
            now: self.now,
            rules: RotationRules {
                rotate: true,
                overlap_ms: 30_000,
                late_per_day: Some(1),
                adopt: true,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_come_first_and_the_list_has_as_many_rows() {
        let crowd = Crowd::new();
        let [one, hundred, many] = &crowd.groups[..] else {
            panic!("three groups");
        };
        assert_eq!(crowd.nth(0), (one.subject, one.sessions[0]));
        assert_eq!(crowd.nth(1), (hundred.subject, hundred.sessions[0]));
        assert_eq!(crowd.nth(10_100), (many.subject, many.sessions[9_999]));
        assert_ne!(crowd.nth(10_101).0, crowd.nth(10_102).0);
        let listing = crowd.listing(20_101);
        for rows in ["(1, 1)", "(1, 100)", "(1, 10000)"] {
            assert!(listing.contains(&format!("generate_series{rows}")), "{listing}");
        }
    }
}
