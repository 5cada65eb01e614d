//! Access tokens for the admin API on record.

use symbolon_core::audit::{Act, Actor, AuditEvent, EventKind};
use symbolon_core::ports::AdminToken;
use symbolon_core::{TokenId, UnixMillis};
use uuid::Uuid;

use crate::{FakeClock, Fixture};

const NOW: UnixMillis = FakeClock::START;

fn token(number: u8, expires: UnixMillis) -> AdminToken {
    AdminToken {
        token: TokenId(Uuid::from_u128(u128::from(number))),
        digest: [number; 32],
        expires,
    }
}

fn issued() -> AuditEvent {
    let act = Act::new(Actor::operator("alice"), "");
    AuditEvent::new(EventKind::AdminTokenIssued, NOW, act)
}

async fn trail(fixture: &Fixture) -> u64 {
    fixture.audit.audit_head().await.unwrap().seq
}

/// Each by its own id, with its event.
pub async fn a_token_is_on_record_until_it_ends(fixture: &Fixture) {
    let before = trail(fixture).await;
    let tokens = [token(1, NOW.plus(10)), token(2, NOW.plus(20))];
    for token in &tokens {
        fixture.tokens.record_token(token, &issued()).await.unwrap();
    }
    assert_eq!(trail(fixture).await, before + 2);
    let recorded = async |number: u8, after: u64| {
        let id = token(number, NOW).token;
        fixture.tokens.recorded_token(id, NOW.plus(after)).await.unwrap()
    };
    assert_eq!(recorded(1, 9).await, Some(tokens[0]));
    assert_eq!(recorded(1, 10).await, None);
    assert_eq!(recorded(2, 10).await, Some(tokens[1]));
    assert_eq!(recorded(3, 0).await, None);
}

/// What can't be put on record leaves no event, and what is there stays.
pub async fn a_token_is_put_on_record_once(fixture: &Fixture) {
    let first = token(1, NOW.plus(10));
    fixture.tokens.record_token(&first, &issued()).await.unwrap();
    let before = trail(fixture).await;
    let other = AdminToken {
        digest: [9; 32],
        ..first
    };
    assert!(fixture.tokens.record_token(&other, &issued()).await.is_err());
    assert_eq!(trail(fixture).await, before);
    let kept = fixture.tokens.recorded_token(first.token, NOW).await.unwrap();
    assert_eq!(kept, Some(first));
}

/// As many at a time as are asked for.
pub async fn tokens_that_have_ended_are_swept(fixture: &Fixture) {
    for number in 1..=5 {
        let token = token(number, NOW.plus(u64::from(number)));
        fixture.tokens.record_token(&token, &issued()).await.unwrap();
    }
    let sweep = async |before: u64, limit| {
        let swept = fixture.tokens.sweep_tokens(NOW.plus(before), limit).await;
        swept.unwrap()
    };
    assert_eq!(sweep(1, 10).await, 0);
    assert_eq!(sweep(5, 3).await, 3);
    assert_eq!(sweep(5, 3).await, 1);
    assert_eq!(sweep(5, 3).await, 0);
    let last = token(5, NOW).token;
    assert!(fixture.tokens.recorded_token(last, NOW).await.unwrap().is_some());
}
