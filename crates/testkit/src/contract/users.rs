//! Users and roles.

use std::collections::BTreeSet;

use symbolon_core::ports::{Change, NewUser, UserQuery};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::{LoginName, Role, User};
use symbolon_core::{Subject, UnixMillis};
use symbolon_oauth_types::revocation::Entry;

use crate::{FakeClock, Fixture, password_hash, user};

const NOW: UnixMillis = FakeClock::START;

async fn add(fixture: &Fixture, new: &NewUser) {
    assert_eq!(fixture.admin.add_user(new).await.unwrap(), Change::Done);
}

async fn put_role(fixture: &Fixture, name: &str, scope: &str) {
    let role = Role {
        name: name.parse().unwrap(),
        scope: scope.parse().unwrap(),
    };
    assert_eq!(fixture.admin.put_role(&role).await.unwrap(), Change::Done);
}

async fn read(fixture: &Fixture, subject: Subject) -> Option<User> {
    fixture.facts.user(subject).await.unwrap()
}

async fn find(fixture: &Fixture, name: &str) -> Option<Subject> {
    let name: LoginName = name.parse().unwrap();
    let found = fixture.facts.credential(&name).await.unwrap();
    found.map(|credential| credential.user.subject)
}

async fn facts(fixture: &Fixture) -> u64 {
    fixture.log.head().await.unwrap().facts
}

async fn logged(fixture: &Fixture) -> Vec<Entry> {
    let rows = fixture.log.entries(0, NOW, 1_000).await.unwrap();
    rows.into_iter().map(|logged| logged.entry).collect()
}

/// G18: under the same name comes another user, and the old subject is refused.
pub async fn a_deleted_user_frees_the_names_and_never_the_subject(fixture: &Fixture) {
    put_role(fixture, "clerk", "orders:read").await;
    let first = user("alice")
        .email("alice@example.com")
        .roles(&["clerk"])
        .build_new();
    let subject = first.user.subject;
    add(fixture, &first).await;
    let before = facts(fixture).await;
    let entry = NewRevocation::subject_deleted(subject, NOW);
    let deleted = fixture.admin.delete_user(subject, &entry).await.unwrap();
    assert_eq!((deleted, facts(fixture).await), (Change::Done, before + 1));
    assert_eq!(logged(fixture).await, [entry.entry]);
    assert_eq!(read(fixture, subject).await, None);
    assert_eq!(find(fixture, "alice").await, None);
    assert_eq!(find(fixture, "alice@example.com").await, None);

    let reborn = user("alice").subject(subject).build_new();
    assert_eq!(
        fixture.admin.add_user(&reborn).await.unwrap(),
        Change::Taken("subject")
    );
    let second = user("alice").email("alice@example.com").build_new();
    add(fixture, &second).await;
    assert_eq!(find(fixture, "alice").await, Some(second.user.subject));
    assert_eq!(read(fixture, second.user.subject).await.unwrap().roles, []);
}

/// Each change is logged with it; asking for what is so already changes nothing, and logs no second lift.
pub async fn a_disabled_user_is_on_the_log_until_enabled(fixture: &Fixture) {
    let new = user("alice").build_new();
    let subject = new.user.subject;
    add(fixture, &new).await;
    let (block, lift) = (
        NewRevocation::subject_blocked(subject),
        NewRevocation::subject_lifted(subject, NOW.plus(1)),
    );
    for (active, entry) in [(false, &block), (true, &lift)] {
        let before = facts(fixture).await;
        let entries = logged(fixture).await.len();
        for _ in 0..2 {
            let changed = fixture.admin.set_user_active(subject, active, entry).await;
            assert_eq!(changed.unwrap(), Change::Done);
        }
        assert_eq!(read(fixture, subject).await.unwrap().active, active);
        assert_eq!(facts(fixture).await, before + 1);
        let now = logged(fixture).await;
        assert_eq!(now.len(), entries + 1);
        assert_eq!(now.last().unwrap().effect, entry.entry.effect);
    }
}

