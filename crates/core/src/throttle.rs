//! Throttling of failed logins: per account, per address, and per account at an address that it is known from.
//!
//! Guesses that come from anywhere share the account's count, and lock the account for whoever comes from an unknown
//! address. An address from which the account has logged in has a count of its own for that account, and neither the
//! account's lock nor the address's holds for it: so nobody keeps a user out by guessing wrongly somewhere else.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use symbolon_oauth_types::revocation::{Digest, RevocationKind};

use crate::Subject;
use crate::ports::StoreResult;
use crate::user::LoginName;

/// From how many addresses an account is known: the latest ones.
pub const KNOWN_ADDRESSES: usize = 8;

/// What failures are counted under. A digest: it does not give away the name or the address that it was made of to
/// whoever sees it alone, except that all IPv4 addresses can be tried.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ThrottleKey(pub [u8; 16]);

impl ThrottleKey {
    fn of(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new().chain_update(kind);
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }
}

/// One attempt to log in, by what its failure would count under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// All the names of one account together, or one name that nobody has. Both kinds count alike, so that a throttled name
    /// tells nothing about whether the account exists.
    pub account: ThrottleKey,
    /// Where it comes from; `None` where that is not known, or this machine itself.
    pub origin: Option<Origin>,
}

/// Where an attempt comes from: an IPv4 address, or the /64 of an IPv6 address, since whoever has one address of that has
/// them all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The address, whichever account is tried.
    pub address: ThrottleKey,
    /// The account at that address. Its digest depends on the subject, which the stores of counts do not hold, so that
    /// they do not give away from where somebody logs in.
    pub account_there: ThrottleKey,
}

impl Attempt {
    /// An attempt on an account, whichever of its names was used.
    pub fn on_account(subject: Subject, from: Option<IpAddr>) -> Self {
        Self {
            account: ThrottleKey(Digest::of_uuid(RevocationKind::Subject, subject.0).0),
            origin: Origin::of(subject.0.as_bytes(), from),
        }
    }

    /// An attempt on a name that nobody has.
    pub fn on_unknown(name: &LoginName, from: Option<IpAddr>) -> Self {
        let name = name.as_str().as_bytes();
        Self {
            account: ThrottleKey::of("unknown-name", &[name]),
            origin: Origin::of(name, from),
        }
    }
}

impl Origin {
    fn of(who: &[u8], from: Option<IpAddr>) -> Option<Self> {
        let from = from?.to_canonical();
        // This machine, or a proxy on it that does not say for whom it speaks: not one place.
        if from.is_loopback() {
            return None;
        }
        let network = Network::of(from);
        let network = network.as_bytes();
        Some(Self {
            address: ThrottleKey::of("address", &[network]),
            account_there: ThrottleKey::of("account-at-address", &[network, who]),
        })
    }
}

/// What counts as one place: an IPv4 address, or the /64 of an IPv6 address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Network {
    /// The address.
    V4([u8; 4]),
    /// The first half of the address.
    V6([u8; 8]),
}

impl Network {
    /// Where that address is.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }
}

/// How failures are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ThrottleRules {
    /// So many failures in a row lock an account for unknown addresses, or for a known address, and then each further
    /// one; at least 1.
    pub max_failures: u32,
    /// For how long they do; at most a year.
    pub lockout: Duration,
    /// So many failures from an unknown address within the window lock that address until the window has ended; 0 for any
    /// number.
    pub max_failures_per_address: u32,
    /// How long a window is, which begins with a failure; at most a year.
    pub address_window: Duration,
    /// For how long an account is known from an address after it has logged in from there, at most a year; zero for
    /// never.
    pub known_address_lifetime: Duration,
}

impl ThrottleRules {
    /// How long failures are remembered of an account that is not tried meanwhile: a quarter of an hour, or two
    /// lock-outs.
    pub fn remembered_for(&self) -> Duration {
        Duration::from_secs(15 * 60).max(self.lockout.saturating_mul(2))
    }

    /// Where the attempt comes from, if accounts are known from addresses at all.
    pub fn may_be_known(&self, attempt: &Attempt) -> Option<Origin> {
        attempt
            .origin
            .filter(|_| self.known_address_lifetime > Duration::ZERO)
    }

