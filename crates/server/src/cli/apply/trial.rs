//! The steps, tried before any is taken: what would be refused is known by then, and nothing was changed.

use std::collections::BTreeMap;

use symbolon_admin_api::{ClientForm, FieldError, MAX_SCOPES, Problem};
use symbolon_core::rights::ADMIN_AUDIENCE;

use super::fault::Fault;
use super::make::Maker;
use super::order::turns;
use super::plan::{ClientStep, Doing, Plan};
use super::wanted::Places;
use crate::cli::error::CliError;
use crate::cli::output::quoted;

impl Maker<'_> {
    /// Tries every step, and says of each that would be refused why, in the order of the plan.
    ///
    /// # Errors
    /// The server can't say so.
    pub(super) async fn try_all(&self, plan: &Plan) -> Result<Vec<Fault>, CliError> {
        let mut faults = self.try_scopes(plan).await?;
        let mut of_clients = BTreeMap::new();
        let mut served = Served(plan.served.clone());
        for turn in turns(&plan.clients) {
            let (index, wanted) = turn.of(&plan.clients);
            let (step, wanted) = (&plan.clients[index], wanted.as_ref());
            let call = self.client_call(step.present.as_ref(), wanted)?;
            let found = match self.context.api.refusal_of(call).await? {
                Some(problem) => refused(plan, "client", &step.client_id, problem),
                None => served.faults(step, wanted, &plan.places),
            };
            if !found.is_empty() {
                of_clients.entry(index).or_insert(found);
            }
            // Also where it is refused: whoever waits for it is not to blame.
            served.take(step, wanted);
        }
        faults.extend(of_clients.into_values().flatten());
        Ok(faults)
    }

    async fn try_scopes(&self, plan: &Plan) -> Result<Vec<Fault>, CliError> {
        let (mut faults, mut registered) = (Vec::new(), plan.registered);
        for step in &plan.scopes {
            if step.doing() == Doing::Add {
                registered += 1;
            }
            match self.context.api.refusal_of(self.scope_call(step)?).await? {
                Some(problem) => faults.extend(refused(plan, "scope", &step.name, problem)),
                // None goes before all have come.
                None if step.doing() == Doing::Add && registered > MAX_SCOPES => {
                    let rule =
                        format!("with it there would be more than {MAX_SCOPES} scopes on the register");
                    faults.push(plan.places.fault("scope", &step.name, "", rule));
                }
                None => {}
            }
        }
        Ok(faults)
    }
}

fn refused(plan: &Plan, kind: &'static str, name: &str, problem: Problem) -> Vec<Fault> {
    if problem.errors.is_empty() {
        return vec![plan.places.fault(kind, name, "", problem.detail)];
    }
    let errors = problem.errors.into_iter();
    errors
        .map(|FieldError { field, rule }| plan.places.fault(kind, name, &field, said(&field, &rule)))
        .collect()
}

fn said(field: &str, rule: &str) -> String {
    if field.is_empty() {
        rule.to_owned()
    } else {
        format!("{field}: {rule}")
    }
}

/// Who serves which audience, by the client id, as one step after the other changes it: what the server leaves out of a try.
struct Served(BTreeMap<String, String>);

impl Served {
    /// The fields for which a client can't be made so at its turn.
    fn faults(&self, step: &ClientStep, wanted: Option<&ClientForm>, places: &Places) -> Vec<Fault> {
        let Some(wanted) = wanted else { return Vec::new() };
        let fault =
            |field: String, rule: &str| places.fault("client", &step.client_id, &field, said(&field, rule));
        let mut faults = Vec::new();
        for (index, served) in wanted.serves.iter().enumerate() {
            let server = self.0.get(&served.audience);
            if let Some(other) = server.filter(|server| **server != step.client_id) {
                let rule = format!(
                    "the client {} serves it: take it from there, in a run of its own where both change hands",
                    quoted(other)
                );
                faults.push(fault(format!("serves[{index}].audience"), &rule));
            }
        }
        for (index, audience) in wanted.audiences.iter().enumerate() {
            // What it has asked for before it may keep, served or not.
            let mut before = step.present.iter().flat_map(|present| &present.form.audiences);
            let is_there = audience == ADMIN_AUDIENCE
                || self.0.contains_key(audience)
                || wanted.serves.iter().any(|served| served.audience == *audience)
                || before.any(|kept| kept == audience);
            if !is_there {
                faults.push(fault(format!("audiences[{index}]"), "nobody serves it"));
            }
        }
        faults
    }

    fn take(&mut self, step: &ClientStep, wanted: Option<&ClientForm>) {
        self.0.retain(|_, server| *server != step.client_id);
        let serves = wanted.into_iter().flat_map(|form| &form.serves);
        self.0
            .extend(serves.map(|served| (served.audience.clone(), step.client_id.clone())));
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::RawQuery;
    use axum::routing::delete;
    use futures_util::FutureExt as _;
    use symbolon_admin_api::ProblemKind;
    use symbolon_core::SystemClock;
    use uuid::Uuid;

    use super::super::plan::{Present, ScopeStep};
    use super::*;
    use crate::cli::Connection;
    use crate::cli::context::ApiContext;
    use crate::cli::error::ErrorKind;

    /// Tries to remove a scope and a client, where every try is answered so.
    async fn tried(answer: ProblemKind) -> Result<Vec<Fault>, CliError> {
        let refuse = move |RawQuery(query): RawQuery| async move {
            assert_eq!(query.as_deref(), Some("reason=old&dry_run=true"));
            Problem::new(answer, "no").at("", "no")
        };
        let client = format!("/admin/v1/clients/{}", Uuid::nil());
        let router = axum::Router::new()
            .route("/admin/v1/scopes/s", delete(refuse))
            .route(&client, delete(refuse));
        let api = Connection::local(router);
        let context = ApiContext {
            api: &api,
            clock: &SystemClock::new(),
            pause: &|_| async {}.boxed(),
        };
        let maker = Maker {
            context: &context,
            reason: Some("old"),
        };
        let plan = Plan {
            scopes: vec![ScopeStep {
                name: "s".to_owned(),
                present: Some("A scope".to_owned()),
                wanted: None,
            }],
            clients: vec![ClientStep {
                client_id: "a".to_owned(),
                present: Some(Present {
                    uid: Uuid::nil(),
                    form: ClientForm::default(),
                }),
                wanted: None,
            }],
            ..Plan::default()
        };
        maker.try_all(&plan).await
    }

    #[tokio::test]
    async fn a_removal_that_would_be_refused_is_told_by_its_name() {
        for kind in [ProblemKind::Beyond, ProblemKind::Stale, ProblemKind::Conflict] {
            let told: Vec<_> = tried(kind).await.unwrap().iter().map(Fault::text).collect();
            assert_eq!(told, ["scope \"s\": no", "client \"a\": no"]);
        }
    }

    #[tokio::test]
    async fn who_may_not_ask_is_told_so_once() {
        for (kind, exit) in [
            (ProblemKind::Unauthorized, ErrorKind::Denied),
            (ProblemKind::InsufficientScope, ErrorKind::Denied),
            (ProblemKind::Unavailable, ErrorKind::Failed),
        ] {
            assert_eq!(tried(kind).await.unwrap_err().kind, exit);
        }
    }
}
