//! Verifiers and tokens, and all that watches over what the ones make of the others.

use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use symbolon_tests::PASSWORD;
use symbolon_tests::binary::{Cluster, Remote};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::figures::{self, Figures, Tally};
use super::judge::{Judge, Kind, watch};
use super::meddler::Meddling;
use super::revoker::Watched;
use crate::stage::{Cast, Stage, USERS};
use crate::verifying::{self, Verdict};

/// What the clocks of this machine may be apart from that of the database.
const MARGIN: Duration = Duration::from_millis(250);
/// Who judges what.
#[derive(Clone, Copy)]
pub(super) struct Spec<'a> {
    /// One verifier for each; they follow the two nodes by turns.
    pub(super) judges: &'a [Kind],
    /// For how long they may go on without a newer head.
    pub(super) max_stale: Duration,
    /// Tokens, of a session each.
    pub(super) tokens: usize,
}

/// Verifiers, tokens, and all that watches over what the ones make of the others.
pub(super) struct Court {
    pub(super) judges: Vec<Arc<Judge>>,
    pub(super) tokens: Vec<Arc<Watched>>,
    pub(super) tally: Arc<Tally>,
    pub(super) meddling: Arc<Meddling>,
    pub(super) remotes: [Remote; 2],
    pub(super) cast: Cast,
    issuer: String,
    addresses: [SocketAddr; 2],
    max_stale: Duration,
    resyncs_before: u64,
    stop: CancellationToken,
    watchers: JoinSet<()>,
}

impl Court {
    /// Logs in, starts the verifiers, waits until they follow, and lets them judge.
    pub(super) async fn open(cluster: &Cluster, spec: Spec<'_>) -> Self {
        let remotes = cluster.nodes.each_ref().map(|node| node.remote());
        let addresses = cluster.nodes.each_ref().map(|node| node.server().address());
        let issuer = cluster.nodes[0].server().text("/issuer").to_owned();
        let meddling = Arc::new(Meddling::default());
        let mut court = Self {
            judges: Vec::new(),
            tokens: Vec::new(),
            tally: Arc::default(),
            meddling,
            remotes,
            cast: Stage::shared().await.cast.clone(),
            issuer,
            addresses,
            max_stale: spec.max_stale,
            resyncs_before: 0,
            stop: CancellationToken::new(),
            watchers: JoinSet::new(),
        };
        for index in 0..spec.tokens {
            let user = USERS[index % USERS.len()];
            let login = court.remotes[index % 2]
                .login(&court.cast.app, user, PASSWORD)
                .await;
            login.ok();
            let token = Watched::new(user, login.text("access_token"), login.text("refresh_token"));
            court.tokens.push(Arc::new(token));
        }
        for (index, kind) in spec.judges.iter().enumerate() {
            court.hire(*kind, index, &spec).await;
        }
        court.all_follow().await;
        court.resyncs_before = court.resyncs();
        for judge in &court.judges {
            let watch = watch(
                judge.clone(),
                court.tokens.clone(),
                court.tally.clone(),
                court.max_stale + MARGIN,
            );
            let stop = court.stop.clone();
            court.watchers.spawn(async move {
                stop.run_until_cancelled(watch).await;
            });
        }
        court
    }

    async fn hire(&mut self, kind: Kind, index: usize, spec: &Spec<'_>) {
        let judge = self.newcomer(kind, index, spec).await;
        self.judges.push(Arc::new(judge));
    }

    /// A verifier that begins now, and that nobody watches over.
    pub(super) async fn newcomer(&self, kind: Kind, index: usize, spec: &Spec<'_>) -> Judge {
        let court = (&*self.issuer, self.addresses[index % 2], &self.meddling);
        Judge::hire(kind, index, court, spec).await
    }

    /// Where the nodes are.
    pub(super) fn address(&self, node: usize) -> SocketAddr {
        self.addresses[node]
    }

    /// Waits until every verifier whose clock is good enough follows the feed as it should.
    pub(super) async fn all_follow(&self) {
        self.until("verifiers that follow the feed", async || {
            self.sound().all(|judge| verifying::follows(&judge.verifier))
        })
        .await;
    }

