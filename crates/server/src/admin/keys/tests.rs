//! Over a real store.

use symbolon_core::audit::{Actor, AuditFilter, EventKind, Order};
use symbolon_core::keys::{KeyNode, KeyTimings, ScheduleTime, SigningKeyRecord};
use symbolon_core::lookup::RevocationRecords as _;
use symbolon_core::ports::StoreResult;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::{Rng, SystemRng};
use symbolon_jose::{EncryptionKeys, KeyEncryptionKey};
use symbolon_jwks_publisher::{Keyring, KeyringConfig, RotationConfig, share_encryption_keys};
use symbolon_revocation::LiveLog;
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_testkit::FakeClock;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::secrets::open_server_keys;

const ES256: &[SigningAlg] = &[SigningAlg::Es256];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A server that has started once, on a database in memory.
struct Desk {
    store: Arc<SqlStore>,
    clock: Arc<FakeClock>,
    keys: AdminKeys,
}

fn encryption_keys(current: u8, previous: &[u8]) -> SharedEncryptionKeys {
    let key = |number: &u8| KeyEncryptionKey::generate(&mut |dest| dest.fill(*number));
    let previous = previous.iter().map(key).collect();
    share_encryption_keys(Arc::new(EncryptionKeys::new(key(&current), previous)))
}

fn rotation(algorithms: &[SigningAlg]) -> RotationConfig {
    RotationConfig {
        algorithms: algorithms.to_vec(),
        timings: KeyTimings {
            rotate_every: 90 * DAY,
            publish_before: DAY,
            publish_after: KeyTimings::LEAST_AFTER,
        },
        automatically: true,
    }
}

fn desk_on(
    store: &Arc<SqlStore>,
    clock: &Arc<FakeClock>,
    algorithms: &[SigningAlg],
    encryption_keys: SharedEncryptionKeys,
) -> AdminKeys {
    let operations = KeyOperations::new(
        store.clone(),
        encryption_keys.clone(),
        rotation(algorithms),
        clock.clone(),
        Arc::new(SystemRng),
    );
    AdminKeys::new(KeyParts {
        operations,
        keys: store.clone(),
        secrets: store.clone(),
        encryption_keys,
        audit: store.clone(),
        algorithms: algorithms.to_vec(),
        max_age: Duration::from_secs(900),
        clock: clock.clone(),
    })
}

impl Desk {
    async fn new(algorithms: &[SigningAlg]) -> Self {
        let clock = Arc::new(FakeClock::new());
        let store = SqlStore::connect(&SqlConfig::new("sqlite::memory:"), clock.clone())
            .await
            .unwrap();
        store.migrate(&SystemRng).await.unwrap();
        let (store, opening) = (Arc::new(store), encryption_keys(1, &[]));
        open_server_keys(&*store, &opening.load(), &SystemRng)
            .await
            .unwrap();
        let config = KeyringConfig {
            issuer: "https://auth.example.org".to_owned(),
            default_algorithm: algorithms[0],
            rotation: rotation(algorithms),
            import_dir: None,
            max_age: Duration::from_secs(900),
        };
        let log = LiveLog::open(store.clone(), clock.clone()).await.unwrap();
        let around = (
            clock.clone() as Arc<dyn Clock>,
            Arc::new(SystemRng) as Arc<dyn Rng>,
        );
        Keyring::open(store.clone(), config, opening.clone(), Arc::new(log), around)
            .await
            .unwrap();
        let keys = desk_on(&store, &clock, algorithms, opening);
        Self { store, clock, keys }
    }

    async fn history(&self) -> Vec<SigningKeyRecord> {
        self.store.key_history(1000).await.unwrap()
    }

    /// The id of the only key in that state.
    async fn kid(&self, state: &str) -> Kid {
        let mut found = self.history().await;
        found.retain(|key| key.state.as_str() == state);
        assert_eq!(found.len(), 1, "{state}");
        found.remove(0).kid
    }

    /// Everything that a change of keys touches.
    async fn picture(&self) -> String {
        let trail = self.store.audit_head().await.unwrap();
        format!("{:?} {:?}", self.history().await, trail)
    }

