//! Waiting until verifiers have applied an entry.

use std::collections::BTreeMap;
use std::time::Duration;

use symbolon_admin_api::{AppliedBy, ShownRevocation};

use super::super::context::ApiContext;
use super::super::error::{CliError, ErrorKind};
use super::super::output::millis;
use super::Done;

/// How often is looked in one's own process, and how often at a server.
const LOOK: Duration = Duration::from_millis(100);

/// What came of waiting.
pub(super) struct Waited {
    /// Those that were live meanwhile.
    pub(super) verifiers: Vec<AppliedBy>,
    /// How many others have reported within a day.
    pub(super) silent: usize,
    patience: Duration,
}

impl Waited {
    pub(super) fn is_confirmed(&self) -> bool {
        self.missing() == 0
    }

    fn missing(&self) -> usize {
        self.verifiers.iter().filter(|one| !has_applied(one)).count()
    }

    /// Fails where somebody has not confirmed the entry.
    pub(super) fn outcome(&self, done: &Done) -> Result<(), CliError> {
        if self.is_confirmed() {
            return Ok(());
        }
        let (missing, all) = (self.missing(), self.verifiers.len());
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        Err(CliError::new(
            ErrorKind::Unconfirmed,
            format_args!(
                "it is revoked, but {missing} of {all} live verifiers did not report within {} that they applied it",
                millis(patience)
            ),
            format!(
                "until they do they may accept what is revoked, for as long as they go on without the feed: see \
                 `symbolon revocations show {}`",
                done.seq
            ),
        ))
    }
}

fn has_applied(one: &AppliedBy) -> bool {
    one.applied != "not_yet"
}

/// Returns as soon as every verifier that is live has reported that it has applied the entry, or when time is up.
pub(super) async fn for_verifiers(
    context: &ApiContext<'_>,
    done: &Done,
    patience: Duration,
) -> Result<Waited, CliError> {
    let began = context.clock.monotonic();
    let mut awaited: BTreeMap<(String, String), AppliedBy> = BTreeMap::new();
    loop {
        let mut silent = 0;
        let mut is_late = false;
        for one in listed(context, done).await? {
            let key = (one.client_id.clone(), one.name.clone());
            if one.live || awaited.contains_key(&key) {
                is_late |= one.live && !has_applied(&one);
                awaited.insert(key, one);
            } else {
                silent += 1;
            }
        }
        let left = patience.saturating_sub(context.clock.monotonic().saturating_sub(began));
        if left.is_zero() || !is_late {
            return Ok(Waited {
                verifiers: awaited.into_values().collect(),
                silent,
                patience,
            });
        }
        (context.pause)(LOOK.min(left)).await;
    }
}

async fn listed(context: &ApiContext<'_>, done: &Done) -> Result<Vec<AppliedBy>, CliError> {
    let seq = done.seq.to_string();
    let shown: Result<ShownRevocation, _> = context.api.read(&["revocations", &seq]).await;
    shown.map(|shown| shown.verifiers).map_err(|error| {
        CliError::failed(
            format_args!(
                "it is revoked, as entry {seq} of the log, but what verifiers report can't be read: {error}"
            ),
            format!("see `symbolon revocations show {seq}` later"),
        )
    })
}
