//! What `audit list` searches by. What can't be on the trail is refused: that nothing is found would look as if nothing had
//! happened.

use symbolon_core::ClientId;
use uuid::Uuid;

/// The kinds of targets that records have.
pub(super) const KINDS: [&str; 10] = [
    "address",
    "client",
    "key",
    "operation",
    "revocation",
    "role",
    "scope",
    "session",
    "token",
    "user",
];

/// Reads an actor, in the form in which records name it.
pub(super) fn actor(text: &str) -> Result<String, String> {
    let known = match text.split_once(':') {
        Some(("client", id)) => id.parse::<ClientId>().is_ok(),
        Some(("user", subject)) => match Uuid::try_parse(subject) {
            Ok(subject) => return Ok(format!("user:{subject}")),
            Err(_) => {
                return Err("a user is user:SUBJECT, with the subject of `symbolon user show`".to_owned());
            }
        },
        Some(("cli", name)) => !name.is_empty(),
        Some(_) => false,
        None => matches!(text, "server" | "unknown"),
    };
    if known {
        return Ok(text.to_owned());
    }
    Err("give client:CLIENT_ID, user:SUBJECT, cli:USER, server or unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_are_of_the_forms_that_records_have() {
        for text in [
            "client:admin",
            "user:01a204b9-f68b-7c0b-95cf-7829d9cef255",
            "cli:carol",
            "cli:DOMAIN:carol",
            "server",
            "unknown",
        ] {
            assert_eq!(actor(text).as_deref(), Ok(text));
        }
        let upper = "user:01A204B9-F68B-7C0B-95CF-7829D9CEF255";
        assert_eq!(actor(upper), Ok(upper.to_ascii_lowercase()));
        for text in [
            "admin",
            "",
            "client:",
            "client:a b",
            "cli:",
            "server:a",
            "Client:admin",
            "role:a",
        ] {
            assert!(actor(text).unwrap_err().contains("client:CLIENT_ID"), "{text}");
        }
        assert!(actor("user:alice").unwrap_err().contains("symbolon user show"));
    }
}
