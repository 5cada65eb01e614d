//! What a verifier costs: `cargo bench -p symbolon-verifier`.
//!
//! What is compared is measured in turns in the same run, so that ratios mean something on a machine that others use too.
//! Times are medians.
#![expect(clippy::print_stdout, reason = "a benchmark talks to whoever runs it")]
#![expect(clippy::expect_used, reason = "a broken assumption must end it")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use serde_json::json;
use symbolon_jose::{PrivateKey, SigningAlg};
use symbolon_verifier::feed::{
    Candidate, Digest, Effect, FeedEntry, Head, Lookup, Moment, Snapshot, State, Tip,
};
use symbolon_verifier::{
    Clock, Fetch, Fetched, Fetching, Revocable, RevocationKind, SystemClock, UnixMillis, Uuid, Verifier,
};
use url::Url;

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://api.example";
const LOG: Uuid = Uuid::from_u128(0x0199_b1f0_7c00_7000_8000_0000_0000_0001);
const MANY: u128 = 100_000;
/// How many turns there are, and how long each of what is compared takes in one.
const TURNS: usize = 41;
const TURN: Duration = Duration::from_millis(20);

fn key(alg: SigningAlg) -> PrivateKey {
    let mut state = 7_u64;
    let mut fill = |bytes: &mut [u8]| {
        bytes.fill_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
    };
    PrivateKey::generate(alg, &mut fill).expect("keys can be made")
}

/// Sessions that were revoked; they leave after an hour.
fn snapshot(entries: u128, now: UnixMillis) -> Snapshot {
    let entry = |number: u128| FeedEntry {
        digest: Digest::of_uuid(RevocationKind::Session, Uuid::from_u128(number)),
        effect: Effect::Block,
        expires: now.plus(4_200_000 - number as u64),
    };
    Snapshot {
        iss: ISSUER.into(),
        log: LOG,
        seq: entries as u64,
        tip: Some(Tip([1; 16])),
        as_of: now,
        entries: (0..entries).map(entry).collect(),
    }
}

fn head(entries: u128, now: UnixMillis) -> Head {
    Head {
        iss: ISSUER.into(),
        log: LOG,
        seq: entries as u64,
        tip: Some(Tip([1; 16])),
        as_of: now,
        max_stale: 3600,
    }
}

/// An issuer that signs its feed once.
struct Issuer {
    tokens: PrivateKey,
    feed: PrivateKey,
    head: String,
    snapshot: String,
}

impl Issuer {
    fn new(alg: SigningAlg, entries: u128, now: UnixMillis) -> Arc<Self> {
        let feed = key(SigningAlg::EdDsa);
        let sign = |typ: &str, json: String| {
            let signed = feed.sign_document(typ, json.as_bytes(), 64 << 20);
            signed.expect("the key signs")
        };
        let snapshot = json!(snapshot(entries, now)).to_string();
        Arc::new(Self {
            head: sign("revocation-head+jwt", json!(head(entries, now)).to_string()),
            snapshot: sign("revocation-snapshot+jwt", snapshot),
            tokens: key(alg),
            feed,
        })
    }

    fn token(&self, number: u128, now: UnixMillis) -> String {
        let id = |last: u128| Uuid::from_u128((u128::from(now.0) << 80) | (0x7000_8000_0000 << 32) | last);
        let claims = json!({
            "iss": ISSUER, "sub": id(1), "aud": AUDIENCE, "exp": now.as_secs() + 3600, "iat": now.as_secs(),
            "jti": id(2 + number), "client_id": "shop", "scope": "orders:read orders:write", "sid": id(1 << 20),
        });
        let signed = self.tokens.sign_compact("at+jwt", claims.to_string().as_bytes());
        signed.expect("the key signs")
    }
}

struct At(Arc<Issuer>);

