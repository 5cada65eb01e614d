//! A verifier that judges tokens all the time, and what it decides held against what was revoked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use symbolon_tests::Via;
use symbolon_tests::binary::Forwarder;
use symbolon_verifier::{Clock, FeedStatus, SystemClock, UnixMillis, Verifier, WhenStale};

use super::court::Spec;
use super::figures::Tally;
use super::meddler::{Meddler, Meddling};
use super::revoker::Watched;
use crate::verifying::{self, Verdict};

/// Between two rounds through all tokens: a fifth of what clocks may be apart, and long enough to leave the processors to
/// the nodes.
const ROUND: Duration = Duration::from_millis(50);

/// What kind of verifier.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Kind {
    /// It follows by asking for the head.
    pub(super) polls: bool,
    /// It accepts tokens though the feed is stale.
    pub(super) lax: bool,
    /// And that is no wrong of it.
    pub(super) forgiven: bool,
    /// How many milliseconds its clock is ahead.
    pub(super) ahead_ms: i64,
}

/// Follows the stream.
pub(super) const STREAMS: Kind = Kind {
    polls: false,
    lax: false,
    forgiven: false,
    ahead_ms: 0,
};
/// Asks for the head.
pub(super) const POLLS: Kind = Kind {
    polls: true,
    ..STREAMS
};

/// A verifier, and its line to a node.
pub(super) struct Judge {
    pub(super) verifier: Verifier,
    pub(super) kind: Kind,
    pub(super) line: Forwarder,
    /// The node that it follows.
    pub(super) node: usize,
    pub(super) name: String,
    /// Which tokens it has refused as revoked.
    refused: Vec<AtomicBool>,
}

/// A machine whose clock is ahead, or behind.
struct Skewed {
    machine: SystemClock,
    ahead_ms: i64,
}

impl Clock for Skewed {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.machine.now().0.saturating_add_signed(self.ahead_ms))
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}

impl Judge {
    pub(super) async fn hire(
        kind: Kind,
        index: usize,
        court: (&str, SocketAddr, &Arc<Meddling>),
        spec: &Spec<'_>,
    ) -> Self {
        let (issuer, node, meddling) = court;
        let line = Forwarder::to(node).await;
        let clock = Skewed {
            machine: SystemClock::new(),
            ahead_ms: kind.ahead_ms,
        };
        let policy = if kind.lax {
            WhenStale::Accept
        } else {
            WhenStale::Refuse
        };
        let fetch = Meddler::between(Via::to(line.address()), meddling.clone());
        let builder = verifying::verifier(issuer, fetch);
        let builder = if kind.polls { builder.poll_only() } else { builder };
        let verifier = builder
            .clock(clock)
            .max_stale(spec.max_stale)
            .when_stale(policy)
            .build()
            .await
            .expect("a verifier");
        Self {
            verifier,
            kind,
            line,
            node: index % 2,
            name: format!("verifier {index} ({kind:?})"),
            refused: (0..spec.tokens).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    pub(super) async fn judges(&self, token: &Watched) -> Verdict {
        verifying::verdict(&self.verifier, &token.access).await
    }

    /// What it knows of the feed.
    pub(super) fn feed(&self) -> FeedStatus {
        self.verifier.feed().expect("a verifier that follows a feed")
    }
}

/// Judges all tokens again and again.
pub(super) async fn watch(
    judge: Arc<Judge>,
    tokens: Vec<Arc<Watched>>,
    tally: Arc<Tally>,
    allowed: Duration,
) {
    loop {
        for (index, token) in tokens.iter().enumerate() {
            // As it was before it was judged.
            let dead_for = token.dead_for();
            let had_refused = judge.refused[index].load(Ordering::Relaxed);
            tally.checked();
            match judge.judges(token).await {
                Verdict::Accepted => {
                    if had_refused && !token.may_come_back() {
                        tally.wrongly_accepted(format!("token {index} again by {}", judge.name));
                    }
                    if let Some(late) = dead_for.filter(|_| !judge.kind.forgiven && !token.may_come_back()) {
                        tally.late(late);
                        if late > allowed {
                            let age = judge.feed().age;
                            let what =
                                format!("token {index} by {} after {late:?}, feed of {age:?}", judge.name);
                            tally.wrongly_accepted(what);
                        }
                    }
                }
                Verdict::Revoked if token.is_asked() => {
                    judge.refused[index].store(true, Ordering::Relaxed);
                }
                Verdict::Revoked => tally.wrongly_refused(format!("token {index} by {}", judge.name)),
                Verdict::Unknown => tally.unknown(),
                Verdict::Refused if judge.kind.ahead_ms == 0 => {
                    tally.fault(format!(
                        "token {index} refused by {} for another reason",
                        judge.name
                    ));
                }
                Verdict::Refused => {}
            }
        }
        tokio::time::sleep(ROUND).await;
    }
}
