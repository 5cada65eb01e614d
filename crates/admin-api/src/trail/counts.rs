//! Events that are alike, counted.

use std::fmt;

use hashbrown::{Equivalent, HashMap};
use symbolon_core::audit::{Act, Actor, AuditEvent, Counted, EventKind, Outcome, Target};
use symbolon_core::time::rfc3339;
use symbolon_core::{ClientId, ClientUid, UnixMillis};

/// From so many tallies on those of further clients are kept as one for each kind of event.
const MAX_TALLIES: usize = 1024;

/// What was counted since some moment.
#[derive(Debug)]
pub(super) struct Counts {
    since: UnixMillis,
    tallies: HashMap<Key, Tally>,
}

/// What was counted, on its way to the trail.
pub(super) struct Taken {
    since: UnixMillis,
    until: UnixMillis,
    tallies: Vec<(Key, Tally)>,
}

/// What makes events alike.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Key {
    kind: EventKind,
    outcome: Outcome,
    whose: Whose,
    endpoint: Box<str>,
    grant: &'static str,
}

/// The same, borrowed. It has the same fields in the same order, so that it hashes alike.
#[derive(Clone, Copy, Hash)]
struct Like<'a> {
    kind: EventKind,
    outcome: Outcome,
    whose: Whose,
    endpoint: &'a str,
    grant: &'static str,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Whose {
    /// That client's.
    Client(ClientUid),
    /// No client had authenticated.
    Nobody,
    /// Those of clients for which there was no room.
    Others,
}

#[derive(Debug)]
struct Tally {
    /// What the client was called when the first was counted.
    name: Option<ClientId>,
    count: u64,
}

impl Equivalent<Key> for Like<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.kind == key.kind
            && self.outcome == key.outcome
            && self.whose == key.whose
            && *self.endpoint == *key.endpoint
            && self.grant == key.grant
    }
}

impl Counts {
    pub(super) fn new(since: UnixMillis) -> Self {
        Self {
            since,
            tallies: HashMap::new(),
        }
    }

    pub(super) fn count(&mut self, counted: &Counted<'_>) {
        let mut like = Like {
            kind: counted.kind,
            outcome: counted.outcome,
            whose: counted
                .client
                .map_or(Whose::Nobody, |client| Whose::Client(client.uid)),
            endpoint: counted.endpoint,
            grant: counted.grant,
        };
        if let Some(tally) = self.tallies.get_mut(&like) {
            tally.count += 1;
            return;
        }
        let mut name = counted.client.map(|client| client.client_id.clone());
        // Of the others there are no more than the server has names for.
        if self.tallies.len() >= MAX_TALLIES && name.is_some() {
            (like.whose, name) = (Whose::Others, None);
            if let Some(tally) = self.tallies.get_mut(&like) {
                tally.count += 1;
                return;
            }
        }
        self.tallies.insert(like.into(), Tally { name, count: 1 });
    }

    /// Takes what was counted up to that moment.
    pub(super) fn take(&mut self, until: UnixMillis) -> Taken {
        let since = std::mem::replace(&mut self.since, until);
        Taken {
            since,
            until,
            tallies: self.tallies.drain().collect(),
        }
    }

    /// Puts back what could not be written: it is written with what was counted since.
    pub(super) fn put_back(&mut self, taken: Taken) {
        self.since = taken.since;
        for (key, tally) in taken.tallies {
            let kept = self.tallies.entry(key).or_insert_with(|| Tally {
                name: tally.name,
                count: 0,
            });
            kept.count += tally.count;
        }
    }
}

impl Taken {
    /// One event for each tally.
    pub(super) fn events(&self) -> Vec<AuditEvent> {
        let event = |(key, tally): &(Key, Tally)| self.event(key, tally);
        self.tallies.iter().map(event).collect()
    }

    /// The same without the first of them, which were written.
    pub(super) fn without(mut self, written: usize) -> Self {
        self.tallies.drain(..written.min(self.tallies.len()));
        self
    }

    fn event(&self, key: &Key, tally: &Tally) -> AuditEvent {
        let actor = tally.name.as_ref().map_or_else(Actor::unknown, Actor::client);
        let mut event = AuditEvent::new(key.kind, self.until, Act::new(actor, ""))
            .with("endpoint", &*key.endpoint)
            .with("since", rfc3339(self.since));
        event.outcome = key.outcome;
        event.count = tally.count;
        if key.grant != "none" {
            event = event.with("grant", key.grant);
        }
        match key.whose {
            Whose::Client(uid) => {
                let name = tally.name.as_ref().map(ClientId::as_str);
                event.to(Target::new("client", uid, name))
            }
            Whose::Nobody => event,
            Whose::Others => event.with("clients", "others"),
        }
    }
}

