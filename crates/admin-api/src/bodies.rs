//! The bodies of requests that a node holds: so many bytes at a time, however many connections and streams they come by.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use bytes::Bytes;
use symbolon_core::audit::Actor;

use crate::extract::body;
use crate::problem::{Problem, ProblemKind};
use crate::share::{Exhausted, Share, Shared};

/// So many bytes of bodies a node holds at a time, where four of the longest are not more.
const FOR_ALL: usize = 64 << 20;
/// What a request counts for beside its body, in bytes: its head is held as long.
const BESIDE: usize = 32 << 10;

/// What bodies are held in.
pub(crate) struct Bodies {
    longest: usize,
    room: Arc<Shared>,
}

impl Bodies {
    /// For bodies of at most so many bytes.
    pub(crate) fn new(longest: usize) -> Self {
        let four = longest.saturating_add(BESIDE).saturating_mul(4);
        Self {
            longest,
            room: Shared::new(FOR_ALL.max(four)),
        }
    }

    /// The request with its whole body in memory, within the bound, and the room that it takes: to be kept for as long as
    /// anything of the body may be. A body whose length is not told takes as much as the longest.
    ///
    /// # Errors
    /// [`Problem`]: there is no room, the body is too long, or it ends early.
    pub(crate) async fn whole(&self, request: Request, actor: &Actor) -> Result<(Request, Share), Problem> {
        let told = request.body().size_hint().upper();
        let length = told.and_then(|told| usize::try_from(told).ok());
        let length = length.unwrap_or(self.longest).min(self.longest);
        let share = self
            .room
            .take(actor, length.saturating_add(BESIDE))
            .map_err(exhausted)?;
        let (head, content) = request.into_parts();
        let content = body(Request::from_parts(head.clone(), content), self.longest).await?;
        let content = Body::from(Bytes::from_owner(content));
        Ok((Request::from_parts(head, content), share))
    }
}

fn exhausted(why: Exhausted) -> Problem {
    let detail = match why {
        Exhausted::ForActor => {
            "your requests that are under way fill half of the room for bodies on this node: wait for their answers"
        }
        Exhausted::ForAll => {
            "requests that are under way fill the room for bodies on this node: try again, or at another node"
        }
    };
    Problem::new(
        ProblemKind::Unavailable,
        format_args!("{detail}; nothing was changed"),
    )
}
