//! Whether the server would get the addresses that it is to listen on.

use std::io::ErrorKind;
use std::net::SocketAddr;

use super::Patient;
use super::check::{Check, Name, skip_rest};
use crate::config::Mode;
use crate::http::try_address;

const NAMES: [Name; 3] = [Name::ListenServer, Name::ListenManagement, Name::ListenAdmin];

/// Tries each address before a start: a server that runs has them.
pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let mut checks = Vec::new();
    if patient.runs {
        let why = "a running server has it: --before-start tries whether one would get it";
        skip_rest(&mut checks, &NAMES, why);
        return checks;
    }
    let settings = &patient.settings;
    // The development mode takes any free port for the others.
    let server = match patient.mode {
        Mode::Dev => "--listen",
        Mode::Production => "server.listen",
    };
    let listeners = [
        (server, settings.server.listen),
        ("management.listen", settings.management.listen),
        ("admin.listen", settings.admin.listen),
    ];
    let tried = NAMES.into_iter().zip(listeners);
    checks.extend(tried.map(|(name, (setting, address))| check(name, setting, address)));
    checks
}

/// One address: bound as the server would bind it, and given back.
fn check(name: Name, setting: &str, address: SocketAddr) -> Check {
    let Err(error) = try_address(address) else {
        let found = match address.port() {
            0 => format!("{}: any free port", address.ip()),
            _ => format!("{address} is free"),
        };
        return Check::ok(name, found);
    };
    let remedy = match error.kind() {
        ErrorKind::AddrInUse => format!(
            "stop what listens there (`ss -ltnp` names it), or give `{setting}` another port; if it is this server that \
             runs already, leave out --before-start"
        ),
        ErrorKind::AddrNotAvailable => format!("let `{setting}` be an address of this machine"),
        ErrorKind::PermissionDenied => format!(
            "give `{setting}` a port that the server's user may take, as those from 1024 are, or the server the right to it \
             (CAP_NET_BIND_SERVICE)"
        ),
        _ => format!("let `{setting}` be an address of this machine and a free port"),
    };
    Check::failed(
        name,
        format!("{address} of `{setting}` can't be had: {error}"),
        remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::super::tests::servers::{assert, serve};
    use super::super::tests::{patient, settings};
    use super::*;

    /// An address of a machine elsewhere ([RFC 5737](https://www.rfc-editor.org/rfc/rfc5737)).
    const ELSEWHERE: &str = "192.0.2.171:8080";

    #[tokio::test]
    async fn an_address_that_is_taken_or_not_of_this_machine_fails() {
        let taken = serve(axum::Router::new()).await;
        let toml = format!(
            "issuer = \"https://a.example\"\nserver.listen = \"{ELSEWHERE}\"\nserver.trusted_proxies = [\"10.0.0.1\"]\n\
             management.listen = \"{taken}\"\nadmin.listen = \"127.0.0.1:0\""
        );
        let mut patient = patient(settings(&toml));
        let found = checks(&patient);
        let [server, management, admin] = &found[..] else {
            panic!("{found:?}")
        };
        assert(server, Outcome::Failed, ELSEWHERE);
        let remedy = server.remedy.as_deref().unwrap();
        assert!(remedy.contains("`server.listen` be an address of this machine"));
        assert(management, Outcome::Failed, &taken.to_string());
        let remedy = management.remedy.as_deref().unwrap();
        assert!(remedy.contains("give `management.listen` another port"));
        assert(admin, Outcome::Ok, "any free port");

        patient.mode = Mode::Dev;
        let remedy = checks(&patient)[0].remedy.clone().unwrap();
        assert!(remedy.contains("`--listen`"), "{remedy}");
        patient.runs = true;
        for check in checks(&patient) {
            assert(&check, Outcome::Skipped, "--before-start");
        }
    }

    #[tokio::test]
    async fn an_address_that_was_tried_is_free_again() {
        let later = tokio::net::TcpSocket::new_v4().unwrap();
        later.set_reuseaddr(true).unwrap();
        later.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = later.local_addr().unwrap();
        let try_it = || check(Name::ListenServer, "server.listen", address);
        assert(&try_it(), Outcome::Ok, "is free");
        let _listener = later.listen(1).unwrap();
        assert(&try_it(), Outcome::Failed, "can't be had");
    }
}