impl From<Like<'_>> for Key {
    fn from(like: Like<'_>) -> Self {
        Self {
            kind: like.kind,
            outcome: like.outcome,
            whose: like.whose,
            endpoint: like.endpoint.into(),
            grant: like.grant,
        }
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken")
            .field("tallies", &self.tallies.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use symbolon_testkit::confidential_client;

    use super::*;

    const REFUSED: Outcome = Outcome::Refused("password_wrong");

    fn counted<'a>(client: Option<&'a symbolon_core::client::Client>, outcome: Outcome) -> Counted<'a> {
        Counted {
            kind: match outcome {
                Outcome::Done => EventKind::TokenIssued,
                Outcome::Refused(_) => EventKind::TokenRefused,
            },
            outcome,
            client,
            endpoint: "token",
            grant: "password",
        }
    }

    fn bodies(taken: &Taken) -> Vec<serde_json::Value> {
        let mut bodies: Vec<_> = taken.events().iter().map(AuditEvent::body).collect();
        bodies.sort();
        bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }

    #[test]
    fn what_is_alike_becomes_one_event_with_its_number() {
        let client = confidential_client("web").build();
        let mut counts = Counts::new(UnixMillis(1000));
        for _ in 0..3 {
            counts.count(&counted(Some(&client), Outcome::Done));
        }
        counts.count(&counted(Some(&client), REFUSED));
        counts.count(&counted(None, REFUSED));
        let bodies = bodies(&counts.take(UnixMillis(11_000)));
        let told: Vec<_> = bodies
            .iter()
            .map(|body| {
                (
                    body["actor"].as_str().unwrap(),
                    body["event"].as_str().unwrap(),
                    body["count"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(told.len(), 3);
        for expected in [
            ("client:web", "token.issued", 3),
            ("client:web", "token.refused", 1),
            ("unknown", "token.refused", 1),
        ] {
            assert!(told.contains(&expected), "{expected:?} in {told:?}");
        }
        let issued = bodies
            .iter()
            .find(|body| body["event"] == "token.issued")
            .unwrap();
        assert_eq!(issued["target"]["id"], client.uid.to_string());
        assert_eq!(issued["target"]["name"], "web");
        assert_eq!(issued["details"]["grant"], "password");
        assert_eq!(issued["details"]["since"], "1970-01-01T00:00:01.000Z");
        assert_eq!(issued["at_ms"], 11_000);
        let refused = bodies.iter().find(|body| body["actor"] == "unknown").unwrap();
        assert_eq!(refused["refused_because"], "password_wrong");
        assert_eq!(counts.tallies.len(), 0);
    }

    #[test]
    fn clients_without_number_share_a_tally() {
        let mut counts = Counts::new(UnixMillis(0));
        for i in 0..3000 {
            let client = confidential_client(&format!("c{i}")).build();
            counts.count(&counted(Some(&client), Outcome::Done));
        }
        // Whoever did not authenticate is no client.
        counts.count(&counted(None, REFUSED));
        assert_eq!(counts.tallies.len(), MAX_TALLIES + 2);
        let bodies = bodies(&counts.take(UnixMillis(1)));
        let others = bodies
            .iter()
            .find(|body| body["details"]["clients"] == "others")
            .unwrap();
        assert_eq!(others["count"], 3000 - MAX_TALLIES as u64);
        assert_eq!(others["actor"], "unknown");
    }

    #[test]
    fn what_was_put_back_is_counted_on_and_begins_when_it_began() {
        let client = confidential_client("web").build();
        let mut counts = Counts::new(UnixMillis(1));
        counts.count(&counted(Some(&client), Outcome::Done));
        counts.count(&counted(None, REFUSED));
        let taken = counts.take(UnixMillis(2));
        assert_eq!(taken.events().len(), 2);
        counts.count(&counted(Some(&client), Outcome::Done));
        counts.put_back(taken);
        let taken = counts.take(UnixMillis(3));
        let sum: u64 = taken.events().iter().map(|event| event.count).sum();
        assert_eq!((taken.since, taken.tallies.len(), sum), (UnixMillis(1), 2, 3));
        assert_eq!(taken.without(1).events().len(), 1);
    }
}
