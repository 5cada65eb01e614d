//! One client of an import, as it is read.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use symbolon_core::ClientId;
use symbolon_core::client::{Client, ClientType};
use symbolon_core::revocation::NewRevocation;

use super::super::form::ClientForm;
use super::{ClientOutcome, ImportedClient};
use crate::api::Api;
use crate::extract::{self, Caller};
use crate::json::{Unique, wrong};
use crate::problem::Problem;

/// Members of a listed client that nobody decides.
const PASSED_OVER: [&str; 5] = ["uid", "created", "created_ms", "secrets", "inactive_audiences"];

/// A client that may be made.
pub(super) struct Draft {
    /// Its place in the request.
    pub(super) line: usize,
    /// Whether its client id was given.
    pub(super) is_chosen: bool,
    /// The client, with its secret.
    pub(super) client: Client,
    /// The entry that lifts the block of one that had its client id before.
    pub(super) lift: NewRevocation,
    /// The secret, where none was given.
    pub(super) made: Option<SecretString>,
}

impl Draft {
    /// What came of it.
    pub(super) fn told(&self, outcome: ClientOutcome) -> ImportedClient {
        let given = self.is_chosen.then(|| self.client.client_id.to_string());
        ImportedClient::new(self.line, given, outcome)
    }
}

/// Reads a client. Its secret is in no refusal.
pub(super) fn read(
    api: &Api,
    caller: &Caller,
    line: usize,
    item: &RawValue,
) -> Result<Draft, ImportedClient> {
    let refused = |given: Option<ClientId>, problem| {
        ImportedClient::new(line, given.map(Into::into), ClientOutcome::Refused).because(problem)
    };
    let Unique(item) = extract::read(item.get().as_bytes()).map_err(|problem| refused(None, problem))?;
    let given = item.get("client_id").and_then(Value::as_str);
    // What can't be a client id is not repeated.
    let given = given.and_then(|text| text.parse::<ClientId>().ok());
    draft(api, caller, line, item).map_err(|problem| refused(given, problem))
}

fn draft(api: &Api, caller: &Caller, line: usize, item: Value) -> Result<Draft, Problem> {
    let Value::Object(mut members) = item else {
        return Err(Problem::invalid("", "each client is a JSON object"));
    };
    let secret = given_secret(&mut members)?;
    let active = match members.remove("active") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(active)) => active,
        Some(_) => return Err(Problem::invalid("active", "it must be true or false")),
    };
    for name in PASSED_OVER {
        members.remove(name);
    }
    let form: ClientForm =
        serde_path_to_error::deserialize(Value::Object(members)).map_err(|error| wrong(&error))?;
    let client_id = form.chosen_id()?;
    let is_chosen = client_id.is_some();
    let policy = form.policy(&api.parts.algorithms)?;
    caller.principal.may_handle(&policy.scope)?;
    let (mut client, lift) = api.new_client(client_id, policy);
    client.active = active;
    let made = match (client.policy.client_type, secret) {
        (ClientType::Public, Some(_)) => {
            return Err(Problem::invalid("client_secret", "a public client has no secret"));
        }
        (ClientType::Public, None) => None,
        (ClientType::Confidential, Some(given)) => {
            client.secrets.push(api.kept_secret(client.uid, given)?.hash);
            None
        }
        (ClientType::Confidential, None) => {
            let made = api.new_secret(client.uid)?;
            client.secrets.push(made.hash);
            Some(made.text)
        }
    };
    Ok(Draft {
        line,
        is_chosen,
        client,
        lift,
        made,
    })
}

/// Shortest secret, in characters: as hexadecimal digits 128 bits, in base64 192, and no dictionary holds it.
const MIN_SECRET: usize = 32;
/// Longest secret, in characters.
const MAX_SECRET: usize = 256;
/// So many different characters every secret has that a generator made: of 32 random hexadecimal digits all but one in
/// 300,000 have.
const MIN_DIFFERENT: usize = 8;

fn given_secret(members: &mut Map<String, Value>) -> Result<Option<SecretString>, Problem> {
    let text = match members.remove("client_secret") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => SecretString::from(text),
        Some(_) => return Err(Problem::invalid("client_secret", "it must be a string")),
    };
    let bytes = text.expose_secret().as_bytes();
    let is_long = (MIN_SECRET..=MAX_SECRET).contains(&bytes.len());
    let is_visible = bytes.iter().all(u8::is_ascii_graphic);
    let different: BTreeSet<_> = bytes.iter().collect();
    if !is_long || !is_visible || different.len() < MIN_DIFFERENT {
        let rule = format!(
            "a secret from elsewhere has {MIN_SECRET} to {MAX_SECRET} characters of visible ASCII, {MIN_DIFFERENT} of them \
             different; leave it out, and one is made"
        );
        return Err(Problem::invalid("client_secret", rule));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use symbolon_core::view::ClientView;
    use symbolon_testkit::confidential_client;

    use super::*;

    #[test]
    fn what_is_listed_can_be_read() {
        let listed = ClientView::from(&confidential_client("a").audiences(&["urn:a"]).build());
        let mut value = serde_json::to_value(&listed).unwrap();
        let members = value.as_object_mut().unwrap();
        for name in PASSED_OVER.into_iter().chain(["active"]) {
            assert!(members.remove(name).is_some(), "{name}");
        }
        let form: ClientForm = serde_json::from_value(value).unwrap();
        assert_eq!(form, ClientForm::from(listed));
    }

    #[test]
    fn secrets_from_elsewhere_are_long_and_varied() {
        let read = |value: Value| {
            let mut members = Map::from_iter([("client_secret".to_owned(), value)]);
            given_secret(&mut members).map(|secret| secret.map(|text| text.expose_secret().to_owned()))
        };
        let good = "0123456789abcdef0123456789abcdef";
        assert_eq!(read(json!(good)), Ok(Some(good.to_owned())));
        assert_eq!(read(json!(null)), Ok(None));
        let long = good.repeat(9);
        for bad in [
            "",
            &good[1..],
            &long,
            &"0123456".repeat(5),
            "0123456789abcdef 0123456789abcdef",
            "0123456789abcdef0123456789abcdeü",
        ] {
            let problem = read(json!(bad)).unwrap_err();
            assert_eq!(problem.errors[0].field, "client_secret");
            assert!(bad.is_empty() || !format!("{problem:?}").contains(bad));
        }
        assert!(read(json!(5)).is_err());
    }
}
