//! Credentials as Keycloak keeps and exports them.

use serde_json::{Map, Value};

use super::{PasswordHashError, encoding};

const FORM: &str = "{\"algorithm\", \"hashIterations\", \"salt\", \"value\"} as Keycloak has it, or {\"type\": \"password\", \
                    \"credentialData\", \"secretData\"} of its export, with pbkdf2, pbkdf2-sha256, pbkdf2-sha512 or argon2";
const MALFORMED: PasswordHashError = PasswordHashError::Malformed(FORM);

/// Members of an exported credential that say nothing about the hash.
const IGNORED: [&str; 6] = [
    "createdDate",
    "id",
    "priority",
    "temporary",
    "userLabel",
    "federationLink",
];
const DATA: [&str; 3] = ["additionalParameters", "algorithm", "hashIterations"];
const SECRET: [&str; 3] = ["additionalParameters", "salt", "value"];

/// The same in PHC form, which is parsed, and so judged, like any other.
pub(super) fn to_phc(credential: &Value) -> Result<String, PasswordHashError> {
    let credential = credential.as_object().ok_or(MALFORMED)?;
    if !credential.contains_key("credentialData") {
        known(credential, |name| DATA.contains(&name) || SECRET.contains(&name))?;
        return from_parts(credential, credential);
    }
    let members = ["credentialData", "secretData", "type"];
    known(credential, |name| {
        members.contains(&name) || IGNORED.contains(&name)
    })?;
    if credential.get("type").is_some_and(|kind| kind != "password") {
        return Err(MALFORMED);
    }
    let (data, secret) = (
        nested(credential, "credentialData")?,
        nested(credential, "secretData")?,
    );
    known(&data, |name| DATA.contains(&name))?;
    known(&secret, |name| SECRET.contains(&name))?;
    from_parts(&data, &secret)
}

fn from_parts(data: &Map<String, Value>, secret: &Map<String, Value>) -> Result<String, PasswordHashError> {
    let iterations = data
        .get("hashIterations")
        .and_then(Value::as_u64)
        .ok_or(MALFORMED)?;
    let (salt, output) = (bytes(secret, "salt")?, bytes(secret, "value")?);
    let tail = format!(
        "{}${}",
        encoding::to_standard(&salt),
        encoding::to_standard(&output)
    );
    match text(data, "algorithm")? {
        algorithm @ ("pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512") => {
            Ok(format!("${algorithm}$i={iterations},l={}${tail}", output.len()))
        }
        "argon2" => {
            let parameters = data
                .get("additionalParameters")
                .and_then(Value::as_object)
                .ok_or(MALFORMED)?;
            let (kind, version) = (parameter(parameters, "type")?, parameter(parameters, "version")?);
            let version = match version {
                "1.0" => 16,
                "1.3" => 19,
                _ => return Err(MALFORMED),
            };
            let number = |name| encoding::number(parameter(parameters, name)?).ok_or(MALFORMED);
            let (memory, lanes) = (number("memory")?, number("parallelism")?);
            Ok(format!(
                "$argon2{kind}$v={version}$m={memory},t={iterations},p={lanes}${tail}"
            ))
        }
        _ => Err(MALFORMED),
    }
}

/// Refuses members that nobody looks at.
fn known(object: &Map<String, Value>, is_known: impl Fn(&str) -> bool) -> Result<(), PasswordHashError> {
    if object.keys().all(|name| is_known(name)) {
        Ok(())
    } else {
        Err(MALFORMED)
    }
}

fn nested(object: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, PasswordHashError> {
    serde_json::from_str(text(object, name)?).map_err(|_| MALFORMED)
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, PasswordHashError> {
    object.get(name).and_then(Value::as_str).ok_or(MALFORMED)
}

fn bytes(object: &Map<String, Value>, name: &str) -> Result<Vec<u8>, PasswordHashError> {
    encoding::standard(text(object, name)?).ok_or(MALFORMED)
}

/// A parameter is a list of one text.
fn parameter<'a>(parameters: &'a Map<String, Value>, name: &str) -> Result<&'a str, PasswordHashError> {
    match parameters.get(name).and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(text)]) => Ok(text),
        _ => Err(MALFORMED),
    }
}
