//! What a run counts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of what is wrong, so much is told in words.
const EXAMPLES: usize = 10;

/// The head of the table whose rows [`Figures`] are.
pub(super) const HEADING: &str = "| Run | verifiers | checks | revoked tokens | wrongly accepted | wrongly refused | \
     refused with 503 | last accepted after the revocation was answered, ms | all well after the fault, ms | \
     resynchronised |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// What has been counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    checks: AtomicU64,
    unknown: AtomicU64,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    wrongly_accepted: u64,
    wrongly_refused: u64,
    faults: Vec<String>,
    latest: Duration,
    recovery: Duration,
}

impl Tally {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token was judged.
    pub(super) fn checked(&self) {
        self.checks.fetch_add(1, Ordering::Relaxed);
    }

    /// A token was refused since too little is known.
    pub(super) fn unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// A token was accepted so long after its revocation was answered.
    pub(super) fn late(&self, by: Duration) {
        let mut noted = self.noted();
        noted.latest = noted.latest.max(by);
    }

    /// After a fault was over it took so long until all was well.
    pub(super) fn recovered(&self, within: Duration) {
        let mut noted = self.noted();
        noted.recovery = noted.recovery.max(within);
    }

    /// A token was accepted that must not be.
    pub(super) fn wrongly_accepted(&self, what: String) {
        self.noted().wrongly_accepted += 1;
        self.fault(format!("wrongly accepted: {what}"));
    }

    /// A token was refused as revoked that nobody has revoked.
    pub(super) fn wrongly_refused(&self, what: String) {
        self.noted().wrongly_refused += 1;
        self.fault(format!("wrongly refused: {what}"));
    }

    /// Something that no run may come to.
    pub(super) fn fault(&self, what: String) {
        let mut noted = self.noted();
        if noted.faults.len() < EXAMPLES {
            noted.faults.push(what);
        }
    }

    /// How many tokens were accepted that must not be.
    pub(super) fn wrongs(&self) -> u64 {
        self.noted().wrongly_accepted
    }

    /// How many tokens were refused since too little was known.
    pub(super) fn unknowns(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}

/// What a run came to: a row of the table.
#[derive(Debug)]
pub(super) struct Figures<'a> {
    pub(super) name: &'a str,
    pub(super) tally: &'a Tally,
    pub(super) verifiers: usize,
    /// Tokens whose revocation was answered.
    pub(super) revoked: usize,
    /// How often verifiers read a snapshot again.
    pub(super) resyncs: u64,
}

impl Figures<'_> {
    /// What is wrong with it; empty where nothing is.
    pub(super) fn faults(&self) -> Vec<String> {
        let faults = &self.tally.noted().faults;
        faults
            .iter()
            .map(|fault| format!("{}: {fault}", self.name))
            .collect()
    }
}

impl fmt::Display for Figures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noted = self.tally.noted();
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.verifiers,
            self.tally.checks.load(Ordering::Relaxed),
            self.revoked,
            noted.wrongly_accepted,
            noted.wrongly_refused,
            self.tally.unknowns(),
            noted.latest.as_millis(),
            noted.recovery.as_millis(),
            self.resyncs,
        )
    }
}
