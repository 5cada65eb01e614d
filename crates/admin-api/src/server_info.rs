//! `/server`: what runs here, how it is configured, and how what it depends on does.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::Api;
use crate::operation::{Operation, needs};
use crate::page::Page;
use crate::problem::Problem;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        needs("server:read", routes!(show_server)),
        needs("server:read", routes!(list_settings)),
        needs("server:read", routes!(show_health)),
    ]
}

/// What runs here.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Server)]
pub struct ServerView {
    /// The version of the software.
    pub version: String,
    /// The issuer identifier.
    pub issuer: String,
    /// The node: host and process id.
    pub node: String,
    /// Since when it runs.
    pub started: String,
    /// The same in milliseconds since the epoch.
    pub started_ms: u64,
}

/// A setting.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Setting)]
pub struct SettingView {
    /// Its key.
    pub key: String,
    /// Its value; of a secret only that there is one.
    pub value: String,
    /// Where it was read.
    pub source: String,
}

/// How the node and what it depends on do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthView {
    /// Whether requests may be sent to this node.
    pub ready: bool,
    /// Why not, where not.
    pub reason: Option<String>,
    /// What it depends on.
    pub dependencies: Vec<DependencyView>,
}

/// Something that the server depends on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = Dependency)]
pub struct DependencyView {
    /// `database`, `redis`, `revocation_log`, `signing_keys` or `clock`.
    pub name: String,
    /// Whether it can be used.
    pub up: bool,
    /// More about it.
    pub detail: String,
}

/// What is known of the process that answers.
#[async_trait]
pub trait ServerInfo: Send + Sync {
    /// What runs here.
    fn server(&self) -> ServerView;

    /// How it is configured, without secrets.
    fn settings(&self) -> Vec<SettingView>;

    /// How it does, looked at now, within a few seconds.
    async fn health(&self) -> HealthView;
}

/// Show what runs here.
#[utoipa::path(
    get,
    path = "/server",
    tag = "server",
    responses((status = 200, description = "The server", body = ServerView)),
)]
pub(crate) async fn show_server(State(api): State<Arc<Api>>) -> Result<Json<ServerView>, Problem> {
    Ok(Json(api.parts.server.server()))
}

/// Show how this node is configured, without secrets.
#[utoipa::path(
    get,
    path = "/server/configuration",
    tag = "server",
    responses((status = 200, description = "Every setting", body = Page<SettingView>)),
)]
pub(crate) async fn list_settings(State(api): State<Arc<Api>>) -> Result<Json<Page<SettingView>>, Problem> {
    Ok(Json(Page::whole(api.parts.server.settings())))
}

/// Show how this node and what it depends on do.
#[utoipa::path(
    get,
    path = "/server/health",
    tag = "server",
    responses((status = 200, description = "Its health, good or not", body = HealthView)),
)]
pub(crate) async fn show_health(State(api): State<Arc<Api>>) -> Result<Json<HealthView>, Problem> {
    Ok(Json(api.parts.server.health().await))
}
