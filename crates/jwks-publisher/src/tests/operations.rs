use symbolon_core::audit::{Act, Actor};
use symbolon_core::keys::{KeyNode, KeyState, SETTLE, ScheduleTime};
use symbolon_oauth_types::revocation::{Digest, Effect, RevocationKind};

use super::*;
use crate::{Compromised, KeyOperation, KeyOperationError, KeyOperations, Plan};

const ES256: &[SigningAlg] = &[SigningAlg::Es256];

struct Desk {
    store: Arc<MemoryKeys>,
    clock: Arc<FakeClock>,
    operations: KeyOperations,
}

impl Desk {
    async fn new(algorithms: &[SigningAlg]) -> Self {
        let (store, clock) = (Arc::new(MemoryKeys::default()), Arc::new(FakeClock::new()));
        open_at(&store, config(algorithms), clock.clone()).await.unwrap();
        Self::on(store, clock, algorithms)
    }

    fn on(store: Arc<MemoryKeys>, clock: Arc<FakeClock>, algorithms: &[SigningAlg]) -> Self {
        let (keys, rng) = (encryption_keys(1, &[]), Arc::new(SystemRng));
        let operations = KeyOperations::new(store.clone(), keys, rotation(algorithms), clock.clone(), rng);
        Self {
            store,
            clock,
            operations,
        }
    }

    /// Time passes, and a node keeps it.
    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        let mut schedule = self.store.schedule.lock().unwrap();
        schedule.elapsed = schedule.elapsed.plus(time);
        schedule.seen = symbolon_core::Clock::now(&*self.clock);
    }

    /// Carries out what was planned, and checks that the plan said so and changed nothing.
    async fn done(&self, operation: KeyOperation) -> Plan {
        let before = format!("{:?}", self.store.rows());
        let plan = self.operations.plan(&operation).await.unwrap();
        assert_eq!(
            format!("{:?}", self.store.rows()),
            before,
            "a plan changes nothing"
        );
        let done = self.operations.carry_out(&operation, &act()).await.unwrap();
        let steps = |plan: &Plan| -> Vec<_> {
            plan.steps
                .iter()
                .map(|step| (step.alg, step.from, step.to, step.at, step.now))
                .collect()
        };
        assert_eq!(steps(&plan), steps(&done));
        assert_eq!(plan.warnings, done.warnings);
        assert!(done.steps.iter().all(|step| step.kid.is_some()), "{done:?}");
        done
    }

    /// An operation that has to be refused: nothing changes.
    async fn refused(&self, operation: KeyOperation) -> String {
        let before = format!("{:?}", self.store.rows());
        let planned = self.operations.plan(&operation).await.unwrap_err().to_string();
        let error = self.operations.carry_out(&operation, &act()).await.unwrap_err();
        assert!(matches!(error, KeyOperationError::Refused(_)), "{error}");
        assert_eq!(error.to_string(), planned);
        assert_eq!(format!("{:?}", self.store.rows()), before);
        planned
    }

    fn kid(&self, state: &str) -> Kid {
        self.store.row(state).kid
    }

    /// States by key, in the order in which the keys came.
    fn states(&self) -> Vec<&'static str> {
        self.store.rows().iter().map(|row| row.state.as_str()).collect()
    }
}

fn act() -> Act {
    Act::new(Actor::operator("ops"), "leaked")
}

fn rotate(at_once: bool) -> KeyOperation {
    KeyOperation::Rotate { alg: None, at_once }
}

fn compromise(which: Compromised) -> KeyOperation {
    KeyOperation::Compromise { which }
}

