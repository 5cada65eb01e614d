//! A server that does not answer, and everybody asking.

use super::*;

fn subject(i: u128) -> Subject {
    Subject(Uuid::from_u128(i))
}

/// Each asks for a generation of its own, so that an answer for somebody else is known.
async fn everybody(
    records: &Arc<RedisRecords>,
    generations: std::ops::Range<u32>,
) -> Vec<Result<u32, String>> {
    let tasks: Vec<_> = generations
        .map(|presented| {
            let records = records.clone();
            let request = RotationRequest {
                session: SessionId(Uuid::from_u128(u128::from(presented))),
                ..request(subject(u128::from(presented)), presented, EMPTY)
            };
            tokio::spawn(async move {
                match records.rotate(&request).await {
                    Ok(Rotation::Rotated { generation, .. }) => Ok(generation),
                    Ok(outcome) => panic!("{outcome:?}"),
                    Err(error) => Err(error.to_string()),
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

async fn outlives_a_freeze(records: Arc<RedisRecords>, freeze: impl Fn(), thaw: impl Fn()) {
    records.rebuild(EMPTY).await.unwrap();
    freeze();
    // Each ends by itself; that the test ends shows it.
    let frozen = everybody(&records, 0..10_000).await;
    assert!(frozen.iter().all(Result::is_err), "nobody was answered");
    thaw();
    let _ = until(async || records.ping().await, Result::is_ok).await;
    // New sessions, beside what the server still found in its buffers.
    let answered = everybody(&records, 20_000..30_000).await;
    for (presented, generation) in (20_000..).zip(answered) {
        assert_eq!(generation, Ok(presented + 1));
    }
    // Whoever was not answered asks again, and gets one successor, whether or not it was done the first time.
    for presented in [0, 1, 4_999, 9_999] {
        let again = RotationRequest {
            session: SessionId(Uuid::from_u128(u128::from(presented))),
            ..request(subject(u128::from(presented)), presented, EMPTY)
        };
        assert!(matches!(
            records.rotate(&again).await.unwrap(),
            Rotation::Rotated { generation, .. } | Rotation::Replayed { generation, .. } if generation == presented + 1
        ));
    }
}

fn hasty(config: RedisConfig) -> RedisConfig {
    RedisConfig {
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_secs(2),
        ..config
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_answers_nobody_and_then_everybody_what_they_asked() {
    let server = Redis::start(&[]);
    let records = records(&hasty(config(server.url(), Topology::Single))).await;
    outlives_a_freeze(records, || server.freeze(), || server.thaw()).await;
}

/// The kernel still accepts connections for a frozen server: nobody may wait for their turn to try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_queues_for_a_connection_that_does_not_come() {
    let server = Redis::start(&[]);
    let records = records(&hasty(config(server.url(), Topology::Single))).await;
    records.rebuild(EMPTY).await.unwrap();
    server.kill();
    let down = everybody(&records, 0..10_000).await;
    assert!(down.iter().all(Result::is_err), "nobody was answered");
    server.restart(false);
    let _ = until(async || records.rebuild(EMPTY).await, Result::is_ok).await;
    let up = everybody(&records, 0..10_000).await;
    for (presented, generation) in (0..).zip(up) {
        assert_eq!(generation, Ok(presented + 1));
    }
}
