//! Clients and resource servers.

use std::collections::BTreeSet;

use symbolon_core::client::{AllowedAudience, Client, RotationPolicy};
use symbolon_core::ports::{Change, ClientQuery};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ClientSecretHash;
use symbolon_core::{ClientUid, Subject, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::GrantType;
use symbolon_oauth_types::revocation::Entry;

use crate::{ClientMother, FakeClock, Fixture, confidential_client, public_client, resource_server, user};

const NOW: UnixMillis = FakeClock::START;
const API: &str = "https://api.example";

async fn try_add(fixture: &Fixture, client: &Client) -> Change {
    let lift = NewRevocation::client_lifted(&client.client_id, NOW);
    fixture.admin.add_client(client, &lift).await.unwrap()
}

async fn add(fixture: &Fixture, mother: ClientMother) -> Client {
    let client = mother.build();
    assert_eq!(try_add(fixture, &client).await, Change::Done);
    client
}

async fn read(fixture: &Fixture, uid: ClientUid) -> Option<Client> {
    fixture.facts.client_by_uid(uid).await.unwrap()
}

async fn facts(fixture: &Fixture) -> u64 {
    fixture.log.head().await.unwrap().facts
}

async fn logged(fixture: &Fixture) -> Vec<Entry> {
    let rows = fixture.log.entries(0, NOW, 1_000).await.unwrap();
    rows.into_iter().map(|logged| logged.entry).collect()
}

fn secret(byte: u8, expires: Option<u64>) -> ClientSecretHash {
    ClientSecretHash {
        key_id: u16::from(byte),
        mac: [byte; 32],
        expires: expires.map(UnixMillis),
    }
}

/// All that is kept of a client, in a form that compares.
fn all_of(client: &Client) -> String {
    format!("{client:?}")
}

/// G18.
pub async fn a_client_id_that_comes_back_is_another_client(fixture: &Fixture) {
    let first = add(fixture, resource_server("app", API)).await;
    let entry = NewRevocation::client_deleted(&first.client_id, NOW);
    let before = facts(fixture).await;
    let deleted = fixture.admin.delete_client(first.uid, &entry).await.unwrap();
    assert_eq!((deleted, facts(fixture).await), (Change::Done, before + 1));
    assert!(read(fixture, first.uid).await.is_none());
    assert!(fixture.facts.client(&first.client_id).await.unwrap().is_none());

    let same_uid = resource_server("app", API).uid(first.uid).build();
    assert_eq!(try_add(fixture, &same_uid).await, Change::Taken("uid"));
    let second = add(fixture, resource_server("app", API)).await;
    let found = fixture.facts.client(&first.client_id).await.unwrap().unwrap();
    assert_eq!(found.uid, second.uid);
    assert_ne!(found.uid, first.uid);
    let lift = NewRevocation::client_lifted(&first.client_id, NOW).entry;
    assert_eq!(
        logged(fixture).await.last(),
        Some(&lift),
        "what was before stays dead"
    );
}

/// Every field, by either name.
pub async fn a_client_is_kept_as_it_was_made(fixture: &Fixture) {
    add(fixture, resource_server("orders", API)).await;
    let serves_itself = confidential_client("app")
        .audiences(&["urn:zeta", API, "urn:own"])
        .serves("urn:zeta", Some(SigningAlg::Rs256))
        .serves("urn:own", None)
        .secret(secret(1, Some(NOW.0)))
        .secret(secret(2, None))
        .policy(|policy| {
            policy.name = "Ünïcode — name".into();
            policy.access_token_lifetime = Some(60);
            policy.session_lifetime = Some(34_560_000);
            policy.refresh_idle_lifetime = Some(3_600);
            policy.rotation = RotationPolicy::Never;
            policy.late_recoveries = Some(0);
            policy.signing_alg = Some(SigningAlg::EdDsa);
            policy.cors_origins = ["https://a.example".into(), "https://b.example".into()].into();
        });
    let mut made = add(fixture, serves_itself).await;
    let zeta = &mut made.audiences[0];
    assert_eq!(zeta.indicator.as_str(), "urn:zeta");
    zeta.signing_alg = Some(SigningAlg::Rs256);
    let by_uid = read(fixture, made.uid).await.unwrap();
    let by_id = fixture.facts.client(&made.client_id).await.unwrap().unwrap();
    assert_eq!(all_of(&by_uid), all_of(&made));
    assert_eq!(all_of(&by_id), all_of(&made));

    let public = add(fixture, public_client("spa").audiences(&[API]).disabled()).await;
    let kept = read(fixture, public.uid).await.unwrap();
    assert_eq!(all_of(&kept), all_of(&public));
    let unknown = fixture.facts.client(&"App".parse().unwrap()).await.unwrap();
    assert!(unknown.is_none(), "client ids differ by case");
}

/// Each change is logged with it; asking for what is so already changes nothing, and logs no second lift.
pub async fn a_disabled_client_is_on_the_log_until_enabled(fixture: &Fixture) {
    let client = add(fixture, resource_server("app", API)).await;
    let (block, lift) = (
        NewRevocation::client_blocked(&client.client_id),
        NewRevocation::client_lifted(&client.client_id, NOW.plus(1)),
    );
    for (active, entry) in [(false, &block), (true, &lift)] {
        let before = facts(fixture).await;
        let entries = logged(fixture).await.len();
        for _ in 0..2 {
            let changed = fixture.admin.set_client_active(client.uid, active, entry).await;
            assert_eq!(changed.unwrap(), Change::Done);
        }
        assert_eq!(read(fixture, client.uid).await.unwrap().active, active);
        assert_eq!(facts(fixture).await, before + 1);
        let now = logged(fixture).await;
        assert_eq!(now.len(), entries + 1);
        assert_eq!(now.last().unwrap().effect, entry.entry.effect);
    }
}

/// Disabled or deleted, the audience is inactive for those who may ask for it; when it comes back, so does it.
pub async fn a_resource_server_that_is_gone_leaves_a_wish(fixture: &Fixture) {
    let server = add(fixture, resource_server("orders", API)).await;
    let mut client = add(fixture, confidential_client("app").audiences(&[API])).await;
    let allowed = async || {
        let [audience]: [AllowedAudience; 1] = read(fixture, client.uid)
            .await
            .unwrap()
            .audiences
            .try_into()
            .unwrap();
        assert_eq!(audience.indicator.as_str(), API);
        (audience.active, audience.signing_alg)
    };
    assert_eq!(allowed().await, (true, None));
    let (block, lift) = (
        NewRevocation::client_blocked(&server.client_id),
        NewRevocation::client_lifted(&server.client_id, NOW),
    );
    fixture
        .admin
        .set_client_active(server.uid, false, &block)
        .await
        .unwrap();
    assert_eq!(allowed().await, (false, None));
    fixture
        .admin
        .set_client_active(server.uid, true, &lift)
        .await
        .unwrap();
    assert_eq!(allowed().await, (true, None));
    fixture.admin.delete_client(server.uid, &block).await.unwrap();
    assert_eq!(allowed().await, (false, None));

    let other = add(
        fixture,
        resource_server("new-orders", "urn:x").serves(API, Some(SigningAlg::Ps256)),
    )
    .await;
    assert_eq!(allowed().await, (true, Some(SigningAlg::Ps256)));
    let stops = Client {
        policy: resource_server("new-orders", "urn:x").build().policy,
        ..other
    };
    assert_eq!(
        fixture.admin.set_client_policy(&stops).await.unwrap(),
        Change::Done
    );
    assert_eq!(allowed().await, (false, None));

    client.policy.name = "Renamed".into();
    assert_eq!(
        fixture.admin.set_client_policy(&client).await.unwrap(),
        Change::Done,
        "a wish that was there stays allowed"
    );
    let kept = read(fixture, client.uid).await.unwrap();
    assert_eq!((kept.policy, kept.audiences[0].active), (client.policy, false));
}

/// A client can't be made with the id of a user, nor a user with that of a client, not even of deleted ones.
pub async fn a_subject_is_never_two(fixture: &Fixture) {
    let person = user("alice").build_new();
    fixture.admin.add_user(&person).await.unwrap();
    let twin = resource_server("twin", API)
        .uid(ClientUid(person.user.subject.0))
        .build();
    let deleted = NewRevocation::subject_blocked(person.user.subject);
    assert_eq!(try_add(fixture, &twin).await, Change::Taken("uid"));
    fixture
        .admin
        .delete_user(person.user.subject, &deleted)
        .await
        .unwrap();
    assert_eq!(try_add(fixture, &twin).await, Change::Taken("uid"));

    let client = add(fixture, resource_server("app", API)).await;
    let twin = user("bob").subject(Subject(client.uid.0)).build_new();
    assert_eq!(
        fixture.admin.add_user(&twin).await.unwrap(),
        Change::Taken("subject")
    );
    let entry = NewRevocation::client_blocked(&client.client_id);
    fixture.admin.delete_client(client.uid, &entry).await.unwrap();
    assert_eq!(
        fixture.admin.add_user(&twin).await.unwrap(),
        Change::Taken("subject")
    );
}

/// Whether it is made with it or takes it later.
pub async fn an_audience_has_one_server(fixture: &Fixture) {
    let first = add(fixture, resource_server("first", API)).await;
    let before = fixture.log.head().await.unwrap();
    let second = resource_server("second", API).build();
    assert_eq!(try_add(fixture, &second).await, Change::Taken("audience"));
    assert!(read(fixture, second.uid).await.is_none());
    let same_id = resource_server("first", "urn:other").build();
    assert_eq!(try_add(fixture, &same_id).await, Change::Taken("client_id"));
    assert_eq!(fixture.log.head().await.unwrap(), before);

    let other = add(fixture, resource_server("second", "urn:other")).await;
    let before = fixture.log.head().await.unwrap();
    let greedy = Client {
        policy: resource_server("second", "urn:other")
            .serves(API, None)
            .build()
            .policy,
        ..other
    };
    assert_eq!(
        fixture.admin.set_client_policy(&greedy).await.unwrap(),
        Change::Taken("audience")
    );
    let kept = read(fixture, greedy.uid).await.unwrap();
    assert_eq!(kept.policy.serves.len(), 1);
    assert_eq!(read(fixture, first.uid).await.unwrap().policy.serves.len(), 1);
    assert_eq!(fixture.log.head().await.unwrap(), before);
}

/// A lift cuts off what began before it, so that one without a block would end sessions for nothing.
pub async fn an_id_that_was_never_blocked_is_not_lifted(fixture: &Fixture) {
    let client = add(fixture, resource_server("app", API)).await;
    assert_eq!(logged(fixture).await, []);
    let id = &client.client_id;
    let history = [
        NewRevocation::client_blocked(id),
        NewRevocation::client_lifted(id, NOW),
        NewRevocation::client(id, NOW),
    ];
    for revocation in &history {
        fixture.log.append(revocation, NOW).await.unwrap();
    }
    let deleted = NewRevocation::client_deleted(&"other".parse().unwrap(), NOW);
    fixture.admin.delete_client(client.uid, &deleted).await.unwrap();
    let before = logged(fixture).await;
    add(fixture, resource_server("app", API)).await;
    assert_eq!(logged(fixture).await, before, "the block was lifted already");
}

/// Every client once, with all that belongs to it.
pub async fn clients_are_listed_page_by_page(fixture: &Fixture) {
    let mut added = BTreeSet::from([all_of(&add(fixture, resource_server("orders", API)).await)]);
    for i in 1..5 {
        let made = confidential_client(&format!("app{i}"))
            .audiences(&[API])
            .secret(secret(i, None));
        added.insert(all_of(&add(fixture, made).await));
    }
    let all = ClientQuery::default();
    let (mut seen, mut after, mut lengths) = (Vec::new(), None, Vec::new());
    loop {
        let page = fixture.admin.clients(&all, after.as_deref(), 2).await.unwrap();
        lengths.push(page.items.len());
        seen.extend(page.items.iter().map(all_of));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(lengths, [2, 2, 1]);
    assert_eq!(seen.len(), 5);
    assert_eq!(BTreeSet::from_iter(seen), added);
    assert_eq!(fixture.admin.clients(&all, None, 0).await.unwrap().items.len(), 1);
    assert!(fixture.admin.clients(&all, Some("no uuid"), 2).await.is_err());
}

/// By one each, so that no cache misses one.
pub async fn every_change_advances_the_facts(fixture: &Fixture) {
    let mut before = facts(fixture).await;
    let mut advanced = async |change: Change| {
        assert_eq!(change, Change::Done);
        let now = facts(fixture).await;
        assert_eq!(std::mem::replace(&mut before, now) + 1, now);
    };
    let admin = &fixture.admin;
    let server = resource_server("orders", API).build();
    advanced(try_add(fixture, &server).await).await;
    let mut client = confidential_client("app").audiences(&[API]).build();
    advanced(try_add(fixture, &client).await).await;
    client.policy.default_scope = "orders:write".parse().unwrap();
    client.policy.grants = [GrantType::ClientCredentials].into();
    advanced(admin.set_client_policy(&client).await.unwrap()).await;
    let kept = read(fixture, client.uid).await.unwrap();
    assert_eq!(all_of(&kept), all_of(&client));
    let secrets = [secret(1, None)];
    advanced(admin.set_client_secrets(client.uid, &secrets).await.unwrap()).await;
    let block = NewRevocation::client_blocked(&client.client_id);
    advanced(admin.set_client_active(client.uid, false, &block).await.unwrap()).await;
    advanced(admin.delete_client(client.uid, &block).await.unwrap()).await;
    let person = user("alice").build_new();
    advanced(admin.add_user(&person).await.unwrap()).await;
}

/// Grants and origins of disabled clients are left out.
pub async fn only_enabled_clients_are_published(fixture: &Fixture) {
    let empty = fixture.facts.published().await.unwrap();
    assert_eq!((empty.grants.len(), empty.cors_origins.len()), (0, 0));
    add(fixture, resource_server("orders", API)).await;
    let with_origin = |id: &str, grant, origin: &str| {
        let origin = origin.to_owned();
        confidential_client(id)
            .audiences(&[API])
            .grants(&[grant])
            .policy(|policy| policy.cors_origins = [origin].into())
    };
    let shared = "https://shared.example";
    add(
        fixture,
        with_origin("a", GrantType::ClientCredentials, "https://a.example"),
    )
    .await;
    add(fixture, with_origin("b", GrantType::ClientCredentials, shared)).await;
    add(fixture, with_origin("c", GrantType::RefreshToken, shared)).await;
    add(
        fixture,
        with_origin("d", GrantType::Password, "https://d.example").disabled(),
    )
    .await;
    let published = fixture.facts.published().await.unwrap();
    assert_eq!(
        published.grants,
        [GrantType::ClientCredentials, GrantType::RefreshToken].into()
    );
    assert_eq!(
        published.cors_origins,
        ["https://a.example".to_owned(), shared.to_owned()].into()
    );
}

/// All of them, in order.
pub async fn secrets_are_replaced(fixture: &Fixture) {
    let client = add(fixture, resource_server("app", API).secret(secret(1, None))).await;
    let (old, new) = (secret(1, Some(5_000)), secret(2, None));
    for kept in [vec![old.clone(), new.clone()], vec![new], vec![]] {
        let changed = fixture.admin.set_client_secrets(client.uid, &kept).await;
        assert_eq!(changed.unwrap(), Change::Done);
        assert_eq!(read(fixture, client.uid).await.unwrap().secrets, kept);
    }
}

/// Neither facts nor log move.
pub async fn unknown_clients_and_audiences_change_nothing(fixture: &Fixture) {
    let known = add(fixture, resource_server("orders", API)).await;
    let before = fixture.log.head().await.unwrap();
    let admin = &fixture.admin;
    let unknown = Change::Unknown("audience");
    let lost = confidential_client("app").audiences(&[API, "urn:nobody"]).build();
    assert_eq!(try_add(fixture, &lost).await, unknown);
    assert!(read(fixture, lost.uid).await.is_none());
    let mut wishes = known.clone();
    wishes.policy.audiences = vec!["urn:nobody".parse().unwrap()];
    assert_eq!(admin.set_client_policy(&wishes).await.unwrap(), unknown);
    assert_eq!(all_of(&read(fixture, known.uid).await.unwrap()), all_of(&known));

    let unknown = Change::Unknown("client");
    let nobody = resource_server("nobody", "urn:nobody").build();
    let entry = NewRevocation::client_blocked(&nobody.client_id);
    assert_eq!(admin.set_client_policy(&nobody).await.unwrap(), unknown);
    assert_eq!(
        admin.set_client_active(nobody.uid, false, &entry).await.unwrap(),
        unknown
    );
    let secrets = admin.set_client_secrets(nobody.uid, &[secret(1, None)]).await;
    assert_eq!(secrets.unwrap(), unknown);
    assert_eq!(admin.delete_client(nobody.uid, &entry).await.unwrap(), unknown);
    assert_eq!(fixture.log.head().await.unwrap(), before);
}