/// A rehash changes no fact; a new password does, and is logged.
pub async fn a_password_is_rehashed_only_where_it_is_still_the_same(fixture: &Fixture) {
    let (first, second, third) = (password_hash("a"), password_hash("b"), password_hash("c"));
    let new = user("alice").password(first.clone()).build_new();
    let subject = new.user.subject;
    add(fixture, &new).await;
    let before = facts(fixture).await;
    let kept = async || {
        let name = "alice".parse().unwrap();
        fixture.facts.credential(&name).await.unwrap().unwrap().password
    };
    assert!(fixture.facts.rehash(subject, &first, &second).await.unwrap());
    assert_eq!(kept().await, second);
    assert!(!fixture.facts.rehash(subject, &first, &third).await.unwrap());
    assert_eq!((kept().await, facts(fixture).await), (second.clone(), before));

    let entry = NewRevocation::subject(subject, NOW);
    let changed = fixture.admin.set_password(subject, &third, &entry).await.unwrap();
    assert_eq!((changed, kept().await), (Change::Done, third.clone()));
    assert_eq!(facts(fixture).await, before + 1);
    assert_eq!(logged(fixture).await, [entry.entry]);
    assert!(!fixture.facts.rehash(subject, &second, &first).await.unwrap());
    assert_eq!(kept().await, third);
}

/// By user name and by e-mail address, in any case: what is kept is the normalised name.
pub async fn a_user_is_found_by_every_name(fixture: &Fixture) {
    let new = user("Alice").email("Alice@Example.com").disabled().build_new();
    add(fixture, &new).await;
    for name in ["alice", "ALICE", "alice@example.com", "ALICE@example.COM"] {
        assert_eq!(find(fixture, name).await, Some(new.user.subject), "{name}");
    }
    for name in ["alic", "alice@", "bob", "%"] {
        assert_eq!(find(fixture, name).await, None, "{name}");
    }
    assert_eq!(read(fixture, new.user.subject).await, Some(new.user));
}

/// Whichever name of whom it is.
pub async fn names_that_are_taken_change_nothing(fixture: &Fixture) {
    add(fixture, &user("alice").email("alice@example.com").build_new()).await;
    let before = facts(fixture).await;
    let attempts = [
        (user("ALICE"), "username"),
        (user("alice@example.com"), "username"),
        (user("bob").email("Alice@example.com"), "email"),
        (user("carol").email("alice@example.com"), "email"),
    ];
    for (attempt, taken) in attempts {
        let new = attempt.build_new();
        let refused = fixture.admin.add_user(&new).await.unwrap();
        assert_eq!(refused, Change::Taken(taken), "{}", new.user.username);
        assert_eq!(read(fixture, new.user.subject).await, None);
    }
    assert_eq!(facts(fixture).await, before);
    assert_eq!(find(fixture, "bob").await, None);
    // Not even the subject of a refused user is used up.
    add(fixture, &user("bob").build_new()).await;
}

/// What the roles allow in sum, at each moment.
pub async fn roles_decide_what_a_user_may(fixture: &Fixture) {
    put_role(fixture, "clerk", "orders:read orders:write").await;
    put_role(fixture, "auditor", "orders:read audit:read").await;
    put_role(fixture, "idle", "").await;
    let new = user("alice").roles(&["clerk"]).build_new();
    let subject = new.user.subject;
    add(fixture, &new).await;
    let scope = async || read(fixture, subject).await.unwrap().scope.to_string();
    assert_eq!(scope().await, "orders:read orders:write");

    let mut before = facts(fixture).await;
    let mut advanced = async || {
        let now = facts(fixture).await;
        std::mem::replace(&mut before, now) + 1 == now
    };
    let set = async |roles: &[&str]| {
        let profile = user("alice").roles(roles).profile();
        fixture.admin.update_user(subject, &profile).await.unwrap()
    };
    let all = ["clerk", "auditor", "idle"];
    assert_eq!(set(&all).await, Change::Done);
    assert!(advanced().await);
    assert_eq!(scope().await, "audit:read orders:read orders:write");
    let held: BTreeSet<_> = read(fixture, subject).await.unwrap().roles.into_iter().collect();
    assert_eq!(held, all.map(|role| role.parse().unwrap()).into());

    put_role(fixture, "clerk", "orders:list").await;
    assert!(advanced().await);
    assert_eq!(scope().await, "audit:read orders:list orders:read");

    let gone = fixture.admin.delete_role(&"auditor".parse().unwrap()).await;
    assert_eq!(gone.unwrap(), Change::Done);
    assert!(advanced().await);
    assert_eq!(scope().await, "orders:list");
    let roles = fixture.admin.roles().await.unwrap();
    let listed: Vec<_> = roles
        .iter()
        .map(|role| (role.name.as_str(), role.scope.to_string()))
        .collect();
    assert_eq!(
        listed,
        [("clerk", "orders:list".to_owned()), ("idle", String::new())]
    );

    assert_eq!(set(&[]).await, Change::Done);
    assert!(advanced().await);
    assert_eq!(scope().await, "");
}

