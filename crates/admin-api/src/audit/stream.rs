use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use crate::api::Api;
use crate::extract::{Caller, Query};
use crate::problem::{Problem, ProblemKind};
use crate::share::Exhausted;
use crate::trail::{Records, record_line};

/// How long a stream lasts: whoever listens comes again, with a token of then.
const LASTING: Duration = Duration::from_secs(15 * 60);
/// How often a comment is sent where nothing happens, so that nobody between takes the stream for dead.
const BEAT: Duration = Duration::from_secs(15);
/// How often it is asked anew whether whoever listens may: no record goes out for which that was longer ago.
const ASK: Duration = Duration::from_secs(2);

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// Behind this position; without it, what is written from now on.
    after: Option<u64>,
}

/// Follow the audit trail as server-sent events.
///
/// Each event has the position as its `id` and a record as its `data`. A stream ends within two seconds of its token losing
/// what it was admitted for, and after a quarter of an hour; continue behind the last `id`.
#[utoipa::path(
    get,
    path = "/audit/stream",
    tag = "audit",
    params(From),
    responses((status = 200, description = "Records as they are written", body = String, content_type = "text/event-stream")),
)]
pub(crate) async fn stream_audit(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let trail = api.parts.trail.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemKind::Unavailable,
            "only a running server streams: export the trail",
        )
    })?;
    let actor = &caller.principal.actor;
    let records = trail.listen(actor, from.after, LASTING).map_err(|why| {
        let taken = match why {
            Exhausted::ForActor => "you have half of the streams that this node has",
            Exhausted::ForAll => "too many streams are open on this node",
        };
        Problem::new(
            ProblemKind::Unavailable,
            format_args!("{taken} (admin.max_streams): close one, or poll /audit/export"),
        )
    })?;
    let asking: Ask = Box::new(move || {
        let (api, caller) = (api.clone(), caller.clone());
        Box::pin(async move { may_listen(&api, &caller).await })
    });
    let body = stream::unfold(Listening::new(records, asking), Listening::next);
    let kind = HeaderValue::from_static("text/event-stream");
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(body)).into_response())
}

async fn may_listen(api: &Api, caller: &Caller) -> bool {
    let outcome = caller.may_go_on(api).await;
    if let Err(problem) = &outcome {
        let (request_id, actor) = (caller.request.id, caller.principal.actor.as_str());
        let why = problem.title.as_str();
        tracing::info!(%request_id, actor, why, "a stream of the audit trail was ended");
    }
    outcome.is_ok()
}

/// Asks whether whoever listens still may.
type Ask = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// A stream that is open.
struct Listening {
    records: Records,
    ask: Ask,
    asked: Instant,
    /// When something was sent last; nothing was yet where there is none.
    sent: Option<Instant>,
}

impl Listening {
    /// Whoever listens was admitted just now.
    fn new(records: Records, ask: Ask) -> Self {
        Self {
            records,
            ask,
            asked: Instant::now(),
            sent: None,
        }
    }

    /// What goes out next, and what is left; `None` at the end.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let text = self.text().await?;
        self.sent = Some(Instant::now());
        Some((Ok(text), self))
    }

    async fn text(&mut self) -> Option<Bytes> {
        let Some(sent) = self.sent else {
            // At once, so that whoever listens knows that they do.
            return Some(Bytes::from_static(b": the audit trail\n\n"));
        };
        loop {
            let until = (self.asked + ASK).min(sent + BEAT);
            let heard = timeout_at(until, self.records.next()).await;
            if self.asked.elapsed() >= ASK {
                if !(self.ask)().await {
                    return None;
                }
                self.asked = Instant::now();
            }
            match heard {
                Ok(None) => return None,
                Ok(Some(record)) => {
                    let line = record_line(&record);
                    return Some(Bytes::from(format!("id: {}\ndata: {line}\n\n", record.seq)));
                }
                Err(_) if sent.elapsed() >= BEAT => return Some(Bytes::from_static(b": nothing new\n\n")),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use symbolon_core::audit::{Actor, AuditStore as _};

    use super::*;
    use crate::trail::TrailStream;
    use crate::trail::tests::{MemoryTrail, events};

    /// A gate that can turn.
    #[derive(Default)]
    struct Gate {
        is_shut: AtomicBool,
        asked: AtomicUsize,
    }

    struct Room {
        store: Arc<MemoryTrail>,
        gate: Arc<Gate>,
        listening: Option<Listening>,
    }

    impl Room {
        fn new() -> Self {
            let (store, gate) = (Arc::new(MemoryTrail::default()), Arc::new(Gate::default()));
            let stream = Arc::new(TrailStream::new(store.clone(), 1));
            let actor = Actor::client(&"console".parse().unwrap());
            let records = stream.listen(&actor, Some(0), LASTING).unwrap();
            tokio::spawn(async move { stream.follow().await });
            let asked = gate.clone();
            let ask: Ask = Box::new(move || {
                asked.asked.fetch_add(1, Ordering::SeqCst);
                let is_open = !asked.is_shut.load(Ordering::SeqCst);
                Box::pin(async move { is_open })
            });
            Self {
                store,
                gate,
                listening: Some(Listening::new(records, ask)),
            }
        }

        async fn next(&mut self) -> Option<String> {
            let (Ok(text), left) = self.listening.take()?.next().await?;
            self.listening = Some(left);
            Some(String::from_utf8(text.to_vec()).unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_whoever_listens_may_no_longer() {
        let mut room = Room::new();
        assert_eq!(room.next().await.unwrap(), ": the audit trail\n\n");
        room.store.record(&events(0..1)).await.unwrap();
        assert!(room.next().await.unwrap().starts_with("id: 1\ndata: {"));
        room.gate.is_shut.store(true, Ordering::SeqCst);
        let shut = Instant::now();
        assert_eq!(room.next().await, None, "though nothing is written");
        assert!(shut.elapsed() <= ASK, "{:?}", shut.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_after_that_is_not_heard() {
        let mut room = Room::new();
        room.next().await.unwrap();
        room.gate.is_shut.store(true, Ordering::SeqCst);
        tokio::time::advance(ASK).await;
        room.store.record(&events(0..1)).await.unwrap();
        assert_eq!(room.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_every_two_seconds_and_a_beat_comes_all_the_same() {
        let mut room = Room::new();
        room.next().await.unwrap();
        let begun = Instant::now();
        assert_eq!(room.next().await.unwrap(), ": nothing new\n\n");
        assert_eq!(begun.elapsed().as_secs(), BEAT.as_secs());
        assert_eq!(room.gate.asked.load(Ordering::SeqCst), 7);
    }
}
