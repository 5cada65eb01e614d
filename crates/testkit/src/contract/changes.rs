//! What changes, revocations and changes of keys leave on the audit trail.

use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_core::audit::{Act, Actor, EventKind, Expected};
use symbolon_core::import::{ImportMode, Imported};
use symbolon_core::keys::{KeyChange, KeyChangeOutcome, KeyMove};
use symbolon_core::ports::{AdminStore, Change, RegisteredScope, StoreResult};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ClientSecretHash;
use symbolon_core::user::{Role, RoleName};
use symbolon_core::view::{ClientView, RoleView, ScopeView, UserView, Version};
use tokio::task::JoinSet;

use super::audit::{head, told_since};
use super::keys::{ACTIVE, NOW as KEYS_NOW, PENDING, change, es256, kid};
use super::watched::Watched;
use crate::{
    FakeClock, Fixture, confidential_client, fresh_client_uid, fresh_session, fresh_subject, password_hash,
    resource_server, user,
};

const NOW: UnixMillis = FakeClock::START;

fn role(name: &str, scope: &str) -> Role {
    Role {
        name: name.parse().unwrap(),
        scope: scope.parse().unwrap(),
    }
}

fn scope(name: &str, description: &str) -> RegisteredScope {
    RegisteredScope {
        name: name.parse().unwrap(),
        description: description.to_owned(),
    }
}

fn secret(byte: u8) -> ClientSecretHash {
    ClientSecretHash {
        key_id: 1,
        mac: [byte; 32],
        expires: None,
    }
}

/// Every kind of change there is, with the record before and after.
pub async fn every_change_leaves_its_event(fixture: &Fixture) {
    let watched = Watched::new(fixture);
    let done = |change: StoreResult<Change>| assert_eq!(change.unwrap(), Change::Done);
    done(watched.put_role(&role("clerk", "orders:read")).await);
    done(watched.put_role(&role("clerk", "orders:read orders:write")).await);
    let alice = user("alice").email("alice@example.com").build_new();
    let subject = alice.user.subject;
    done(watched.add_user(&alice).await);
    let batch = [
        user("bob").roles(&["clerk"]).build_new(),
        user("alice").email("other@example.com").build_new(),
        user("carol").build_new(),
    ];
    let imported = watched.import_users(&batch, ImportMode::Write).await.unwrap();
    let expected = vec![Imported::Added, Imported::Taken("username"), Imported::Added];
    assert_eq!(imported, Some(expected));
    done(watched.update_user(subject, &user("Alicia").profile()).await);
    let (block, lift) = (
        NewRevocation::subject_blocked(subject),
        NewRevocation::subject_lifted(subject, NOW),
    );
    done(watched.set_user_active(subject, false, &block).await);
    done(watched.set_user_active(subject, true, &lift).await);
    let hash = password_hash("another");
    done(
        watched
            .set_password(subject, &hash, &NewRevocation::subject(subject, NOW))
            .await,
    );
    let clerk = user("Alicia").roles(&["clerk"]).profile();
    done(watched.update_user(subject, &clerk).await);
    done(watched.delete_role(&"clerk".parse().unwrap()).await);
    done(watched.delete_user(subject, &block).await);

    let orders = resource_server("orders", "urn:orders").build();
    let lift = NewRevocation::client_lifted(&orders.client_id, NOW);
    done(watched.add_client(&orders, &lift).await);
    let mut app = confidential_client("app").serves("urn:app", None).build();
    let (block, lift) = (
        NewRevocation::client_blocked(&app.client_id),
        NewRevocation::client_lifted(&app.client_id, NOW),
    );
    done(watched.add_client(&app, &lift).await);
    app.policy.name = "Application".into();
    app.policy.audiences = vec!["urn:orders".parse().unwrap()];
    done(watched.set_client_policy(&app).await);
    done(
        watched
            .set_client_secrets(app.uid, &[secret(0xAB), secret(0xCD)])
            .await,
    );
    done(watched.set_client_active(app.uid, false, &block).await);
    done(watched.set_client_active(app.uid, true, &lift).await);
    done(watched.delete_client(app.uid, &block).await);
    done(watched.put_scope(&scope("orders:read", "Read orders")).await);
    done(watched.put_scope(&scope("orders:read", "See orders")).await);
    done(watched.delete_scope(&"orders:read".parse().unwrap()).await);

    let families = ["client.", "role.", "scope.", "user."];
    let all = EventKind::ALL.iter().copied();
    let all = all.filter(|kind| families.iter().any(|family| kind.as_str().starts_with(family)));
    // Nothing of the client changes by it.
    let all = all.filter(|kind| *kind != EventKind::ClientRefused);
    assert_eq!(watched.seen(), all.collect());
    let trail = format!("{:?}", told_since(fixture, 0).await);
    for hidden in [
        alice.password.as_str(),
        hash.as_str(),
        "abababab",
        "argon2",
        "171, 171",
    ] {
        assert!(!trail.contains(hidden), "{hidden}");
    }
}