/// Neither facts nor log move.
pub async fn unknown_users_and_roles_change_nothing(fixture: &Fixture) {
    let known = user("alice").build_new();
    add(fixture, &known).await;
    put_role(fixture, "clerk", "orders:read").await;
    let before = fixture.log.head().await.unwrap();
    let (nobody, hash) = (user("bob").build().subject, password_hash("x"));
    let entry = NewRevocation::subject(nobody, NOW);
    let admin = &fixture.admin;
    let clerk = user("bob").roles(&["clerk"]).profile();
    let unknown = Change::Unknown("user");
    assert_eq!(
        admin.set_user_active(nobody, false, &entry).await.unwrap(),
        unknown
    );
    assert_eq!(admin.set_password(nobody, &hash, &entry).await.unwrap(), unknown);
    assert_eq!(admin.delete_user(nobody, &entry).await.unwrap(), unknown);
    assert_eq!(admin.update_user(nobody, &clerk).await.unwrap(), unknown);

    let unknown = Change::Unknown("role");
    let pirate = "pirate".parse().unwrap();
    let pirates = user("alice").roles(&["clerk", "pirate"]).profile();
    assert_eq!(admin.delete_role(&pirate).await.unwrap(), unknown);
    let change = admin.update_user(known.user.subject, &pirates).await;
    assert_eq!(change.unwrap(), unknown);
    let new = user("carol").roles(&["clerk", "pirate"]).build_new();
    assert_eq!(admin.add_user(&new).await.unwrap(), unknown);
    assert_eq!(read(fixture, new.user.subject).await, None);
    assert_eq!(read(fixture, known.user.subject).await.unwrap().roles, []);
    assert_eq!(fixture.log.head().await.unwrap(), before);
}

/// Every user once, in pages of the length that was asked for, and a bound where none makes sense.
pub async fn users_are_listed_page_by_page(fixture: &Fixture) {
    put_role(fixture, "clerk", "orders:read").await;
    let mut added = BTreeSet::new();
    for i in 0..5 {
        let new = user(&format!("user{i}")).roles(&["clerk"]).build_new();
        add(fixture, &new).await;
        added.insert(new.user.subject);
    }
    let all = UserQuery::default();
    let (mut seen, mut after, mut lengths) = (Vec::new(), None, Vec::new());
    loop {
        let page = fixture.admin.users(&all, after.as_deref(), 2).await.unwrap();
        lengths.push(page.items.len());
        assert!(
            page.items
                .iter()
                .all(|user| user.scope.to_string() == "orders:read")
        );
        seen.extend(page.items.iter().map(|user| user.subject));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(lengths, [2, 2, 1]);
    assert_eq!(seen.len(), 5);
    assert_eq!(BTreeSet::from_iter(seen), added);
    assert_eq!(fixture.admin.users(&all, None, 0).await.unwrap().items.len(), 1);
    assert_eq!(
        fixture
            .admin
            .users(&all, None, u32::MAX)
            .await
            .unwrap()
            .items
            .len(),
        5
    );
    let forged = fixture.admin.users(&all, Some("' OR 1=1 --"), 2).await;
    assert!(forged.is_err());
}
