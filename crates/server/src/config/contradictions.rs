//! Settings that are each sound and cannot stand together.

use std::net::SocketAddr;

use super::finding::Finding;
use super::key_timings;
use super::kind::{algorithm_names, duration_text};
use super::load::{Mode, hash_threads};
use super::sources::Sources;
use super::store_contradictions;
use super::table::{self, Setting, Spec};
use super::values::Values;

/// Most memory that password hashing may take, in KiB: 8 GiB.
const HASH_MEMORY_KIB: u64 = 8 * 1024 * 1024;

/// Reports every contradiction between settings that are sound by themselves.
pub(super) fn check(
    values: &Values,
    sources: &Sources,
    mode: Mode,
    errors: &mut Vec<Finding>,
    warnings: &mut Vec<Finding>,
) {
    errors.extend(half_of_tls(values));
    errors.extend(plain_http_off_loopback(values, mode));
    errors.extend(http_issuer_off_loopback(values, mode));
    errors.extend(same_listener_twice(values));
    errors.extend(same_encryption_key_twice(values));
    errors.extend(default_algorithm_not_offered(values));
    errors.extend(streams_beyond_connections(values));
    errors.extend(idle_beyond_session(values));
    errors.extend(hash_memory(values, sources.cores.get()));
    errors.extend(store_contradictions::errors(values, mode));
    warnings.extend(store_contradictions::warnings(values));
    let dangerous = key_timings::dangers(values);
    if sources.dangerous_key_timings {
        warnings.extend(dangerous);
    } else {
        errors.extend(dangerous);
    }
    match mode {
        Mode::Dev => errors.extend(dev_off_loopback(values)),
        Mode::Production => warnings.extend(management_off_loopback(values)),
    }
}

fn half_of_tls(values: &Values) -> Option<Finding> {
    let (certificate, key) = (
        &table::SERVER_TLS_CERTIFICATE_FILE.spec,
        &table::SERVER_TLS_KEY_FILE.spec,
    );
    let (present, absent) = match (values.is_set(certificate), values.is_set(key)) {
        (true, false) => (certificate, key),
        (false, true) => (key, certificate),
        _ => return None,
    };
    Some(values.finding(
        present,
        format!("it is set without `{}`", absent.key),
        Some("set both for TLS, or neither for plain HTTP".to_owned()),
    ))
}

fn plain_http_off_loopback(values: &Values, mode: Mode) -> Vec<Finding> {
    let Some(proxies) = values.sound(&table::SERVER_TRUSTED_PROXIES) else {
        return Vec::new();
    };
    let tls = values.is_set(&table::SERVER_TLS_CERTIFICATE_FILE.spec)
        || values.is_set(&table::SERVER_TLS_KEY_FILE.spec);
    if mode != Mode::Production || tls || !proxies.is_empty() {
        return Vec::new();
    }
    // Passwords and tokens go over both.
    [&table::SERVER_LISTEN, &table::ADMIN_LISTEN]
        .into_iter()
        .filter_map(|setting| values.sound(setting).map(|listen| (&setting.spec, listen)))
        .filter(|(_, listen)| !is_loopback(*listen))
        .map(|(spec, listen)| {
            values.finding(
                spec,
                format!("{listen} would be served in plain HTTP to everybody, passwords and tokens included"),
                Some(
                    "set `server.tls_certificate_file` and `server.tls_key_file`, or declare the proxies that end \
                     TLS in `server.trusted_proxies`, or listen on 127.0.0.1"
                        .to_owned(),
                ),
            )
        })
        .collect()
}

fn http_issuer_off_loopback(values: &Values, mode: Mode) -> Option<Finding> {
    let issuer = values.sound(&table::ISSUER)?;
    let listen = values.sound(&table::SERVER_LISTEN)?;
    (mode == Mode::Production && !issuer.is_https() && !is_loopback(listen)).then(|| {
        values.finding(
            &table::ISSUER.spec,
            format!(
                "{issuer} is a plain http issuer, yet the server listens on {listen} ({})",
                values.origin(&table::SERVER_LISTEN.spec)
            ),
            Some("give the public https URL, or listen on 127.0.0.1".to_owned()),
        )
    })
}

fn same_listener_twice(values: &Values) -> Vec<Finding> {
    let listeners = [
        &table::SERVER_LISTEN,
        &table::MANAGEMENT_LISTEN,
        &table::ADMIN_LISTEN,
    ];
    let mut findings = Vec::new();
    for (position, later) in listeners.iter().enumerate() {
        for earlier in &listeners[..position] {
            findings.extend(same_listener(values, earlier, later));
        }
    }
    findings
}

fn same_listener(
    values: &Values,
    earlier: &Setting<SocketAddr>,
    later: &Setting<SocketAddr>,
) -> Option<Finding> {
    let (taken, wanted) = (values.sound(earlier)?, values.sound(later)?);
    let overlap = taken.ip() == wanted.ip() || taken.ip().is_unspecified() || wanted.ip().is_unspecified();
    (overlap && taken.port() != 0 && taken.port() == wanted.port()).then(|| {
        values.finding(
            &later.spec,
            format!(
                "{wanted} is taken by `{}`, {taken} ({})",
                earlier.spec.key,
                values.origin(&earlier.spec)
            ),
            Some("give each listener a port of its own".to_owned()),
        )
    })
}

