//! Users who change their names, and their roles with them.

use serde_json::{Value, json};
use symbolon_core::Subject;
use symbolon_core::audit::{AuditFilter, EventKind, Expected, Order};
use symbolon_core::ports::{Change, NewUser};
use symbolon_core::profile::Profile;
use symbolon_core::user::{LoginName, Role, User};
use symbolon_core::view::{UserView, Version};

use crate::{Fixture, UserMother, user};

async fn add(fixture: &Fixture, mother: UserMother) -> NewUser {
    let new = mother.build_new();
    assert_eq!(fixture.admin.add_user(&new).await.unwrap(), Change::Done);
    new
}

fn profile(username: &str, email: Option<&str>) -> Profile {
    let user = user(username);
    email.into_iter().fold(user, UserMother::email).profile()
}

async fn whose(fixture: &Fixture, name: &str) -> Option<Subject> {
    let name: LoginName = name.parse().unwrap();
    fixture.facts.subject(&name).await.unwrap()
}

async fn read(fixture: &Fixture, subject: Subject) -> User {
    fixture.facts.user(subject).await.unwrap().unwrap()
}

async fn events(fixture: &Fixture) -> Vec<Value> {
    let filter = AuditFilter {
        kinds: vec![EventKind::UserUpdated, EventKind::UserRolesSet],
        ..AuditFilter::default()
    };
    let found = fixture.audit.audit_records(&filter, Order::Earliest, None, 100);
    let parse = |record: &symbolon_core::audit::AuditRecord| serde_json::from_str(&record.body).unwrap();
    found.await.unwrap().iter().map(parse).collect()
}

/// All at once; the subject, the password, the roles and the log stay what they were.
pub async fn a_user_takes_new_names_and_frees_the_old(fixture: &Fixture) {
    let alice = add(fixture, user("alice").email("alice@example.com")).await;
    let subject = alice.user.subject;
    let before = fixture.log.head().await.unwrap();
    // An old name in a new place.
    let renamed = profile("ALICE@example.com", Some("smith@example.com"));
    let changed = fixture.admin.update_user(subject, &renamed).await.unwrap();
    assert_eq!(changed, Change::Done);
    let head = fixture.log.head().await.unwrap();
    assert_eq!((head.seq, head.facts), (before.seq, before.facts + 1));
    for (name, owner) in [
        ("alice@example.com", Some(subject)),
        ("smith@example.com", Some(subject)),
        ("alice", None),
    ] {
        assert_eq!(whose(fixture, name).await, owner, "{name}");
    }
    let expected = User {
        username: "ALICE@example.com".into(),
        email: Some("smith@example.com".into()),
        ..alice.user.clone()
    };
    assert_eq!(read(fixture, subject).await, expected);
    let name = "smith@example.com".parse().unwrap();
    let credential = fixture.facts.credential(&name).await.unwrap().unwrap();
    assert_eq!(credential.password, alice.password);
    add(fixture, user("alice")).await;

    let without_email = profile("smith", None);
    let changed = fixture.admin.update_user(subject, &without_email).await.unwrap();
    assert_eq!(
        (changed, whose(fixture, "smith@example.com").await),
        (Change::Done, None)
    );
    let [first, second] = events(fixture).await.try_into().unwrap();
    let view = |user: &User| serde_json::to_value(UserView::from(user)).unwrap();
    assert_eq!(first["details"]["before"], view(&alice.user));
    assert_eq!(first["details"]["after"], view(&expected));
    assert_eq!(first["target"]["id"], subject.to_string());
    assert_eq!(first["target"]["name"], "ALICE@example.com");
    assert_eq!(second["details"]["after"]["email"], Value::Null);
}

