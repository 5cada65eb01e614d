//! An issuer with a path.

use symbolon_tests::binary::{Remote, Site, free_port};

use super::{AUDIENCE, Cast};

#[tokio::test]
async fn an_issuer_with_a_path_has_everything_below_it() {
    let listen = free_port();
    let issuer = format!("http://{listen}/tenant/a");
    let site = Site::configured(&issuer, listen, "");
    let cast = Cast::hire(&site).await;
    let server = site.serve().await;
    let remote = Remote::of(&server);

    // RFC 8414 section 3.1: the well-known part is inserted before the path of the issuer.
    let metadata = remote
        .get_path("/.well-known/oauth-authorization-server/tenant/a")
        .await
        .ok();
    assert_eq!(metadata["issuer"], issuer);
    for (member, path) in [
        ("token_endpoint", "/oauth2/token"),
        ("introspection_endpoint", "/oauth2/introspect"),
        ("revocation_endpoint", "/oauth2/revoke"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(metadata[member], format!("{issuer}{path}"));
        assert_eq!(
            server.ready[member], metadata[member],
            "what is printed is what is published"
        );
    }
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(
        grants.contains(&"password".into()),
        "some client may use it: {metadata}"
    );
    for path in [
        "/.well-known/oauth-authorization-server",
        "/tenant/a/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/oauth2/token",
    ] {
        assert_eq!(remote.get_path(path).await.status, 404, "{path}");
    }

    let login = remote.login(&cast.spa, &cast.username, &cast.password).await;
    login.ok();
    let told = remote
        .post(
            "introspection_endpoint",
            &cast.api,
            &[("token", &login.text("access_token"))],
        )
        .await
        .ok();
    assert_eq!(
        (&told["iss"], &told["aud"]),
        (&issuer.as_str().into(), &AUDIENCE.into())
    );
    assert!(
        !remote.get(server.text("/jwks_uri")).await.ok()["keys"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    server.stop().await;
}