#[tokio::test]
async fn a_rotation_waits_until_every_verifier_can_know_the_key() {
    let desk = Desk::new(ES256).await;
    desk.pass(hours(3));
    let pending = desk.kid("pending");
    assert_eq!(
        desk.refused(rotate(false)).await,
        format!(
            "key {pending} (ES256) has been published for 3h and must be for 1d before it signs, so that every verifier \
             knows it: wait 21h 5s more, or give --dangerous-now if it must be"
        )
    );
    desk.pass(hours(21));
    assert!(desk.refused(rotate(false)).await.contains("wait 5s more"));
    desk.pass(SETTLE);
    let plan = desk.done(rotate(false)).await;
    assert_eq!(desk.states(), ["retiring", "active", "pending"]);
    assert_eq!(desk.kid("active"), pending);
    assert!(plan.warnings.is_empty());
    let now = symbolon_core::Clock::now(&*desk.clock);
    let told: Vec<_> = plan
        .steps
        .iter()
        .map(|step| (step.from, step.to, step.at.since(now) / 1000))
        .collect();
    assert_eq!(
        told,
        [
            (Some("active"), "retiring", 0),
            (Some("retiring"), "retired", 2 * 3600 + 600 + 5),
            (Some("pending"), "active", 0),
            (None, "pending", 0),
            (Some("pending"), "active", 90 * 24 * 3600),
        ]
    );
}

#[tokio::test]
async fn who_must_rotates_early_and_is_told_what_it_costs() {
    let desk = Desk::new(ES256).await;
    desk.pass(hours(1));
    let pending = desk.kid("pending");
    let plan = desk.done(rotate(true)).await;
    assert_eq!(
        plan.warnings,
        [format!(
            "key {pending} (ES256) signs before every verifier can know it (it has been published for 1h only): those \
             that do not read the key set again for an unknown `kid` refuse valid tokens until they do"
        )]
    );
    assert_eq!(desk.states(), ["retiring", "active", "pending"]);
}

#[tokio::test]
async fn a_node_that_does_not_publish_a_key_withholds_it() {
    let desk = Desk::new(ES256).await;
    desk.pass(hours(48));
    let node = |complete_since| KeyNode {
        node: Uuid::from_u128(7),
        name: "host:1".to_owned(),
        seen: ScheduleTime(0).plus(hours(48)),
        complete_since,
        opens: vec![kek(1).id().to_string()],
    };
    *desk.store.nodes.lock().unwrap() = vec![node(None)];
    let pending = desk.kid("pending");
    assert_eq!(
        desk.refused(rotate(false)).await,
        format!(
            "node host:1 does not publish key {pending} (ES256), so its verifiers would refuse what it signs: see that \
             node's log, or give --dangerous-now if it must be"
        )
    );
    let keys = desk.operations.list(false).await.unwrap();
    assert_eq!(keys[1].withheld_by.as_deref(), Some("host:1"));

    // It publishes the key for an hour now.
    *desk.store.nodes.lock().unwrap() = vec![node(Some(ScheduleTime(0).plus(hours(47))))];
    assert!(desk.refused(rotate(false)).await.contains("wait 23h"));
    // It has not been heard of for longer than any live node keeps silent.
    desk.pass(hours(1));
    desk.done(rotate(false)).await;
}

#[tokio::test]
async fn the_refusals_say_what_to_do() {
    let desk = Desk::new(ES256).await;
    let (active, pending) = (desk.kid("active"), desk.kid("pending"));
    let unknown = Kid::parse("nobody").unwrap();
    let activate = |kid: &Kid| KeyOperation::Activate {
        kid: kid.clone(),
        at_once: false,
    };
    let retire = |kid: &Kid| KeyOperation::Retire {
        kid: kid.clone(),
        at_once: false,
    };
    let rs256 = KeyOperation::Rotate {
        alg: Some(SigningAlg::Rs256),
        at_once: false,
    };
    for (operation, text) in [
        (
            activate(&active),
            format!("key {active} is active; only a pending key can become active: see `symbolon keys list`"),
        ),
        (
            activate(&unknown),
            "there is no signing key nobody; see `symbolon keys list --all`".to_owned(),
        ),
        (
            rs256,
            "RS256 is not in `keys.algorithms`; add it there and restart the server".to_owned(),
        ),
        (
            KeyOperation::Generate {
                alg: SigningAlg::EdDsa,
            },
            "EdDSA is not in `keys.algorithms`; add it there and restart the server".to_owned(),
        ),
    ] {
        assert_eq!(desk.refused(operation).await, text);
    }
    desk.done(rotate(true)).await;
    desk.pass(hours(1));
    assert_eq!(
        desk.refused(retire(&active)).await,
        format!(
            "tokens that key {active} signed may be alive for 1h 10m more; it leaves the key set by itself then. Give \
             --dangerous-now to have them refused, or use `symbolon keys compromise` if it leaked"
        )
    );
    desk.done(compromise(Compromised::One(active.clone()))).await;
    assert_eq!(
        desk.refused(compromise(Compromised::One(active.clone()))).await,
        format!("key {active}: a key that is compromised can't become compromised")
    );
    assert_eq!(
        desk.refused(retire(&active)).await,
        format!("key {active} is compromised: it is not published and its private key is erased")
    );
    let exported = desk.operations.export_public(Some(&active)).await.unwrap_err();
    assert!(exported.to_string().contains("is compromised"), "{exported}");
    assert_eq!(desk.kid("active"), pending);
    desk.store.edit(|rows| rows.retain(|row| !row.state.is_pending()));
    assert_eq!(
        desk.refused(rotate(true)).await,
        "ES256 has no pending key that could take over; make one with `symbolon keys generate --alg ES256`"
    );
    desk.done(KeyOperation::Generate {
        alg: SigningAlg::Es256,
    })
    .await;
}

