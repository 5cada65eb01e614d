//! Reading clients.

use std::collections::BTreeMap;
use std::str::FromStr;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::client::{
    AllowedAudience, Client, ClientPolicy, ClientType, RotationPolicy, ServedAudience,
};
use symbolon_core::ports::{StoreError, StoreResult};
use symbolon_core::rights::is_admin_audience;
use symbolon_core::secret::ClientSecretHash;
use symbolon_core::{ClientId, ClientUid};
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::{ResourceIndicator, ScopeSet};
use uuid::Uuid;

use crate::convert::{bounded, corrupt, from_ms, number, parse};
use crate::entity::{client_secrets, client_values, clients, resource_servers};
use crate::error::store_error;
use crate::transaction::Transaction;

/// Kinds of the rows of `client_values`.
pub(crate) const AUDIENCE: &str = "audience";
pub(crate) const AUTH_METHOD: &str = "auth_method";
pub(crate) const CORS_ORIGIN: &str = "cors_origin";
pub(crate) const DEFAULT_SCOPE: &str = "default_scope";
pub(crate) const GRANT: &str = "grant";
pub(crate) const SCOPE: &str = "scope";

/// Most rows of `client_values` that one client may have: two lists, two scopes, and a handful.
pub(crate) const MAX_VALUES: u64 = 2 * (ClientPolicy::MAX_LIST + ScopeSet::MAX_TOKENS) as u64 + 32;
/// Most secrets, live or not, that are kept of one client.
pub(crate) const MAX_SECRETS: u64 = 8;
/// Most resource servers that one client may be.
pub(crate) const MAX_SERVED: u64 = ClientPolicy::MAX_LIST as u64;

pub(crate) async fn by_client_id(tx: &Transaction, id: &ClientId) -> StoreResult<Option<Client>> {
    let row = clients::Entity::find()
        .filter(clients::Column::ClientId.eq(id.as_str()))
        .one(tx)
        .await
        .map_err(store_error)?;
    Ok(assemble(tx, row.into_iter().collect()).await?.pop())
}

pub(crate) async fn by_uid(tx: &Transaction, uid: ClientUid) -> StoreResult<Option<Client>> {
    let row = clients::Entity::find_by_id(uid.0)
        .one(tx)
        .await
        .map_err(store_error)?;
    Ok(assemble(tx, row.into_iter().collect()).await?.pop())
}

/// Clients in the order of their rows, with all that belongs to them.
pub(crate) async fn assemble(tx: &Transaction, rows: Vec<clients::Model>) -> StoreResult<Vec<Client>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let uids: Vec<_> = rows.iter().map(|row| row.uid).collect();
    let mut values = values(tx, &uids).await?;
    let mut secrets = secrets(tx, &uids).await?;
    let mut served = served(tx, &uids).await?;
    let servers = servers(tx, values.values()).await?;
    rows.into_iter()
        .map(|row| {
            let uid = row.uid;
            let values = values.remove(&uid).unwrap_or_default();
            let served = served.remove(&uid).unwrap_or_default();
            let audiences: Vec<_> = values.parsed(AUDIENCE, "an audience")?;
            Ok(Client {
                uid: ClientUid(uid),
                client_id: parse(&row.client_id, "a client id")?,
                active: row.active,
                created: from_ms(row.created_ms, "the making of a client")?,
                audiences: audiences.iter().map(|wish| servers.allowed(wish)).collect(),
                policy: policy(row, &values, audiences, served)?,
                secrets: secrets.remove(&uid).unwrap_or_default(),
            })
        })
        .collect()
}

fn policy(
    row: clients::Model,
    values: &Values,
    audiences: Vec<ResourceIndicator>,
    serves: Vec<ServedAudience>,
) -> StoreResult<ClientPolicy> {
    let late = row.late_recoveries.map(|n| number(n, "the late recoveries"));
    Ok(ClientPolicy {
        name: row.name,
        client_type: client_type(&row.client_type)?,
        auth_methods: values.parsed(AUTH_METHOD, "an authentication method")?,
        grants: values.parsed(GRANT, "a grant")?,
        scope: values.parsed(SCOPE, "a scope")?,
        default_scope: values.parsed(DEFAULT_SCOPE, "a default scope")?,
        audiences,
        serves,
        access_token_lifetime: seconds(row.access_token_lifetime)?,
        session_lifetime: seconds(row.session_lifetime)?,
        refresh_idle_lifetime: seconds(row.refresh_idle_lifetime)?,
        rotation: parse::<RotationPolicy>(&row.rotation, "a rotation policy")?,
        late_recoveries: late.transpose()?,
        signing_alg: signing_alg(row.signing_alg.as_deref())?,
        cors_origins: values.parsed(CORS_ORIGIN, "an origin")?,
    })
}

const CONFIDENTIAL: &str = "confidential";
const PUBLIC: &str = "public";

pub(crate) fn client_type_name(client_type: ClientType) -> &'static str {
    match client_type {
        ClientType::Confidential => CONFIDENTIAL,
        ClientType::Public => PUBLIC,
    }
}

fn client_type(name: &str) -> StoreResult<ClientType> {
    match name {
        CONFIDENTIAL => Ok(ClientType::Confidential),
        PUBLIC => Ok(ClientType::Public),
        _ => Err(corrupt("a client is of an unknown type")),
    }
}

