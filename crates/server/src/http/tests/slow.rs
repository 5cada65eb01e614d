use http::StatusCode;

use super::*;

#[tokio::test]
async fn closes_a_connection_whose_first_request_does_not_come() {
    let mut impatient = config();
    impatient.header_timeout = SOON;
    let served = start(impatient);
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = served.connect().await;
        send(&mut stream, beginning).await;
        assert_eq!(rest(&mut stream).await, b"", "{beginning:?}");
    }
    // An HTTP/2 connection that was opened in form and then does nothing.
    let mut stream = served.connect().await;
    send(
        &mut stream,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    )
    .await;
    rest(&mut stream).await;
    eventually(|| served.stats.active() == 0).await;
    assert_eq!((served.stats.timeouts(), served.stats.idle_closed()), (5, 0));
}

#[tokio::test]
async fn closes_a_connection_whose_next_head_stays_incomplete() {
    let mut impatient = config();
    impatient.header_timeout = SOON;
    let served = start(impatient);
    let mut stream = served.connect().await;
    assert_eq!(ask(&mut stream, GET).await.status(), "200");
    send(&mut stream, "GET / HTTP/1.1\r\n").await;
    assert_eq!(rest(&mut stream).await, b"");
    eventually(|| served.stats.active() == 0).await;
    assert_eq!((served.stats.timeouts(), served.stats.idle_closed()), (1, 0));
}

#[tokio::test]
async fn a_head_that_is_dripped_gains_no_time() {
    let mut impatient = config();
    impatient.header_timeout = SOON;
    let served = start(impatient);
    let (mut reader, mut writer) = served.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        let mut sent = writer.write_all(b"GET / HTTP/1.1\r\n").await;
        while sent.is_ok() {
            sent = writer.write_all(b"a:b\r\n").await;
            tokio::time::sleep(SOON / 5).await;
        }
    });
    assert_eq!(rest(&mut reader).await, b"");
    assert_eq!(served.stats.timeouts(), 1);
    dripping.abort();
}

#[tokio::test]
async fn closes_idle_connections() {
    let mut impatient = config();
    // The farewell has a time of its own, however long the connection was idle before.
    impatient.header_timeout = SOON * 5;
    impatient.idle_timeout = SOON * 5;
    let served = start(impatient);
    let mut stream = served.connect().await;
    assert_eq!(ask(&mut stream, GET).await.status(), "200");
    assert_eq!(rest(&mut stream).await, b"");

    let mut client = Http2::over(served.connect().await).await;
    assert_eq!(client.get("/").await.0.status(), StatusCode::OK);
    within(client.connection).await.unwrap().unwrap();

    eventually(|| served.stats.active() == 0).await;
    assert_eq!((served.stats.timeouts(), served.stats.idle_closed()), (0, 2));
}

#[tokio::test]
async fn drops_an_idle_http2_client_that_ignores_the_farewell() {
    let mut impatient = config();
    impatient.idle_timeout = SOON;
    impatient.header_timeout = SOON;
    let served = start(impatient);
    let mut stream = served.connect().await;
    stream
        .write_all(&[HTTP2_OPENING, HTTP2_GET].concat())
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.windows(4).any(|bytes| bytes == b"here"), "{answer:?}");
    eventually(|| served.stats.active() == 0).await;
    assert_eq!((served.stats.timeouts(), served.stats.idle_closed()), (1, 0));
}

#[tokio::test]
async fn answers_408_to_a_body_that_does_not_come() {
    let mut impatient = config();
    impatient.request_timeout = SOON;
    let served = start(impatient);
    let mut stream = served.connect().await;
    let reply = ask(
        &mut stream,
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    )
    .await;
    assert_eq!(reply.status(), "408");
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    assert_eq!(rest(&mut stream).await, b"");
    assert_eq!(served.stats.timeouts(), 1);

    let mut client = Http2::over(served.connect().await).await;
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("http://localhost/echo").body(body).unwrap();
    assert_eq!(
        client.send(request).await.unwrap().status(),
        StatusCode::REQUEST_TIMEOUT
    );
    // The connection is not at fault.
    assert_eq!(client.get("/").await.0.status(), StatusCode::OK);
    assert_eq!(served.stats.timeouts(), 2);
}

#[tokio::test]
async fn answers_503_for_a_handler_that_takes_too_long() {
    let mut impatient = config();
    impatient.request_timeout = SOON;
    let mut served = start(impatient);
    let mut stream = served.connect().await;
    let reply = ask(&mut stream, HOLD).await;
    assert_eq!(reply.status(), "503");
    assert!(reply.head.contains("retry-after: 1"), "{}", reply.head);
    assert_eq!((served.held().await, served.held().await), ("came", "ended"));
    assert_eq!(ask(&mut stream, GET).await.status(), "200");
    assert_eq!(served.stats.timeouts(), 1);
}

#[tokio::test]
async fn drops_a_client_that_does_not_read() {
    let mut impatient = config();
    impatient.request_timeout = SOON;
    let served = start(impatient);
    let mut stream = served.connect().await;
    send(&mut stream, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await;
    eventually(|| served.stats.timeouts() == 1 && served.stats.active() == 0).await;

    let mut client = Http2::over(served.connect().await).await;
    let unread = client.send(get_request("/endless")).await.unwrap();
    assert_eq!(unread.status(), StatusCode::OK);
    eventually(|| served.stats.timeouts() == 2 && served.stats.active() == 0).await;
}

#[tokio::test]
async fn waits_for_its_own_handler_however_idle_the_client_is() {
    let mut impatient = config();
    impatient.header_timeout = SOON;
    impatient.idle_timeout = SOON;
    let mut served = start(impatient);
    let mut stream = served.connect().await;
    send(&mut stream, HOLD).await;
    assert_eq!(served.held().await, "came");
    // Another connection's idle end shows that the time for one has passed.
    let mut other = served.connect().await;
    assert_eq!(ask(&mut other, GET).await.status(), "200");
    rest(&mut other).await;
    served.release.add_permits(1);
    assert_eq!(receive(&mut stream).await.body, "released");
}

#[tokio::test]
async fn a_stream_may_pause_for_longer_than_a_request_may_take() {
    let mut impatient = config();
    impatient.request_timeout = SOON;
    let served = start(impatient);
    let mut stream = served.connect().await;
    let reply = ask(
        &mut stream,
        "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(reply.status(), "200");
    // Another request's end shows that the time for one has passed.
    assert_eq!(ask(&mut served.connect().await, HOLD).await.status(), "503");
    served.release.add_permits(1);
    let body = String::from_utf8(rest(&mut stream).await).unwrap();
    assert_eq!(body, "5\r\nbegin\r\n3\r\nend\r\n0\r\n\r\n");
}
