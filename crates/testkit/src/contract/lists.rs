//! Lists of users, clients and audiences, and what they are searched by.

use symbolon_core::client::Client;
use symbolon_core::ports::{Change, ClientQuery, ListedAudience, UserQuery};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::user::Role;
use symbolon_jose::SigningAlg;

use crate::{ClientMother, FakeClock, Fixture, UserMother, confidential_client, resource_server, user};

async fn add_user(fixture: &Fixture, mother: UserMother) {
    let made = fixture.admin.add_user(&mother.build_new()).await.unwrap();
    assert_eq!(made, Change::Done);
}

async fn put_role(fixture: &Fixture, name: &str) {
    let role = Role {
        name: name.parse().unwrap(),
        scope: "orders:read".parse().unwrap(),
    };
    fixture.admin.put_role(&role).await.unwrap();
}

/// The names of those who are listed in pages of that length, which must each be full but the last.
async fn users(fixture: &Fixture, query: &UserQuery, limit: u32) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.admin.users(query, after.as_deref(), limit).await.unwrap();
        let has_more = page.next.is_some();
        assert!(!has_more || page.items.len() == limit as usize);
        found.extend(page.items.into_iter().map(|user| user.username));
        assert!(found.len() < 100, "a list that does not end");
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

fn beginning(prefix: &str) -> UserQuery {
    UserQuery {
        prefix: Some(prefix.to_owned()),
        ..UserQuery::default()
    }
}

async fn clients(fixture: &Fixture, query: &ClientQuery, limit: u32) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = fixture
            .admin
            .clients(query, after.as_deref(), limit)
            .await
            .unwrap();
        found.extend(page.items.iter().map(|client| client.client_id.to_string()));
        assert!(found.len() < 100, "a list that does not end");
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

async fn add_client(fixture: &Fixture, mother: ClientMother) -> Client {
    let client = mother.build();
    let lift = NewRevocation::client_lifted(&client.client_id, FakeClock::START);
    let made = fixture.admin.add_client(&client, &lift).await.unwrap();
    assert_eq!(made, Change::Done);
    client
}

/// By user name or e-mail address, in any case, each user once, in the order of what was found; no character means another.
pub async fn users_are_found_by_the_beginning_of_a_name(fixture: &Fixture) {
    for (username, email) in [
        ("Alice", Some("alice@example.com")),
        ("alan", None),
        ("bob", Some("al@example.com")),
        ("al_x", None),
        ("al%y", None),
        ("ALBERT", Some("zoe@example.com")),
        ("zoe", Some("zoe2@example.com")),
        ("älv", None),
        ("al\u{10FFFF}", None),
    ] {
        let mother = user(username);
        add_user(fixture, email.map_or(mother.clone(), |email| mother.email(email))).await;
    }
    let all_al = ["al%y", "bob", "al_x", "alan", "ALBERT", "Alice", "al\u{10FFFF}"];
    for (prefix, expected) in [
        ("al", &all_al[..]),
        ("AL", &all_al),
        ("ａL", &all_al),
        ("al_", &["al_x"]),
        ("al%", &["al%y"]),
        ("%", &[]),
        ("_l", &[]),
        ("alice", &["Alice"]),
        ("alice@", &["Alice"]),
        ("alicea", &[]),
        ("zoe", &["zoe", "ALBERT"]),
        ("zoe2@example.com", &["zoe"]),
        ("ä", &["älv"]),
        ("a b", &[]),
        ("' OR 1=1 --", &[]),
        ("a\0", &[]),
        (&"x".repeat(10_000), &[]),
    ] {
        for limit in [1, 2, 3, 100] {
            assert_eq!(
                users(fixture, &beginning(prefix), limit).await,
                expected,
                "{prefix}"
            );
        }
    }
    assert_eq!(users(fixture, &beginning(""), 2).await.len(), 9);
}

