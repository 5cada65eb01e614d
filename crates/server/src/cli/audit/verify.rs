//! `audit verify`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use http::Method;
use serde_json::json;
use symbolon_admin_api::trail::{TrailKeys, checkpoints_in, verify_export};
use symbolon_admin_api::{Verification, VerificationRequest};
use symbolon_jose::JwkSet;

use super::super::api::Call;
use super::super::context::ApiContext;
use super::super::error::{CliError, ErrorKind};
use super::super::output::{Output, fields, quoted};

/// Longest file of checkpoints or keys that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Seconds of a day.
const DAY_S: u64 = 86_400;
/// Most checkpoints that are compared at once.
const MAX_GIVEN: usize = 1000;

/// `audit verify`.
#[derive(Args, Debug)]
pub struct AuditVerify {
    /// Compare with the checkpoints in this file, such as a log in which they stand; may be repeated.
    #[arg(long = "checkpoints", value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
    /// Verify this export rather than the trail itself; needs no server.
    #[arg(long, value_name = "FILE", requires = "keys")]
    pub export: Option<PathBuf>,
    /// The JWK set that the checkpoints of the export must be signed with, as `symbolon audit keys --json` told it.
    #[arg(long, value_name = "FILE", requires = "export")]
    pub keys: Option<PathBuf>,
}

/// Verifies; fails where something is not as it was written.
pub(super) async fn run(
    context: &ApiContext<'_>,
    out: &mut Output<'_>,
    args: AuditVerify,
) -> Result<(), CliError> {
    let given = Given::read(&args)?;
    let body = VerificationRequest {
        checkpoints: given.compared,
    };
    let call = Call::new(Method::POST, &["audit", "verify"]).body(&body)?;
    tell(out, &context.api.send(call).await?.read()?, given.count)
}

/// Verifies an export, which needs neither a server nor a database.
pub(in crate::cli) async fn run_on_export(
    out: &mut Output<'_>,
    args: &AuditVerify,
    export: &Path,
) -> Result<(), CliError> {
    let keys = args
        .keys
        .as_deref()
        .ok_or_else(|| CliError::refused("the keys of the checkpoints are missing", "give --keys"))?;
    let given = Given::read(args)?;
    let found = exported(export, keys, &given.compared).await?;
    if found.records == 0 && found.intact {
        return Err(CliError::refused(
            format_args!("{} holds no record", quoted(&export.to_string_lossy())),
            "write it with `symbolon audit export --out FILE`, without --after where nothing is new",
        ));
    }
    tell(out, &found, given.count)
}

/// The checkpoints that are given from outside.
struct Given {
    /// How many there are; one that follows itself is one.
    count: usize,
    /// Those that are compared.
    compared: Vec<String>,
}

impl Given {
    fn read(args: &AuditVerify) -> Result<Self, CliError> {
        let mut given = Vec::new();
        for path in &args.checkpoints {
            let before = given.len();
            given.extend(checkpoints_in(&read(path)?).map(str::to_owned));
            // Whoever means to compare with some must hear that there are none.
            if given.len() == before {
                return Err(CliError::refused(
                    format_args!("no checkpoint in {}", quoted(&path.to_string_lossy())),
                    "give what `symbolon audit checkpoint` showed, or a log of the server with its lines `audit checkpoint`",
                ));
            }
        }
        given.dedup();
        Ok(Self {
            count: given.len(),
            compared: thinned(given),
        })
    }
}

/// Of many as many as a request takes, spread over all and always the first and the last: each binds all that lies before it.
fn thinned(mut given: Vec<String>) -> Vec<String> {
    if given.len() <= MAX_GIVEN {
        return given;
    }
    let last = given.len() - 1;
    (0..MAX_GIVEN)
        .map(|i| std::mem::take(&mut given[i * last / (MAX_GIVEN - 1)]))
        .collect()
}

