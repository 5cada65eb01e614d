use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use flate2::read::MultiGzDecoder;
use http::HeaderValue;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::fetch::{Fetch, FetchError, Fetched, Fetching, NextPiece, Opening, Pieces, Posting};

const EVENT_STREAM: &str = "text/event-stream";
/// What may become longer is decompressed where it keeps no request waiting.
const MAX_INLINE_BYTES: usize = 64 * 1024;
/// The time from one ping of a connection by HTTP/2 to the next, and the longest that an answer to one may take.
const PING: Duration = Duration::from_secs(5);

/// Fetches with `reqwest`: TLS by rustls, trust anchors and proxies of the system, no redirects. Clones share the
/// connections.
#[derive(Clone, Debug)]
pub struct HttpFetch(Arc<ArcSwap<Client>>);

impl HttpFetch {
    /// A client with a connection pool of its own.
    ///
    /// # Errors
    /// [`FetchError::Transport`] where TLS can't be set up, for example without trust anchors.
    pub fn new() -> Result<Self, FetchError> {
        let client = client().map_err(transport)?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(client))))
    }

    fn client(&self) -> Arc<Client> {
        self.0.load_full()
    }

    async fn fetch(&self, url: &Url, limit: usize) -> Result<Fetched, FetchError> {
        let request = self
            .client()
            .get(url.clone())
            .header(ACCEPT, "application/json, application/jwt")
            .header(ACCEPT_ENCODING, "gzip");
        let mut response = accepted(request.send().await)?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let compressed = header(CONTENT_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let mut fetched = Fetched {
            body: Vec::new(),
            cache_control: header(CACHE_CONTROL).map(str::to_owned),
            age: header(AGE).and_then(|text| text.parse().ok()).unwrap_or_default(),
        };
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if fetched.body.len() + chunk.len() > limit {
                return Err(FetchError::TooLong { limit });
            }
            fetched.body.extend_from_slice(&chunk);
        }
        if compressed {
            let body = std::mem::take(&mut fetched.body);
            fetched.body = match limit <= MAX_INLINE_BYTES {
                true => decompressed(&body, limit)?,
                false => tokio::task::spawn_blocking(move || decompressed(&body, limit))
                    .await
                    .map_err(|error| FetchError::Transport(error.to_string()))??,
            };
        }
        Ok(fetched)
    }

    async fn open(&self, url: &Url, last_event_id: &str) -> Result<Box<dyn Pieces>, FetchError> {
        let request = self
            .client()
            .get(url.clone())
            .header(ACCEPT, EVENT_STREAM)
            .header("last-event-id", last_event_id);
        let response = accepted(request.send().await)?;
        let media_type = response.headers().get(CONTENT_TYPE);
        let media_type = media_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(EVENT_STREAM) {
            return Err(FetchError::Document(
                "the stream is no `text/event-stream`".into(),
            ));
        }
        Ok(Box::new(Stream(response)))
    }

    async fn send(&self, url: &Url, form: String, authorization: &HeaderValue) -> Result<(), FetchError> {
        let request = self
            .client()
            .post(url.clone())
            .header(AUTHORIZATION, authorization.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let response = request.send().await.map_err(transport)?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        Ok(())
    }
}

impl Fetch for HttpFetch {
    fn get<'a>(&'a self, url: &'a Url, limit: usize) -> Fetching<'a> {
        Box::pin(self.fetch(url, limit))
    }

    fn stream<'a>(&'a self, url: &'a Url, last_event_id: &'a str) -> Opening<'a> {
        Box::pin(self.open(url, last_event_id))
    }

    fn post<'a>(&'a self, url: &'a Url, form: String, authorization: &'a HeaderValue) -> Posting<'a> {
        Box::pin(self.send(url, form, authorization))
    }

    fn renew(&self) {
        // What could be set up once can be again; where it can't, the old connections are better than none.
        if let Ok(client) = client() {
            self.0.store(Arc::new(client));
        }
    }
}

/// Connections over which nothing comes any more are given up, also while a stream is open.
fn client() -> reqwest::Result<Client> {
    Client::builder()
        .redirect(Policy::none())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        .http2_keep_alive_while_idle(true)
        .build()
}

struct Stream(Response);

impl Pieces for Stream {
    fn next(&mut self) -> NextPiece<'_> {
        Box::pin(async {
            let chunk = self.0.chunk().await.map_err(transport)?;
            Ok(chunk.map(Vec::from))
        })
    }
}

fn accepted(response: reqwest::Result<Response>) -> Result<Response, FetchError> {
    let response = response.map_err(transport)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    Ok(response)
}

/// What a body was before it was compressed. No more than `limit` bytes of it are ever made.
fn decompressed(body: &[u8], limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body)
        .take(most)
        .read_to_end(&mut plain)
        .map_err(|error| FetchError::Document(format!("the body is no gzip: {error}")))?;
    if plain.len() > limit {
        return Err(FetchError::TooLong { limit });
    }
    Ok(plain)
}

/// The whole chain of causes; `reqwest` alone says little more than that the request failed.
fn transport(error: reqwest::Error) -> FetchError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    FetchError::Transport(text)
}
