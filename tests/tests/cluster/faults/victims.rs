//! Sessions that are to die: revoked, stolen from, or with their user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::calls::{Field, Heard, Phase, Tokens, answered};

/// Between two looks at a session that is to die, and two attempts to end it.
const LOOK: Duration = Duration::from_millis(50);
/// Between the revocations of one phase.
const STAGGER: Duration = Duration::from_millis(25);

/// How a session is to die.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Death {
    /// By revocation of a refresh token.
    Revoked(Phase),
    /// By the replay of a token that was stolen.
    Stolen(Phase),
    /// With its user.
    Doomed,
}

/// A session that is to die.
pub(super) struct Victim {
    pub(super) death: Death,
    /// Its first tokens.
    pub(super) first: Tokens,
    /// Its tokens when the run begins.
    pub(super) last: Tokens,
    /// Whether somebody has begun to end it: until then it lives.
    pub(super) asked: AtomicBool,
    /// Whether it was said to be dead: what is asked from then on must be refused.
    pub(super) promised: AtomicBool,
}

/// Uses a session that is to die, at both nodes by turns: what is asked after it was said to be dead must be refused.
pub(super) async fn watch_over(field: Arc<Field>, victim: Arc<Victim>) {
    let mut tokens = victim.last.clone();
    for turn in 0.. {
        if field.stop.is_cancelled() {
            return;
        }
        let node = turn % 2;
        let promised = victim.promised.load(Ordering::SeqCst);
        match field.refresh(node, &tokens.refresh).await {
            Heard::Yes(next) => {
                tokens = next;
                if promised {
                    field.tally.wrong(victim.tell("refresh", node));
                }
            }
            Heard::No if !victim.is_asked(&field, "refresh", node) => return,
            Heard::No => {}
            Heard::NotNow => {}
        }
        let node = (turn + 1) % 2;
        let promised = victim.promised.load(Ordering::SeqCst);
        match field.introspect(node, &tokens.access).await {
            Some(true) if promised => field.tally.wrong(victim.tell("introspection", node)),
            Some(false) if !victim.is_asked(&field, "introspection", node) => return,
            Some(_) | None => {}
        }
        field.pause(LOOK).await;
    }
}

impl Victim {
    fn tell(&self, what: &str, node: usize) -> String {
        format!("{what} at node {node} of a session that was {:?}", self.death)
    }

    /// It was refused: whether anybody has begun to end it. Otherwise it is lost.
    fn is_asked(&self, field: &Field, what: &str, node: usize) -> bool {
        let asked = self.asked.load(Ordering::SeqCst);
        if !asked {
            field
                .tally
                .lost(format!("before it was ended: {}", self.tell(what, node)));
        }
        asked
    }
}

/// Ends a session in its phase.
pub(super) async fn end(field: Arc<Field>, victim: Arc<Victim>, index: usize) {
    let (Death::Revoked(phase) | Death::Stolen(phase)) = victim.death else {
        return;
    };
    if !field.wait_for(phase).await {
        return;
    }
    field.pause(STAGGER * (index % 8) as u32).await;
    for turn in index.. {
        if field.stop.is_cancelled() {
            return;
        }
        victim.asked.store(true, Ordering::SeqCst);
        let node = turn % 2;
        let dead = match victim.death {
            Death::Stolen(_) => match field.refresh(node, &victim.first.refresh).await {
                Heard::No => {
                    field.tally.thefts.add();
                    true
                }
                Heard::Yes(_) => {
                    field.tally.stolen_adopted.add();
                    false
                }
                Heard::NotNow => false,
            },
            _ => field.revoke(node, &victim.first.refresh).await,
        };
        if dead {
            victim.promised.store(true, Ordering::SeqCst);
            return;
        }
        field.pause(LOOK).await;
    }
}

/// A session that was said to be dead is dead at both nodes.
pub(super) async fn last_look(field: &Field, victim: &Victim) {
    if !victim.promised.load(Ordering::SeqCst) {
        return;
    }
    for node in 0..2 {
        for token in [&victim.first, &victim.last] {
            let refreshed = answered(async || match field.refresh(node, &token.refresh).await {
                Heard::Yes(_) => Some(true),
                Heard::No => Some(false),
                Heard::NotNow => None,
            });
            let refreshed = refreshed.await;
            let active = answered(async || field.introspect(node, &token.access).await).await;
            for (what, accepted) in [("refresh", refreshed), ("introspection", active)] {
                match accepted {
                    Some(true) => field
                        .tally
                        .wrong(format!("at the end: {}", victim.tell(what, node))),
                    Some(false) => {}
                    None => field
                        .tally
                        .other(format!("no answer at the end: {}", victim.tell(what, node))),
                }
            }
        }
    }
}