#[tokio::test]
async fn a_compromised_key_is_gone_and_the_pending_one_signs() {
    let desk = Desk::new(ES256).await;
    let (bad, next) = (desk.store.row("active"), desk.kid("pending"));
    let plan = desk.done(compromise(Compromised::One(bad.kid.clone()))).await;
    assert!(plan.warnings[0].contains("it has been published for 0s only"));
    assert_eq!(desk.states(), ["compromised", "active", "pending"]);
    assert_eq!(desk.kid("active"), next);
    assert!(
        desk.store.row("compromised").wrapped.is_empty(),
        "its private key is erased"
    );
    let [entry] = &desk.store.entries.lock().unwrap()[..] else {
        panic!("one entry");
    };
    assert_eq!(
        entry.entry.digest,
        Digest::of(RevocationKind::Key, bad.kid.as_str())
    );
    assert_eq!(
        (entry.entry.kind, entry.entry.effect),
        (RevocationKind::Key, Effect::Block)
    );
    assert_eq!(entry.entry.expires, UnixMillis::NEVER);
    assert_eq!(entry.act, act());
    assert_eq!(desk.store.acts().last(), Some(&act()));
}

#[tokio::test]
async fn a_compromised_pending_or_retiring_key_leaves_the_active_one() {
    let desk = Desk::new(ES256).await;
    let (active, pending) = (desk.kid("active"), desk.kid("pending"));
    let plan = desk.done(compromise(Compromised::One(pending))).await;
    assert!(plan.warnings.is_empty());
    assert_eq!(desk.states(), ["active", "compromised", "pending"]);
    assert_eq!(desk.kid("active"), active);
    desk.done(rotate(true)).await;
    desk.done(compromise(Compromised::One(active))).await;
    assert_eq!(desk.states(), ["compromised", "compromised", "active", "pending"]);
}

/// The command line may be configured for fewer algorithms than the servers.
#[tokio::test]
async fn a_compromised_key_of_an_algorithm_that_is_not_configured_hands_over_too() {
    let both = Desk::new(&[SigningAlg::Es256, SigningAlg::EdDsa]).await;
    let desk = Desk::on(both.store, both.clock, ES256);
    let of_eddsa = || -> Vec<_> {
        let rows = desk.store.rows().into_iter();
        rows.filter(|row| row.alg == SigningAlg::EdDsa).collect()
    };
    let bad = of_eddsa().into_iter().find(|row| row.state.is_active()).unwrap();
    desk.done(compromise(Compromised::One(bad.kid))).await;
    let states: Vec<_> = of_eddsa().iter().map(|row| row.state.as_str()).collect();
    assert_eq!(states, ["compromised", "active"]);
}

#[tokio::test]
async fn where_everything_leaked_everything_is_new() {
    let algorithms = [SigningAlg::Es256, SigningAlg::EdDsa];
    let desk = Desk::new(&algorithms).await;
    desk.done(rotate(true)).await;
    let old: Vec<_> = desk.store.rows().into_iter().map(|row| row.kid).collect();
    let plan = desk.done(compromise(Compromised::All)).await;
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
    for row in desk.store.rows() {
        let was_there = old.contains(&row.kid);
        assert_eq!(row.state.as_str() == "compromised", was_there, "{row:?}");
    }
    for alg in algorithms {
        let mut new: Vec<_> = desk
            .store
            .rows()
            .into_iter()
            .filter(|row| row.alg == alg && row.state.is_published())
            .map(|row| row.state.as_str())
            .collect();
        new.sort_unstable();
        assert_eq!(new, ["active", "pending"]);
    }
    assert_eq!(desk.store.entries.lock().unwrap().len(), old.len());
}

