use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use symbolon_core::UnixMillis;
use symbolon_core::client::{Client, ClientType};
use symbolon_core::secret::{ClientSecretHash, ClientSecrets};
use symbolon_core::view::Version;
use utoipa::ToSchema;

use super::super::create::ClientWithSecret;
use super::super::location;
use super::{ShownSecret, is_live};
use crate::api::Api;
use crate::change::created;
use crate::extract::{Body, Caller, Path, Why};
use crate::problem::{Problem, ProblemKind};

/// Longest time that an old secret stays good beside a new one: 30 days, in seconds.
const MAX_OVERLAP_SECS: u32 = 30 * 86_400;

/// What becomes of the other secrets.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// How long the newest of the others stays good, in seconds, where it does not end sooner; any that is older ends at
    /// once, and with 0 all of them do. Null leaves the others as they are.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2592000)]
    pub expire_others_in: Option<u32>,
}

/// Add a secret to a client.
///
/// The answer shows it this once. Two secrets may be live at once: where there are two already, say what becomes of them.
#[utoipa::path(
    post,
    path = "/clients/{client_id}/secrets",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        Why,
    ),
    request_body = NewSecret,
    responses((status = 201, description = "It was added", body = ClientWithSecret)),
)]
pub(crate) async fn add_client_secret(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    Body(asked): Body<NewSecret>,
) -> Result<Response, Problem> {
    let client = api.client_for(&caller, &text).await?;
    if client.policy.client_type == ClientType::Public {
        return Err(Problem::new(
            ProblemKind::Conflict,
            "a public client has no secret: make a confidential client in its place",
        ));
    }
    let made = api.new_secret(client.uid)?;
    let id = made.hash.id();
    let secrets = beside(&client.secrets, made.hash, api.parts.clock.now(), asked)?;
    api.keep_secrets(&caller, &client, &secrets).await?;
    let view = api.as_kept(Client { secrets, ..client }).await;
    let version = Version::of(&view);
    let location = format!("{}/secrets", location("clients", &view.client_id));
    let answer = ClientWithSecret {
        client: view,
        secret_id: Some(id),
        client_secret: Some(ShownSecret(made.text)),
    };
    Ok(created(version, &location, &answer))
}

/// The live secrets that stay, and the new one: two at most.
fn beside(
    kept: &[ClientSecretHash],
    new: ClientSecretHash,
    now: UnixMillis,
    asked: NewSecret,
) -> Result<Vec<ClientSecretHash>, Problem> {
    let mut live: Vec<_> = kept
        .iter()
        .filter(|secret| is_live(secret, now))
        .cloned()
        .collect();
    match asked.expire_others_in {
        Some(seconds) if seconds > MAX_OVERLAP_SECS => {
            let rule = format!("it must be from 0 to {MAX_OVERLAP_SECS} seconds, 30 days");
            return Err(Problem::invalid("expire_others_in", rule));
        }
        Some(0) => live.clear(),
        Some(seconds) => {
            let end = now.plus(u64::from(seconds) * 1000);
            // The newest is the one that has got no end yet.
            let newest = live
                .iter()
                .max_by_key(|secret| secret.expires.unwrap_or(UnixMillis::NEVER));
            live = newest
                .map(|old| ClientSecretHash {
                    expires: Some(old.expires.map_or(end, |expires| expires.min(end))),
                    ..old.clone()
                })
                .into_iter()
                .collect();
        }
        None if live.len() >= ClientSecrets::MAX_LIVE => {
            return Err(Problem::new(
                ProblemKind::Conflict,
                "two secrets are live already: delete one, or say in expire_others_in how long the newest stays good",
            ));
        }
        None => {}
    }
    live.push(new);
    Ok(live)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8, expires: Option<u64>) -> ClientSecretHash {
        ClientSecretHash {
            key_id: 1,
            mac: [byte; 32],
            expires: expires.map(UnixMillis),
        }
    }

    fn after(
        kept: &[ClientSecretHash],
        expire_others_in: Option<u32>,
    ) -> Result<Vec<(u8, Option<u64>)>, u16> {
        let secrets = beside(
            kept,
            hash(9, None),
            UnixMillis(100),
            NewSecret { expire_others_in },
        );
        let shown = |secret: &ClientSecretHash| (secret.mac[0], secret.expires.map(|end| end.0));
        secrets
            .map(|secrets| secrets.iter().map(shown).collect())
            .map_err(|problem| problem.status)
    }

    #[test]
    fn the_newest_of_the_others_stays_for_the_overlap() {
        let ended = Ok(vec![(2, Some(1100)), (9, None)]);
        assert_eq!(after(&[hash(2, None)], Some(1)), ended);
        assert_eq!(after(&[hash(1, Some(110)), hash(2, None)], Some(1)), ended);
        assert_eq!(after(&[hash(2, None), hash(1, Some(110))], Some(1)), ended);
        assert_eq!(
            after(&[hash(1, Some(110)), hash(2, None)], Some(0)),
            Ok(vec![(9, None)])
        );
    }

    #[test]
    fn no_secret_is_lengthened_or_revived() {
        assert_eq!(
            after(&[hash(1, Some(110))], Some(1)),
            Ok(vec![(1, Some(110)), (9, None)])
        );
        assert_eq!(after(&[hash(1, Some(100))], Some(1)), Ok(vec![(9, None)]));
        assert_eq!(after(&[hash(1, Some(100))], None), Ok(vec![(9, None)]));
    }

    #[test]
    fn two_are_live_at_most() {
        assert_eq!(after(&[hash(1, None)], None), Ok(vec![(1, None), (9, None)]));
        assert_eq!(after(&[hash(1, None), hash(2, None)], None), Err(409));
        assert_eq!(after(&[hash(1, None), hash(2, Some(101))], None), Err(409));
        let expired = [hash(1, Some(99)), hash(2, None)];
        assert_eq!(after(&expired, None), Ok(vec![(2, None), (9, None)]));
        assert_eq!(after(&[], Some(MAX_OVERLAP_SECS + 1)), Err(422));
    }
}
