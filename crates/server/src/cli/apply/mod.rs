//! `apply`: what files say of clients and scopes beside what the server has, and the one made the other.

mod fault;
mod files;
mod form;
mod formats;
mod make;
mod node;
mod order;
mod plan;
mod show;
mod trial;
mod wanted;

use std::path::PathBuf;

use clap::Args;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use symbolon_admin_api::{MAX_LIMIT, Page};
use symbolon_core::view::{ClientView, ScopeView};

use self::make::{Came, Maker};
use self::plan::{Plan, Prune};
use self::show::Line;
use super::api::{Call, Login};
use super::args::WhyArgs;
use super::client::OwnArgs;
use super::context::{ApiContext, Console, confirm};
use super::error::{CliError, ErrorKind};
use super::output::{Output, Remark, fields};

/// `apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// A file in TOML or YAML, or a folder of such files and folders.
    #[arg(short = 'f', long = "file", value_name = "DIR|FILE")]
    pub file: PathBuf,
    /// Only show what would change, and what would be refused.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove clients and scopes that no file names; never what has admin scope, nor the client that this command acts as.
    #[arg(long)]
    pub prune: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Whether this may end its own login.
    #[command(flatten)]
    pub own: OwnArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// Makes clients and scopes what the files say. Every change is tried first, and none is made where one would be refused.
///
/// # Errors
/// [`CliError`]; nothing changed, or of [`ErrorKind::Incomplete`] where some of it was refused, since others have changed
/// something meanwhile.
pub async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ApplyArgs,
) -> Result<(), CliError> {
    let wanted = wanted::read(out, &files::read_all(&args.file)?)?;
    let prune = Prune {
        asked: args.prune,
        login: context.api.client_id(),
    };
    let mut plan = Plan::new(wanted, clients(context).await?, scopes(context).await?, prune);
    let lines = Line::all(&plan);
    for note in show::kept(&plan) {
        out.remark(Remark::Note, &note)?;
    }
    if let Some(login) = context.api.login() {
        spare_own(&plan, login, args.own)?;
    }
    let maker = Maker {
        context,
        reason: args.why.reason.as_deref(),
    };
    let faults = maker.try_all(&plan).await?;
    if !faults.is_empty() {
        let what = match lines.len() {
            1 => "the change that the files ask for".to_owned(),
            count => format!("the {count} changes that the files ask for"),
        };
        return Err(fault::tell(out, &faults, &what)?);
    }
    if args.dry_run || lines.is_empty() {
        return out.result(&show::object(&plan, &lines, None), &forecast(&plan, &lines));
    }
    propose(console, out, args, &plan, &lines)?;
    let came = maker.make(&mut plan).await;
    report(out, &plan, &lines, &came)
}

/// Refuses a plan that would end the login of this command, unless that is meant.
fn spare_own(plan: &Plan, login: &Login, own: OwnArgs) -> Result<(), CliError> {
    let mut steps = plan.clients.iter();
    let step = steps.find(|step| step.client_id == login.client_id);
    let wanted = step.map(|step| json!(step.wanted));
    match wanted.as_ref().and_then(Value::as_object) {
        Some(form) => own.refuse_losing(login, form),
        None => Ok(()),
    }
}

/// What would change, for people.
fn forecast(plan: &Plan, lines: &[Line]) -> String {
    if lines.is_empty() {
        return format!("nothing to change: {} are as the files say", plan.unchanged);
    }
    format!(
        "{}\nwould be {}; nothing was changed",
        show::steps(lines),
        show::counts(lines, |_| true)
    )
}

/// Shows what would change, and asks.
fn propose(
    console: &mut dyn Console,
    out: &mut Output<'_>,
    args: &ApplyArgs,
    plan: &Plan,
    lines: &[Line],
) -> Result<(), CliError> {
    if !out.json {
        out.result(&json!(null), &show::steps(lines))?;
    } else if !args.yes {
        // Standard output is for the one object that says what came of it.
        out.aside(&show::object(plan, lines, None), "")?;
    }
    let question = match lines.len() {
        1 => "Make this change?".to_owned(),
        count => format!("Make these {count} changes?"),
    };
    confirm(console, args.yes, &question)
}

/// Says what came of the steps.
fn report(out: &mut Output<'_>, plan: &Plan, lines: &[Line], came: &Came) -> Result<(), CliError> {
    let outcomes: Vec<_> = came.in_order().collect();
    let is_done = |index: usize| outcomes.get(index).is_some_and(|outcome| outcome.error.is_none());
    let has_secret = outcomes.iter().any(|outcome| outcome.secret.is_some());
    if has_secret {
        out.remark(
            Remark::Note,
            "secrets are shown this once, and kept only as hashes",
        )?;
    }
    let mut text = Vec::new();
    for (step, outcome) in plan.clients.iter().zip(&came.clients) {
        if let Some(secret) = &outcome.secret {
            text.push(fields(&[
                ("client_id", step.client_id.clone()),
                ("client_secret", secret.0.expose_secret().to_owned()),
            ]));
        }
    }
    text.push(show::counts(lines, is_done));
    out.result(&show::object(plan, lines, Some(came)), &text.join("\n"))?;
    let mut failed = 0;
    for (line, outcome) in lines.iter().zip(&outcomes) {
        if let Some(error) = &outcome.error {
            failed += 1;
            if !out.json {
                out.aside(&json!(null), &format!("{}: {error}", line.subject()))?;
            }
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Incomplete,
        format_args!("{failed} of {} changes were not made", lines.len()),
        "mend what is said of them and run the command again: what was done is left as it is",
    ))
}

async fn clients(context: &ApiContext<'_>) -> Result<Vec<ClientView>, CliError> {
    let (mut items, mut next) = (Vec::new(), None);
    loop {
        let call = Call::new(Method::GET, &["clients"])
            .with("limit", MAX_LIMIT)
            .with_some("after", next.as_ref());
        let page: Page<ClientView> = context.api.send(call).await?.read()?;
        items.extend(page.items);
        next = page.next;
        if next.is_none() {
            return Ok(items);
        }
    }
}

async fn scopes(context: &ApiContext<'_>) -> Result<Vec<ScopeView>, CliError> {
    let page: Page<ScopeView> = context.api.read(&["scopes"]).await?;
    Ok(page.items)
}