impl Fetch for At {
    fn get<'a>(&'a self, url: &'a Url, _: usize) -> Fetching<'a> {
        let jwks = |key: &PrivateKey| json!({ "keys": [key.public().jwk()] }).to_string();
        let body = match url.path() {
            "/jwks" => jwks(&self.0.tokens),
            "/feed/keys" => jwks(&self.0.feed),
            "/feed/head" => self.0.head.clone(),
            "/feed/snapshot" => self.0.snapshot.clone(),
            _ => {
                let (keys, feed) = (format!("{ISSUER}/jwks"), format!("{ISSUER}/feed"));
                json!({ "issuer": ISSUER, "jwks_uri": keys, "revocation_feed_uri": feed }).to_string()
            }
        };
        Box::pin(async { Ok(Fetched::new(body)) })
    }
}

/// How often one call of what is measured does it, so that entering a runtime does not count.
const ROUNDS: usize = 16;

/// Runs each in turns. Returns the median time of each, and the median of how it compares with the first in its turn.
fn compare<const N: usize>(clock: &dyn Clock, mut runs: [&mut dyn FnMut(); N]) -> [(Duration, f64); N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..TURNS {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let (start, mut rounds) = (clock.monotonic(), 0_u32);
            while clock.monotonic() - start < TURN {
                run();
                rounds += ROUNDS as u32;
            }
            times.push((clock.monotonic() - start).as_secs_f64() / f64::from(rounds));
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    std::array::from_fn(|index| {
        let ratios = times[index]
            .iter()
            .zip(&times[0])
            .map(|(time, first)| time / first);
        let ratio = median(ratios.collect());
        (Duration::from_secs_f64(median(times[index].clone())), ratio)
    })
}

fn show(what: &str, time: Duration, note: &str) {
    println!("{what:<58} {:>9.3} us  {note}", time.as_secs_f64() * 1e6);
}

fn uncached_and_cached(clock: &SystemClock, alg: SigningAlg) {
    let now = clock.now();
    let issuer = Issuer::new(alg, MANY, now);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let build = |remember: usize| {
        let builder = Verifier::builder(ISSUER, AUDIENCE).fetch(At(Arc::clone(&issuer)));
        let building = builder
            .remember(remember)
            .timeout(Duration::from_secs(60))
            .build();
        let verifier = runtime.block_on(building).expect("settings are within bounds");
        assert_eq!(verifier.feed().map(|feed| feed.entries), Some(MANY as usize));
        verifier
    };
    let (forgetful, mindful) = (build(0), build(10_000));
    let tokens: Vec<_> = (0..1000).map(|number| issuer.token(number, now)).collect();
    let verify = |verifier: &Verifier, tokens: &[String]| {
        runtime.block_on(async {
            for token in tokens {
                assert!(black_box(verifier.verify(token).await).is_ok());
            }
        });
    };
    verify(&mindful, &tokens);

    let (decoding, algorithm) = match alg {
        SigningAlg::Es256 => (ec(&issuer.tokens), jsonwebtoken::Algorithm::ES256),
        _ => (rsa(&issuer.tokens), jsonwebtoken::Algorithm::RS256),
    };
    let (message, signature) = tokens[0].rsplit_once('.').expect("a token");
    let mut bare = || {
        for _ in 0..ROUNDS {
            let verified = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &decoding, algorithm);
            assert!(black_box(verified).is_ok_and(|good| good));
        }
    };
    let same = vec![tokens[0].clone(); ROUNDS];
    let mut uncached = || verify(&forgetful, &same);
    let mut one = || verify(&mindful, &same);
    let mut turns = tokens.chunks_exact(ROUNDS).cycle();
    let mut thousand = || {
        turns
            .next()
            .into_iter()
            .for_each(|tokens| verify(&mindful, tokens))
    };
    let [bare, uncached, one, thousand] = compare(clock, [&mut bare, &mut uncached, &mut one, &mut thousand]);
    show(
        &format!("{alg}: bare signature check of jsonwebtoken"),
        bare.0,
        "",
    );
    show(
        &format!("{alg}: verification, not remembered, {MANY} entries"),
        uncached.0,
        &format!("{:.3} of the bare check (aim: 1.15)", uncached.1),
    );
    show(
        &format!("{alg}: verification, remembered, one token"),
        one.0,
        "(aim: 2 us)",
    );
    show(
        &format!("{alg}: verification, remembered, a thousand tokens"),
        thousand.0,
        "(aim: 2 us)",
    );
}

