//! The table "What fails when" of docs/operations.md, held cell by cell to what a node answers while its stores fail.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "whatever fails in what the test is made of is a failed test"
)]

mod cast;
mod condition;
mod row;
mod table;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use symbolon_core::SystemClock;
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_testkit::servers::redis::Redis;
use symbolon_tests::{ClientSpec, Deployment, SCOPE, TestClient, TestUser};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep_until, timeout};

use self::cast::Cast;
use self::condition::Condition;
use self::row::{Round, Row};
use self::table::Table;
use crate::Running;

/// Any answer comes within this. Nothing is measured by it: it finds what hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after a condition began it is lasting: beyond the lease on cached facts and what readiness waits for.
const LASTING: Duration = Duration::from_secs(4);
/// How long a node may take to be itself again.
const RECOVERY: Duration = Duration::from_secs(60);
/// So many scenes are played beside each other: most of the time they wait.
const SCENES: usize = 3;

/// Short, so that the test is; but not so short that a busy machine looks like a store that is slow.
const SETTINGS: [(&str, &str); 3] = [
    ("database.acquire_timeout", "1s"),
    ("database.statement_timeout", "1s"),
    ("redis.response_timeout", "500ms"),
];

/// A node and the servers that it depends on.
struct Scene {
    node: Running,
    postgres: Postgres,
    redis: Redis,
    /// A client that is not used while all is well.
    stranger: TestClient,
    /// A user who is not in the caches when a condition begins.
    carol: TestUser,
}

impl Scene {
    async fn set() -> Self {
        let (postgres, redis) = block_in_place(|| (Postgres::start(&[]), Redis::start(&[])));
        let deployment = Deployment::on(&postgres, redis.url()).await;
        let settings = SETTINGS.map(|(key, value)| (key, value.to_owned()));
        let node = Running::with(&deployment, Arc::new(SystemClock::new()), settings.to_vec()).await;
        let stranger = node.h.add_client(ClientSpec::confidential("stranger")).await;
        let carol = node.h.add_user("carol", None, SCOPE).await;
        Self {
            node,
            postgres,
            redis,
            stranger,
            carol,
        }
    }

    /// Waits until all is well again.
    async fn recovered(&self) {
        let h = &self.node.h;
        let recovery = async {
            while h.get("/readyz").await.status != 200 || h.login(&h.app).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(RECOVERY, recovery)
            .await
            .expect("a node that recovers by itself");
    }
}

/// Asks for every row at once, so that nobody waits behind somebody else's time-out.
async fn ask_all(scene: &Arc<Scene>, cast: &Arc<Cast>, round: Round) -> Vec<(Row, String, Duration)> {
    let mut asked = JoinSet::new();
    for row in Row::ALL {
        let (scene, cast) = (scene.clone(), cast.clone());
        asked.spawn(async move {
            let began = Instant::now();
            let answer = timeout(PATIENCE, row.ask(&scene, &cast, round)).await;
            let answer = answer.unwrap_or_else(|_| "nothing".to_owned());
            (row, answer, began.elapsed())
        });
    }
    asked.join_all().await
}

/// What is wrong with a condition's column.
async fn hold(scene: &Arc<Scene>, table: &Table, condition: Condition) -> Vec<String> {
    let cast = Arc::new(Cast::gather(scene, condition).await);
    condition.bring_about(scene);
    let began = Instant::now();
    let mut wrong = Vec::new();
    for round in Round::ALL {
        if round == Round::Late {
            sleep_until(began + LASTING).await;
        }
        for (row, answer, took) in ask_all(scene, &cast, round).await {
            let said = table.cell(row.heading(), condition.heading());
            if !said.allows(&answer, round == Round::Late) {
                wrong.push(format!(
                    "{condition:?}, {}, {round:?}: the table says {:?}, the node {answer:?} within {took:?}",
                    row.heading(),
                    said.text
                ));
            }
        }
    }
    condition.end(scene);
    scene.recovered().await;
    wrong.extend(
        cast.aftermath(scene)
            .await
            .into_iter()
            .map(|what| format!("after {condition:?}: {what}")),
    );
    wrong
}

/// Holds one condition after the other, until none is left.
async fn play(table: Arc<Table>, conditions: Arc<Mutex<impl Iterator<Item = Condition>>>) -> Vec<String> {
    let scene = Arc::new(Scene::set().await);
    let mut wrong = Vec::new();
    let next = || conditions.lock().unwrap().next();
    while let Some(condition) = next() {
        wrong.extend(hold(&scene, &table, condition).await);
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_is_what_a_node_does() {
    let table = Table::read();
    table.assert_complete(
        &Row::ALL.map(Row::heading),
        &Condition::ALL.map(Condition::heading),
    );
    let table = Arc::new(table);
    let conditions = Arc::new(Mutex::new(Condition::ALL.into_iter()));
    let mut scenes = JoinSet::new();
    for _ in 0..SCENES {
        scenes.spawn(play(table.clone(), conditions.clone()));
    }
    let wrong = scenes.join_all().await.concat();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}