    /// Carries an order out after it was planned, which changes nothing and says the same.
    async fn done(&self, order: &KeyOrder) -> KeyPlan {
        let before = self.picture().await;
        let planned = self.keys.plan(order).await.unwrap();
        assert!(planned.dry_run);
        assert_eq!(self.picture().await, before);
        let done = self.keys.carry_out(order, &act()).await.unwrap();
        assert!(!done.dry_run);
        let told = |plan: &KeyPlan| -> Vec<_> {
            let step =
                |step: &symbolon_admin_api::KeyPlanStep| (step.from.clone(), step.to.clone(), step.at_ms);
            plan.steps.iter().map(step).collect()
        };
        assert_eq!((told(&planned), &planned.warnings), (told(&done), &done.warnings));
        let last = self.last_events(1).await.remove(0);
        assert_eq!(
            (last["event"].as_str(), last["actor"].as_str()),
            (Some("keys.changed"), Some("cli:ops"))
        );
        assert_eq!(last["reason"], "because");
        done
    }

    /// An order that is refused, planned or not, and changes nothing.
    async fn refused(&self, order: &KeyOrder) -> Problem {
        let before = self.picture().await;
        let planned = self.keys.plan(order).await.unwrap_err();
        assert_eq!(self.keys.carry_out(order, &act()).await.unwrap_err(), planned);
        assert_eq!(self.picture().await, before);
        planned
    }

    /// The last events on the trail, the latest first.
    async fn last_events(&self, limit: u32) -> Vec<serde_json::Value> {
        let filter = AuditFilter::default();
        let found = self
            .store
            .audit_records(&filter, Order::Latest, None, limit)
            .await;
        let read = |record: &symbolon_core::audit::AuditRecord| serde_json::from_str(&record.body).unwrap();
        found.unwrap().iter().map(read).collect()
    }
}

fn act() -> Act {
    Act::new(Actor::operator("ops"), "because")
}

fn rotate(dangerous_now: bool) -> KeyOrder {
    KeyOrder::Rotate {
        alg: None,
        dangerous_now,
    }
}

fn import(text: &str, alg: Option<SigningAlg>) -> KeyOrder {
    KeyOrder::Import {
        key: KeyText::new(Zeroizing::new(text.to_owned())),
        alg,
        certificates: None,
    }
}

/// A private key as PEM, with its certificate.
fn generated() -> (String, String) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["as.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&pair).unwrap();
    (pair.serialize_pem(), certificate.pem())
}

#[tokio::test]
async fn keys_are_listed_with_what_is_next() {
    let desk = Desk::new(ES256).await;
    let listed = desk.keys.keys(false).await.unwrap();
    let states: Vec<_> = listed.iter().map(|key| key.state.as_str()).collect();
    assert_eq!(states, ["active", "pending"]);
    let [active, pending] = &listed[..] else {
        panic!("two keys")
    };
    assert_eq!(active.activated_ms, Some(FakeClock::START.0));
    assert_eq!((active.ready_ms, &active.withheld_by), (None, &None));
    let next = pending.next.as_ref().unwrap();
    assert_eq!(
        (next.to.as_str(), next.at_ms),
        ("active", FakeClock::START.0 + 90 * 86_400_000)
    );
    assert_eq!(pending.ready_ms, Some(FakeClock::START.0 + 86_405_000));
    assert_eq!(pending.alg, "ES256");
    assert!(pending.encryption_key.is_some());
}

#[tokio::test]
async fn a_rotation_is_refused_until_the_key_is_known_and_done_where_it_must_be() {
    let desk = Desk::new(ES256).await;
    let pending = desk.kid("pending").await;
    let problem = desk.refused(&rotate(false)).await;
    assert_eq!(problem.status, 409);
    assert!(problem.detail.contains("wait 1d 5s more"), "{}", problem.detail);
    let plan = desk.done(&rotate(true)).await;
    assert_eq!(desk.kid("active").await, pending);
    assert!(plan.warnings[0].contains("signs before every verifier can know it"));
    assert!(plan.notes.is_empty());
    assert!(plan.steps.iter().all(|step| step.kid.is_some()));
}

#[tokio::test]
async fn a_key_is_activated_generated_and_retired() {
    let desk = Desk::new(ES256).await;
    let (first, second) = (desk.kid("active").await, desk.kid("pending").await);
    desk.done(&KeyOrder::Activate {
        kid: second.clone(),
        dangerous_now: true,
    })
    .await;
    assert_eq!(
        (desk.kid("active").await, desk.kid("retiring").await),
        (second.clone(), first.clone())
    );
    let third = desk.kid("pending").await;
    desk.done(&KeyOrder::Generate {
        alg: SigningAlg::Es256,
    })
    .await;
    assert_ne!(desk.kid("pending").await, third);
    let problem = desk
        .refused(&KeyOrder::Retire {
            kid: first.clone(),
            dangerous_now: false,
        })
        .await;
    assert_eq!(problem.status, 409);
    desk.done(&KeyOrder::Retire {
        kid: first.clone(),
        dangerous_now: true,
    })
    .await;
    let again = desk
        .refused(&KeyOrder::Activate {
            kid: first,
            dangerous_now: true,
        })
        .await;
    assert_eq!(again.status, 409);
}

