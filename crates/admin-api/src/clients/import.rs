//! Many clients at once, each reported by itself.

mod forecast;
mod item;
mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_core::ports::{AdminStore, Change, StoreResult};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

use self::forecast::Forecast;
use self::item::{Draft, read};
use self::order::servers_first;
use super::secrets::ShownSecret;
use crate::api::Api;
use crate::extract::{Body, Caller, Why};
use crate::problem::Problem;

/// Most clients of one import.
const MAX_IMPORT: usize = 500;

/// Clients to be made.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientsImport {
    /// Each in the form of `POST /clients`, or as `GET /clients` lists it: `uid`, `created`, `created_ms`, `secrets` and
    /// `inactive_audiences` are passed over, and `active` may be false. `client_secret` is the secret of a confidential
    /// client: 32 to 256 characters of visible ASCII, 8 of them different; one is made where none is given.
    #[schema(schema_with = items_schema)]
    pub clients: Vec<Value>,
    /// Only say what would come of it.
    #[serde(default)]
    pub dry_run: bool,
}

fn items_schema() -> Array {
    ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(Type::Object))
        .max_items(Some(MAX_IMPORT))
        .build()
}

/// What came of an import.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ClientsImported {
    /// Whether nothing was made, whatever the rest says.
    pub dry_run: bool,
    /// How many were made, or would be.
    pub added: usize,
    /// How many client ids are there already.
    pub existing: usize,
    /// How many were refused.
    pub refused: usize,
    /// What came of each, in the order of the request.
    pub clients: Vec<ImportedClient>,
}

/// What came of one client.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ImportedClient {
    /// Its place in the request, from 1 on.
    pub line: usize,
    /// What came of it.
    pub outcome: ClientOutcome,
    /// Its client id; null where none was given and none is made.
    pub client_id: Option<String>,
    /// The field for which it was not made, where it is one.
    pub field: Option<String>,
    /// Why it was not made.
    pub rule: Option<String>,
    /// The secret that was made for it. It is shown this once, and kept only as a hash.
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<ShownSecret>,
}

/// What can come of one client.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientOutcome {
    /// Made, or would be.
    Added,
    /// There is a client of that client id; it was left as it is.
    Exists,
    /// The server failed at it: look whether it is there before you try again.
    Failed,
    /// The server failed before its turn came.
    NotTried,
    /// Refused.
    Refused,
}

/// Make many clients, at most 500.
///
/// One that can't be made holds no other up; what came of each is reported. Those that serve a resource server are made
/// before those that ask tokens for it. None may have admin scope that your token lacks.
#[utoipa::path(
    post,
    path = "/clients/import",
    tag = "clients",
    params(Why),
    request_body = ClientsImport,
    responses((status = 200, description = "What came of each", body = ClientsImported)),
)]
pub(crate) async fn import_clients(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(import): Body<ClientsImport>,
) -> Result<Json<ClientsImported>, Problem> {
    if import.clients.len() > MAX_IMPORT {
        let rule = format!("give at most {MAX_IMPORT} at a time");
        return Err(Problem::invalid("clients", rule));
    }
    let drafts = (1..)
        .zip(import.clients)
        .map(|(line, item)| read(&api, &caller, line, item))
        .collect();
    let book = if import.dry_run {
        Book::Foreseen(Forecast::new(&api))
    } else {
        Book::Kept(api.acting(&caller))
    };
    let clients = make(&api, book, drafts).await?;
    let count = |outcome| clients.iter().filter(|client| client.outcome == outcome).count();
    Ok(Json(ClientsImported {
        dry_run: import.dry_run,
        added: count(ClientOutcome::Added),
        existing: count(ClientOutcome::Exists),
        refused: count(ClientOutcome::Refused),
        clients,
    }))
}

/// Where clients are made.
enum Book<'a> {
    /// Nowhere.
    Foreseen(Forecast<'a>),
    /// In the store.
    Kept(Box<dyn AdminStore>),
}

impl Book<'_> {
    async fn add(&mut self, draft: &Draft) -> StoreResult<Change> {
        match self {
            Self::Foreseen(forecast) => forecast.add(&draft.client).await,
            Self::Kept(admin) => admin.add_client(&draft.client, &draft.lift).await,
        }
    }

    /// What is told of a client that was made.
    fn added(&self, draft: Draft) -> ImportedClient {
        let told = draft.told(ClientOutcome::Added);
        match self {
            // What was made up for it is not what it will get.
            Self::Foreseen(_) => told,
            Self::Kept(_) => ImportedClient {
                client_id: Some(draft.client.client_id.into()),
                client_secret: draft.made.map(ShownSecret),
                ..told
            },
        }
    }
}

/// Makes the clients, one by one. Once the server fails no other is tried; what was made by then is reported, since the
/// secrets in the report are nowhere else.
async fn make(
    api: &Api,
    mut book: Book<'_>,
    drafts: Vec<Result<Draft, ImportedClient>>,
) -> Result<Vec<ImportedClient>, Problem> {
    let order = servers_first(&drafts);
    let mut told = Vec::with_capacity(drafts.len());
    let mut good: BTreeMap<usize, Draft> = BTreeMap::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        match draft {
            Ok(draft) => drop(good.insert(index, draft)),
            Err(refused) => told.push(refused),
        }
    }
    let (mut is_any_made, mut failed) = (false, false);
    for index in order {
        let Some(draft) = good.remove(&index) else {
            continue;
        };
        if failed {
            told.push(draft.told(ClientOutcome::NotTried));
            continue;
        }
        let change = book.add(&draft).await;
        if matches!(change, Ok(Change::Taken("client_id"))) {
            told.push(draft.told(ClientOutcome::Exists));
            continue;
        }
        match api.create(std::future::ready(change)).await {
            Ok(()) => {
                is_any_made = true;
                told.push(book.added(draft));
            }
            Err(problem) if problem.status < 500 => {
                told.push(draft.told(ClientOutcome::Refused).because(problem));
            }
            Err(problem) if is_any_made => {
                failed = true;
                told.push(draft.told(ClientOutcome::Failed).because(problem));
            }
            Err(problem) => return Err(problem),
        }
    }
    told.sort_unstable_by_key(|client| client.line);
    Ok(told)
}

impl ImportedClient {
    fn new(line: usize, client_id: Option<String>, outcome: ClientOutcome) -> Self {
        Self {
            line,
            outcome,
            client_id,
            field: None,
            rule: None,
            client_secret: None,
        }
    }

    fn because(self, problem: Problem) -> Self {
        let (field, rule) = match problem.errors.into_iter().next() {
            Some(error) => (Some(error.field), error.rule),
            None => (None, problem.detail),
        };
        Self {
            field: field.filter(|field| !field.is_empty()),
            rule: Some(rule),
            ..self
        }
    }
}
