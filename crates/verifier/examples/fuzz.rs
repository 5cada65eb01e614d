//! Tries changed tokens, feed documents and streams against the verifier, for as many seconds as it is told:
//! `cargo run --release -p symbolon-verifier --example fuzz -- 600 [SEED]`.
//!
//! It ends with a panic where the verifier panics, where it accepts a token or a document that the issuer did not sign, or
//! where what it accepts lacks what it must have. Half of what is tried is signed anew after the change, so that what lies
//! behind the signature is reached as well.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a finding must be seen, and so must a broken assumption"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use symbolon_jose::{PrivateKey, SigningAlg};
use symbolon_verifier::feed::{
    Batch, Candidate, Document, Event, Events, FeedKeys, Head, Moment, Outcome, Snapshot, State, read,
};
use symbolon_verifier::{Clock, KeySet, SystemClock, UnixMillis, Verifier};

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://api.example";
const NOW: u64 = 1_800_000_000;
const LOG: &str = "0199b1f0-7c00-7000-8000-000000000001";
const DIGEST: &str = "4ZmVWuGZJx9GSQ-fQVeAKQ";
const TIP: &str = "AAAAAAAAAAAAAAAAAAAAKg";

/// SplitMix64: the same seed tries the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Time stands still.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> UnixMillis {
        UnixMillis(NOW * 1000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A key, and how to sign any two texts with it.
struct Signer {
    key: PrivateKey,
    encoding: EncodingKey,
    algorithm: jsonwebtoken::Algorithm,
}

impl Signer {
    fn new(alg: SigningAlg, random: &mut Random) -> Self {
        let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next() as u8);
        let key = PrivateKey::generate(alg, &mut fill).expect("keys can be made");
        let (encoding, algorithm) = match alg {
            SigningAlg::EdDsa => (
                EncodingKey::from_ed_der(key.to_pkcs8_der()),
                jsonwebtoken::Algorithm::EdDSA,
            ),
            _ => (
                EncodingKey::from_ec_der(key.to_pkcs8_der()),
                jsonwebtoken::Algorithm::ES256,
            ),
        };
        Self {
            key,
            encoding,
            algorithm,
        }
    }

    fn header(&self, typ: &str) -> String {
        json!({ "alg": self.key.alg().as_str(), "kid": self.key.kid().as_str(), "typ": typ }).to_string()
    }

    fn sign(&self, header: &[u8], payload: &[u8]) -> String {
        let encode = |bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, self.algorithm);
        format!("{message}.{}", signature.expect("the key signs"))
    }

    fn jwks(&self) -> String {
        json!({ "keys": [self.key.public().jwk()] }).to_string()
    }
}

/// What is changed: a good header and payload, and who may sign them.
struct Seed {
    name: &'static str,
    typ: &'static str,
    payload: String,
}

fn seeds() -> Vec<Seed> {
    let entry = |name: &str| json!([name, DIGEST, NOW * 1000 + 5000, NOW * 1000]);
    let block = json!(["block", DIGEST, null]);
    let id = |last: u64| format!("01a201d3-0000-7000-8000-{last:012}");
    let seed = |name, typ, payload: Value| Seed {
        name,
        typ,
        payload: payload.to_string(),
    };
    vec![
        seed(
            "token",
            "at+jwt",
            json!({
                "iss": ISSUER, "sub": id(1), "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "nbf": NOW, "jti": id(2),
                "client_id": "shop", "scope": "orders:read orders:write", "sid": id(3), "tenant": { "id": [7, "a"] },
            }),
        ),
        seed(
            "head",
            "revocation-head+jwt",
            json!({ "iss": ISSUER, "log": LOG, "seq": 4, "tip": TIP, "as_of": NOW * 1000, "max_stale": 300 }),
        ),
        seed(
            "batch",
            "revocation-batch+jwt",
            json!({
                "iss": ISSUER, "log": LOG, "from": 2, "to": 4, "prev": TIP, "tip": TIP, "tips": [TIP],
                "entries": [entry("cutoff"), block],
            }),
        ),
        seed(
            "snapshot",
            "revocation-snapshot+jwt",
            json!({
                "iss": ISSUER, "log": LOG, "seq": 2, "tip": TIP, "as_of": NOW * 1000 - 9,
                "entries": [entry("lift"), block, entry("cutoff")],
            }),
        ),
    ]
}

