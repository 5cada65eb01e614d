//! An issuer with a path: everything is below it, and the metadata where RFC 8414 section 3.1 inserts it.

use symbolon_tests::{Harness, PASSWORD, post_request};

use super::{DOCUMENTS, FORMS, verified, with_settings};

async fn token_at(h: &Harness, path: &str) -> symbolon_tests::Reply {
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    h.send(post_request(path, &h.app, &form)).await
}

#[tokio::test]
async fn all_endpoints_are_below_the_path_and_nothing_at_the_root() {
    for path in ["/tenant", "/a/b-c.d", "/oauth2", "/.well-known"] {
        let issuer = format!("https://as.example{path}");
        let h = with_settings(&[("issuer", &issuer)]).await;
        let reply = token_at(&h, &format!("{path}/oauth2/token")).await;
        assert_eq!(verified(&h, &reply).await["iss"], issuer.as_str());
        let token = reply.text("access_token");
        let introspect = post_request(&format!("{path}/oauth2/introspect"), &h.api, &[("token", &token)]);
        assert_eq!(h.send(introspect).await.ok()["iss"], issuer.as_str());

        let metadata = h
            .get(&format!("/.well-known/oauth-authorization-server{path}"))
            .await
            .ok();
        assert_eq!(metadata["issuer"], issuer.as_str());
        for (member, below) in [
            ("introspection_endpoint", "/oauth2/introspect"),
            ("jwks_uri", "/.well-known/jwks.json"),
            ("revocation_endpoint", "/oauth2/revoke"),
            ("revocation_feed_uri", "/revocations"),
            ("token_endpoint", "/oauth2/token"),
        ] {
            assert_eq!(metadata[member], format!("{issuer}{below}"));
        }
        h.get(&format!("{path}/.well-known/jwks.json")).await.ok();
        h.get(&format!("{path}/revocations/keys")).await.ok();
        assert_eq!(h.get("/revocations/keys").await.status, 404, "{path}");
        for root in DOCUMENTS {
            assert_eq!(h.get(root).await.status, 404, "{path} {root}");
        }
        for root in FORMS {
            assert_eq!(token_at(&h, root).await.status, 404, "{path} {root}");
        }
        // Appended, as OpenID Connect Discovery would have it, is not where RFC 8414 puts it.
        let appended = h
            .get(&format!("{path}/.well-known/oauth-authorization-server"))
            .await;
        assert_eq!(appended.status, 404);

        let revoke = post_request(
            &format!("{path}/oauth2/revoke"),
            &h.app,
            &[("token", &reply.text("refresh_token"))],
        );
        h.send(revoke).await.ok();
        let introspect = post_request(&format!("{path}/oauth2/introspect"), &h.api, &[("token", &token)]);
        assert_eq!(h.send(introspect).await.body, r#"{"active":false}"#);
    }
}
