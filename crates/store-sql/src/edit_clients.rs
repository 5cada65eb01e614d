//! Changing clients.

use std::collections::BTreeSet;

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use symbolon_core::ClientUid;
use symbolon_core::audit::{Act, EventKind};
use symbolon_core::client::{Client, ClientPolicy};
use symbolon_core::ports::{Change, StoreResult};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::rights::ADMIN_AUDIENCE;
use symbolon_core::secret::ClientSecretHash;
use uuid::Uuid;

use crate::SqlStore;
use crate::audit::is_stale;
use crate::clients::{
    AUDIENCE, AUTH_METHOD, CORS_ORIGIN, DEFAULT_SCOPE, GRANT, MAX_SECRETS, MAX_SERVED, MAX_VALUES, SCOPE,
    by_uid, client_type_name,
};
use crate::convert::{number, refused, to_ms};
use crate::edit_users::take_subject;
use crate::entity::{client_secrets, client_values, clients, resource_servers};
use crate::error::{store_error, unless_taken};
use crate::log::{advance_facts, append_with_facts, is_blocked};
use crate::transaction::{Transaction, commit};

const UNKNOWN: Change = Change::Unknown("client");

impl SqlStore {
    pub(crate) async fn insert_client(
        &self,
        act: &Act,
        client: &Client,
        lift: &NewRevocation,
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let uid = client.uid.0;
        if !take_subject(&tx, uid, "client").await? {
            return Ok(Change::Taken("uid"));
        }
        let row = clients::ActiveModel {
            uid: Set(uid),
            client_id: Set(client.client_id.as_str().to_owned()),
            active: Set(client.active),
            created_ms: Set(to_ms(client.created)),
            ..policy_row(&client.policy)?
        };
        let inserted = clients::Entity::insert(row).exec_without_returning(&tx).await;
        if unless_taken(inserted)?.is_none() {
            return Ok(Change::Taken("client_id"));
        }
        if let Some(refusal) = insert_lists(&tx, uid, &client.policy, BTreeSet::new()).await? {
            return Ok(refusal);
        }
        insert_secrets(&tx, uid, &client.secrets).await?;
        let now = self.inner.clock.now();
        if is_blocked(&tx, lift.entry.digest, now).await? {
            append_with_facts(&tx, &lift.clone().by(act), &*self.inner.clock).await?;
        } else {
            advance_facts(&tx).await?;
        }
        let made = by_uid(&tx, client.uid).await?;
        self.write_change(&tx, act, EventKind::ClientCreated, None, made.as_ref())
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    pub(crate) async fn replace_client_policy(&self, act: &Act, client: &Client) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let uid = client.uid.0;
        let before = match by_uid(&tx, client.uid).await? {
            None => return Ok(UNKNOWN),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) if before.policy == client.policy => return Ok(Change::Done),
            Some(before) => before,
        };
        clients::Entity::update_many()
            .set(policy_row(&client.policy)?)
            .filter(clients::Column::Uid.eq(uid))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        let wishes = wishes(&tx, uid).await?;
        client_values::Entity::delete_many()
            .filter(client_values::Column::Uid.eq(uid))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        resource_servers::Entity::delete_many()
            .filter(resource_servers::Column::Uid.eq(uid))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        if let Some(refusal) = insert_lists(&tx, uid, &client.policy, wishes).await? {
            return Ok(refusal);
        }
        advance_facts(&tx).await?;
        let after = by_uid(&tx, client.uid).await?;
        self.write_change(&tx, act, EventKind::ClientUpdated, Some(&before), after.as_ref())
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    pub(crate) async fn update_client_active(
        &self,
        act: &Act,
        uid: ClientUid,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match by_uid(&tx, uid).await? {
            None => return Ok(UNKNOWN),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            // It is so already. A second lift would cut off what began since the first.
            Some(before) if before.active == active => return Ok(Change::Done),
            Some(before) => before,
        };
        clients::Entity::update_many()
            .col_expr(clients::Column::Active, Expr::value(active))
            .filter(clients::Column::Uid.eq(uid.0))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        append_with_facts(&tx, &entry.clone().by(act), &*self.inner.clock).await?;
        let kind = if active {
            EventKind::ClientEnabled
        } else {
            EventKind::ClientDisabled
        };
        let after = by_uid(&tx, uid).await?;
        self.write_change(&tx, act, kind, Some(&before), after.as_ref())
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    pub(crate) async fn replace_client_secrets(
        &self,
        act: &Act,
        uid: ClientUid,
        secrets: &[ClientSecretHash],
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match by_uid(&tx, uid).await? {
            None => return Ok(UNKNOWN),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) if before.secrets == secrets => return Ok(Change::Done),
            Some(before) => before,
        };
        client_secrets::Entity::delete_many()
            .filter(client_secrets::Column::Uid.eq(uid.0))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        insert_secrets(&tx, uid.0, secrets).await?;
        advance_facts(&tx).await?;
        let after = by_uid(&tx, uid).await?;
        self.write_change(
            &tx,
            act,
            EventKind::ClientSecretsSet,
            Some(&before),
            after.as_ref(),
        )
        .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }

    /// What the client serves goes with its row; those who wished for it keep the wish. The uid stays taken.
    pub(crate) async fn remove_client(
        &self,
        act: &Act,
        uid: ClientUid,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let Some(tx) = self.changing(act).await? else {
            return Ok(Change::CatchUp);
        };
        let before = match by_uid(&tx, uid).await? {
            None => return Ok(UNKNOWN),
            Some(before) if is_stale(act, Some(&before)) => return Ok(Change::Stale),
            Some(before) => before,
        };
        clients::Entity::delete_by_id(uid.0)
            .exec(&tx)
            .await
            .map_err(store_error)?;
        append_with_facts(&tx, &entry.clone().by(act), &*self.inner.clock).await?;
        self.write_change(&tx, act, EventKind::ClientDeleted, Some(&before), None)
            .await?;
        commit(tx).await?;
        Ok(Change::Done)
    }
}

/// The columns that an administrator decides; the others are not set.
fn policy_row(policy: &ClientPolicy) -> StoreResult<clients::ActiveModel> {
    let seconds = |value: Option<u32>| value.map(|v| number(v, "a lifetime")).transpose().map(Set);
    Ok(clients::ActiveModel {
        uid: NotSet,
        client_id: NotSet,
        name: Set(policy.name.clone()),
        client_type: Set(client_type_name(policy.client_type).to_owned()),
        active: NotSet,
        rotation: Set(policy.rotation.as_str().to_owned()),
        access_token_lifetime: seconds(policy.access_token_lifetime)?,
        session_lifetime: seconds(policy.session_lifetime)?,
        refresh_idle_lifetime: seconds(policy.refresh_idle_lifetime)?,
        late_recoveries: Set(policy.late_recoveries.map(i32::from)),
        signing_alg: Set(policy.signing_alg.map(|alg| alg.as_str().to_owned())),
        created_ms: NotSet,
    })
}