/// Neither the trail nor the head of the log moves.
async fn nothing_moves<T>(fixture: &Fixture, what: &str, change: impl Future<Output = T>) -> T {
    let before = (head(fixture).await, fixture.log.head().await.unwrap());
    let outcome = change.await;
    let after = (head(fixture).await, fixture.log.head().await.unwrap());
    assert_eq!(before, after, "{what}");
    outcome
}

/// What is so already needs no change.
pub async fn a_change_of_nothing_leaves_no_event(fixture: &Fixture) {
    let admin = &fixture.admin;
    admin.put_role(&role("clerk", "orders:read")).await.unwrap();
    admin.put_role(&role("auditor", "audit:read")).await.unwrap();
    let alice = user("alice").roles(&["clerk", "auditor"]).build_new();
    let subject = alice.user.subject;
    admin.add_user(&alice).await.unwrap();
    let client = resource_server("app", "urn:app").secret(secret(1)).build();
    let lift = NewRevocation::client_lifted(&client.client_id, NOW);
    admin.add_client(&client, &lift).await.unwrap();
    admin.put_scope(&scope("a", "b")).await.unwrap();
    let same = nothing_moves(fixture, "the same", async {
        let roles = ["auditor", "clerk", "clerk"];
        [
            admin.put_role(&role("clerk", "orders:read")).await.unwrap(),
            admin
                .update_user(subject, &user("alice").roles(&roles).profile())
                .await
                .unwrap(),
            admin
                .set_user_active(subject, true, &NewRevocation::subject_lifted(subject, NOW))
                .await
                .unwrap(),
            admin.set_client_policy(&client).await.unwrap(),
            admin
                .set_client_secrets(client.uid, &client.secrets)
                .await
                .unwrap(),
            admin.set_client_active(client.uid, true, &lift).await.unwrap(),
            admin.put_scope(&scope("a", "b")).await.unwrap(),
        ]
    });
    assert_eq!(same.await, [Change::Done; 7]);
    let batch = [alice];
    let seen = nothing_moves(fixture, "an import of nobody new", async {
        admin.import_users(&batch, ImportMode::Write).await.unwrap();
        let new = [user("new").build_new()];
        admin.import_users(&new, ImportMode::Check).await.unwrap()
    });
    assert_eq!(seen.await, Some(vec![Imported::Added]));
}

