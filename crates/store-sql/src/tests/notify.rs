//! What one process is told of what another changes. Whoever follows the log here looks at it once an hour by itself.

use std::future::Future;
use std::net::SocketAddr;

use symbolon_core::facts::Revocations as _;
use symbolon_core::revocation::{Head, NewRevocation};
use symbolon_core::user::Role;
use symbolon_revocation::LiveLog;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::*;
use crate::notify::Pace;

on_each_database!(
    every_change_by_another_process_is_seen_at_once,
    a_burst_of_changes_is_seen_to_its_end,
);

/// Soon enough for a test.
const PACE: Pace = Pace {
    look: Duration::from_millis(5),
    ask: Duration::from_millis(50),
    answer: Duration::from_millis(500),
    retry: Duration::from_millis(20),
    retry_at_most: Duration::from_millis(100),
};

/// A process that follows the log of one store by what another, or the same, is told.
struct Follower {
    heads: watch::Receiver<Head>,
    live: Arc<LiveLog>,
    _tasks: JoinSet<()>,
}

impl Follower {
    async fn of(log: &SqlStore, told: &SqlStore) -> Self {
        let live = LiveLog::open(Arc::new(log.clone()), Arc::new(FakeClock::new())).await;
        let (live, moved, mut tasks) = (Arc::new(live.unwrap()), Arc::new(Notify::new()), JoinSet::new());
        let (told, word) = (told.clone(), moved.clone());
        tasks.spawn(async move { told.watch_at(PACE, &word).await });
        let follower = live.clone();
        tasks.spawn(async move { follower.follow(Duration::from_secs(3600), &moved).await });
        Self {
            heads: live.heads(),
            live,
            _tasks: tasks,
        }
    }

    /// Returns once it has applied this.
    async fn sees(&mut self, head: Head) {
        within_a_minute(self.heads.wait_for(|seen| *seen == head))
            .await
            .unwrap();
        assert_eq!(self.live.applied().head, head);
    }

    /// Returns once word comes of every change, as it must after the first: that may have been before there was anybody to tell.
    async fn is_told(&mut self, by: &SqlStore) {
        for _ in 0..3 {
            self.sees(appended(by).await).await;
        }
    }
}

/// However long a machine that is busy makes it.
async fn within_a_minute<T>(done: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), done)
        .await
        .expect("word of it")
}

async fn appended(store: &SqlStore) -> Head {
    let revocation = NewRevocation::subject(fresh_subject(), FakeClock::START);
    store.append(&revocation, FakeClock::START).await.unwrap().head
}

async fn every_change_by_another_process_is_seen_at_once(place: &Place) {
    let (store, other) = (migrated_at(&place.url).await, opened(&place.url).await);
    let mut follower = Follower::of(&store, &store).await;
    follower.is_told(&other).await;
    follower.is_told(&store).await;
    let role = Role {
        name: "clerk".parse().unwrap(),
        scope: ["orders:read".parse().unwrap()].into_iter().collect(),
    };
    admin(&other).put_role(&role).await.unwrap();
    follower.sees(other.head().await.unwrap()).await;
    other.renew_log(&SeqRng::starting_at(50)).await.unwrap();
    follower.sees(other.head().await.unwrap()).await;
}

async fn a_burst_of_changes_is_seen_to_its_end(place: &Place) {
    let (store, other) = (migrated_at(&place.url).await, opened(&place.url).await);
    let mut follower = Follower::of(&store, &store).await;
    let mut last = follower.live.applied().head;
    for _ in 0..200 {
        last = appended(&other).await;
    }
    follower.sees(last).await;
}

#[tokio::test]
async fn connections_that_were_cut_are_made_again() {
    let url = postgres::database().await;
    let (store, other) = (opened(&url).await, opened(&url).await);
    let mut follower = Follower::of(&store, &store).await;
    for _ in 0..3 {
        follower.is_told(&other).await;
        Postgres::shared().cut_connections(&url);
    }
    follower.is_told(&other).await;
}

#[tokio::test]
async fn a_server_that_comes_back_tells_again() {
    let server = Postgres::start(&[]);
    let url = server.fresh_database().await;
    let store = migrated_at(&url).await;
    let mut follower = Follower::of(&store, &store).await;
    for end in [Postgres::stop as fn(&Postgres), Postgres::kill] {
        follower.is_told(&store).await;
        end(&server);
        // One that can't be reached for a while, so that more than one attempt fails.
        tokio::time::sleep(PACE.retry * 5).await;
        server.restart();
    }
    follower.is_told(&store).await;
    store.close().await;
}

#[tokio::test]
async fn a_connection_that_the_network_has_lost_is_made_again() {
    let url = postgres::database().await;
    let (server, database) = url.split_once('@').unwrap().1.split_once('/').unwrap();
    let network = Network::to(server.parse().unwrap()).await;
    let store = opened(&url).await;
    let beyond = opened(&format!("postgres://symbolon@{}/{database}", network.address)).await;
    let mut follower = Follower::of(&store, &beyond).await;
    for _ in 0..3 {
        follower.is_told(&store).await;
        network.lose_connections();
    }
    follower.is_told(&store).await;
}

/// The server keeps for it what it does not read, and goes on.
#[tokio::test]
async fn a_listener_that_reads_nothing_holds_nobody_up() {
    let url = postgres::database().await;
    let (server, database) = url.split_once('@').unwrap().1.split_once('/').unwrap();
    let network = Network::to(server.parse().unwrap()).await;
    let store = opened(&url).await;
    let beyond = opened(&format!("postgres://symbolon@{}/{database}", network.address)).await;
    let slow = Pace {
        ask: Duration::from_secs(3600),
        ..PACE
    };
    let moved = Notify::new();
    let watching = beyond.watch_at(slow, &moved);
    let others = async {
        moved.notified().await;
        network.lose_connections();
        // More than any buffer between them holds.
        let words =
            "SELECT pg_notify('symbolon_head', repeat('x', 7000) || i) FROM generate_series(1, 3000) AS i";
        Postgres::shared().sql(database, words);
        let mut follower = Follower::of(&store, &store).await;
        follower.is_told(&store).await;
    };
    tokio::select! {
        () = watching => unreachable!("it goes on for ever"),
        () = others => {}
    }
}

#[tokio::test]
async fn nobody_waits_for_word_that_can_not_come() {
    let store = opened("sqlite::memory:").await;
    store.migrate(&SeqRng::new()).await.unwrap();
    let moved = Notify::new();
    tokio::select! {
        biased;
        () = store.watch_at(PACE, &moved) => panic!("it ends"),
        () = moved.notified() => panic!("nobody else is there"),
        () = tokio::task::yield_now() => {}
    }
    store.close().await;
}

/// A network that can lose connections: both ends go on to believe that they are there.
struct Network {
    address: SocketAddr,
    losses: watch::Sender<()>,
    _task: JoinSet<()>,
}

impl Network {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, losses) = (listener.local_addr().unwrap(), watch::Sender::new(()));
        let (mut task, lost) = (JoinSet::new(), losses.subscribe());
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let mut lost = lost.clone();
                lost.mark_unchanged();
                let far = TcpStream::connect(server).await.unwrap();
                connections.spawn(carry(near, far, lost));
            }
        });
        Self {
            address,
            losses,
            _task: task,
        }
    }

    /// Nothing comes through any more on the connections that there are.
    fn lose_connections(&self) {
        self.losses.send_replace(());
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, mut lost: watch::Receiver<()>) {
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
        _ = lost.changed() => {}
    }
    std::future::pending().await
}
