//! Users that are made in batches.

use symbolon_core::Subject;
use symbolon_core::import::{ImportMode, Imported, MAX_BATCH};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::NewUser;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::{Credential, LoginName, Role};

use crate::{FakeClock, Fixture, password_hash, user};

async fn import(fixture: &Fixture, batch: &[NewUser]) -> Vec<Imported> {
    let admin = &fixture.admin;
    let came = admin.import_users(batch, ImportMode::Write).await.unwrap();
    came.expect("whoever may do everything is never out of date")
}

async fn put_role(fixture: &Fixture, name: &str, scope: &str) {
    let role = Role {
        name: name.parse().unwrap(),
        scope: scope.parse().unwrap(),
    };
    fixture.admin.put_role(&role).await.unwrap();
}

async fn credential(fixture: &Fixture, name: &str) -> Option<Credential> {
    let name: LoginName = name.parse().unwrap();
    fixture.facts.credential(&name).await.unwrap()
}

async fn whose(fixture: &Fixture, name: &str) -> Option<Subject> {
    let found = credential(fixture, name).await;
    found.map(|credential| credential.user.subject)
}

/// Whoever can't be made holds nobody else up; facts advance once.
pub async fn a_batch_says_of_each_what_came_of_it(fixture: &Fixture) {
    put_role(fixture, "clerk", "orders:read").await;
    let there = user("alice").email("alice@example.com").build_new();
    assert_eq!(
        import(fixture, std::slice::from_ref(&there)).await,
        [Imported::Added]
    );
    let gone = user("gone").build_new();
    import(fixture, std::slice::from_ref(&gone)).await;
    let entry = NewRevocation::subject_deleted(gone.user.subject, FakeClock::START);
    fixture
        .admin
        .delete_user(gone.user.subject, &entry)
        .await
        .unwrap();

    let before = fixture.log.head().await.unwrap();
    let cases = [
        (
            user("bob").email("bob@example.com").roles(&["clerk", "clerk"]),
            Imported::Added,
        ),
        (user("ALICE"), Imported::Exists),
        (user("Alice").email("ALICE@example.com"), Imported::Exists),
        (
            user("alice").email("other@example.com"),
            Imported::Taken("username"),
        ),
        (user("carol").email("alice@example.com"), Imported::Taken("email")),
        (user("bob@example.com"), Imported::Taken("username")),
        (user("dave").email("BOB@example.com"), Imported::Taken("email")),
        (user("Bob"), Imported::Taken("username")),
        (
            user("erin").roles(&["clerk", "pirate"]),
            Imported::Unknown("role"),
        ),
        (
            user("frank").subject(gone.user.subject),
            Imported::Taken("subject"),
        ),
        // Those who were refused take no name.
        (user("carol").email("carol").disabled(), Imported::Added),
        (user("erin"), Imported::Added),
    ];
    let (batch, expected): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .map(|(mother, outcome)| (mother.build_new(), outcome))
        .unzip();
    assert_eq!(import(fixture, &batch).await, expected);
    let after = fixture.log.head().await.unwrap();
    assert_eq!((after.facts, after.seq), (before.facts + 1, before.seq));

    for (new, outcome) in batch.iter().zip(&expected) {
        let read = fixture.facts.user(new.user.subject).await.unwrap();
        assert_eq!(
            read.is_some(),
            *outcome == Imported::Added,
            "{}",
            new.user.username
        );
        for name in &new.names {
            let owner = whose(fixture, name.as_str()).await;
            let mine = owner == Some(new.user.subject);
            assert_eq!(mine, *outcome == Imported::Added, "{}", name.as_str());
        }
    }
    let bob = credential(fixture, "bob").await.unwrap();
    assert_eq!(bob.user.scope.to_string(), "orders:read");
    assert_eq!(bob.password, batch[0].password);
    let carol = credential(fixture, "carol").await.unwrap().user;
    assert_eq!((carol.active, carol.created), (false, FakeClock::START));
    assert_eq!(whose(fixture, "alice").await, Some(there.user.subject));
}