fn signing_alg(name: Option<&str>) -> StoreResult<Option<SigningAlg>> {
    name.map(|name| parse(name, "a signing algorithm")).transpose()
}

fn seconds(value: Option<i32>) -> StoreResult<Option<u32>> {
    value.map(|value| number(value, "a lifetime")).transpose()
}

/// The rows of one client, in order: kind and value.
#[derive(Default)]
struct Values(Vec<(String, String)>);

impl Values {
    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let of_kind = self.0.iter().filter(move |(k, _)| k == kind);
        of_kind.map(|(_, value)| value.as_str())
    }

    fn parsed<T: FromStr, C: FromIterator<T>>(&self, kind: &str, what: &str) -> StoreResult<C> {
        self.of(kind).map(|value| parse(value, what)).collect()
    }
}

async fn values(tx: &Transaction, uids: &[Uuid]) -> StoreResult<BTreeMap<Uuid, Values>> {
    let max = MAX_VALUES * uids.len() as u64;
    let rows = client_values::Entity::find()
        .filter(client_values::Column::Uid.is_in(uids.iter().copied()))
        .order_by_asc(client_values::Column::Position)
        .limit(max + 1)
        .all(tx)
        .await
        .map_err(store_error)?;
    let mut values: BTreeMap<_, Values> = BTreeMap::new();
    for row in bounded(rows, max, "values of clients")? {
        values.entry(row.uid).or_default().0.push((row.kind, row.value));
    }
    Ok(values)
}

async fn secrets(tx: &Transaction, uids: &[Uuid]) -> StoreResult<BTreeMap<Uuid, Vec<ClientSecretHash>>> {
    let max = MAX_SECRETS * uids.len() as u64;
    let rows = client_secrets::Entity::find()
        .filter(client_secrets::Column::Uid.is_in(uids.iter().copied()))
        .order_by_asc(client_secrets::Column::Position)
        .limit(max + 1)
        .all(tx)
        .await
        .map_err(store_error)?;
    let mut secrets: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in bounded(rows, max, "secrets of clients")? {
        secrets.entry(row.uid).or_default().push(row.try_into()?);
    }
    Ok(secrets)
}

impl TryFrom<client_secrets::Model> for ClientSecretHash {
    type Error = StoreError;

    fn try_from(row: client_secrets::Model) -> StoreResult<Self> {
        let expires = row.expires_ms.map(|ms| from_ms(ms, "the end of a client secret"));
        Ok(Self {
            key_id: number(row.key_id, "the key of a client secret")?,
            mac: number(row.mac.as_slice(), "the hash of a client secret")?,
            expires: expires.transpose()?,
        })
    }
}

async fn served(tx: &Transaction, uids: &[Uuid]) -> StoreResult<BTreeMap<Uuid, Vec<ServedAudience>>> {
    let max = MAX_SERVED * uids.len() as u64;
    let rows = resource_servers::Entity::find()
        .filter(resource_servers::Column::Uid.is_in(uids.iter().copied()))
        .order_by_asc(resource_servers::Column::Position)
        .limit(max + 1)
        .all(tx)
        .await
        .map_err(store_error)?;
    let mut served: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in bounded(rows, max, "resource servers")? {
        served.entry(row.uid).or_default().push(served_audience(&row)?);
    }
    Ok(served)
}

/// How an audience is served.
pub(crate) fn served_audience(row: &resource_servers::Model) -> StoreResult<ServedAudience> {
    Ok(ServedAudience {
        indicator: parse(&row.audience, "an audience")?,
        signing_alg: signing_alg(row.signing_alg.as_deref())?,
        access_token_lifetime: seconds(row.access_token_lifetime)?,
    })
}

/// The resource servers that are wished for, by audience: how they serve it, and whether they are enabled.
struct Servers(BTreeMap<String, (ServedAudience, bool)>);

impl Servers {
    /// A wish as it stands now; what nobody serves any more is inactive. The admin API needs nobody to serve it.
    fn allowed(&self, wish: &ResourceIndicator) -> AllowedAudience {
        let is_admin = is_admin_audience(wish);
        let server = self.0.get(wish.as_str()).filter(|_| !is_admin);
        AllowedAudience {
            indicator: wish.clone(),
            signing_alg: server.and_then(|(served, _)| served.signing_alg),
            access_token_lifetime: server.and_then(|(served, _)| served.access_token_lifetime),
            active: is_admin || server.is_some_and(|(_, active)| *active),
        }
    }
}

async fn servers(tx: &Transaction, wishes: impl Iterator<Item = &Values>) -> StoreResult<Servers> {
    let wishes: Vec<_> = wishes.flat_map(|values| values.of(AUDIENCE)).collect();
    if wishes.is_empty() {
        return Ok(Servers(BTreeMap::new()));
    }
    let rows = resource_servers::Entity::find()
        .filter(resource_servers::Column::Audience.is_in(wishes))
        .find_also_related(clients::Entity)
        .all(tx)
        .await
        .map_err(store_error)?;
    let servers = rows.into_iter().map(|(server, client)| {
        let active = client.is_some_and(|client| client.active);
        let served = served_audience(&server)?;
        Ok((server.audience, (served, active)))
    });
    Ok(Servers(servers.collect::<StoreResult<_>>()?))
}
