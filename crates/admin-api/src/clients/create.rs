use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use symbolon_core::client::{Client, ClientPolicy, ClientType};
use symbolon_core::ports::Change;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::{ClientSecretHash, ClientSecrets};
use symbolon_core::view::{ClientView, Version};
use symbolon_core::{ClientId, ClientUid};
use utoipa::ToSchema;

use super::form::ClientForm;
use super::location;
use super::secrets::ShownSecret;
use crate::api::Api;
use crate::change::{created, made};
use crate::dry_run;
use crate::extract::{Body, Caller, Why};
use crate::problem::{Problem, ProblemKind};

/// A client and a secret that was just made.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ClientWithSecret {
    /// The client.
    pub client: ClientView,
    /// Which of its secrets it is; null for a public client, which has none.
    pub secret_id: Option<String>,
    /// The secret. It is shown this once, and kept only as a hash.
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<ShownSecret>,
}

/// Make a client.
///
/// A confidential one gets a secret, which the answer shows this once, and not where it is only tried. It may not have admin
/// scope that your token lacks.
#[utoipa::path(
    post,
    path = "/clients",
    tag = "clients",
    params(Why),
    request_body = ClientForm,
    responses((status = 201, description = "It was made", body = ClientWithSecret)),
)]
pub(crate) async fn create_client(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(form): Body<ClientForm>,
) -> Result<Response, Problem> {
    let client_id = form.chosen_id()?;
    let policy = form.policy(&api.parts.algorithms)?;
    caller.principal.may_handle(&policy.scope)?;
    if let Some(id) = &client_id {
        api.refuse_taken(id).await?;
    }
    api.refuse_unserved(&policy, &[]).await?;
    let (mut client, lift) = api.new_client(client_id, policy);
    let secret = match client.policy.client_type {
        ClientType::Confidential => Some(api.new_secret(client.uid)?),
        ClientType::Public => None,
    };
    client.secrets = secret.iter().map(|secret| secret.hash.clone()).collect();
    let (made, lift) = (&client, &lift);
    api.create(&caller, caller.act(), |admin| async move {
        admin.add_client(made, lift).await
    })
    .await?;
    let view = api.as_kept(client).await;
    let (version, location) = (Version::of(&view), location("clients", &view.client_id));
    // A secret that is good for nothing is shown to nobody.
    let secret = secret.filter(|_| !dry_run::is_on());
    let answer = ClientWithSecret {
        client: view,
        secret_id: secret.as_ref().map(|secret| secret.hash.id()),
        client_secret: secret.map(|secret| ShownSecret(secret.text)),
    };
    Ok(created(version, &location, &answer))
}

/// A secret that was just made.
pub(super) struct MadeSecret {
    /// What the client presents.
    pub(super) text: SecretString,
    /// What is kept.
    pub(super) hash: ClientSecretHash,
}

impl Api {
    /// A client of that policy, enabled and without a secret, and the entry that lifts the block of one that had its client
    /// id before.
    pub(super) fn new_client(
        &self,
        client_id: Option<ClientId>,
        policy: ClientPolicy,
    ) -> (Client, NewRevocation) {
        let now = self.parts.clock.now();
        let uid = ClientUid::new(now, &*self.parts.rng);
        let client = Client {
            uid,
            client_id: client_id.unwrap_or_else(|| uid.into()),
            active: true,
            created: now,
            policy,
            audiences: Vec::new(),
            secrets: Vec::new(),
        };
        let lift = NewRevocation::client_lifted(&client.client_id, self.cutoff());
        (client, lift)
    }

    /// Refuses a client id that a client has.
    async fn refuse_taken(&self, id: &ClientId) -> Result<(), Problem> {
        match self.parts.facts.client(id).await? {
            Some(_) => made(Change::Taken("client_id")),
            None => Ok(()),
        }
    }

    /// A fresh secret for that client.
    pub(super) fn new_secret(&self, client: ClientUid) -> Result<MadeSecret, Problem> {
        self.kept_secret(client, ClientSecrets::generate(&*self.parts.rng))
    }

    /// A secret of that client as it is to be kept.
    pub(super) fn kept_secret(&self, client: ClientUid, text: SecretString) -> Result<MadeSecret, Problem> {
        let hash = self.parts.secrets.hash(client, &text).ok_or_else(|| {
            tracing::error!("the database has no server secret for client secrets");
            Problem::new(
                ProblemKind::Internal,
                "the database has no server secret for client secrets: restart the server, which makes it",
            )
        })?;
        Ok(MadeSecret { text, hash })
    }
}
