//! How changes are answered.

use std::cell::Cell;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use symbolon_core::ports::{Change, StoreResult};
use symbolon_core::revocation::Reach;
use symbolon_core::view::Version;

use crate::api::Api;
use crate::dry_run;
use crate::problem::{Problem, ProblemKind};

/// What to do where a record has changed since it was read.
pub(crate) const REPEAT: &str = "read the record again, and repeat the change with its ETag in If-Match";

impl Api {
    /// Makes a change that cached facts know nothing of yet: a new record.
    ///
    /// # Errors
    /// [`Problem`]; nothing changed.
    pub(crate) async fn create(
        &self,
        change: impl Future<Output = StoreResult<Change>>,
    ) -> Result<(), Problem> {
        unless_tried(change).await.map(drop)
    }

    /// Makes a change, and returns once no node goes by older facts.
    ///
    /// # Errors
    /// [`Problem`]; nothing changed.
    pub(crate) async fn commit(
        &self,
        change: impl Future<Output = StoreResult<Change>>,
    ) -> Result<(), Problem> {
        if unless_tried(change).await? {
            self.settle().await;
        }
        Ok(())
    }

    /// Waits until a change holds. Where that can't be promised of every node, the request's answer says so.
    pub(crate) async fn settle(&self) {
        if self.parts.settle.settle().await == Reach::Logged {
            // Outside of a request there is no answer to say it.
            let _ = UNPROMISED.try_with(|unpromised| unpromised.set(true));
        }
    }
}

tokio::task_local! {
    /// Whether the request that is under way has made a change that can't be promised of every node.
    static UNPROMISED: Cell<bool>;
}

/// Runs an operation. A change that is made, but can't be promised of every node, is answered with 202 instead of 200, 201
/// or 204.
pub(crate) async fn promising(operation: impl Future<Output = Response>) -> Response {
    UNPROMISED
        .scope(Cell::new(false), async {
            let mut response = operation.await;
            if response.status().is_success() && UNPROMISED.with(Cell::get) {
                *response.status_mut() = StatusCode::ACCEPTED;
            }
            response
        })
        .await
}

/// Makes a change, and says so; not where the request is only tried.
async fn unless_tried(change: impl Future<Output = StoreResult<Change>>) -> Result<bool, Problem> {
    if dry_run::is_on() {
        return Ok(false);
    }
    made(change.await?)?;
    Ok(true)
}

/// The answer to what came of a change, where it was not made.
pub(crate) fn made(change: Change) -> Result<(), Problem> {
    match change {
        Change::Done => Ok(()),
        Change::Stale => Err(Problem::new(ProblemKind::Stale, REPEAT)),
        Change::Taken(what) => {
            let rule = match what {
                "audience" => "another client serves that audience",
                _ => "it is taken",
            };
            Err(Problem::new(ProblemKind::Taken, format_args!("{what}: {rule}")).at(what, rule))
        }
        Change::Unknown("audience") => Err(Problem::invalid("audiences", "nobody serves one of them")),
        Change::Unknown("role") => Err(Problem::invalid("roles", "there is no role of that name")),
        Change::Unknown(what) => Err(Problem::not_found(what)),
    }
}

/// A record with its version.
pub(crate) fn tagged(version: Version, record: &impl Serialize) -> Response {
    let mut response = Json(record).into_response();
    tag(&mut response, version);
    response
}

/// A record that was made, with its version and where it is: a path below the prefix of the API.
pub(crate) fn created(version: Version, location: &str, record: &impl Serialize) -> Response {
    let mut response = (StatusCode::CREATED, Json(record)).into_response();
    tag(&mut response, version);
    let location = format!("{}{location}", crate::PREFIX);
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// A record that was put in the place of the one of that version. Where there was none, it was made: then the answer is 201,
/// and says where it is.
pub(crate) fn put(before: Option<Version>, location: &str, record: &impl Serialize) -> Response {
    let version = Version::of(record);
    match before {
        Some(_) => tagged(version, record),
        None => created(version, location, record),
    }
}

fn tag(response: &mut Response, version: Version) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
}