/// A second run after a crash finds everybody and changes nothing, the facts included.
pub async fn a_batch_without_anybody_new_changes_nothing(fixture: &Fixture) {
    let batch = ["alice", "bob"].map(|name| user(name).build_new());
    assert_eq!(import(fixture, &batch).await, [Imported::Added; 2]);
    let before = fixture.log.head().await.unwrap();
    let again = ["alice", "bob"].map(|name| user(name).password(password_hash("other")).build_new());
    assert_eq!(import(fixture, &again).await, [Imported::Exists; 2]);
    assert_eq!(import(fixture, &[]).await, []);
    assert_eq!(fixture.log.head().await.unwrap(), before);
    let kept = credential(fixture, "alice").await.unwrap();
    assert_eq!(kept.password, batch[0].password);
    assert_eq!(kept.user.subject, batch[0].user.subject);
}

/// The answer is that of making them.
pub async fn looking_at_a_batch_changes_nothing(fixture: &Fixture) {
    import(fixture, &[user("alice").build_new()]).await;
    let before = fixture.log.head().await.unwrap();
    let batch = ["alice", "bob", "BOB"].map(|name| user(name).build_new());
    let seen = fixture
        .admin
        .import_users(&batch, ImportMode::Check)
        .await
        .unwrap();
    let expected = vec![Imported::Exists, Imported::Added, Imported::Taken("username")];
    assert_eq!(seen, Some(expected.clone()));
    assert_eq!(fixture.log.head().await.unwrap(), before);
    assert_eq!(whose(fixture, "bob").await, None);
    assert_eq!(import(fixture, &batch).await, expected);
}

/// As many as are allowed, with as many names and roles as they can have, and not one more.
pub async fn a_batch_is_bounded(fixture: &Fixture) {
    let roles: Vec<String> = (0..8).map(|n| format!("role{n}")).collect();
    for role in &roles {
        put_role(fixture, role, "orders:read").await;
    }
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let hash = password_hash("password");
    let mut batch: Vec<_> = (0..MAX_BATCH)
        .map(|n| {
            let mother = user(&format!("user{n}")).email(&format!("user{n}@example.com"));
            mother.roles(&roles).password(hash.clone()).build_new()
        })
        .collect();
    assert_eq!(import(fixture, &batch).await, vec![Imported::Added; MAX_BATCH]);
    let last = credential(fixture, "user499@example.com").await.unwrap();
    assert_eq!(last.user.roles.len(), 8);
    batch.push(user("one-more").password(hash).build_new());
    assert!(
        fixture
            .admin
            .import_users(&batch, ImportMode::Write)
            .await
            .is_err()
    );
    assert_eq!(whose(fixture, "one-more").await, None);
}

/// A hash of another system is kept as it came, and gone once it was renewed.
pub async fn foreign_hashes_are_kept_and_renewed(fixture: &Fixture) {
    let foreign: PasswordHash = "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu"
        .parse()
        .unwrap();
    let new = user("alice").password(foreign.clone()).build_new();
    import(fixture, std::slice::from_ref(&new)).await;
    assert_eq!(credential(fixture, "alice").await.unwrap().password, foreign);
    let renewed = password_hash("password");
    let done = fixture.facts.rehash(new.user.subject, &foreign, &renewed).await;
    assert!(done.unwrap());
    assert_eq!(credential(fixture, "alice").await.unwrap().password, renewed);
}

/// Two imports of the same users at once, and somebody who adds one of them by hand.
pub async fn racing_batches_make_each_user_once(fixture: &Fixture) {
    let hash = password_hash("password");
    let batch = || -> Vec<NewUser> {
        (0..20)
            .map(|n| user(&format!("user{n}")).password(hash.clone()).build_new())
            .collect()
    };
    let (first, second, one) = (batch(), batch(), user("user7").password(hash.clone()).build_new());
    let (a, b, c) = tokio::join!(
        import(fixture, &first),
        import(fixture, &second),
        fixture.admin.add_user(&one),
    );
    let c = c.unwrap();
    for n in 0..20 {
        let by_hand = usize::from(n == 7 && c == symbolon_core::ports::Change::Done);
        let made = [a[n], b[n]]
            .iter()
            .filter(|&&outcome| outcome == Imported::Added)
            .count();
        assert_eq!(made + by_hand, 1, "user{n}");
        assert!(whose(fixture, &format!("user{n}")).await.is_some());
    }
}
