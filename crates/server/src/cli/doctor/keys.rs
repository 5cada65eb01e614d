//! Whether the key-encryption key opens what is kept, and whether there is a key to sign with.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::cluster_clock::ClusterClock;
use symbolon_core::ports::KeyStore;
use symbolon_core::{Clock as _, SystemRng, UnixMillis};
use symbolon_jose::SigningAlg;
use symbolon_jwks_publisher::{KeyInfo, KeyOperations, check_encryption_keys, share_encryption_keys, spell};
use symbolon_store_sql::SqlStore;

use super::check::{Check, Name, blocking, bounded, late};
use crate::config::Settings;
use crate::node::rotation_config;
use crate::secrets::rewrap_secrets;

/// A step of the schedule that is later than this has been missed: one hour, in milliseconds.
const LATE_MS: u64 = 3_600_000;

pub(super) async fn checks(
    settings: &Settings,
    store: &SqlStore,
    clock: Arc<ClusterClock>,
    checks: &mut Vec<Check>,
) {
    checks.push(bounded(Name::KeysEncryption, encryption(settings, store)).await);
    let operations = KeyOperations::new(
        Arc::new(store.clone()),
        share_encryption_keys(settings.keys.encryption_keys.clone()),
        rotation_config(settings),
        clock.clone(),
        Arc::new(SystemRng),
    );
    let now = clock.now();
    let mut rotated = Check::skipped(Name::KeysRotation, "the keys can't be listed: see `keys.active`");
    let active = async {
        match operations.list(false).await {
            Ok(keys) => {
                rotated = rotation(settings, &keys, now);
                active(&settings.keys.algorithms, &keys)
            }
            Err(error) => Check::failed(Name::KeysActive, error.to_string(), "see `database.connection`"),
        }
    };
    checks.push(bounded(Name::KeysActive, active).await);
    checks.push(rotated);
}

/// Whether every server secret and every signing key opens. None is made, none is changed.
async fn encryption(settings: &Settings, store: &SqlStore) -> Check {
    let name = Name::KeysEncryption;
    let keys = &settings.keys.encryption_keys;
    let remedy = "set `keys.encryption_key`, or `keys.previous_encryption_key`, to the key under which they were encrypted";
    let (secrets, stale) = match rewrap_secrets(store, keys, true).await {
        Ok(counts) => counts,
        Err(error) => return Check::failed(name, format!("{error:#}"), remedy),
    };
    if let Err(error) = check_encryption_keys(store as &dyn KeyStore, keys).await {
        return Check::failed(name, error.to_string(), remedy);
    }
    let signing = match store.signing_keys().await {
        Ok(keys) => keys.len(),
        Err(error) => return Check::failed(name, error.to_string(), "see `database.connection`"),
    };
    if secrets + signing == 0 {
        return Check::ok(
            name,
            "there are no keys yet: the server makes them at its first start",
        );
    }
    if stale > 0 {
        return Check::warning(
            name,
            format!(
                "{stale} of {secrets} server secrets are still encrypted under `keys.previous_encryption_key`"
            ),
            "run `symbolon keys rewrap`, then unset `keys.previous_encryption_key`",
        );
    }
    Check::ok(
        name,
        format!("the key-encryption key opens {secrets} server secrets and {signing} signing keys"),
    )
}

