//! Settings of the database and of Redis that cannot stand together.

use super::database_url;
use super::finding::Finding;
use super::load::Mode;
use super::redis_url::RedisUrl;
use super::settings::RedisMode;
use super::table::{self, Spec, TABLE};
use super::values::Values;

/// Contradictions that are refused.
pub(super) fn errors(values: &Values, mode: Mode) -> Vec<Finding> {
    let url = &table::REDIS_URL.spec;
    if !values.is_set(url) {
        return redis_without_url(values);
    }
    if mode == Mode::Dev {
        // Above all it must not be a Redis that production uses, which a variable may name.
        let wrong = "--dev keeps everything in its data folder".to_owned();
        return vec![values.finding(url, wrong, Some("unset it, or start without --dev".to_owned()))];
    }
    [
        sentinel_without_service(values),
        sentinel_user_without_password(values),
        authorities_without_tls(values),
        several_hosts_for_one_server(values),
        database_of_a_cluster(values),
    ]
    .into_iter()
    .flatten()
    .chain(sentinel_settings_without_sentinels(values))
    .collect()
}

/// What is allowed but doubtful.
pub(super) fn warnings(values: &Values) -> Vec<Finding> {
    let on_sqlite = values
        .sound(&table::DATABASE_URL)
        .is_some_and(|url| database_url::is_sqlite(&url));
    if !on_sqlite {
        return Vec::new();
    }
    let database = format!("`database.url` ({})", values.origin(&table::DATABASE_URL.spec));
    let redis = &table::REDIS_URL.spec;
    let one_node = values.is_set(redis).then(|| {
        values.finding(
            redis,
            format!("sessions are in Redis, and all the rest is in a file of SQLite, {database}: one node alone can serve"),
            Some("start no second node, or set `database.url` to a PostgreSQL database".to_owned()),
        )
    });
    let no_effect = [
        &table::DATABASE_CONNECT_TIMEOUT.spec,
        &table::DATABASE_CLOCK_TOLERANCE.spec,
    ]
    .into_iter()
    .filter(|spec| values.is_set(spec))
    .map(|spec| {
        let wrong = format!("it has no effect on SQLite, {database}");
        let remedy = "remove it, or set `database.url` to a PostgreSQL database".to_owned();
        values.finding(spec, wrong, Some(remedy))
    });
    one_node.into_iter().chain(no_effect).collect()
}

/// Whoever sets them believes that Redis is used.
fn redis_without_url(values: &Values) -> Vec<Finding> {
    let is_set = |spec: &&&Spec| spec.section_and_name().0 == "redis" && values.is_set(spec);
    let refuse = |spec: &&Spec| {
        let remedy = "set `redis.url` to keep sessions in Redis, or remove it".to_owned();
        values.finding(spec, "it is set without `redis.url`".to_owned(), Some(remedy))
    };
    TABLE.iter().filter(is_set).map(refuse).collect()
}

fn sentinel_without_service(values: &Values) -> Option<Finding> {
    let mode = values.sound(&table::REDIS_MODE)?;
    (mode == RedisMode::Sentinel && !values.is_set(&table::REDIS_SENTINEL_SERVICE.spec)).then(|| {
        values.finding(
            &table::REDIS_MODE.spec,
            "it is sentinel without `redis.sentinel_service`".to_owned(),
            Some("set that to the name which `sentinel monitor` gives the server".to_owned()),
        )
    })
}

fn sentinel_settings_without_sentinels(values: &Values) -> Vec<Finding> {
    let mode = values.sound(&table::REDIS_MODE);
    let Some(mode) = mode.filter(|mode| *mode != RedisMode::Sentinel) else {
        return Vec::new();
    };
    [
        &table::REDIS_SENTINEL_SERVICE.spec,
        &table::REDIS_SENTINEL_USERNAME.spec,
        &table::REDIS_SENTINEL_PASSWORD.spec,
    ]
    .into_iter()
    .filter(|spec| values.is_set(spec))
    .map(|spec| {
        let wrong = format!("it is set, yet {}", redis_mode(values, mode));
        let remedy = "set `redis.mode` to sentinel, or remove it".to_owned();
        values.finding(spec, wrong, Some(remedy))
    })
    .collect()
}

fn sentinel_user_without_password(values: &Values) -> Option<Finding> {
    let user = &table::REDIS_SENTINEL_USERNAME.spec;
    let password = &table::REDIS_SENTINEL_PASSWORD.spec;
    (values.is_set(user) && !values.is_set(password)).then(|| {
        values.finding(
            user,
            format!("it is set without `{}`", password.key),
            Some("set both, or the password alone for the default user".to_owned()),
        )
    })
}

fn authorities_without_tls(values: &Values) -> Option<Finding> {
    let RedisUrl { tls, .. } = values.sound(&table::REDIS_URL)?;
    let file = &table::REDIS_CA_FILE.spec;
    (values.is_set(file) && !tls).then(|| {
        values.finding(
            file,
            format!(
                "it is set, yet `redis.url` ({}) asks for no TLS",
                values.origin(&table::REDIS_URL.spec)
            ),
            Some("begin `redis.url` with rediss://, or remove it".to_owned()),
        )
    })
}

fn several_hosts_for_one_server(values: &Values) -> Option<Finding> {
    let mode = values.sound(&table::REDIS_MODE)?;
    let RedisUrl { hosts, .. } = values.sound(&table::REDIS_URL)?;
    (mode == RedisMode::Single && hosts > 1).then(|| {
        values.finding(
            &table::REDIS_URL.spec,
            format!("it names {hosts} hosts, yet {}", redis_mode(values, mode)),
            Some("set `redis.mode` to cluster or sentinel, or name one host".to_owned()),
        )
    })
}

fn database_of_a_cluster(values: &Values) -> Option<Finding> {
    let mode = values.sound(&table::REDIS_MODE)?;
    let RedisUrl { database, .. } = values.sound(&table::REDIS_URL)?;
    (mode == RedisMode::Cluster && database != 0).then(|| {
        values.finding(
            &table::REDIS_URL.spec,
            format!(
                "it names database {database}, yet {}, which has no database but 0",
                redis_mode(values, mode)
            ),
            Some("remove the number; `redis.key_prefix` keeps deployments apart".to_owned()),
        )
    })
}

fn redis_mode(values: &Values, mode: RedisMode) -> String {
    format!(
        "`redis.mode` is {mode} ({})",
        values.origin(&table::REDIS_MODE.spec)
    )
}