/// In one change, with an event for each; where one of the two can't be, neither is.
pub async fn names_and_roles_change_together(fixture: &Fixture) {
    for name in ["clerk", "staff"] {
        let role = Role {
            name: name.parse().unwrap(),
            scope: Default::default(),
        };
        assert_eq!(fixture.admin.put_role(&role).await.unwrap(), Change::Done);
    }
    add(fixture, user("bob")).await;
    let alice = add(fixture, user("alice").roles(&["clerk"])).await.user;
    let before = fixture.log.head().await.unwrap();
    let change = async |wanted: UserMother| {
        let wanted = wanted.profile();
        fixture.admin.update_user(alice.subject, &wanted).await.unwrap()
    };
    let taken = change(user("Bob").roles(&["staff"])).await;
    assert_eq!(taken, Change::Taken("username"));
    let unknown = change(user("anna").roles(&["pirate"])).await;
    assert_eq!(unknown, Change::Unknown("role"));
    assert_eq!(read(fixture, alice.subject).await, alice);
    assert_eq!(fixture.log.head().await.unwrap(), before);
    assert!(events(fixture).await.is_empty());

    assert_eq!(change(user("anna").roles(&["staff"])).await, Change::Done);
    assert_eq!(fixture.log.head().await.unwrap().facts, before.facts + 1);
    let renamed = User {
        username: "anna".into(),
        ..alice.clone()
    };
    let now = User {
        roles: vec!["staff".parse().unwrap()],
        ..renamed.clone()
    };
    assert_eq!(read(fixture, alice.subject).await, now);
    let told: Vec<_> = events(fixture)
        .await
        .into_iter()
        .map(|mut event| (event["event"].take(), event["details"].take()))
        .collect();
    let [alice, renamed, now] = [&alice, &renamed, &now].map(|user| json!(UserView::from(user)));
    let expected = [
        (
            json!("user.updated"),
            json!({ "before": alice, "after": renamed }),
        ),
        (
            json!("user.roles_set"),
            json!({ "before": renamed, "after": now }),
        ),
    ];
    assert_eq!(told, expected);
}

/// Whichever name of whom it is; nor do those of nobody, those that are so already, or those of a record that has changed.
pub async fn names_that_can_not_be_taken_change_nothing(fixture: &Fixture) {
    add(fixture, user("bob").email("bob@example.com")).await;
    let alice = add(fixture, user("alice").email("alice@example.com")).await.user;
    let before = fixture.log.head().await.unwrap();
    let change = async |subject, username: &str, email: Option<&str>| {
        let profile = profile(username, email);
        fixture.admin.update_user(subject, &profile).await.unwrap()
    };
    for (username, email, outcome) in [
        ("BOB", None, Change::Taken("username")),
        ("bob@example.com", None, Change::Taken("username")),
        ("bob", Some("bob@example.com"), Change::Taken("username")),
        ("alice", Some("Bob@Example.com"), Change::Taken("email")),
        ("alice", Some("alice@example.com"), Change::Done),
    ] {
        assert_eq!(
            change(alice.subject, username, email).await,
            outcome,
            "{username}"
        );
        assert_eq!(read(fixture, alice.subject).await, alice);
    }
    let nobody = user("carol").build().subject;
    assert_eq!(change(nobody, "carol", None).await, Change::Unknown("user"));

    let seen = Version::of(&UserView::from(&user("alice").build()));
    let stale = fixture
        .admins
        .acting(Fixture::act().expecting(Some(Expected::At(seen))));
    let carol = profile("carol", None);
    let outcome = stale.update_user(alice.subject, &carol).await.unwrap();
    assert_eq!(outcome, Change::Stale);
    assert_eq!(fixture.log.head().await.unwrap(), before);
    assert!(events(fixture).await.is_empty());
    assert_eq!(whose(fixture, "alice").await, Some(alice.subject));

    let seen = Version::of(&UserView::from(&alice));
    let fresh = fixture
        .admins
        .acting(Fixture::act().expecting(Some(Expected::At(seen))));
    let outcome = fresh.update_user(alice.subject, &carol).await.unwrap();
    assert_eq!(
        (outcome, whose(fixture, "carol").await),
        (Change::Done, Some(alice.subject))
    );
}

/// The others keep theirs.
pub async fn racing_renames_give_a_name_to_one(fixture: &Fixture) {
    let mut subjects = Vec::new();
    for i in 0..8 {
        subjects.push(add(fixture, user(&format!("user{i}"))).await.user.subject);
    }
    let mut racers = tokio::task::JoinSet::new();
    for subject in subjects {
        let admin = fixture.admin.clone();
        racers.spawn(async move {
            let wanted = profile("prize", None);
            (subject, admin.update_user(subject, &wanted).await.unwrap())
        });
    }
    let mut winners = Vec::new();
    for (subject, outcome) in racers.join_all().await {
        match outcome {
            Change::Done => winners.push(subject),
            lost => assert_eq!(lost, Change::Taken("username")),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(whose(fixture, "prize").await, Some(winners[0]));
    assert_eq!(events(fixture).await.len(), 1);
}