/// Each condition by itself, and all of them together.
pub async fn users_are_found_by_state_and_role(fixture: &Fixture) {
    put_role(fixture, "clerk").await;
    put_role(fixture, "auditor").await;
    let clerk = "clerk".parse().unwrap();
    for i in 0..4 {
        add_user(fixture, user(&format!("a{i}")).roles(&["clerk", "auditor"])).await;
        add_user(fixture, user(&format!("b{i}")).roles(&["auditor"]).disabled()).await;
        add_user(fixture, user(&format!("c{i}")).roles(&["clerk"]).disabled()).await;
    }
    let query = |prefix: Option<&str>, active, role: Option<&str>| UserQuery {
        prefix: prefix.map(str::to_owned),
        active,
        role: role.map(|role| role.parse().unwrap()),
    };
    for limit in [1, 3, 4, 100] {
        for (query, expected) in [
            (query(None, None, None), &["a", "b", "c"][..]),
            (query(None, Some(true), None), &["a"]),
            (query(None, Some(false), None), &["b", "c"]),
            (query(None, None, Some("clerk")), &["a", "c"]),
            (query(None, Some(false), Some("clerk")), &["c"]),
            (query(None, Some(true), Some("auditor")), &["a"]),
            (query(None, None, Some("pirate")), &[]),
            (query(Some("b"), Some(false), Some("auditor")), &["b"]),
            (query(Some("b"), Some(true), None), &[]),
            (query(Some("b"), None, Some("clerk")), &[]),
            (query(Some("c"), Some(false), Some("clerk")), &["c"]),
        ] {
            let mut found = users(fixture, &query, limit).await;
            found.sort();
            let names = |kind: &&str| (0..4).map(|i| format!("{kind}{i}")).collect::<Vec<_>>();
            let expected: Vec<_> = expected.iter().flat_map(names).collect();
            assert_eq!(found, expected, "{query:?}");
        }
    }
    let one = fixture.admin.users(&beginning("a0"), None, 1).await.unwrap();
    assert!(one.items[0].roles.contains(&clerk));
}

/// A position is the end of a page that was given out, or refused; one that was given out by another search shows nothing
/// but what was asked for.
pub async fn positions_of_other_lists_show_nothing_else(fixture: &Fixture) {
    for name in ["alice", "alan", "bob", "carol"] {
        add_user(fixture, user(name)).await;
    }
    let all = UserQuery::default();
    let next = async |query: &UserQuery| fixture.admin.users(query, None, 1).await.unwrap().next.unwrap();
    for (query, position) in [
        (&all, next(&beginning("al")).await),
        (&beginning("al"), next(&all).await),
    ] {
        let page = fixture.admin.users(query, Some(&position), 10).await.unwrap();
        let asked_for = |name: &str| query.prefix.is_none() || name.starts_with("al");
        assert!(page.items.iter().all(|user| asked_for(&user.username)));
    }
    for forged in ["", "alice", "' OR 1=1 --", "alice 1"] {
        for query in [&all, &beginning("al")] {
            assert!(fixture.admin.users(query, Some(forged), 10).await.is_err());
        }
        let clients = ClientQuery::default();
        assert!(fixture.admin.clients(&clients, Some(forged), 10).await.is_err());
    }
}

/// By client id as it is, in its order; no character means another.
pub async fn clients_are_found_by_the_beginning_of_their_id(fixture: &Fixture) {
    for id in ["app", "App", "app-2", "app_1", "app%3", "apq"] {
        add_client(
            fixture,
            resource_server(id, &format!("urn:{}", id.replace('%', ""))),
        )
        .await;
    }
    add_client(fixture, resource_server("app-off", "urn:off").disabled()).await;
    let query = |prefix: Option<&str>, active| ClientQuery {
        prefix: prefix.map(str::to_owned),
        active,
    };
    for limit in [1, 2, 100] {
        for (prefix, active, expected) in [
            ("app", None, &["app", "app%3", "app-2", "app-off", "app_1"][..]),
            ("app", Some(true), &["app", "app%3", "app-2", "app_1"]),
            ("app", Some(false), &["app-off"]),
            ("app_", None, &["app_1"]),
            ("app%", None, &["app%3"]),
            ("A", None, &["App"]),
            ("%", None, &[]),
            ("a b", None, &[]),
            (&"x".repeat(10_000), None, &[]),
        ] {
            assert_eq!(
                clients(fixture, &query(Some(prefix), active), limit).await,
                expected
            );
        }
        assert_eq!(clients(fixture, &query(None, None), limit).await.len(), 7);
        assert_eq!(
            clients(fixture, &query(Some(""), Some(false)), limit).await,
            ["app-off"]
        );
    }
}

/// In byte order, with who serves them and how.
pub async fn audiences_are_listed_with_who_serves_them(fixture: &Fixture) {
    let orders = resource_server("orders", "https://orders.example")
        .serves("urn:Zeta", Some(SigningAlg::Rs256))
        .policy(|policy| policy.serves[1].access_token_lifetime = Some(60));
    let orders = add_client(fixture, orders).await;
    let off = add_client(fixture, resource_server("off", "urn:alpha").disabled()).await;
    add_client(fixture, confidential_client("app").audiences(&["urn:alpha"])).await;
    let listed = |client: &Client, place: usize, active| ListedAudience {
        served: client.policy.serves[place].clone(),
        client: client.uid,
        client_id: client.client_id.clone(),
        active,
    };
    let expected = [
        listed(&orders, 0, true),
        listed(&orders, 1, true),
        listed(&off, 0, false),
    ];
    for limit in [1, 2, 3] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = fixture.admin.audiences(after.as_deref(), limit).await.unwrap();
            assert!(page.items.len() <= limit as usize);
            found.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, expected);
    }
    assert_eq!(fixture.admin.audiences(None, 0).await.unwrap().items.len(), 1);
}
