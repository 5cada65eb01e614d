//! The steps, done. What fails holds up nothing that does not need it.

use http::Method;
use serde_json::json;
use symbolon_admin_api::{ClientForm, ClientWithSecret, ScopePut, ShownSecret};
use symbolon_core::view::{ClientView, ScopeView};

use super::form::patch;
use super::order::turns;
use super::plan::{ClientStep, Plan, Present, ScopeStep};
use crate::cli::api::Call;
use crate::cli::context::ApiContext;
use crate::cli::error::{CliError, ErrorKind};

/// What came of the steps, in the order of the plan.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) scopes: Vec<Outcome>,
    pub(super) clients: Vec<Outcome>,
}

impl Came {
    /// Of scopes, then of clients.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Outcome> {
        self.scopes.iter().chain(&self.clients)
    }
}

/// What came of one step.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Why it was not done, or not all of it.
    pub(super) error: Option<CliError>,
    /// The secret of a client that was made, also where the rest was not done.
    pub(super) secret: Option<ShownSecret>,
}

impl From<Result<(), CliError>> for Outcome {
    fn from(came: Result<(), CliError>) -> Self {
        Self {
            error: came.err(),
            secret: None,
        }
    }
}

/// Makes changes, for a reason.
#[derive(Clone, Copy)]
pub(super) struct Maker<'a> {
    pub(super) context: &'a ApiContext<'a>,
    pub(super) reason: Option<&'a str>,
}

impl Maker<'_> {
    /// Takes every step. Scopes that go do so last.
    pub(super) async fn make(&self, plan: &mut Plan) -> Came {
        let mut came = Came {
            scopes: plan.scopes.iter().map(|_| Outcome::default()).collect(),
            clients: plan.clients.iter().map(|_| Outcome::default()).collect(),
        };
        let (stay, go): (Vec<usize>, Vec<usize>) =
            (0..plan.scopes.len()).partition(|step| plan.scopes[*step].wanted.is_some());
        for step in stay {
            came.scopes[step] = self.scope(&plan.scopes[step]).await.into();
        }
        for turn in turns(&plan.clients) {
            let (index, wanted) = turn.of(&plan.clients);
            let outcome = &mut came.clients[index];
            if outcome.error.is_some() {
                continue;
            }
            match self.client(&mut plan.clients[index], wanted.as_ref()).await {
                Ok(secret) => outcome.secret = outcome.secret.take().or(secret),
                Err(error) => outcome.error = Some(error),
            }
        }
        for step in go {
            came.scopes[step] = self.scope(&plan.scopes[step]).await.into();
        }
        came
    }

    fn call(&self, method: Method, parts: &[&str]) -> Call {
        Call::new(method, parts).with_some("reason", self.reason)
    }

    /// The request that a scope's step is.
    pub(super) fn scope_call(&self, step: &ScopeStep) -> Result<Call, CliError> {
        let parts = ["scopes", step.name.as_str()];
        match &step.wanted {
            Some(description) => {
                let description = description.clone();
                self.call(Method::PUT, &parts).body(&ScopePut { description })
            }
            None => Ok(self.call(Method::DELETE, &parts)),
        }
    }

    /// The request that makes a client what is wanted; removes it where nothing is.
    pub(super) fn client_call(
        &self,
        present: Option<&Present>,
        wanted: Option<&ClientForm>,
    ) -> Result<Call, CliError> {
        let Some(present) = present else {
            return self.call(Method::POST, &["clients"]).body(&json!(wanted));
        };
        let uid = present.uid.to_string();
        let parts = ["clients", uid.as_str()];
        match wanted {
            Some(wanted) => self
                .call(Method::PATCH, &parts)
                .body(&patch(&present.form, wanted)),
            None => Ok(self.call(Method::DELETE, &parts)),
        }
    }

    async fn scope(&self, step: &ScopeStep) -> Result<(), CliError> {
        let mut version = None;
        if let Some(present) = &step.present {
            let shown = Call::new(Method::GET, &["scopes", &step.name]);
            let answer = self.context.api.send(shown).await?;
            version = answer.version.clone();
            let now: ScopeView = answer.read()?;
            if now.description != *present {
                return Err(stale());
            }
        }
        let call = self.scope_call(step)?.expecting(version);
        let call = call.if_new(step.present.is_none());
        let sent = self.context.api.send(call).await;
        sent.map(drop).map_err(|error| match error.kind {
            ErrorKind::Taken => stale(),
            _ => error,
        })
    }

    /// Makes the client what is wanted, and says the secret where it got one.
    async fn client(
        &self,
        step: &mut ClientStep,
        wanted: Option<&ClientForm>,
    ) -> Result<Option<ShownSecret>, CliError> {
        let call = self.client_call(step.present.as_ref(), wanted)?;
        let Some(present) = &step.present else {
            let made: ClientWithSecret = self.context.api.send(call).await?.read()?;
            step.present = Some(Present::of(made.client));
            return Ok(made.client_secret);
        };
        // The version may be another one because of what was done just now, such as audiences that are served again. What
        // was shown is what must not have changed.
        let shown = Call::new(Method::GET, &["clients", &present.uid.to_string()]);
        let answer = self.context.api.send(shown).await?;
        let version = answer.version.clone();
        let now = Present::of(answer.read::<ClientView>()?);
        if now.form != present.form {
            return Err(stale());
        }
        let answer = self.context.api.send(call.expecting(version)).await?;
        if wanted.is_some() {
            step.present = Some(Present::of(answer.read()?));
        }
        Ok(None)
    }
}

