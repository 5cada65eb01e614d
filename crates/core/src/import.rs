//! Users from other systems: one JSON object per line, and what came of making them.

use std::collections::HashMap;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use sha2::{Digest as _, Sha256};

use crate::password::{PasswordHash, check_new_password};
use crate::profile::Profile;
use crate::user::{LoginName, RoleName};

/// Longest line that is read, in bytes. The longest that makes sense, with 64 roles and every character escaped, has
/// about half of that.
pub const MAX_LINE_BYTES: usize = 32 << 10;

/// A user as a line describes one:
///
/// ```json
/// {"username": "alice", "email": "alice@example.org", "roles": ["staff"], "active": true, "password_hash": "$2b$.."}
/// ```
///
/// `username`, and one of `password_hash` (text, or a credential of Keycloak as an object) and `password`, must be there.
/// `null` is the same as nothing. There are no other fields; in particular no subject: that is a fresh one of ours.
#[derive(Debug)]
pub struct UserLine {
    /// Who it is.
    pub profile: Profile,
    /// Whether the user may log in; true unless the line says otherwise.
    pub active: bool,
    /// The password, or its hash.
    pub password: LinePassword,
}

/// What a line, or whoever makes a user or sets a password, says of the password.
#[derive(Debug)]
pub enum LinePassword {
    /// Its hash, within the ceilings.
    Hash(PasswordHash),
    /// The password itself, which keeps the rule for new ones.
    Plain(SecretString),
}

impl LinePassword {
    /// Reads the members `password` and `password_hash`, wherever a user gets a password: exactly one of them is there.
    ///
    /// # Errors
    /// [`LineError`], which holds nothing of either.
    pub fn read(plain: Option<Value>, hash: Option<Value>) -> Result<Self, LineError> {
        match (text(plain, "password")?, hash) {
            (Some(_), Some(_)) => Err(LineError::of(
                "password",
                "can't be there beside password_hash: leave one of the two out",
            )),
            (None, None) => Err(LineError::of("password_hash", "is missing, and so is password")),
            (Some(password), None) => {
                let password = SecretString::from(password);
                check_new_password(&password)
                    .map_err(|error| LineError::of("password", error.to_string()))?;
                Ok(Self::Plain(password))
            }
            (None, Some(hash)) => {
                let parsed = match &hash {
                    Value::String(text) => text.parse(),
                    Value::Object(_) => PasswordHash::from_keycloak(&hash),
                    _ => {
                        return Err(LineError::of(
                            "password_hash",
                            "must be a string, or a credential of Keycloak as an object",
                        ));
                    }
                };
                parsed
                    .map(Self::Hash)
                    .map_err(|error| LineError::of("password_hash", error.to_string()))
            }
        }
    }
}

/// The fields, each of any type, so that what is wrong with it is said by us: messages of the parser quote values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    username: Option<Value>,
    email: Option<Value>,
    roles: Option<Value>,
    active: Option<Value>,
    password: Option<Value>,
    password_hash: Option<Value>,
}

impl UserLine {
    /// Reads a line, without its end.
    ///
    /// # Errors
    /// [`LineError`], the first that there is. It holds no value of the line.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        if line.len() > MAX_LINE_BYTES {
            return Err(LineError::too_long());
        }
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err(LineError::whole("a line must be a JSON object"));
        }
        let fields: Fields = serde_json::from_slice(line).map_err(|error| LineError::unreadable(&error))?;
        let username = text(fields.username, "username")?.ok_or(LineError::of("username", "is missing"))?;
        let email = text(fields.email, "email")?;
        let roles = roles(fields.roles)?;
        let active = match fields.active {
            None => true,
            Some(Value::Bool(active)) => active,
            Some(_) => return Err(LineError::of("active", "must be true or false")),
        };
        let profile = Profile::new(username, email, roles)
            .map_err(|error| LineError::of(error.field(), error.to_string()))?;
        Ok(Self {
            profile,
            active,
            password: LinePassword::read(fields.password, fields.password_hash)?,
        })
    }
}

fn text(value: Option<Value>, field: &'static str) -> Result<Option<String>, LineError> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(LineError::of(field, "must be a string")),
    }
}

fn roles(value: Option<Value>) -> Result<Vec<RoleName>, LineError> {
    let role = |value: Value| match value {
        Value::String(name) => name
            .parse()
            .map_err(|error| LineError::of("roles", format!("{error}"))),
        _ => Err(LineError::of("roles", "must be a list of strings")),
    };
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(roles)) => roles.into_iter().map(role).collect(),
        Some(_) => Err(LineError::of("roles", "must be a list of strings")),
    }
}

