//! The arguments of `keys`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use symbolon_jose::{Kid, SigningAlg};

use super::super::args::WhyArgs;

/// `keys activate`.
#[derive(Args, Debug)]
pub struct KeysActivate {
    /// The pending key, as `symbolon keys list` shows it.
    // Here and below: a key id is base64url, which may begin with a hyphen.
    #[arg(value_parser = Kid::parse, allow_hyphen_values = true)]
    pub kid: Kid,
    /// When it takes effect.
    #[command(flatten)]
    pub timing: TimingArgs,
    /// Whether it is done.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `keys compromise`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which").required(true).args(["kid", "all"])))]
pub struct KeysCompromise {
    /// The key, as `symbolon keys list --all` shows it.
    #[arg(value_parser = Kid::parse, allow_hyphen_values = true)]
    pub kid: Option<Kid>,
    /// Every key that is published, pending ones too: somebody has read the database and the key-encryption key.
    #[arg(long)]
    pub all: bool,
    /// Why, for the record: at most 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Whether it is done.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
}

/// `keys export-public`.
#[derive(Args, Debug)]
pub struct KeysExportPublic {
    /// Only this key.
    #[arg(value_parser = Kid::parse, allow_hyphen_values = true)]
    pub kid: Option<Kid>,
    /// In what form.
    #[arg(long, value_enum, default_value_t = PublicFormat::Jwks)]
    pub format: PublicFormat,
}

/// How public keys are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PublicFormat {
    /// A JWK set, like the one at the `jwks_uri`.
    Jwks,
    /// A PEM block for each, in the same order; neither `kid` nor `alg` stands in it.
    Pem,
}

/// `keys generate`.
#[derive(Args, Debug)]
pub struct KeysGenerate {
    /// The algorithm, one of `keys.algorithms`.
    #[arg(long, value_name = "ALG")]
    pub alg: SigningAlg,
    /// Whether it is done.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `keys import`.
#[derive(Args, Debug)]
pub struct KeysImport {
    /// The file with the private key; `-` is standard input.
    pub file: PathBuf,
    /// What an RSA key signs with, RS256 or PS256; without it what its JWK says, else the first of the two in
    /// `keys.algorithms`.
    #[arg(long, value_name = "ALG", value_parser = rsa_alg)]
    pub alg: Option<SigningAlg>,
    /// PEM file with certificates to publish beside the key as `x5c`: first that of the key, then each that issued the
    /// one before.
    #[arg(long, value_name = "FILE")]
    pub certificates: Option<PathBuf>,
    /// Whether it is done.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `keys list`.
#[derive(Args, Debug)]
pub struct KeysList {
    /// Also those that are retired or compromised; at most 1,000 keys, the latest.
    #[arg(long)]
    pub all: bool,
}

/// `keys retire`.
#[derive(Args, Debug)]
pub struct KeysRetire {
    /// The key, as `symbolon keys list` shows it.
    #[arg(value_parser = Kid::parse, allow_hyphen_values = true)]
    pub kid: Kid,
    /// When it takes effect.
    #[command(flatten)]
    pub timing: TimingArgs,
    /// Whether it is done.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `keys rewrap`.
#[derive(Args, Debug)]
pub struct KeysRewrap {
    /// Whether it is done.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `keys rotate`.
#[derive(Args, Debug)]
pub struct KeysRotate {
    /// Only the keys of this algorithm.
    #[arg(long, value_name = "ALG")]
    pub alg: Option<SigningAlg>,
    /// When it takes effect.
    #[command(flatten)]
    pub timing: TimingArgs,
    /// Whether it is done.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `keys show`.
#[derive(Args, Debug)]
pub struct KeysShow {
    /// The key, as `symbolon keys list --all` shows it.
    #[arg(value_parser = Kid::parse, allow_hyphen_values = true)]
    pub kid: Kid,
}

/// When a change of keys takes effect.
#[derive(Args, Clone, Copy, Debug)]
pub struct TimingArgs {
    /// Do not wait until every verifier can know the key that signs next, or no longer needs the one that goes: they
    /// may refuse valid tokens.
    #[arg(long)]
    pub dangerous_now: bool,
}

/// Whether a change is made.
#[derive(Args, Clone, Copy, Debug)]
pub struct DryRunArgs {
    /// Only show what would happen, and when.
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads `--alg` of a key whose type does not decide it.
fn rsa_alg(text: &str) -> Result<SigningAlg, String> {
    match text.parse() {
        Ok(alg @ (SigningAlg::Ps256 | SigningAlg::Rs256)) => Ok(alg),
        Ok(_) => Err("the type of the key decides; only an RSA key is for one of RS256, PS256".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads `--reason`: it goes on the record, which cuts longer ones off.
pub(in crate::cli) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("give 1 to 200 characters on one line".to_owned())
    }
}
