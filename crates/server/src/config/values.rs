//! The sources laid over each other: for each setting one text and its origin, not yet judged.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::environment::{self, Variable};
use super::finding::{Finding, Origin};
use super::kind::Kind;
use super::parse;
use super::sources::{ConfigFile, Sources};
use super::suggest;
use super::table::{ENVIRONMENT_PREFIX, Pointer, Preset, Setting, Spec, TABLE, Target};
use super::toml_file;

/// Permission bits that let others than the owner read.
const READABLE_BY_OTHERS: u32 = 0o044;

/// What somebody set.
enum Given {
    /// A value that a finding has refused already.
    Refused(Origin),
    /// A text, secret or not.
    Text { text: SecretString, origin: Origin },
}

impl Given {
    fn origin(&self) -> &Origin {
        match self {
            Self::Refused(origin) | Self::Text { origin, .. } => origin,
        }
    }
}

/// The values of all settings, and what was found while they were read.
pub(super) struct Values {
    given: BTreeMap<&'static str, Given>,
    pub(super) errors: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    /// The file is not TOML, so that nothing can be said of what it sets or leaves out.
    pub(super) file_unreadable: bool,
}

impl Values {
    pub(super) fn read(sources: &Sources) -> Self {
        let mut layers = Layers::of(sources);
        layers.secrets(sources);
        Self::laid(layers, sources)
    }

    /// The same without the secrets that are given by file or by command.
    pub(super) fn without_secrets(sources: &Sources) -> Self {
        Self::laid(Layers::of(sources), sources)
    }

    fn laid(mut layers: Layers, sources: &Sources) -> Self {
        let file_unreadable = layers.file_unreadable;
        layers.overrides(sources);
        Self {
            given: layers.inline,
            errors: layers.errors,
            warnings: layers.warnings,
            file_unreadable,
        }
    }

    /// The typed value; `None` where nothing is set and nothing need be.
    ///
    /// # Errors
    /// What is wrong with the value, or `None` where that has been said already.
    pub(super) fn parse<T>(&self, setting: &Setting<T>) -> Result<Option<T>, Option<Finding>> {
        let spec = &setting.spec;
        let judge = |text: &str| {
            (setting.parse)(spec.kind, text)
                .map(Some)
                .map_err(|problem| Some(self.finding(spec, problem.wrong, problem.remedy)))
        };
        match (self.given.get(spec.key), spec.preset) {
            (Some(Given::Refused(_)), _) => Err(None),
            (Some(Given::Text { text, .. }), _) => judge(text.expose_secret()),
            (None, Preset::Value(text)) => judge(text),
            (None, Preset::Unset) => Ok(None),
            (None, Preset::Required(_)) => Err(Some(self.missing(spec))),
        }
    }

    /// The typed value if there is one and it is sound.
    pub(super) fn sound<T>(&self, setting: &Setting<T>) -> Option<T> {
        self.parse(setting).ok().flatten()
    }

    /// Whether somebody set it, soundly or not.
    pub(super) fn is_set(&self, spec: &Spec) -> bool {
        self.given.contains_key(spec.key)
    }

    /// Where the value in force was read.
    pub(super) fn origin(&self, spec: &Spec) -> Origin {
        match (self.given.get(spec.key), spec.preset) {
            (Some(given), _) => given.origin().clone(),
            (None, Preset::Value(_)) => Origin::Default,
            (None, Preset::Required(_) | Preset::Unset) => Origin::NotSet,
        }
    }

    /// The value as it may be shown.
    pub(super) fn shown(&self, spec: &Spec) -> String {
        match (self.given.get(spec.key), spec.preset) {
            (Some(Given::Refused(_)), _) => "(refused)".to_owned(),
            (Some(Given::Text { text, .. }), _) if text.expose_secret().is_empty() => "(empty)".to_owned(),
            (Some(Given::Text { text, .. }), _) => spec.kind.shown(text.expose_secret()),
            (None, Preset::Value("")) => "(empty)".to_owned(),
            (None, Preset::Value(text)) => text.to_owned(),
            (None, Preset::Required(_) | Preset::Unset) => "(not set)".to_owned(),
        }
    }

