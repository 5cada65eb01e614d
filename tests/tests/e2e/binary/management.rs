//! The management listener.

use super::Dev;

#[tokio::test]
async fn metrics_tell_what_happened_and_no_secret() {
    let dev = Dev::start().await;
    let (remote, cast) = (&dev.remote, &dev.cast);
    let (access, refresh) = dev.login().await;
    let second = remote.refresh(&cast.app, &refresh).await.text("refresh_token");
    remote.refresh(&cast.app, &refresh).await.ok();
    let third = remote.refresh(&cast.app, &second).await.text("refresh_token");
    remote
        .refresh(&cast.app, &refresh)
        .await
        .assert_error(400, "invalid_grant");
    let wrong = "not the password of anybody";
    remote
        .login(&cast.spa, &cast.username, wrong)
        .await
        .assert_error(400, "invalid_grant");
    let form = [("grant_type", "client_credentials")];
    let minted = remote
        .post("token_endpoint", &cast.app, &form)
        .await
        .text("access_token");
    assert!(remote.is_active(&cast.api, &minted).await);
    assert_eq!(remote.revoke(&cast.app, &third).await.status, 200);

    let url = format!("{}/metrics", dev.server.text("/management_url"));
    let reply = remote.get(&url).await;
    let metrics = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(
        reply
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let requests = |endpoint: &str, grant: &str, outcome: &str| {
        let labels = format!("{{endpoint=\"{endpoint}\",grant=\"{grant}\",outcome=\"{outcome}\"}}");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("symbolon_requests_total{labels} ")));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    assert_eq!(requests("token", "password", "ok"), 1);
    assert_eq!(requests("token", "refresh_token", "ok"), 3);
    assert_eq!(requests("token", "client_credentials", "ok"), 1);
    assert_eq!(requests("introspect", "none", "ok"), 1);
    assert_eq!(requests("revoke", "none", "ok"), 1);
    let refused = |grant: &str| {
        let start = format!("symbolon_requests_total{{endpoint=\"token\",grant=\"{grant}\",outcome=\"");
        metrics
            .lines()
            .filter(|line| line.starts_with(&start) && !line[start.len()..].starts_with("ok\""))
            .count()
    };
    assert_eq!(
        (refused("password"), refused("refresh_token")),
        (1, 1),
        "{metrics}"
    );
    for (outcome, count) in [("rotated", 2), ("replayed", 1), ("reused", 1)] {
        let line = format!("symbolon_refresh_rotations_total{{outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    for name in [
        "symbolon_request_duration_seconds_bucket{le=\"0.0005\",endpoint=\"token\",grant=\"password\"} ",
        "symbolon_hash_lane_waiting 0\n",
        "symbolon_hash_lane_running 0\n",
        "symbolon_hash_lane_shed_total 0\n",
        "symbolon_revocation_log_seq ",
        "symbolon_feed_age_seconds ",
        "symbolon_feed_batches ",
        "symbolon_feed_entries ",
        "symbolon_feed_publications_total ",
        "symbolon_feed_snapshot_bytes ",
        "symbolon_feed_snapshot_gzip_bytes ",
        "symbolon_feed_streams 0\n",
        "symbolon_feed_streams_lagged_total 0\n",
        "symbolon_feed_streams_refused_total 0\n",
        "symbolon_connections ",
        "symbolon_timeouts_total ",
        "symbolon_log_lines_dropped_total 0\n",
    ] {
        assert!(metrics.contains(name), "{name}{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    let (api, app) = (&cast.api.secret, &cast.app.secret);
    let secrets = [
        wrong,
        &cast.password,
        &cast.username,
        api,
        app,
        &access,
        &minted,
        &refresh,
        &second,
        &third,
    ];
    for secret in secrets {
        assert!(!metrics.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn health_is_on_both_listeners_and_metrics_on_one() {
    let dev = Dev::start().await;
    let management = dev.server.text("/management_url");
    for (path, status) in [("/healthz", "alive"), ("/readyz", "ready")] {
        for reply in [
            dev.remote.get(&format!("{management}{path}")).await,
            dev.remote.get_path(path).await,
        ] {
            assert_eq!(reply.ok()["status"], status);
            assert_eq!(reply.header("cache-control"), "no-store");
        }
    }
    assert_eq!(dev.remote.get_path("/metrics").await.status, 404);
    for path in ["/oauth2/token", "/.well-known/jwks.json", "/"] {
        assert_eq!(
            dev.remote.get(&format!("{management}{path}")).await.status,
            404,
            "{path}"
        );
    }
}