/// Whether users are made, or only looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ImportMode {
    /// Say what would come of it.
    Check,
    /// Make them.
    Write,
}

/// What came of one user of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Imported {
    /// Made; or would be.
    Added,
    /// The roles hold more than may be given ([`Change::Beyond`](crate::ports::Change)); nothing changed.
    Beyond,
    /// There is a user whom all these names lead to; nothing changed.
    Exists,
    /// The name belongs to somebody else, or to an earlier one of the batch; nothing changed.
    Taken(&'static str),
    /// There is no such record; nothing changed.
    Unknown(&'static str),
}

/// Most users of one batch.
pub const MAX_BATCH: usize = 500;

/// Most users of one batch who come with a password in place of its hash: each takes the time of a login.
pub const MAX_PLAIN: usize = 100;

/// Why a line was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LineError {
    /// The field, where it is one.
    pub field: Option<&'static str>,
    /// The rule that it breaks. Holds no value of the line.
    pub rule: String,
}

impl LineError {
    /// A line of more than [`MAX_LINE_BYTES`], which nobody keeps for this to be said.
    pub fn too_long() -> Self {
        Self::whole(format!("a line is at most {MAX_LINE_BYTES} bytes long"))
    }

    /// A field breaks a rule.
    pub fn of(field: &'static str, rule: impl Into<String>) -> Self {
        Self {
            field: Some(field),
            rule: rule.into(),
        }
    }

    /// The whole line breaks a rule.
    pub fn whole(rule: impl Into<String>) -> Self {
        Self {
            field: None,
            rule: rule.into(),
        }
    }

    fn unreadable(error: &serde_json::Error) -> Self {
        if error.classify() == Category::Data {
            // An unknown field or one that is there twice; the message names it, and every field that there is.
            let message = error.to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            return Self::whole(message.chars().take(end.min(200)).collect::<String>());
        }
        Self::whole(format!("not JSON: see byte {}", error.column()))
    }
}

/// The names of earlier lines, so that who is there twice is told from who was there before. Takes about 50 bytes for
/// each, however long they are.
#[derive(Debug, Default)]
pub struct EarlierNames(HashMap<[u8; 16], u32>);

impl EarlierNames {
    /// Remembers the names of a profile, the user name first, as those of that line.
    ///
    /// # Errors
    /// [`LineError`] where an earlier line has one of them: it names the field and that line. Nothing is remembered.
    pub fn take(&mut self, names: &[LoginName], line: u32) -> Result<(), LineError> {
        let keys: Vec<_> = names.iter().map(digest).collect();
        for (place, key) in keys.iter().enumerate() {
            if let Some(earlier) = self.0.get(key) {
                let field = if place == 0 { "username" } else { "email" };
                return Err(LineError::of(field, format!("is on line {earlier} already")));
            }
        }
        self.0.extend(keys.into_iter().map(|key| (key, line)));
        Ok(())
    }
}

