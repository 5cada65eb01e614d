use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use symbolon_oauth_types::feed::{BATCH_TYPE, Batch, HEAD_TYPE, Head};

use super::reader::opened;
use super::*;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// An event of a stream.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: String,
}

/// A stream as it is read, and events that have come and were not asked for.
struct Stream {
    body: Body,
    events: std::collections::VecDeque<Event>,
    keys: symbolon_jose::JwkSet,
}

impl Site {
    async fn open(&self, headers: &[(HeaderName, &str)]) -> Response<Body> {
        self.send(Method::GET, "/stream", headers).await
    }

    async fn stream(&self, last: Option<&str>) -> Stream {
        let headers: Vec<_> = last.map(|id| (LAST_EVENT_ID, id)).into_iter().collect();
        let response = self.open(&headers).await;
        assert_eq!(response.status(), StatusCode::OK);
        Stream {
            body: response.into_body(),
            events: Default::default(),
            keys: self.keys().await,
        }
    }

    fn id(&self, seq: u64) -> String {
        format!("{}:{seq}", self.log.id())
    }
}

impl Stream {
    /// The next event; nothing where the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        while self.events.is_empty() {
            let frame = self.body.frame().await?.unwrap().into_data().unwrap();
            let text = String::from_utf8(frame.into()).unwrap();
            assert!(text.ends_with("\n\n"), "whole events at once: {text:?}");
            self.events
                .extend(text.split_terminator("\n\n").map(Event::parse));
        }
        self.events.pop_front()
    }

    async fn next_of(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    async fn head(&mut self) -> Head {
        let event = self.next_of("head").await;
        assert_eq!(event.id, None);
        opened(&self.keys, HEAD_TYPE, &event.data)
    }

    async fn batch(&mut self) -> Batch {
        let event = self.next_of("batch").await;
        let batch: Batch = opened(&self.keys, BATCH_TYPE, &event.data);
        assert_eq!(event.id, Some(format!("{}:{}", batch.log, batch.to)));
        batch
    }

    async fn resync(&mut self) {
        let event = self.next_of("resync").await;
        assert_eq!((event.id, event.data.as_str()), (None, "{}"));
        assert!(self.next().await.is_none(), "it ends");
    }
}

