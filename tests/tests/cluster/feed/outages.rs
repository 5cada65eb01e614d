//! Lines and nodes fail, and clocks are wrong.

use std::time::Duration;

use symbolon_tests::binary::free_port;

use super::cluster;
use super::court::{Court, Spec};
use super::judge::{Kind, POLLS, STREAMS};

/// Longer than any run takes: nothing is ever refused for staleness.
const PATIENT: Duration = Duration::from_secs(600);
/// Short enough to wait for.
const IMPATIENT: Duration = Duration::from_secs(2);
/// How often streams are cut.
const CUTS: usize = 100;
/// Streams are cut after up to 27 times as long.
const MOMENT: Duration = Duration::from_millis(5);
/// Between two revocations.
const PAUSE: Duration = Duration::from_millis(60);

/// The streams are cut a hundred times at random, while sessions are revoked.
pub(super) async fn streams_cut() -> Vec<String> {
    let cluster = cluster().await;
    let spec = Spec {
        judges: &[STREAMS; 10],
        max_stale: PATIENT,
        tokens: 50,
    };
    let court = Court::open(&cluster, spec).await;
    let cut = async {
        let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
        for _ in 0..CUTS {
            let judge = &court.judges[draw.below(court.judges.len() as u64) as usize];
            judge.line.lead_to(court.address(judge.node));
            tokio::time::sleep(MOMENT * draw.below(28) as u32).await;
        }
    };
    tokio::join!(cut, court.revoke(40, PAUSE * 3));
    court.close_without_a_gap("streams cut 100 times").await
}

/// A node is killed, half of the verifiers are led to the other, as a load balancer would, and it comes back.
pub(super) async fn node_killed() -> Vec<String> {
    let mut cluster = cluster().await;
    let spec = Spec {
        judges: &[STREAMS, STREAMS, STREAMS, STREAMS, POLLS, POLLS],
        max_stale: PATIENT,
        tokens: 40,
    };
    let court = Court::open(&cluster, spec).await;
    court.revoke(10, PAUSE).await;
    let orphans = || court.judges.iter().filter(|judge| judge.node == 0);
    cluster.nodes[0].kill();
    orphans().for_each(|judge| judge.line.lead_to(court.address(1)));
    court.revoke(10, PAUSE).await;
    court.all_refuse().await;
    cluster.nodes[0].start().await;
    orphans().for_each(|judge| judge.line.lead_to(court.address(0)));
    court.revoke(10, PAUSE).await;
    court
        .close_without_a_gap("a node killed, and started again")
        .await
}

/// No verifier reaches its node: first nobody is told, then connections are refused.
pub(super) async fn unreachable() -> Vec<String> {
    let cluster = cluster().await;
    let lax = Kind {
        lax: true,
        forgiven: true,
        ..STREAMS
    };
    let spec = Spec {
        judges: &[STREAMS, STREAMS, STREAMS, POLLS, POLLS, POLLS, lax, lax],
        max_stale: IMPATIENT,
        tokens: 20,
    };
    let court = Court::open(&cluster, spec).await;
    for silent in [true, false] {
        let nowhere = free_port();
        for judge in &court.judges {
            if silent {
                judge.line.cut();
            } else {
                judge.line.lead_to(nowhere);
            }
        }
        court.revoke(3, PAUSE).await;
        court.all_are_stale().await;
        court.none_accepts_the_dead().await;
        court.revoke(3, PAUSE).await;
        for judge in &court.judges {
            judge.line.lead_to(court.address(judge.node));
        }
        court.recovers().await;
    }
    court
        .close("feed out of reach for longer than max_stale, twice")
        .await
}

/// Clocks that are off by less than verifiers put up with make no difference; one that is off by more accepts nothing.
pub(super) async fn clocks_apart() -> Vec<String> {
    let cluster = cluster().await;
    let ahead = |ahead_ms| Kind { ahead_ms, ..STREAMS };
    let spec = Spec {
        judges: &[
            ahead(5_000),
            ahead(-5_000),
            STREAMS,
            ahead(120_000),
            ahead(-120_000),
        ],
        max_stale: Duration::from_secs(60),
        tokens: 20,
    };
    let court = Court::open(&cluster, spec).await;
    court.revoke(10, PAUSE).await;
    court.all_refuse().await;
    for judge in court
        .judges
        .iter()
        .filter(|judge| judge.kind.ahead_ms.abs() > 10_000)
    {
        for token in &court.tokens {
            if judge.verifier.verify(&token.access).await.is_ok() {
                court
                    .tally
                    .wrongly_accepted(format!("{:?}, which can't know the time", judge.kind));
            }
        }
    }
    court.close("clocks of verifiers 5 s and 120 s off").await
}

/// That the watch is not blind: verifiers that accept tokens though the feed is stale are held to what is asked of the
/// others.
pub(super) async fn the_watch_sees_what_is_wrong() {
    let cluster = cluster().await;
    let lax = Kind { lax: true, ..STREAMS };
    let spec = Spec {
        judges: &[lax, Kind { polls: true, ..lax }],
        max_stale: Duration::from_secs(1),
        tokens: 6,
    };
    let court = Court::open(&cluster, spec).await;
    for judge in &court.judges {
        judge.line.cut();
    }
    court.revoke(3, PAUSE).await;
    court
        .until("what is wrongly accepted to be seen", async || {
            court.tally.wrongs() >= 6
        })
        .await;
    for judge in &court.judges {
        judge.line.lead_to(court.address(judge.node));
    }
    let faults = court
        .close("control: verifiers that accept while the feed is stale")
        .await;
    assert!(!faults.is_empty());
}

/// Numbers at random, the same in every run (xorshift).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
