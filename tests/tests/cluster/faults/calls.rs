//! What clients ask of the nodes, and what they make of the answers.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use symbolon_tests::binary::{Credentials, PATIENCE, Remote};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Cast;
use super::figures::Tally;

/// How long a client waits before it asks again.
const RETRY: Duration = Duration::from_millis(50);

/// Where a run stands. What is to die in a phase is killed from its beginning on.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Phase {
    /// Nothing is revoked yet.
    #[default]
    Warm,
    /// Just before the fault.
    Before,
    /// While it lasts.
    During,
    /// From the recovery on.
    After,
}

/// The nodes as clients see them, and what they count.
pub(super) struct Field {
    pub(super) remotes: [Remote; 2],
    pub(super) cast: Cast,
    pub(super) tally: Arc<Tally>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) stop: CancellationToken,
}

/// What a refresh was answered with.
pub(super) enum Heard {
    /// New tokens.
    Yes(Tokens),
    /// The grant is invalid.
    No,
    /// No answer, or try again later.
    NotNow,
}

/// What a client holds.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// What came of asking until there was an answer.
pub(super) enum Insisted {
    Answered(Tokens),
    Lost,
    Stopped,
}

impl Tokens {
    fn of(body: &Value) -> Self {
        let text = |member: &str| body[member].as_str().expect("a token").to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

impl Field {
    /// Status and body; nothing where no whole answer came.
    pub(super) async fn call(
        &self,
        node: usize,
        endpoint: &str,
        client: &Credentials,
        form: &[(&str, &str)],
    ) -> Option<(StatusCode, Value)> {
        self.tally.sent.add();
        let answered = async {
            let response = self.remotes[node].request(endpoint, client, form).send().await?;
            Ok::<_, reqwest::Error>((response.status(), response.bytes().await?))
        };
        let Ok((status, body)) = answered.await else {
            self.tally.unanswered.add();
            return None;
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            self.tally.unavailable.add();
        }
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// A login that must succeed.
    pub(super) async fn login(&self, node: usize, user: &str) -> Tokens {
        let form = [
            ("grant_type", "password"),
            ("username", user),
            ("password", super::PASSWORD),
        ];
        let answer = self.call(node, "token_endpoint", &self.cast.app, &form).await;
        let (status, body) = answer.expect("an answer to a login");
        assert_eq!(status, StatusCode::OK, "{user}: {body}");
        Tokens::of(&body)
    }

    /// A refresh.
    pub(super) async fn refresh(&self, node: usize, token: &str) -> Heard {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let Some((status, body)) = self.call(node, "token_endpoint", &self.cast.app, &form).await else {
            return Heard::NotNow;
        };
        match status {
            StatusCode::OK => {
                self.tally.served(node);
                Heard::Yes(Tokens::of(&body))
            }
            StatusCode::BAD_REQUEST if body["error"] == "invalid_grant" => {
                self.tally.refused.add();
                Heard::No
            }
            StatusCode::SERVICE_UNAVAILABLE => Heard::NotNow,
            _ => {
                self.tally.other(format!("refresh: {status} {body}"));
                Heard::NotNow
            }
        }
    }

    /// Whether an access token is active; nothing where that is not told.
    pub(super) async fn introspect(&self, node: usize, token: &str) -> Option<bool> {
        let form = [("token", token)];
        let told = self
            .call(node, "introspection_endpoint", &self.cast.api, &form)
            .await;
        match told {
            Some((StatusCode::OK, body)) => body["active"].as_bool(),
            None | Some((StatusCode::SERVICE_UNAVAILABLE, _)) => None,
            Some((status, body)) => {
                self.tally.other(format!("introspection: {status} {body}"));
                None
            }
        }
    }

    /// Revokes a session by a refresh token; true where it was promised.
    pub(super) async fn revoke(&self, node: usize, token: &str) -> bool {
        let form = [("token", token)];
        let answer = self
            .call(node, "revocation_endpoint", &self.cast.app, &form)
            .await;
        match answer {
            Some((StatusCode::OK, _)) => {
                self.tally.promised.add();
                return true;
            }
            None | Some((StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE, _)) => {}
            Some((status, body)) => self.tally.other(format!("revocation: {status} {body}")),
        }
        self.tally.not_promised.add();
        false
    }

    /// Refreshes at the nodes by turns, beginning with `first`, until one answers.
    pub(super) async fn insist(&self, first: usize, token: &str) -> Insisted {
        for turn in first.. {
            match self.refresh(turn % 2, token).await {
                Heard::Yes(tokens) => return Insisted::Answered(tokens),
                Heard::No => return Insisted::Lost,
                Heard::NotNow if self.stop.is_cancelled() => break,
                Heard::NotNow => {
                    self.tally.retried.add();
                    self.pause(RETRY).await;
                }
            }
        }
        Insisted::Stopped
    }

    /// A pause that ends early with the run.
    pub(super) async fn pause(&self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.stop.cancelled()).await;
    }

    /// Waits for a phase; false where the run ends before.
    pub(super) async fn wait_for(&self, phase: Phase) -> bool {
        let mut phases = self.phase.subscribe();
        tokio::select! {
            come = phases.wait_for(|now| *now >= phase) => come.is_ok(),
            () = self.stop.cancelled() => false,
        }
    }
}

/// Asks until there is an answer, within bounds.
pub(super) async fn answered<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.ok()
}
