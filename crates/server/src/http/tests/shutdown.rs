use http::StatusCode;

use super::*;

#[tokio::test]
async fn finishes_what_is_in_flight_and_takes_nothing_new() {
    let mut served = start(config());
    let mut busy = served.connect().await;
    send(&mut busy, HOLD).await;
    let mut multiplexed = Http2::over(served.connect().await).await;
    let answer = tokio::spawn(multiplexed.send(get_request("/hold")));
    assert_eq!((served.held().await, served.held().await), ("came", "came"));
    let mut idle = served.connect().await;
    assert_eq!(ask(&mut idle, GET).await.status(), "200");
    let mut fresh = served.connect().await;
    eventually(|| served.stats.accepted() == 4).await;

    served.shutdown.cancel();
    assert_eq!(rest(&mut idle).await, b"");
    assert_eq!(rest(&mut fresh).await, b"");
    within(async { while TcpStream::connect(served.address).await.is_ok() {} }).await;
    assert!(!served.task.is_finished());

    served.release.add_permits(2);
    let reply = receive(&mut busy).await;
    assert_eq!((reply.status(), reply.body.as_str()), ("200", "released"));
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    assert_eq!(rest(&mut busy).await, b"");
    let (response, body) = text(within(answer).await.unwrap().unwrap()).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::OK, "released"));
    within(multiplexed.connection).await.unwrap().unwrap();

    let drained = within(served.task).await.unwrap();
    assert_eq!(drained.aborted, 0);
    // The idle and the fresh one may have gone before they were counted.
    assert!((2..=4).contains(&drained.finished), "{drained:?}");
    assert_eq!(served.stats.active(), 0);
}

#[tokio::test]
async fn cuts_off_what_outlasts_the_grace() {
    let mut served = start_with(config(), SOON);
    let mut busy = served.connect().await;
    send(&mut busy, HOLD).await;
    let mut multiplexed = Http2::over(served.connect().await).await;
    let answer = tokio::spawn(multiplexed.send(get_request("/hold")));
    assert_eq!((served.held().await, served.held().await), ("came", "came"));

    served.shutdown.cancel();
    assert_eq!(rest(&mut busy).await, b"");
    assert!(within(answer).await.unwrap().is_err());
    assert_eq!((served.held().await, served.held().await), ("ended", "ended"));
    let drained = within(&mut served.task).await.unwrap();
    assert_eq!(
        drained,
        Drained {
            finished: 0,
            aborted: 2
        }
    );
    assert_eq!(served.stats.active(), 0);
}

#[tokio::test]
async fn an_unused_listener_stops_at_once() {
    let served = start(config());
    served.shutdown.cancel();
    assert_eq!(
        within(served.task).await.unwrap(),
        Drained {
            finished: 0,
            aborted: 0
        }
    );
}

#[tokio::test]
async fn dropping_the_server_cuts_everything_off() {
    let mut served = start(config());
    let mut busy = served.connect().await;
    send(&mut busy, HOLD).await;
    assert_eq!(served.held().await, "came");
    served.task.abort();
    assert_eq!(rest(&mut busy).await, b"");
    assert_eq!(served.held().await, "ended");
}

#[tokio::test]
async fn dropping_the_server_cuts_handshakes_off() {
    let certificate = certificate();
    let mut encrypted = config();
    encrypted.tls = Some(certificate.files());
    let served = start(encrypted);
    let mut silent = served.connect().await;
    eventually(|| served.stats.accepted() == 1).await;
    served.task.abort();
    assert_eq!(rest(&mut silent).await, b"");
}

#[tokio::test]
async fn waits_no_longer_than_for_a_head_for_a_client_that_ignores_the_farewell() {
    let mut impatient = config();
    impatient.header_timeout = SOON * 5;
    let served = start(impatient);
    let mut stream = served.connect().await;
    stream
        .write_all(&[HTTP2_OPENING, HTTP2_GET].concat())
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        answer.push(within(stream.read_u8()).await.unwrap());
    }
    served.shutdown.cancel();
    assert_eq!(
        within(served.task).await.unwrap(),
        Drained {
            finished: 1,
            aborted: 0
        }
    );
    assert_eq!(served.stats.timeouts(), 1);
}
