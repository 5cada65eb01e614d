//! `docs/revocation-feed.json`: documents with what a verifier has to make of them, for implementations in other
//! languages. `UPDATE_DOCS=1` writes the file instead of comparing it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use symbolon_core::UnixMillis;
use symbolon_jose::{JwkSet, PrivateKey, PublicKey};
use symbolon_oauth_types::feed::{
    BATCH_TYPE, Batch, FeedEntry, HEAD_TYPE, Head, SNAPSHOT_TYPE, Snapshot, Tip,
};
use symbolon_oauth_types::revocation::{Cutoffs, Digest, Effect, Revocable, RevocationKind};
use uuid::Uuid;

use super::super::batches::{Draft, Span};
use super::super::inbox::Position;
use super::super::signer::Signer;
use super::reader::folded_on;
use super::{FeedKeys, secret};

const ISSUER: &str = "https://as.example.com";
const LOG: Uuid = Uuid::from_u128(0x0199b1f0_7c00_7000_8000_000000000001);
const OTHER_LOG: Uuid = Uuid::from_u128(0x0199b1f0_7c00_7000_8000_000000000002);
/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600_000;
const LATER: UnixMillis = UnixMillis(NOW + 4_200_000);
/// How far the clocks may differ, for these vectors.
const TOLERANCE: u64 = 10_000;
/// Seeds of the key that signs the feed, and of one that does not.
const SEED: u8 = 1;
const OTHER_SEED: u8 = 9;

fn signer() -> Signer {
    let keys = FeedKeys::new(&[secret(SEED)]).unwrap();
    Signer::new(ISSUER.to_owned(), std::time::Duration::from_secs(300), keys)
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_ed25519_seed(&[seed; 32]).unwrap()
}

fn tip(number: u8) -> Option<Tip> {
    let mut tip = [0; 16];
    tip[15] = number;
    Some(Tip(tip))
}

fn at(log: Uuid, seq: u64, number: u8) -> Position {
    Position {
        log,
        seq,
        tip: tip(number),
    }
}

fn entry(kind: RevocationKind, value: &str, effect: Effect) -> FeedEntry {
    FeedEntry {
        digest: Digest::of(kind, value),
        effect,
        expires: match kind {
            RevocationKind::Key => UnixMillis::NEVER,
            _ => LATER,
        },
    }
}

fn session(began: u64, number: u16) -> Uuid {
    let random = [
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        number.to_be_bytes()[0],
        number.to_be_bytes()[1],
    ];
    uuid::Builder::from_unix_timestamp_millis(began, &random).into_uuid()
}

/// What is in force at 40, and what comes up to 42.
fn entries() -> (Vec<FeedEntry>, Vec<FeedEntry>) {
    let ended = session(NOW - 60_000, 1).to_string();
    let disabled = Uuid::from_u128(0xd).to_string();
    let cut = Effect::Cutoff(UnixMillis(NOW - 30_000));
    let at_40 = vec![
        entry(RevocationKind::Session, &ended, Effect::Block),
        entry(RevocationKind::Subject, &disabled, Effect::Block),
        entry(RevocationKind::Client, "app", cut),
        entry(RevocationKind::Key, "bad", Effect::Block),
    ];
    let up_to_42 = vec![
        entry(
            RevocationKind::Subject,
            &disabled,
            Effect::Lift(UnixMillis(NOW - 1_000)),
        ),
        entry(
            RevocationKind::Client,
            "app",
            Effect::Cutoff(UnixMillis(NOW - 40_000)),
        ),
    ];
    (at_40, up_to_42)
}

/// From a position and its tip to another, with tips of positions in between.
fn batch(log: Uuid, ends: [(u64, u8); 2], tips: &[(u64, u8)], entries: Vec<FeedEntry>) -> String {
    let [from, to] = ends;
    let span = Span {
        log,
        from: from.0,
        to: to.0,
        prev: tip(from.1),
        tip: tip(to.1),
    };
    let within = (from.0 + 1..to.0).map(|seq| tip(tips.iter().find(|(at, _)| *at == seq)?.1));
    let kept = signer()
        .batch(Draft::new(span, within, entries), UnixMillis(NOW))
        .unwrap();
    String::from_utf8(kept.document.body().to_vec()).unwrap()
}

