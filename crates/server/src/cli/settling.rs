//! Waiting until a change that was made beside the servers holds on all of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use symbolon_store_sql::SqlStore;

use super::error::CliError;
use super::output::{Output, Remark};
use crate::config::Settings;
use crate::node;

/// Sees that running servers go by a change that was made: raises the fences in Redis, where there is one, and then
/// waits.
#[derive(Clone)]
pub(super) struct Settling {
    settings: Arc<Settings>,
    store: SqlStore,
    failure: Arc<Mutex<Option<String>>>,
}

impl Settling {
    pub(super) fn new(settings: &Settings, store: &SqlStore) -> Self {
        Self {
            settings: Arc::new(settings.clone()),
            store: store.clone(),
            failure: Arc::default(),
        }
    }

    pub(super) fn wait(&self, time: Duration) -> BoxFuture<'static, ()> {
        let (settings, store, failure) = (self.settings.clone(), self.store.clone(), self.failure.clone());
        async move {
            if let Err(error) = node::promise_changes(&settings, &store).await {
                let why = format!(
                    "the change is made, but Redis could not be told ({error:#}): a server that is cut off from the \
                     database may go by older facts until it is back; repeat the command once Redis answers, to be sure"
                );
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            }
            tokio::time::sleep(time).await;
        }
        .boxed()
    }

    /// Says where a change is not known to reach every server.
    pub(super) fn remark(&self, out: &mut Output<'_>) -> Result<(), CliError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(why) => out.remark(Remark::Warning, why),
            None => Ok(()),
        }
    }
}