#[tokio::test]
async fn retiring_hands_over_withdraws_or_finishes() {
    let desk = Desk::new(ES256).await;
    desk.pass(hours(25));
    let (active, pending) = (desk.kid("active"), desk.kid("pending"));
    let retire = |kid: &Kid, at_once| KeyOperation::Retire {
        kid: kid.clone(),
        at_once,
    };
    desk.done(retire(&pending, false)).await;
    assert_eq!(desk.states(), ["active", "retired", "pending"]);
    let withdrawn = desk.store.row("retired");
    assert!(withdrawn.wrapped.is_empty());
    assert_eq!(withdrawn.state.activated(), None);
    assert!(
        desk.refused(retire(&active, false))
            .await
            .contains("has been published for 0s")
    );
    desk.done(retire(&active, true)).await;
    assert_eq!(desk.states(), ["retiring", "retired", "active", "pending"]);
    let plan = desk.done(retire(&active, true)).await;
    assert_eq!(
        plan.warnings,
        [format!(
            "tokens that key {active} signed may be alive for 2h 10m more: every verifier refuses them"
        )]
    );
    assert_eq!(desk.states(), ["retired", "retired", "active", "pending"]);
}

#[tokio::test]
async fn keys_of_an_algorithm_that_is_no_longer_configured_can_be_retired() {
    let both = Desk::new(&[SigningAlg::Es256, SigningAlg::EdDsa]).await;
    let desk = Desk::on(both.store, both.clock, ES256);
    let of_eddsa = |state: &str| {
        let found = |row: &symbolon_core::keys::SigningKeyRecord| {
            row.alg == SigningAlg::EdDsa && row.state.as_str() == state
        };
        desk.store.rows().into_iter().find(found).map(|row| row.kid)
    };
    for state in ["pending", "active"] {
        let kid = of_eddsa(state).unwrap();
        desk.done(KeyOperation::Retire { kid, at_once: false }).await;
    }
    assert!(of_eddsa("retired").is_some() && of_eddsa("retiring").is_some());
    assert_eq!(of_eddsa("pending"), None, "nothing takes its place");
}

#[tokio::test]
async fn an_imported_key_takes_the_place_of_the_pending_one() {
    let desk = Desk::new(ES256).await;
    desk.pass(hours(48));
    let (old, key) = (desk.kid("pending"), generate(SigningAlg::Es256));
    let import = |key: &PrivateKey| KeyOperation::Import {
        key: key.clone(),
        certificates: None,
    };
    desk.done(import(&key)).await;
    assert_eq!(desk.kid("pending"), *key.kid());
    assert_eq!(desk.kid("retired"), old);
    assert!(
        desk.refused(rotate(false))
            .await
            .contains("has been published for 0s")
    );
    assert_eq!(
        desk.refused(import(&key)).await,
        format!(
            "key {} exists already (ES256, pending); a key is imported once",
            key.kid()
        )
    );
    assert!(
        desk.refused(import(&generate(SigningAlg::EdDsa)))
            .await
            .contains("EdDSA is not in `keys.algorithms`")
    );
    desk.done(KeyOperation::Generate {
        alg: SigningAlg::Es256,
    })
    .await;
    let again = desk.refused(import(&key)).await;
    assert!(again.contains("exists already (ES256, retired)"), "{again}");
}

/// RS256 and PS256 share their keys' form: one key would have one `kid` under two algorithms.
#[tokio::test]
async fn the_same_key_is_refused_under_another_algorithm() {
    let algorithms = [SigningAlg::Rs256, SigningAlg::Ps256];
    let desk = Desk::new(&algorithms).await;
    let key = generate(SigningAlg::Rs256);
    let twin = PrivateKey::from_pkcs8_der(key.to_pkcs8_der(), SigningAlg::Ps256).unwrap();
    desk.done(KeyOperation::Import {
        key,
        certificates: None,
    })
    .await;
    let text = desk
        .refused(KeyOperation::Import {
            key: twin,
            certificates: None,
        })
        .await;
    assert!(text.contains("exists already (RS256, pending)"), "{text}");
}

