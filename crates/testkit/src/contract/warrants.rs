//! By what somebody makes a change: it must still hold when it is made.

use symbolon_core::audit::{Act, Judged, Warrant};
use symbolon_core::import::{ImportMode, Imported};
use symbolon_core::ports::{AdminStore, Change, RegisteredScope};
use symbolon_core::revocation::{Head, NewRevocation, UNKNOWN_TIP};
use symbolon_core::user::Role;
use symbolon_core::{ClientId, SessionId, Subject, TokenId};
use symbolon_jose::Kid;
use symbolon_oauth_types::revocation::{Digest, Revocable, RevocationKind};
use uuid::Uuid;

use super::audit::head;
use crate::{FakeClock, Fixture, confidential_client, fresh_subject, password_hash, user};

const CLIENT: &str = "console";
const KID: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const SUBJECT: Subject = Subject(Uuid::from_u128(0x0197a0f0_0000_7000_8000_000000000001));
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0197a0f0_0000_7000_8000_000000000002));
const TOKEN: TokenId = TokenId(Uuid::from_u128(0x0197a0f0_0000_7000_8000_000000000003));

/// Somebody who was judged by that state, has a token of all these, and holds this scope.
fn acting(fixture: &Fixture, judged: Head, scope: &str) -> Box<dyn AdminStore> {
    let token = Revocable {
        started: FakeClock::START,
        subject: SUBJECT.0,
        client_id: CLIENT,
        session: Some(SESSION.0),
        token: Some(TOKEN.0),
        kid: Some(KID),
    };
    fixture.admins.acting(Act {
        warrant: Some(Warrant {
            judged: Judged {
                head: judged,
                of: token.lookup(),
            },
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

/// Of every change there is: whether the maker was revoked since, or a fact has moved on.
pub async fn a_doing_judged_by_an_older_state_changes_nothing(fixture: &Fixture) {
    let alice = user("alice").build_new();
    let shop = confidential_client("shop").build();
    let lift = NewRevocation::client_lifted(&shop.client_id, FakeClock::START);
    fixture.admin.add_user(&alice).await.unwrap();
    fixture.admin.add_client(&shop, &lift).await.unwrap();
    let orders = RegisteredScope::new("orders:read".parse().unwrap(), "see orders").unwrap();

    let old = fixture.log.head().await.unwrap();
    let entry = NewRevocation::subject_blocked(SUBJECT);
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

/// Whoever can revoke something of their own, as everybody can, would hold up every change otherwise.
pub async fn revocations_of_others_hold_nobody_up(fixture: &Fixture) {
    let append = async |entry: NewRevocation| fixture.log.append(&entry, FakeClock::START).await.unwrap();
    let other_key = Kid::parse("BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let other_client: ClientId = "shop".parse().unwrap();
    let owner = Digest::of(RevocationKind::Client, CLIENT);
    append(NewRevocation::subject_blocked(fresh_subject())).await;
    let judged = fixture.log.head().await.unwrap();
    for entry in [
        NewRevocation::client(&other_client, FakeClock::START),
        NewRevocation::subject_blocked(fresh_subject()),
        NewRevocation::session(SessionId(fresh_subject().0), FakeClock::START),
        // Even of the same client, as public clients' users revoke theirs.
        NewRevocation::token(TokenId(fresh_subject().0), owner, FakeClock::START),
        NewRevocation::key(&other_key),
    ] {
        append(entry).await;
    }
    let admin = acting(fixture, judged, "users:write");
    let came = admin.put_role(&role("clerk", "orders:read")).await.unwrap();
    assert_eq!(came, Change::Done);

    let client: ClientId = CLIENT.parse().unwrap();
    for entry in [
        NewRevocation::all(FakeClock::START),
        NewRevocation::client(&client, FakeClock::START),
        NewRevocation::client_lifted(&client, FakeClock::START),
        NewRevocation::subject(SUBJECT, FakeClock::START),
        NewRevocation::session(SESSION, FakeClock::START),
        NewRevocation::token(TOKEN, owner, FakeClock::START),
        NewRevocation::key(&Kid::parse(KID).unwrap()),
    ] {
        let judged = fixture.log.head().await.unwrap();
        append(entry.clone()).await;
        append(NewRevocation::subject_blocked(fresh_subject())).await;
        let admin = acting(fixture, judged, "users:write");
        let came = admin.put_role(&role("clerk", "orders:write")).await.unwrap();
        assert_eq!(came, Change::CatchUp, "{entry:?}");
    }
}

/// Who was judged by what this log has never been can't be told what has come since.
pub async fn a_doing_judged_by_another_history_changes_nothing(fixture: &Fixture) {
    let entry = NewRevocation::subject_blocked(fresh_subject());
    let earlier = fixture.log.head().await.unwrap();
    fixture.log.append(&entry, FakeClock::START).await.unwrap();
    let head = fixture.log.head().await.unwrap();
    for judged in [
        Head {
            log: fresh_subject().0,
            ..head
        },
        Head {
            seq: head.seq + 1,
            ..head
        },
        Head {
            facts: head.facts + 1,
            ..head
        },
        Head { tip: [7; 16], ..head },
        Head {
            tip: [7; 16],
            ..earlier
        },
        Head {
            tip: UNKNOWN_TIP,
            ..earlier
        },
    ] {
        let admin = acting(fixture, judged, "users:write");
        let came = admin.put_role(&role("clerk", "orders:read")).await.unwrap();
        assert_eq!(came, Change::CatchUp, "{judged:?}");
    }
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