#[tokio::test]
async fn orders_name_the_field_that_is_wrong() {
    let desk = Desk::new(ES256).await;
    let unknown = Kid::parse("unknown").unwrap();
    for order in [
        KeyOrder::Activate {
            kid: unknown.clone(),
            dangerous_now: true,
        },
        KeyOrder::Compromise {
            kid: Some(unknown.clone()),
        },
        KeyOrder::Retire {
            kid: unknown,
            dangerous_now: true,
        },
    ] {
        assert_eq!(desk.refused(&order).await.status, 404, "{order:?}");
    }
    let alg = SigningAlg::EdDsa;
    for order in [
        KeyOrder::Generate { alg },
        KeyOrder::Rotate {
            alg: Some(alg),
            dangerous_now: true,
        },
    ] {
        let problem = desk.refused(&order).await;
        assert_eq!(
            (problem.status, problem.errors[0].field.as_str()),
            (422, "alg"),
            "{order:?}"
        );
    }
}

#[tokio::test]
async fn a_compromised_key_is_on_the_log_as_that_doing() {
    let desk = Desk::new(ES256).await;
    let (bad, next) = (desk.kid("active").await, desk.kid("pending").await);
    let order = KeyOrder::Compromise {
        kid: Some(bad.clone()),
    };
    let plan = desk.done(&order).await;
    assert_eq!(plan.notes.len(), 2);
    assert_eq!(
        (desk.kid("compromised").await, desk.kid("active").await),
        (bad.clone(), next)
    );
    let digest = NewRevocation::key(&bad).entry.digest;
    let entry = desk.store.last_revocation_of(digest).await.unwrap().unwrap();
    assert_eq!(
        (entry.reason.as_str(), entry.actor.as_str()),
        ("because", "cli:ops")
    );
    assert_eq!(desk.refused(&order).await.status, 409);

    let all = desk.done(&KeyOrder::Compromise { kid: None }).await;
    assert_eq!(all.notes.len(), 3);
    assert_eq!(desk.keys.keys(true).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_key_is_imported_once_as_pem_or_jwk_with_its_certificates() {
    let desk = Desk::new(ES256).await;
    let (pem, certificate) = generated();
    let with = |certificates: &str| KeyOrder::Import {
        key: KeyText::new(Zeroizing::new(pem.clone())),
        alg: None,
        certificates: Some(certificates.to_owned()),
    };
    for (certificates, field) in [(generated().1.as_str(), "certificates"), ("none", "certificates")] {
        let problem = desk.refused(&with(certificates)).await;
        assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field));
    }
    let plan = desk.done(&with(&certificate)).await;
    let kid = desk.kid("pending").await;
    assert!(
        plan.steps
            .iter()
            .any(|step| step.kid.as_deref() == Some(kid.as_str()) && step.to == "pending")
    );
    let published = desk.keys.public_keys(Some(&kid)).await.unwrap();
    assert!(published[0].certificates().is_some());
    let again = desk.refused(&with(&certificate)).await;
    assert_eq!((again.status, again.errors[0].field.as_str()), (409, "key"));

    let jwk = r#"{"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps","d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"}"#;
    desk.done(&import(jwk, None)).await;
    let withdrawn = desk.keys.public_keys(Some(&kid)).await.unwrap_err();
    assert_eq!(withdrawn.status, 404);
    assert_eq!(desk.keys.public_keys(None).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_quoted() {
    let desk = Desk::new(ES256).await;
    let (pem, _) = generated();
    let cut = pem.replace("-----END", "-----AND");
    let secret = pem.lines().nth(1).unwrap();
    let problem = desk.refused(&import(&cut, None)).await;
    assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, "key"));
    assert!(!format!("{problem:?}").contains(&secret[8..24]));
    let mismatch = desk.refused(&import(&pem, Some(SigningAlg::Ps256))).await;
    assert_eq!((mismatch.status, mismatch.errors[0].field.as_str()), (422, "alg"));
    assert!(!format!("{:?}", import(&pem, None)).contains("PRIVATE"));
    let other = Desk::new(&[SigningAlg::EdDsa]).await;
    let unconfigured = other.refused(&import(&pem, None)).await;
    assert_eq!(
        (unconfigured.status, unconfigured.errors[0].field.as_str()),
        (422, "key")
    );
}