    /// Where the attempt comes from, if failures are counted by address.
    pub fn counted_by_address(&self, attempt: &Attempt) -> Option<ThrottleKey> {
        let origin = attempt.origin.filter(|_| self.max_failures_per_address > 0)?;
        Some(origin.address)
    }
}

/// Which failures were too many.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ThrottledBy {
    /// Those on the account.
    Account,
    /// Those from the address.
    Address,
}

impl ThrottledBy {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Account, Self::Address];

    /// As metrics and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Address => "address",
        }
    }
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Throttle {
    /// It may.
    Open,
    /// Not before some time has passed.
    Wait {
        /// Why not.
        by: ThrottledBy,
        /// The time.
        wait: Duration,
    },
}

impl Throttle {
    /// Open where there is nothing to wait for.
    pub fn until(by: ThrottledBy, wait: Duration) -> Self {
        match wait {
            Duration::ZERO => Self::Open,
            wait => Self::Wait { by, wait },
        }
    }

    /// Of two that both hold, the one that lasts longer.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Wait { wait: one, .. }, Self::Wait { wait: two, .. }) if two > one => other,
            (Self::Open, other) => other,
            (one, _) => one,
        }
    }
}

/// Counts failed logins. Implementations are bounded in memory. Where one can't be asked nobody logs in: guesses that are
/// not counted are not bounded.
#[async_trait]
pub trait LoginThrottle: Send + Sync {
    /// Whether the attempt may be made now. Counts nothing.
    async fn check(&self, attempt: &Attempt) -> StoreResult<Throttle>;

    /// Counts a failure, and returns what it locked: open where the next attempt may be made at once.
    async fn failed(&self, attempt: &Attempt) -> StoreResult<Throttle>;

    /// The login was good: the account is known from this address now, the latest of [`KNOWN_ADDRESSES`]. Where it was
    /// before, the failures from there are forgotten, and otherwise those of the account. Those of the address never are:
    /// whoever has one account would be free to guess at others.
    async fn succeeded(&self, attempt: &Attempt) -> StoreResult<()>;
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ALICE: Subject = Subject(Uuid::from_u128(1));
    const BOB: Subject = Subject(Uuid::from_u128(2));

    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    fn origin(subject: Subject, address: &str) -> Origin {
        Attempt::on_account(subject, from(address)).origin.unwrap()
    }

    #[test]
    fn addresses_are_told_apart_as_far_as_somebody_has_them() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let (one, other) = (origin(ALICE, one), origin(ALICE, other));
            assert_eq!(one.address == other.address, same);
            assert_eq!(one.account_there == other.account_there, same);
        }
    }

    #[test]
    fn an_address_is_one_for_all_and_an_account_there_is_not() {
        let (alice, bob) = (origin(ALICE, "192.0.2.1"), origin(BOB, "192.0.2.1"));
        assert_eq!(alice.address, bob.address);
        assert_ne!(alice.account_there, bob.account_there);
        let name: LoginName = "nobody".parse().unwrap();
        let nobody = Attempt::on_unknown(&name, from("192.0.2.1"));
        assert_eq!(nobody.origin.unwrap().address, alice.address);
        assert_ne!(
            nobody.account,
            Attempt::on_unknown(&"other".parse().unwrap(), None).account
        );
    }

    #[test]
    fn what_is_on_this_machine_is_nowhere() {
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(
                Attempt::on_account(ALICE, from(address)).origin,
                None,
                "{address}"
            );
        }
        assert_eq!(Attempt::on_account(ALICE, None).origin, None);
    }

    #[test]
    fn the_longer_of_two_waits_holds() {
        let wait = |by, secs| Throttle::until(by, Duration::from_secs(secs));
        let (short, long) = (wait(ThrottledBy::Account, 1), wait(ThrottledBy::Address, 2));
        assert_eq!((short.and(long), long.and(short)), (long, long));
        assert_eq!(
            (short.and(Throttle::Open), Throttle::Open.and(short)),
            (short, short)
        );
        assert_eq!(wait(ThrottledBy::Account, 0), Throttle::Open);
    }
}
