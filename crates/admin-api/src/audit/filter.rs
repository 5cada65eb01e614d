use serde::Deserialize;
use symbolon_core::UnixMillis;
use symbolon_core::audit::{AuditFilter, EventKind};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::extract::check_text;
use crate::problem::Problem;

/// Which records.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// At or after this moment, in milliseconds since the epoch.
    from_ms: Option<u64>,
    /// Before this moment, in milliseconds since the epoch.
    until_ms: Option<u64>,
    /// Events of these names, separated by commas.
    #[param(max_length = 1000)]
    event: Option<String>,
    /// No events of these names, separated by commas.
    #[param(max_length = 1000)]
    without: Option<String>,
    /// Done by exactly this actor, such as `user:<subject>` or `client:<client_id>`.
    #[param(max_length = 200)]
    actor: Option<String>,
    /// About something of this kind, such as `client` or `user`.
    #[param(max_length = 32)]
    target_kind: Option<String>,
    /// About exactly this; needs `target_kind`.
    #[param(max_length = 600)]
    target: Option<String>,
    /// In this request.
    request_id: Option<Uuid>,
    /// What was `done`, or what was `refused`.
    #[param(max_length = 7)]
    outcome: Option<String>,
}

impl AuditQuery {
    /// The filter.
    ///
    /// # Errors
    /// A value breaks a rule.
    pub(super) fn filter(self) -> Result<AuditFilter, Problem> {
        for (name, text, max) in [
            ("event", &self.event, 1000),
            ("without", &self.without, 1000),
            ("actor", &self.actor, 200),
            ("target_kind", &self.target_kind, 32),
            ("target", &self.target, 600),
        ] {
            check_text(name, text.as_deref(), max)?;
        }
        let target = match (self.target_kind, self.target) {
            (None, Some(_)) => return Err(Problem::invalid("target", "give target_kind too")),
            (None, None) => None,
            (Some(kind), id) => Some((kind, id)),
        };
        let done = match self.outcome.as_deref() {
            None => None,
            Some("done") => Some(true),
            Some("refused") => Some(false),
            Some(_) => return Err(Problem::invalid("outcome", "give done or refused")),
        };
        Ok(AuditFilter {
            from: self.from_ms.map(UnixMillis),
            until: self.until_ms.map(UnixMillis),
            kinds: kinds("event", self.event.as_deref())?,
            without: kinds("without", self.without.as_deref())?,
            actor: self.actor,
            target,
            request: self.request_id,
            done,
        })
    }
}

/// The kinds that a parameter names; none where it is not there.
fn kinds(parameter: &'static str, names: Option<&str>) -> Result<Vec<EventKind>, Problem> {
    let names = names.into_iter().flat_map(|names| names.split(','));
    let kinds: Result<_, _> = names.map(|name| name.trim().parse()).collect();
    kinds.map_err(|error| Problem::invalid(parameter, error))
}
