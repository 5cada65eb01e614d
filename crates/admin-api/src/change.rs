//! How changes are answered.

use std::cell::Cell;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use symbolon_core::audit::Act;
use symbolon_core::ports::{AdminStore, Change, StoreResult};
use symbolon_core::revocation::Reach;
use symbolon_core::view::Version;

use crate::api::Api;
use crate::dry_run;
use crate::extract::Caller;
use crate::problem::{Problem, ProblemKind};

/// What to do where a record has changed since it was read.
pub(crate) const REPEAT: &str = "read the record again, and repeat the change with its ETag in If-Match";

/// How often a change is tried while facts, and revocations of whoever makes it, move on beneath it.
const ATTEMPTS: u32 = 16;

impl Api {
    /// Makes a change that cached facts know nothing of yet: a new record.
    ///
    /// # Errors
    /// [`Problem`]; nothing changed.
    pub(crate) async fn create<F: Future<Output = StoreResult<Change>>>(
        &self,
        caller: &Caller,
        act: Act,
        change: impl Fn(Box<dyn AdminStore>) -> F,
    ) -> Result<(), Problem> {
        self.unless_tried(caller, act, change).await.map(drop)
    }

    /// Makes a change, and returns once no node goes by older facts.
    ///
    /// # Errors
    /// [`Problem`]; nothing changed.
    pub(crate) async fn commit<F: Future<Output = StoreResult<Change>>>(
        &self,
        caller: &Caller,
        act: Act,
        change: impl Fn(Box<dyn AdminStore>) -> F,
    ) -> Result<(), Problem> {
        if self.unless_tried(caller, act, change).await? {
            self.settle().await;
        }
        Ok(())
    }

    /// Makes a change, and says so; not where the request is only tried.
    async fn unless_tried<F: Future<Output = StoreResult<Change>>>(
        &self,
        caller: &Caller,
        act: Act,
        change: impl Fn(Box<dyn AdminStore>) -> F,
    ) -> Result<bool, Problem> {
        if dry_run::is_on() {
            return Ok(false);
        }
        made(self.change(caller, act, change).await?)?;
        Ok(true)
    }

    /// Makes a change as [`Self::warranted`] does, and says what came of it: never [`Change::CatchUp`].
    ///
    /// # Errors
    /// [`Problem`]; nothing changed.
    pub(crate) async fn change<F: Future<Output = StoreResult<Change>>>(
        &self,
        caller: &Caller,
        act: Act,
        change: impl Fn(Box<dyn AdminStore>) -> F,
    ) -> Result<Change, Problem> {
        let change = |admin| {
            let came = change(admin);
            async { came.await.map(|came| (came != Change::CatchUp).then_some(came)) }
        };
        self.warranted(caller, act, change).await
    }

    /// Lets a caller change something, who is judged anew for it: it may have taken a while since they were admitted. The
    /// store changes nothing where facts, or revocations that concern them, have moved on since (`None`); then they are judged
    /// again.
    ///
    /// # Errors
    /// [`Problem`]: they would not be admitted any more, or it can't be told. Nothing changed.
    pub(crate) async fn warranted<T, F: Future<Output = StoreResult<Option<T>>>>(
        &self,
        caller: &Caller,
        act: Act,
        change: impl Fn(Box<dyn AdminStore>) -> F,
    ) -> Result<T, Problem> {
        // One after the other: the changes of a node would put each other out of date.
        let _turn = self.changing.lock().await;
        for _ in 0..ATTEMPTS {
            self.parts.revocations.catch_up().await?;
            let warrant = caller.may_go_on(self).await?;
            let act = Act {
                warrant,
                ..act.clone()
            };
            if let Some(came) = change(self.parts.admin.acting(act)).await? {
                return Ok(came);
            }
        }
        Err(Problem::new(
            ProblemKind::Busy,
            "so much changes at once that it could not be told whether you still may; nothing was changed: try again",
        ))
    }

    /// Waits until a change holds. Where that can't be promised of every node, the request's answer says so.
    pub(crate) async fn settle(&self) {
        if self.parts.settle.settle().await == Reach::Logged {
            // Outside of a request there is no answer to say it.
            let _ = MARKS.try_with(|marks| marks.unpromised.set(true));
        }
    }
}

tokio::task_local! {
    /// What is to be known of the request that is under way when it has ended, whatever it answers.
    static MARKS: Marks;
}

#[derive(Default)]
struct Marks {
    /// It has made a change that can't be promised of every node.
    unpromised: Cell<bool>,
    /// Why it, or a part of it, was refused to whoever made it.
    refused: Cell<Option<&'static str>>,
}

/// Notes for the trail why the request that is under way, or a part of it, was refused to whoever made it.
pub(crate) fn mark_refused(reason: &'static str) {
    let _ = MARKS.try_with(|marks| marks.refused.set(Some(reason)));
}

/// Runs an operation. A change that is made, but can't be promised of every node, is answered with 202 instead of 200, 201
/// or 204. The other half of the answer is what [`mark_refused`] has noted.
pub(crate) async fn marking(operation: impl Future<Output = Response>) -> (Response, Option<&'static str>) {
    MARKS
        .scope(Marks::default(), async {
            let mut response = operation.await;
            if response.status().is_success() && MARKS.with(|marks| marks.unpromised.get()) {
                *response.status_mut() = StatusCode::ACCEPTED;
            }
            (response, MARKS.with(|marks| marks.refused.get()))
        })
        .await
}

/// The answer to what came of a change, where it was not made.
pub(crate) fn made(change: Change) -> Result<(), Problem> {
    match change {
        Change::Beyond => Err(beyond_rights("")),
        Change::CatchUp => Err(Problem::new(ProblemKind::Internal, "it was not tried again")),
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

/// The refusal to give, or to take over what has, more than the caller holds. It goes on the trail.
pub(crate) fn beyond_rights(lacking: &str) -> Problem {
    mark_refused("beyond_rights");
    let detail = "this gives, or takes over what has, admin scope that your token lacks";
    match lacking {
        "" => Problem::new(ProblemKind::Beyond, detail),
        names => Problem::new(ProblemKind::Beyond, format_args!("{detail}: {names}")),
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