    /// A finding about a setting's value; the remedy is the kind's own words unless another is given.
    pub(super) fn finding(&self, spec: &Spec, wrong: String, remedy: Option<String>) -> Finding {
        Finding {
            setting: spec.key.to_owned(),
            origin: self.origin(spec),
            wrong,
            remedy: remedy.unwrap_or_else(|| format!("give {}", spec.kind.expects())),
        }
    }

    fn missing(&self, spec: &Spec) -> Finding {
        let variable = spec.variable();
        let either = |pointer| {
            let (key, variable) = (spec.pointer_key(pointer)?, spec.pointer_variable(pointer)?);
            Some(format!("`{key}` or {variable}"))
        };
        let remedy = match (either(Pointer::File), either(Pointer::Command)) {
            (Some(file), Some(command)) => format!(
                "name a file that holds it with {file}, or a command that writes it with {command}, or give it \
                 with {variable}"
            ),
            _ => format!("set it in the configuration file or with {variable}"),
        };
        self.finding(spec, "it is required and has no default".to_owned(), Some(remedy))
    }
}

/// The layers, as far as they have been laid.
#[derive(Default)]
struct Layers {
    inline: BTreeMap<&'static str, Given>,
    /// Where secrets are, by the key of the secret: paths of files and command lines.
    pointers: BTreeMap<(&'static str, Pointer), Given>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    file_unreadable: bool,
}

impl Layers {
    /// The file, and the environment above it.
    fn of(sources: &Sources) -> Self {
        let mut layers = Self::default();
        if let Some(file) = &sources.file {
            layers.file(file);
        }
        layers.environment(&sources.environment);
        layers
    }

    fn file(&mut self, file: &ConfigFile) {
        let content = toml_file::read(&file.path, &file.content.text);
        self.file_unreadable = content.unreadable;
        self.errors.extend(content.findings);
        for entry in content.entries {
            if let (Target::Setting(spec), Some(text)) = (entry.target, &entry.text) {
                self.warn_if_readable(spec, &entry.origin, text, file.content.mode);
            }
            let given = match entry.text {
                Some(text) => Given::Text {
                    text: text.into(),
                    origin: entry.origin,
                },
                None => Given::Refused(entry.origin),
            };
            self.lay(entry.target, given);
        }
    }

    fn environment(&mut self, variables: &BTreeMap<String, String>) {
        for (name, value) in variables
            .iter()
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
        {
            match environment::judge(name, value) {
                Variable::Foreign => {}
                Variable::Sets(target) => {
                    let origin = Origin::Environment {
                        variable: name.clone(),
                    };
                    self.lay(
                        target,
                        Given::Text {
                            text: value.as_str().into(),
                            origin,
                        },
                    );
                }
                Variable::Unknown(finding) => self.errors.push(finding),
            }
        }
    }

    fn lay(&mut self, target: Target, given: Given) {
        match target {
            Target::Pointer(pointer, spec) => self.pointers.insert((spec.key, pointer), given),
            Target::Setting(spec) => self.inline.insert(spec.key, given),
        };
    }

    /// Reads the secrets that are given by file or by command, unless an override makes that needless.
    fn secrets(&mut self, sources: &Sources) {
        for spec in TABLE.iter().filter(|spec| spec.is_secret()) {
            let mut pointers: Vec<_> = Pointer::ALL
                .into_iter()
                .filter_map(|pointer| Some((pointer, self.pointers.remove(&(spec.key, pointer))?)))
                .collect();
            if sources.overrides.iter().any(|set| set.key == spec.key) {
                continue;
            }
            let given = match (self.inline.remove(spec.key), pointers.pop()) {
                (Some(inline), None) => inline,
                (None, Some((pointer, at))) if pointers.is_empty() => self.follow(spec, pointer, at, sources),
                (None, None) => continue,
                (inline, last) => {
                    pointers.extend(last);
                    self.given_twice(spec, inline, pointers)
                }
            };
            self.inline.insert(spec.key, given);
        }
    }

    /// Refuses a secret that is given in several ways, wherever each stands.
    fn given_twice(&mut self, spec: &Spec, inline: Option<Given>, pointers: Vec<(Pointer, Given)>) -> Given {
        let mut ways = inline
            .into_iter()
            .map(|given| ("itself", given.origin().clone()))
            .chain(
                pointers
                    .iter()
                    .map(|(pointer, given)| (pointer.name(), given.origin().clone())),
            );
        let origin = ways.next().map_or(Origin::NotSet, |(_, origin)| origin);
        let others: Vec<_> = ways.map(|(way, origin)| format!("by {way} ({origin})")).collect();
        self.errors.push(Finding {
            setting: spec.key.to_owned(),
            origin: origin.clone(),
            wrong: format!("the secret is also given {}", others.join(" and ")),
            remedy: "keep one of them".to_owned(),
        });
        Given::Refused(origin)
    }