#[tokio::test]
async fn a_key_that_is_brought_to_an_empty_store_signs_at_once() {
    let desk = Desk::on(Arc::default(), Arc::default(), ES256);
    desk.done(KeyOperation::Import {
        key: generate(SigningAlg::Es256),
        certificates: None,
    })
    .await;
    assert_eq!(desk.states(), ["active"]);
}

#[tokio::test]
async fn an_operation_that_somebody_overtakes_is_planned_again() {
    let desk = Desk::new(ES256).await;
    let (held, release) = desk.store.hold_change();
    let late = async { desk.operations.carry_out(&rotate(true), &act()).await.unwrap() };
    let first = async {
        held.await.unwrap();
        let rows = desk.store.rows();
        desk.store
            .set_state(&rows[0].kid, rows[0].state.retire(NOW).unwrap());
        desk.store
            .set_state(&rows[1].kid, rows[1].state.activate(NOW).unwrap());
        desk.store.edit(|rows| {
            let mut third = rows[1].clone();
            third.kid = Kid::parse("third").unwrap();
            third.state = KeyState::Pending { published: NOW };
            rows.push(third);
        });
        release.send(()).unwrap();
    };
    let (plan, ()) = tokio::join!(late, first);
    let activated = plan
        .steps
        .iter()
        .find(|step| step.to == "active" && step.now)
        .unwrap();
    assert_eq!(activated.kid.as_ref().unwrap().as_str(), "third");
    assert_eq!(desk.states(), ["retiring", "retiring", "active", "pending"]);
}

#[tokio::test]
async fn the_list_tells_the_past_and_what_is_next() {
    let desk = Desk::new(ES256).await;
    desk.pass(hours(30));
    desk.done(rotate(false)).await;
    let now = symbolon_core::Clock::now(&*desk.clock);
    let keys = desk.operations.list(false).await.unwrap();
    let next = |i: usize| {
        let next = keys[i].next.as_ref().unwrap();
        (keys[i].state, next.to, next.at.since(now) / 1000)
    };
    let (day, quarter) = (24 * 3600, 90 * 24 * 3600);
    assert_eq!(next(0), ("active", "retiring", quarter));
    assert_eq!(next(1), ("pending", "active", quarter));
    assert_eq!(next(2), ("retiring", "retired", 2 * 3600 + 605));
    assert_eq!(keys[1].ready.unwrap().since(now) / 1000, day + 5);
    assert_eq!(
        serde_json::to_value(&keys[2]).unwrap(),
        serde_json::json!({
            "kid": keys[2].kid.as_str(), "alg": "ES256", "state": "retiring", "since": now.0, "created": NOW.0,
            "activated": NOW.0, "next": {"to": "retired", "at": now.0 + (2 * 3600 + 605) * 1000},
            "encryption_key": kek(1).id().as_ref(),
        })
    );
    let bad = desk.kid("retiring");
    desk.done(compromise(Compromised::One(bad))).await;
    assert_eq!(desk.operations.list(false).await.unwrap().len(), 2);
    let all = desk.operations.list(true).await.unwrap();
    assert_eq!((all.len(), all[2].state, &all[2].next), (3, "compromised", &None));
}

