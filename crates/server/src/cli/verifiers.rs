//! `verifiers`: who follows the revocation log, and how far they are.

use clap::Subcommand;
use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_core::evidence::ListedVerifier;
use symbolon_core::keys::SigningKeyRecord;
use symbolon_core::revocation::Head;

use super::context::LogContext;
use super::error::CliError;
use super::output::{Output, list, millis, rfc3339, table};

/// `verifiers`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum VerifiersCommand {
    /// List the verifiers that have reported within a day, the last seen first.
    ///
    /// A verifier is live if it reported within the last 30 seconds: `symbolon revoke` waits for those. BEHIND is how many
    /// entries of the log it has not applied, AGE how old what it goes by was when it was last seen, and UNKNOWN KEYS are
    /// those of the issuer's published keys that it has not read yet. It is what verifiers say of themselves.
    List,
}

/// Runs a command on verifiers.
///
/// # Errors
/// [`CliError`].
pub async fn run(
    context: &LogContext<'_>,
    out: &mut Output<'_>,
    command: VerifiersCommand,
) -> Result<(), CliError> {
    let VerifiersCommand::List = command;
    let seen_from = Seen {
        // Asked first: whoever reports meanwhile is not behind by what came afterwards.
        verifiers: context.reports.verifiers().await?,
        head: context.log.head().await?,
        keys: context.keys.keys.signing_keys().await?,
        now: context.store.clock.now(),
    };
    let views: Vec<_> = seen_from
        .verifiers
        .iter()
        .map(|one| seen_from.view(one))
        .collect();
    let rows: Vec<_> = seen_from.verifiers.iter().map(|one| seen_from.row(one)).collect();
    let headers = [
        "CLIENT",
        "NAME",
        "STATE",
        "SEEN",
        "SEQ",
        "BEHIND",
        "AGE",
        "UNKNOWN KEYS",
    ];
    let object = json!({ "verifiers": views, "log": seen_from.head.log, "seq": seen_from.head.seq });
    out.result(&object, &table(headers, &rows))
}

/// What verifiers are compared with.
struct Seen {
    verifiers: Vec<ListedVerifier>,
    head: Head,
    keys: Vec<SigningKeyRecord>,
    now: UnixMillis,
}

impl Seen {
    /// How many entries it has not applied; `None` where it follows another log.
    fn behind(&self, one: &ListedVerifier) -> Option<u64> {
        let is_same = one.verifier.log == self.head.log;
        is_same.then(|| self.head.seq.saturating_sub(one.verifier.seq))
    }

    fn unknown_keys(&self, one: &ListedVerifier) -> Vec<&str> {
        let unknown = self.keys.iter().map(|key| &key.kid);
        let unknown = unknown.filter(|kid| !one.verifier.kids.contains(*kid));
        unknown.map(|kid| kid.as_str()).collect()
    }

    fn row(&self, one: &ListedVerifier) -> [String; 8] {
        let verifier = &one.verifier;
        [
            one.client_id.to_string(),
            verifier.name.to_string(),
            state(verifier.is_live(self.now)).to_owned(),
            format!("{} ago", millis(self.now.since(verifier.last_seen))),
            verifier.seq.to_string(),
            self.behind(one)
                .map_or_else(|| "another log".to_owned(), |behind| behind.to_string()),
            millis(age(one)),
            list(self.unknown_keys(one)),
        ]
    }

    fn view(&self, one: &ListedVerifier) -> Value {
        let verifier = &one.verifier;
        json!({
            "client_id": one.client_id,
            "name": verifier.name.as_str(),
            "live": verifier.is_live(self.now),
            "first_seen": rfc3339(verifier.first_seen),
            "first_seen_ms": verifier.first_seen.0,
            "last_seen": rfc3339(verifier.last_seen),
            "last_seen_ms": verifier.last_seen.0,
            "log": verifier.log,
            "seq": verifier.seq,
            "behind": self.behind(one),
            "as_of": rfc3339(verifier.as_of),
            "as_of_ms": verifier.as_of.0,
            "age_ms": age(one),
            "unknown_keys": self.unknown_keys(one),
        })
    }
}

/// How old what it goes by was when it was last seen, in milliseconds.
fn age(one: &ListedVerifier) -> u64 {
    one.verifier.last_seen.since(one.verifier.as_of)
}

pub(super) fn state(live: bool) -> &'static str {
    if live { "live" } else { "silent" }
}
