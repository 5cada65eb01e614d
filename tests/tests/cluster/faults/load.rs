//! The load of a run: honest clients, sessions that are revoked, and sessions of which an old token was stolen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use symbolon_tests::binary::{Cluster, PATIENCE, Remote, http_client};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Cast;
use super::calls::{Field, Heard, Insisted, Phase, answered};
use super::figures::{Figures, Outage, Tally};
use super::victims::{Death, Victim, end, last_look, watch_over};

/// How long a client waits for an answer before it tries elsewhere.
const ANSWER: Duration = Duration::from_secs(3);
/// Between two refreshes of an honest client.
const THINK: Duration = Duration::from_millis(25);
/// Every so many refreshes an honest client uses its token at both nodes at once.
const PAIR_EVERY: u64 = 4;
/// Refreshes of a session before its first token counts as stolen.
const STOLEN_BEHIND: usize = 3;

/// Who takes part.
#[derive(Clone, Copy)]
pub(super) struct Spec {
    /// Honest clients.
    pub(super) honest: usize,
    /// Sessions that are revoked in each phase.
    pub(super) victims: usize,
    /// Sessions that die of theft in each phase.
    pub(super) thieves: usize,
    /// A user who is disabled in the run, and who has as many sessions as die in a phase.
    pub(super) doomed: Option<&'static str>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            honest: 20,
            victims: 4,
            thieves: 2,
            doomed: None,
        }
    }
}

/// A load that runs.
pub(super) struct Load {
    pub(super) field: Arc<Field>,
    honest: Vec<Arc<AtomicU64>>,
    victims: Vec<Arc<Victim>>,
    clients: JoinSet<Option<String>>,
    others: JoinSet<()>,
    adopted_before: u64,
}

/// Counts a node keeps itself.
async fn adopted(cluster: &Cluster) -> u64 {
    let mut sum = 0;
    for node in &cluster.nodes {
        sum += node.remote().rotations("adopted").await;
    }
    sum
}

impl Load {
    /// Logs everybody in, and returns once they have been served.
    pub(super) async fn start(cluster: &Cluster, cast: &Cast, spec: Spec) -> Self {
        let caller =
            |node: usize| Remote::with(cluster.nodes[node].server(), http_client(None).timeout(ANSWER));
        let field = Arc::new(Field {
            remotes: [caller(0), caller(1)],
            cast: cast.clone(),
            tally: Arc::new(Tally::default()),
            phase: watch::Sender::new(Phase::Warm),
            stop: CancellationToken::new(),
        });
        let mut load = Self {
            adopted_before: adopted(cluster).await,
            honest: Vec::new(),
            victims: Vec::new(),
            clients: JoinSet::new(),
            others: JoinSet::new(),
            field,
        };
        load.log_in(spec).await;
        load.serves(3).await;
        load
    }

    async fn log_in(&mut self, spec: Spec) {
        let field = &self.field;
        let mut deaths = Vec::new();
        for phase in [Phase::Before, Phase::During, Phase::After] {
            deaths.extend([Death::Revoked(phase)].repeat(spec.victims));
            deaths.extend([Death::Stolen(phase)].repeat(spec.thieves));
        }
        if spec.doomed.is_some() {
            deaths.extend([Death::Doomed].repeat(spec.victims + spec.thieves));
        }
        for (index, death) in deaths.into_iter().enumerate() {
            let user = match (death, spec.doomed) {
                (Death::Doomed, Some(user)) => user,
                _ => super::USERS[index % super::USERS.len()],
            };
            let first = field.login(index % 2, user).await;
            let mut last = first.clone();
            for turn in 0..STOLEN_BEHIND {
                let Heard::Yes(tokens) = field.refresh(turn % 2, &last.refresh).await else {
                    panic!("a refresh before any fault was refused");
                };
                last = tokens;
            }
            self.victims.push(Arc::new(Victim {
                death,
                first,
                last,
                asked: AtomicBool::new(false),
                promised: AtomicBool::new(false),
            }));
        }
        for index in 0..spec.honest {
            let tokens = field
                .login(index % 2, super::USERS[index % super::USERS.len()])
                .await;
            let served = Arc::new(AtomicU64::new(0));
            self.clients
                .spawn(honest(field.clone(), index, tokens.refresh, served.clone()));
            self.honest.push(served);
        }
        for (index, victim) in self.victims.iter().enumerate() {
            self.others.spawn(watch_over(field.clone(), victim.clone()));
            self.others.spawn(end(field.clone(), victim.clone(), index));
        }
    }

    /// Waits until every honest client has been served `more` times from now on.
    pub(super) async fn serves(&self, more: u64) -> bool {
        let now: Vec<_> = self
            .honest
            .iter()
            .map(|one| one.load(Ordering::Relaxed))
            .collect();
        self.until("every honest client to be served", || {
            let served = self.honest.iter().zip(&now);
            served
                .into_iter()
                .all(|(one, before)| one.load(Ordering::Relaxed) >= before + more)
        })
        .await
    }

    /// Begins a phase.
    pub(super) fn enter(&self, phase: Phase) {
        if phase == Phase::After {
            self.field.tally.recovered();
        }
        self.field.phase.send_replace(phase);
    }

    /// Begins a phase, and returns as soon as all that is to die in it was said to be dead.
    pub(super) async fn pass(&self, phase: Phase) {
        self.enter(phase);
        self.until("revocations to be promised", || self.is_dead(phase))
            .await;
    }

