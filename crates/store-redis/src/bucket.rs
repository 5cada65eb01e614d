//! Where things are: 256 buckets, each in one slot of a cluster.

use symbolon_core::throttle::ThrottleKey;
use symbolon_core::{SessionId, Subject};

/// One of the buckets. The subject's random bits pick it, so that they fill evenly.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bucket(u8);

impl Bucket {
    pub(crate) fn of(subject: Subject) -> Self {
        // The last byte of a UUIDv7 is random.
        Self(subject.0.as_bytes()[15])
    }

    fn of_counted(key: ThrottleKey) -> Self {
        Self(key.0[15])
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }
}

/// Makes the names of keys: `<prefix>{<bucket>}<what>`. What is in braces decides the slot.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// How far a node must have read the log.
    pub(crate) fn fence(&self, bucket: Bucket) -> Vec<u8> {
        self.key(bucket, b'f', &[])
    }

    /// Sessions that a reuse killed and that are not known to be on the log.
    pub(crate) fn killed(&self, bucket: Bucket) -> Vec<u8> {
        self.key(bucket, b'k', &[])
    }

    /// The record of a session.
    pub(crate) fn record(&self, bucket: Bucket, session: SessionId) -> Vec<u8> {
        self.key(bucket, b's', session.0.as_bytes())
    }

    /// How many logins failed, of an account or from an address. Its bucket is by that key, which is a hash.
    pub(crate) fn failures(&self, of: ThrottleKey) -> Vec<u8> {
        self.key(Bucket::of_counted(of), b't', &of.0)
    }

    /// How many logins of an account failed at an address that it is known from, in the bucket of [`Keys::failures`].
    pub(crate) fn failures_there(&self, account: ThrottleKey, there: ThrottleKey) -> Vec<u8> {
        self.key(Bucket::of_counted(account), b't', &there.0)
    }

    /// From where an account is known, in the bucket of [`Keys::failures`].
    pub(crate) fn known(&self, account: ThrottleKey) -> Vec<u8> {
        self.key(Bucket::of_counted(account), b'a', &account.0)
    }

    /// The furthest head that fences were raised to.
    pub(crate) fn head(&self) -> Vec<u8> {
        format!("{}{{h}}", self.prefix).into_bytes()
    }

    /// What is written to see that replicas get it; in the slot of the head.
    pub(crate) fn mark(&self) -> Vec<u8> {
        format!("{}{{h}}w", self.prefix).into_bytes()
    }

    fn key(&self, bucket: Bucket, kind: u8, id: &[u8]) -> Vec<u8> {
        let tag = format!("{}{{{:02x}}}", self.prefix, bucket.0);
        [tag.as_bytes(), &[kind], id].concat()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn names_are_short_and_share_their_tag() {
        let subject = Subject(Uuid::from_u128(0x1234_5678_0000_7000_8000_0000_0000_00ab));
        let (keys, bucket) = (Keys::new("sy:"), Bucket::of(subject));
        assert_eq!(keys.fence(bucket), b"sy:{ab}f");
        assert_eq!(keys.killed(bucket), b"sy:{ab}k");
        let record = keys.record(bucket, SessionId(Uuid::nil()));
        assert_eq!((&record[..8], record.len()), (&b"sy:{ab}s"[..], 24));
        let failures = keys.failures(ThrottleKey([0xcd; 16]));
        assert_eq!((&failures[..8], failures.len()), (&b"sy:{cd}t"[..], 24));
        let there = keys.failures_there(ThrottleKey([0xcd; 16]), ThrottleKey([0xef; 16]));
        assert_eq!((&there[..8], there.len()), (&b"sy:{cd}t"[..], 24));
        let known = keys.known(ThrottleKey([0xcd; 16]));
        assert_eq!((&known[..8], known.len()), (&b"sy:{cd}a"[..], 24));
        assert_eq!(Bucket::all().count(), 256);
    }
}
