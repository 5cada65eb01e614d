//! What the endpoints say over HTTP, beyond the flows.
#![cfg(test)]

mod access_token;
mod bodies;
mod cors;
mod documents;
mod errors;
mod health;
mod introspection;
mod issuer_path;
mod metadata;
mod methods;
mod resource;
mod revocation;
mod signing;

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;
use symbolon_tests::{Harness, HarnessOptions, Reply};

/// Endpoints that take a form.
const FORMS: [&str; 3] = ["/oauth2/introspect", "/oauth2/revoke", "/oauth2/token"];
/// Documents that everybody may read.
const DOCUMENTS: [&str; 2] = [
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
];
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn with_settings(settings: &[(&'static str, &str)]) -> Harness {
    let settings = settings
        .iter()
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect();
    Harness::with(HarnessOptions {
        settings,
        ..HarnessOptions::default()
    })
    .await
}

/// A part of a compact JWS, decoded and not verified.
fn part(token: &str, index: usize) -> Value {
    use base64::Engine;
    let text = token.split('.').nth(index).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The claims of the access token in an answer, verified by the key set of the server and a library of others.
async fn verified(h: &Harness, reply: &Reply) -> Value {
    reply.ok();
    verify(h, &reply.text("access_token")).await
}

async fn verify(h: &Harness, token: &str) -> Value {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    let jwks = symbolon_jwks_publisher::Endpoints::new(h.settings.issuer.as_str())
        .unwrap()
        .jwks_route();
    let keys: JwkSet = serde_json::from_slice(&h.get(&jwks).await.body).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let named = key.common.key_algorithm.unwrap().to_string();
    assert_eq!(named, format!("{:?}", header.alg));
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[h.settings.issuer.as_str()]);
    validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
    validation.validate_aud = false;
    // The test's clock is not the system's.
    validation.validate_exp = false;
    decode(token, &DecodingKey::from_jwk(key).unwrap(), &validation)
        .unwrap()
        .claims
}
