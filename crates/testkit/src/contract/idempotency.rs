//! Idempotency keys.

use symbolon_core::UnixMillis;
use symbolon_core::ports::Idempotent;

use crate::{FakeClock, Fixture};

const NOW: UnixMillis = FakeClock::START;
const KEY: [u8; 32] = [1; 32];
const REQUEST: [u8; 32] = [2; 32];
/// More keys than any of these has.
const MOST: u32 = 1000;

async fn begin(fixture: &Fixture, key: [u8; 32], request: [u8; 32]) -> Idempotent {
    let begun = fixture.idempotency.begin_once(key, request, NOW, MOST).await;
    begun.unwrap()
}

fn answer(status: u16, body: Option<&str>) -> Idempotent {
    Idempotent::Answered {
        status,
        body: body.map(str::to_owned),
    }
}

/// Under way, then with its answer, the first that there was.
pub async fn a_request_is_made_once_by_key(fixture: &Fixture) {
    let keys = &fixture.idempotency;
    assert_eq!(begin(fixture, KEY, REQUEST).await, Idempotent::First);
    assert_eq!(begin(fixture, KEY, REQUEST).await, Idempotent::Pending);
    assert_eq!(begin(fixture, KEY, [3; 32]).await, Idempotent::Reused);
    assert_eq!(begin(fixture, [4; 32], REQUEST).await, Idempotent::First);
    keys.answered(KEY, 201, Some("{\"ü\":1}")).await.unwrap();
    keys.answered(KEY, 500, None).await.unwrap();
    keys.gave_up(KEY).await.unwrap();
    let answered = answer(201, Some("{\"ü\":1}"));
    assert_eq!(begin(fixture, KEY, REQUEST).await, answered);
    assert_eq!(begin(fixture, KEY, [3; 32]).await, Idempotent::Reused);
    assert_eq!(begin(fixture, [4; 32], REQUEST).await, Idempotent::Pending);
}

/// With a body only where it may be kept.
pub async fn bodies_are_bounded(fixture: &Fixture) {
    let longest = "x".repeat(64 << 10);
    let too_long = "x".repeat((64 << 10) + 1);
    for (byte, body, kept) in [
        (1, Some(&*longest), Some(&*longest)),
        (2, Some(&*too_long), None),
        (3, None, None),
        (4, Some(""), Some("")),
    ] {
        assert_eq!(begin(fixture, [byte; 32], REQUEST).await, Idempotent::First);
        fixture.idempotency.answered([byte; 32], 200, body).await.unwrap();
        assert_eq!(begin(fixture, [byte; 32], REQUEST).await, answer(200, kept));
    }
}

/// The key of that number of a caller.
fn of_caller(caller: u8, number: u16) -> [u8; 32] {
    let mut key = [caller; 32];
    key[16..18].copy_from_slice(&number.to_be_bytes());
    key
}

/// Those that there are go on being known.
pub async fn a_caller_has_so_many_keys(fixture: &Fixture) {
    let begin = async |key, most| {
        let begun = fixture.idempotency.begin_once(key, REQUEST, NOW, most).await;
        begun.unwrap()
    };
    for number in 0..3 {
        assert_eq!(begin(of_caller(1, number), 3).await, Idempotent::First);
    }
    for _ in 0..2 {
        assert_eq!(begin(of_caller(1, 3), 3).await, Idempotent::Full);
    }
    assert_eq!(begin(of_caller(1, 0), 3).await, Idempotent::Pending);
    for other in [0, 2, u8::MAX] {
        assert_eq!(begin(of_caller(other, 0), 1).await, Idempotent::First);
    }
    fixture.idempotency.gave_up(of_caller(1, 1)).await.unwrap();
    assert_eq!(begin(of_caller(1, 3), 3).await, Idempotent::First);
    fixture.idempotency.sweep_keys(NOW.plus(1), 1000).await.unwrap();
    assert_eq!(begin(of_caller(1, 4), 1).await, Idempotent::First);
}

/// Past that many it is known of the others that they were done.
pub async fn bodies_of_a_caller_are_bounded(fixture: &Fixture) {
    let body = "x".repeat(64 << 10);
    let answered = async |key, body: &str| {
        assert_eq!(begin(fixture, key, REQUEST).await, Idempotent::First);
        fixture.idempotency.answered(key, 200, Some(body)).await.unwrap();
        begin(fixture, key, REQUEST).await
    };
    for number in 0..255 {
        answered(of_caller(1, number), &body).await;
    }
    // In bytes.
    let longest = "ü".repeat(32 << 10);
    assert_eq!(
        answered(of_caller(1, 255), &longest).await,
        answer(200, Some(&longest))
    );
    assert_eq!(answered(of_caller(1, 256), "x").await, answer(200, None));
    assert_eq!(answered(of_caller(2, 0), "x").await, answer(200, Some("x")));
}

/// Whoever asks again is the first.
pub async fn a_key_that_was_given_back_is_free(fixture: &Fixture) {
    for request in [REQUEST, [3; 32]] {
        assert_eq!(begin(fixture, KEY, request).await, Idempotent::First);
        fixture.idempotency.gave_up(KEY).await.unwrap();
    }
    fixture.idempotency.gave_up([9; 32]).await.unwrap();
    fixture.idempotency.answered([9; 32], 200, None).await.unwrap();
    assert_eq!(begin(fixture, [9; 32], REQUEST).await, Idempotent::First);
}

/// On whichever nodes.
pub async fn of_racing_requests_one_is_the_first(fixture: &Fixture) {
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let keys = fixture.idempotency.clone();
        racers.spawn(async move { keys.begin_once(KEY, REQUEST, NOW, MOST).await.unwrap() });
    }
    let outcomes = racers.join_all().await;
    let firsts = outcomes.iter().filter(|it| **it == Idempotent::First).count();
    let pending = outcomes.iter().filter(|it| **it == Idempotent::Pending).count();
    assert_eq!((firsts, pending), (1, 19));
}

/// Answered or not, as many at a time as are asked for.
pub async fn keys_are_swept_by_age(fixture: &Fixture) {
    for byte in 1..=5 {
        let at = NOW.plus(u64::from(byte));
        let begun = fixture
            .idempotency
            .begin_once([byte; 32], REQUEST, at, MOST)
            .await;
        assert_eq!(begun.unwrap(), Idempotent::First);
    }
    fixture.idempotency.answered([1; 32], 200, None).await.unwrap();
    let sweep = async |before: u64, limit| {
        let swept = fixture.idempotency.sweep_keys(NOW.plus(before), limit).await;
        swept.unwrap()
    };
    assert_eq!(sweep(1, 10).await, 0);
    assert_eq!(sweep(5, 3).await, 3);
    assert_eq!(sweep(5, 3).await, 1);
    assert_eq!(sweep(5, 3).await, 0);
    assert_eq!(begin(fixture, [5; 32], REQUEST).await, Idempotent::Pending);
    assert_eq!(begin(fixture, [1; 32], REQUEST).await, Idempotent::First);
}
