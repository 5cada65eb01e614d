//! `keys`: the signing keys.

pub(super) mod args;
mod change;
pub(super) mod compromise;
mod export;
mod import;
mod list;
pub(super) mod plan;
mod rewrap;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::api::Call;
use super::context::{ApiContext, Console};
use super::error::CliError;
use super::output::Output;
pub use args::{
    DryRunArgs, KeysActivate, KeysCompromise, KeysExportPublic, KeysGenerate, KeysImport, KeysList,
    KeysRetire, KeysRewrap, KeysRotate, KeysShow, PublicFormat, TimingArgs,
};

/// `keys`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Let a pending key sign now rather than on schedule.
    ///
    /// The active key of its algorithm retires: it signs no more, and stays published until nothing that it signed can
    /// be alive. A new pending key is made. Refused until the key has been published by every server for
    /// `keys.publish_before_signing`: wait as long as the message says.
    Activate(KeysActivate),
    /// Withdraw a key that leaked: whatever it signed is worth nothing from now on.
    ///
    /// The key leaves the key set at once and for good, its private key is erased, and the revocation log says so:
    /// introspection refuses its tokens. Where it was the one that signs, the pending key takes over at once, or a new
    /// one if that is compromised too. It can't be undone.
    Compromise(KeysCompromise),
    /// Write the public keys that are published: active, pending and retiring.
    ExportPublic(KeysExportPublic),
    /// Make a new pending key of an algorithm in place of the present one.
    ///
    /// The present pending key, which never signed, is withdrawn. The new one is published at once and takes over on
    /// schedule, or by `symbolon keys rotate` once it has been published for `keys.publish_before_signing`.
    Generate(KeysGenerate),
    /// Take a private key from elsewhere as the pending key of its algorithm.
    ///
    /// PEM (PKCS#8, PKCS#1, SEC1; not encrypted) or a JWK, at most 64 KiB. The present pending key, which never signed,
    /// is withdrawn. The imported one is published at once and takes over on schedule, or by `symbolon keys rotate`
    /// once it has been published for `keys.publish_before_signing`. Before the first start of the server, when there
    /// is no key at all, it signs at once: that takes `--offline`. The same key is never taken twice, not even when it is retired.
    Import(KeysImport),
    /// List the signing keys: their states, what is next for each, and when.
    List(KeysList),
    /// Stop using a key.
    ///
    /// An active key hands over to the pending one, which must have been published by every server for
    /// `keys.publish_before_signing`; it stays published until nothing that it signed can be alive. A pending key is
    /// withdrawn and a new one made. A retiring key leaves the key set; that is refused until
    /// `keys.publish_after_signing` has passed, when it would leave by itself. For a key that leaked use `symbolon keys
    /// compromise`.
    Retire(KeysRetire),
    /// Encrypt again, under `keys.encryption_key`, what is stored under `keys.previous_encryption_key`.
    ///
    /// Signing keys and server secrets. Every record is opened before the first is touched; cut short, it can be run
    /// again. Servers go on meanwhile. Says at the end which key-encryption keys any record still needs. Give every
    /// server the new key first: one that still has the old one as `keys.encryption_key` makes new records under it.
    Rewrap(KeysRewrap),
    /// Let the pending keys sign now rather than on schedule.
    ///
    /// Of every algorithm in `keys.algorithms`, or of one. Each active key retires: it signs no more, and stays
    /// published until nothing that it signed can be alive. New pending keys are made. Refused as a whole until each
    /// pending key has been published by every server for `keys.publish_before_signing`: wait as long as the message
    /// says.
    Rotate(KeysRotate),
    /// Show a signing key, in whichever state.
    Show(KeysShow),
}

/// Runs a command on signing keys.
///
/// # Errors
/// [`CliError`]; nothing changed, unless the output alone failed or the error says otherwise. A rewrap that was cut short
/// has changed some records and can be run again.
pub async fn run(
    context: &ApiContext<'_>,
    console: &mut dyn Console,
    out: &mut Output<'_>,
    command: KeysCommand,
) -> Result<(), CliError> {
    let (call, done) = match command {
        KeysCommand::Compromise(args) => return compromise::run(context, console, out, args).await,
        KeysCommand::ExportPublic(args) => return export::run(context, out, &args).await,
        KeysCommand::List(args) => return list::run(context, out, &args).await,
        KeysCommand::Rewrap(args) => return rewrap::run(context, out, args).await,
        KeysCommand::Show(args) => return list::show(context, out, &args).await,
        KeysCommand::Activate(args) => {
            let call = Call::new(Method::POST, &["keys", args.kid.as_str(), "activate"])
                .with_some("reason", args.why.reason)
                .body(&when(args.timing, args.dry_run))?;
            (call, "activated")
        }
        KeysCommand::Generate(args) => {
            let call = Call::new(Method::POST, &["keys", "generate"])
                .with_some("reason", args.why.reason)
                .naming("alg", "--alg")
                .body(&json!({ "alg": args.alg, "dry_run": args.dry_run.dry_run }))?;
            (call, "generated")
        }
        KeysCommand::Import(args) => (import::call(console, &args)?, "imported"),
        KeysCommand::Retire(args) => {
            let call = Call::new(Method::POST, &["keys", args.kid.as_str(), "retire"])
                .with_some("reason", args.why.reason)
                .body(&when(args.timing, args.dry_run))?;
            (call, "retired")
        }
        KeysCommand::Rotate(args) => {
            let mut body = when(args.timing, args.dry_run);
            body["alg"] = json!(args.alg);
            let call = Call::new(Method::POST, &["keys", "rotate"])
                .with_some("reason", args.why.reason)
                .naming("alg", "--alg")
                .body(&body)?;
            (call, "rotated")
        }
    };
    change::run(context, out, call, done).await
}

/// When a change takes effect, and whether it is made.
fn when(timing: TimingArgs, dry_run: DryRunArgs) -> Value {
    json!({ "dangerous_now": timing.dangerous_now, "dry_run": dry_run.dry_run })
}
