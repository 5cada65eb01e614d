//! Operations that may be tried first: with `dry_run` they go their whole way, with every check that they make, but for the
//! change itself.
//!
//! Changes go through [`Api::create`](crate::api::Api) and `commit` alone, which leave them out where [`is_on`]: no operation
//! can forget it.

use axum::extract::{Query, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ETAG, LOCATION};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::idempotency::KEY;
use crate::json::rule;
use crate::problem::{Problem, ProblemKind};

/// The parameter.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// Only say what would come of it: everything is checked but who serves the audiences that are named, which another
    /// change may see to first, and nothing is changed. What the answer holds that the server makes up will be another.
    dry_run: Option<bool>,
}

tokio::task_local! {
    /// There while a request is only tried.
    static TRIED: ();
}

/// Whether the request that is under way is only tried.
pub(crate) fn is_on() -> bool {
    TRIED.try_with(|()| ()).is_ok()
}

/// Runs an operation that can be tried, or only tries it. The others do not have the parameter, and refuse it.
pub(crate) async fn trying(mut request: Request, next: Next) -> Response {
    let asked = match Query::<DryRun>::try_from_uri(request.uri()) {
        Ok(Query(asked)) => asked.dry_run,
        Err(error) => return Problem::new(ProblemKind::Malformed, rule(&error.body_text())).into_response(),
    };
    match asked {
        Some(true) => {
            // It has no effect that could be had twice.
            request.headers_mut().remove(KEY);
            as_tried(TRIED.scope((), next.run(request)).await)
        }
        Some(false) | None => next.run(request).await,
    }
}

/// An answer that speaks of no record as if it were there.
fn as_tried(mut response: Response) -> Response {
    if response.status() == StatusCode::CREATED {
        *response.status_mut() = StatusCode::OK;
    }
    for name in [ETAG, LOCATION] {
        response.headers_mut().remove(name);
    }
    response
}
