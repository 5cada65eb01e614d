//! Waiting until verifiers have applied an entry.

use std::collections::BTreeMap;
use std::time::Duration;

use symbolon_core::ClientId;
use symbolon_core::evidence::{ByWhen, ListedVerifier, VerifierName};

use super::super::context::LogContext;
use super::super::error::{CliError, ErrorKind};
use super::super::output::millis;
use super::super::revocations::Applied;
use super::Made;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);

/// What came of waiting.
pub(super) struct Waited {
    /// Those that were live meanwhile.
    pub(super) verifiers: Vec<Applied>,
    /// How many others have reported within a day.
    pub(super) silent: usize,
    patience: Duration,
}

impl Waited {
    pub(super) fn is_confirmed(&self) -> bool {
        self.missing() == 0
    }

    fn missing(&self) -> usize {
        let missing = |applied: &&Applied| applied.by == ByWhen::NotYet;
        self.verifiers.iter().filter(missing).count()
    }

    /// Fails where somebody has not confirmed the entry.
    pub(super) fn outcome(&self, made: &Made) -> Result<(), CliError> {
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
                made.seq
            ),
        ))
    }
}

/// Returns as soon as every verifier that is live has reported that it has applied the entry, or when time is up.
pub(super) async fn for_verifiers(
    context: &LogContext<'_>,
    made: &Made,
    patience: Duration,
) -> Result<Waited, CliError> {
    let clock = context.store.clock;
    let began = clock.monotonic();
    let mut awaited: BTreeMap<(ClientId, VerifierName), ListedVerifier> = BTreeMap::new();
    loop {
        let (known, now) = (listed(context, made).await?, clock.now());
        let mut silent = 0;
        for one in known {
            let key = (one.client_id.clone(), one.verifier.name.clone());
            if one.verifier.is_live(now) || awaited.contains_key(&key) {
                awaited.insert(key, one);
            } else {
                silent += 1;
            }
        }
        let is_late = |one: &ListedVerifier| {
            one.verifier.is_live(now) && one.verifier.by_when(made.log, made.seq) == ByWhen::NotYet
        };
        let left = patience.saturating_sub(clock.monotonic().saturating_sub(began));
        if left.is_zero() || !awaited.values().any(is_late) {
            let applied = |one: ListedVerifier| Applied {
                by: one.verifier.by_when(made.log, made.seq),
                live: one.verifier.is_live(now),
                one,
            };
            return Ok(Waited {
                verifiers: awaited.into_values().map(applied).collect(),
                silent,
                patience,
            });
        }
        (context.pause)(LOOK.min(left)).await;
    }
}

async fn listed(context: &LogContext<'_>, made: &Made) -> Result<Vec<ListedVerifier>, CliError> {
    context.reports.verifiers().await.map_err(|error| {
        CliError::failed(
            format_args!(
                "it is revoked, as entry {} of the log, but what verifiers report can't be read: {error}",
                made.seq
            ),
            format!("see `symbolon revocations show {}` later", made.seq),
        )
    })
}
