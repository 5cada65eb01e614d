//! How resource servers are served, and the one that the server is itself.

use symbolon_core::client::Client;
use symbolon_core::ports::Change;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rights::ADMIN_AUDIENCE;
use symbolon_jose::SigningAlg;

use crate::{ClientMother, FakeClock, Fixture, confidential_client, resource_server};

const API: &str = "https://api.example";

async fn add(fixture: &Fixture, mother: ClientMother) -> Client {
    let client = mother.build();
    let lift = NewRevocation::client_lifted(&client.client_id, FakeClock::START);
    let made = fixture.admin.add_client(&client, &lift).await.unwrap();
    assert_eq!(made, Change::Done);
    client
}

async fn read(fixture: &Fixture, client: &Client) -> Client {
    fixture.facts.client_by_uid(client.uid).await.unwrap().unwrap()
}

/// From its policy to whoever may ask for it, at each moment.
pub async fn a_resource_server_says_how_long_its_tokens_live(fixture: &Fixture) {
    let serving = |lifetime| {
        resource_server("orders", API)
            .serves("urn:other", Some(SigningAlg::Ps256))
            .policy(move |policy| policy.serves[0].access_token_lifetime = lifetime)
    };
    let mut server = add(fixture, serving(Some(60))).await;
    let app = add(fixture, confidential_client("app").audiences(&[API, "urn:other"])).await;
    for lifetime in [Some(60), None, Some(3600)] {
        server.policy = serving(lifetime).build().policy;
        let changed = fixture.admin.set_client_policy(&server).await.unwrap();
        assert_eq!(changed, Change::Done);
        assert_eq!(read(fixture, &server).await.policy, server.policy);
        let allowed = read(fixture, &app).await.audiences;
        let lifetimes: Vec<_> = allowed.iter().map(|a| a.access_token_lifetime).collect();
        assert_eq!(lifetimes, [lifetime, None]);
        assert_eq!(allowed[1].signing_alg, Some(SigningAlg::Ps256));
    }
}

/// Clients may wish for it though nobody serves it, when they are made and later, beside others or alone.
pub async fn the_admin_api_is_there_without_a_server(fixture: &Fixture) {
    add(fixture, resource_server("orders", API)).await;
    let console = add(
        fixture,
        confidential_client("console").audiences(&[ADMIN_AUDIENCE]),
    )
    .await;
    let mut app = add(fixture, confidential_client("app").audiences(&[API])).await;
    app.policy.audiences.push(ADMIN_AUDIENCE.parse().unwrap());
    assert_eq!(fixture.admin.set_client_policy(&app).await.unwrap(), Change::Done);
    for (client, place) in [(&console, 0), (&app, 1)] {
        let allowed = read(fixture, client).await.audiences[place].clone();
        assert_eq!(allowed.indicator.as_str(), ADMIN_AUDIENCE);
        assert!(allowed.active);
        assert_eq!((allowed.signing_alg, allowed.access_token_lifetime), (None, None));
    }
    assert_eq!(fixture.admin.audiences(None, 10).await.unwrap().items.len(), 1);
}
