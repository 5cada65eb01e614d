//! Which environment variables are settings, which are mistakes, and which are somebody else's.

use super::finding::{Finding, Origin};
use super::kind::{Kind, quote};
use super::suggest;
use super::table::{self, ENVIRONMENT_PREFIX, Target};

/// What a variable sets.
pub(super) enum Variable {
    /// Nothing: an orchestrator's link to a service that happens to be called symbolon.
    Foreign,
    /// A setting, or the file of a secret.
    Sets(Target),
    /// Nothing that is known.
    Unknown(Finding),
}

/// Judges a variable whose name begins with `SYMBOLON_`.
pub(super) fn judge(name: &str, value: &str) -> Variable {
    if let Some(target) = Target::of_variable(name) {
        return Variable::Sets(target);
    }
    if is_service_link(name, value) {
        return Variable::Foreign;
    }
    let hint = suggest::hint(name, table::variables().iter().map(String::as_str));
    let name = quote(&Kind::Path.shown(name)).trim_matches('"').to_owned();
    Variable::Unknown(Finding {
        setting: name.clone(),
        origin: Origin::Environment { variable: name },
        wrong: format!("no setting has this variable{hint}"),
        remedy: "correct or unset it".to_owned(),
    })
}

/// Kubernetes and Docker put variables of these forms into every container beside a service named `symbolon`
/// (`SYMBOLON_SERVICE_HOST`, `SYMBOLON_PORT_8080_TCP_ADDR`) or `symbolon-something`. Refusing them would keep
/// the server from starting under its own name.
fn is_service_link(name: &str, value: &str) -> bool {
    let name = &name[ENVIRONMENT_PREFIX.len() - 1..];
    let is_port_of_service = || {
        let Some((_, rest)) = name.split_once("_PORT_") else {
            return false;
        };
        let mut parts = rest.split('_');
        let number = parts.next().is_some_and(|part| part.parse::<u16>().is_ok());
        let protocol = parts
            .next()
            .is_some_and(|part| ["TCP", "UDP", "SCTP"].contains(&part));
        number
            && protocol
            && matches!(parts.next(), None | Some("ADDR" | "PORT" | "PROTO"))
            && parts.next().is_none()
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT")
            && ["tcp://", "udp://", "sctp://"]
                .iter()
                .any(|scheme| value.starts_with(scheme)))
        || is_port_of_service()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_service_links_from_mistakes() {
        for (name, value) in [
            ("SYMBOLON_SERVICE_HOST", "10.0.0.1"),
            ("SYMBOLON_SERVICE_PORT", "80"),
            ("SYMBOLON_SERVICE_PORT_HTTP", "80"),
            ("SYMBOLON_PORT", "tcp://10.0.0.1:80"),
            ("SYMBOLON_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("SYMBOLON_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("SYMBOLON_METRICS_PORT_80_TCP_PROTO", "tcp"),
            ("SYMBOLON_METRICS_SERVICE_HOST", "10.0.0.1"),
        ] {
            assert!(matches!(judge(name, value), Variable::Foreign), "{name}");
        }
        for (name, value) in [
            ("SYMBOLON_PORT", "8080"),
            ("SYMBOLON_PORT_HTTP", "8080"),
            ("SYMBOLON_PORT_80_TCP_HOST", "x"),
            ("SYMBOLON_ISSUER_", "x"),
            ("SYMBOLON_", "x"),
        ] {
            assert!(matches!(judge(name, value), Variable::Unknown(_)), "{name}");
        }
    }

    #[test]
    fn no_setting_is_taken_for_a_service_link() {
        for name in table::variables() {
            assert!(matches!(judge(&name, "tcp://x"), Variable::Sets(_)), "{name}");
        }
    }
}