/// Of a name that is taken, a record that is not there, or more than the store takes.
pub async fn a_change_that_fails_leaves_no_event(fixture: &Fixture) {
    let admin = &fixture.admin;
    admin.add_user(&user("alice").build_new()).await.unwrap();
    let client = resource_server("app", "urn:app").build();
    let lift = NewRevocation::client_lifted(&client.client_id, NOW);
    admin.add_client(&client, &lift).await.unwrap();
    let (nobody, nothing) = (fresh_subject(), fresh_client_uid());
    let entry = NewRevocation::subject(nobody, NOW);
    let none: RoleName = "none".parse().unwrap();
    nothing_moves(fixture, "failures", async {
        let hash = password_hash("x");
        let mut greedy = client.clone();
        greedy.policy.audiences = vec!["urn:nobody".parse().unwrap()];
        let outcomes = [
            admin.add_user(&user("Alice").build_new()).await,
            admin.add_user(&user("bob").roles(&["none"]).build_new()).await,
            admin.update_user(nobody, &user("bob").profile()).await,
            admin.set_user_active(nobody, false, &entry).await,
            admin.set_password(nobody, &hash, &entry).await,
            admin.delete_user(nobody, &entry).await,
            admin.delete_role(&none).await,
            admin
                .add_client(&resource_server("other", "urn:app").build(), &lift)
                .await,
            admin.set_client_policy(&greedy).await,
            admin.set_client_active(nothing, false, &lift).await,
            admin.set_client_secrets(nothing, &[]).await,
            admin.delete_client(nothing, &lift).await,
            admin.delete_scope(&"none".parse().unwrap()).await,
        ];
        for (i, outcome) in outcomes.into_iter().enumerate() {
            let refused = matches!(outcome, Ok(Change::Taken(_) | Change::Unknown(_)));
            assert!(refused, "{i}: {outcome:?}");
        }
        let secrets: Vec<_> = (0..100).map(secret).collect();
        admin.set_client_secrets(client.uid, &secrets).await.unwrap_err();
    })
    .await;
}

/// Two who have seen the same record: the second changes nothing, whatever they want, until they have seen it anew.
pub async fn a_record_that_has_changed_since_stays(fixture: &Fixture) {
    let admin = &fixture.admin;
    let clerk = role("clerk", "orders:read");
    admin.put_role(&clerk).await.unwrap();
    let alice = user("alice").build_new();
    let subject = alice.user.subject;
    admin.add_user(&alice).await.unwrap();
    let mut client = resource_server("app", "urn:app").build();
    let (block, lift) = (
        NewRevocation::client_blocked(&client.client_id),
        NewRevocation::client_lifted(&client.client_id, NOW),
    );
    admin.add_client(&client, &lift).await.unwrap();
    let read = scope("orders:read", "Read orders");
    admin.put_scope(&read).await.unwrap();
    let expecting = |version| {
        let act = Fixture::act().expecting(Some(Expected::At(version)));
        fixture.admins.acting(act)
    };

    let stale = expecting(Version::of(&"something else"));
    let entry = NewRevocation::subject(subject, NOW);
    let hash = password_hash("x");
    nothing_moves(fixture, "stale", async {
        let outcomes = [
            stale.update_user(subject, &user("bob").profile()).await,
            stale.set_user_active(subject, false, &entry).await,
            stale.set_user_active(subject, true, &entry).await,
            stale.set_password(subject, &hash, &entry).await,
            stale.delete_user(subject, &entry).await,
            stale.put_role(&clerk).await,
            stale.put_role(&role("new", "")).await,
            stale.delete_role(&clerk.name).await,
            stale.set_client_policy(&client).await,
            stale.set_client_active(client.uid, false, &block).await,
            stale.set_client_secrets(client.uid, &[]).await,
            stale.delete_client(client.uid, &block).await,
            stale.put_scope(&read).await,
            stale.put_scope(&scope("new", "")).await,
            stale.delete_scope(&read.name).await,
        ];
        for (i, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome.unwrap(), Change::Stale, "{i}");
        }
    })
    .await;

    let seen = Version::of(&ClientView::from(&client));
    client.policy.name = "First".into();
    assert_eq!(
        expecting(seen).set_client_policy(&client).await.unwrap(),
        Change::Done
    );
    client.policy.name = "Second".into();
    assert_eq!(
        expecting(seen).set_client_policy(&client).await.unwrap(),
        Change::Stale
    );
    let seen = fixture.facts.client_by_uid(client.uid).await.unwrap().unwrap();
    assert_eq!(seen.policy.name, "First");
    let seen = Version::of(&ClientView::from(&seen));
    assert_eq!(
        expecting(seen).set_client_policy(&client).await.unwrap(),
        Change::Done
    );

    let seen = Version::of(&UserView::from(&alice.user));
    assert_eq!(
        expecting(seen)
            .set_password(subject, &hash, &entry)
            .await
            .unwrap(),
        Change::Done
    );
    assert_eq!(
        expecting(seen).delete_user(subject, &entry).await.unwrap(),
        Change::Done
    );
    let seen = Version::of(&RoleView::from(&clerk));
    assert_eq!(
        expecting(seen).delete_role(&clerk.name).await.unwrap(),
        Change::Done
    );
    let seen = Version::of(&ScopeView::from(&read));
    assert_eq!(
        expecting(seen).delete_scope(&read.name).await.unwrap(),
        Change::Done
    );
}

