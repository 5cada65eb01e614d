//! The list of operations: their routes, the scope that each needs, and the document that describes them.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use symbolon_core::user::ADMIN_SCOPES;
use utoipa::openapi::path::{
    HttpMethod, Operation as Described, Parameter, ParameterBuilder, ParameterIn, PathItem, Paths,
};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
    ResponseBuilder,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::access::{GUARD_STATUSES, Guarded, guard};
use crate::api::Api;
use crate::dry_run::{self, DryRun};
use crate::idempotency;
use crate::parameters::{self, Known};
use crate::problem::{Problem, ProblemKind};

/// Below this path everything is answered.
pub const PREFIX: &str = "/admin/v1";

/// A handler with its description, as `utoipa_axum::routes!` gives it.
pub(crate) type Routes = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<Arc<Api>>);

/// One operation: one method at one path.
pub(crate) struct Operation {
    scope: &'static str,
    repeats_safely: bool,
    can_be_tried: bool,
    routes: Routes,
}

/// An operation that needs the scope. Handlers get a route by this alone.
pub(crate) fn needs(scope: &'static str, routes: Routes) -> Operation {
    Operation {
        scope,
        repeats_safely: true,
        can_be_tried: false,
        routes,
    }
}

impl Operation {
    /// Its answer holds a secret, and is not kept for a repeated request.
    pub(crate) fn shows_secret(self) -> Self {
        Self {
            repeats_safely: false,
            ..self
        }
    }

    /// It takes the parameter `dry_run`: all that it changes goes through the API's `create` and `commit`.
    pub(crate) fn can_be_tried(self) -> Self {
        Self {
            can_be_tried: true,
            ..self
        }
    }

    /// Method, path and description; there is exactly one of each.
    fn described(&self) -> Option<(Method, &str, &Described)> {
        let (path, item) = self.routes.1.paths.iter().next()?;
        let (method, described) = method_of(item)?;
        Some((method, path, described))
    }
}

fn method_of(item: &PathItem) -> Option<(Method, &Described)> {
    let methods = [
        (Method::DELETE, &item.delete),
        (Method::GET, &item.get),
        (Method::PATCH, &item.patch),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
    ];
    methods
        .into_iter()
        .find_map(|(method, described)| Some((method, described.as_ref()?)))
}

/// Every operation of the API.
fn operations() -> Vec<Operation> {
    let families = [
        crate::audit::operations(),
        crate::clients::operations(),
        crate::keys::operations(),
        crate::resource_servers::operations(),
        crate::revocations::operations(),
        crate::roles::operations(),
        crate::scopes::operations(),
        crate::server_info::operations(),
        crate::sessions::operations(),
        crate::users::operations(),
        crate::verifiers::operations(),
    ];
    families.into_iter().flatten().collect()
}

/// An operation, as it is listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its name.
    pub id: String,
    /// Its method.
    pub method: Method,
    /// Its path below [`PREFIX`], with `{names}` for what varies.
    pub path: String,
    /// The scope that it needs.
    pub scope: &'static str,
}

/// Every operation, from the same list that the router is made of.
pub fn catalogue() -> Vec<Listed> {
    let list = |operation: &Operation| {
        let (method, path, described) = operation.described()?;
        Some(Listed {
            id: described.operation_id.clone().unwrap_or_default(),
            method,
            path: path.to_owned(),
            scope: operation.scope,
        })
    };
    operations().iter().filter_map(list).collect()
}

/// Answers everything below [`PREFIX`].
pub fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for operation in operations() {
        let Some((method, path, described)) = operation.described() else {
            continue;
        };
        let id = described.operation_id.clone().unwrap_or_default();
        let path = path.to_owned();
        let guarded = Guarded {
            api: api.clone(),
            scope: operation.scope,
            operation: id.into(),
        };
        let known = Known::of(described, operation.can_be_tried);
        let mut route = operation.routes.2;
        if method == Method::POST {
            let once = idempotency::Once {
                api: api.clone(),
                keeps_body: operation.repeats_safely,
            };
            route = route.layer(from_fn_with_state(once, idempotency::once));
        }
        if operation.can_be_tried {
            route = route.layer(from_fn(dry_run::trying));
        }
        route = route.layer(from_fn_with_state(known, parameters::known));
        router = router.route(&path, route.layer(from_fn_with_state(guarded, guard)));
    }
    let open = Router::new()
        .route("/openapi.json", axum::routing::get(openapi))
        .route("/access", axum::routing::get(crate::api::access));
    let router = router
        .merge(open)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(api);
    Router::new().nest(PREFIX, router)
}

async fn openapi() -> Response {
    /// Made once: it is open to everybody.
    static TEXT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default().into());
    let kind = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, kind)], TEXT.clone()).into_response()
}

async fn not_found() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "there is nothing at this path: see /admin/v1/openapi.json",
    )
}

async fn method_not_allowed() -> Response {
    let mut problem = Problem::new(
        ProblemKind::Malformed,
        "this path has other methods: see /admin/v1/openapi.json",
    );
    problem.status = StatusCode::METHOD_NOT_ALLOWED.as_u16();
    problem.into_response()
}

