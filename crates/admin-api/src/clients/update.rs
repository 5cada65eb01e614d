use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use symbolon_core::client::Client;
use symbolon_core::view::{ClientView, Version};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::form::ClientForm;
use crate::api::Api;
use crate::change::tagged;
use crate::extract::{Caller, MergePatch, Path, Why};
use crate::problem::Problem;

/// For the document: [`ClientForm`], of which nothing need be there.
struct ClientPatch;

impl PartialSchema for ClientPatch {
    fn schema() -> RefOr<Schema> {
        let mut schema = ClientForm::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
        }
        schema
    }
}

impl ToSchema for ClientPatch {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ClientForm::schemas(schemas);
    }
}

/// Change what a client may do.
///
/// The body is a JSON merge patch: what it does not name stays, null sets a member back to the server's default, and lists
/// are replaced whole. Neither before nor after may the client have admin scope that your token lacks.
#[utoipa::path(
    patch,
    path = "/clients/{client_id}",
    tag = "clients",
    params(
        ("client_id" = String, Path, max_length = 128, description = "Its client id, or its uid"),
        Why,
    ),
    request_body(content = ClientPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "The client as it is now", body = ClientView)),
)]
pub(crate) async fn update_client(
    State(api): State<Arc<Api>>,
    Path(text): Path<String>,
    caller: Caller,
    patch: MergePatch,
) -> Result<Response, Problem> {
    let client = api.client_for(&caller, &text).await?;
    let view = ClientView::from(&client);
    let version = Version::of(&view);
    let form: ClientForm = patch.apply(&ClientForm::from(view))?;
    if form.client_id.as_deref() != Some(client.client_id.as_str()) {
        return Err(Problem::invalid(
            "client_id",
            "it can't change: make another client",
        ));
    }
    if form.client_type()? != client.policy.client_type {
        return Err(Problem::invalid("type", "it can't change: make another client"));
    }
    let policy = form.policy(&api.parts.algorithms)?;
    caller.principal.may_handle(&policy.scope)?;
    let act = caller.act_on(version)?;
    api.refuse_unserved(&policy, &client.policy.audiences).await?;
    let changed = Client { policy, ..client };
    let wanted = &changed;
    api.commit(&caller, act, |admin| async move {
        admin.set_client_policy(wanted).await
    })
    .await?;
    let view = api.as_kept(changed).await;
    Ok(tagged(Version::of(&view), &view))
}