/// Whether there is a key to sign with for every algorithm.
fn active(algorithms: &[SigningAlg], keys: &[KeyInfo]) -> Check {
    let name = Name::KeysActive;
    if keys.is_empty() {
        return Check::skipped(
            name,
            "there are no keys yet: the server makes them at its first start",
        );
    }
    let signing: BTreeSet<_> = keys
        .iter()
        .filter(|key| key.state == "active")
        .map(|key| key.alg)
        .collect();
    let missing: Vec<_> = algorithms.iter().filter(|alg| !signing.contains(alg)).collect();
    let names = |algorithms: &[&SigningAlg]| {
        algorithms
            .iter()
            .map(|alg| alg.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if missing.is_empty() {
        let all: Vec<_> = algorithms.iter().collect();
        return Check::ok(name, format!("there is an active key for {}", names(&all)));
    }
    Check::failed(
        name,
        format!("there is no active key for {}", names(&missing)),
        "restart the server, which makes keys for what is new in `keys.algorithms`, or see `symbolon keys list` and run \
         `symbolon keys activate`",
    )
}

/// Whether the schedule is kept.
fn rotation(settings: &Settings, keys: &[KeyInfo], now: UnixMillis) -> Check {
    let name = Name::KeysRotation;
    if let Some((key, node)) = keys.iter().find_map(|key| Some((key, key.withheld_by.as_ref()?))) {
        return Check::warning(
            name,
            format!(
                "the next key of {} can't sign: {node} does not publish it yet",
                key.alg
            ),
            "see that this node reads the database and the key-encryption key; if it is gone for good, the key is free a day \
             later",
        );
    }
    let overdue = if settings.keys.rotate_automatically {
        keys.iter().find_map(|key| {
            let missed = now.since(key.next.as_ref()?.at);
            (missed > LATE_MS).then_some((key, missed))
        })
    } else {
        let every = u64::try_from(settings.keys.timings.rotate_every.as_millis()).unwrap_or(u64::MAX);
        keys.iter().filter(|key| key.state == "active").find_map(|key| {
            let missed = now.since(key.activated?).checked_sub(every)?;
            Some((key, missed))
        })
    };
    let remedy = if settings.keys.rotate_automatically {
        "see that a server runs and that its log tells of no failed rotation"
    } else {
        "run `symbolon keys rotate`, or set `keys.rotate_automatically`"
    };
    match overdue {
        Some((key, missed)) => Check::warning(
            name,
            format!(
                "the {} key {} of {} is overdue by {}",
                key.state,
                key.kid,
                key.alg,
                spell(Duration::from_millis(missed))
            ),
            remedy,
        ),
        None if keys.is_empty() => Check::skipped(name, "there are no keys yet"),
        None => Check::ok(name, "nothing is overdue"),
    }
}

/// Whether only the server's user has to do with the folder of private keys.
pub(super) async fn import_dir(settings: &Settings) -> Check {
    let name = Name::KeysImportDir;
    let Some(dir) = settings.keys.import_dir.clone() else {
        return Check::skipped(name, "`keys.import_dir` is not set");
    };
    let check = blocking(move || judge_import_dir(&dir)).await;
    check.unwrap_or_else(|| late(name))
}

/// Most files that are looked at; the server reads fewer.
const FILES: usize = 1000;

fn judge_import_dir(dir: &Path) -> Check {
    let name = Name::KeysImportDir;
    let unreadable = |path: &Path, error: std::io::Error| {
        Check::failed(
            name,
            format!("{} can't be read: {error}", path.display()),
            "let `keys.import_dir` name a folder that the server may read",
        )
    };
    let paths = match std::fs::read_dir(dir) {
        Ok(entries) => entries.take(FILES).flatten().map(|entry| entry.path()),
        Err(error) => return unreadable(dir, error),
    };
    let private = |path: &std::path::PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "pem" || extension == "jwk")
    };
    let mut count = 0;
    for path in std::iter::once(dir.to_owned()).chain(paths.filter(private)) {
        let mode = match std::fs::metadata(&path) {
            Ok(metadata) => mode(&metadata),
            Err(error) => return unreadable(&path, error),
        };
        if mode & 0o022 != 0 {
            return Check::failed(
                name,
                format!("others may write {}: whoever can makes tokens", path.display()),
                "chmod go-w it, and see that no key in it is a stranger's",
            );
        }
        // Those who may list the folder see no keys.
        if path != dir && mode & 0o044 != 0 {
            return Check::warning(
                name,
                format!("others may read the private key in {}", path.display()),
                "chmod 600 it, and rotate the key if somebody may have read it",
            );
        }
        count += 1;
    }
    Check::ok(name, format!("{} key files, for their owner alone", count - 1))
}

