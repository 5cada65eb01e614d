//! Somebody between the verifiers and their nodes, who passes on what they ask for, or something else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::Value;
use symbolon_core::{Clock as _, SystemClock};
use symbolon_tests::Via;
use symbolon_verifier::feed::{Event, Events};
use symbolon_verifier::{Fetch, FetchError, Fetched, Fetching, NextPiece, Opening, Pieces, Posting};
use url::Url;

/// What the meddler does to the feed. The keys of tokens and all else pass untouched.
#[derive(Clone, Default)]
pub(super) enum Lie {
    /// Nothing.
    #[default]
    None,
    /// Head, snapshot and batches are those of the moment at which this began.
    Replay,
    /// Heads are true, but what they speak of does not come: no batches, and the snapshot is an old one.
    Withhold,
    /// Every other batch is missing from the stream; whoever asks for it gets it.
    Skip,
    /// What was true when this began, signed anew with each head: by this key.
    Forge(Arc<Forger>),
    /// The feed of another installation, signed by its own keys, which are not those of `/keys`.
    Foreign(Arc<Via>),
    /// The same, and its keys in the place of the true ones.
    ForeignKeys(Arc<Via>),
}

/// A key that is none of the feed's.
pub(super) struct Forger {
    /// What the header says.
    pub(super) kid: Option<String>,
    pub(super) key: EncodingKey,
}

impl Forger {
    /// The same document by this key, which says that it is of this moment. With a name or, without, with that of the key
    /// which signed the document.
    fn forge(&self, document: &[u8]) -> Vec<u8> {
        let text = str::from_utf8(document).expect("a JWS");
        let mut parts = text
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
        let mut part = || -> Value { serde_json::from_slice(&parts.next().expect("a part")).expect("JSON") };
        let (header, mut payload) = (part(), part());
        if payload["as_of"].is_u64() {
            payload["as_of"] = SystemClock::new().now().0.into();
        }
        let name = || header["kid"].as_str().expect("a kid").to_owned();
        let forged = Header {
            typ: header["typ"].as_str().map(str::to_owned),
            kid: Some(self.kid.clone().unwrap_or_else(name)),
            ..Header::new(jsonwebtoken::Algorithm::EdDSA)
        };
        let jws = jsonwebtoken::encode(&forged, &payload, &self.key);
        jws.expect("a signature").into_bytes()
    }
}

/// What all meddlers of a run share.
#[derive(Default)]
pub(super) struct Meddling {
    lie: Mutex<Lie>,
    /// The documents as they were last seen while there was no lie, by the end of their path.
    seen: Mutex<BTreeMap<String, Vec<u8>>>,
    batches: AtomicU64,
}

impl Meddling {
    /// From now on.
    pub(super) fn lie(&self, lie: Lie) {
        *locked(&self.lie) = lie;
    }

    fn now(&self) -> Lie {
        locked(&self.lie).clone()
    }

    fn note(&self, path: &str, document: &[u8]) {
        locked(&self.seen).insert(path.to_owned(), document.to_owned());
    }

    fn seen(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        locked(&self.seen)
            .get(path)
            .cloned()
            .ok_or(FetchError::Status(404))
    }

    /// What becomes of an event of the stream.
    fn tell(&self, event: Event) -> Option<Event> {
        let is_head = event.name == "head";
        let instead = |data: Vec<u8>| {
            Some(Event {
                name: "head".into(),
                data: String::from_utf8(data).expect("a JWS"),
            })
        };
        match self.now() {
            Lie::None => {
                if is_head {
                    self.note("/head", event.data.as_bytes());
                }
                Some(event)
            }
            Lie::Skip if event.name == "batch" => {
                let count = self.batches.fetch_add(1, Ordering::Relaxed);
                (count % 2 == 1).then_some(event)
            }
            Lie::Skip => Some(event),
            Lie::Withhold => is_head.then_some(event),
            Lie::Replay => is_head
                .then(|| self.seen("/head").ok())
                .flatten()
                .and_then(instead),
            Lie::Forge(forger) => {
                let old = is_head.then(|| self.seen("/head").ok()).flatten();
                old.and_then(|head| instead(forger.forge(&head)))
            }
            // These come by other ways.
            Lie::Foreign(_) | Lie::ForeignKeys(_) => None,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fetches for one verifier.
pub(super) struct Meddler {
    via: Via,
    meddling: Arc<Meddling>,
}

impl Meddler {
    pub(super) fn between(via: Via, meddling: Arc<Meddling>) -> Self {
        Self { via, meddling }
    }

    async fn document(&self, url: &Url, path: &str, limit: usize) -> Result<Fetched, FetchError> {
        let meddling = &self.meddling;
        let is_batch = path.starts_with("/batches/");
        let old = || meddling.seen(path).map(Fetched::new);
        match meddling.now() {
            Lie::None | Lie::Skip => {
                let fetched = self.via.get(url, limit).await?;
                meddling.note(path, &fetched.body);
                Ok(fetched)
            }
            Lie::Foreign(elsewhere) if path != "/keys" => elsewhere.get(url, limit).await,
            Lie::ForeignKeys(elsewhere) => elsewhere.get(url, limit).await,
            _ if path == "/keys" => self.via.get(url, limit).await,
            Lie::Withhold if path == "/head" => self.via.get(url, limit).await,
            Lie::Withhold if is_batch => Err(FetchError::Status(404)),
            Lie::Forge(forger) => old().map(|old| Fetched::new(forger.forge(&old.body))),
            _ => old(),
        }
    }
}

/// Where below the feed a document is; nothing where it is not of the feed.
fn of_feed(url: &Url) -> Option<&str> {
    url.path()
        .find("/revocations/")
        .map(|at| &url.path()[at + "/revocations".len()..])
}

impl Fetch for Meddler {
    fn get<'a>(&'a self, url: &'a Url, limit: usize) -> Fetching<'a> {
        match of_feed(url) {
            Some(path) => Box::pin(self.document(url, path, limit)),
            None => self.via.get(url, limit),
        }
    }

    fn stream<'a>(&'a self, url: &'a Url, last_event_id: &'a str) -> Opening<'a> {
        Box::pin(async move {
            if let Lie::Foreign(elsewhere) | Lie::ForeignKeys(elsewhere) = self.meddling.now() {
                return elsewhere.stream(url, "").await;
            }
            let stream = Meddled {
                inner: self.via.stream(url, last_event_id).await?,
                events: Events::default(),
                meddling: self.meddling.clone(),
            };
            Ok(Box::new(stream) as Box<dyn Pieces>)
        })
    }

    fn post<'a>(&'a self, url: &'a Url, form: String, authorization: &'a HeaderValue) -> Posting<'a> {
        self.via.post(url, form, authorization)
    }
}

/// A stream of which every event passes through the meddler's hands.
struct Meddled {
    inner: Box<dyn Pieces>,
    events: Events,
    meddling: Arc<Meddling>,
}

impl Pieces for Meddled {
    fn next(&mut self) -> NextPiece<'_> {
        Box::pin(async move {
            let Some(piece) = self.inner.next().await? else {
                return Ok(None);
            };
            let mut told = String::new();
            let pushed = self.events.push(&piece, |event| {
                if let Some(Event { name, data }) = self.meddling.tell(event) {
                    told += &format!("event: {name}\ndata: {data}\n\n");
                }
            });
            pushed.expect("lines of bounded length");
            Ok(Some(told.into_bytes()))
        })
    }
}
