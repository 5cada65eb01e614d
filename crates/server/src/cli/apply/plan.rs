//! What is there beside what is to be, and the steps from the one to the other.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use symbolon_admin_api::ClientForm;
use symbolon_core::user::ADMIN_SCOPES;
use symbolon_core::view::{ClientView, ScopeView};
use uuid::Uuid;

use super::form::{Difference, canonical, differences};
use super::wanted::{Places, Wanted};

/// What is to be done, and what is left alone.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) scopes: Vec<ScopeStep>,
    /// Those that are removed come last.
    pub(super) clients: Vec<ClientStep>,
    /// How many are as the files say.
    pub(super) unchanged: usize,
    /// What no file names and stays all the same.
    pub(super) kept: Vec<Kept>,
    /// How many scopes are on the register before any step.
    pub(super) registered: usize,
    /// Who serves which audience before any step, by the client id.
    pub(super) served: BTreeMap<String, String>,
    /// Where the clients and scopes of the files stand.
    pub(super) places: Places,
}

/// One scope.
#[derive(Debug)]
pub(super) struct ScopeStep {
    pub(super) name: String,
    /// What the register says; nothing where it is not there.
    pub(super) present: Option<String>,
    /// What it is to say; nothing where it is to go.
    pub(super) wanted: Option<String>,
}

/// One client.
#[derive(Debug)]
pub(super) struct ClientStep {
    pub(super) client_id: String,
    /// The client as it is; nothing where it is not there.
    pub(super) present: Option<Present>,
    /// As it is to be; nothing where it is to go.
    pub(super) wanted: Option<ClientForm>,
}

/// A client that is there.
#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) uid: Uuid,
    pub(super) form: ClientForm,
}

/// Something that no file names and that stays.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) why: Why,
}

/// Why it stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// It is admin scope, or has some.
    AdminScope,
    /// It is the client that this command acts as.
    LoggedIn,
    /// `--prune` was not given.
    NotPruned,
}

impl Why {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::AdminScope => "admin_scope",
            Self::LoggedIn => "logged_in",
            Self::NotPruned => "not_pruned",
        }
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Doing {
    Add,
    Change,
    Remove,
}

impl Doing {
    fn of<A, B>(present: Option<&A>, wanted: Option<&B>) -> Self {
        match (present, wanted) {
            (None, _) => Self::Add,
            (Some(_), Some(_)) => Self::Change,
            (Some(_), None) => Self::Remove,
        }
    }
}

impl ScopeStep {
    pub(super) fn doing(&self) -> Doing {
        Doing::of(self.present.as_ref(), self.wanted.as_ref())
    }

    pub(super) fn differences(&self) -> Vec<Difference> {
        vec![Difference {
            field: "description".to_owned(),
            old: json!(self.present),
            new: json!(self.wanted),
        }]
    }
}

impl ClientStep {
    pub(super) fn doing(&self) -> Doing {
        Doing::of(self.present.as_ref(), self.wanted.as_ref())
    }

    pub(super) fn differences(&self) -> Vec<Difference> {
        differences(
            self.present.as_ref().map(|present| &present.form),
            self.wanted.as_ref(),
        )
    }

    /// Whether it can be done in two parts: first only what it serves, then the rest.
    pub(super) fn ahead(&self) -> Option<ClientForm> {
        let wanted = self.wanted.as_ref()?;
        let now = match &self.present {
            Some(present) => present.form.clone(),
            None => ClientForm {
                grants: Vec::new(),
                scope: String::new(),
                default_scope: String::new(),
                audiences: Vec::new(),
                ..wanted.clone()
            },
        };
        (!wanted.serves.is_empty()).then(|| ClientForm {
            serves: wanted.serves.clone(),
            ..now
        })
    }
}

impl Present {
    pub(super) fn of(view: ClientView) -> Self {
        Self {
            uid: view.uid,
            form: canonical(ClientForm::from(view)),
        }
    }
}

/// What is to be removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prune<'a> {
    /// Whether anything is.
    pub(super) asked: bool,
    /// The client that this command acts as, where it is one.
    pub(super) login: Option<&'a str>,
}

impl Prune<'_> {
    /// Why something that no file names stays, where it does.
    fn spares(&self, client_id: Option<&str>, scope: &str) -> Option<Why> {
        if !self.asked {
            Some(Why::NotPruned)
        } else if client_id.is_some() && client_id == self.login {
            Some(Why::LoggedIn)
        } else {
            let is_admin = scope.split(' ').any(|scope| ADMIN_SCOPES.contains(&scope));
            is_admin.then_some(Why::AdminScope)
        }
    }
}

impl Plan {
    pub(super) fn new(
        wanted: Wanted,
        clients: Vec<ClientView>,
        scopes: Vec<ScopeView>,
        prune: Prune<'_>,
    ) -> Self {
        let mut plan = Self {
            registered: scopes.len(),
            places: wanted.places,
            ..Self::default()
        };
        plan.take_scopes(wanted.scopes, scopes, prune);
        plan.take_clients(wanted.clients, clients, prune);
        plan
    }

    fn take_scopes(&mut self, wanted: BTreeMap<String, String>, there: Vec<ScopeView>, prune: Prune<'_>) {
        let mut there: BTreeMap<_, _> = there
            .into_iter()
            .map(|view| (view.name, view.description))
            .collect();
        for (name, description) in wanted {
            let present = there.remove(&name);
            if present.as_ref() == Some(&description) {
                self.unchanged += 1;
                continue;
            }
            self.scopes.push(ScopeStep {
                name,
                present,
                wanted: Some(description),
            });
        }
        for (name, description) in there {
            match prune.spares(None, &name) {
                Some(why) => self.kept.push(Kept {
                    kind: "scope",
                    name,
                    why,
                }),
                None => self.scopes.push(ScopeStep {
                    name,
                    present: Some(description),
                    wanted: None,
                }),
            }
        }
    }

    fn take_clients(
        &mut self,
        wanted: BTreeMap<String, ClientForm>,
        there: Vec<ClientView>,
        prune: Prune<'_>,
    ) {
        let there = there
            .into_iter()
            .map(|view| (view.client_id.clone(), Present::of(view)));
        let mut there: BTreeMap<_, _> = there.collect();
        for (client_id, present) in &there {
            let served = present.form.serves.iter();
            self.served
                .extend(served.map(|served| (served.audience.clone(), client_id.clone())));
        }
        for (client_id, form) in wanted {
            let present = there.remove(&client_id);
            let is_same = |present: &Present| differences(Some(&present.form), Some(&form)).is_empty();
            if present.as_ref().is_some_and(is_same) {
                self.unchanged += 1;
                continue;
            }
            self.clients.push(ClientStep {
                client_id,
                present,
                wanted: Some(form),
            });
        }
        for (client_id, present) in there {
            match prune.spares(Some(&client_id), &present.form.scope) {
                Some(why) => self.kept.push(Kept {
                    kind: "client",
                    name: client_id,
                    why,
                }),
                None => self.clients.push(ClientStep {
                    client_id,
                    present: Some(present),
                    wanted: None,
                }),
            }
        }
    }
}

/// A difference for scripts.
pub(super) fn as_json(differences: &[Difference]) -> Value {
    let pair = |found: &Difference| (found.field.clone(), json!({ "old": found.old, "new": found.new }));
    differences
        .iter()
        .map(pair)
        .collect::<serde_json::Map<_, _>>()
        .into()
}