/// Racing administrators who have seen the same record: one changes it.
pub async fn of_those_who_have_seen_the_same_one_changes_it(fixture: &Fixture) {
    let client = resource_server("app", "urn:app").build();
    let lift = NewRevocation::client_lifted(&client.client_id, NOW);
    fixture.admin.add_client(&client, &lift).await.unwrap();
    let seen = Version::of(&ClientView::from(&client));
    let act = Fixture::act().expecting(Some(Expected::At(seen)));
    let mut tasks = JoinSet::new();
    for i in 0..20 {
        let (admin, mut client) = (fixture.admins.acting(act.clone()), client.clone());
        tasks.spawn(async move {
            client.policy.name = format!("Name {i}");
            admin.set_client_policy(&client).await.unwrap()
        });
    }
    let outcomes = tasks.join_all().await;
    let done = outcomes.iter().filter(|change| **change == Change::Done).count();
    let stale = outcomes.iter().filter(|change| **change == Change::Stale).count();
    assert_eq!((done, stale), (1, 19));
}

/// Of those who race to make a record one makes it, and who means to replace one makes none.
pub async fn who_means_a_new_record_replaces_none(fixture: &Fixture) {
    let expecting = |expected| fixture.admins.acting(Fixture::act().expecting(Some(expected)));
    let (maker, replacer) = (expecting(Expected::Absent), expecting(Expected::Present));
    let (clerk, read) = (role("clerk", "a"), scope("orders:read", "Read orders"));
    assert_eq!(replacer.put_role(&clerk).await.unwrap(), Change::Stale);
    assert_eq!(replacer.put_scope(&read).await.unwrap(), Change::Stale);
    let mut tasks = JoinSet::new();
    for i in 0..20 {
        let maker = expecting(Expected::Absent);
        tasks.spawn(async move { maker.put_role(&role("clerk", &format!("s{i}"))).await.unwrap() });
    }
    let mut outcomes = tasks.join_all().await;
    outcomes.retain(|change| *change != Change::Stale);
    assert_eq!(outcomes, [Change::Done]);
    assert_eq!(maker.put_scope(&read).await.unwrap(), Change::Done);
    assert_eq!(maker.put_scope(&read).await.unwrap(), Change::Stale);
    assert_eq!(maker.delete_scope(&read.name).await.unwrap(), Change::Stale);
    assert_eq!(replacer.put_role(&clerk).await.unwrap(), Change::Done);
    assert_eq!(replacer.delete_scope(&read.name).await.unwrap(), Change::Done);
}

