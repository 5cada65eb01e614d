//! What Redis does in one step.

use std::sync::LazyLock;

use redis::{Arg, Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind, ToRedisArgs};

use crate::connection::Connection;

/// A script and what it is called by.
pub(crate) struct Step {
    text: &'static str,
    hash: LazyLock<String>,
}

/// A script with its keys and arguments.
pub(crate) struct Call {
    step: &'static Step,
    /// As it is called by its hash.
    command: Cmd,
}

macro_rules! step {
    ($prelude:literal, $file:literal) => {{
        const TEXT: &str = concat!(
            include_str!(concat!("scripts/", $prelude)),
            include_str!(concat!("scripts/", $file))
        );
        Step {
            text: TEXT,
            hash: LazyLock::new(|| Script::new(TEXT).get_hash().to_owned()),
        }
    }};
}

/// Makes the record of a session that begins.
pub(crate) static BEGIN: Step = step!("prelude.lua", "begin.lua");
/// Raises a fence.
pub(crate) static RAISE: Step = step!("prelude.lua", "raise.lua");
/// Raises the head.
pub(crate) static RAISE_HEAD: Step = step!("prelude.lua", "raise_head.lua");
/// Decides a rotation.
pub(crate) static ROTATE: Step = step!("prelude.lua", "rotate.lua");
/// How many logins failed that count for one.
pub(crate) static LOGIN_FAILURES: Step = step!("login_prelude.lua", "login_failures.lua");
/// Counts a failed login.
pub(crate) static LOGIN_FAILED: Step = step!("login_prelude.lua", "login_failed.lua");
/// Counts a failed login from an address.
pub(crate) static LOGIN_FAILED_THERE: Step = step!("login_prelude.lua", "login_failed_there.lua");
/// Notes a good login.
pub(crate) static LOGIN_SUCCEEDED: Step = step!("login_prelude.lua", "login_succeeded.lua");

impl Step {
    /// The call with its keys, all of one slot. Arguments follow.
    pub(crate) fn on(&'static self, keys: impl AsRef<[Vec<u8>]>) -> Call {
        let keys = keys.as_ref();
        // Room for the longest call, so that it is written in one go.
        let mut command = Cmd::with_capacity(LONGEST_CALL, LONGEST_CALL * 24);
        command.arg("EVALSHA").arg(self.hash.as_str()).arg(keys.len());
        for key in keys {
            command.arg(key);
        }
        Call { step: self, command }
    }
}

/// Name, hash, number of keys, keys and arguments.
const LONGEST_CALL: usize = 3 + 3 + 12;

impl Call {
    pub(crate) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs it. A server that does not know the script, new or restarted, is given its text with the call: `SCRIPT LOAD`
    /// goes to all servers of a cluster, of which another may be down.
    pub(crate) async fn run<T: FromRedisValue>(&self, connection: &Connection) -> RedisResult<T> {
        let mut connection = connection.clone();
        match self.command.query_async(&mut connection).await {
            Err(error) if is_unknown(&error) => self.by_text().query_async(&mut connection).await,
            done => done,
        }
    }

    fn by_text(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.step.text);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}

/// Runs them all, as [`Connection::all`] does.
pub(crate) async fn run_all<T: FromRedisValue + Send>(
    calls: &[Call],
    connection: &Connection,
) -> RedisResult<Vec<T>> {
    let by_hash = connection
        .all(calls.iter().map(|call| call.command.clone()).collect())
        .await;
    match by_hash {
        Err(error) if is_unknown(&error) => connection.all(calls.iter().map(Call::by_text).collect()).await,
        done => done,
    }
}

fn is_unknown(error: &redis::RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
