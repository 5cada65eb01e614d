//! Administrative changes: the port, and what its lists share. Each change stands with its family.

use async_trait::async_trait;
use symbolon_core::audit::Act;
use symbolon_core::client::Client;
use symbolon_core::import::{ImportMode, Imported};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{
    AdminStore, AdminStores, Change, ClientQuery, ListedAudience, NewUser, Page, RegisteredScope,
    StoreResult, UserQuery,
};
use symbolon_core::profile::Profile;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ClientSecretHash;
use symbolon_core::user::{Role, RoleName, User};
use symbolon_core::{ClientUid, Subject};
use symbolon_oauth_types::ScopeToken;
use uuid::Uuid;

use crate::SqlStore;
use crate::convert::corrupt;
use crate::transaction::retried;

/// Most items of a page.
const MAX_PAGE: u32 = 500;

/// The length of a page, and how many rows to ask for: one more tells whether there are more.
pub(crate) fn cut(limit: u32) -> (usize, u64) {
    let limit = limit.clamp(1, MAX_PAGE);
    (limit as usize, u64::from(limit) + 1)
}

/// Where a page begins: behind the last item of the page before.
pub(crate) fn position(after: Option<&str>) -> StoreResult<Option<Uuid>> {
    after
        .map(|after| Uuid::try_parse(after).map_err(|_| corrupt("the position in a list is not well-formed")))
        .transpose()
}

/// The store in the hands of whoever changes something.
struct SqlAdmin {
    store: SqlStore,
    act: Act,
}

impl AdminStores for SqlStore {
    fn acting(&self, act: Act) -> Box<dyn AdminStore> {
        let store = self.clone();
        Box::new(SqlAdmin { store, act })
    }
}

#[async_trait]
impl AdminStore for SqlAdmin {
    async fn add_user(&self, user: &NewUser) -> StoreResult<Change> {
        retried(|| self.store.insert_user(&self.act, user)).await
    }

    async fn import_users(&self, users: &[NewUser], mode: ImportMode) -> StoreResult<Option<Vec<Imported>>> {
        retried(|| self.store.insert_users(&self.act, users, mode)).await
    }

    async fn users(&self, query: &UserQuery, after: Option<&str>, limit: u32) -> StoreResult<Page<User>> {
        self.store.list_users(query, after, limit).await
    }

    async fn update_user(&self, subject: Subject, profile: &Profile) -> StoreResult<Change> {
        retried(|| self.store.update_profile(&self.act, subject, profile)).await
    }

    async fn set_user_active(
        &self,
        subject: Subject,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        retried(|| self.store.update_user_active(&self.act, subject, active, entry)).await
    }

    async fn set_password(
        &self,
        subject: Subject,
        hash: &PasswordHash,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        retried(|| self.store.update_password(&self.act, subject, hash, entry)).await
    }

    async fn delete_user(&self, subject: Subject, entry: &NewRevocation) -> StoreResult<Change> {
        retried(|| self.store.remove_user(&self.act, subject, entry)).await
    }

    async fn put_role(&self, role: &Role) -> StoreResult<Change> {
        retried(|| self.store.upsert_role(&self.act, role)).await
    }

    async fn roles(&self) -> StoreResult<Vec<Role>> {
        self.store.list_roles().await
    }

    async fn delete_role(&self, name: &RoleName) -> StoreResult<Change> {
        retried(|| self.store.remove_role(&self.act, name)).await
    }

    async fn add_client(&self, client: &Client, lift: &NewRevocation) -> StoreResult<Change> {
        retried(|| self.store.insert_client(&self.act, client, lift)).await
    }

    async fn set_client_policy(&self, client: &Client) -> StoreResult<Change> {
        retried(|| self.store.replace_client_policy(&self.act, client)).await
    }

    async fn clients(
        &self,
        query: &ClientQuery,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<Client>> {
        self.store.list_clients(query, after, limit).await
    }

    async fn audiences(&self, after: Option<&str>, limit: u32) -> StoreResult<Page<ListedAudience>> {
        self.store.list_audiences(after, limit).await
    }

    async fn put_scope(&self, scope: &RegisteredScope) -> StoreResult<Change> {
        retried(|| self.store.upsert_scope(&self.act, scope)).await
    }

    async fn scopes(&self) -> StoreResult<Vec<RegisteredScope>> {
        self.store.list_scopes().await
    }

    async fn delete_scope(&self, name: &ScopeToken) -> StoreResult<Change> {
        retried(|| self.store.remove_scope(&self.act, name)).await
    }

    async fn set_client_active(
        &self,
        uid: ClientUid,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        retried(|| self.store.update_client_active(&self.act, uid, active, entry)).await
    }

    async fn set_client_secrets(&self, uid: ClientUid, secrets: &[ClientSecretHash]) -> StoreResult<Change> {
        retried(|| self.store.replace_client_secrets(&self.act, uid, secrets)).await
    }

    async fn delete_client(&self, uid: ClientUid, entry: &NewRevocation) -> StoreResult<Change> {
        retried(|| self.store.remove_client(&self.act, uid, entry)).await
    }
}
