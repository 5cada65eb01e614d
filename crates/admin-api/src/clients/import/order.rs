//! Which client is made before which.

use std::collections::{BTreeSet, HashMap};

use super::{Draft, ImportedClient};

/// Positions in an order in which every client comes after those that serve what it asks tokens for, and else in the order
/// of the request. Clients that wait for each other in a ring come last: they are made one without the other, and then
/// changed.
pub(super) fn servers_first(drafts: &[Result<Draft, ImportedClient>]) -> Vec<usize> {
    let policies: Vec<_> = drafts
        .iter()
        .map(|draft| draft.as_ref().ok().map(|draft| &draft.client.policy))
        .collect();
    let mut serving = HashMap::new();
    for (index, policy) in policies.iter().enumerate() {
        for served in policy.iter().flat_map(|policy| &policy.serves) {
            serving.entry(&served.indicator).or_insert(index);
        }
    }
    let waits = policies.iter().enumerate().map(|(index, policy)| {
        let wanted = policy.iter().flat_map(|policy| &policy.audiences);
        let servers = wanted.filter_map(|audience| serving.get(audience).copied());
        servers.filter(|server| *server != index).collect()
    });
    sorted(waits.collect())
}

/// `waits` says which others each waits for.
fn sorted(waits: Vec<BTreeSet<usize>>) -> Vec<usize> {
    let mut open: Vec<_> = waits.iter().map(BTreeSet::len).collect();
    let mut waiting_for = vec![Vec::new(); waits.len()];
    for (index, servers) in waits.iter().enumerate() {
        for server in servers {
            waiting_for[*server].push(index);
        }
    }
    let mut order = Vec::with_capacity(waits.len());
    let mut ready: BTreeSet<_> = (0..waits.len()).filter(|index| open[*index] == 0).collect();
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for next in &waiting_for[index] {
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.insert(*next);
            }
        }
    }
    order.extend((0..waits.len()).filter(|index| open[*index] > 0));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_before_whom_they_wait_for() {
        let order = |waits: &[&[usize]]| sorted(waits.iter().map(|w| w.iter().copied().collect()).collect());
        assert!(order(&[]).is_empty());
        assert_eq!(order(&[&[], &[], &[]]), [0, 1, 2]);
        assert_eq!(order(&[&[2], &[0], &[]]), [2, 0, 1]);
        assert_eq!(order(&[&[1], &[0], &[], &[1, 2]]), [2, 0, 1, 3]);
        let chain: Vec<BTreeSet<_>> = (0..500).map(|index| (index + 1..500).take(1).collect()).collect();
        assert!(sorted(chain).into_iter().rev().eq(0..500));
    }
}