/// The OpenAPI 3.1 document of the API.
pub fn document() -> OpenApi {
    let mut components = ComponentsBuilder::new().security_scheme(SECURITY, security());
    let mut paths = Paths::new();
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    for operation in operations() {
        let Operation {
            scope,
            can_be_tried,
            routes: (of_it, its_paths, _),
            ..
        } = operation;
        schemas.extend(of_it);
        for (path, mut item) in its_paths.paths {
            complete(&mut item, &path, scope, can_be_tried);
            let path = format!("{PREFIX}{path}");
            match paths.paths.get_mut(&path) {
                Some(present) => present.merge_operations(item),
                None => drop(paths.paths.insert(path, item)),
            }
        }
    }
    components = components.schemas_from_iter(schemas);
    let info = InfoBuilder::new()
        .title("Symbolon admin API")
        .version("1")
        .description(Some(
            "Everything that administrators do to a running Symbolon server. Tokens are ordinary access tokens of the \
             server for the audience urn:symbolon:admin.",
        ))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

const SECURITY: &str = "access_token";

fn security() -> SecurityScheme {
    let scopes = ADMIN_SCOPES.join(" ");
    SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("at+jwt")
            .description(Some(format!(
                "An access token with the scope of the operation; there are: {scopes}"
            )))
            .build(),
    )
}

/// What begins so is a record with a version, or belongs to one.
const VERSIONED: [&str; 5] = [
    "/clients/{",
    "/resource-servers/{",
    "/roles/{",
    "/scopes/{",
    "/users/{",
];

/// The conditions that a change of a record takes.
fn conditions(method: &HttpMethod) -> Vec<Parameter> {
    let header = |name, pattern, why| {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(pattern));
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(why))
            .schema(Some(schema))
            .build()
    };
    let mut conditions = vec![header(
        "If-Match",
        "^(\\*|\"[0-9a-f]{32}\")$",
        "The `ETag` that the record must still have, or `*`: that there must be one",
    )];
    if matches!(method, HttpMethod::Put) {
        conditions.push(header(
            "If-None-Match",
            "^\\*$",
            "`*`: there must be no such record yet; not together with `If-Match`",
        ));
    }
    conditions
}

/// Adds to each operation of a path what all have in common: its security, the conditions that it takes, and the answers that
/// the router gives by itself.
fn complete(item: &mut PathItem, path: &str, scope: &'static str, can_be_tried: bool) {
    let varies = path.contains('{');
    let methods = [
        (HttpMethod::Delete, &mut item.delete),
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
    ];
    for (method, described) in methods {
        let Some(described) = described else { continue };
        described.security = Some(vec![SecurityRequirement::new(SECURITY, [scope])]);
        if !matches!(method, HttpMethod::Get) && VERSIONED.iter().any(|record| path.starts_with(record)) {
            let parameters = described.parameters.get_or_insert_default();
            parameters.extend(conditions(&method).into_iter().map(RefOr::T));
        }
        let mut statuses = GUARD_STATUSES.to_vec();
        statuses.extend([
            StatusCode::BAD_REQUEST,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::SERVICE_UNAVAILABLE,
        ]);
        if varies {
            statuses.push(StatusCode::NOT_FOUND);
        }
        if !matches!(method, HttpMethod::Get) {
            statuses.extend([
                StatusCode::CONFLICT,
                StatusCode::PRECONDITION_FAILED,
                StatusCode::UNPROCESSABLE_ENTITY,
            ]);
        }
        if matches!(method, HttpMethod::Post) {
            statuses.push(StatusCode::TOO_MANY_REQUESTS);
        }
        if described.request_body.is_some() {
            statuses.extend([StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNSUPPORTED_MEDIA_TYPE]);
        }
        if can_be_tried {
            may_be_tried(described);
        }
        if !matches!(method, HttpMethod::Get) {
            let made = described
                .responses
                .responses
                .iter()
                .find(|(code, _)| code.starts_with("20"));
            if let Some(made) = made.map(|(_, made)| accepted(made)) {
                described
                    .responses
                    .responses
                    .entry("202".to_owned())
                    .or_insert(made);
            }
        }
        for status in statuses {
            let code = status.as_str().to_owned();
            described
                .responses
                .responses
                .entry(code)
                .or_insert_with(|| problem_response(status));
        }
    }
}

/// Adds the parameter, and the answer where nothing was made.
fn may_be_tried(described: &mut Described) {
    let parameters = described.parameters.get_or_insert_default();
    let added = DryRun::into_params(|| Some(ParameterIn::Query));
    parameters.extend(added.into_iter().map(RefOr::T));
    let responses = &mut described.responses.responses;
    if let Some(RefOr::T(mut would_be)) = responses.get("201").cloned() {
        would_be.description = "With `dry_run`: it could be made; it was not".to_owned();
        responses
            .entry("200".to_owned())
            .or_insert_with(|| would_be.into());
    }
}

/// The same answer where a change is made that can't be promised of every node.
fn accepted(made: &RefOr<utoipa::openapi::Response>) -> RefOr<utoipa::openapi::Response> {
    let mut accepted = made.clone();
    if let RefOr::T(response) = &mut accepted {
        response.description =
            "It is done; a node that can't read the database may go by what was before until it can"
                .to_owned();
    }
    accepted
}

fn problem_response(status: StatusCode) -> RefOr<utoipa::openapi::Response> {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let why = status.canonical_reason().unwrap_or_default();
    ResponseBuilder::new()
        .description(why)
        .content("application/problem+json", content)
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_is_one_with_a_name_of_its_own_and_a_scope_that_there_is() {
        let mut ids = BTreeSet::new();
        for operation in operations() {
            let (methods, paths) = (&operation.routes.1.paths, operation.described());
            assert_eq!(methods.len(), 1);
            let (method, path, described) = paths.expect("it is described");
            assert!(path.starts_with('/'), "{path}");
            assert!(
                ADMIN_SCOPES.contains(&operation.scope),
                "{path}: {}",
                operation.scope
            );
            let id = described.operation_id.clone().expect("it has a name");
            assert!(ids.insert(id.clone()), "{id} names two operations");
            assert!(described.summary.is_some(), "{method} {path} has no summary");
        }
        assert_eq!(catalogue().len(), ids.len());
    }
}