/// While the key-encryption key is being replaced, not all have the same ones: what is made must be of use to all.
#[tokio::test]
async fn new_keys_are_encrypted_under_what_every_node_has() {
    let desk = Desk::new(ES256).await;
    let report = |opens: &[u8]| {
        *desk.store.nodes.lock().unwrap() = vec![KeyNode {
            node: Uuid::from_u128(7),
            name: "host:1".to_owned(),
            seen: ScheduleTime(0),
            complete_since: Some(ScheduleTime(0)),
            opens: opens.iter().map(|key| kek(*key).id().to_string()).collect(),
        }];
    };
    let (keys, rng) = (encryption_keys(2, &[1]), Arc::new(SystemRng));
    let operations = KeyOperations::new(desk.store.clone(), keys, rotation(ES256), desk.clock.clone(), rng);
    let generate = KeyOperation::Generate {
        alg: SigningAlg::Es256,
    };
    for (opens, under) in [(&[1][..], 1), (&[1, 2], 2), (&[2], 2), (&[1], 1)] {
        report(opens);
        operations.carry_out(&generate, &act()).await.unwrap();
        let made = desk.store.row("pending").wrapped;
        assert_eq!(
            symbolon_jose::KeyEncryptionKey::key_id_of(&made),
            Some(kek(under).id().clone())
        );
        let checked = operations.check_nodes().await;
        assert_eq!(checked.is_ok(), opens.contains(&2), "{checked:?}");
    }
    report(&[3]);
    let before = format!("{:?}", desk.store.rows());
    let error = operations
        .carry_out(&generate, &act())
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!(
            "node host:1 does not have the key-encryption key {}, so it could not open what is encrypted under it: give \
             that node the key, as `keys.previous_encryption_key`, by SIGHUP or a restart",
            kek(2).id()
        )
    );
    assert_eq!(format!("{:?}", desk.store.rows()), before);

    // A key that leaked goes all the same, and whoever takes it back is told what that costs.
    let bad = desk.kid("active");
    let leaked = compromise(Compromised::One(bad.clone()));
    let planned = operations.plan(&leaked).await.unwrap();
    assert!(
        planned.warnings.iter().any(|warning| warning.starts_with(&error)),
        "{:?}",
        planned.warnings
    );
    operations.carry_out(&leaked, &act()).await.unwrap();
    assert_eq!(desk.kid("compromised"), bad);
}

/// RFC 7517 section 4.7: `x5c` stands in the key set beside the key whose certificate is the first.
#[tokio::test]
async fn certificates_of_an_imported_key_are_published_beside_it() {
    let desk = Desk::new(ES256).await;
    let chain = |key: &PrivateKey| {
        let der = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &key.to_pkcs8_der().to_vec().into(),
            &rcgen::PKCS_ECDSA_P256_SHA256,
        );
        let params = rcgen::CertificateParams::new(vec!["as.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&der.unwrap()).unwrap();
        symbolon_jose::CertificateChain::from_pem(&certificate.pem()).unwrap()
    };
    let (key, other) = (generate(SigningAlg::Es256), generate(SigningAlg::Es256));
    let import = |certificates| KeyOperation::Import {
        key: key.clone(),
        certificates: Some(certificates),
    };
    let refused = desk.refused(import(chain(&other))).await;
    assert!(
        refused.starts_with(&format!(
            "the certificates can't be published beside key {}: ",
            key.kid()
        )),
        "{refused}"
    );
    desk.done(import(chain(&key))).await;
    let keyring = open_at(&desk.store, config(ES256), desk.clock.clone())
        .await
        .unwrap();
    let published = |keyring: &Keyring| {
        let set = jwks(keyring);
        let found = set.keys.iter().find(|jwk| jwk.kid() == key.kid()).unwrap();
        (
            serde_json::to_value(found).unwrap()["x5c"].clone(),
            set.keys.iter().filter(|jwk| jwk.certificates().is_some()).count(),
        )
    };
    let (x5c, count) = published(&keyring);
    assert_eq!((x5c.as_array().unwrap().len(), count), (1, 1));
    // Also once it signs, and as an operator exports it.
    desk.done(rotate(true)).await;
    keyring.reload().await.unwrap();
    assert_eq!(published(&keyring).0, x5c);
    let exported = desk.operations.export_public(Some(key.kid())).await.unwrap();
    assert_eq!(serde_json::to_value(&exported[0]).unwrap()["x5c"], x5c);
    // A chain that was put in the place of another is found out.
    store_certificates(&desk.store, key.kid(), &chain(&other).to_pem());
    let error = refusal(&desk.store, config(ES256)).await;
    assert!(error.contains("certificates that are not its own"), "{error}");
}

fn store_certificates(store: &MemoryKeys, kid: &Kid, pem: &str) {
    store.edit(|rows| {
        let row = rows.iter_mut().find(|row| row.kid == *kid).unwrap();
        row.certificates = Some(pem.to_owned());
    });
}