/// What hostile documents are made of.
const PIECES: [&str; 28] = [
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "18446744073709551616",
    "1.5",
    "\"\"",
    "[]",
    "{}",
    "[[[[[[[[",
    "\"x\":1,",
    "\"iss\":\"https://as.example\",",
    "\"exp\":9999999999,",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\"",
    ",",
    ":",
    "}",
    "]",
    ".",
    "=",
    "none",
    "crit",
    "\"entries\":[],",
    "\n\n",
];

/// The bytes with up to four changes.
fn changed(text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => drop(bytes.drain(at..(at + random.below(9)).min(bytes.len()))),
            3 => {
                let piece = random.of(&PIECES).bytes();
                bytes.splice(at..at, piece);
            }
            4 => {
                let from = random.below(bytes.len() + 1);
                let copy = bytes[from..(from + random.below(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let piece = random.of(&PIECES).bytes();
                let end = (at + random.below(12)).min(bytes.len());
                bytes.splice(at..end, piece);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

struct Fuzz {
    random: Random,
    tokens: Signer,
    feed: Signer,
    verifier: Verifier,
    keys: FeedKeys,
    seeds: Vec<Seed>,
    runtime: tokio::runtime::Runtime,
    counts: BTreeMap<String, u64>,
}

impl Fuzz {
    fn new(seed: u64) -> Result<Self, Box<dyn Error>> {
        let mut random = Random(seed);
        let tokens = Signer::new(SigningAlg::Es256, &mut random);
        let feed = Signer::new(SigningAlg::EdDsa, &mut random);
        let verifier = Verifier::builder(ISSUER, AUDIENCE)
            .clock(Standing)
            .build_with_keys(KeySet::from_json(tokens.jwks().as_bytes())?)?;
        Ok(Self {
            keys: FeedKeys::from_json(feed.jwks().as_bytes())?,
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
            seeds: seeds(),
            counts: BTreeMap::new(),
            random,
            tokens,
            feed,
            verifier,
        })
    }

    fn signer(&self, name: &str) -> &Signer {
        match name {
            "token" => &self.tokens,
            _ => &self.feed,
        }
    }

    /// One text, tried as each of what it could be taken for.
    fn round(&mut self) {
        let which = self.random.below(self.seeds.len());
        let Seed { name, typ, payload } = &self.seeds[which];
        let signer = match *name {
            "token" => &self.tokens,
            _ => &self.feed,
        };
        let header = signer.header(typ);
        let (text, is_signed) = match self.random.below(4) {
            0 => {
                let good = signer.sign(header.as_bytes(), payload.as_bytes());
                (changed(good.as_bytes(), &mut self.random), false)
            }
            1 => (
                signer
                    .sign(&changed(header.as_bytes(), &mut self.random), payload.as_bytes())
                    .into_bytes(),
                true,
            ),
            _ => (
                signer
                    .sign(header.as_bytes(), &changed(payload.as_bytes(), &mut self.random))
                    .into_bytes(),
                true,
            ),
        };
        let name = *name;
        let Ok(text) = String::from_utf8(text) else { return };
        let accepted = self.accepted(&text);
        for kind in &accepted {
            assert_eq!(*kind, name, "taken for something else: {text}");
            if !is_signed {
                assert!(self.is_authentic(name, &text), "nobody signed this: {text}");
            }
        }
        let outcome = if accepted.is_empty() {
            "refused"
        } else {
            "accepted"
        };
        *self.counts.entry(format!("{name} {outcome}")).or_default() += 1;
    }

    /// What the text is accepted as.
    fn accepted(&self, text: &str) -> Vec<&'static str> {
        let mut accepted = Vec::new();
        if let Ok(claims) = self.runtime.block_on(self.verifier.verify(text)) {
            assert_eq!(claims.issuer, ISSUER);
            assert!(claims.audiences.iter().any(|audience| audience == AUDIENCE));
            assert!(claims.expires.as_secs() + 10 > NOW && claims.issued.as_secs() <= NOW + 10);
            accepted.push("token");
        }
        if let Some(head) = self.document::<Head>(text, &mut accepted, "head") {
            assert_eq!(head.iss, ISSUER);
            let mut state = State::new(Duration::from_secs(10));
            let outcome = state.head(head.clone(), MOMENT);
            assert_eq!(
                outcome == Outcome::TooNew,
                head.as_of.0 > NOW * 1000 + 10_000,
                "{head:?}"
            );
            assert!(
                state.position().is_none(),
                "a head alone makes nobody know anything"
            );
        }
        if let Some(batch) = self.document::<Batch>(text, &mut accepted, "batch") {
            assert!(batch.iss == ISSUER && batch.from < batch.to && batch.entries.len() <= 4096);
            let mut state = State::new(Duration::from_secs(10));
            assert_eq!(state.batch(&batch), Outcome::Ignored);
        }
        if let Some(snapshot) = self.document::<Snapshot>(text, &mut accepted, "snapshot") {
            assert_eq!(snapshot.iss, ISSUER);
            let mut state = State::new(Duration::from_secs(10));
            state.snapshot(Candidate::from(snapshot));
            assert!(
                state.position().is_none(),
                "a snapshot alone makes nobody know anything"
            );
        }
        accepted
    }

    fn document<D: Document>(
        &self,
        text: &str,
        accepted: &mut Vec<&'static str>,
        name: &'static str,
    ) -> Option<D> {
        let document = read(text, ISSUER, &self.keys).ok()?;
        accepted.push(name);
        Some(document)
    }

    /// Whether the text is what was signed: a change that changes nothing.
    fn is_authentic(&self, name: &str, text: &str) -> bool {
        let Some((message, _)) = text.rsplit_once('.') else {
            return false;
        };
        let signer = self.signer(name);
        let seed = self.seeds.iter().find(|seed| seed.name == name);
        seed.is_some_and(|seed| {
            let good = signer.sign(signer.header(seed.typ).as_bytes(), seed.payload.as_bytes());
            good.rsplit_once('.').is_some_and(|(good, _)| good == message)
        })
    }

    /// A stream with changes is taken apart in the same way wherever it is cut.
    fn stream(&mut self) {
        let good = b"event: batch\nid: a:1\ndata: a.b.c\n\n: x\r\nevent: head\rdata: d\n\nevent: resync\ndata: {}\n\n";
        let bytes = changed(good, &mut self.random);
        let mut whole = Vec::new();
        let complete = Events::default().push(&bytes, |event| whole.push(event));
        let (mut pieces, mut parser, mut rest) = (Vec::<Event>::new(), Events::default(), &bytes[..]);
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(1 + self.random.below(rest.len()));
            let pushed = parser.push(piece, |event| pieces.push(event));
            assert_eq!(pushed, complete);
            rest = tail;
        }
        assert_eq!(whole, pieces, "{bytes:?}");
        *self.counts.entry("stream".into()).or_default() += 1;
    }

    /// What `Events`, `KeySet` and `FeedKeys` make of anything.
    fn keys(&mut self) {
        let json = changed(self.tokens.jwks().as_bytes(), &mut self.random);
        let accepted = KeySet::from_json(&json).is_ok();
        assert!(FeedKeys::from_json(&json).is_err(), "a set without Ed25519");
        let outcome = if accepted { "accepted" } else { "refused" };
        *self.counts.entry(format!("key set {outcome}")).or_default() += 1;
    }
}

const MOMENT: Moment = Moment {
    wall: UnixMillis(NOW * 1000),
    monotonic: Duration::ZERO,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let secs: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let clock = SystemClock::new();
    let seed = arguments.next().map_or(Ok(clock.now().0), |text| text.parse())?;
    println!("seed {seed}");
    let mut fuzz = Fuzz::new(seed)?;
    for Seed { name, typ, payload } in &fuzz.seeds {
        let signer = fuzz.signer(name);
        let good = signer.sign(signer.header(typ).as_bytes(), payload.as_bytes());
        if fuzz.accepted(&good) != [*name] {
            panic!("a good {name} must be accepted as such: {good}");
        }
    }
    while clock.monotonic() < Duration::from_secs(secs) {
        for _ in 0..100 {
            fuzz.round();
        }
        fuzz.stream();
        fuzz.keys();
    }
    for (what, count) in &fuzz.counts {
        println!("{what}: {count}");
    }
    println!("no finding");
    Ok(())
}
