//! The two documents: what they are made of, and how long they may be kept.

use symbolon_tests::{Harness, call};

use super::{DOCUMENTS, request, with_settings};

#[tokio::test]
async fn the_key_set_holds_public_keys_and_nothing_else() {
    let h = with_settings(&[("keys.algorithms", "ES256,ES384,EdDSA"), ("jwks.max_age", "7m")]).await;
    let reply = h.get(DOCUMENTS[0]).await;
    let keys = reply.ok()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 6, "an active and a pending key of each algorithm");
    let mut kids = std::collections::BTreeSet::new();
    for key in &keys {
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let public = ["alg", "crv", "kid", "kty", "use", "x", "y"];
        assert!(
            members.iter().all(|member| public.contains(member)),
            "{members:?}"
        );
        assert_eq!(key["use"], "sig");
        assert!(["ES256", "ES384", "EdDSA"].contains(&key["alg"].as_str().unwrap()));
        assert!(
            kids.insert(key["kid"].as_str().unwrap().to_owned()),
            "a kid twice"
        );
    }
    assert_eq!(reply.header("content-type"), "application/json");
    let caching = reply.header("cache-control");
    let max_age = caching
        .strip_prefix("public, max-age=")
        .and_then(|rest| rest.split(',').next());
    let max_age: u64 = max_age.unwrap().parse().unwrap();
    assert!((378..=420).contains(&max_age), "up to a tenth off 420: {caching}");
}

#[tokio::test]
async fn documents_are_revalidated_by_their_tag() {
    let h = Harness::start().await;
    // Each node has its own jitter in how long the documents may be kept.
    let send = |request| call(h.router.clone(), request);
    for path in DOCUMENTS {
        let first = send(request("GET", path, &[])).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"'));
        for known in [tag.as_str(), "*", &format!("W/{tag}"), &format!("\"x\", {tag}")] {
            let reply = send(request("GET", path, &[("if-none-match", known)])).await;
            assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0), "{known}");
            assert_eq!(reply.header("etag"), tag);
            assert_eq!(reply.header("cache-control"), first.header("cache-control"));
        }
        for other in ["\"x\"", "x", "", "W/"] {
            let reply = send(request("GET", path, &[("if-none-match", other)])).await;
            assert_eq!(
                (reply.status.as_u16(), reply.body),
                (200, first.body.clone()),
                "{other}"
            );
        }
    }
}