fn head(at: Position, as_of: u64) -> String {
    let head = signer().head(at, UnixMillis(as_of), UnixMillis(NOW)).unwrap();
    String::from_utf8(head.document.body().to_vec()).unwrap()
}

fn snapshot(at: Position, entries: Vec<FeedEntry>) -> String {
    let (as_of, now) = (UnixMillis(NOW - 10_000), UnixMillis(NOW));
    let snapshot = signer().snapshot(at, as_of, entries, now).unwrap();
    String::from_utf8(snapshot.document.body().to_vec()).unwrap()
}

/// A document of that type, or why it is none.
fn read(typ: &str, jwt: &str) -> Result<Value, &'static str> {
    let parts: Vec<_> = jwt.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err("form");
    };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "form");
    let said: Value = serde_json::from_slice(&bytes(header)?).map_err(|_| "form")?;
    if said["alg"] != "EdDSA" {
        return Err("alg");
    }
    if said["typ"] != typ {
        return Err("typ");
    }
    let own = key(SEED);
    if said["kid"] != own.kid().as_str() {
        return Err("kid");
    }
    let input = &jwt[..header.len() + 1 + payload.len()];
    let public: &PublicKey = own.public();
    public
        .verify(input.as_bytes(), &bytes(signature)?)
        .map_err(|_| "signature")?;
    let payload = bytes(payload)?;
    let issuer = match typ {
        HEAD_TYPE => serde_json::from_slice::<Head>(&payload).map(|head| head.iss),
        BATCH_TYPE => serde_json::from_slice::<Batch>(&payload).map(|batch| batch.iss),
        _ => serde_json::from_slice::<Snapshot>(&payload).map(|snapshot| snapshot.iss),
    };
    if issuer.map_err(|_| "payload")? != ISSUER {
        return Err("iss");
    }
    Ok(serde_json::from_slice(&payload).unwrap())
}

fn valid(name: &str, typ: &str, jwt: &str) -> Value {
    let payload = read(typ, jwt).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    json!({ "name": name, "typ": typ, "jwt": jwt, "payload": payload })
}

fn digests() -> Value {
    let all = [
        (RevocationKind::All, String::new()),
        (RevocationKind::Client, "app".to_owned()),
        (RevocationKind::Subject, Uuid::from_u128(0xd).to_string()),
        (RevocationKind::Session, session(NOW - 60_000, 1).to_string()),
        (RevocationKind::Token, session(NOW - 60_000, 2).to_string()),
        (RevocationKind::Key, "bad".to_owned()),
    ];
    let of = |(kind, value): (RevocationKind, String)| {
        let digest = URL_SAFE_NO_PAD.encode(Digest::of(kind, &value).0);
        json!({ "kind": kind.as_str(), "value": value, "digest": digest })
    };
    all.map(of).into_iter().collect()
}

