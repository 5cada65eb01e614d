//! Signing keys: every command, every refusal, and that neither a refusal nor a dry run changes anything.

mod change;
mod compromise;
mod export;
mod import;
mod list;
mod rewrap;

use symbolon_core::Rng;
use symbolon_core::keys::{KeyNode, KeyTimings, ScheduleTime, SigningKeyRecord};
use symbolon_core::ports::{KeyStore as _, RevocationLog as _};
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey};
use symbolon_jwks_publisher::{Keyring, KeyringConfig, KeyringError, RotationConfig, share_encryption_keys};
use symbolon_revocation::LiveLog;
use uuid::Uuid;

use super::*;
use crate::config::Settings;
use crate::secrets::open_server_keys;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a key is published before it signs, with the time that nodes have to learn of it.
const READY: Duration = Duration::from_secs(24 * 3600 + 5);
const MAX_AGE: Duration = Duration::from_secs(900);

/// What commands on signing keys need besides.
pub(super) struct KeyBench {
    encryption_keys: Arc<EncryptionKeys>,
    rotation: RotationConfig,
}

impl KeyBench {
    pub(super) fn new() -> Self {
        Self {
            encryption_keys: encryption_keys(1, &[]),
            rotation: RotationConfig {
                algorithms: vec![SigningAlg::Es256],
                timings: KeyTimings {
                    rotate_every: 90 * DAY,
                    publish_before: DAY,
                    publish_after: KeyTimings::LEAST_AFTER,
                },
                automatically: true,
            },
        }
    }

    /// Puts what these keys go by into the settings.
    pub(super) fn configure(&self, settings: &mut Settings) {
        settings.keys.encryption_keys = self.encryption_keys.clone();
        settings.keys.algorithms = self.rotation.algorithms.clone();
        settings.keys.timings = self.rotation.timings;
        settings.keys.rotate_automatically = self.rotation.automatically;
        settings.jwks.max_age = MAX_AGE;
    }
}

/// Key-encryption keys that are told apart by a number.
fn encryption_keys(current: u8, previous: &[u8]) -> Arc<EncryptionKeys> {
    let key = |number: &u8| KeyEncryptionKey::generate(&mut |dest| dest.fill(*number));
    Arc::new(EncryptionKeys::new(
        key(&current),
        previous.iter().map(key).collect(),
    ))
}

/// The id of the key-encryption key of that number.
fn id_of(number: u8) -> String {
    encryption_keys(number, &[]).current().id().to_string()
}

impl Bench {
    /// A server with these algorithms that has started once.
    pub(super) async fn started(algorithms: &[SigningAlg]) -> Self {
        let mut bench = Self::new().await;
        bench.keys.rotation.algorithms = algorithms.to_vec();
        bench.start().await.unwrap();
        bench
    }

    /// Starts a server, which makes what is missing.
    async fn start(&self) -> Result<(), KeyringError> {
        self.keyring().await.map(drop)
    }

    /// The keys of a server that starts.
    pub(super) async fn keyring(&self) -> Result<Keyring, KeyringError> {
        self.pass(Duration::ZERO).await;
        let keys = &self.keys.encryption_keys;
        open_server_keys(&self.store, keys, &SystemRng).await.unwrap();
        let config = KeyringConfig {
            issuer: "https://auth.example.org".to_owned(),
            default_algorithm: self.keys.rotation.algorithms[0],
            rotation: self.keys.rotation.clone(),
            import_dir: None,
            max_age: MAX_AGE,
        };
        let store = Arc::new(self.store.clone());
        let keys = share_encryption_keys(keys.clone());
        let log = LiveLog::open(store.clone(), self.clock.clone()).await.unwrap();
        let around = (
            self.clock.clone() as Arc<dyn Clock>,
            Arc::new(SystemRng) as Arc<dyn Rng>,
        );
        let opened = Keyring::open(store, config, keys, Arc::new(log), around);
        opened.await
    }

    /// Lets time pass that a server watches.
    async fn pass(&self, time: Duration) {
        let elapsed = self.elapsed().await.plus(time);
        self.clock.0.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
        let now = self.clock.now();
        let lease = self.store.take_key_lease(Uuid::nil(), now, HOUR, elapsed).await;
        self.store
            .release_key_lease(lease.unwrap().unwrap())
            .await
            .unwrap();
    }

    async fn elapsed(&self) -> ScheduleTime {
        self.store
            .key_schedule()
            .await
            .unwrap()
            .estimate(self.clock.now())
    }

