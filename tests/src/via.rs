use std::net::SocketAddr;

use http::HeaderValue;
use symbolon_verifier::{Fetch, Fetching, HttpFetch, Opening, Posting};
use url::Url;

/// Fetches for a [`symbolon_verifier::Verifier`] over HTTP from an address of one's own, whatever address is asked for:
/// from this node of several, or over a line that is cut.
#[derive(Debug)]
pub struct Via {
    http: HttpFetch,
    to: SocketAddr,
}

impl Via {
    /// From there.
    ///
    /// # Panics
    /// There can be no HTTP client.
    #[expect(
        clippy::expect_used,
        reason = "test support: whatever fails here is a failed test"
    )]
    pub fn to(address: SocketAddr) -> Self {
        Self {
            http: HttpFetch::new().expect("an HTTP client"),
            to: address,
        }
    }

    fn led(&self, url: &Url) -> Url {
        let mut led = url.clone();
        // Both fail for URLs without a host alone.
        let _ = led.set_ip_host(self.to.ip());
        let _ = led.set_port(Some(self.to.port()));
        led
    }
}

impl Fetch for Via {
    fn get<'a>(&'a self, url: &'a Url, limit: usize) -> Fetching<'a> {
        let url = self.led(url);
        Box::pin(async move { self.http.get(&url, limit).await })
    }

    fn stream<'a>(&'a self, url: &'a Url, last_event_id: &'a str) -> Opening<'a> {
        let url = self.led(url);
        Box::pin(async move { self.http.stream(&url, last_event_id).await })
    }

    fn post<'a>(&'a self, url: &'a Url, form: String, authorization: &'a HeaderValue) -> Posting<'a> {
        let url = self.led(url);
        Box::pin(async move { self.http.post(&url, form, authorization).await })
    }
}