/// What it is, session, subject, client and key, and what revokes it at first and then.
type Token = (
    &'static str,
    Option<(u64, u16)>,
    u128,
    &'static str,
    &'static str,
    [Option<&'static str>; 2],
);

/// Tokens, with what revokes them by the snapshot alone, and with the batch behind it.
fn verdicts() -> Value {
    let (at_40, up_to_42) = entries();
    let first = folded_on(&Cutoffs::default(), &at_40);
    let second = folded_on(&first, &up_to_42);
    let (user, disabled) = (0x1, 0xd);
    let ended = (NOW - 60_000, 1);
    let tokens: [Token; 10] = [
        (
            "of nobody that an entry is about",
            Some((NOW - 90_000, 3)),
            user,
            "other",
            "good",
            [None, None],
        ),
        (
            "of a session that was ended",
            Some(ended),
            user,
            "other",
            "good",
            [Some("session"); 2],
        ),
        (
            "of a session that began at the cutoff of its client",
            Some((NOW - 30_000, 4)),
            user,
            "app",
            "good",
            [Some("client"); 2],
        ),
        (
            "of one that began a millisecond later",
            Some((NOW - 29_999, 5)),
            user,
            "app",
            "good",
            [None, None],
        ),
        (
            "of a client, without a session, issued before the cutoff",
            None,
            user,
            "app",
            "good",
            [Some("client"); 2],
        ),
        (
            "of a client that another cutoff was meant for",
            None,
            user,
            "App",
            "good",
            [None, None],
        ),
        (
            "of a user who was disabled, and enabled later",
            Some((NOW - 500, 6)),
            disabled,
            "other",
            "good",
            [Some("subject"), None],
        ),
        (
            "of the same user, of a session that began when the block was lifted",
            Some((NOW - 1_000, 7)),
            disabled,
            "other",
            "good",
            [Some("subject"); 2],
        ),
        (
            "signed by a key that is bad",
            Some((NOW - 500, 8)),
            user,
            "other",
            "bad",
            [Some("key"); 2],
        ),
        (
            "of a key whose name looks like it",
            Some((NOW - 500, 9)),
            user,
            "other",
            "bad ",
            [None, None],
        ),
    ];
    let judged = tokens.map(|(what, of_session, sub, client_id, kid, expected)| {
        let jti = session(NOW - 40_000, 2);
        let sid = of_session.map(|(began, number)| session(began, number));
        let token = Revocable {
            started: UnixMillis(of_session.map_or(NOW - 40_000, |(began, _)| began)),
            subject: Uuid::from_u128(sub),
            client_id,
            session: sid,
            token: Some(jti),
            kid: Some(kid),
        };
        for (cutoffs, expected) in [&first, &second].iter().zip(expected) {
            assert_eq!(
                cutoffs.revokes(&token).map(RevocationKind::as_str),
                expected,
                "{what}"
            );
        }
        let [by_snapshot, by_both] = expected;
        let mut claims = json!({ "sub": token.subject, "client_id": client_id, "jti": jti });
        if let Some(sid) = sid {
            claims["sid"] = json!(sid);
        }
        json!({
            "what": what, "kid": kid, "claims": claims,
            "revoked_by_snapshot": by_snapshot, "revoked_by_snapshot_and_batch": by_both,
        })
    });
    judged.into_iter().collect()
}

/// What a verifier is at, and a head with what it is to it.
fn heads() -> Value {
    let known = json!({ "log": LOG, "seq": 42, "tip": tip(42), "as_of": NOW - 1_000 });
    let untold = Position {
        tip: None,
        ..at(LOG, 42, 0)
    };
    let cases = [
        ("one of the same place", at(LOG, 42, 42), NOW, "caught up"),
        ("one that does not know its tip", untold, NOW, "caught up"),
        ("one whose entries are missing", at(LOG, 43, 43), NOW, "behind"),
        (
            "one that is as old as the one that is known",
            at(LOG, 42, 42),
            NOW - 1_000,
            "ignored",
        ),
        (
            "one that is older, of a place that is not known",
            at(LOG, 43, 43),
            NOW - 2_000,
            "ignored",
        ),
        ("one of a node that lags", at(LOG, 41, 41), NOW, "ignored"),
        (
            "a lower one, newer by more than three seconds",
            at(LOG, 41, 41),
            NOW + 2_001,
            "earlier position",
        ),
        (
            "one of the same place, with another past",
            at(LOG, 42, 99),
            NOW,
            "earlier position",
        ),
        ("one of another log", at(OTHER_LOG, 7, 7), NOW, "ignored"),
        (
            "one of another log, newer by more than three seconds",
            at(OTHER_LOG, 7, 7),
            NOW + 2_001,
            "another log",
        ),
        (
            "one of the future",
            at(LOG, 42, 42),
            NOW + TOLERANCE + 1,
            "refused",
        ),
    ];
    let judged = cases.map(|(what, at, as_of, expected)| {
        let jwt = head(at, as_of);
        let said: Head = serde_json::from_value(read(HEAD_TYPE, &jwt).unwrap()).unwrap();
        assert_eq!(judge_head(&said), expected, "{what}");
        json!({ "what": what, "head": jwt, "is": expected })
    });
    json!({ "known": known, "cases": Vec::from(judged) })
}

/// The rules of the specification, for what [`heads`] says is known.
fn judge_head(head: &Head) -> &'static str {
    let newer = head.as_of.since(UnixMillis(NOW - 1_000));
    let tips_differ = head.tip.is_some() && head.tip != tip(42);
    match head {
        _ if head.as_of.0 > NOW + TOLERANCE => "refused",
        _ if newer == 0 => "ignored",
        _ if head.log != LOG && newer > 3_000 => "another log",
        _ if head.log != LOG => "ignored",
        _ if head.seq < 42 && newer > 3_000 => "earlier position",
        _ if head.seq < 42 => "ignored",
        _ if head.seq > 42 => "behind",
        _ if tips_differ => "earlier position",
        _ => "caught up",
    }
}