    /// The ids of the key-encryption keys that the command line has.
    fn opens(&self) -> Vec<String> {
        let keys = self.keys.encryption_keys.all();
        keys.map(|key| key.id().to_string()).collect()
    }

    /// A server says since when it publishes all keys.
    async fn report(&self, name: &str, complete_since: Option<ScheduleTime>) {
        let node = KeyNode {
            node: Uuid::from_u128(7),
            name: name.to_owned(),
            seen: self.elapsed().await,
            complete_since,
            opens: self.opens(),
        };
        self.store.report_key_node(&node).await.unwrap();
    }

    /// Every key that there ever was.
    async fn history(&self) -> Vec<SigningKeyRecord> {
        self.store.key_history(1000).await.unwrap()
    }

    /// The only key in that state.
    #[track_caller]
    pub(super) fn in_state(&self, state: &str) -> impl Future<Output = SigningKeyRecord> {
        let caller = std::panic::Location::caller();
        let store = self.store.clone();
        let state = state.to_owned();
        async move {
            let keys = store.key_history(1000).await.unwrap();
            let mut found = keys.into_iter().filter(|key| key.state.as_str() == state);
            let first = found.next();
            assert!(found.next().is_none(), "{caller}: several keys are {state}");
            first.unwrap_or_else(|| panic!("{caller}: no key is {state}"))
        }
    }

    /// Everything that a change of keys touches.
    async fn picture(&self) -> String {
        format!(
            "{:?} {:?} {:?}",
            self.history().await,
            self.store.key_schedule().await.unwrap(),
            self.store.head().await.unwrap()
        )
    }

    /// Runs a command that is refused, and says exactly this, and changes nothing.
    async fn refusal(&self, exit_code: u8, line: &str, said: &str) {
        self.refusal_of(&mut Script::default(), exit_code, line, said)
            .await;
    }

    async fn refusal_of(&self, script: &mut Script, exit_code: u8, line: &str, said: &str) {
        let before = self.picture().await;
        for line in [line.to_owned(), format!("{line} --json")] {
            let outcome = self.run_with(script, &line).await;
            outcome.refused(exit_code, said);
            assert_eq!(outcome.error.unwrap().1, said, "{line}");
        }
        assert_eq!(self.picture().await, before, "{line}");
    }

    /// Runs a command with `--dry-run`, which changes nothing, and then without, which does what the plan says.
    /// Returns what the second has written.
    async fn planned_and_done(&self, line: &str, done: &str) -> (Value, Outcome) {
        let before = self.picture().await;
        let planned = self.run(&format!("{line} --dry-run --json")).await;
        let shown = self.run(&format!("{line} --dry-run")).await;
        assert!(
            shown.out.ends_with("\n\ndry run: nothing was changed\n"),
            "{}",
            shown.out
        );
        assert_eq!((planned.waited.len(), shown.waited.len()), (0, 0));
        assert_eq!(self.picture().await, before, "a dry run of {line}");
        let planned = planned.json();
        assert_eq!((&planned["dry_run"], planned.get("done")), (&true.into(), None));

        let outcome = self.run(&format!("{line} --json")).await;
        let object = outcome.json();
        assert_eq!((&object["done"], object.get("dry_run")), (&done.into(), None));
        assert_eq!(outcome.waited, [LEASE], "{line}");
        assert_ne!(self.picture().await, before, "{line}");
        assert_eq!(moves(&planned), moves(&object), "{line}");
        (object, outcome)
    }
}

/// The steps of a plan: algorithm, from, to, moment, whether now.
fn moves(plan: &Value) -> Vec<[Value; 5]> {
    let steps = plan["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| ["alg", "from", "to", "at", "now"].map(|member| step[member].clone()))
        .collect()
}

/// The steps of a plan in words, with what is known of their keys.
fn steps(plan: &Value) -> Vec<String> {
    let word = |step: &Value, member: &str| step[member].as_str().unwrap_or("-").to_owned();
    let steps = plan["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let when = if step["now"] == true {
                "now".to_owned()
            } else {
                word(step, "at")
            };
            format!(
                "{} {} {} {} {when}",
                word(step, "alg"),
                word(step, "kid"),
                word(step, "from"),
                word(step, "to")
            )
        })
        .collect()
}

/// The moment after so much time, as results show it.
fn at(bench: &Bench, time: Duration) -> String {
    symbolon_core::time::rfc3339(bench.clock.now().plus(time.as_millis() as u64))
}
