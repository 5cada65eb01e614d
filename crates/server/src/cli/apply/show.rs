//! The plan, and what came of it, for people and for scripts.

use std::fmt::Write as _;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::form::Difference;
use super::make::{Came, Outcome};
use super::plan::{Doing, Kept, Plan, Why, as_json};
use crate::cli::output::{escape, quoted};

/// A step as it is shown.
#[derive(Debug)]
pub(super) struct Line {
    kind: &'static str,
    name: String,
    doing: Doing,
    differences: Vec<Difference>,
}

impl Doing {
    fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Change => '~',
            Self::Remove => '-',
        }
    }

    /// In the past: what was done, or would be.
    fn done(self) -> &'static str {
        match self {
            Self::Add => "added",
            Self::Change => "changed",
            Self::Remove => "removed",
        }
    }
}

impl Line {
    /// The steps of a plan before they are taken: scopes, then clients.
    pub(super) fn all(plan: &Plan) -> Vec<Self> {
        let scopes = plan.scopes.iter().map(|step| Self {
            kind: "scope",
            name: step.name.clone(),
            doing: step.doing(),
            differences: step.differences(),
        });
        let clients = plan.clients.iter().map(|step| Self {
            kind: "client",
            name: step.client_id.clone(),
            doing: step.doing(),
            differences: step.differences(),
        });
        scopes.chain(clients).collect()
    }

    /// What it is about.
    pub(super) fn subject(&self) -> String {
        format!("{} {}", self.kind, quoted(&self.name))
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} {} {}",
            self.doing.sign(),
            self.kind,
            escape(&self.name, false)
        );
        for Difference { field, old, new } in &self.differences {
            let (old, new) = (told(old), told(new));
            let change = match self.doing {
                Doing::Add => new,
                Doing::Change => format!("{old} -> {new}"),
                Doing::Remove => old,
            };
            let _ = write!(text, "\n    {field}: {change}");
        }
        text
    }

    /// For scripts; with what came of it where it was tried.
    fn object(&self, outcome: Option<&Outcome>) -> Value {
        let mut object = json!({
            "change": self.doing.done(),
            "kind": self.kind,
            "name": self.name,
            "fields": as_json(&self.differences),
        });
        let Some(outcome) = outcome else { return object };
        object["done"] = json!(outcome.error.is_none());
        if let Some(error) = &outcome.error {
            object["error"] = json!({ "error": error.kind.as_str(), "message": error.to_string() });
        }
        if let Some(secret) = &outcome.secret {
            object["client_secret"] = json!(secret.0.expose_secret());
        }
        object
    }
}

/// A value on one line; `-` for the server's own.
fn told(value: &Value) -> String {
    if value.is_null() {
        "-".to_owned()
    } else {
        escape(&value.to_string(), false)
    }
}

/// The steps, for people.
pub(super) fn steps(lines: &[Line]) -> String {
    lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
}

/// How many are added, changed and removed.
pub(super) fn counts(lines: &[Line], done: impl Fn(usize) -> bool) -> String {
    let count = |doing| {
        let counted = lines
            .iter()
            .enumerate()
            .filter(|(index, line)| line.doing == doing && done(*index));
        counted.count()
    };
    format!(
        "{} added, {} changed, {} removed",
        count(Doing::Add),
        count(Doing::Change),
        count(Doing::Remove)
    )
}

/// Everything, for scripts.
pub(super) fn object(plan: &Plan, lines: &[Line], came: Option<&Came>) -> Value {
    let outcomes: Vec<_> = came.iter().flat_map(|came| came.in_order()).collect();
    let step = |(index, line): (usize, &Line)| line.object(outcomes.get(index).copied());
    let kept = |kept: &Kept| json!({ "kind": kept.kind, "name": kept.name, "why": kept.why.as_str() });
    json!({
        "applied": came.is_some(),
        "changes": lines.iter().enumerate().map(step).collect::<Vec<_>>(),
        "kept": plan.kept.iter().map(kept).collect::<Vec<_>>(),
        "unchanged": plan.unchanged,
    })
}

/// What stays although no file names it, for people: one note for all that `--prune` would remove, and one for each that it
/// spares.
pub(super) fn kept(plan: &Plan) -> Vec<String> {
    let mut notes: Vec<_> = plan.kept.iter().filter_map(spared).collect();
    let unnamed = plan.kept.iter().filter(|kept| kept.why == Why::NotPruned).count();
    if unnamed > 0 {
        notes.push(format!(
            "{unnamed} on the server are in no file and stay; --prune removes them"
        ));
    }
    notes
}

fn spared(kept: &Kept) -> Option<String> {
    let why = match kept.why {
        Why::AdminScope if kept.kind == "scope" => "it opens the admin API",
        Why::AdminScope => "it has admin scope: delete it with `symbolon client delete` if it must go",
        Why::LoggedIn => "this command acts as it",
        Why::NotPruned => return None,
    };
    Some(format!(
        "{} {} is in no file and stays: {why}",
        kept.kind,
        quoted(&kept.name)
    ))
}