/// Everything that is encrypted names these key-encryption keys.
async fn under(store: &SqlStore) -> StoreResult<Vec<String>> {
    let keys = store.signing_keys().await?.into_iter().map(|key| key.wrapped);
    let secrets = store.secrets().await?.into_iter().map(|secret| secret.wrapped);
    let mut ids: Vec<_> = keys
        .chain(secrets)
        .map(|jwe| KeyEncryptionKey::key_id_of(&jwe).unwrap().to_string())
        .collect();
    ids.sort();
    ids.dedup();
    Ok(ids)
}

#[tokio::test]
async fn everything_is_encrypted_again_and_stands_on_the_trail() {
    let desk = Desk::new(ES256).await;
    let id = |number| encryption_keys(number, &[]).load().current().id().to_string();
    let keys = desk_on(&desk.store, &desk.clock, ES256, encryption_keys(2, &[1]));
    let before = (under(&desk.store).await.unwrap(), desk.picture().await);
    let planned = keys.rewrap(true, &act()).await.unwrap();
    assert_eq!((under(&desk.store).await.unwrap(), desk.picture().await), before);
    assert!(planned.dry_run && planned.removable.is_empty());
    assert_eq!((planned.signing_keys.total, planned.signing_keys.changed), (2, 2));
    assert_eq!(
        planned.needed[0].setting.as_deref(),
        Some("keys.previous_encryption_key")
    );

    let done = keys.rewrap(false, &act()).await.unwrap();
    assert_eq!(under(&desk.store).await.unwrap(), [id(2)]);
    assert_eq!(
        (done.encryption_key.as_str(), done.removable),
        (id(2).as_str(), vec![id(1)])
    );
    assert_eq!(
        (done.signing_keys, done.server_secrets),
        (planned.signing_keys, planned.server_secrets)
    );
    assert!(done.warnings.is_empty());
    let event = desk.last_events(1).await.remove(0);
    assert_eq!(event["event"], EventKind::KeysRewrapped.as_str());
    assert_eq!(
        (event["actor"].as_str(), event["reason"].as_str()),
        (Some("cli:ops"), Some("because"))
    );
    assert_eq!(event["details"]["encryption_key"], id(2));
    assert_eq!(event["details"]["signing_keys"]["changed"], 2);

    let trail = desk.store.audit_head().await.unwrap();
    let again = keys.rewrap(false, &act()).await.unwrap();
    assert_eq!((again.signing_keys.changed, again.server_secrets.changed), (0, 0));
    assert_eq!(
        desk.store.audit_head().await.unwrap(),
        trail,
        "what changes nothing leaves no event"
    );
}

#[tokio::test]
async fn nothing_is_encrypted_again_that_a_node_or_this_server_can_not_open() {
    let desk = Desk::new(ES256).await;
    let before = (under(&desk.store).await.unwrap(), desk.picture().await);
    let stranger = desk_on(&desk.store, &desk.clock, ES256, encryption_keys(3, &[2]));
    let problem = stranger.rewrap(false, &act()).await.unwrap_err();
    assert_eq!(problem.status, 500);
    assert!(
        problem
            .detail
            .contains("is encrypted under the key-encryption key"),
        "{}",
        problem.detail
    );

    let keys = desk_on(&desk.store, &desk.clock, ES256, encryption_keys(2, &[1]));
    let node = KeyNode {
        node: Uuid::from_u128(7),
        name: "host:1".to_owned(),
        seen: ScheduleTime(0),
        complete_since: Some(ScheduleTime(0)),
        opens: vec![encryption_keys(1, &[]).load().current().id().to_string()],
    };
    desk.store.report_key_node(&node).await.unwrap();
    let problem = keys.rewrap(false, &act()).await.unwrap_err();
    assert_eq!(problem.status, 409);
    assert!(
        problem.detail.starts_with("node host:1 does not have"),
        "{}",
        problem.detail
    );
    assert_eq!((under(&desk.store).await.unwrap(), desk.picture().await), before);
}