    fn is_dead(&self, by: Phase) -> bool {
        let mut due = self.victims.iter().filter(|victim| match victim.death {
            Death::Revoked(phase) | Death::Stolen(phase) => phase <= by,
            Death::Doomed => false,
        });
        due.all(|victim| victim.promised.load(Ordering::SeqCst))
    }

    /// The doomed user is about to be disabled.
    pub(super) fn doom(&self) {
        self.doomed()
            .for_each(|victim| victim.asked.store(true, Ordering::SeqCst));
    }

    /// The doomed user was said to be disabled.
    pub(super) fn doomed_is_promised(&self) {
        self.doomed()
            .for_each(|victim| victim.promised.store(true, Ordering::SeqCst));
    }

    fn doomed(&self) -> impl Iterator<Item = &Arc<Victim>> {
        self.victims.iter().filter(|victim| victim.death == Death::Doomed)
    }

    /// Waits until it is so, within bounds.
    pub(super) async fn until(&self, what: &str, mut so: impl FnMut() -> bool) -> bool {
        let wait = async {
            // Who has lost a session waits for nothing any more.
            while !so() && !self.field.tally.has_lost() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, wait).await.is_ok();
        if !came {
            self.field.tally.other(format!("waited in vain for {what}"));
        }
        came
    }

    /// The fault is over: waits until everybody is served again and all that is to die is dead, and says what it came to.
    pub(super) async fn finish(mut self, cluster: &Cluster, name: &'static str, lossy: bool) -> Figures {
        self.pass(Phase::After).await;
        self.until("both nodes to serve", || self.field.tally.is_back())
            .await;
        self.serves(3).await;
        self.field.stop.cancel();
        let ended = async {
            while let Some(done) = self.others.join_next().await {
                done.expect("a client");
            }
            let mut tokens = Vec::new();
            while let Some(token) = self.clients.join_next().await {
                tokens.extend(token.expect("a client"));
            }
            tokens
        };
        let tokens = tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("clients that end");
        let field = &self.field;
        for token in &tokens {
            last_use(field, token).await;
        }
        for victim in &self.victims {
            last_look(field, victim).await;
        }
        Figures {
            name,
            tally: field.tally.clone(),
            sessions: self.honest.len() + self.victims.len(),
            lossy,
            adopted: adopted(cluster).await.saturating_sub(self.adopted_before),
        }
    }
}

/// A client that refreshes for as long as the run lasts; its last token, if it has not lost its session.
async fn honest(
    field: Arc<Field>,
    index: usize,
    mut token: String,
    served: Arc<AtomicU64>,
) -> Option<String> {
    let (mut last, mut phase) = (Instant::now(), Phase::Warm);
    for turn in index.. {
        let next = if (turn as u64).is_multiple_of(PAIR_EVERY) {
            pair(&field, &token).await
        } else {
            field.insist(turn, &token).await
        };
        match next {
            Insisted::Answered(tokens) => token = tokens.refresh,
            Insisted::Lost => {
                field
                    .tally
                    .lost(format!("honest client {index}, at its turn {turn}"));
                return None;
            }
            Insisted::Stopped => break,
        }
        served.fetch_add(1, Ordering::Relaxed);
        let now = *field.phase.borrow();
        field.tally.outage(Outage {
            lasted: last.elapsed(),
            from: std::mem::replace(&mut phase, now),
            to: now,
        });
        last = Instant::now();
        if field.stop.is_cancelled() {
            break;
        }
        field.pause(THINK).await;
    }
    Some(token)
}

/// Uses a token at both nodes at once: there is one successor. Where Redis lost the record in between there may be two of
/// one generation, which have one successor.
async fn pair(field: &Field, token: &str) -> Insisted {
    field.tally.pairs.add();
    let (a, b) = tokio::join!(field.insist(0, token), field.insist(1, token));
    let (a, b) = match (a, b) {
        (Insisted::Answered(a), Insisted::Answered(b)) => (a, b),
        (Insisted::Lost, _) | (_, Insisted::Lost) => return Insisted::Lost,
        (Insisted::Answered(one), Insisted::Stopped) | (Insisted::Stopped, Insisted::Answered(one)) => {
            return Insisted::Answered(one);
        }
        (Insisted::Stopped, Insisted::Stopped) => return Insisted::Stopped,
    };
    if a.refresh == b.refresh {
        return Insisted::Answered(a);
    }
    field.tally.twins.add();
    let after_a = field.insist(0, &a.refresh).await;
    let after_b = field.insist(1, &b.refresh).await;
    if let (Insisted::Answered(a), Insisted::Answered(b)) = (&after_a, &after_b)
        && a.refresh != b.refresh
    {
        field.tally.other("two live tokens of one session".to_owned());
    }
    after_b
}

/// A session that nobody ended is alive at both nodes.
async fn last_use(field: &Field, token: &str) {
    let mut successors = Vec::new();
    for node in 0..2 {
        match answered(async || match field.refresh(node, token).await {
            Heard::Yes(tokens) => Some(Some(tokens.refresh)),
            Heard::No => Some(None),
            Heard::NotNow => None,
        })
        .await
        {
            Some(Some(successor)) => successors.push(successor),
            Some(None) => field.tally.lost(format!("at the end, at node {node}")),
            None => field
                .tally
                .other(format!("node {node} does not answer at the end")),
        }
    }
    if successors.windows(2).any(|two| two[0] != two[1]) {
        field
            .tally
            .other("two live tokens of one session at the end".to_owned());
    }
}
