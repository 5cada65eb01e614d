//! Whether the server sees clients where a proxy stands in front of it.

use super::check::{Check, Name};
use crate::config::Settings;

/// Whether those who may say who the client is are the ones that stand in front.
pub(super) fn trusted(settings: &Settings) -> Check {
    let name = Name::ProxiesTrusted;
    let server = &settings.server;
    let count = server.trusted_proxies.len();
    if count > 0 {
        return Check::ok(
            name,
            format!("{count} networks are believed when they say who the client is"),
        );
    }
    // Plain HTTP off loopback without proxies is refused when the configuration is read, and so is a network of everybody.
    if server.tls.is_none() && settings.issuer.is_https() {
        return Check::warning(
            name,
            "the issuer is https and the server speaks plain HTTP on loopback, so that a proxy stands in front; it is not \
             declared, and every client looks as if it were this machine: what is counted by address is counted for all",
            "set `server.trusted_proxies` to the proxy's address, such as [\"127.0.0.1\"]",
        );
    }
    Check::ok(name, "no proxy is declared, and none seems to stand in front")
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn proxies_are_declared_where_they_stand() {
        let https = "issuer = \"https://login.example.org\"\n";
        let http = "issuer = \"http://127.0.0.1:8080\"\n";
        for (toml, outcome, says) in [
            (http.to_owned(), Outcome::Ok, "no proxy is declared"),
            (https.to_owned(), Outcome::Warning, "a proxy stands in front"),
            (
                format!("{https}server.trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]"),
                Outcome::Ok,
                "2 networks",
            ),
            (
                format!("{https}server.tls_certificate_file = \"c\"\nserver.tls_key_file = \"k\""),
                Outcome::Ok,
                "no proxy",
            ),
        ] {
            let check = trusted(&settings(&toml));
            assert_eq!(check.outcome, outcome, "{toml}: {check:?}");
            assert!(check.detail.contains(says), "{toml}: {check:?}");
        }
    }
}