/// Audiences that the client wants, served or not.
async fn wishes(tx: &Transaction, uid: Uuid) -> StoreResult<BTreeSet<String>> {
    let rows = client_values::Entity::find()
        .filter(client_values::Column::Uid.eq(uid))
        .filter(client_values::Column::Kind.eq(AUDIENCE))
        .limit(MAX_VALUES)
        .all(tx)
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// Writes the lists of a policy, or says why not. `wished` are audiences that the client had before, and keeps even
/// where nobody serves them any more.
async fn insert_lists(
    tx: &Transaction,
    uid: Uuid,
    policy: &ClientPolicy,
    wished: BTreeSet<String>,
) -> StoreResult<Option<Change>> {
    if !insert_served(tx, uid, policy).await? {
        return Ok(Some(Change::Taken("audience")));
    }
    let rows = value_rows(uid, policy);
    if rows.len() as u64 > MAX_VALUES {
        return Err(refused(format_args!(
            "a client has at most {MAX_VALUES} grants, scopes, audiences and origins"
        )));
    }
    let wanted: BTreeSet<_> = policy.audiences.iter().map(|wish| wish.as_str()).collect();
    let served: BTreeSet<String> = resource_servers::Entity::find()
        .select_only()
        .column(resource_servers::Column::Audience)
        .filter(resource_servers::Column::Audience.is_in(wanted.iter().copied()))
        .into_tuple()
        .all(tx)
        .await
        .map_err(store_error)?
        .into_iter()
        .collect();
    let is_there = |wish: &str| wish == ADMIN_AUDIENCE || served.contains(wish) || wished.contains(wish);
    if !wanted.iter().all(|wish| is_there(wish)) {
        return Ok(Some(Change::Unknown("audience")));
    }
    if !rows.is_empty() {
        client_values::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await
            .map_err(store_error)?;
    }
    Ok(None)
}

/// False where another client serves one of them.
async fn insert_served(tx: &Transaction, uid: Uuid, policy: &ClientPolicy) -> StoreResult<bool> {
    if policy.serves.len() as u64 > MAX_SERVED {
        return Err(refused(format_args!(
            "a client serves at most {MAX_SERVED} audiences"
        )));
    }
    for (position, served) in (0..).zip(&policy.serves) {
        let lifetime = served.access_token_lifetime.map(|s| number(s, "a lifetime"));
        let row = resource_servers::ActiveModel {
            audience: Set(served.indicator.as_str().to_owned()),
            uid: Set(uid),
            position: Set(position),
            signing_alg: Set(served.signing_alg.map(|alg| alg.as_str().to_owned())),
            access_token_lifetime: Set(lifetime.transpose()?),
        };
        let inserted = resource_servers::Entity::insert(row)
            .exec_without_returning(tx)
            .await;
        if unless_taken(inserted)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One row for each value of each set, in order; what is there twice counts where it is first.
fn value_rows(uid: Uuid, policy: &ClientPolicy) -> Vec<client_values::ActiveModel> {
    let methods = policy.auth_methods.iter().map(|m| (AUTH_METHOD, m.as_str()));
    let grants = policy.grants.iter().map(|grant| (GRANT, grant.as_str()));
    let scope = policy.scope.iter().map(|scope| (SCOPE, scope.as_str()));
    let defaults = policy.default_scope.iter().map(|s| (DEFAULT_SCOPE, s.as_str()));
    let audiences = policy.audiences.iter().map(|wish| (AUDIENCE, wish.as_str()));
    let origins = policy.cors_origins.iter().map(|o| (CORS_ORIGIN, o.as_str()));
    let mut seen = BTreeSet::new();
    let values = methods
        .chain(grants)
        .chain(scope)
        .chain(defaults)
        .chain(audiences)
        .chain(origins)
        .filter(|value| seen.insert(*value));
    (0..)
        .zip(values)
        .map(|(position, (kind, value))| client_values::ActiveModel {
            uid: Set(uid),
            kind: Set(kind.to_owned()),
            value: Set(value.to_owned()),
            position: Set(position),
        })
        .collect()
}

async fn insert_secrets(tx: &Transaction, uid: Uuid, secrets: &[ClientSecretHash]) -> StoreResult<()> {
    if secrets.len() as u64 > MAX_SECRETS {
        return Err(refused(format_args!(
            "a client keeps at most {MAX_SECRETS} secrets"
        )));
    }
    if secrets.is_empty() {
        return Ok(());
    }
    let rows = (0..)
        .zip(secrets)
        .map(|(position, secret)| client_secrets::ActiveModel {
            uid: Set(uid),
            position: Set(position),
            key_id: Set(i32::from(secret.key_id)),
            mac: Set(secret.mac.to_vec()),
            expires_ms: Set(secret.expires.map(to_ms)),
        });
    client_secrets::Entity::insert_many(rows)
        .exec_without_returning(tx)
        .await
        .map_err(store_error)?;
    Ok(())
}
