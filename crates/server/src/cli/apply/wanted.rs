//! What the files say is to be. All of it is checked, and everything that is wrong is told at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use symbolon_admin_api::ClientForm;
use symbolon_oauth_types::ScopeToken;

use super::fault::{self, Fault};
use super::files::Source;
use super::form::canonical;
use super::node::{LineError, Member, Members, Node, Value};
use crate::cli::error::CliError;
use crate::cli::output::{Output, Remark, quoted};
use crate::cli::role::joined_by_comma;

/// What is to be.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The clients, in the form that the server would show them in, by client id.
    pub(super) clients: BTreeMap<String, ClientForm>,
    /// What the register is to say of each scope.
    pub(super) scopes: BTreeMap<String, String>,
    /// Where each stands.
    pub(super) places: Places,
}

/// Where things stand in the files.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<(&'static str, String), Place>);

#[derive(Debug)]
struct Place {
    file: String,
    /// That of its name.
    line: u64,
    node: Node,
}

impl Places {
    /// Something is wrong with a field of that client or scope, or, where it names none, with the whole.
    pub(super) fn fault(&self, kind: &'static str, name: &str, field: &str, rule: String) -> Fault {
        match self.0.get(&(kind, name.to_owned())) {
            Some(place) => {
                let line = place.node.line_of(field).unwrap_or(place.line);
                Fault::in_file(&place.file, LineError::new(line, rule))
            }
            None => Fault::with_record(kind, name, rule),
        }
    }
}

/// A table `[[scope]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ScopeEntry {
    name: Option<String>,
    description: Option<String>,
}

/// Reads what is wanted.
///
/// # Errors
/// Something in a file is wrong; each fault was written with its file and line.
pub(super) fn read(out: &mut Output<'_>, sources: &[Source]) -> Result<Wanted, CliError> {
    let mut reader = Reader::default();
    for source in sources {
        reader.file = source.path.to_string_lossy().into_owned();
        match source.format.read(&source.text) {
            Ok(node) => reader.document(&node),
            Err(errors) => errors.into_iter().for_each(|error| reader.fault(error)),
        }
    }
    let Reader {
        wanted,
        doubts,
        faults,
        ..
    } = reader;
    for doubt in &doubts {
        out.remark(Remark::Warning, &doubt.text())?;
    }
    if !faults.is_empty() {
        return Err(fault::tell(out, &faults, "the files")?);
    }
    if wanted.clients.is_empty() && wanted.scopes.is_empty() {
        return Err(CliError::refused(
            "the files name no client and no scope",
            "write a table [[client]] or [[scope]]; nothing was changed",
        ));
    }
    Ok(wanted)
}

#[derive(Default)]
struct Reader {
    file: String,
    wanted: Wanted,
    /// What may be a mistake, and is warned of.
    doubts: Vec<Fault>,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, error: LineError) {
        self.faults.push(Fault::in_file(&self.file, error));
    }

    /// Takes it for a doubt where a scope in that field looks like several.
    fn doubt_scope(&mut self, node: &Node, field: &str, scope: &str) {
        if let Some(rule) = joined_by_comma(scope) {
            let line = node.line_of(field).unwrap_or(node.line);
            let error = LineError::new(line, format_args!("{field}: {rule}"));
            self.doubts.push(Fault::in_file(&self.file, error));
        }
    }

    fn document(&mut self, node: &Node) {
        let members = match &node.value {
            Value::Null => &[],
            Value::Table(members) => members.as_slice(),
            _ => {
                return self.fault(LineError::new(
                    node.line,
                    "a file is a table of `client` and `scope`",
                ));
            }
        };
        for member in members {
            match member.name.as_str() {
                "client" => self.each(member, Self::client),
                "scope" => self.each(member, Self::scope),
                other => self.fault(LineError::new(
                    member.line,
                    format_args!("unknown field {}, expected `client` or `scope`", quoted(other)),
                )),
            }
        }
    }

    fn each(&mut self, list: &Member, read: fn(&mut Self, &Node, &[Member])) {
        let name = &list.name;
        let Value::List(items) = &list.node.value else {
            let rule = format!("{name} is a list: write [[{name}]] in TOML, or `- ` before each in YAML");
            return self.fault(LineError::new(list.line, rule));
        };
        for item in items {
            match &item.value {
                Value::Table(members) => read(self, item, members),
                _ => self.fault(LineError::new(item.line, format_args!("a {name} is a table"))),
            }
        }
    }

    fn client(&mut self, node: &Node, members: &[Member]) {
        let Some(form) = self.parse::<ClientForm>(node, members) else {
            return;
        };
        if form.name.is_empty() {
            self.fault(LineError::new(node.line, "missing field `name`"));
        }
        let Some(id) = form.client_id.clone() else {
            return self.fault(LineError::new(node.line, "missing field `client_id`"));
        };
        self.doubt_scope(node, "scope", &form.scope);
        self.doubt_scope(node, "default_scope", &form.default_scope);
        if self.is_first("client", &id, node, "client_id") {
            self.wanted.clients.insert(id, canonical(form));
        }
    }

    fn scope(&mut self, node: &Node, members: &[Member]) {
        let Some(entry) = self.parse::<ScopeEntry>(node, members) else {
            return;
        };
        if entry.description.is_none() {
            self.fault(LineError::new(node.line, "missing field `description`"));
        }
        let Some(name) = entry.name else {
            return self.fault(LineError::new(node.line, "missing field `name`"));
        };
        if let Err(error) = name.parse::<ScopeToken>() {
            let line = node.line_of("name").unwrap_or(node.line);
            return self.fault(LineError::new(line, format_args!("name: {error}")));
        }
        self.doubt_scope(node, "name", &name);
        if self.is_first("scope", &name, node, "name") {
            self.wanted
                .scopes
                .insert(name, entry.description.unwrap_or_default());
        }
    }

    /// Reads a table, each member by itself, so that one that is wrong hides no other.
    fn parse<T: for<'de> Deserialize<'de>>(&mut self, node: &Node, members: &[Member]) -> Option<T> {
        let before = self.faults.len();
        for member in members {
            if let Err(error) = T::deserialize(MapAccessDeserializer::new(Members::only(member))) {
                let LineError { line, rule } = error;
                // What is said of an unknown name holds the name already.
                let rule = if rule.starts_with("unknown field") {
                    rule
                } else {
                    format!("{}: {rule}", member.name)
                };
                self.fault(LineError::new(if line == 0 { member.line } else { line }, rule));
            }
        }
        if self.faults.len() > before {
            return None;
        }
        let read = T::deserialize(node);
        read.map_err(|error| self.fault(error)).ok()
    }

    /// Whether nothing of that kind had the name before, which stands in that field.
    fn is_first(&mut self, kind: &'static str, name: &str, node: &Node, field: &str) -> bool {
        let line = node.line_of(field).unwrap_or(node.line);
        let key = (kind, name.to_owned());
        if let Some(place) = self.wanted.places.0.get(&key) {
            let rule = format!(
                "{kind} {} is at {}:{} already",
                quoted(name),
                place.file,
                place.line
            );
            self.fault(LineError::new(line, rule));
            return false;
        }
        let place = Place {
            file: self.file.clone(),
            line,
            node: node.clone(),
        };
        self.wanted.places.0.insert(key, place);
        true
    }
}