    /// Reads the secret that is where `at` says.
    fn follow(&mut self, spec: &Spec, pointer: Pointer, at: Given, sources: &Sources) -> Given {
        match at {
            Given::Refused(origin) => Given::Refused(origin),
            Given::Text { text, origin } => {
                let text = text.expose_secret();
                match pointer {
                    Pointer::Command => self.secret_command(spec, text, origin, sources),
                    Pointer::File => self.secret_file(spec, text, origin, sources),
                }
            }
        }
    }

    fn secret_command(&mut self, spec: &Spec, line: &str, named_by: Origin, sources: &Sources) -> Given {
        let setting = spec.pointer_key(Pointer::Command).unwrap_or_default();
        let output = parse::command(Kind::Command, line)
            .map_err(|problem| problem.wrong)
            .and_then(|line| (sources.run_command)(line).map_err(|error| error.to_string()));
        let wrong = match output {
            Ok(output) if !output.trim().is_empty() => {
                return Given::Text {
                    text: output.trim().into(),
                    origin: Origin::SecretCommand {
                        setting,
                        named_by: Box::new(named_by),
                    },
                };
            }
            Ok(_) => "the command wrote nothing".to_owned(),
            Err(wrong) => wrong,
        };
        self.errors.push(Finding {
            setting,
            origin: named_by.clone(),
            wrong,
            remedy: "give a command line that writes nothing but the secret, and ends with status 0"
                .to_owned(),
        });
        Given::Refused(named_by)
    }

    fn secret_file(&mut self, spec: &Spec, path: &str, named_by: Origin, sources: &Sources) -> Given {
        let refuse = |wrong: String, origin: &Origin| Finding {
            setting: spec.pointer_key(Pointer::File).unwrap_or_default(),
            origin: origin.clone(),
            wrong,
            remedy: "name a file that holds the secret and that this process may read".to_owned(),
        };
        let path = match parse::path(Kind::Path, path) {
            Ok(path) => path,
            Err(problem) => {
                self.errors.push(refuse(problem.wrong, &named_by));
                return Given::Refused(named_by);
            }
        };
        match (sources.read_file)(&path) {
            Ok(content) => {
                let origin = Origin::SecretFile {
                    named_by: Box::new(named_by),
                    path,
                };
                self.warn_if_readable(spec, &origin, &content.text, content.mode);
                Given::Text {
                    text: content.text.trim().into(),
                    origin,
                }
            }
            Err(error) => {
                self.errors.push(refuse(
                    format!("{} cannot be read: {error}", path.display()),
                    &named_by,
                ));
                Given::Refused(named_by)
            }
        }
    }

    fn warn_if_readable(&mut self, spec: &Spec, origin: &Origin, text: &str, mode: Option<u32>) {
        let readable = mode.is_some_and(|mode| mode & READABLE_BY_OTHERS != 0);
        if readable && spec.kind.hides(text) {
            self.warnings.push(Finding {
                setting: spec.key.to_owned(),
                origin: origin.clone(),
                wrong: "the file that holds this secret can be read by others than its owner".to_owned(),
                remedy: "take the right away with `chmod 600`".to_owned(),
            });
        }
    }

    fn overrides(&mut self, sources: &Sources) {
        for set in &sources.overrides {
            let origin = Origin::Override(set.origin.clone());
            if let Some(Target::Setting(spec)) = Target::of_key(&set.key) {
                self.inline.insert(
                    spec.key,
                    Given::Text {
                        text: set.value.clone(),
                        origin,
                    },
                );
            } else {
                let hint = suggest::hint(&set.key, TABLE.iter().map(|spec| spec.key));
                self.errors.push(Finding {
                    setting: set.key.clone(),
                    origin,
                    wrong: format!("there is no such setting{hint}"),
                    remedy: "correct or remove it".to_owned(),
                });
            }
        }
    }
}
