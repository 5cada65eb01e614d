//! `keys compromise`.

use symbolon_core::revocation::NewRevocation;
use symbolon_jose::Kid;

use super::*;

/// The keys that the revocation log names, by their entries.
async fn logged(bench: &Bench) -> Vec<symbolon_oauth_types::revocation::Entry> {
    let entries = bench.store.entries(0, UnixMillis(START), 1000).await.unwrap();
    entries.into_iter().map(|logged| logged.entry).collect()
}

fn entry(kid: &Kid) -> symbolon_oauth_types::revocation::Entry {
    NewRevocation::key(kid).entry
}

/// What stands in the files of the database.
fn database(bench: &Bench) -> Vec<u8> {
    let read = |name: &str| std::fs::read(bench.dir.path().join(name)).unwrap_or_default();
    [read("test.db"), read("test.db-wal")].concat()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

const UNKNOWN_TO_VERIFIERS: &str = "introspection refuses what was signed, and so do verifiers that follow the \
                                    revocation feed; others that keep the key set go on accepting it until they read it \
                                    anew, at most 15m (`jwks.max_age`) and a minute from now where they follow its \
                                    Cache-Control: restart those that keep it longer";
const OTHER_COPIES: &str = "this database alone has lost the private key: destroy every other copy, in \
                            `keys.import_dir`, files and backups";
const KEY_ENCRYPTION_KEY: &str = "whoever can still read the database reads the new keys, too, with the \
                                  key-encryption key that they have: shut them out, give `keys.encryption_key` \
                                  another value, the present one as `keys.previous_encryption_key`, run `symbolon \
                                  keys rewrap`, and then this again";

#[tokio::test]
async fn the_pending_key_takes_over_from_one_that_leaked() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let (bad, next) = (
        bench.in_state("active").await.kid,
        bench.in_state("pending").await.kid,
    );
    bench.pass(READY).await;
    let turn = at(&bench, 90 * DAY);
    let line = format!("keys compromise {bad} --reason laptop-stolen --yes");
    let (plan, outcome) = bench.planned_and_done(&line, "compromised").await;
    let made = bench.in_state("pending").await.kid;
    assert_eq!(
        steps(&plan),
        [
            format!("ES256 {bad} active compromised now"),
            format!("ES256 {next} pending active now"),
            format!("ES256 {made} - pending now"),
            format!("ES256 {made} pending active {turn}"),
        ]
    );
    let notes =
        [UNKNOWN_TO_VERIFIERS, OTHER_COPIES].map(|note| serde_json::json!({ "note": note }).to_string());
    assert_eq!(outcome.err.lines().collect::<Vec<_>>(), notes);
    assert_eq!(bench.in_state("compromised").await.wrapped, "");
    assert_eq!(bench.in_state("active").await.kid, next);
    assert_eq!(logged(&bench).await, [entry(&bad)]);
    let kept = database(&bench);
    assert!(holds(&kept, "laptop-stolen") && holds(&kept, "cli:tester"));

    let said = format!("key {bad}: a key that is compromised can't become compromised");
    bench.refusal(2, &line, &said).await;
    bench
        .refusal(
            3,
            "keys compromise nobody --reason x --yes",
            "there is no signing key nobody; see `symbolon keys list --all`",
        )
        .await;
}

#[tokio::test]
async fn whatever_state_a_key_is_in_it_can_be_withdrawn() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let pending = bench.in_state("pending").await.kid;
    // A pending key is replaced by another pending one.
    let (plan, _) = bench
        .planned_and_done(
            &format!("keys compromise {pending} --reason x --yes"),
            "compromised",
        )
        .await;
    assert_eq!(
        steps(&plan)[0],
        format!("ES256 {pending} pending compromised now")
    );
    assert_eq!(plan["warnings"], serde_json::json!([]));
    // A retiring key just goes, and so does one that has retired, whose entry is all that is new.
    let active = bench.in_state("active").await.kid;
    assert_eq!(bench.run("keys rotate --dangerous-now").await.error, None);
    assert_eq!(
        bench
            .run(&format!("keys retire {active} --dangerous-now"))
            .await
            .error,
        None
    );
    let (plan, _) = bench
        .planned_and_done(
            &format!("keys compromise {active} --reason x --yes"),
            "compromised",
        )
        .await;
    assert_eq!(steps(&plan), [format!("ES256 {active} retired compromised now")]);
    assert_eq!(logged(&bench).await, [entry(&pending), entry(&active)]);
}