/// Half a SHA-256: nobody finds two names of one.
fn digest(name: &LoginName) -> [u8; 16] {
    let digest = Sha256::digest(name.as_str());
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu";

    fn refused(line: &str) -> (Option<&'static str>, String) {
        let error = UserLine::parse(line.as_bytes()).expect_err(line);
        (error.field, error.rule)
    }

    #[test]
    fn reads_what_there_is() {
        let line = format!(
            r#" {{"username":"Alice","email":"alice@example.org","roles":["staff","staff"],"active":false,"password_hash":"{HASH}"}} "#
        );
        let user = UserLine::parse(line.as_bytes()).unwrap();
        assert!(!user.active);
        assert!(matches!(&user.password, LinePassword::Hash(hash) if hash.as_str() == HASH));
        let names: Vec<_> = user.profile.names().iter().map(LoginName::as_str).collect();
        assert_eq!(names, ["alice", "alice@example.org"]);

        let least =
            UserLine::parse(br#"{"username":"bob","password":"correct horse","email":null}"#).unwrap();
        assert!(least.active);
        assert!(matches!(least.password, LinePassword::Plain(_)));
        assert!(!format!("{least:?}").contains("horse"));
    }

    #[test]
    fn says_which_field_breaks_which_rule() {
        let with = |fields: &str| {
            refused(&format!(
                r#"{{"username":"bob","password_hash":"{HASH}"{fields}}}"#
            ))
        };
        for (fields, field, rule) in [
            (r#","email":"bob""#, Some("email"), "name@example.org"),
            (r#","email":"b\u0000b@example.org""#, Some("email"), "control"),
            (
                r#","email":["bob@example.org"]"#,
                Some("email"),
                "must be a string",
            ),
            (r#","roles":"staff""#, Some("roles"), "list of strings"),
            (r#","roles":[1]"#, Some("roles"), "list of strings"),
            (r#","roles":["Not A Role"]"#, Some("roles"), "a role name is"),
            (r#","active":"yes""#, Some("active"), "true or false"),
            (
                r#","password":"correct horse""#,
                Some("password"),
                "leave one of the two out",
            ),
            (
                r#","sub":"1""#,
                None,
                "unknown field `sub`, expected one of `username`",
            ),
            (r#","username":"carol""#, None, "duplicate field `username`"),
            (r#","#, None, "not JSON: see byte"),
        ] {
            let (found, said) = with(fields);
            assert_eq!(found, field, "{fields}: {said}");
            assert!(said.contains(rule), "{fields}: {said}");
        }
        for (line, field, rule) in [
            (r#"{"password_hash":"x"}"#, Some("username"), "missing"),
            (
                r#"{"username":"a b","password":"correct horse"}"#,
                Some("username"),
                "white space",
            ),
            (
                r#"{"username":"0190c7a0-0000-7000-8000-000000000000","password":"correct horse"}"#,
                Some("username"),
                "UUID",
            ),
            (r#"{"username":"bob"}"#, Some("password_hash"), "missing"),
            (
                r#"{"username":"bob","password":"short"}"#,
                Some("password"),
                "8 to 1024",
            ),
            (
                r#"{"username":"bob","password_hash":7}"#,
                Some("password_hash"),
                "must be a string",
            ),
            (
                r#"{"username":"bob","password_hash":"x"}"#,
                Some("password_hash"),
                "known forms",
            ),
            (
                r#"{"username":"bob","password_hash":{}}"#,
                Some("password_hash"),
                "Keycloak",
            ),
            ("", None, "JSON object"),
            ("[]", None, "JSON object"),
            ("\u{feff}{}", None, "JSON object"),
            (r#""correct horse""#, None, "JSON object"),
        ] {
            let (found, said) = refused(line);
            assert_eq!(found, field, "{line}: {said}");
            assert!(said.contains(rule), "{line}: {said}");
        }
    }

    #[test]
    fn no_message_holds_a_value() {
        for line in [
            r#"{"username":"hunter2 hunter2","password":"hunter2"}"#,
            r#"{"username":["hunter2"],"password":"hunter2"}"#,
            r#"{"username":"bob","password":{"hunter2":"hunter2"}}"#,
            r#"{"username":"bob","password":"hunter2"#,
            r#"{"username":"bob","password":hunter2}"#,
            r#"{"username":"bob","password_hash":"$2b$99$hunter2hunter2"}"#,
            r#""hunter2""#,
        ] {
            let (_, said) = refused(line);
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn lines_are_bounded_in_length_and_depth() {
        let deep = format!(r#"{{"username":{}"#, "[".repeat(20_000));
        assert!(refused(&deep).1.contains("not JSON"));
        let long = format!(r#"{{"username":"{}"}}"#, "x".repeat(MAX_LINE_BYTES));
        assert!(refused(&long).1.contains("at most 32768 bytes"));
        let unknown = format!(r#"{{"{}":1}}"#, "x".repeat(10_000));
        assert!(refused(&unknown).1.len() <= 200);
        assert!(UserLine::parse(b"{\"username\":\"b\xff\"}").is_err());
    }

    #[test]
    fn who_is_there_twice_is_found() {
        let name = |text: &str| text.parse::<LoginName>().unwrap();
        let mut earlier = EarlierNames::default();
        assert_eq!(
            earlier.take(&[name("alice"), name("alice@example.org")], 1),
            Ok(())
        );
        assert_eq!(
            earlier.take(&[name("bob"), name("ALICE@example.org")], 2),
            Err(LineError::of("email", "is on line 1 already"))
        );
        // What was refused takes no name.
        assert_eq!(earlier.take(&[name("bob")], 3), Ok(()));
        assert_eq!(
            earlier.take(&[name("Bob")], 4),
            Err(LineError::of("username", "is on line 3 already"))
        );
    }
}
