//! Many clients at once, each reported by itself.

mod forecast;
mod item;
mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use symbolon_core::ports::{AdminStore, Change};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

use self::forecast::Forecast;
use self::item::{Draft, read};
use self::order::servers_first;
use super::secrets::ShownSecret;
use crate::api::Api;
use crate::change::made;
use crate::extract::{Body, Caller, Why};
use crate::idempotency::changes_nothing;
use crate::problem::{Problem, ProblemKind};

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
    pub clients: Vec<Box<RawValue>>,
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
    /// The server failed, or the token was revoked, before its turn came.
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
        .map(|(line, item)| read(&api, &caller, line, &item))
        .collect();
    let clients = if import.dry_run {
        make(&mut Forecast::new(&api), drafts).await?
    } else {
        let mut store = Store {
            api: &api,
            caller: &caller,
        };
        make(&mut store, drafts).await?
    };
    let count = |outcome| clients.iter().filter(|client| client.outcome == outcome).count();
    let added = count(ClientOutcome::Added);
    if import.dry_run || added == 0 {
        changes_nothing();
    }
    Ok(Json(ClientsImported {
        dry_run: import.dry_run,
        added,
        existing: count(ClientOutcome::Exists),
        refused: count(ClientOutcome::Refused),
        clients,
    }))
}

/// What came of a client that breaks no rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Came {
    Added,
    Exists,
}

impl Came {
    fn of(change: Change) -> Result<Self, Problem> {
        match change {
            Change::Taken("client_id") => Ok(Self::Exists),
            other => made(other).map(|()| Self::Added),
        }
    }
}

/// Where clients are made.
trait Book {
    /// Makes it.
    async fn add(&mut self, draft: &Draft) -> Result<Came, Problem>;

    /// What is told of a client that was made.
    fn added(draft: Draft) -> ImportedClient;
}

/// Nothing is made.
impl Book for Forecast<'_> {
    async fn add(&mut self, draft: &Draft) -> Result<Came, Problem> {
        Came::of(self.foresee(&draft.client).await?)
    }

    fn added(draft: Draft) -> ImportedClient {
        // What was made up for it is not what it will get.
        draft.told(ClientOutcome::Added)
    }
}

struct Store<'a> {
    api: &'a Api,
    caller: &'a Caller,
}

impl Book for Store<'_> {
    async fn add(&mut self, draft: &Draft) -> Result<Came, Problem> {
        let change =
            |admin: Box<dyn AdminStore>| async move { admin.add_client(&draft.client, &draft.lift).await };
        Came::of(self.api.change(self.caller, self.caller.act(), change).await?)
    }

    fn added(draft: Draft) -> ImportedClient {
        ImportedClient {
            client_secret: draft.made.clone().map(ShownSecret),
            client_id: Some(draft.client.client_id.to_string()),
            ..draft.told(ClientOutcome::Added)
        }
    }
}

/// Makes the clients, one by one. Once the server fails no other is tried; what was made by then is reported, since the
/// secrets in the report are nowhere else.
async fn make<B: Book>(
    book: &mut B,
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
    for draft in order.iter().filter_map(|index| good.remove(index)) {
        if failed {
            told.push(draft.told(ClientOutcome::NotTried));
            continue;
        }
        match book.add(&draft).await {
            Ok(Came::Added) => {
                is_any_made = true;
                told.push(B::added(draft));
            }
            Ok(Came::Exists) => told.push(draft.told(ClientOutcome::Exists)),
            // Whoever may not go on is refused all that is left.
            Err(problem) if problem.status < 500 && problem.status != ProblemKind::Unauthorized.status() => {
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

#[cfg(test)]
mod tests {
    use symbolon_core::revocation::NewRevocation;
    use symbolon_core::{ClientId, UnixMillis};
    use symbolon_testkit::confidential_client;

    use super::*;

    /// Takes so many clients and then fails.
    struct Failing(usize);

    impl Book for Failing {
        async fn add(&mut self, _draft: &Draft) -> Result<Came, Problem> {
            let left = self.0.checked_sub(1);
            self.0 = left.ok_or_else(|| Problem::new(ProblemKind::Unavailable, "it is down"))?;
            Ok(Came::Added)
        }

        fn added(draft: Draft) -> ImportedClient {
            Store::added(draft)
        }
    }

    async fn outcomes(taken: usize) -> Result<Vec<(ClientOutcome, bool)>, u16> {
        let drafts = (1..=4).map(|line| {
            let client = confidential_client(&format!("client{line}")).build();
            let id: &ClientId = &client.client_id;
            Ok(Draft {
                line,
                is_chosen: true,
                lift: NewRevocation::client_lifted(id, UnixMillis(0)),
                client,
                made: Some("a secret".into()),
            })
        });
        let told = make(&mut Failing(taken), drafts.collect()).await;
        let seen = |client: &ImportedClient| (client.outcome, client.client_secret.is_some());
        told.map(|clients| clients.iter().map(seen).collect())
            .map_err(|problem| problem.status)
    }

    #[tokio::test]
    async fn no_secret_is_lost_when_the_server_fails() {
        use ClientOutcome::{Added, Failed, NotTried};
        assert_eq!(outcomes(4).await, Ok(vec![(Added, true); 4]));
        let told = [(Added, true), (Added, true), (Failed, false), (NotTried, false)];
        assert_eq!(outcomes(2).await, Ok(told.to_vec()));
        assert_eq!(outcomes(0).await, Err(503));
    }
}
