//! Facts about clients and users, cached for as long as it is known that they have not changed.

use std::hash::Hash;
use std::sync::{Arc, RwLockReadGuard};

use async_trait::async_trait;
use quick_cache::sync::Cache;

use crate::client::Client;
use crate::ports::{FactStore, StoreResult};
use crate::revocation::{Applied, FactsVersion, LEASE, NewRevocation, Reach};
use crate::user::User;
use crate::{ClientId, ClientUid, Clock, Subject};

/// The revocation log as this node follows it.
#[async_trait]
pub trait Revocations: Send + Sync {
    /// What the node has applied. The guard is short-lived: it can't be held across an await.
    fn applied(&self) -> RwLockReadGuard<'_, Applied>;

    /// Reads the log to its present head and applies it.
    ///
    /// # Errors
    /// The store's; what was applied before stays.
    async fn catch_up(&self) -> StoreResult<()>;

    /// Logs a revocation, applies it, and returns once everything that begins from then on is judged to be younger. A
    /// cutoff that means now is stamped by [`Clock::cutoff`].
    ///
    /// # Errors
    /// The store's: the revocation is then not promised, though it may have been logged.
    async fn revoke(&self, revocation: NewRevocation) -> StoreResult<Reach>;

    /// Makes the promise for what this node has applied already: a revocation that is asked for again must not be said
    /// to reach everywhere because this node knows of it.
    ///
    /// # Errors
    /// The store's: nothing is promised.
    async fn promise(&self, whose: Option<Subject>) -> StoreResult<Reach>;

    /// How many `token` entries of that owner are live.
    ///
    /// # Errors
    /// The store's.
    async fn live_tokens(&self, owner: symbolon_oauth_types::revocation::Digest) -> StoreResult<u64>;
}

/// Clients and users, read through bounded caches. An entry is used only while the version of the facts at which it
/// was read is the present one, and the present one was looked up at most [`LEASE`] ago.
pub struct Facts {
    store: Arc<dyn FactStore>,
    revocations: Arc<dyn Revocations>,
    clock: Arc<dyn Clock>,
    clients: Cache<ClientId, Versioned<Client>>,
    clients_by_uid: Cache<ClientUid, Versioned<Client>>,
    users: Cache<Subject, Versioned<User>>,
}

/// A fact and the version of the facts at which it was read.
type Versioned<T> = (FactsVersion, Arc<T>);

/// Most entries of each cache.
const CAPACITY: usize = 10_000;

impl Facts {
    /// Facts of one store.
    pub fn new(store: Arc<dyn FactStore>, revocations: Arc<dyn Revocations>, clock: Arc<dyn Clock>) -> Self {
        let (clients, clients_by_uid, users) =
            (Cache::new(CAPACITY), Cache::new(CAPACITY), Cache::new(CAPACITY));
        Self {
            store,
            revocations,
            clock,
            clients,
            clients_by_uid,
            users,
        }
    }

    /// The store itself, for what is never cached.
    pub fn store(&self) -> &dyn FactStore {
        &*self.store
    }

    /// The client of that `client_id`. Names that nobody has are not remembered.
    ///
    /// # Errors
    /// The store's.
    pub async fn client(&self, id: &ClientId) -> StoreResult<Option<Arc<Client>>> {
        self.cached(&self.clients, id, |store| async move { store.client(id).await })
            .await
    }

    /// The client of that identity.
    ///
    /// # Errors
    /// The store's.
    pub async fn client_by_uid(&self, uid: ClientUid) -> StoreResult<Option<Arc<Client>>> {
        self.cached(&self.clients_by_uid, &uid, |store| async move {
            store.client_by_uid(uid).await
        })
        .await
    }

    /// The user of that subject.
    ///
    /// # Errors
    /// The store's.
    pub async fn user(&self, subject: Subject) -> StoreResult<Option<Arc<User>>> {
        self.cached(
            &self.users,
            &subject,
            |store| async move { store.user(subject).await },
        )
        .await
    }

    async fn cached<K, T, F>(
        &self,
        cache: &Cache<K, Versioned<T>>,
        key: &K,
        read: impl FnOnce(Arc<dyn FactStore>) -> F,
    ) -> StoreResult<Option<Arc<T>>>
    where
        K: Clone + Eq + Hash,
        F: Future<Output = StoreResult<Option<T>>>,
    {
        let version = self.version().await?;
        if let Some((_, value)) = cache.get(key).filter(|(read_at, _)| *read_at == version) {
            return Ok(Some(value));
        }
        // The version was known before the read: if a fact changes in between, the entry is tagged too old, not too new.
        let Some(value) = read(self.store.clone()).await?.map(Arc::new) else {
            cache.remove(key);
            return Ok(None);
        };
        cache.insert(key.clone(), (version, value.clone()));
        Ok(Some(value))
    }

    /// The present version of the facts, looked up again where the last look is more than a lease ago.
    async fn version(&self) -> StoreResult<FactsVersion> {
        {
            let applied = self.revocations.applied();
            if self.clock.monotonic().saturating_sub(applied.observed) < LEASE {
                return Ok(applied.facts_version());
            }
        }
        self.revocations.catch_up().await?;
        Ok(self.revocations.applied().facts_version())
    }
}