    /// Waits until every verifier has refused every token as revoked whose revocation was answered.
    pub(super) async fn all_refuse(&self) {
        self.until("revoked tokens to be refused everywhere", async || {
            self.each(Watched::is_dead, &[Verdict::Revoked]).await
        })
        .await;
    }

    /// Waits until every verifier accepts every token that nobody has revoked.
    pub(super) async fn all_accept(&self) {
        self.until("tokens that live to be accepted everywhere", async || {
            self.each(Watched::is_live, &[Verdict::Accepted]).await
        })
        .await;
    }

    /// Waits until both is so.
    pub(super) async fn settles(&self) {
        self.all_refuse().await;
        self.all_accept().await;
    }

    /// The same, now that a fault is over; notes how long it takes.
    pub(super) async fn recovers(&self) {
        let over = Instant::now();
        self.all_follow().await;
        self.settles().await;
        self.tally.recovered(over.elapsed());
    }

    /// Waits until no verifier accepts a token whose revocation was answered, for whatever reason.
    pub(super) async fn none_accepts_the_dead(&self) {
        self.until("revoked tokens to be accepted nowhere", async || {
            self.each(Watched::is_dead, &[Verdict::Revoked, Verdict::Unknown])
                .await
        })
        .await;
    }

    /// Waits until every strict verifier has noticed that it knows too little.
    pub(super) async fn all_are_stale(&self) {
        self.until("verifiers that know that they know too little", async || {
            self.each(Watched::is_live, &[Verdict::Unknown]).await
        })
        .await;
    }

    /// Whether each verifier whose clock is good enough, and which is strict, says one of these of each of those tokens.
    async fn each(&self, of: fn(&Watched) -> bool, said: &[Verdict]) -> bool {
        let lax_ones = said.contains(&Verdict::Accepted) || said == [Verdict::Revoked];
        for judge in self.sound().filter(|judge| lax_ones || !judge.kind.lax) {
            for token in self.tokens.iter().filter(|token| of(token)) {
                if !said.contains(&judge.judges(token).await) {
                    return false;
                }
            }
        }
        true
    }

    /// Those whose clock is no further off than verifiers put up with.
    pub(super) fn sound(&self) -> impl Iterator<Item = &Arc<Judge>> {
        self.judges
            .iter()
            .filter(|judge| judge.kind.ahead_ms.abs() <= 10_000)
    }

    /// Waits until it is so, within bounds.
    pub(super) async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        if !verifying::comes(so).await {
            let known: Vec<_> = self
                .judges
                .iter()
                .map(|judge| (&judge.name, judge.feed()))
                .collect();
            self.tally.fault(format!("waited in vain for {what}: {known:#?}"));
        }
    }

    fn resyncs(&self) -> u64 {
        self.judges.iter().map(|judge| judge.feed().resyncs).sum()
    }

    /// The run is over: what is to be dead is refused everywhere, what is to live accepted. Prints the figures, and says
    /// what is wrong with them.
    pub(super) async fn close(mut self, name: &str) -> Vec<String> {
        self.recovers().await;
        self.stop.cancel();
        while let Some(ended) = self.watchers.join_next().await {
            ended.expect("a verifier that judges");
        }
        let figures = Figures {
            name,
            tally: &self.tally,
            verifiers: self.judges.len(),
            revoked: self.tokens.iter().filter(|token| token.is_dead()).count(),
            resyncs: self.resyncs() - self.resyncs_before,
        };
        static HEADING: Once = Once::new();
        HEADING.call_once(|| println!("{}", figures::HEADING));
        println!("{figures}");
        figures.faults()
    }

    /// The same of a run in which no verifier may ever have known too little.
    pub(super) async fn close_without_a_gap(self, name: &str) -> Vec<String> {
        let unknowns = self.tally.unknowns();
        if unknowns > 0 {
            self.tally.fault(format!(
                "{unknowns} tokens were refused with 503 though the feed was not away"
            ));
        }
        self.close(name).await
    }
}
