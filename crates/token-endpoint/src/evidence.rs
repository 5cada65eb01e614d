//! What verifiers report that they have applied (docs/revocation-feed.md, "Evidence"). A report is answered at once and
//! written down beside requests.

mod journal;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use symbolon_core::authorize::Refusal;
use symbolon_core::evidence::{MAX_KEYS, Report, VerifierName};
use symbolon_core::ports::{StoreResult, VerifierReports};
use symbolon_core::{Clock, UnixMillis};
use symbolon_jose::Kid;
use symbolon_oauth_types::{Form, RequestError};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::client_auth::AuthenticatedClient;
use crate::{Service, TokenError};
use journal::Journal;

/// Least rest between two transactions, however many verifiers report.
const PAUSE: Duration = Duration::from_millis(100);
/// The rest is at least so many times as long as the transaction took: whoever reports much must not keep the database from
/// logins.
const REST_SHARE: u32 = 4;
/// Longest `kid` that is taken, in bytes; the server's own have 43.
const MAX_KID_LEN: usize = 64;
/// Rest after one that failed.
const RETRY: Duration = Duration::from_secs(1);

/// The reports that this node has heard, on their way to the store.
pub struct Evidence {
    reports: Arc<dyn VerifierReports>,
    clock: Arc<dyn Clock>,
    journal: Mutex<Journal>,
    news: Notify,
}

