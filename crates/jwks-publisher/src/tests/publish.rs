use axum::Router;
use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use symbolon_core::keys::KeyState;
use symbolon_core::ports::PublishedFacts;
use symbolon_oauth_types::GrantType;
use tower::ServiceExt as _;

use super::*;
use crate::{Endpoints, Published, PublisherState, router};

const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const APP: &str = "https://app.example";

struct Site {
    app: Router,
    store: Arc<MemoryKeys>,
    state: PublisherState,
}

impl Site {
    async fn new(issuer: &str) -> Self {
        let store = Arc::new(MemoryKeys::default());
        let keyring = open(&store, config(&[SigningAlg::Es256])).await.unwrap();
        let published = Published::new(Endpoints::new(issuer).unwrap(), facts(&GrantType::ALL));
        let state = PublisherState {
            keyring: Arc::new(keyring),
            published: Arc::new(published),
        };
        // Merged, as the server does it.
        let app = Router::new().merge(router(state.clone()));
        Self { app, store, state }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
        self.send(Method::GET, path, headers).await
    }
}

fn facts(grants: &[GrantType]) -> PublishedFacts {
    PublishedFacts {
        grants: grants.iter().copied().collect(),
        cors_origins: [APP.to_owned()].into(),
        scopes: Default::default(),
    }
}

fn header(response: &Response<Body>, name: HeaderName) -> Option<&str> {
    let mut values = response.headers().get_all(&name).iter();
    let value = values.next();
    assert!(values.next().is_none(), "{name} is there twice");
    value.map(|value| value.to_str().unwrap())
}

async fn body(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

#[tokio::test]
async fn the_key_set_is_served_with_its_headers() {
    let site = Site::new(ISSUER).await;
    let response = site.get(JWKS, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    for (name, wanted) in [
        (CONTENT_TYPE, "application/json"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "ETag"),
    ] {
        assert_eq!(header(&response, name.clone()), Some(wanted), "{name}");
    }
    let caching = header(&response, CACHE_CONTROL).unwrap();
    let max_age = caching
        .strip_prefix("public, max-age=")
        .and_then(|rest| rest.strip_suffix(", stale-while-revalidate=60"));
    let max_age: u64 = max_age.unwrap().parse().unwrap();
    assert!(
        (810..=900).contains(&max_age),
        "a node's own part of 900: {caching}"
    );
    assert_eq!(header(&response, VARY), None);
    let length = header(&response, CONTENT_LENGTH).unwrap().to_owned();
    let text = body(response).await;
    assert_eq!(length, text.len().to_string());
    let set: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["kid"], site.store.row("active").kid.as_str());
    for key in keys {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(
            members,
            ["alg", "crv", "kid", "kty", "use", "x", "y"],
            "nothing private"
        );
        assert_eq!((&key["use"], &key["alg"]), (&"sig".into(), &"ES256".into()));
    }
}

#[tokio::test]
async fn a_cache_that_has_the_document_gets_304_until_it_changes() {
    let site = Site::new(ISSUER).await;
    for path in [JWKS, METADATA] {
        let first = site.get(path, &[]).await;
        let etag = header(&first, ETAG).unwrap().to_owned();
        assert!(etag.starts_with('"') && etag.len() == 24, "strong: {etag}");
        for known in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"x\", {etag}"),
            "*".to_owned(),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let response = site.send(method, path, &[(IF_NONE_MATCH, &known)]).await;
                assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
                assert_eq!(header(&response, ETAG), Some(etag.as_str()));
                assert_eq!(header(&response, CACHE_CONTROL), header(&first, CACHE_CONTROL));
                assert_eq!(header(&response, VARY), header(&first, VARY));
                assert_eq!(header(&response, CONTENT_TYPE), None);
                assert_eq!(body(response).await, "");
            }
        }
        let two = [(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, etag.as_str())];
        assert_eq!(site.get(path, &two).await.status(), StatusCode::NOT_MODIFIED);
        for unknown in ["\"x\"", "x", ""] {
            let response = site.get(path, &[(IF_NONE_MATCH, unknown)]).await;
            assert_eq!(response.status(), StatusCode::OK, "{unknown}");
        }
        let pending = site.store.row("pending").kid;
        site.store.set_state(
            &pending,
            KeyState::Retired {
                activated: None,
                retired: NOW,
            },
        );
        site.state.keyring.reload().await.unwrap();
        site.state.published.refresh(facts(&[]));
        let changed = site.get(path, &[(IF_NONE_MATCH, &etag)]).await;
        assert_eq!(changed.status(), StatusCode::OK);
        assert_ne!(header(&changed, ETAG), Some(etag.as_str()));
        site.store
            .set_state(&pending, KeyState::Pending { published: NOW });
        site.state.keyring.reload().await.unwrap();
        site.state.published.refresh(facts(&GrantType::ALL));
        let back = site.get(path, &[(IF_NONE_MATCH, &etag)]).await;
        assert_eq!(
            back.status(),
            StatusCode::NOT_MODIFIED,
            "the tag is that of the content"
        );
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let site = Site::new(ISSUER).await;
    for path in [JWKS, METADATA] {
        let get = site.get(path, &[]).await;
        let head = site.send(Method::HEAD, path, &[]).await;
        assert_eq!((head.status(), head.headers()), (StatusCode::OK, get.headers()));
        assert_eq!(body(head).await, "");
    }
}

