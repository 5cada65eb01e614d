//! Clients as they are shown. Secrets never are, nor their hashes.

use http::Method;
use serde::Serialize;
use serde_json::json;
use symbolon_admin_api::Page;
use symbolon_core::UnixMillis;
use symbolon_core::view::{ClientView, ServedView};

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::CliError;
use super::super::output::{Output, duration, fields, list, more, table};
use super::ClientList;

/// The outcome of a change.
#[derive(Serialize)]
struct Done<'a> {
    done: &'static str,
    #[serde(flatten)]
    client: &'a ClientView,
}

/// Writes what was done and the client as it stands now.
pub(super) fn done(out: &mut Output<'_>, done: &'static str, client: &ClientView) -> Result<(), CliError> {
    let text = format!("client {} ({}) is {done}", client.client_id, client.name);
    out.result(&Done { done, client }, &text)
}

/// `client show`: its live secrets among the rest.
pub(super) fn show_client(
    out: &mut Output<'_>,
    mut client: ClientView,
    now: UnixMillis,
) -> Result<(), CliError> {
    client.secrets.retain(|secret| secret.is_live(now));
    let secrets = client.secrets.iter().map(|secret| {
        let end = secret.expires.as_deref().unwrap_or("replaced");
        format!("until {end}")
    });
    let mut pairs = policy_fields(&client);
    pairs.push(("live secrets", joined(secrets)));
    pairs.push(("inactive audiences", list(&client.inactive_audiences)));
    pairs.push(("created", client.created.clone()));
    out.result(&client, &fields(&pairs))
}

fn policy_fields(client: &ClientView) -> Vec<(&'static str, String)> {
    let or_server = |value: Option<String>| value.unwrap_or_else(|| "as the server's".to_owned());
    let lifetime = |value: Option<u32>| or_server(value.map(duration));
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    vec![
        ("client_id", client.client_id.clone()),
        ("uid", client.uid.to_string()),
        ("name", client.name.clone()),
        ("type", client.client_type.clone()),
        ("state", state(client.active).to_owned()),
        ("auth methods", list(&client.auth_methods)),
        ("grants", list(&client.grants)),
        ("scope", or_dash(&client.scope)),
        ("default scope", or_dash(&client.default_scope)),
        ("audiences", list(&client.audiences)),
        ("serves", joined(client.serves.iter().map(served))),
        ("access token lifetime", lifetime(client.access_token_lifetime)),
        ("session lifetime", lifetime(client.session_lifetime)),
        ("refresh idle lifetime", lifetime(client.refresh_idle_lifetime)),
        ("rotation", client.rotation.clone()),
        (
            "late recoveries",
            or_server(client.late_recoveries.map(|n| n.to_string())),
        ),
        ("signing algorithm", or_server(client.signing_alg.clone())),
        ("CORS origins", list(&client.cors_origins)),
    ]
}

fn served(served: &ServedView) -> String {
    let mut text = served.audience.clone();
    if let Some(alg) = &served.signing_alg {
        text.push_str(" signed with ");
        text.push_str(alg);
    }
    if let Some(seconds) = served.access_token_lifetime {
        text.push_str(" for at most ");
        text.push_str(&duration(seconds));
    }
    text
}

/// `client list`.
pub(super) async fn list_clients(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: &ClientList,
) -> Result<(), CliError> {
    let call = args.page.on(Call::new(Method::GET, &["clients"]));
    let page: Page<ClientView> = context.api.send(args.filter.on(call)).await?.read()?;
    let row = |client: &ClientView| {
        [
            client.client_id.clone(),
            client.name.clone(),
            client.client_type.clone(),
            state(client.active).to_owned(),
            list(&client.grants),
            list(client.serves.iter().map(|served| &served.audience)),
            client.created.clone(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let headers = [
        "CLIENT ID",
        "NAME",
        "TYPE",
        "STATE",
        "GRANTS",
        "SERVES",
        "CREATED",
    ];
    let text = table(headers, &rows) + &more(page.next.as_deref());
    out.result(&json!({ "clients": page.items, "next": page.next }), &text)
}

/// Whether a client is enabled, in a word.
pub(in crate::cli) fn state(active: bool) -> &'static str {
    if active { "active" } else { "disabled" }
}

/// Items that may hold spaces, separated by commas, `-` where there are none.
fn joined(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        "-".to_owned()
    } else {
        items.join(", ")
    }
}
