//! Signing keys that change under running servers: what resource servers accept, and what becomes of keys in the
//! database, while real processes rotate, race, stop and are given other key-encryption keys.

mod compromise;
mod race;
mod remote_set;
mod rewrap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use symbolon_core::SystemClock;
use symbolon_store_sql::{SqlConfig, SqlStore};
use symbolon_tests::binary::{Credentials, Remote, Server, Site};

use super::AUDIENCE;

/// An installation, a service that gets tokens for itself, and the resource server that takes them.
struct Stage {
    site: Site,
    issuer: String,
    service: Credentials,
    api: Credentials,
}

impl Stage {
    /// Prepares an installation whose first node is going to listen there.
    async fn set(listen: SocketAddr, toml: &str, flags: &[&str]) -> Self {
        let issuer = format!("http://{listen}");
        let mut site = Site::configured(&issuer, listen, toml);
        for flag in flags {
            site.flag(flag);
        }
        site.json("migrate").await;
        let api = format!("client add --name API --client-id api --serves {AUDIENCE}");
        let api = Credentials::of(&site.json(&api).await);
        let service = format!(
            "client add --name Service --client-id service --grant client_credentials --scope orders:read \
             --default-scope orders:read --audience {AUDIENCE}"
        );
        let service = Credentials::of(&site.json(&service).await);
        Self {
            site,
            issuer,
            service,
            api,
        }
    }

    /// The database, by connections of this test's own.
    async fn store(&self) -> SqlStore {
        let config = SqlConfig {
            max_connections: 1,
            ..SqlConfig::new(format!("sqlite:{}", self.site.database().display()))
        };
        SqlStore::connect(&config, Arc::new(SystemClock::new()))
            .await
            .unwrap()
    }

    async fn node(&self) -> Node {
        Node::of(self.site.serve().await)
    }

    async fn node_beside(&self, listen: SocketAddr) -> Node {
        Node::of(self.site.serve_beside(listen).await)
    }

    /// Verifies offline as a resource server does that knows the issuer and its own name; the `kid`, or why not.
    fn verify(&self, token: &str, keys: &JwkSet) -> Result<String, String> {
        let header = decode_header(token).map_err(|error| error.to_string())?;
        let kid = header.kid.ok_or("no kid")?;
        let jwk = keys.find(&kid).ok_or_else(|| format!("{kid} is not published"))?;
        let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.leeway = 0;
        decode::<Claims>(token, &key, &validation).map_err(|error| error.to_string())?;
        Ok(kid)
    }
}

/// A running server and whoever calls it.
struct Node {
    server: Server,
    remote: Remote,
}

impl Node {
    fn of(server: Server) -> Self {
        Self {
            remote: Remote::of(&server),
            server,
        }
    }

    /// Client credentials.
    async fn token(&self, service: &Credentials) -> String {
        let form = [("grant_type", "client_credentials")];
        let reply = self.remote.post("token_endpoint", service, &form).await;
        reply.ok();
        reply.text("access_token")
    }

    async fn keys(&self) -> JwkSet {
        let reply = self.remote.get(self.server.text("/jwks_uri")).await;
        reply.ok();
        serde_json::from_slice(&reply.body).unwrap()
    }
}

/// What these tests read of a token.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    exp: u64,
}

/// The `kid` that the header names; nothing is verified.
fn kid(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

/// Rest between two requests of a client that never stops asking.
const PACE: Duration = Duration::from_millis(20);
