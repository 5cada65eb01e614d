//! Scripts that are forgotten, and a cluster that loses a shard.

use super::*;

#[tokio::test]
async fn forgotten_scripts_are_given_again() {
    let server = Redis::start(&["--appendonly", "yes"]);
    let records = records(&config(server.url(), Topology::Single)).await;
    records.rebuild(EMPTY).await.unwrap();
    let subject = Subject(Uuid::from_u128(2));
    assert!(rotated(
        records.rotate(&request(subject, 0, EMPTY)).await.unwrap(),
        1
    ));
    server.cli(&["SCRIPT", "FLUSH"]);
    assert!(rotated(
        records.rotate(&request(subject, 1, EMPTY)).await.unwrap(),
        2
    ));
    server.cli(&["SCRIPT", "FLUSH"]);
    assert!(records.raise(None, EMPTY).await.unwrap());
    server.restart(true);
    let third = until(
        async || records.rotate(&request(subject, 2, EMPTY)).await,
        Result::is_ok,
    )
    .await;
    assert!(rotated(third.unwrap(), 3), "its data was kept");
}