impl Evidence {
    /// Reports for that store. They are written by [`Evidence::keep_writing`].
    pub fn new(reports: Arc<dyn VerifierReports>, clock: Arc<dyn Clock>) -> Self {
        Self {
            reports,
            clock,
            journal: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Takes a report. Waits for nothing.
    fn hear(&self, report: Report) {
        let now = self.clock.monotonic();
        if self.journal().hear(report, now) {
            self.news.notify_one();
        }
    }

    /// Writes what was heard and is worth it, in one transaction. Returns how many reports there were.
    ///
    /// # Errors
    /// The store's: they are written the next time.
    pub async fn write(&self) -> StoreResult<usize> {
        let reports = self.journal().take(self.clock.monotonic());
        let outcome = self.reports.record_reports(&reports).await;
        let count = reports.len();
        if outcome.is_err() {
            self.journal().put_back(reports);
        }
        outcome.map(|()| count)
    }

    /// Writes reports as they come in, for ever. Failures are logged when they begin and when they end.
    pub async fn keep_writing(&self) {
        let mut failing = false;
        loop {
            self.news.notified().await;
            let began = self.clock.monotonic();
            let outcome = self.write().await;
            let took = self.clock.monotonic().saturating_sub(began);
            let rest = match outcome {
                Ok(_) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("reports of verifiers can be written again");
                    }
                    PAUSE.max(took * REST_SHARE)
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "reports of verifiers can't be written: they wait");
                    }
                    self.news.notify_one();
                    RETRY
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evidence").finish_non_exhaustive()
    }
}

impl Service {
    /// Takes what a verifier says of itself. Only a client that has proved who it is may speak.
    pub(crate) fn report(
        &self,
        form: &Form<'_>,
        caller: &AuthenticatedClient,
        received: UnixMillis,
    ) -> Result<(), TokenError> {
        if !caller.is_proven() {
            return Err(TokenError::ClientAuthMethod);
        }
        // Whoever serves nothing verifies nothing, and would hold up those who wait until every verifier knows.
        if caller.client().policy.serves.is_empty() {
            return Err(TokenError::Refused(Refusal::GrantNotAllowed));
        }
        let said = Said::parse(form)?;
        self.parts.evidence.hear(Report {
            client: caller.client().uid,
            name: said.name,
            log: said.log,
            seq: said.seq,
            as_of: said.as_of,
            kids: said.kids,
            at: received,
        });
        Ok(())
    }
}

/// The parameters of a report.
#[derive(Debug, Eq, PartialEq)]
struct Said {
    name: VerifierName,
    log: Uuid,
    seq: u64,
    as_of: UnixMillis,
    kids: BTreeSet<Kid>,
}

impl Said {
    fn parse(form: &Form<'_>) -> Result<Self, TokenError> {
        let required = |name| form.value(name).ok_or(RequestError::Missing(name));
        let malformed = TokenError::ReportMalformed;
        Ok(Self {
            name: required("name")?.parse().map_err(|_| malformed("name"))?,
            log: log(required("log")?).ok_or(malformed("log"))?,
            seq: number(required("seq")?).ok_or(malformed("seq"))?,
            as_of: UnixMillis(number(required("as_of")?).ok_or(malformed("as_of"))?),
            kids: kids(form.value("kids").unwrap_or_default()).ok_or(malformed("kids"))?,
        })
    }
}

/// A UUID as the feed's documents spell it.
fn log(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

/// A decimal number of 63 bits, as stores count.
fn number(text: &str) -> Option<u64> {
    let number: i64 = text.parse().ok()?;
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then_some(u64::try_from(number).ok()?)
}

/// Key ids separated by one space each, none of them twice.
fn kids(text: &str) -> Option<BTreeSet<Kid>> {
    let mut kids = BTreeSet::new();
    // An empty list has no separator, and no key.
    for kid in text.split(' ').filter(|_| !text.is_empty()) {
        let is_short = kid.len() <= MAX_KID_LEN;
        if !is_short || kids.len() == MAX_KEYS || !kids.insert(Kid::parse(kid).ok()?) {
            return None;
        }
    }
    Some(kids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name=api-1&log=0199b1f0-7c00-7000-8000-000000000001&seq=42&as_of=1767225600000";

    fn parse(body: &str) -> Result<Said, TokenError> {
        Said::parse(&Form::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn reads_what_verifiers_say() {
        let said = parse(&format!("{GOOD}&kids=a+b-_9&client_id=api&more=x")).unwrap();
        assert_eq!((said.name.as_str(), said.seq), ("api-1", 42));
        assert_eq!(
            said.log,
            Uuid::from_u128(0x0199_b1f0_7c00_7000_8000_0000_0000_0001)
        );
        assert_eq!(said.as_of, UnixMillis(1_767_225_600_000));
        let kids: Vec<_> = said.kids.iter().map(Kid::as_str).collect();
        assert_eq!(kids, ["a", "b-_9"]);
        for none in [GOOD.to_owned(), format!("{GOOD}&kids=")] {
            assert!(parse(&none).unwrap().kids.is_empty());
        }
        let most: Vec<_> = (0..100).map(|i| format!("{i:0>64}")).collect();
        assert_eq!(
            parse(&format!("{GOOD}&kids={}", most.join("+")))
                .unwrap()
                .kids
                .len(),
            100
        );
        let last = GOOD.replace("seq=42", "seq=9223372036854775807");
        assert_eq!(parse(&last).unwrap().seq, i64::MAX as u64);
        assert_eq!(parse(&GOOD.replace("seq=42", "seq=0")).unwrap().seq, 0);
    }

    #[test]
    fn refuses_what_is_malformed_and_says_what() {
        let too_many = (0..101).map(|i| i.to_string()).collect::<Vec<_>>().join("+");
        let long = "x".repeat(101);
        for (from, to, what) in [
            ("name=api-1", "name=api%2F1", "name"),
            ("name=api-1", "name=api+1", "name"),
            ("name=api-1", &format!("name={long}"), "name"),
            ("log=0199b1f0-", "log=0199b1f0", "log"),
            ("log=0199b1f0-", "log=0199B1F0-", "log"),
            ("log=0199b1f0-", "log=%7B0199b1f0-", "log"),
            ("seq=42", "seq=-1", "seq"),
            ("seq=42", "seq=%2B1", "seq"),
            ("seq=42", "seq=042", "seq"),
            ("seq=42", "seq=4+2", "seq"),
            ("seq=42", "seq=4.2", "seq"),
            ("seq=42", "seq=9223372036854775808", "seq"),
            ("as_of=1767225600000", "as_of=1e12", "as_of"),
            ("as_of=1767225600000", "as_of=99999999999999999999", "as_of"),
            ("seq=42", "seq=42&kids=a++b", "kids"),
            ("seq=42", "seq=42&kids=a+", "kids"),
            ("seq=42", "seq=42&kids=a+a", "kids"),
            ("seq=42", "seq=42&kids=a/b", "kids"),
            ("seq=42", &format!("seq=42&kids={too_many}"), "kids"),
            ("seq=42", &format!("seq=42&kids={}", "k".repeat(65)), "kids"),
        ] {
            let body = GOOD.replace(from, to);
            let refused = parse(&body);
            assert!(
                matches!(refused, Err(TokenError::ReportMalformed(parameter)) if parameter == what),
                "{body}: {refused:?}"
            );
        }
        for name in ["name", "log", "seq", "as_of"] {
            let body = GOOD.replace(&format!("{name}="), &format!("{name}=&x="));
            assert!(
                matches!(parse(&body), Err(TokenError::Request(RequestError::Missing(missing))) if missing == name),
                "{body}"
            );
        }
    }
}
