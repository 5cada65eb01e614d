use reqwest::header::{AGE, CACHE_CONTROL};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use url::Url;

use crate::fetch::{Fetch, FetchError, Fetched, Fetching};

/// Fetches with `reqwest`: TLS by rustls, trust anchors and proxies of the system, no redirects.
#[derive(Clone, Debug)]
pub struct HttpFetch(Client);

impl HttpFetch {
    /// A client with a connection pool of its own.
    ///
    /// # Errors
    /// [`FetchError::Transport`] where TLS can't be set up, for example without trust anchors.
    pub fn new() -> Result<Self, FetchError> {
        let client = Client::builder().redirect(Policy::none()).build();
        client.map(Self).map_err(transport)
    }

    async fn fetch(&self, url: &Url, limit: usize) -> Result<Fetched, FetchError> {
        let request = self.0.get(url.clone()).header("accept", "application/json");
        let mut response = request.send().await.map_err(transport)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
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
        Ok(fetched)
    }
}

impl Fetch for HttpFetch {
    fn get<'a>(&'a self, url: &'a Url, limit: usize) -> Fetching<'a> {
        Box::pin(self.fetch(url, limit))
    }
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
