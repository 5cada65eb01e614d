//! What the files say is to be. All of it is checked, and everything that is wrong is told at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde_json::json;
use symbolon_admin_api::ClientForm;

use super::files::Source;
use super::form::canonical;
use super::node::{LineError, Member, Members, Node, Value};
use crate::cli::error::CliError;
use crate::cli::output::{Output, quoted};

/// Most faults that are shown.
const SHOWN: usize = 100;

/// What is to be.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The clients, in the form that the server would show them in, by client id.
    pub(super) clients: BTreeMap<String, ClientForm>,
    /// What the register is to say of each scope.
    pub(super) scopes: BTreeMap<String, String>,
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
    let Reader { wanted, faults, .. } = reader;
    for Fault { file, error } in faults.iter().take(SHOWN) {
        let object = json!({ "file": file, "line": error.line, "rule": error.rule });
        out.aside(&object, &format!("{file}:{}: {}", error.line, error.rule))?;
    }
    let shown = if faults.len() > SHOWN {
        format!(", of which {SHOWN} are shown")
    } else {
        String::new()
    };
    match faults.len() {
        0 if wanted.clients.is_empty() && wanted.scopes.is_empty() => Err(CliError::refused(
            "the files name no client and no scope",
            "write a table [[client]] or [[scope]]; nothing was changed",
        )),
        0 => Ok(wanted),
        1 => Err(CliError::refused(
            "1 fault in the files",
            "mend it; nothing was changed",
        )),
        count => Err(CliError::refused(
            format_args!("{count} faults in the files{shown}"),
            "mend them; nothing was changed",
        )),
    }
}

struct Fault {
    file: String,
    error: LineError,
}

#[derive(Default)]
struct Reader {
    file: String,
    wanted: Wanted,
    faults: Vec<Fault>,
    /// Where each name stands first, by kind and name.
    places: BTreeMap<(&'static str, String), String>,
}

impl Reader {
    fn fault(&mut self, error: LineError) {
        self.faults.push(Fault {
            file: self.file.clone(),
            error,
        });
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
        if self.is_first("client", &id, line_of(node, members, "client_id")) {
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
        if self.is_first("scope", &name, line_of(node, members, "name")) {
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

    /// Whether nothing of that kind had the name before.
    fn is_first(&mut self, kind: &'static str, name: &str, line: u64) -> bool {
        let key = (kind, name.to_owned());
        if let Some(place) = self.places.get(&key) {
            let rule = format!("{kind} {} is at {place} already", quoted(name));
            self.fault(LineError::new(line, rule));
            return false;
        }
        self.places.insert(key, format!("{}:{line}", self.file));
        true
    }
}

fn line_of(node: &Node, members: &[Member], name: &str) -> u64 {
    let found = members.iter().find(|member| member.name == name);
    found.map_or(node.line, |member| member.line)
}
