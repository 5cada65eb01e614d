//! Which client comes before which.

use std::collections::{BTreeMap, BTreeSet};

use symbolon_admin_api::ClientForm;

use super::plan::ClientStep;

/// A turn of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// Only what the client serves, because others wait for that and it waits for them.
    Ahead(usize),
    /// The step, or what is left of it.
    Whole(usize),
}

impl Turn {
    /// Whose turn it is, and what the client is to be then; nothing where it is to go.
    pub(super) fn of(self, steps: &[ClientStep]) -> (usize, Option<ClientForm>) {
        match self {
            Self::Ahead(index) => (index, steps[index].ahead()),
            Self::Whole(index) => (index, steps[index].wanted.clone()),
        }
    }
}

/// The turns of the steps: a client that is to serve an audience comes after the one that serves it now, and before those
/// that want it. Else they keep their order, so that what is removed comes last. Where clients wait for each other in a ring
/// one begins with what it serves alone.
pub(super) fn turns(steps: &[ClientStep]) -> Vec<Turn> {
    let mut waits = waits(steps);
    let mut open: BTreeSet<usize> = (0..steps.len()).collect();
    let mut ahead = BTreeSet::new();
    let mut turns = Vec::new();
    while let Some(first) = open.first().copied() {
        let ready = open.iter().copied().find(|step| waits[*step].is_empty());
        if let Some(step) = ready {
            turns.push(Turn::Whole(step));
            open.remove(&step);
            done(&mut waits, step);
            continue;
        }
        let breaks = |step: &usize| !ahead.contains(step) && steps[*step].ahead().is_some();
        if let Some(step) = open.iter().copied().find(breaks) {
            turns.push(Turn::Ahead(step));
            ahead.insert(step);
            done(&mut waits, step);
        } else {
            // A ring that this can't open, such as audiences that change hands: one of them is refused.
            waits[first].clear();
        }
    }
    turns
}

fn done(waits: &mut [BTreeSet<usize>], step: usize) {
    for others in waits {
        others.remove(&step);
    }
}

/// The steps that each waits for.
fn waits(steps: &[ClientStep]) -> Vec<BTreeSet<usize>> {
    let served = |form: Option<&ClientForm>| -> BTreeSet<String> {
        let served = form.into_iter().flat_map(|form| &form.serves);
        served.map(|served| served.audience.clone()).collect()
    };
    let (mut gains, mut loses) = (BTreeMap::new(), BTreeMap::new());
    for (index, step) in steps.iter().enumerate() {
        let before = served(step.present.as_ref().map(|present| &present.form));
        let after = served(step.wanted.as_ref());
        gains.extend(
            after
                .difference(&before)
                .map(|audience| (audience.clone(), index)),
        );
        loses.extend(
            before
                .difference(&after)
                .map(|audience| (audience.clone(), index)),
        );
    }
    let waits = steps.iter().enumerate().map(|(index, step)| {
        let wanted = step.wanted.iter().flat_map(|form| &form.audiences);
        let givers = wanted.filter_map(|audience| gains.get(audience));
        let mine = gains.iter().filter(|(_, gainer)| **gainer == index);
        let holders = mine.filter_map(|(audience, _)| loses.get(audience));
        givers
            .chain(holders)
            .copied()
            .filter(|other| *other != index)
            .collect()
    });
    waits.collect()
}

#[cfg(test)]
mod tests {
    use symbolon_admin_api::ServedForm;
    use uuid::Uuid;

    use super::super::plan::Present;
    use super::*;

    fn form(serves: &[&str], wants: &[&str]) -> ClientForm {
        let served = |audience: &&str| ServedForm {
            audience: (*audience).to_owned(),
            ..ServedForm::default()
        };
        ClientForm {
            serves: serves.iter().map(served).collect(),
            audiences: wants.iter().map(|&audience| audience.to_owned()).collect(),
            ..ClientForm::default()
        }
    }

    fn step(present: Option<ClientForm>, wanted: Option<ClientForm>) -> ClientStep {
        ClientStep {
            client_id: "a".to_owned(),
            present: present.map(|form| Present {
                uid: Uuid::nil(),
                form,
            }),
            wanted,
        }
    }

    #[test]
    fn servers_come_before_those_who_want_them_and_removals_last() {
        let steps = [
            step(None, Some(form(&[], &["urn:b"]))),
            step(None, Some(form(&["urn:b"], &["urn:there"]))),
            step(Some(form(&["urn:c"], &[])), None),
        ];
        assert_eq!(turns(&steps), [Turn::Whole(1), Turn::Whole(0), Turn::Whole(2)]);
    }

    #[test]
    fn an_audience_that_changes_hands_is_given_up_first() {
        let steps = [
            step(None, Some(form(&["urn:a"], &[]))),
            step(Some(form(&["urn:a", "urn:b"], &[])), Some(form(&["urn:b"], &[]))),
        ];
        assert_eq!(turns(&steps), [Turn::Whole(1), Turn::Whole(0)]);
        let steps = [
            step(None, Some(form(&["urn:a"], &[]))),
            step(Some(form(&["urn:a"], &[])), None),
        ];
        assert_eq!(turns(&steps), [Turn::Whole(1), Turn::Whole(0)]);
    }

    #[test]
    fn a_ring_is_opened() {
        let steps = [
            step(None, Some(form(&["urn:a"], &["urn:b"]))),
            step(None, Some(form(&["urn:b"], &["urn:a"]))),
        ];
        assert_eq!(turns(&steps), [Turn::Ahead(0), Turn::Whole(1), Turn::Whole(0)]);
        let swap = [
            step(Some(form(&["urn:a"], &[])), Some(form(&["urn:b"], &[]))),
            step(Some(form(&["urn:b"], &[])), Some(form(&["urn:a"], &[]))),
        ];
        assert_eq!(turns(&swap).len(), 3);
    }

    #[test]
    fn whoever_wants_what_it_serves_waits_for_nobody() {
        let steps = [step(None, Some(form(&["urn:a"], &["urn:a"])))];
        assert_eq!(turns(&steps), [Turn::Whole(0)]);
    }
}
