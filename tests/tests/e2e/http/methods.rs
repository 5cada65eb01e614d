//! Methods and paths.

use symbolon_tests::{Harness, basic, call};

use super::{DOCUMENTS, FORMS, HEALTH, request};

#[tokio::test]
async fn forms_take_post_and_nothing_else() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    let before = h.footprint().await;
    for path in FORMS {
        for method in [
            "GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW", "post",
        ] {
            for query in ["", "?grant_type=client_credentials&token=x"] {
                let target = format!("{path}{query}");
                let reply = h.send(request(method, &target, &[("authorization", &own)])).await;
                assert_eq!(reply.status, 405, "{method} {path}");
                assert_eq!(reply.header("allow"), "POST", "{method} {path}");
                assert!(reply.body.is_empty());
            }
        }
    }
    assert_eq!(h.footprint().await, before);
    assert_eq!(
        h.counted("requests_total", &[]),
        0,
        "none came as far as an endpoint"
    );
}

#[tokio::test]
async fn documents_and_health_are_read_only() {
    let h = Harness::start().await;
    for path in DOCUMENTS.into_iter().chain(HEALTH) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
            let reply = h.send(request(method, path, &[])).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            let allow: Vec<_> = reply.header("allow").split(',').map(str::trim).collect();
            assert!(
                allow.contains(&"GET") && allow.contains(&"HEAD"),
                "{path}: {allow:?}"
            );
            assert!(!allow.contains(&"POST"));
        }
        // Of one node: each has its own jitter in how long the documents may be kept.
        let send = |method| call(h.router.clone(), request(method, path, &[]));
        let (get, head) = (send("GET").await, send("HEAD").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0));
        for name in ["cache-control", "content-type", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        assert_eq!(head.header("content-length"), get.body.len().to_string());
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let h = Harness::start().await;
    let own = basic("app", &h.app.secret);
    for path in [
        "/",
        "/oauth2",
        "/oauth2/",
        "/oauth2/token/",
        "//oauth2/token",
        "/oauth2//token",
        "/oauth2/./token",
        "/x/../oauth2/token",
        "/OAUTH2/TOKEN",
        "/oauth2/token%00",
        "/oauth2/tok%65n",
        "/oauth2/authorize",
        "/oauth2/userinfo",
        "/oauth2/register",
        "/metrics",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json/",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/oauth2/token",
        "/admin",
    ] {
        for method in ["GET", "POST"] {
            let reply = h.send(request(method, path, &[("authorization", &own)])).await;
            assert_eq!(
                (reply.status.as_u16(), reply.body.len()),
                (404, 0),
                "{method} {path}"
            );
        }
    }
}