async fn exported(export: &Path, keys: &Path, given: &[String]) -> Result<Verification, CliError> {
    let shown = quoted(&keys.to_string_lossy());
    let no_keys = |error: &dyn std::fmt::Display| {
        CliError::refused(
            format_args!("{shown} holds no JWK set: {error}"),
            "write it with `symbolon audit keys --json`",
        )
    };
    let jwks: JwkSet = serde_json::from_str(&read(keys)?).map_err(|error| no_keys(&error))?;
    let keys = TrailKeys::from_jwks(&jwks).map_err(|error| no_keys(&error))?;
    let file = File::open(export).map_err(|error| unreadable(export, &error))?;
    let report = verify_export(BufReader::new(file), &keys, given)
        .await
        .map_err(|error| CliError::refused(error, "give files that `symbolon audit` has written"))?;
    Ok(Verification::from(&report))
}

/// What is said of a trail in which nothing is wrong.
fn sound(found: &Verification) -> &'static str {
    match found.signed {
        Some(_) => "the trail is as it was written",
        None => {
            "the trail is consistent, but nothing signs it: anybody could have made it; give --checkpoints of its records"
        }
    }
}

/// As people read it.
fn text(found: &Verification, given: usize) -> String {
    let signed = match (&found.signed, &found.signed_at) {
        (Some(seq), Some(at)) => format!("up to record {seq}, at {at}"),
        _ => "nowhere: no checkpoint covers it".to_owned(),
    };
    // In a form that the configuration takes, too.
    let stayed = match found.swept_retention_s {
        None => "-".to_owned(),
        Some(seconds) if seconds.is_multiple_of(DAY_S) => format!("{}d", seconds / DAY_S),
        Some(seconds) => format!("{seconds}s"),
    };
    fields(&[
        ("records", found.records.to_string()),
        ("swept before", found.anchor.to_string()),
        ("swept after", stayed),
        ("good up to", found.good.to_string()),
        ("checkpoints", found.checkpoints.to_string()),
        ("given", given.to_string()),
        ("signed", signed),
    ])
}

fn tell(out: &mut Output<'_>, found: &Verification, given: usize) -> Result<(), CliError> {
    let text = text(found, given);
    let mut shown = json!(found);
    shown["given"] = given.into();
    match &found.fault {
        None => out.result(&shown, &format!("{}\n\n{text}", sound(found))),
        Some(fault) => {
            out.result(&shown, &format!("the trail is NOT as it was written\n\n{text}"))?;
            Err(CliError::new(
                ErrorKind::Tampered,
                format_args!("{} ({})", fault.detail, fault.wrong),
                "keep the database and its logs as they are, and compare with an export or a backup",
            ))
        }
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    let length = std::fs::metadata(path)
        .map_err(|error| unreadable(path, &error))?
        .len();
    if length > MAX_BYTES {
        return Err(CliError::refused(
            format_args!(
                "{} is longer than {MAX_BYTES} bytes",
                quoted(&path.to_string_lossy())
            ),
            "give a shorter file",
        ));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> CliError {
    CliError::refused(
        format_args!("{} can't be read: {error}", quoted(&path.to_string_lossy())),
        "name a file that can",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_how_old_records_were_when_they_were_swept() {
        let mut found = Verification {
            intact: true,
            anchor: 0,
            swept_retention_s: None,
            good: 29,
            hash: String::new(),
            records: 29,
            checkpoints: 8,
            signed: Some(29),
            signed_at: Some("2026-11-22T19:27:59.636Z".to_owned()),
            fault: None,
        };
        for (anchor, stayed, told) in [
            (0, None, "-"),
            (8, Some(400 * DAY_S), "400d"),
            (8, Some(5400), "5400s"),
        ] {
            (found.anchor, found.swept_retention_s) = (anchor, stayed);
            let lines = format!(
                "records:      29\n\
                 swept before: {anchor}\n\
                 swept after:  {told}\n\
                 good up to:   29\n\
                 checkpoints:  8\n\
                 given:        2\n\
                 signed:       up to record 29, at 2026-11-22T19:27:59.636Z"
            );
            assert_eq!(text(&found, 2), lines);
        }
    }

    #[test]
    fn of_many_checkpoints_those_are_left_that_span_them_all() {
        let all = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(thinned(all(1000)), all(1000));
        let left = thinned(all(123_456));
        assert_eq!(left.len(), MAX_GIVEN);
        assert_eq!(
            (left.first().unwrap().as_str(), left.last().unwrap().as_str()),
            ("0", "123455")
        );
        assert!(left.iter().all(|one| !one.is_empty()));
    }
}
