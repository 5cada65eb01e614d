//! What a node has only so much of: of each, one actor has at most half at a time, so that nobody shuts the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symbolon_core::audit::Actor;

/// Something that a node has so much of.
pub(crate) struct Shared {
    all: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by_all: usize,
    /// Of whom has none there is nothing here.
    by_actor: HashMap<Box<str>, usize>,
}

/// Why somebody gets none of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exhausted {
    /// The actor has half of it already.
    ForActor,
    /// All of it is taken.
    ForAll,
}

impl Shared {
    /// So much of it; half of that, and at least one, is for one actor.
    pub(crate) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            taken: Mutex::default(),
        })
    }

    /// Takes a part, which is given back when it is dropped. Nobody waits.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub(crate) fn take(self: &Arc<Self>, actor: &Actor, amount: usize) -> Result<Share, Exhausted> {
        let mut taken = self.taken();
        let by_all = taken.by_all.saturating_add(amount);
        let by_actor = taken.by_actor.get(actor.as_str()).copied().unwrap_or_default();
        let by_actor = by_actor.saturating_add(amount);
        if by_all > self.all {
            return Err(Exhausted::ForAll);
        }
        if by_actor > (self.all / 2).max(1) {
            return Err(Exhausted::ForActor);
        }
        taken.by_all = by_all;
        let actor: Box<str> = actor.as_str().into();
        taken.by_actor.insert(actor.clone(), by_actor);
        Ok(Share {
            of: self.clone(),
            actor,
            amount,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part that somebody has.
pub(crate) struct Share {
    of: Arc<Shared>,
    actor: Box<str>,
    amount: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.by_all -= self.amount;
        if let Some(left) = taken.by_actor.get_mut(&self.actor) {
            *left -= self.amount;
            if *left == 0 {
                taken.by_actor.remove(&self.actor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(name: &str) -> Actor {
        Actor::client(&name.parse().unwrap())
    }

    #[test]
    fn one_actor_has_half_and_all_have_no_more_than_there_is() {
        let shared = Shared::new(10);
        let [a, b, c] = ["a", "b", "c"].map(actor);
        let first = shared.take(&a, 3).unwrap();
        assert_eq!(shared.take(&a, 3).err(), Some(Exhausted::ForActor));
        let second = shared.take(&a, 2).unwrap();
        assert_eq!(shared.take(&a, 1).err(), Some(Exhausted::ForActor));
        let _others = shared.take(&b, 4).unwrap();
        assert_eq!(shared.take(&c, 2).err(), Some(Exhausted::ForAll));
        drop(first);
        let _third = shared.take(&c, 4).unwrap();
        assert_eq!(shared.take(&a, usize::MAX).err(), Some(Exhausted::ForAll));
        drop(second);
        shared.take(&a, 2).unwrap();
        assert_eq!(shared.taken().by_actor.len(), 2, "whoever has none is forgotten");
    }

    #[test]
    fn of_the_least_there_is_one_for_somebody_and_of_nothing_none() {
        let (one, a) = (Shared::new(1), actor("a"));
        let taken = one.take(&a, 1).unwrap();
        assert_eq!(one.take(&actor("b"), 1).err(), Some(Exhausted::ForAll));
        drop(taken);
        one.take(&actor("b"), 1).unwrap();
        assert_eq!(Shared::new(0).take(&a, 1).err(), Some(Exhausted::ForAll));
    }
}
