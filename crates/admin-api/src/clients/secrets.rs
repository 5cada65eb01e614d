//! Secrets of clients: made by the server, shown once, kept as keyed hashes. Two are live at most, so that a client can
//! move from one to the other.

pub(super) mod add;
pub(super) mod delete;
pub(super) mod expire;
pub(super) mod list;

use std::fmt;

pub use add::NewSecret;
pub use expire::SecretEnd;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use symbolon_core::UnixMillis;
use symbolon_core::client::Client;
use symbolon_core::secret::ClientSecretHash;

use super::version;
use crate::api::Api;
use crate::extract::Caller;
use crate::problem::Problem;

/// A client secret in an answer, the only place where it is shown. `Debug` shows nothing of it, and it is wiped when it is
/// dropped.
#[derive(Clone)]
pub struct ShownSecret(pub SecretString);

impl fmt::Debug for ShownSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownSecret(..)")
    }
}

impl Serialize for ShownSecret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for ShownSecret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(text.into()))
    }
}

impl Api {
    /// Keeps those secrets of a client instead of those that it was read with.
    async fn keep_secrets(
        &self,
        caller: &Caller,
        client: &Client,
        secrets: &[ClientSecretHash],
    ) -> Result<(), Problem> {
        let act = caller.act_on(version(client))?;
        self.commit(caller, act, |admin| async move {
            admin.set_client_secrets(client.uid, secrets).await
        })
        .await
    }
}

/// Whether a secret is still good.
fn is_live(secret: &ClientSecretHash, now: UnixMillis) -> bool {
    secret.expires.is_none_or(|end| now < end)
}

/// Where the secret of that id is among the client's.
fn place_of(client: &Client, id: &str) -> Result<usize, Problem> {
    let place = client.secrets.iter().position(|secret| secret.id() == id);
    place.ok_or_else(|| Problem::not_found("secret of that client"))
}