fn same_encryption_key_twice(values: &Values) -> Option<Finding> {
    let current = values.sound(&table::KEYS_ENCRYPTION_KEY)?;
    let previous = values.sound(&table::KEYS_PREVIOUS_ENCRYPTION_KEY)?;
    (current.id() == previous.id()).then(|| {
        values.finding(
            &table::KEYS_PREVIOUS_ENCRYPTION_KEY.spec,
            format!(
                "it is the same key as `keys.encryption_key` ({})",
                values.origin(&table::KEYS_ENCRYPTION_KEY.spec)
            ),
            Some(
                "give the key that `keys.encryption_key` was before, or unset it once `symbolon keys rewrap` \
                 has been run"
                    .to_owned(),
            ),
        )
    })
}

fn default_algorithm_not_offered(values: &Values) -> Option<Finding> {
    let algorithms = values.sound(&table::KEYS_ALGORITHMS)?;
    let default = values.sound(&table::KEYS_DEFAULT_ALGORITHM)?;
    (!algorithms.contains(&default)).then(|| {
        values.finding(
            &table::KEYS_DEFAULT_ALGORITHM.spec,
            format!(
                "{default} is not among `keys.algorithms`, {} ({})",
                algorithm_names(&algorithms),
                values.origin(&table::KEYS_ALGORITHMS.spec)
            ),
            Some("add it to `keys.algorithms` or choose one of those".to_owned()),
        )
    })
}

/// A stream holds its connection: as many as there may be would leave none for tokens.
fn streams_beyond_connections(values: &Values) -> Option<Finding> {
    let streams = values.sound(&table::FEED_MAX_STREAMS)?;
    let connections = values.sound(&table::SERVER_MAX_CONNECTIONS)?;
    (streams >= connections).then(|| {
        values.finding(
            &table::FEED_MAX_STREAMS.spec,
            format!(
                "{streams} streams would leave nobody else a connection: `server.max_connections` is {connections} ({})",
                values.origin(&table::SERVER_MAX_CONNECTIONS.spec)
            ),
            Some("lower it or raise `server.max_connections`".to_owned()),
        )
    })
}

fn idle_beyond_session(values: &Values) -> Option<Finding> {
    let idle = values.sound(&table::TOKENS_REFRESH_IDLE_LIFETIME)?;
    let session = values.sound(&table::TOKENS_SESSION_LIFETIME)?;
    (idle > session).then(|| {
        values.finding(
            &table::TOKENS_REFRESH_IDLE_LIFETIME.spec,
            format!(
                "{} is longer than `tokens.session_lifetime`, {} ({})",
                duration_text(idle),
                duration_text(session),
                values.origin(&table::TOKENS_SESSION_LIFETIME.spec)
            ),
            Some("shorten it or lengthen the session".to_owned()),
        )
    })
}

fn hash_memory(values: &Values, cores: usize) -> Option<Finding> {
    let memory = values.sound(&table::PASSWORDS_MEMORY_KIB)?;
    let threads = hash_threads(values.sound(&table::PASSWORDS_HASH_THREADS)?, cores);
    let total = u64::from(memory).saturating_mul(threads as u64);
    (total > HASH_MEMORY_KIB).then(|| {
        values.finding(
            &table::PASSWORDS_MEMORY_KIB.spec,
            format!(
                "{memory} KiB x {threads} threads (`passwords.hash_threads`, {}) = {total} KiB, above the limit of \
                 {HASH_MEMORY_KIB} KiB (8 GiB)",
                values.origin(&table::PASSWORDS_HASH_THREADS.spec)
            ),
            Some("lower either of the two".to_owned()),
        )
    })
}

fn dev_off_loopback(values: &Values) -> Vec<Finding> {
    [
        &table::SERVER_LISTEN,
        &table::MANAGEMENT_LISTEN,
        &table::ADMIN_LISTEN,
    ]
    .into_iter()
    .filter_map(|setting| values.sound(setting).map(|listen| (&setting.spec, listen)))
    .filter(|(_, listen)| !is_loopback(*listen))
    .map(|(spec, listen): (&Spec, _)| {
        let remedy = "give an address such as 127.0.0.1:8080, or start without --dev".to_owned();
        values.finding(
            spec,
            format!("{listen} is not loopback, where alone --dev listens"),
            Some(remedy),
        )
    })
    .collect()
}

fn management_off_loopback(values: &Values) -> Option<Finding> {
    let listen = values.sound(&table::MANAGEMENT_LISTEN)?;
    (!is_loopback(listen)).then(|| {
        values.finding(
            &table::MANAGEMENT_LISTEN.spec,
            format!("{listen} is not loopback: whoever reaches it reads the metrics"),
            Some("keep the port behind a firewall, or listen on 127.0.0.1".to_owned()),
        )
    })
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
