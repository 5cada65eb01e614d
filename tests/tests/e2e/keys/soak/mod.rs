//! Four hundred days of rotation on a fake clock.

mod dice;
mod operator;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::Clock;
use symbolon_core::ports::KeyStore;
use symbolon_core::revocation::LEASE;
use symbolon_jose::{Kid, SigningAlg};
use symbolon_testkit::{FakeClock, SeqRng};
use symbolon_tests::{Deployment, Harness, HarnessOptions};

use self::dice::Dice;
use self::watch::Watch;
use super::resource_server::ResourceServer;
use super::running::{Running, kid_of};
use super::{TICK, hours, keys_in, minutes};

const DAYS: u64 = 400;
/// The seed where `SOAK_SEED` gives none.
const SEED: u64 = 1;
/// Steps are fine from so long before a change until it.
const FINE: Duration = minutes(30);
/// How long the resource servers keep a key set.
const KEEPING: [Duration; 3] = [Duration::ZERO, minutes(15), hours(24)];

/// A token that is alive.
struct Token {
    text: String,
    kid: Kid,
    /// The second in which it ends.
    exp: u64,
}

/// What the run came to.
#[derive(Debug, Default)]
struct Figures {
    tokens: u64,
    verifications: u64,
    /// Times when a resource server needed a key set and no node was up.
    unreachable: u64,
    restarts: u64,
    /// Times when no node was up.
    outages: u64,
    steps: u64,
}

struct Soak {
    seed: u64,
    dice: Dice,
    clock: Arc<FakeClock>,
    rng: Arc<SeqRng>,
    deployment: Deployment,
    nodes: [Option<Running>; 2],
    servers: [ResourceServer; 3],
    watch: Watch,
    /// When tokens are to be verified again, by the monotonic clock.
    agenda: BTreeMap<Duration, Vec<Arc<Token>>>,
    figures: Figures,
}

fn options(clock: &Arc<FakeClock>, rng: &Arc<SeqRng>) -> HarnessOptions {
    HarnessOptions {
        settings: vec![
            ("keys.algorithms", "ES256,ES384,EdDSA,PS256,RS256".to_owned()),
            ("keys.default_algorithm", "ES256".to_owned()),
        ],
        clock: Some(clock.clone()),
        rng: Some(rng.clone()),
        ..HarnessOptions::default()
    }
}

