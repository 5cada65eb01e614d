//! Administrative changes: the port, and what its lists share. Each change stands with its family.

use async_trait::async_trait;
use symbolon_core::client::Client;
use symbolon_core::import::{ImportMode, Imported};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{AdminStore, Change, NewUser, Page, StoreResult};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ClientSecretHash;
use symbolon_core::user::{Role, RoleName, User};
use symbolon_core::{ClientUid, Subject};
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

#[async_trait]
impl AdminStore for SqlStore {
    async fn add_user(&self, user: &NewUser) -> StoreResult<Change> {
        retried(|| self.insert_user(user)).await
    }

    async fn import_users(&self, users: &[NewUser], mode: ImportMode) -> StoreResult<Vec<Imported>> {
        retried(|| self.insert_users(users, mode)).await
    }

    async fn users(&self, after: Option<&str>, limit: u32) -> StoreResult<Page<User>> {
        self.list_users(after, limit).await
    }

    async fn set_user_active(
        &self,
        subject: Subject,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        retried(|| self.update_user_active(subject, active, entry)).await
    }

    async fn set_password(
        &self,
        subject: Subject,
        hash: &PasswordHash,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        retried(|| self.update_password(subject, hash, entry)).await
    }

    async fn delete_user(&self, subject: Subject, entry: &NewRevocation) -> StoreResult<Change> {
        retried(|| self.remove_user(subject, entry)).await
    }

    async fn set_user_roles(&self, subject: Subject, roles: &[RoleName]) -> StoreResult<Change> {
        retried(|| self.replace_user_roles(subject, roles)).await
    }

    async fn put_role(&self, role: &Role) -> StoreResult<Change> {
        retried(|| self.upsert_role(role)).await
    }

    async fn roles(&self) -> StoreResult<Vec<Role>> {
        self.list_roles().await
    }

    async fn delete_role(&self, name: &RoleName) -> StoreResult<Change> {
        retried(|| self.remove_role(name)).await
    }

    async fn add_client(&self, client: &Client, lift: &NewRevocation) -> StoreResult<Change> {
        retried(|| self.insert_client(client, lift)).await
    }

    async fn set_client_policy(&self, client: &Client) -> StoreResult<Change> {
        retried(|| self.replace_client_policy(client)).await
    }

    async fn clients(&self, after: Option<&str>, limit: u32) -> StoreResult<Page<Client>> {
        self.list_clients(after, limit).await
    }

    async fn set_client_active(
        &self,
        uid: ClientUid,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        retried(|| self.update_client_active(uid, active, entry)).await
    }

    async fn set_client_secrets(&self, uid: ClientUid, secrets: &[ClientSecretHash]) -> StoreResult<Change> {
        retried(|| self.replace_client_secrets(uid, secrets)).await
    }

    async fn delete_client(&self, uid: ClientUid, entry: &NewRevocation) -> StoreResult<Change> {
        retried(|| self.remove_client(uid, entry)).await
    }
}