fn mode(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode()
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use symbolon_jwks_publisher::NextStep;

    use super::super::check::Outcome;
    use super::super::tests::settings;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const DAY_MS: u64 = 86_400_000;

    fn key(alg: SigningAlg, state: &'static str) -> KeyInfo {
        KeyInfo {
            kid: serde_json::from_str("\"0123456789abcdef\"").unwrap(),
            alg,
            state,
            since: NOW,
            created: NOW,
            activated: Some(UnixMillis(NOW.0 - 91 * DAY_MS)),
            next: None,
            ready: None,
            withheld_by: None,
            encryption_key: None,
        }
    }

    #[test]
    fn every_algorithm_needs_an_active_key() {
        let algorithms = [SigningAlg::Es256, SigningAlg::Rs256];
        let keys = [
            key(SigningAlg::Es256, "active"),
            key(SigningAlg::Rs256, "pending"),
        ];
        let check = active(&algorithms, &keys);
        assert_eq!(check.outcome, Outcome::Failed);
        assert!(check.detail.ends_with("for RS256"), "{check:?}");
        assert_eq!(active(&algorithms[..1], &keys).outcome, Outcome::Ok);
        assert_eq!(active(&algorithms, &[]).outcome, Outcome::Skipped);
    }

    #[test]
    fn a_rotation_that_was_missed_is_told() {
        let automatic = settings("issuer = \"http://127.0.0.1\"");
        let by_hand = settings("issuer = \"http://127.0.0.1\"\nkeys.rotate_automatically = false");
        let due = |ago| KeyInfo {
            next: Some(NextStep {
                to: "retiring",
                at: UnixMillis(NOW.0 - ago),
            }),
            ..key(SigningAlg::Es256, "active")
        };
        assert_eq!(rotation(&automatic, &[due(LATE_MS)], NOW).outcome, Outcome::Ok);
        let missed = rotation(&automatic, &[due(LATE_MS + 1)], NOW);
        assert_eq!(missed.outcome, Outcome::Warning);
        assert!(missed.detail.contains("overdue by 1h"), "{missed:?}");
        // By hand nothing is on schedule: it is the age that tells.
        let old = key(SigningAlg::Es256, "active");
        assert_eq!(
            rotation(&automatic, std::slice::from_ref(&old), NOW).outcome,
            Outcome::Ok
        );
        let check = rotation(&by_hand, &[old], NOW);
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.remedy.unwrap().contains("symbolon keys rotate"));
        let withheld = KeyInfo {
            withheld_by: Some("host:1".to_owned()),
            ..key(SigningAlg::Es256, "pending")
        };
        let check = rotation(&automatic, &[withheld], NOW);
        assert!(check.detail.contains("host:1 does not publish it"), "{check:?}");
        assert_eq!(rotation(&automatic, &[], NOW).outcome, Outcome::Skipped);
    }

    #[tokio::test]
    async fn private_keys_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("keys");
        std::fs::create_dir(&dir).unwrap();
        let allow = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        allow(&dir, 0o755);
        let key = dir.join("a.pem");
        write(&key, "").unwrap();
        allow(&key, 0o600);
        write(dir.join("README"), "").unwrap();
        let named = settings(&format!(
            "issuer = \"http://127.0.0.1\"\nkeys.import_dir = \"{}\"",
            dir.display()
        ));
        let check = import_dir(&named).await;
        assert_eq!(
            (check.outcome, check.detail.as_str()),
            (Outcome::Ok, "1 key files, for their owner alone")
        );
        allow(&key, 0o640);
        assert_eq!(import_dir(&named).await.outcome, Outcome::Warning);
        allow(&key, 0o620);
        assert_eq!(import_dir(&named).await.outcome, Outcome::Failed);
        allow(&key, 0o600);
        allow(&dir, 0o777);
        let check = import_dir(&named).await;
        assert_eq!(check.outcome, Outcome::Failed);
        assert!(check.detail.contains("others may write"), "{check:?}");
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(import_dir(&named).await.outcome, Outcome::Failed);
        let none = settings("issuer = \"http://127.0.0.1\"");
        assert_eq!(import_dir(&none).await.outcome, Outcome::Skipped);
    }
}