impl Soak {
    async fn start(seed: u64) -> Self {
        let (clock, rng) = (
            Arc::new(FakeClock::new()),
            Arc::new(SeqRng::starting_at((seed << 32) + (1 << 31))),
        );
        let first = Running::new(Harness::with(options(&clock, &rng)).await);
        let deployment = first.deployment();
        let mut soak = Self {
            seed,
            dice: Dice::of(seed),
            rng,
            nodes: [Some(first), None],
            servers: KEEPING.map(ResourceServer::keeping),
            watch: Watch::default(),
            agenda: BTreeMap::new(),
            figures: Figures::default(),
            deployment,
            clock,
        };
        for alg in SigningAlg::ALL {
            let records = keys_in(soak.any(), alg, "active").await;
            soak.watch.first.push(records[0].kid.clone());
        }
        soak.open(1).await;
        soak
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn up(&self) -> Vec<&Running> {
        self.nodes.iter().flatten().collect()
    }

    /// Any node that is up.
    fn any(&self) -> &Running {
        self.up()[0]
    }

    async fn open(&mut self, which: usize) {
        let opened = self.deployment.open(options(&self.clock, &self.rng)).await;
        let node = Running::new(opened.unwrap());
        // What a process does first.
        node.poll().await.unwrap();
        node.look().await;
        self.nodes[which] = Some(node);
    }

    /// The process ends: in order, or in the middle of whatever it did.
    async fn stop(&mut self, which: usize) {
        if let Some(node) = self.nodes[which].take() {
            if self.dice.percent(50) {
                node.node.schedule.leave().await.unwrap();
            }
            self.figures.restarts += 1;
        }
    }

    /// Every node reads what there is to read.
    async fn poll(&mut self) {
        for node in self.nodes.iter().flatten() {
            node.poll().await.unwrap();
        }
        self.see().await;
    }

    /// Every node is asked for its key set.
    async fn see(&mut self) {
        let now = self.now();
        for node in self.nodes.iter().flatten() {
            self.watch.see(&node.jwks().await, now, overdue(node));
        }
    }

    /// Time passes until `until`; tokens that come up are verified on the way.
    async fn pass_to(&mut self, until: Duration) {
        while let Some((at, tokens)) = self.agenda.pop_first() {
            if at > until {
                self.agenda.insert(at, tokens);
                break;
            }
            self.clock.advance(at.saturating_sub(self.now()));
            self.poll().await;
            for token in tokens {
                self.verify(&token).await;
            }
        }
        self.clock.advance(until.saturating_sub(self.now()));
        self.poll().await;
    }

    /// All resource servers accept the token.
    async fn verify(&mut self, token: &Token) {
        assert!(self.clock.now().as_secs() < token.exp);
        let now = self.now();
        for (index, keeping) in KEEPING.into_iter().enumerate() {
            if self.servers[index].must_fetch(now) {
                let up = self.up();
                if up.is_empty() {
                    self.figures.unreachable += 1;
                    continue;
                }
                let which = self.dice.below(up.len() as u64) as usize;
                let node = self.up()[which];
                let (reply, overdue) = (node.jwks().await, overdue(node));
                let set = self.watch.see(&reply, now, overdue);
                self.servers[index].keeps(set, now);
            }
            self.figures.verifications += 1;
            if let Err(error) = self.servers[index].judge(&token.text, &*self.clock) {
                panic!(
                    "seed {}, day {}: the server that keeps key sets for {keeping:?} refuses a token: {error}",
                    self.seed,
                    now.as_secs() / 86_400,
                );
            }
        }
    }

    /// A node signs, and everybody verifies: at once, at some time, and in the last second.
    async fn issue(&mut self, which: usize, alg: SigningAlg) {
        let Some(node) = &self.nodes[which] else {
            return;
        };
        let text = node.sign(alg).await.unwrap();
        let kid = kid_of(&text);
        let now = self.now();
        self.watch.signed(&kid, now);
        let exp = self.clock.now().as_secs() + 3600;
        let token = Arc::new(Token { text, kid, exp });
        self.figures.tokens += 1;
        self.verify(&token).await;
        // All of one step at the same times: it is the ages that count, and every time costs.
        let ages = [self.figures.steps % 3_500, 3_598];
        for age in ages {
            let at = now + Duration::from_secs(age);
            self.agenda.entry(at).or_default().push(token.clone());
        }
    }

    /// Tokens of every algorithm, each from any node; RSA less often where nothing happens, for it takes long.
    async fn issue_all(&mut self, fine: bool) {
        for alg in SigningAlg::ALL {
            let rsa = matches!(alg, SigningAlg::Ps256 | SigningAlg::Rs256);
            if rsa && !fine && !self.dice.percent(25) {
                continue;
            }
            let first = self.dice.below(2) as usize;
            let up = if self.nodes[first].is_some() {
                first
            } else {
                1 - first
            };
            self.issue(up, alg).await;
        }
    }

    /// Every node looks at the schedule. Where one changes keys, the other hears of it within a [`LEASE`], and both sign
    /// meanwhile.
    async fn look(&mut self) {
        let first = self.dice.below(2) as usize;
        for which in [first, 1 - first] {
            let Some(node) = &self.nodes[which] else {
                continue;
            };
            let before = node.jwks().await.body;
            node.look().await;
            if node.jwks().await.body != before {
                for _ in 0..2 {
                    let wait = self.dice.between(Duration::ZERO, LEASE / 2);
                    self.clock.advance(wait);
                    self.see().await;
                    for alg in SigningAlg::ALL {
                        let which = self.dice.below(2) as usize;
                        self.issue(which, alg).await;
                    }
                }
            }
            self.poll().await;
        }
    }

    /// How long until keys change, as the nodes say.
    fn change_in(&self) -> Option<Duration> {
        self.up().into_iter().filter_map(change_in).min()
    }

    /// One step: time passes, nodes look, tokens are signed, and processes end and begin.
    async fn step(&mut self, end: Duration) {
        self.figures.steps += 1;
        let change = self.change_in().unwrap_or_default();
        let fine = change <= FINE;
        let wait = if change.is_zero() {
            Duration::from_secs(60)
        } else if fine {
            // Now and then exactly when it is due.
            let wait = self.dice.between(Duration::from_secs(1), TICK);
            if self.dice.percent(50) {
                change.min(TICK)
            } else {
                wait.min(change)
            }
        } else {
            self.dice
                .between(hours(12), hours(60))
                .min(change - FINE + Duration::from_millis(1))
        };
        self.pass_to((self.now() + wait).min(end)).await;
        self.look().await;
        self.issue_all(fine).await;
        self.at_most_one_each().await;
        if self.dice.percent(if fine { 20 } else { 4 }) {
            self.mishap().await;
        }
    }

    /// A process ends and comes back, after minutes or hours; now and then there is none for that time.
    async fn mishap(&mut self) {
        let which = self.dice.below(2) as usize;
        self.stop(which).await;
        let all = self.dice.percent(30);
        if all {
            self.stop(1 - which).await;
            self.figures.outages += 1;
        }
        let longest = *self.dice.one_of(&[minutes(1), minutes(20), hours(5)]);
        let until = self.now() + self.dice.between(Duration::from_secs(1), longest);
        if all {
            self.pass_to(until).await;
        }
        // The other one works meanwhile.
        while self.now() < until {
            let near = self.change_in().unwrap_or_default() <= FINE;
            let wait = if near { TICK } else { FINE };
            self.pass_to(until.min(self.now() + wait)).await;
            self.look().await;
            self.issue_all(near).await;
        }
        for which in 0..2 {
            if self.nodes[which].is_none() {
                self.open(which).await;
            }
        }
        self.poll().await;
        self.look().await;
    }

    async fn at_most_one_each(&self) {
        let records = self.any().node.store.signing_keys().await.unwrap();
        for alg in SigningAlg::ALL {
            for state in ["active", "pending"] {
                let of = |record: &&symbolon_core::keys::SigningKeyRecord| {
                    record.alg == alg && record.state.as_str() == state
                };
                assert_eq!(records.iter().filter(of).count(), 1, "{alg} {state}");
            }
        }
    }

    /// How often each algorithm was rotated, keys that leaked left out.
    async fn rotations(&self) -> BTreeMap<SigningAlg, usize> {
        let records = self.any().node.store.key_history(1000).await.unwrap();
        let mut rotations = BTreeMap::new();
        for record in records {
            let counts = record.state.activated().is_some() && record.state.as_str() != "compromised";
            *rotations.entry(record.alg).or_default() += usize::from(counts);
        }
        rotations.values_mut().for_each(|keys| *keys -= 1);
        rotations
    }
}

/// How long until keys change, as the node says.
fn change_in(node: &Running) -> Option<Duration> {
    let steps = node.node.schedule.status().algorithms.into_values();
    steps.filter_map(|of| of.next.map(|(_, left)| left)).min()
}

fn overdue(node: &Running) -> bool {
    change_in(node) == Some(Duration::ZERO)
}

/// Two nodes over one database that come and go, at any time and around every change; every algorithm; tokens of the
/// longest life; resource servers that keep a key set for no time, a quarter of an hour and a day, and never ask in
/// between. No valid token is refused, no key signs before all have published it for a day, and no cache is told to keep
/// a key set past its next change.
#[tokio::test]
async fn rotation_breaks_no_verifier_in_four_hundred_days() {
    let seed = std::env::var("SOAK_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let mut soak = Soak::start(seed).await;
    let end = hours(24 * DAYS);
    let leak_at = end - soak.dice.between(hours(24), hours(24 * 20));
    let mut replacements: Vec<Duration> = (1..=4)
        .map(|turn| hours(24 * 90 * turn) - soak.dice.between(hours(1), hours(30)))
        .collect();
    let mut leaked = None;
    soak.look().await;
    while soak.now() < end {
        if replacements.first().is_some_and(|at| soak.now() >= *at) {
            replacements.remove(0);
            soak.replace_pending().await;
        }
        if leaked.is_none() && soak.now() >= leak_at {
            leaked = Some(soak.leak().await);
        }
        let next = replacements.first().copied().into_iter();
        let next = next.chain(leaked.is_none().then_some(leak_at)).chain([end]).min();
        soak.step(next.unwrap()).await;
    }
    let rotations = soak.rotations().await;
    println!(
        "seed {seed}: {:?}, {} key sets seen {} times ({} while a change was overdue), rotations {rotations:?}, \
         refused 0, dead after the leak {leaked:?}",
        soak.figures,
        soak.watch.sets(),
        soak.watch.looks,
        soak.watch.overdue,
    );
    assert!(rotations.values().all(|times| *times >= 4), "{rotations:?}");
    assert!(leaked.is_some_and(|dead| dead > 0));
}
