//! Which algorithm signs: the resource server's wish, then the client's, then the default.

use symbolon_core::client::ClientPolicy;
use symbolon_jose::SigningAlg;
use symbolon_tests::{AUDIENCE, ClientSpec, Harness, PASSWORD, Reply};

use super::{part, verified, with_settings};

fn wanting(id: &str, audience: &str, alg: SigningAlg) -> ClientSpec {
    ClientSpec::resource_server(id, audience).with(|policy| policy.serves[0].signing_alg = Some(alg))
}

fn also(audience: &str) -> impl FnOnce(&mut ClientPolicy) {
    move |policy| policy.audiences.push(audience.parse().unwrap())
}

async fn signed_with(h: &Harness, reply: &Reply) -> String {
    verified(h, reply).await;
    let header = part(&reply.text("access_token"), 0);
    assert_eq!(header["typ"], "at+jwt");
    header["alg"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_algorithm_signs_for_the_client_that_wants_it() {
    let h = with_settings(&[("keys.algorithms", "ES256,ES384,EdDSA,PS256,RS256")]).await;
    assert_eq!(
        signed_with(&h, &h.login(&h.app).await).await,
        "ES256",
        "the default"
    );
    for alg in [
        SigningAlg::Es256,
        SigningAlg::Es384,
        SigningAlg::EdDsa,
        SigningAlg::Ps256,
        SigningAlg::Rs256,
    ] {
        let spec =
            ClientSpec::confidential(&format!("app-{alg}")).with(|policy| policy.signing_alg = Some(alg));
        let client = h.add_client(spec).await;
        let login = h.login(&client).await;
        assert_eq!(signed_with(&h, &login).await, alg.as_str());
        assert_eq!(
            signed_with(&h, &h.client_credentials(&client).await).await,
            alg.as_str()
        );
        assert_eq!(
            signed_with(&h, &h.refresh(&client, &login.text("refresh_token")).await).await,
            alg.as_str()
        );
        assert!(h.is_active(&login.text("access_token")).await, "{alg}");
    }
}

#[tokio::test]
async fn the_resource_servers_wish_comes_first_and_two_wishes_conflict() {
    const EDWARDS: &str = "https://edwards.example";
    const CURVE: &str = "https://curve.example";
    let h = with_settings(&[
        ("keys.algorithms", "ES256,ES384,EdDSA"),
        ("keys.default_algorithm", "ES256"),
    ])
    .await;
    h.add_client(wanting("edwards", EDWARDS, SigningAlg::EdDsa)).await;
    h.add_client(wanting("curve", CURVE, SigningAlg::Es384)).await;
    let spec = ClientSpec::confidential("picky")
        .with(also(EDWARDS))
        .with(also(CURVE))
        .with(|policy| policy.signing_alg = Some(SigningAlg::Es384));
    let client = h.add_client(spec).await;
    h.refresh_nodes().await;
    let login = async |resources: &[&str]| {
        let more: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
        h.login_as(&client, "alice", PASSWORD, &more).await
    };
    for (resources, alg) in [
        (&[AUDIENCE][..], "ES384"),
        (&[EDWARDS], "EdDSA"),
        (&[EDWARDS, AUDIENCE], "EdDSA"),
        (&[CURVE, AUDIENCE], "ES384"),
    ] {
        assert_eq!(
            signed_with(&h, &login(resources).await).await,
            alg,
            "{resources:?}"
        );
    }
    let before = h.footprint().await;
    login(&[EDWARDS, CURVE]).await.assert_error(400, "invalid_target");
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", EDWARDS),
        ("resource", CURVE),
    ];
    h.post("/oauth2/token", &client, &form)
        .await
        .assert_error(400, "invalid_target");
    assert_eq!(h.footprint().await, before);

    // Two that agree are no conflict; one that changes its mind shows at the next refresh.
    let session = login(&[EDWARDS, AUDIENCE]).await.text("refresh_token");
    let api = h.client(&h.api).await;
    let mut changed = api.clone();
    changed.policy.serves[0].signing_alg = Some(SigningAlg::Es384);
    use symbolon_core::ports::Change;
    assert_eq!(h.admin().set_client_policy(&changed).await.unwrap(), Change::Done);
    h.settle().await;
    h.refresh_nodes().await;
    h.refresh(&client, &session)
        .await
        .assert_error(400, "invalid_target");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", session.as_str()),
        ("resource", EDWARDS),
    ];
    let narrowed = h.post("/oauth2/token", &client, &form).await;
    assert_eq!(signed_with(&h, &narrowed).await, "EdDSA");
}

#[tokio::test]
async fn an_algorithm_without_a_key_is_a_fault_that_tells_nothing() {
    let h = Harness::start().await;
    let spec = ClientSpec::confidential("ahead").with(|policy| policy.signing_alg = Some(SigningAlg::Ps256));
    let client = h.add_client(spec).await;
    let reply = h.client_credentials(&client).await;
    reply.assert_error(500, "server_error");
    assert_eq!(
        reply.text("error_description"),
        "the server could not answer the request"
    );
    assert_eq!(h.counted("requests_total", &["signing_failed"]), 1);
    h.client_credentials(&h.app).await.ok();
}