#[tokio::test]
async fn all_keys_are_replaced_at_once() {
    let bench = Bench::started(&[SigningAlg::Es256, SigningAlg::EdDsa]).await;
    let before: Vec<_> = bench.store.signing_keys().await.unwrap();
    bench.pass(2 * READY).await;
    let turn = at(&bench, 90 * DAY);
    let (plan, outcome) = bench
        .planned_and_done("keys compromise --all --reason x --yes", "compromised")
        .await;
    let after = bench.store.signing_keys().await.unwrap();
    assert_eq!((before.len(), after.len()), (4, 4));
    assert!(
        before
            .iter()
            .all(|bad| after.iter().all(|key| key.kid != bad.kid))
    );
    let made = steps(&plan).split_off(4);
    for (alg, made) in ["ES256", "EdDSA"].iter().zip(made.chunks(3)) {
        let words: Vec<_> = made
            .iter()
            .map(|step| step.split(' ').collect::<Vec<_>>())
            .collect();
        assert_eq!(
            (words[0][0], words[0][2], words[0][3], words[0][4]),
            (*alg, "-", "active", "now")
        );
        assert_eq!(
            (words[1][0], words[1][2], words[1][3], words[1][4]),
            (*alg, "-", "pending", "now")
        );
        assert_eq!(
            (words[2][1], words[2][3], words[2][4]),
            (words[1][1], "active", turn.as_str())
        );
        assert!(
            after
                .iter()
                .any(|key| key.kid.as_str() == words[0][1] && key.state.is_active())
        );
    }
    let warning = |alg| {
        format!(
            "the new {alg} key signs before any verifier can know it: those that do not read the key set again for an \
             unknown `kid` refuse valid tokens until they do"
        )
    };
    assert_eq!(
        plan["warnings"],
        serde_json::json!([warning("ES256"), warning("EdDSA")])
    );
    assert!(outcome.err.contains(KEY_ENCRYPTION_KEY), "{}", outcome.err);
    assert_eq!(logged(&bench).await.len(), 4);
}

#[tokio::test]
async fn asks_first() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let active = bench.in_state("active").await.kid;
    let line = format!("keys compromise {active} --reason x");
    let nobody = "there is no terminal to ask for confirmation; give --yes";
    bench.refusal(2, &line, nobody).await;
    let answered = |answer| Script {
        answers: [answer, answer].into(),
        terminal: true,
        ..Script::default()
    };
    for no in ["", "n\n", "yess\n"] {
        bench
            .refusal_of(&mut answered(no), 2, &line, "not confirmed; nothing was changed")
            .await;
    }
    let mut script = answered("no\n");
    let all = bench
        .run_with(&mut script, "keys compromise --all --reason x")
        .await;
    all.refused(2, "not confirmed");
    assert_eq!(
        all.asked,
        ["Refuse everything that any of the 2 published keys signed, for good? [y/N] "]
    );
    // What it breaks is said before the question.
    assert!(
        all.err
            .starts_with("warning: the new ES256 key signs before any verifier"),
        "{}",
        all.err
    );

    let done = bench.run_with(&mut answered("Y\n"), &line).await;
    assert_eq!((done.error, done.waited), (None, vec![LEASE]));
    assert_eq!(
        done.asked,
        [format!(
            "Refuse everything that key {active} (ES256, active) signed, for good? [y/N] "
        )]
    );
    let said = format!("\nnote: {UNKNOWN_TO_VERIFIERS}\nnote: {OTHER_COPIES}\n");
    assert!(done.err.ends_with(&said), "{}", done.err);
    assert_eq!(bench.in_state("compromised").await.kid, active);
}

#[tokio::test]
async fn a_dry_run_asks_nothing() {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let mut script = Script {
        terminal: true,
        ..Script::default()
    };
    let line = "keys compromise --all --reason x --dry-run";
    let outcome = bench.run_with(&mut script, line).await;
    assert_eq!(
        (outcome.error, outcome.asked, outcome.waited),
        (None, vec![], vec![])
    );
    assert!(!outcome.err.contains("note: "), "{}", outcome.err);
    assert!(
        outcome.out.ends_with("dry run: nothing was changed\n"),
        "{}",
        outcome.out
    );
}

#[tokio::test]
async fn there_must_be_keys() {
    let bench = Bench::new().await;
    let said =
        "there are no signing keys yet; the first start of the server makes them, and they sign at once";
    bench.refusal(2, "keys compromise --all --reason x", said).await;
    bench
        .refusal(2, "keys compromise --all --reason x --yes", said)
        .await;
}

#[tokio::test]
async fn keys_that_can_not_be_opened_are_withdrawn_and_replaced() {
    let mut bench = Bench::started(&[SigningAlg::Es256]).await;
    bench.keys.encryption_keys = encryption_keys(2, &[]);
    let done = bench
        .json("", "keys compromise --all --reason lost-key --yes")
        .await;
    assert_eq!(done["reach"], "everywhere");
    let logged = logged(&bench).await;
    assert_eq!(done["revocations"].as_array().unwrap().len(), logged.len());
    assert_eq!(logged.len(), 2);
    for key in bench.store.signing_keys().await.unwrap() {
        let id = KeyEncryptionKey::key_id_of(&key.wrapped).unwrap();
        assert_eq!(id.to_string(), id_of(2));
    }
}

#[tokio::test]
async fn a_promise_that_could_not_be_made_is_told() {
    let mut bench = Bench::started(&[SigningAlg::Es256]).await;
    bench.is_unfenced = true;
    let bad = bench.in_state("active").await.kid;
    let line = format!("keys compromise {bad} --reason x --yes --json");
    let outcome = bench.run(&line).await;
    let done = outcome.json();
    assert_eq!(done["reach"], "logged");
    assert_eq!(done["revocations"][0]["kid"], bad.as_str());
    assert_eq!(done["revocations"][0]["seq"], 1);
    assert!(outcome.err.contains("Redis could not be told"), "{}", outcome.err);
    assert!(outcome.err.contains("symbolon revoke key"), "{}", outcome.err);
    assert_eq!(bench.in_state("compromised").await.kid, bad);
}
