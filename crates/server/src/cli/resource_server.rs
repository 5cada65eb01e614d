//! `resource-server`: the audiences of tokens, each served by one client.

use clap::{Args, Subcommand};
use http::Method;
use serde::Serialize;
use serde_json::json;
use symbolon_admin_api::{Page, ResourceServerPut, ResourceServerView};
use symbolon_jose::SigningAlg;
use symbolon_oauth_types::ResourceIndicator;

use super::api::Call;
use super::args::{PageArgs, SureArgs, WhyArgs};
use super::client::{seconds, state};
use super::context::{ApiContext, Console};
use super::error::{CliError, ErrorKind};
use super::output::{Output, duration, fields, more, quoted, table};

/// `resource-server`.
#[derive(Debug, Subcommand)]
pub enum ResourceServerCommand {
    /// Delete a resource server: nobody gets tokens for it any more. Its client stays.
    Delete(ResourceServerDelete),
    /// List the resource servers by their audience.
    List(PageArgs),
    /// Make a resource server of a client, or replace what it is.
    Put(ResourceServerArgs),
    /// Show one resource server.
    Show(ResourceServerRef),
}

/// A resource server that exists.
#[derive(Args, Debug)]
pub struct ResourceServerRef {
    /// Its audience.
    #[arg(value_name = "URI")]
    pub audience: ResourceIndicator,
}

/// `resource-server put`.
#[derive(Args, Debug)]
pub struct ResourceServerArgs {
    /// Its audience, `aud` in its tokens: an absolute URI.
    #[arg(value_name = "URI")]
    pub audience: ResourceIndicator,
    /// The client that it is, a confidential one.
    #[arg(long, value_name = "CLIENT_ID")]
    pub client: String,
    /// Algorithm that it wants its tokens signed with; without it, the client that asks decides.
    #[arg(long, value_name = "ALG")]
    pub signing_alg: Option<SigningAlg>,
    /// How long its tokens may live at most, 10s to 1h; without it, the client that asks decides.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub access_token_lifetime: Option<u32>,
    /// Refuse where there is one already, rather than replace it.
    #[arg(long)]
    pub new: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `resource-server delete`.
#[derive(Args, Debug)]
pub struct ResourceServerDelete {
    /// Its audience.
    #[arg(value_name = "URI")]
    pub audience: ResourceIndicator,
    /// Whether to ask, and why.
    #[command(flatten)]
    pub sure: SureArgs,
}

/// What was done, and the resource server as it is now.
#[derive(Serialize)]
struct Done<'a> {
    done: &'static str,
    #[serde(flatten)]
    server: &'a ResourceServerView,
}

/// Runs a command on resource servers.
///
/// # Errors
/// [`CliError`]; nothing changed.
pub async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: ResourceServerCommand,
) -> Result<(), CliError> {
    match command {
        ResourceServerCommand::Delete(args) => delete(context, console, out, &args).await,
        ResourceServerCommand::List(page) => list(context, out, &page).await,
        ResourceServerCommand::Put(args) => put(context, out, args).await,
        ResourceServerCommand::Show(args) => {
            let path = ["resource-servers", args.audience.as_str()];
            let sent = context.api.read::<ResourceServerView>(&path).await;
            let server = sent.map_err(|error| named(error, &args.audience))?;
            out.result(&server, &text(&server))
        }
    }
}

async fn put(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: ResourceServerArgs,
) -> Result<(), CliError> {
    let call = Call::new(Method::PUT, &["resource-servers", args.audience.as_str()])
        .if_new(args.new)
        .with_some("reason", args.why.reason)
        .naming("client_id", "--client")
        .naming("signing_alg", "--signing-alg")
        .naming("access_token_lifetime", "--access-token-lifetime")
        .body(&ResourceServerPut {
            client_id: args.client,
            signing_alg: args.signing_alg.map(|alg| alg.to_string()),
            access_token_lifetime: args.access_token_lifetime,
        })?;
    let server: ResourceServerView = context.api.send(call).await?.read()?;
    let done = Done {
        done: "put",
        server: &server,
    };
    out.result(&done, &text(&server))
}

async fn list(context: &ApiContext<'_>, out: &mut Output<'_>, page: &PageArgs) -> Result<(), CliError> {
    let call = page.on(Call::new(Method::GET, &["resource-servers"]));
    let page: Page<ResourceServerView> = context.api.send(call).await?.read()?;
    let row = |server: &ResourceServerView| {
        [
            server.audience.clone(),
            server.client_id.clone(),
            state(server.active).to_owned(),
            server.signing_alg.clone().unwrap_or_else(|| "-".to_owned()),
            server
                .access_token_lifetime
                .map_or_else(|| "-".to_owned(), duration),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let text =
        table(["AUDIENCE", "CLIENT", "STATE", "ALGORITHM", "LIFETIME"], &rows) + &more(page.next.as_deref());
    out.result(
        &json!({ "resource_servers": page.items, "next": page.next }),
        &text,
    )
}

async fn delete(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ResourceServerDelete,
) -> Result<(), CliError> {
    let audience = args.audience.as_str();
    let question = format!("Delete resource server {audience}, so that nobody gets tokens for it any more?");
    let path = ["resource-servers", audience];
    let gone = context.delete(console, &args.sure, &question, &path).await;
    gone.map_err(|error| named(error, &args.audience))?;
    out.result(
        &json!({ "done": "deleted", "audience": audience }),
        &format!("resource server {audience} is deleted"),
    )
}

fn text(server: &ResourceServerView) -> String {
    let or_client = |value: Option<String>| value.unwrap_or_else(|| "as the client's".to_owned());
    fields(&[
        ("audience", server.audience.clone()),
        ("client", server.client_id.clone()),
        ("state", state(server.active).to_owned()),
        ("signing algorithm", or_client(server.signing_alg.clone())),
        (
            "access token lifetime",
            or_client(server.access_token_lifetime.map(duration)),
        ),
    ])
}

/// The error, naming the resource server where there is none.
fn named(error: CliError, audience: &ResourceIndicator) -> CliError {
    match error.kind {
        ErrorKind::NotFound => CliError::not_found(
            format_args!("nobody serves {}", quoted(audience.as_str())),
            "see `symbolon resource-server list`",
        ),
        _ => error,
    }
}
