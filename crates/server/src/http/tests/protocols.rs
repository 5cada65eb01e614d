use http::{StatusCode, Version};

use super::*;

#[tokio::test]
async fn serves_http1_with_keep_alive_and_pipelining() {
    let served = start(config());
    let mut stream = served.connect().await;
    assert_eq!(ask(&mut stream, GET).await.body, "here");
    assert_eq!(ask(&mut stream, GET).await.body, "here");
    send(&mut stream, &GET.repeat(2)).await;
    assert_eq!(receive(&mut stream).await.status(), "200");
    assert_eq!(receive(&mut stream).await.status(), "200");
    assert_eq!(served.stats.accepted(), 1);
    assert_eq!(served.stats.active(), 1);
    drop(stream);
    eventually(|| served.stats.active() == 0).await;
}

#[tokio::test]
async fn serves_http2_without_tls() {
    let served = start(config());
    let mut client = Http2::over(served.connect().await).await;
    let (response, body) = client.get("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(body, "here");
    let request = Request::post("http://localhost/echo")
        .body(Body::from("a=b"))
        .unwrap();
    assert_eq!(text(client.send(request).await.unwrap()).await.1, "a=b");
    assert_eq!(served.stats.accepted(), 1);
}

#[tokio::test]
async fn names_the_request_in_every_answer_that_no_cache_keeps() {
    let served = start(config());
    let mut client = Http2::over(served.connect().await).await;
    for (path, is_named) in [
        ("/", true),
        ("/nowhere", true),
        ("/record", true),
        ("/document", false),
    ] {
        let (response, _) = client.get(path).await;
        assert_eq!(
            response.headers().contains_key("x-request-id"),
            is_named,
            "{path}"
        );
    }
}

#[tokio::test]
async fn believes_x_forwarded_for_of_a_trusted_proxy_alone() {
    let request = "GET /client HTTP/1.1\r\nHost: x\r\nForwarded: for=192.0.2.1\r\n\
                   X-Forwarded-For: 192.0.2.2, 203.0.113.9\r\n\r\n";
    let served = start(config());
    assert_eq!(ask(&mut served.connect().await, request).await.body, "127.0.0.1");

    let mut trusting = config();
    trusting.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let served = start(trusting);
    assert_eq!(
        ask(&mut served.connect().await, request).await.body,
        "203.0.113.9"
    );
}

#[tokio::test]
async fn holds_no_more_connections_than_allowed() {
    let mut one = config();
    one.max_connections = 1;
    let served = start(one);
    let mut first = served.connect().await;
    assert_eq!(ask(&mut first, GET).await.status(), "200");
    // The kernel takes it; the listener doesn't.
    let mut second = served.connect().await;
    send(&mut second, GET).await;
    for _ in 0..10 {
        assert_eq!(ask(&mut first, GET).await.status(), "200");
        assert_eq!((served.stats.accepted(), served.stats.active()), (1, 1));
    }
    drop(first);
    assert_eq!(receive(&mut second).await.status(), "200");
    assert_eq!((served.stats.accepted(), served.stats.active()), (2, 1));
}

#[tokio::test]
async fn answers_413_to_a_body_that_is_too_long() {
    let served = start(config());
    let echo = |length: usize| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    assert_eq!(
        ask(&mut served.connect().await, &echo(1024)).await.status(),
        "200"
    );
    assert_eq!(
        ask(&mut served.connect().await, &echo(1025)).await.status(),
        "413"
    );
    assert_eq!(
        ask(&mut served.connect().await, &echo(1024 * 1024))
            .await
            .status(),
        "413"
    );

    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let chunked = |chunks: usize| {
        let body = chunk.repeat(chunks);
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n")
    };
    assert_eq!(
        ask(&mut served.connect().await, &chunked(1)).await.status(),
        "200"
    );
    assert_eq!(
        ask(&mut served.connect().await, &chunked(2)).await.status(),
        "413"
    );

    let mut client = Http2::over(served.connect().await).await;
    let request = Request::post("http://localhost/echo")
        .body(Body::from(vec![0; 512 * 1024]))
        .unwrap();
    assert_eq!(
        client.send(request).await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn reads_a_body_that_is_too_long_before_it_says_so() {
    let served = start(config());
    let mut stream = served.connect().await;
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n";
    send(&mut stream, &format!("{head}{}", "x".repeat(2000))).await;
    // By the time the second connection has its answer, the first has been looked at.
    assert_eq!(ask(&mut served.connect().await, GET).await.status(), "200");
    assert_eq!(
        ask(&mut stream, &format!("{}{GET}", "x".repeat(2000)))
            .await
            .status(),
        "413"
    );
    assert_eq!(receive(&mut stream).await.status(), "200");
}

#[tokio::test]
async fn bounds_the_head() {
    let served = start(config());
    let long = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
        "x".repeat(33 * 1024)
    );
    assert_eq!(ask(&mut served.connect().await, &long).await.status(), "431");
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(64));
    assert_eq!(ask(&mut served.connect().await, &many).await.status(), "431");

    let mut client = Http2::over(served.connect().await).await;
    let mut request = get_request("/");
    let value = "x".repeat(17 * 1024).parse().unwrap();
    request.headers_mut().insert("a", value);
    let refused = client.send(request).await;
    assert!(
        refused.as_ref().map_or(true, |response| response.status() == 431),
        "{refused:?}"
    );
}
