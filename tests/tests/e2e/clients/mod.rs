//! Clients, their credentials, and the passwords of users.
#![cfg(test)]

mod addresses;
mod authentication;
mod decoding;
mod enumeration;
mod grants;
mod hash_lane;
mod lockout;
mod secrets;
mod stored_hash;

use symbolon_tests::{Harness, HarnessOptions, Reply};

/// Where clients authenticate, and a form that is complete but for the client.
const ENDPOINTS: [(&str, &str); 3] = [
    ("/oauth2/introspect", "token=x"),
    ("/oauth2/revoke", "token=x"),
    ("/oauth2/token", "grant_type=client_credentials"),
];

/// With one hash thread, and a queue that nobody leaves for lack of patience.
async fn one_hash_thread(more: &[(&'static str, &str)]) -> Harness {
    let mut settings = vec![
        ("passwords.hash_threads", "1".to_owned()),
        ("passwords.queue_deadline", "30s".to_owned()),
    ];
    settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    Harness::with(HarnessOptions {
        settings,
        ..HarnessOptions::default()
    })
    .await
}

/// All of an answer that a client can see.
fn visible(reply: &Reply) -> (u16, http::HeaderMap, Vec<u8>) {
    (reply.status.as_u16(), reply.headers.clone(), reply.body.to_vec())
}