fn ec(key: &PrivateKey) -> DecodingKey {
    DecodingKey::from_ec_pem(key.public().to_pem().as_bytes()).expect("the public key")
}

fn rsa(key: &PrivateKey) -> DecodingKey {
    DecodingKey::from_rsa_pem(key.public().to_pem().as_bytes()).expect("the public key")
}

fn state(entries: u128, now: UnixMillis) -> State {
    let mut state = State::new(Duration::from_secs(10));
    state.snapshot(Candidate::from(snapshot(entries, now)));
    let moment = Moment {
        wall: now,
        monotonic: Duration::ZERO,
    };
    state.head(head(entries, now), moment);
    assert_eq!(state.entries(), entries as usize);
    state
}

fn checks(clock: &SystemClock) {
    let now = clock.now();
    let revocable = |number: u128| Revocable {
        started: now,
        subject: Uuid::from_u128(number),
        client_id: "shop",
        session: Some(Uuid::from_u128(number + (1 << 64))),
        token: Some(Uuid::from_u128(number + (1 << 65))),
        kid: Some("iJnrBGFHtdRXtAaSEjxLQ0pJRsP7hKgCyxfhS7wYDlE"),
    };
    let lookups: Vec<Lookup> = (0..4096).map(|number| revocable(number).lookup()).collect();
    let (none, many) = (state(0, now), state(MANY, now));
    let judge = |state: &State, lookups: &[Lookup]| {
        let is_revoked = |lookup| black_box(state.revokes(lookup)).is_some();
        assert!(!lookups.iter().any(is_revoked));
    };
    let [mut a, mut b] = [
        lookups.chunks_exact(ROUNDS).cycle(),
        lookups.chunks_exact(ROUNDS).cycle(),
    ];
    let mut of_none = || a.next().into_iter().for_each(|lookups| judge(&none, lookups));
    let mut of_many = || b.next().into_iter().for_each(|lookups| judge(&many, lookups));
    let mut digests = || {
        (0..ROUNDS).for_each(|number| {
            black_box(revocable(number as u128).lookup());
        });
    };
    let [of_none, of_many, digests] = compare(clock, [&mut of_none, &mut of_many, &mut digests]);
    show("revocation check alone, no entries", of_none.0, "");
    show(&format!("revocation check alone, {MANY} entries"), of_many.0, "");
    show(
        "the digests of a token, computed once where it is remembered",
        digests.0,
        "",
    );
}

/// What the process holds in memory, in KiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn memory(clock: &SystemClock) {
    let now = clock.now();
    let before = resident();
    let candidate = Candidate::from(snapshot(MANY, now));
    let after = resident();
    let json = json!(snapshot(MANY, now)).to_string();
    if let Some((before, after)) = before.zip(after) {
        let bytes = after.saturating_sub(before) * 1024;
        println!(
            "{MANY} entries in memory: {} KiB, {} bytes each",
            bytes / 1024,
            u128::from(bytes) / MANY
        );
    }
    println!(
        "{MANY} entries as a signed snapshot: {} KiB",
        json.len() * 4 / 3 / 1024
    );
    drop(black_box(candidate));
}

fn main() {
    let clock = SystemClock::new();
    memory(&clock);
    checks(&clock);
    uncached_and_cached(&clock, SigningAlg::Es256);
    uncached_and_cached(&clock, SigningAlg::Rs256);
}
