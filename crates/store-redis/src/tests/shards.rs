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
    assert_eq!(records.raise(None, EMPTY, &[]).await.unwrap(), Raised::Done);
    server.restart(true);
    let third = until(
        async || records.rotate(&request(subject, 2, EMPTY)).await,
        Result::is_ok,
    )
    .await;
    assert!(rotated(third.unwrap(), 3), "its data was kept");
}

/// One subject for each of the three nodes, by asking the cluster whose the keys are.
fn one_of_each(cluster: &RedisCluster, records: &RedisRecords) -> [Subject; 3] {
    let slots = |node: usize| {
        let id = cluster.node(node).cli(&["CLUSTER", "MYID"]);
        let nodes = cluster.node(node).cli(&["CLUSTER", "NODES"]);
        let line = nodes
            .lines()
            .find(|line| line.starts_with(id.trim()))
            .unwrap()
            .to_owned();
        let (from, to) = line.rsplit_once(' ').unwrap().1.split_once('-').unwrap();
        from.parse::<u16>().unwrap()..=to.parse().unwrap()
    };
    let slot = |subject: Subject| {
        let key = String::from_utf8(records.fence_key(subject)).unwrap();
        cluster
            .node(0)
            .cli(&["CLUSTER", "KEYSLOT", &key])
            .trim()
            .parse::<u16>()
            .unwrap()
    };
    [0, 1, 2].map(|node| {
        let slots = slots(node);
        let subject = (0..=255)
            .map(|i| Subject(Uuid::from_u128(i)))
            .find(|subject| slots.contains(&slot(*subject)));
        subject.unwrap()
    })
}

#[tokio::test]
async fn a_shard_that_is_lost_is_the_only_one_that_does_not_rotate() {
    let cluster = RedisCluster::start(&["--cluster-require-full-coverage", "no"]);
    let config = RedisConfig {
        response_timeout: Duration::from_secs(2),
        ..config(cluster.url(), Topology::Cluster)
    };
    let records = records(&config).await;
    records.rebuild(EMPTY).await.unwrap();
    let [lost, kept, other] = one_of_each(&cluster, &records);
    for subject in [lost, kept, other] {
        assert!(rotated(
            records.rotate(&request(subject, 0, EMPTY)).await.unwrap(),
            1
        ));
    }
    cluster.kill(0);
    let head = Head { seq: 1, ..EMPTY };
    assert!(records.rotate(&request(lost, 1, EMPTY)).await.is_err());
    for subject in [kept, other] {
        let still = until(
            async || records.rotate(&request(subject, 1, EMPTY)).await,
            Result::is_ok,
        )
        .await;
        assert!(matches!(
            still.unwrap(),
            Rotation::Rotated { generation: 2, .. } | Rotation::Replayed { generation: 2, .. }
        ));
    }
    assert!(
        records.raise(None, head, &[]).await.is_err(),
        "not every fence can be raised"
    );
    for subject in [kept, other] {
        let behind = until(
            async || records.rotate(&request(subject, 2, EMPTY)).await,
            Result::is_ok,
        )
        .await;
        assert_eq!(
            behind.unwrap(),
            Rotation::CatchUp,
            "those that are there were raised"
        );
    }
    // Scripts that one of them forgets are given to it again, though the lost one can't be.
    cluster.node(1).cli(&["SCRIPT", "FLUSH"]);
    assert!(rotated(records.rotate(&request(kept, 2, head)).await.unwrap(), 3));

    cluster.node(0).restart(false);
    cluster.wait();
    let empty = until(
        async || records.rotate(&request(lost, 1, head)).await,
        Result::is_ok,
    )
    .await;
    assert_eq!(
        empty.unwrap(),
        Rotation::Lost,
        "what it served before, it no longer knows"
    );
    assert!(rotated(
        records.rotate(&request(other, 2, head)).await.unwrap(),
        3
    ));
    let raised = until(async || records.raise(None, head, &[]).await, Result::is_ok).await;
    assert_eq!(raised.unwrap(), Raised::Gone);
    records.rebuild(head).await.unwrap();
    assert_eq!(
        records.rotate(&request(lost, 1, EMPTY)).await.unwrap(),
        Rotation::CatchUp
    );
    let adopted = records.rotate(&request(lost, 1, head)).await.unwrap();
    assert!(matches!(
        adopted,
        Rotation::Rotated {
            generation: 2,
            adopted: true,
            ..
        }
    ));
    assert_eq!(records.raise(None, head, &[]).await.unwrap(), Raised::Done);
}
