//! What becomes of the stores.

use symbolon_testkit::servers::postgres::database_name;
use tokio::task::block_in_place;

use super::Scene;

/// What becomes of the stores, from a moment on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    AllIsWell,
    RedisDown,
    RedisSlow,
    RedisEmptied,
    RedisBehind,
    SqlDown,
    SqlSlow,
    SqlEmptied,
    SqlDownRedisEmptied,
    BothDown,
    BothSlow,
    BothEmptied,
}

/// What lies under names of their own, to be put back: see [`remember`].
const KEPT: &str = "kept:";

impl Condition {
    pub(super) const ALL: [Self; 12] = [
        Self::AllIsWell,
        Self::RedisDown,
        Self::RedisSlow,
        Self::RedisEmptied,
        Self::RedisBehind,
        Self::SqlDown,
        Self::SqlSlow,
        Self::SqlEmptied,
        Self::SqlDownRedisEmptied,
        Self::BothDown,
        Self::BothSlow,
        Self::BothEmptied,
    ];

    /// The column of the table.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::AllIsWell => "all is well",
            Self::RedisDown | Self::RedisSlow => "Redis down or slow",
            Self::RedisBehind | Self::RedisEmptied => "Redis emptied or behind",
            Self::SqlDown | Self::SqlEmptied | Self::SqlSlow => "SQL down, slow or emptied",
            Self::BothDown | Self::BothEmptied | Self::BothSlow | Self::SqlDownRedisEmptied => {
                "SQL and Redis down, slow or emptied"
            }
        }
    }

    pub(super) fn bring_about(self, scene: &Scene) {
        let Scene { postgres, redis, .. } = scene;
        block_in_place(|| match self {
            Self::AllIsWell => {}
            Self::RedisDown => redis.kill(),
            Self::RedisSlow => redis.freeze(),
            Self::RedisEmptied => empty_redis(scene),
            Self::RedisBehind => forget_last_writes(scene),
            Self::SqlDown => postgres.kill(),
            Self::SqlSlow => postgres.freeze(),
            Self::SqlEmptied => empty_database(scene),
            Self::SqlDownRedisEmptied => {
                postgres.kill();
                empty_redis(scene);
            }
            Self::BothDown => {
                postgres.kill();
                redis.kill();
            }
            Self::BothSlow => {
                postgres.freeze();
                redis.freeze();
            }
            Self::BothEmptied => {
                empty_database(scene);
                empty_redis(scene);
            }
        });
    }

    pub(super) fn end(self, scene: &Scene) {
        let Scene { postgres, redis, .. } = scene;
        block_in_place(|| match self {
            Self::AllIsWell | Self::RedisBehind | Self::RedisEmptied => {}
            Self::RedisDown => redis.restart(false),
            Self::RedisSlow => redis.thaw(),
            Self::SqlDown | Self::SqlDownRedisEmptied => postgres.restart(),
            Self::SqlSlow => postgres.thaw(),
            Self::SqlEmptied | Self::BothEmptied => restore_database(scene),
            Self::BothDown => {
                postgres.restart();
                redis.restart(false);
            }
            Self::BothSlow => {
                postgres.thaw();
                redis.thaw();
            }
        });
    }
}

/// Remembers what Redis holds now, for [`Condition::RedisBehind`].
pub(super) fn remember(scene: &Scene) {
    each_key(
        scene,
        "redis.call('COPY', key, ARGV[2] .. key, 'REPLACE')",
        &prefix(scene),
    );
}

/// Everything that was there when it was remembered is as it was then. What came later stays, as if only some of it had
/// reached the replica that took over.
fn forget_last_writes(scene: &Scene) {
    each_key(
        scene,
        "redis.call('COPY', key, string.sub(key, #ARGV[2] + 1), 'REPLACE')",
        KEPT,
    );
}

fn each_key(scene: &Scene, act: &str, prefix: &str) {
    let script = format!(
        "local keys = redis.call('KEYS', ARGV[1] .. '*') for _, key in ipairs(keys) do {act} end return #keys"
    );
    let done = scene.redis.cli(&["EVAL", &script, "0", prefix, KEPT]);
    assert!(done.trim().parse::<u32>().unwrap() > 0, "{done}");
}

fn prefix(scene: &Scene) -> String {
    scene.node.h.settings.redis.as_ref().unwrap().key_prefix.clone()
}

fn empty_redis(scene: &Scene) {
    assert_eq!(scene.redis.cli(&["FLUSHALL"]).trim(), "OK");
}

/// The name of the node's database, and the one under which it is put aside.
fn database(scene: &Scene) -> (String, String) {
    let name = database_name(&scene.node.h.settings.database.url);
    (name.to_owned(), format!("{name}_aside"))
}

/// Puts an empty database in the place of the node's.
fn empty_database(scene: &Scene) {
    let (name, aside) = database(scene);
    move_database(scene, &name, &aside);
    scene.postgres.sql("postgres", &format!("CREATE DATABASE {name}"));
}

fn restore_database(scene: &Scene) {
    let (name, aside) = database(scene);
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(
        scene.postgres.sql(&name, tables),
        "0",
        "nobody makes a schema while it serves"
    );
    move_database(scene, &name, &format!("{name}_empty"));
    move_database(scene, &aside, &name);
    scene
        .postgres
        .sql("postgres", &format!("DROP DATABASE {name}_empty"));
}

fn move_database(scene: &Scene, from: &str, to: &str) {
    let sql = |text: &str| drop(scene.postgres.sql("postgres", text));
    sql(&format!("ALTER DATABASE {from} ALLOW_CONNECTIONS false"));
    scene.postgres.cut_connections(from);
    sql(&format!("ALTER DATABASE {from} RENAME TO {to}"));
    sql(&format!("ALTER DATABASE {to} ALLOW_CONNECTIONS true"));
}
