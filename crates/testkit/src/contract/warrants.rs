//! By what somebody makes a change: it must still hold when it is made.

use symbolon_core::audit::{Act, Warrant};
use symbolon_core::import::{ImportMode, Imported};
use symbolon_core::ports::{AdminStore, Change, RegisteredScope};
use symbolon_core::revocation::{Head, NewRevocation};
use symbolon_core::user::Role;

use super::audit::head;
use crate::{FakeClock, Fixture, confidential_client, fresh_subject, password_hash, user};

/// Somebody who was judged by that state, and holds this scope.
fn acting(fixture: &Fixture, judged: Head, scope: &str) -> Box<dyn AdminStore> {
    fixture.admins.acting(Act {
        warrant: Some(Warrant {
            judged,
            scope: scope.parse().unwrap(),
        }),
        ..Fixture::act()
    })
}

fn role(name: &str, scope: &str) -> Role {
    Role {
        name: name.parse().unwrap(),
        scope: scope.parse().unwrap(),
    }
}

/// Of every change there is: whether the log has moved on, or a fact.
pub async fn a_doing_judged_by_an_older_state_changes_nothing(fixture: &Fixture) {
    let alice = user("alice").build_new();
    let shop = confidential_client("shop").build();
    let lift = NewRevocation::client_lifted(&shop.client_id, FakeClock::START);
    fixture.admin.add_user(&alice).await.unwrap();
    fixture.admin.add_client(&shop, &lift).await.unwrap();
    let orders = RegisteredScope::new("orders:read".parse().unwrap(), "see orders").unwrap();

    let old = fixture.log.head().await.unwrap();
    let entry = NewRevocation::subject_blocked(fresh_subject());
    fixture.log.append(&entry, FakeClock::START).await.unwrap();
    let by_log = acting(fixture, old, "users:write clients:write");
    let old = fixture.log.head().await.unwrap();
    fixture
        .admin
        .put_role(&role("other", "orders:read"))
        .await
        .unwrap();
    let by_facts = acting(fixture, old, "users:write clients:write");

    let (before, trail) = (fixture.log.head().await.unwrap(), head(fixture).await);
    for admin in [by_log, by_facts] {
        let (subject, uid) = (alice.user.subject, shop.uid);
        let hash = password_hash("another");
        let came = [
            admin.add_user(&user("bob").build_new()).await,
            admin.update_user(subject, &user("alicia").profile()).await,
            admin.set_user_active(subject, false, &entry).await,
            admin.set_password(subject, &hash, &entry).await,
            admin.delete_user(subject, &entry).await,
            admin.put_role(&role("clerk", "orders:read")).await,
            admin.delete_role(&"other".parse().unwrap()).await,
            admin
                .add_client(&confidential_client("other").build(), &lift)
                .await,
            admin.set_client_policy(&shop).await,
            admin.set_client_active(uid, false, &entry).await,
            admin.set_client_secrets(uid, &[]).await,
            admin.delete_client(uid, &entry).await,
            admin.put_scope(&orders).await,
            admin.delete_scope(&orders.name).await,
        ];
        assert_eq!(came.map(Result::unwrap), [Change::CatchUp; 14]);
        let batch = [user("bob").build_new()];
        assert_eq!(admin.import_users(&batch, ImportMode::Write).await.unwrap(), None);
    }
    assert_eq!(
        (fixture.log.head().await.unwrap(), head(fixture).await),
        (before, trail)
    );

    let admin = acting(fixture, before, "users:write");
    let came = admin.add_user(&user("bob").build_new()).await.unwrap();
    assert_eq!(came, Change::Done);
}

/// Whatever the roles held when somebody looked: they are asked as they are when the change is made.
pub async fn nobody_gives_or_takes_over_more_than_they_hold(fixture: &Fixture) {
    for role in [
        role("clerk", "orders:read users:write"),
        role("root", "keys:rotate"),
    ] {
        fixture.admin.put_role(&role).await.unwrap();
    }
    let [alice, carol] =
        [("alice", "root"), ("carol", "clerk")].map(|(name, role)| user(name).roles(&[role]).build_new());
    for user in [&alice, &carol] {
        fixture.admin.add_user(user).await.unwrap();
    }
    let before = (fixture.log.head().await.unwrap(), head(fixture).await);
    let admin = acting(fixture, before.0, "users:write");
    let entry = NewRevocation::subject_blocked(alice.user.subject);
    let came = [
        admin
            .add_user(&user("bob").roles(&["clerk", "root"]).build_new())
            .await,
        admin
            .update_user(alice.user.subject, &user("alice").profile())
            .await,
        admin
            .update_user(carol.user.subject, &user("carol").roles(&["root"]).profile())
            .await,
        admin.set_user_active(alice.user.subject, false, &entry).await,
        admin
            .set_password(alice.user.subject, &password_hash("another"), &entry)
            .await,
        admin.delete_user(alice.user.subject, &entry).await,
    ];
    assert_eq!(came.map(Result::unwrap), [Change::Beyond; 6]);
    let beyond = [user("bob").roles(&["root"]).build_new()];
    let came = admin.import_users(&beyond, ImportMode::Write).await.unwrap();
    assert_eq!(came, Some(vec![Imported::Beyond]));
    assert_eq!((fixture.log.head().await.unwrap(), head(fixture).await), before);

    let mixed = [
        user("bob").roles(&["clerk"]).build_new(),
        user("eve").roles(&["root"]).build_new(),
    ];
    let came = admin.import_users(&mixed, ImportMode::Write).await.unwrap();
    assert_eq!(came, Some(vec![Imported::Added, Imported::Beyond]));
}
