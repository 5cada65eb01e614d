//! The steps, tried before any is taken: what would be refused is known by then, and nothing was changed.

use std::collections::BTreeMap;

use symbolon_admin_api::{ClientForm, MAX_SCOPES, Problem};
use symbolon_core::rights::ADMIN_AUDIENCE;

use super::fault::Fault;
use super::make::Maker;
use super::order::turns;
use super::plan::{ClientStep, Doing, Plan};
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
            let fault = match self.context.api.refusal_of(call).await? {
                Some(problem) => Some(refused(plan, "client", &step.client_id, problem)),
                None => served.refusal(step, wanted).map(|(field, rule)| {
                    let rule = format!("{field}: {rule}");
                    plan.places.fault("client", &step.client_id, &field, rule)
                }),
            };
            if let Some(fault) = fault {
                of_clients.entry(index).or_insert(fault);
            }
            // Also where it is refused: whoever waits for it is not to blame.
            served.take(step, wanted);
        }
        faults.extend(of_clients.into_values());
        Ok(faults)
    }

    async fn try_scopes(&self, plan: &Plan) -> Result<Vec<Fault>, CliError> {
        let (mut faults, mut registered) = (Vec::new(), plan.registered);
        for step in &plan.scopes {
            if step.doing() == Doing::Add {
                registered += 1;
            }
            let fault = match self.context.api.refusal_of(self.scope_call(step)?).await? {
                Some(problem) => refused(plan, "scope", &step.name, problem),
                // None goes before all have come.
                None if step.doing() == Doing::Add && registered > MAX_SCOPES => {
                    let rule =
                        format!("with it there would be more than {MAX_SCOPES} scopes on the register");
                    plan.places.fault("scope", &step.name, "", rule)
                }
                None => continue,
            };
            faults.push(fault);
        }
        Ok(faults)
    }
}

fn refused(plan: &Plan, kind: &'static str, name: &str, problem: Problem) -> Fault {
    let field = problem.errors.first().map_or("", |error| error.field.as_str());
    plan.places.fault(kind, name, field, problem.detail)
}

/// Who serves which audience, by the client id, as one step after the other changes it: what the server leaves out of a try.
struct Served(BTreeMap<String, String>);

impl Served {
    /// The field for which a client can't be made so at its turn, and why.
    fn refusal(&self, step: &ClientStep, wanted: Option<&ClientForm>) -> Option<(String, String)> {
        let wanted = wanted?;
        for (index, served) in wanted.serves.iter().enumerate() {
            let server = self.0.get(&served.audience);
            if let Some(other) = server.filter(|server| **server != step.client_id) {
                let rule = format!(
                    "the client {} serves it: take it from there, in a run of its own where both change hands",
                    quoted(other)
                );
                return Some((format!("serves[{index}].audience"), rule));
            }
        }
        // What it has asked for before it may keep, served or not.
        let before = step.present.iter().flat_map(|present| &present.form.audiences);
        let is_there = |audience: &String| {
            audience == ADMIN_AUDIENCE
                || self.0.contains_key(audience)
                || wanted.serves.iter().any(|served| served.audience == *audience)
                || before.clone().any(|kept| kept == audience)
        };
        let unserved = wanted.audiences.iter().position(|audience| !is_there(audience))?;
        Some((format!("audiences[{unserved}]"), "nobody serves it".to_owned()))
    }

    fn take(&mut self, step: &ClientStep, wanted: Option<&ClientForm>) {
        self.0.retain(|_, server| *server != step.client_id);
        let serves = wanted.into_iter().flat_map(|form| &form.serves);
        self.0
            .extend(serves.map(|served| (served.audience.clone(), step.client_id.clone())));
    }
}