fn stale() -> CliError {
    CliError::new(
        ErrorKind::Stale,
        "somebody else has changed it meanwhile",
        "run the command again",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Json;
    use axum::extract::Request;
    use axum::routing::{get, put};
    use futures_util::FutureExt as _;
    use http::HeaderMap;
    use serde_json::Value;
    use symbolon_admin_api::{Problem, ProblemKind};
    use symbolon_core::SystemClock;
    use uuid::Uuid;

    use super::*;
    use crate::cli::Connection;

    fn view(name: &str) -> Value {
        json!({
            "uid": Uuid::nil(), "client_id": "a", "name": name, "type": "confidential", "active": true,
            "auth_methods": ["client_secret_basic"], "grants": [], "scope": "", "default_scope": "", "audiences": [],
            "inactive_audiences": [], "serves": [{ "audience": "urn:a", "signing_alg": null, "access_token_lifetime": null }],
            "access_token_lifetime": null, "session_lifetime": null, "refresh_idle_lifetime": null, "rotation": "always",
            "late_recoveries": null, "signing_alg": null, "cors_origins": [], "secrets": [], "created": "", "created_ms": 0,
        })
    }

    fn present(name: &str) -> Present {
        Present::of(serde_json::from_value(view(name)).unwrap())
    }

    /// What comes of that plan at that server.
    async fn made(router: axum::Router, mut plan: Plan) -> Came {
        let api = Connection::local(router);
        let context = ApiContext {
            api: &api,
            clock: &SystemClock::new(),
            pause: &|_| async {}.boxed(),
        };
        let maker = Maker {
            context: &context,
            reason: None,
        };
        maker.make(&mut plan).await
    }

    /// Changes a client that was called `Seen` when it was read; returns what came of it, and the conditions of changes.
    async fn change(
        now: &'static str,
        wanted: Option<ClientForm>,
    ) -> (Option<ErrorKind>, Vec<Option<String>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = sent.clone();
        let changed = move |request: Request| {
            let condition = request.headers().get("if-match");
            let condition = condition.map(|value| value.to_str().unwrap().to_owned());
            log.lock().unwrap().push(condition);
            async { Json(view("Wanted")) }
        };
        let mut tag = HeaderMap::new();
        tag.insert("etag", "\"5\"".parse().unwrap());
        let shown = get(move || async move { (tag, Json(view(now))) });
        let path = format!("/admin/v1/clients/{}", Uuid::nil());
        let router = axum::Router::new().route(&path, shown.patch(changed.clone()).delete(changed));
        let plan = Plan {
            clients: vec![ClientStep {
                client_id: "a".to_owned(),
                present: Some(present("Seen")),
                wanted,
            }],
            ..Plan::default()
        };
        let came = made(router, plan).await;
        let conditions = sent.lock().unwrap().clone();
        (came.clients[0].error.as_ref().map(|error| error.kind), conditions)
    }

    #[tokio::test]
    async fn a_change_is_made_on_condition_that_the_client_is_as_it_was_shown() {
        for wanted in [Some(present("Wanted").form), None] {
            assert_eq!(
                change("Seen", wanted.clone()).await,
                (None, vec![Some("\"5\"".to_owned())])
            );
            assert_eq!(change("Another", wanted).await, (Some(ErrorKind::Stale), vec![]));
        }
    }

    #[tokio::test]
    async fn a_scope_that_was_not_there_is_made_only_where_there_is_still_none() {
        let there_is_one = put(async |headers: HeaderMap| {
            assert_eq!(headers["if-none-match"], "*");
            Problem::new(ProblemKind::Stale, "there is one")
        });
        let router = axum::Router::new().route("/admin/v1/scopes/a", there_is_one);
        let plan = Plan {
            scopes: vec![ScopeStep {
                name: "a".to_owned(),
                present: None,
                wanted: Some("A".to_owned()),
            }],
            ..Plan::default()
        };
        let came = made(router, plan).await;
        assert_eq!(came.scopes[0].error.as_ref().unwrap().kind, ErrorKind::Stale);
    }
}