#[tokio::test]
async fn other_methods_get_405_with_those_that_are_allowed() {
    let site = Site::new(ISSUER).await;
    for path in [JWKS, METADATA] {
        for method in [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::TRACE,
        ] {
            let response = site.send(method, path, &[]).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            let mut allowed: Vec<_> = header(&response, ALLOW)
                .unwrap()
                .split(',')
                .map(str::trim)
                .collect();
            allowed.sort_unstable();
            assert_eq!(allowed, ["GET", "HEAD", "OPTIONS"]);
        }
        let response = site.send(Method::OPTIONS, path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, ALLOW), Some("GET, HEAD, OPTIONS"));
    }
}

#[tokio::test]
async fn every_origin_may_read_the_key_set() {
    let site = Site::new(ISSUER).await;
    for origin in [APP, "https://elsewhere.example", "null"] {
        let response = site.get(JWKS, &[(ORIGIN, origin)]).await;
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
        let preflight = site.send(Method::OPTIONS, JWKS, &[(ORIGIN, origin)]).await;
        assert_eq!(preflight.status(), StatusCode::OK);
        assert_eq!(header(&preflight, ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
        assert_eq!(
            header(&preflight, ACCESS_CONTROL_ALLOW_METHODS),
            Some("GET, HEAD")
        );
        assert_eq!(
            header(&preflight, ACCESS_CONTROL_ALLOW_HEADERS),
            Some("If-None-Match")
        );
    }
}

#[tokio::test]
async fn only_registered_origins_may_read_the_metadata() {
    let site = Site::new(ISSUER).await;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let good = site.send(method.clone(), METADATA, &[(ORIGIN, APP)]).await;
        assert_eq!(good.status(), StatusCode::OK);
        assert_eq!(header(&good, ACCESS_CONTROL_ALLOW_ORIGIN), Some(APP));
        assert_eq!(header(&good, VARY), Some("Origin"));
        let preflight = method == Method::OPTIONS;
        let methods = header(&good, ACCESS_CONTROL_ALLOW_METHODS);
        assert_eq!(methods, preflight.then_some("GET, HEAD"));
        for others in [
            &[][..],
            &[(ORIGIN, "https://elsewhere.example")],
            &[(ORIGIN, "https://app.example.evil.example")],
            &[(ORIGIN, "HTTPS://APP.EXAMPLE")],
            &[(ORIGIN, "null")],
            &[(ORIGIN, APP), (ORIGIN, APP)],
        ] {
            let response = site.send(method.clone(), METADATA, others).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), None, "{others:?}");
            assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_METHODS), None);
            assert_eq!(header(&response, VARY), Some("Origin"));
        }
    }
    assert!(site.state.published.allows_origin(APP));
    site.state.published.refresh(PublishedFacts::default());
    let response = site.get(METADATA, &[(ORIGIN, APP)]).await;
    assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), None);
    assert!(!site.state.published.allows_origin(APP) && site.state.published.origins().is_empty());
}