/// With what the entry is, and whose doing.
pub async fn a_revocation_leaves_its_event(fixture: &Fixture) {
    let (subject, before) = (fresh_subject(), head(fixture).await);
    let act = Act::new(Actor::client(&"app".parse().unwrap()), "stolen \0laptop");
    let session = fresh_session(NOW);
    let revocations = [
        NewRevocation::subject(subject, NOW).by(&act).ending(3),
        NewRevocation::session(session, NOW.plus(5)).by(&act),
        NewRevocation::client_blocked(&"app".parse().unwrap()),
    ];
    let mut seqs = Vec::new();
    for revocation in &revocations {
        seqs.push(
            fixture
                .log
                .append(revocation, NOW.plus(1))
                .await
                .unwrap()
                .head
                .seq,
        );
    }
    let told = told_since(fixture, before).await;
    let hex = |revocation: &NewRevocation| -> String {
        let digest = revocation.entry.digest.0;
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let details: Vec<_> = told.iter().map(|event| event["details"].clone()).collect();
    let expected = [
        json!({
            "seq": seqs[0], "kind": "subject", "effect": "cutoff", "digest": hex(&revocations[0]),
            "moment_ms": NOW.0, "expires_ms": revocations[0].entry.expires.0, "sessions": 3,
            "whose": subject.to_string(),
        }),
        json!({
            "seq": seqs[1], "kind": "session", "effect": "block", "digest": hex(&revocations[1]),
            "moment_ms": null, "expires_ms": revocations[1].entry.expires.0, "sessions": null, "whose": null,
        }),
        json!({
            "seq": seqs[2], "kind": "client", "effect": "block", "digest": hex(&revocations[2]),
            "moment_ms": null, "expires_ms": null, "sessions": null, "whose": null,
        }),
    ];
    assert_eq!(details, expected);
    let kept = fixture.records.revocation(seqs[0]).await.unwrap().unwrap();
    assert_eq!((&*kept.actor, &*kept.reason), ("client:app", "stolen laptop"));
    for (event, seq) in told.iter().zip(seqs) {
        assert_eq!(event["event"], "revocation.logged");
        assert_eq!(event["at_ms"], NOW.plus(1).0);
        assert_eq!(
            event["target"],
            json!({ "kind": "revocation", "id": seq.to_string(), "name": null })
        );
    }
    assert_eq!(
        (&told[0]["actor"], &told[0]["reason"]),
        (&json!("client:app"), &json!("stolen \0laptop"))
    );
    assert_eq!(
        (&told[2]["actor"], &told[2]["reason"]),
        (&json!("server"), &json!(""))
    );
}

/// And its entries on the log theirs; one that is refused leaves none.
pub async fn a_change_of_keys_leaves_its_event(fixture: &Fixture) {
    let act = Act::new(Actor::operator("alice"), "the old one was stolen");
    let by = |change: KeyChange| KeyChange {
        act: act.clone(),
        ..change
    };
    let before = head(fixture).await;
    let first = by(change(Vec::new(), vec![es256("a", ACTIVE)]));
    assert_eq!(
        fixture.keys.change_keys(&first).await.unwrap(),
        KeyChangeOutcome::Done
    );
    let dropping = KeyChange {
        entries: vec![NewRevocation::key(&kid("a"))],
        ..by(change(
            vec![KeyMove {
                kid: kid("a"),
                from: ACTIVE,
                to: ACTIVE.compromise(KEYS_NOW).unwrap(),
            }],
            vec![es256("b", ACTIVE), es256("c", PENDING)],
        ))
    };
    assert_eq!(
        fixture.keys.change_keys(&dropping).await.unwrap(),
        KeyChangeOutcome::Done
    );
    let again = nothing_moves(fixture, "a conflict", fixture.keys.change_keys(&dropping)).await;
    assert_eq!(again.unwrap(), KeyChangeOutcome::Conflict);

    let told = told_since(fixture, before).await;
    let kinds: Vec<_> = told
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["keys.changed", "revocation.logged", "keys.changed"]);
    for event in &told {
        assert_eq!(
            (&event["actor"], &event["reason"]),
            (&json!("cli:alice"), &json!("the old one was stolen"))
        );
        assert!(!event.to_string().contains("jwe-of"), "{event}");
    }
    let added = |kid: &str, state: &str| json!({ "kid": kid, "alg": "ES256", "state": state });
    assert_eq!(
        told[0]["target"],
        json!({ "kind": "key", "id": "a", "name": null })
    );
    assert_eq!(
        told[0]["details"],
        json!({ "moves": [], "added": [added("a", "active")], "authority": "operator" })
    );
    assert_eq!(told[2]["target"], Value::Null);
    assert_eq!(
        told[2]["details"],
        json!({
            "moves": [{ "kid": "a", "from": "active", "to": "compromised" }],
            "added": [added("b", "active"), added("c", "pending")],
            "authority": "operator",
        })
    );
}
