//! The test vectors that are published beside the specification, for implementations in any language.

use std::time::Duration;

use serde_json::{Value, json};
use symbolon_verifier::feed::{
    Batch, Candidate, Digest, Document, FeedKeys, Head, Moment, Outcome, Resync, Snapshot, State, read,
};
use symbolon_verifier::{Revocable, RevocationKind, UnixMillis, Uuid};

use super::batch_json;

struct Vectors(Value);

impl Vectors {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/revocation-feed.json");
        let text = std::fs::read_to_string(path).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    fn all(&self, name: &str) -> &[Value] {
        let all = self.0.pointer(name).and_then(Value::as_array).unwrap();
        assert!(!all.is_empty(), "{name}");
        all
    }

    fn moment(&self) -> Moment {
        let now = self.0["now"].as_u64().unwrap();
        Moment {
            wall: UnixMillis(now),
            monotonic: Duration::from_millis(now),
        }
    }

    fn document<D: Document>(&self, jwt: &Value) -> Result<D, &'static str> {
        let keys = FeedKeys::from_json(self.0["keys"].to_string().as_bytes()).unwrap();
        let issuer = text(&self.0["issuer"]);
        read(text(jwt), issuer, &keys).map_err(|error| error.reason())
    }

    fn named<D: Document>(&self, name: &str) -> D {
        let found = self
            .all("/documents")
            .iter()
            .find(|document| document["name"] == name);
        self.document(&found.unwrap()["jwt"]).unwrap()
    }

    /// A state that is caught up with a snapshot.
    fn caught_up(&self, snapshot: Snapshot) -> State {
        let tolerance = self.0["clock_tolerance_ms"].as_u64().unwrap();
        let mut state = State::new(Duration::from_millis(tolerance));
        let head = Head {
            iss: snapshot.iss.clone(),
            log: snapshot.log,
            seq: snapshot.seq,
            tip: snapshot.tip,
            as_of: snapshot.as_of,
            max_stale: 300,
        };
        state.snapshot(Candidate::from(snapshot));
        assert!(matches!(state.head(head, self.moment()), Outcome::Adopted(_)));
        state
    }

    /// A state that knows what the cases of heads and batches begin with.
    fn knowing(&self, known: &Value) -> State {
        let mut snapshot = known.clone();
        let as_of = json!(self.0["now"].as_u64().unwrap() - 1000);
        let members = snapshot.as_object_mut().unwrap();
        members.insert("iss".into(), self.0["issuer"].clone());
        members.insert("entries".into(), json!([]));
        members.entry("as_of").or_insert(as_of);
        self.caught_up(serde_json::from_value(snapshot).unwrap())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn id(claims: &Value, name: &str) -> Option<Uuid> {
    claims.get(name).map(|id| text(id).parse().unwrap())
}

#[test]
fn digests() {
    let kinds = [
        RevocationKind::All,
        RevocationKind::Client,
        RevocationKind::Key,
        RevocationKind::Session,
        RevocationKind::Subject,
        RevocationKind::Token,
    ];
    for digest in Vectors::read().all("/digests") {
        let kind = kinds
            .into_iter()
            .find(|kind| digest["kind"] == kind.as_str())
            .unwrap();
        let own = super::entry(
            kind,
            text(&digest["value"]),
            symbolon_verifier::feed::Effect::Block,
        );
        assert_eq!(json!(own)[1], digest["digest"]);
        assert_eq!(own.digest, Digest::of(kind, text(&digest["value"])));
    }
}

#[test]
fn documents() {
    let vectors = Vectors::read();
    for document in vectors.all("/documents") {
        let payload = match text(&document["name"]) {
            "snapshot" => json!(vectors.named::<Snapshot>("snapshot")),
            "batch" => batch_json(&vectors.named("batch")),
            "head" => json!(vectors.named::<Head>("head")),
            other => panic!("{other}"),
        };
        assert_eq!(payload, document["payload"]);
    }
}

#[test]
fn tokens() {
    let vectors = Vectors::read();
    let before = vectors.caught_up(vectors.named("snapshot"));
    let mut after = vectors.caught_up(vectors.named("snapshot"));
    assert_eq!(after.batch(&vectors.named("batch")), Outcome::Applied);
    assert_eq!(
        after.head(vectors.named("head"), vectors.moment()),
        Outcome::CaughtUp
    );
    for token in vectors.all("/tokens") {
        let claims = &token["claims"];
        let (session, jti) = (id(claims, "sid"), id(claims, "jti").unwrap());
        let began = session.unwrap_or(jti).as_u128() >> 80;
        let revocable = Revocable {
            started: UnixMillis(began as u64),
            subject: id(claims, "sub").unwrap(),
            client_id: text(&claims["client_id"]),
            session,
            token: Some(jti),
            kid: Some(text(&token["kid"])),
        };
        for (state, name) in [
            (&before, "revoked_by_snapshot"),
            (&after, "revoked_by_snapshot_and_batch"),
        ] {
            let kind = state.revokes(&revocable.lookup());
            let kind = kind.map(RevocationKind::as_str);
            assert_eq!(json!(kind), token[name], "{} {name}", token["what"]);
        }
    }
}

#[test]
fn heads() {
    let vectors = Vectors::read();
    for case in vectors.all("/heads/cases") {
        let mut state = vectors.knowing(&vectors.0["heads"]["known"]);
        let outcome = state.head(vectors.document(&case["head"]).unwrap(), vectors.moment());
        let is = match outcome {
            Outcome::CaughtUp => "caught up",
            Outcome::Behind => "behind",
            Outcome::Ignored => "ignored",
            Outcome::Resync(Resync::EntriesLost) => "earlier position",
            Outcome::Resync(Resync::OtherLog) => "another log",
            Outcome::TooNew => "refused",
            other => panic!("{other:?}"),
        };
        assert_eq!(is, text(&case["is"]), "{}", case["what"]);
    }
}

#[test]
fn batches() {
    let vectors = Vectors::read();
    for case in vectors.all("/batches/cases") {
        let mut state = vectors.knowing(&vectors.0["batches"]["known"]);
        let is = match state.batch(&vectors.document(&case["batch"]).unwrap()) {
            Outcome::Applied => "applied",
            Outcome::Ignored => "does not continue",
            Outcome::Resync(Resync::EntriesLost) => "earlier position",
            other => panic!("{other:?}"),
        };
        assert_eq!(is, text(&case["is"]), "{}", case["what"]);
    }
}

#[test]
fn invalid_documents() {
    let vectors = Vectors::read();
    for case in vectors.all("/invalid") {
        let reason = match text(&case["as"]) {
            "revocation-head+jwt" => vectors.document::<Head>(&case["jwt"]).map(drop),
            "revocation-batch+jwt" => vectors.document::<Batch>(&case["jwt"]).map(drop),
            _ => vectors.document::<Snapshot>(&case["jwt"]).map(drop),
        };
        let expected: &[&str] = match text(&case["wrong"]) {
            "alg" => &["algorithm"],
            "typ" => &["type"],
            "kid" => &["key_unknown"],
            "signature" => &["signature"],
            "form" => &["malformed"],
            "iss" => &["issuer"],
            "payload" => &["claim", "malformed"],
            other => panic!("{other}"),
        };
        let refused = reason.expect_err(text(&case["what"]));
        assert!(expected.contains(&refused), "{}: {refused}", case["what"]);
    }
}