#[tokio::test]
async fn the_metadata_lists_what_is_there_and_nothing_else() {
    let site = Site::new("https://as.example:8443/tenant/a").await;
    let path = "/.well-known/oauth-authorization-server/tenant/a";
    let response = site.get(path, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, CONTENT_TYPE), Some("application/json"));
    assert_eq!(header(&response, CACHE_CONTROL), Some("public, max-age=300"));
    let wanted = concat!(
        r#"{"issuer":"https://as.example:8443/tenant/a","#,
        r#""token_endpoint":"https://as.example:8443/tenant/a/oauth2/token","#,
        r#""jwks_uri":"https://as.example:8443/tenant/a/.well-known/jwks.json","#,
        r#""grant_types_supported":["client_credentials","password","refresh_token"],"#,
        r#""token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"#,
        r#""revocation_endpoint":"https://as.example:8443/tenant/a/oauth2/revoke","#,
        r#""revocation_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"#,
        r#""introspection_endpoint":"https://as.example:8443/tenant/a/oauth2/introspect","#,
        r#""introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"#,
        r#""revocation_feed_uri":"https://as.example:8443/tenant/a/revocations"}"#,
    );
    assert_eq!(body(response).await, wanted);

    let without_password = [GrantType::RefreshToken, GrantType::ClientCredentials];
    site.state.published.refresh(facts(&without_password));
    assert_eq!(
        site.state.published.grants(),
        [GrantType::ClientCredentials, GrantType::RefreshToken]
    );
    assert_eq!(
        body(site.get(path, &[]).await).await,
        wanted.replace(r#""password","#, "")
    );
    site.state.published.refresh(PublishedFacts {
        scopes: ["orders:write".to_owned(), "orders:read".to_owned()].into(),
        ..facts(&GrantType::ALL)
    });
    let grants = r#""grant_types_supported""#;
    let with_scopes = format!(r#""scopes_supported":["orders:read","orders:write"],{grants}"#);
    assert_eq!(
        body(site.get(path, &[]).await).await,
        wanted.replace(grants, &with_scopes)
    );
}

#[tokio::test]
async fn an_issuer_with_a_path_is_served_there_and_nowhere_else() {
    let site = Site::new("https://as.example/tenant/a").await;
    let inserted = format!("{METADATA}/tenant/a");
    let below = "/tenant/a/.well-known/jwks.json";
    for path in [below, &inserted] {
        assert_eq!(site.get(path, &[]).await.status(), StatusCode::OK, "{path}");
    }
    let slash = format!("{inserted}/");
    let other = format!("{METADATA}/tenant/b");
    for path in [
        JWKS,
        METADATA,
        "/tenant/a/.well-known/oauth-authorization-server",
        &slash,
        &other,
    ] {
        assert_eq!(
            site.get(path, &[]).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn neither_host_nor_forwarding_headers_change_the_documents() {
    let site = Site::new(ISSUER).await;
    let hostile = [
        (http::header::HOST, "evil.example"),
        (http::header::FORWARDED, "host=evil.example;proto=http"),
        (HeaderName::from_static("x-forwarded-host"), "evil.example"),
        (HeaderName::from_static("x-forwarded-prefix"), "/evil"),
    ];
    for path in [JWKS, METADATA] {
        let (plain, forged) = (site.get(path, &[]).await, site.get(path, &hostile).await);
        assert_eq!(plain.headers(), forged.headers());
        assert_eq!(body(plain).await, body(forged).await);
    }
}
