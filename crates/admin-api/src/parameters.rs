//! The parameters in the query string: those that an operation does not have are refused, so that nobody is taken to have
//! said less than they meant, such as that a change should only be tried.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Uri;
use utoipa::IntoParams as _;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};

use crate::dry_run::DryRun;
use crate::json::shown_name;
use crate::problem::{Problem, ProblemKind};

/// The names of the parameters that an operation has in the query string.
#[derive(Clone, Debug)]
pub(crate) struct Known(Arc<[String]>);

impl Known {
    /// Those that it is described with, and `dry_run` where it can be tried.
    pub(crate) fn of(described: &Operation, can_be_tried: bool) -> Self {
        let its = described.parameters.iter().flatten().filter_map(|one| match one {
            RefOr::T(parameter) => Some(parameter.clone()),
            RefOr::Ref(_) => None,
        });
        let tried = can_be_tried.then(|| DryRun::into_params(|| Some(ParameterIn::Query)));
        let all = its.chain(tried.into_iter().flatten());
        let in_query = all.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
        Self(in_query.map(|parameter| parameter.name).collect())
    }

    fn check(&self, uri: &Uri) -> Result<(), Problem> {
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::new(ProblemKind::Malformed, "the query string holds no parameters"))?;
        let Some((unknown, _)) = given.iter().find(|(name, _)| !self.0.contains(name)) else {
            return Ok(());
        };
        let name = shown_name(unknown);
        let known = match &*self.0 {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let rule = format!("this operation has no parameter {name}; it has {known}");
        Err(Problem::new(
            ProblemKind::Malformed,
            format_args!("{rule}; nothing was changed"),
        )
        .at(name, rule))
    }
}

/// Runs an operation, unless it is given parameters that it does not have.
pub(crate) async fn known(State(known): State<Known>, request: Request, next: Next) -> Response {
    match known.check(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
