//! Nothing is remembered of what a request brings (D2; CVE-2026-79651, CVE-2025-2559).

use std::process::Command;

use symbolon_tests::{Harness, HarnessOptions, PASSWORD, TestClient, basic, form_request};

/// Set in a process that runs this test alone, so that its memory is the test's.
const ALONE: &str = "SYMBOLON_TESTS_ALONE";
const NAME: &str = "hostile::caches::distinct_values_leave_nothing_in_memory";
/// Distinct values of each kind; together they are about 60 MB.
const COUNT: usize = 6000;
/// What memory may grow by, for the allocator to have its way: on a busy machine it kept up to 9 MiB.
const SLACK: usize = 20 << 20;

#[test]
fn distinct_values_leave_nothing_in_memory() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(measure());
    }
    let alone = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(
        alone.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&alone.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

async fn measure() {
    let h = Harness::with(HarnessOptions {
        settings: vec![("log.level", "error".to_owned())],
        ..HarnessOptions::default()
    })
    .await;
    flood(&h, "warm", COUNT / 4).await;
    let (labels, before) = (series(&h), resident());
    flood(&h, "hot", COUNT).await;
    let grown = resident().saturating_sub(before);
    assert_eq!(series(&h), labels, "metrics do not grow with what is asked for");
    assert!(grown < SLACK, "memory grew by {grown} bytes");
    h.login(&h.app).await.ok();
}

async fn flood(h: &Harness, round: &str, count: usize) {
    let api = basic("api", &h.api.secret);
    for n in 0..count {
        let unknown = TestClient {
            id: format!("{round}-{n}-{}", "x".repeat(100)),
            secret: format!("{n}"),
            ..h.app.clone()
        };
        h.client_credentials(&unknown)
            .await
            .assert_error(401, "invalid_client");

        let origin = format!("https://{round}-{n}.{}.example", "x".repeat(200));
        for (method, path) in [
            ("OPTIONS", "/oauth2/token"),
            ("GET", "/.well-known/oauth-authorization-server"),
        ] {
            let request = http::Request::builder()
                .method(method)
                .uri(path)
                .header("origin", &origin);
            let reply = h.send(request.body(axum::body::Body::empty()).unwrap()).await;
            assert!(!reply.headers.contains_key("access-control-allow-origin"));
        }

        let token = format!("{round}.{n}.{}", "x".repeat(4000));
        h.send(form_request(
            "/oauth2/introspect",
            &[("authorization", &api)],
            format!("token={token}"),
        ))
        .await
        .ok();
        h.refresh(&h.app, &format!("sbr_{round}{n}{}", "x".repeat(4000)))
            .await
            .assert_error(400, "invalid_grant");

        let grant = format!("{round}-{n}-{}", "x".repeat(1000));
        h.post("/oauth2/token", &h.app, &[("grant_type", &grant)])
            .await
            .assert_error(400, "unsupported_grant_type");
        let missing = format!("/{round}/{n}/{}", "x".repeat(500));
        assert_eq!(h.get(&missing).await.status, 404);
    }
    // Each costs a hash, so that there are fewer; the bound of what counts failures has a test of its own.
    for n in 0..count / 60 {
        let name = format!("{round}-{n}-{}", "x".repeat(250));
        h.login_as(&h.app, &name, PASSWORD, &[])
            .await
            .assert_error(400, "invalid_grant");
    }
}

/// How many series of metrics there are on all nodes.
fn series(h: &Harness) -> usize {
    let of_node = |registry| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text.lines().count()
    };
    h.nodes().map(|node| of_node(&node.registry)).sum()
}

/// Memory of this process that is in use, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}
