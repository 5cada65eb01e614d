//! When a node looks at the log by itself.

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A node that looks at the log once an hour, unless it is told.
struct Follower {
    log: Arc<MemoryLog>,
    node: Arc<LiveLog>,
    moved: Arc<Notify>,
    _following: JoinHandle<()>,
}

impl Follower {
    /// After its first look.
    async fn start(every: Duration) -> Self {
        let log = Arc::new(MemoryLog::at(head(3, 5)));
        let node = LiveLog::open(log.clone(), Arc::new(FakeClock::new())).await;
        let (node, moved) = (Arc::new(node.unwrap()), Arc::new(Notify::new()));
        let (follower, told) = (node.clone(), moved.clone());
        let following = tokio::spawn(async move { follower.follow(every, &told).await });
        tokio::time::sleep(SECOND).await;
        Self {
            log,
            node,
            moved,
            _following: following,
        }
    }

    fn looks(&self) -> usize {
        self.log.looks()
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_is_a_look() {
    let it = Follower::start(HOUR).await;
    let (before, looks) = (tokio::time::Instant::now(), it.looks());
    let mut heads = it.node.heads();
    for seq in 4..10 {
        it.log.with(|written| written.head = head(seq, 5));
        it.moved.notify_one();
        heads.changed().await.unwrap();
        assert_eq!(it.node.applied().head, head(seq, 5));
    }
    assert_eq!(it.looks() - looks, 6);
    assert!(before.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_word_during_a_look_is_another_look() {
    let it = Follower::start(HOUR).await;
    let looks = it.looks();
    it.log.next(HeadAnswer::Late(SECOND / 10));
    it.moved.notify_one();
    tokio::time::sleep(SECOND / 20).await;
    assert_eq!(it.looks() - looks, 1, "it is under way");
    it.moved.notify_one();
    tokio::time::sleep(SECOND).await;
    assert_eq!(it.looks() - looks, 2);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_words_is_a_look_each_five_milliseconds() {
    let it = Follower::start(HOUR).await;
    let looks = it.looks();
    for _ in 0..1_000 {
        it.moved.notify_one();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let looks = it.looks() - looks;
    assert!((100..=201).contains(&looks), "{looks} in a second");
}

#[tokio::test(start_paused = true)]
async fn without_a_word_it_looks_as_often_as_it_should() {
    let it = Follower::start(SECOND / 4).await;
    let looks = it.looks();
    tokio::time::sleep(100 * SECOND).await;
    let looks = it.looks() - looks;
    assert!((399..=401).contains(&looks), "{looks} in 100 s");
}
