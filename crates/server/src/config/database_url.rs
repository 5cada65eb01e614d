//! The URL of the database: `sqlite:` and a path, or `postgres://`, which may hold a password.

use symbolon_store_redis::UrlError;
use symbolon_store_sql::URL_PARAMETERS;
use url::Url;

use super::kind::{Kind, printable, quote};
use super::parse::{self, Problem};

const SSL_MODES: [&str; 6] = [
    "allow",
    "disable",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// Accepts what a store exists for, and nothing that would be lost at a restart.
pub(super) fn parse(kind: Kind, text: &str) -> Result<String, Problem> {
    let text = parse::bounded(kind, text.trim())?;
    match text.strip_prefix("sqlite:") {
        Some(location) => sqlite(&kind.quoted(text), location)?,
        None => drop(postgres(text)?),
    }
    Ok(text.to_owned())
}

/// Whether an accepted URL names a file of SQLite; otherwise it is PostgreSQL.
pub(super) fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

/// The URL as it may be shown: the whole of it for SQLite, without the password for PostgreSQL, and nothing but the
/// scheme where it is not understood, because then nobody knows where a password begins.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim();
    if is_sqlite(text) {
        return printable(text);
    }
    let Ok(mut url) = postgres(text) else {
        return hidden(text);
    };
    match url.password() {
        None => printable(text),
        Some(_) => match url.set_password(Some("***")) {
            Ok(()) => url.into(),
            Err(()) => hidden(text),
        },
    }
}

/// What is shown of a URL that is not understood.
pub(super) fn hidden(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => format!("{scheme}:(hidden)"),
        _ => "(hidden)".to_owned(),
    }
}

/// The refusal of a scheme that is not supported.
pub(super) fn unsupported(text: &str, what: &str, remedy: &str) -> Problem {
    let wrong = match text.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => format!("the scheme {} is not supported", quote(scheme)),
        _ => format!("it is not the URL of {what}"),
    };
    Problem {
        wrong,
        remedy: Some(remedy.to_owned()),
    }
}

/// The refusal of credentials in which a character that divides URLs stands by itself: they would end there, and the rest
/// of the password would be taken for something that is shown.
pub(super) fn divided() -> Problem {
    Problem {
        wrong: UrlError::Divided.to_string(),
        remedy: Some("write %23 for #, %2F for /, %3F for ? and %40 for @".to_owned()),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn sqlite(quoted: &str, location: &str) -> Result<(), Problem> {
    let (file, options) = location.split_once('?').unwrap_or((location, ""));
    if file.trim_start_matches('/').is_empty() {
        return Err(format!("{quoted} names no file").into());
    }
    if file.ends_with(":memory:") || options.split('&').any(|option| option == "mode=memory") {
        return Err(format!("{quoted} is lost at every restart").into());
    }
    Ok(())
}

fn postgres(text: &str) -> Result<Url, Problem> {
    let Some(rest) = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
    else {
        return Err(unsupported(
            text,
            "a database",
            "use SQLite, such as \"sqlite:symbolon.db\", or PostgreSQL, such as \
             \"postgres://user:password@host:5432/database\"",
        ));
    };
    let credentials = rest.rsplit_once('@').map(|(credentials, _)| credentials);
    if credentials.is_some_and(|credentials| credentials.contains(['/', '?', '#', '@'])) {
        return Err(divided());
    }
    // The words of these errors never quote the URL.
    let url = Url::parse(text).map_err(|error| Problem::from(format!("it is not a URL: {error}")))?;
    if url.fragment().is_some() {
        return Err("it has a fragment".to_owned().into());
    }
    parameters(&url)?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    if !has_host && !url.query_pairs().any(|(name, _)| name == "host") {
        return Err("it names no host".to_owned().into());
    }
    let database = url.path().strip_prefix('/').unwrap_or_default();
    if database.is_empty() || database.contains('/') {
        return Err("it does not name one database behind the host".to_owned().into());
    }
    Ok(url)
}

fn parameters(url: &Url) -> Result<(), Problem> {
    for (name, value) in url.query_pairs() {
        if !URL_PARAMETERS.contains(&name.as_ref()) {
            return Err(Problem {
                wrong: "it has a parameter that is not known".to_owned(),
                remedy: Some(format!(
                    "use none but {}; user and password stand before the host",
                    URL_PARAMETERS.join(", ")
                )),
            });
        }
        if name == "sslmode" && !SSL_MODES.contains(&value.as_ref()) {
            return Err(Problem {
                wrong: "its sslmode is not known".to_owned(),
                remedy: Some(format!("use one of {}", SSL_MODES.join(", "))),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_postgresql_are_masked_and_the_rest_is_shown() {
        for (url, shown_as) in [
            (
                "postgres://ops:hunter2@db:5432/symbolon?sslmode=verify-full",
                "postgres://ops:***@db:5432/symbolon?sslmode=verify-full",
            ),
            ("postgresql://ops:hunter2@[::1]/s", "postgresql://ops:***@[::1]/s"),
            ("postgres://ops:hunter%2F2@db/s", "postgres://ops:***@db/s"),
            ("postgres://:hunter2@db/s", "postgres://:***@db/s"),
            ("postgres://ops@db/s", "postgres://ops@db/s"),
            (
                "postgres:///s?host=/run/postgresql",
                "postgres:///s?host=/run/postgresql",
            ),
            ("postgres://ops:hunter2@%2Frun/s", "postgres://ops:***@%2Frun/s"),
            ("sqlite:/var/lib/symbolon.db", "sqlite:/var/lib/symbolon.db"),
        ] {
            assert_eq!(
                parse(Kind::DatabaseUrl, &format!(" {url}\n")).map_err(|p| p.wrong),
                Ok(url.to_owned())
            );
            assert_eq!(shown(url), shown_as);
        }
    }

    #[test]
    fn nothing_is_shown_of_urls_that_are_not_understood() {
        for url in [
            "postgres://u:hunter/2@db/s",
            "postgres://u:1/hunter2@db/s",
            "postgres://u:1?hunter2@db/s",
            "postgres://u:1#hunter2",
            "postgres://u:1?hunter2",
            "postgres://u:1@hunter2@db/s",
            "postgres://db/s?password=hunter2",
            "postgres://db/s?sslmode=hunter2",
            "postgres://u:hunter2@db:port/s",
            "postgres://u:hunter2@/s",
            "postgres:u:hunter2@db/s",
            "Postgres://u:hunter2@db/s",
            "mysql://u:hunter2@db/s",
            "u:hunter2@db",
        ] {
            let wrong = parse(Kind::DatabaseUrl, url).unwrap_err();
            assert!(!format!("{wrong:?}").contains("hunter2"), "{url}: {wrong:?}");
            assert!(!shown(url).contains("hunter2"), "{url}");
            assert!(shown(url).ends_with("(hidden)"), "{url}");
        }
    }
}
