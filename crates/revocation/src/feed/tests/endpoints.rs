use std::io::Read as _;

use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, ORIGIN,
    RETRY_AFTER, VARY,
};
use symbolon_oauth_types::feed::MAX_BATCH_ENTRIES;

use super::*;

fn paths(site: &Site) -> [String; 4] {
    let batch = format!("/batches/{}/0", site.log.id());
    ["/keys", "/head", "/snapshot", &batch].map(str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn every_document_has_its_headers() {
    let site = Site::start().await;
    site.revoked([session(1)]).await;
    let caching = [
        "public, max-age=900, stale-while-revalidate=60",
        "public, max-age=1",
        "public, max-age=10",
        "public, max-age=60",
    ];
    for (path, caching) in paths(&site).iter().zip(caching) {
        let reply = site.get_with(path, &[(ORIGIN, "https://anywhere.example")]).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        let media_type = match path.as_str() {
            "/keys" => "application/json",
            _ => "application/jwt",
        };
        assert_eq!(reply.header(CONTENT_TYPE), Some(media_type), "{path}");
        assert_eq!(reply.header(CACHE_CONTROL), Some(caching), "{path}");
        assert_eq!(reply.header(ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"), "{path}");
        let etag = reply.header(ETAG).unwrap();
        assert!(etag.starts_with('"') && etag.len() == 24, "strong: {etag}");
        assert_eq!(reply.header(CONTENT_LENGTH), Some(&*reply.body.len().to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_has_the_document_gets_304() {
    let site = Site::start().await;
    site.revoked([session(1)]).await;
    for path in paths(&site) {
        let first = site.get(&path).await;
        let etag = first.header(ETAG).unwrap();
        let again = site.get_with(&path, &[(IF_NONE_MATCH, etag)]).await;
        assert_eq!(
            (again.status, again.body.len()),
            (StatusCode::NOT_MODIFIED, 0),
            "{path}"
        );
        assert_eq!(again.header(ETAG), Some(etag));
        assert_eq!(again.header(CACHE_CONTROL), first.header(CACHE_CONTROL));
        let other = site.get_with(&path, &[(IF_NONE_MATCH, "\"other\"")]).await;
        assert_eq!(other.status, StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn the_keys_are_all_there_and_the_newest_signs() {
    let site = Site::start().await;
    let keys = site.keys().await;
    let published: Vec<_> = keys.keys.iter().map(|key| key.kid().as_str()).collect();
    let of = |id| {
        let key = symbolon_jose::PrivateKey::from_ed25519_seed(&[id; 32]).unwrap();
        key.kid().as_str().to_owned()
    };
    assert_eq!(published, [of(1), of(2)]);
    let text = site.get("/keys").await;
    assert!(!text.text().contains("\"d\""), "nothing private");
    let head = site.get("/head").await;
    let header = head.text().split('.').next().unwrap().to_owned();
    let header = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
    assert!(String::from_utf8(header).unwrap().contains(&of(2)));
}

#[tokio::test(start_paused = true)]
async fn long_documents_are_there_compressed() {
    let site = Site::start().await;
    site.revoked((0..200).map(session)).await;
    for path in ["/snapshot".to_owned(), format!("/batches/{}/0", site.log.id())] {
        site.wait(11 * SECOND).await;
        site.published().await;
        let plain = site.get(&path).await;
        let zipped = site.get_with(&path, &[(ACCEPT_ENCODING, "br, gzip")]).await;
        assert_eq!(plain.header(CONTENT_ENCODING), None, "{path}");
        assert_eq!(zipped.header(CONTENT_ENCODING), Some("gzip"), "{path}");
        assert!(zipped.body.len() < plain.body.len());
        assert_ne!(plain.header(ETAG), zipped.header(ETAG));
        for reply in [&plain, &zipped] {
            assert_eq!(reply.header(VARY), Some("Accept-Encoding"));
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*zipped.body)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, plain.text());
        let etag = zipped.header(ETAG).unwrap();
        let both = [(ACCEPT_ENCODING, "gzip"), (IF_NONE_MATCH, etag)];
        assert_eq!(site.get_with(&path, &both).await.status, StatusCode::NOT_MODIFIED);
        let other = site.get_with(&path, &[(IF_NONE_MATCH, etag)]).await;
        assert_eq!(other.status, StatusCode::OK, "the tag of another encoding");
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_404_where_nothing_is_behind_a_position() {
    let site = Site::start().await;
    site.revoked((0..3).map(session)).await;
    let (log, other) = (site.log.id(), Uuid::from_u128(1));
    for path in [
        format!("/batches/{log}/3"),
        format!("/batches/{log}/4"),
        format!("/batches/{log}/18446744073709551615"),
        format!("/batches/{log}/18446744073709551616"),
        format!("/batches/{other}/0"),
        format!("/batches/{log}/-1"),
        format!("/batches/{log}/+1"),
        format!("/batches/{log}/01"),
        format!("/batches/{log}/x"),
        format!("/batches/{}/1", log.simple()),
        format!("/batches/{}/1", log.to_string().to_uppercase().replace('0', "A")),
        "/batches/x/1".to_owned(),
    ] {
        let reply = site.get(&path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.header(CACHE_CONTROL), Some("no-store"), "{path}");
        assert_eq!(reply.header(ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
        assert!(reply.text().contains("read the snapshot"));
    }
    for path in ["", "/", "/batches", &format!("/batches/{log}"), "/head/"] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_before_the_first_publication() {
    let site = Site::opened(MemoryLog::default()).await;
    let batch = format!("/batches/{}/0", site.log.id());
    for path in ["/head", "/snapshot", &batch, "/stream"] {
        let reply = site.get(path).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(reply.header(RETRY_AFTER).is_some(), "{path}");
        assert_eq!(reply.header(CACHE_CONTROL), Some("no-store"), "{path}");
    }
    assert_eq!(site.get("/keys").await.status, StatusCode::OK);
    assert_eq!(site.feed.status(), super::super::FeedStatus::default());
}

#[tokio::test(start_paused = true)]
async fn head_has_the_headers_of_get_and_other_methods_get_405() {
    let site = Site::start().await;
    site.revoked([session(1)]).await;
    for path in paths(&site) {
        let get = site.get(&path).await;
        let head = site.send(Method::HEAD, &path, &[]).await;
        assert_eq!(
            (head.status(), head.headers()),
            (StatusCode::OK, &get.headers),
            "{path}"
        );
        assert_eq!(head.into_body().collect().await.unwrap().to_bytes().len(), 0);
    }
    for path in paths(&site).iter().map(String::as_str).chain(["/stream"]) {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let refused = site.send(method, path, &[]).await;
            assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
        let preflight = site.send(Method::OPTIONS, path, &[]).await;
        assert_eq!(preflight.status(), StatusCode::OK, "{path}");
        let header = |name| preflight.headers()[name].to_str().unwrap();
        assert_eq!(header(ALLOW), "GET, HEAD, OPTIONS");
        assert_eq!(header(ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert_eq!(header(ACCESS_CONTROL_ALLOW_METHODS), "GET, HEAD");
        let allowed = if path == "/stream" {
            "Last-Event-ID"
        } else {
            "If-None-Match"
        };
        assert_eq!(header(ACCESS_CONTROL_ALLOW_HEADERS), allowed);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_request_says_of_itself_changes_a_document() {
    let site = Site::start().await;
    site.revoked([session(1)]).await;
    let hostile = [
        (http::header::HOST, "evil.example"),
        (http::header::FORWARDED, "host=evil.example;proto=http"),
        (HeaderName::from_static("x-forwarded-host"), "evil.example"),
    ];
    for path in paths(&site) {
        let (plain, forged) = (site.get(&path).await, site.get_with(&path, &hostile).await);
        assert_eq!(
            (plain.headers, plain.body),
            (forged.headers, forged.body),
            "{path}"
        );
    }
    assert_eq!(site.head().await.iss, ISSUER);
    assert_eq!(site.head().await.max_stale, 300);
}

#[tokio::test(start_paused = true)]
async fn nodes_publish_the_same_bytes_for_the_same_batch() {
    let (one, other) = (Site::start().await, Site::start().await);
    for site in [&one, &other] {
        site.revoked([session(1)]).await;
        site.revoked((2..40).map(session)).await;
    }
    let path = format!("/batches/{}/0", one.log.id());
    assert_eq!(one.get(&path).await.body, other.get(&path).await.body);
    assert_eq!(one.keys().await, other.keys().await);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_no_more_entries_than_it_may() {
    let site = Site::start().await;
    let many = MAX_BATCH_ENTRIES + 10;
    site.revoked((0..many).map(session)).await;
    let log = site.log.id();
    let first = site.batch(log, 0).await.unwrap();
    assert_eq!(
        (first.entries.len(), first.to),
        (MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES as u64)
    );
    let second = site.batch(log, first.to).await.unwrap();
    assert_eq!((second.from, second.to), (first.to, many as u64));
    assert!(first.tip.is_some() && second.prev == first.tip);
    assert_eq!(second.tip, site.head().await.tip);
}