impl Event {
    fn parse(text: &str) -> Self {
        let mut event = Self {
            name: String::new(),
            id: None,
            data: String::new(),
        };
        for line in text.lines() {
            match line.split_once(": ").unwrap() {
                ("event", name) => event.name = name.to_owned(),
                ("id", id) => event.id = Some(id.to_owned()),
                ("data", data) => event.data = data.to_owned(),
                other => panic!("{other:?}"),
            }
        }
        event
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_what_it_is() {
    let site = Site::start().await;
    let response = site.open(&[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (http::header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
}

#[tokio::test(start_paused = true)]
async fn batches_come_in_order_each_before_its_head() {
    let site = Site::start().await;
    let mut stream = site.stream(None).await;
    assert_eq!(stream.head().await.seq, 0);
    for n in 1..=10 {
        site.revoked([session(n)]).await;
        let (batch, head) = (stream.batch().await, stream.head().await);
        assert_eq!(
            (batch.from, batch.to, batch.entries.len()),
            (n as u64 - 1, n as u64, 1)
        );
        assert_eq!((head.seq, head.tip), (batch.to, batch.tip));
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_comes_each_second() {
    let site = Site::start().await;
    let mut stream = site.stream(None).await;
    stream.head().await;
    let began = tokio::time::Instant::now();
    for _ in 0..5 {
        stream.head().await;
    }
    let took = began.elapsed();
    assert!((4..=5).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_is_behind_its_position() {
    let site = Site::start().await;
    for n in 1..=20 {
        site.revoked([session(n)]).await;
    }
    for from in 0..=20 {
        let mut stream = site.stream(Some(&site.id(from))).await;
        let mut seq = from;
        while seq < 20 {
            let batch = stream.batch().await;
            assert!(batch.from <= seq && seq < batch.to);
            seq = batch.to;
        }
        assert_eq!(stream.head().await.seq, 20);
    }
    let mut stream = site.stream(Some(&site.id(20))).await;
    stream.head().await;
    site.revoked([session(21)]).await;
    assert_eq!((stream.batch().await.to, stream.head().await.seq), (21, 21));
}

/// Whoever followed a node that had come further is not sent to the snapshot by one that lags.
#[tokio::test(start_paused = true)]
async fn who_is_ahead_of_the_node_waits() {
    let site = Site::start().await;
    site.revoked([session(1)]).await;
    let mut stream = site.stream(Some(&site.id(5))).await;
    assert_eq!(stream.head().await.seq, 1);
}

#[tokio::test(start_paused = true)]
async fn who_has_a_position_that_is_not_kept_is_sent_to_the_snapshot() {
    let site = Site::start().await;
    site.revoked((0..5).map(session)).await;
    let other = format!("{}:3", Uuid::from_u128(1));
    for last in [&*other, "x", ":", "1:1", &site.id(0).replace(':', ""), "\u{e9}"] {
        site.stream(Some(last)).await.resync().await;
    }
    let mut stream = site.stream(Some("")).await;
    assert_eq!(stream.head().await.seq, 5, "an empty one says nothing");
    site.lose(1);
    site.look().await;
    site.published().await;
    site.stream(Some(&site.id(2))).await.resync().await;
    assert_eq!(site.feed.status().lagged, 0, "nobody was slow");
}

#[tokio::test(start_paused = true)]
async fn streams_go_on_when_the_log_is_another() {
    let site = Site::start().await;
    let mut stream = site.stream(None).await;
    stream.head().await;
    site.restore(0);
    site.revoked([session(1)]).await;
    let head = stream.head().await;
    assert_eq!(
        (head.log, head.seq),
        (site.log.id(), 1),
        "verifiers find out by it"
    );
    site.revoked([session(2)]).await;
    assert_eq!(stream.batch().await.log, head.log);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_too_slow_is_sent_to_the_snapshot() {
    let site = Site::start().await;
    let (mut slow, mut quick) = (site.stream(None).await, site.stream(None).await);
    for n in 1..=300 {
        site.revoked([session(n)]).await;
        while quick.next_of_either().await != n as u64 {}
    }
    // What was on its way when it stopped to read.
    slow.head().await;
    slow.batch().await;
    slow.head().await;
    slow.resync().await;
    assert_eq!(site.feed.status().lagged, 1);
    site.revoked([session(301)]).await;
    while quick.next_of_either().await != 301 {}
}

/// Also where the connection goes on with other streams, so that nobody drops the body.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_keeps_no_place() {
    let site = Site::start().await;
    let unread = site.stream(None).await;
    site.wait(20 * SECOND).await;
    assert_eq!(site.feed.status().streams, 1);
    site.wait(15 * SECOND).await;
    assert_eq!((site.feed.status().streams, site.feed.status().lagged), (0, 1));
    drop(unread);
}

/// Readers may find another node that does.
#[tokio::test(start_paused = true)]
async fn streams_end_and_are_refused_while_the_log_is_not_seen() {
    let site = Site::start().await;
    let mut stream = site.stream(None).await;
    site.log.go_down(true);
    let reading = async { while stream.next().await.is_some() {} };
    tokio::join!(reading, site.wait(10 * SECOND));
    for path in ["/stream", "/head"] {
        assert_eq!(
            site.get(path).await.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
    }
    assert_eq!(site.get("/snapshot").await.status, StatusCode::OK);
    site.log.go_down(false);
    site.wait(2 * SECOND).await;
    site.stream(None).await.head().await;
}

impl Site {
    /// Waits until so many streams have a place.
    async fn until_streams(&self, count: usize) {
        self.until(|site| site.feed.status().streams == count).await;
    }
}

impl Stream {
    /// How far the next head says that the log has come; 0 for a batch.
    async fn next_of_either(&mut self) -> u64 {
        let event = self.next().await.unwrap();
        match event.name.as_str() {
            "head" => opened::<Head>(&self.keys, HEAD_TYPE, &event.data).seq,
            _ => 0,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_streams_than_there_may_be() {
    let site = Site::start().await;
    let mut streams = Vec::new();
    for _ in 0..config().max_streams {
        streams.push(site.stream(None).await);
    }
    assert_eq!(site.feed.status().streams, 3);
    let refused = site.open(&[]).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[RETRY_AFTER], "10");
    assert_eq!(site.feed.status().refused, 1);
    streams.pop();
    site.until_streams(2).await;
    assert_eq!(
        site.open(&[]).await.status(),
        StatusCode::OK,
        "a place that was given back"
    );
    site.until_streams(2).await;
    // One that was sent away gives its place back, too.
    let mut gone = site.stream(Some("x")).await;
    gone.resync().await;
    site.until_streams(2).await;
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_publisher_and_there_are_none_without() {
    let mut site = Site::start().await;
    let mut stream = site.stream(None).await;
    stream.head().await;
    site.stop();
    assert!(stream.next().await.is_none());
    assert_eq!(site.open(&[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        site.get("/head").await.status,
        StatusCode::OK,
        "what was said stands"
    );
    site.publish();
    let again = site.until(|site| site.feed.streams.is_open());
    again.await;
    site.stream(None).await.head().await;
}

#[tokio::test(start_paused = true)]
async fn every_stream_ends_within_the_hour_at_a_time_of_its_own() {
    let site = Site::start().await;
    let ends = async |mut stream: Stream| {
        let began = tokio::time::Instant::now();
        while stream.next().await.is_some() {}
        began.elapsed()
    };
    let (one, other) = tokio::join!(ends(site.stream(None).await), ends(site.stream(None).await));
    for lasted in [one, other] {
        assert!((2400..=3600).contains(&lasted.as_secs()), "{lasted:?}");
    }
    assert_ne!(one, other);
}