/// What a verifier is at, and a batch with what it is to it.
fn batches() -> Value {
    let known = json!({ "log": LOG, "seq": 42, "tip": tip(42) });
    let cases = [
        (
            "the next",
            batch(LOG, [(42, 42), (43, 43)], &[], vec![]),
            "applied",
        ),
        (
            "one that begins before",
            batch(LOG, [(40, 40), (44, 44)], &[], vec![]),
            "applied",
        ),
        (
            "one that leaves a gap",
            batch(LOG, [(43, 43), (44, 44)], &[], vec![]),
            "does not continue",
        ),
        (
            "one that ends there",
            batch(LOG, [(40, 40), (42, 42)], &[], vec![]),
            "does not continue",
        ),
        (
            "one of another log",
            batch(OTHER_LOG, [(42, 42), (43, 43)], &[], vec![]),
            "does not continue",
        ),
        (
            "one of another past",
            batch(LOG, [(42, 99), (43, 43)], &[], vec![]),
            "earlier position",
        ),
    ];
    let judged = cases.map(|(what, jwt, expected)| {
        let said: Batch = serde_json::from_value(read(BATCH_TYPE, &jwt).unwrap()).unwrap();
        let payload = read(BATCH_TYPE, &jwt).unwrap();
        let own = match 42_u64.saturating_sub(said.from) {
            0 => &payload["prev"],
            within => &payload["tips"][within as usize - 1],
        };
        let continues = said.log == LOG && said.from <= 42 && 42 < said.to;
        let found = match continues {
            false => "does not continue",
            true if !own.is_null() && *own != json!(tip(42)) => "earlier position",
            true => "applied",
        };
        assert_eq!(found, expected, "{what}");
        json!({ "what": what, "batch": jwt, "is": expected })
    });
    json!({ "known": known, "cases": Vec::from(judged) })
}

fn signed_as(key: &PrivateKey, typ: &str, payload: &str) -> String {
    key.sign_document(typ, payload.as_bytes(), usize::MAX).unwrap()
}

