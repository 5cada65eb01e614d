//! What replicas must have before it is promised, or believed.

use redis::{RedisResult, Value, from_redis_value};
use symbolon_core::ports::{StoreError, StoreResult};

use crate::bucket::Keys;
use crate::connection::Connection;
use crate::error::store_error;

/// What is written only to see that replicas get it is kept this long.
const MARK_SECS: u64 = 600;

/// How replicas are waited for. The connection is one of its own: whatever follows a `WAIT` on a connection waits, too.
#[derive(Clone)]
pub(crate) struct Promises {
    pub(crate) connection: Connection,
    pub(crate) replicas: u32,
    pub(crate) wait_ms: u64,
}

impl Promises {
    /// Waits until as many replicas as are configured have what was written over this connection and before.
    pub(crate) async fn replicated(&self) -> StoreResult<()> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(self.wait_ms);
        // On a cluster, those of the primary that has the fewest.
        let have: RedisResult<i64> = wait.query_async(&mut self.connection.clone()).await;
        self.enough(have.map_err(store_error)?)
    }

    /// The head of a server that replicas follow. One that was cut off from them, and in whose place another works, can't
    /// have them take what is written before the head is read.
    pub(crate) async fn head(&self, keys: &Keys) -> StoreResult<Option<Vec<u8>>> {
        let mut mark = redis::cmd("SET");
        mark.arg(keys.mark()).arg(1).arg("EX").arg(MARK_SECS);
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(self.wait_ms);
        let mut head = redis::cmd("GET");
        head.arg(keys.head());
        let answers: RedisResult<[Value; 3]> = self.connection.in_turn([mark, wait, head]).await;
        let [marked, have, head] = answers.map_err(store_error)?;
        from_redis_value::<()>(marked).map_err(|error| store_error(error.into()))?;
        self.enough(from_redis_value(have).map_err(|error| store_error(error.into()))?)?;
        from_redis_value(head).map_err(|error| store_error(error.into()))
    }

    fn enough(&self, have: i64) -> StoreResult<()> {
        if have < i64::from(self.replicas) {
            return Err(StoreError::Unavailable(format!(
                "Redis: {have} replicas have it, and `redis.replicas` is {}",
                self.replicas
            )));
        }
        Ok(())
    }
}
