//! Which reports are worth a write: news at once, the same again only now and then.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use symbolon_core::evidence::{MAX_OF_CLIENT, Report, VerifierName, surplus};
use symbolon_core::{ClientUid, UnixMillis};
use symbolon_jose::Kid;
use uuid::Uuid;

/// A verifier that says nothing new is written down as seen this often. Less than what it may be unseen for and still
/// count as live, by far.
const SAY_AGAIN: Duration = Duration::from_secs(15);

/// What this node remembers of the verifiers that report to it. It is bounded as the store is, by the same rule.
#[derive(Default)]
pub(super) struct Journal {
    verifiers: HashMap<(ClientUid, VerifierName), Heard>,
}

struct Heard {
    log: Uuid,
    seq: u64,
    kids: BTreeSet<Kid>,
    seen: UnixMillis,
    /// Monotonic time at which it was written last.
    written: Option<Duration>,
    /// What is to be written.
    pending: Option<Report>,
}

impl Journal {
    /// Takes a report at the monotonic time `now`. Returns whether there is something to write.
    pub(super) fn hear(&mut self, report: Report, now: Duration) -> bool {
        let key = (report.client, report.name.clone());
        let Some(heard) = self.verifiers.get_mut(&key) else {
            self.verifiers.insert(key, Heard::new(report));
            self.make_room();
            return true;
        };
        let is_news = (heard.log, heard.seq) != (report.log, report.seq) || heard.kids != report.kids;
        let is_due = heard
            .written
            .is_none_or(|written| now.saturating_sub(written) >= SAY_AGAIN);
        heard.seen = report.at;
        if !is_news && !is_due {
            return false;
        }
        if is_news {
            (heard.log, heard.seq) = (report.log, report.seq);
            heard.kids.clone_from(&report.kids);
        }
        heard.pending = Some(report);
        true
    }

    /// What is to be written, at the monotonic time `now`.
    pub(super) fn take(&mut self, now: Duration) -> Vec<Report> {
        let mut reports = Vec::new();
        for heard in self.verifiers.values_mut() {
            if let Some(report) = heard.pending.take() {
                heard.written = Some(now);
                reports.push(report);
            }
        }
        reports
    }

    /// What could not be written, unless there is something newer.
    pub(super) fn put_back(&mut self, reports: Vec<Report>) {
        for report in reports {
            let key = (report.client, report.name.clone());
            if let Some(heard) = self.verifiers.get_mut(&key) {
                heard.written = None;
                heard.pending.get_or_insert(report);
            }
        }
    }

    fn make_room(&mut self) {
        // Neither bound can be passed by fewer.
        if self.verifiers.len() <= MAX_OF_CLIENT {
            return;
        }
        let known = self
            .verifiers
            .iter()
            .map(|((client, name), heard)| (*client, name, heard.seen));
        for gone in surplus(known) {
            self.verifiers.remove(&gone);
        }
    }
}

impl Heard {
    fn new(report: Report) -> Self {
        Self {
            log: report.log,
            seq: report.seq,
            kids: report.kids.clone(),
            seen: report.at,
            written: None,
            pending: Some(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(client: u128, name: &str, seq: u64, at: u64) -> Report {
        Report {
            client: ClientUid(Uuid::from_u128(client)),
            name: name.parse().unwrap(),
            log: Uuid::from_u128(1),
            seq,
            as_of: UnixMillis(at),
            kids: BTreeSet::new(),
            at: UnixMillis(at),
        }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn news_are_written_at_once_and_the_rest_every_quarter_of_a_minute() {
        let mut journal = Journal::default();
        // Every 5 seconds for a minute, with news at second 20.
        let mut written = Vec::new();
        for at in (0..=60).step_by(5) {
            let seq = if at < 20 { 1 } else { 2 };
            let told = journal.hear(report(1, "v", seq, at), secs(at));
            let taken = journal.take(secs(at));
            assert_eq!(told, !taken.is_empty());
            written.extend(taken.iter().map(|report| (report.at.0, report.seq)));
        }
        assert_eq!(written, [(0, 1), (15, 1), (20, 2), (35, 2), (50, 2)]);
    }

    #[test]
    fn other_keys_and_another_log_are_news() {
        let mut journal = Journal::default();
        journal.hear(report(1, "v", 1, 0), secs(0));
        journal.take(secs(0));
        let mut more = report(1, "v", 1, 1);
        more.kids.insert(Kid::parse("k").unwrap());
        assert!(journal.hear(more.clone(), secs(1)));
        assert!(journal.hear(
            Report {
                log: Uuid::from_u128(2),
                ..more.clone()
            },
            secs(1)
        ));
        assert_eq!(journal.take(secs(1)).len(), 1, "one for each verifier");
        more.log = Uuid::from_u128(2);
        assert!(!journal.hear(more, secs(2)));
    }

    #[test]
    fn what_could_not_be_written_waits_unless_there_is_something_newer() {
        let mut journal = Journal::default();
        for name in ["a", "b"] {
            journal.hear(report(1, name, 1, 0), secs(0));
        }
        let failed = journal.take(secs(0));
        assert!(journal.hear(report(1, "a", 2, 1), secs(1)));
        journal.put_back(failed);
        let mut again: Vec<_> = journal
            .take(secs(1))
            .into_iter()
            .map(|report| (report.name.to_string(), report.seq))
            .collect();
        again.sort();
        assert_eq!(again, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert!(journal.take(secs(2)).is_empty());
    }

    #[test]
    fn names_without_number_take_no_room_from_other_clients() {
        let mut journal = Journal::default();
        journal.hear(report(1, "quiet", 1, 0), secs(0));
        for i in 0..5000 {
            journal.hear(report(2, &format!("v{i}"), 1, 1 + i), secs(0));
        }
        assert_eq!(journal.verifiers.len(), MAX_OF_CLIENT + 1);
        let taken = journal.take(secs(0));
        assert!(taken.iter().any(|report| report.name.as_str() == "quiet"));
        assert!(taken.iter().any(|report| report.name.as_str() == "v4999"));
    }
}