/// Documents that are to be refused, with the first thing that is wrong.
fn invalid() -> Value {
    let (own, other) = (key(SEED), key(OTHER_SEED));
    let good = head(at(LOG, 42, 42), NOW);
    let payload = read(HEAD_TYPE, &good).unwrap().to_string();
    let parts: Vec<_> = good.split('.').collect();
    let header = |alg: &str| {
        let kid = own.kid();
        URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{HEAD_TYPE}"}}"#))
    };
    let by_other = signed_as(&other, HEAD_TYPE, &payload);
    let forged = by_other.rsplit('.').next().unwrap();
    let mut changed: Value = serde_json::from_str(&payload).unwrap();
    changed["as_of"] = json!(NOW + 1);
    let changed = URL_SAFE_NO_PAD.encode(changed.to_string());
    let with = |entries: &str| {
        let log = LOG;
        let payload =
            format!(r#"{{"iss":"{ISSUER}","log":"{log}","from":41,"to":42,"entries":[{entries}]}}"#);
        signed_as(&own, BATCH_TYPE, &payload)
    };
    let head_with = |from: &str, to: &str| signed_as(&own, HEAD_TYPE, &payload.replace(from, to));
    let digest = "4ZmVWuGZJx9GSQ-fQVeAKQ";
    let cases = [
        (
            "not signed",
            HEAD_TYPE,
            format!("{}.{}.", header("none"), parts[1]),
            "alg",
        ),
        (
            "of another algorithm",
            HEAD_TYPE,
            format!("{}.{}.{}", header("HS256"), parts[1], parts[2]),
            "alg",
        ),
        (
            "a batch as a head",
            HEAD_TYPE,
            batch(LOG, [(41, 41), (42, 42)], &[], vec![]),
            "typ",
        ),
        ("a head as a batch", BATCH_TYPE, good.clone(), "typ"),
        (
            "an access token as a head",
            HEAD_TYPE,
            signed_as(&own, "at+jwt", &payload),
            "typ",
        ),
        (
            "by a key that is none of the feed",
            HEAD_TYPE,
            by_other.clone(),
            "kid",
        ),
        (
            "by that key in the name of one of the feed",
            HEAD_TYPE,
            format!("{}.{}.{forged}", parts[0], parts[1]),
            "signature",
        ),
        (
            "changed",
            HEAD_TYPE,
            format!("{}.{changed}.{}", parts[0], parts[2]),
            "signature",
        ),
        ("cut", HEAD_TYPE, format!("{}.{}", parts[0], parts[1]), "form"),
        (
            "of another issuer",
            HEAD_TYPE,
            head_with(ISSUER, "https://as.example.net"),
            "iss",
        ),
        (
            "of the issuer with a slash",
            HEAD_TYPE,
            head_with(ISSUER, &format!("{ISSUER}/")),
            "iss",
        ),
        (
            "a member twice",
            HEAD_TYPE,
            head_with(r#""seq":42"#, r#""seq":42,"seq":42"#),
            "payload",
        ),
        (
            "a time as text",
            HEAD_TYPE,
            head_with(r#""seq":42"#, r#""seq":"42""#),
            "payload",
        ),
        (
            "a negative number",
            HEAD_TYPE,
            head_with(r#""seq":42"#, r#""seq":-42"#),
            "payload",
        ),
        (
            "an effect that nobody knows",
            BATCH_TYPE,
            with(&format!(r#"["pardon","{digest}",{NOW}]"#)),
            "payload",
        ),
        (
            "a cutoff without its moment",
            BATCH_TYPE,
            with(&format!(r#"["cutoff","{digest}",{NOW}]"#)),
            "payload",
        ),
        (
            "a block with a moment",
            BATCH_TYPE,
            with(&format!(r#"["block","{digest}",{NOW},{NOW}]"#)),
            "payload",
        ),
        (
            "a short digest",
            BATCH_TYPE,
            with(&format!(r#"["block","{}",{NOW}]"#, &digest[1..])),
            "payload",
        ),
        (
            "an entry that is an object",
            BATCH_TYPE,
            with(r#"{"block":"x"}"#),
            "payload",
        ),
        (
            "a batch without entries",
            BATCH_TYPE,
            signed_as(
                &own,
                BATCH_TYPE,
                &format!(r#"{{"iss":"{ISSUER}","log":"{LOG}","from":41,"to":42}}"#),
            ),
            "payload",
        ),
    ];
    let refused = cases.map(|(what, typ, jwt, wrong)| {
        assert_eq!(read(typ, &jwt).unwrap_err(), wrong, "{what}");
        json!({ "what": what, "as": typ, "jwt": jwt, "wrong": wrong })
    });
    refused.into_iter().collect()
}

fn vectors() -> Value {
    let (at_40, up_to_42) = entries();
    let keys = JwkSet {
        keys: vec![key(SEED).public().jwk().clone()],
    };
    json!({
        "about": "Test vectors of the Symbolon revocation feed, which docs/revocation-feed.md specifies. Everything is \
            signed by the key whose Ed25519 seed is given; `now` is the time of the verifier, and its clock may differ by \
            `clock_tolerance_ms`.",
        "issuer": ISSUER,
        "now": NOW,
        "clock_tolerance_ms": TOLERANCE,
        "seed": URL_SAFE_NO_PAD.encode([SEED; 32]),
        "keys": keys,
        "digests": digests(),
        "documents": [
            valid("snapshot", SNAPSHOT_TYPE, &snapshot(at(LOG, 40, 40), at_40)),
            valid("batch", BATCH_TYPE, &batch(LOG, [(40, 40), (42, 42)], &[(41, 41)], up_to_42)),
            valid("head", HEAD_TYPE, &head(at(LOG, 42, 42), NOW)),
        ],
        "tokens": verdicts(),
        "heads": heads(),
        "batches": batches(),
        "invalid": invalid(),
    })
}

#[test]
fn the_published_vectors_are_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/revocation-feed.json");
    let generated = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &generated).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == generated,
        "docs/revocation-feed.json is stale: write it anew with `UPDATE_DOCS=1 cargo test -p symbolon-revocation vectors`"
    );
}
