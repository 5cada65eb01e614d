//! What is changed beneath the nodes: users, clients, the log.

use symbolon_core::audit::{Act, Actor};
use symbolon_core::client::{Client, ClientPolicy};
use symbolon_core::facts::Revocations;
use symbolon_core::ports::{AdminStore, AdminStores, Change, FactStore, StoreResult};
use symbolon_core::profile::Profile;
use symbolon_core::revocation::{LEASE, NewRevocation, Reach};
use symbolon_core::{ClientId, Clock, Subject, UnixMillis};
use symbolon_server::node;

use super::{Harness, TICK};
use crate::fixtures::{ClientSpec, TestClient, TestUser};

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Harness {
    /// Raises the fences to what was changed on the database, as a command does before it waits. From then on nobody
    /// accepts what was revoked, but until leases have ended nodes may still go by older facts.
    pub async fn raise_fences(&self) {
        if self.settings.redis.is_some() {
            node::promise_changes(&self.settings, &self.node.store)
                .await
                .expect("fences that can be raised");
        }
    }

    /// Makes changes on the database, as somebody does at the command line.
    pub fn admin(&self) -> Box<dyn AdminStore> {
        let act = Act::new(Actor::operator("test"), "to see what comes of it");
        self.node.store.acting(act)
    }

    /// Sees that every node goes by what was changed on the database, as a command does before it returns.
    pub async fn settle(&self) {
        if self.settings.redis.is_some() {
            self.raise_fences().await;
            match self.real_time {
                true => tokio::time::sleep(LEASE).await,
                false => self.clock.advance(LEASE),
            }
        }
    }

    /// Every node looks at the log and the facts now, as each does by itself within a quarter of a second.
    pub async fn refresh_nodes(&self) {
        for node in self.nodes() {
            node.refresh().await.expect("a node that can read the log");
        }
    }

    /// Makes a client.
    pub async fn add_client(&self, spec: ClientSpec) -> TestClient {
        let client = self.add_client_unheard(spec).await;
        self.settle().await;
        client
    }

    /// Makes a client, and does not wait until every node has heard of it.
    pub async fn add_client_unheard(&self, spec: ClientSpec) -> TestClient {
        let client = self.seeder().client(spec).await;
        self.clock.advance(TICK);
        client
    }

    /// Makes a user with a role of their own that gives `scope`.
    pub async fn add_user(&self, name: &str, email: Option<&str>, scope: &str) -> TestUser {
        let user = self.seeder().user(name, email, scope).await;
        self.settle().await;
        user
    }

    /// Puts an entry on the log through this node, as an administrator's call would.
    pub async fn log_revocation(&self, revocation: NewRevocation) {
        let reach = self.node.log.revoke(revocation).await.expect("logged");
        assert_eq!(reach, Reach::Everywhere);
    }

    /// The client as it is kept.
    pub async fn client(&self, client: &TestClient) -> Client {
        self.node
            .store
            .client_by_uid(client.uid)
            .await
            .expect("a store")
            .expect("a client")
    }

    /// Changes what a client may do.
    pub async fn change_client(&self, client: &TestClient, change: impl FnOnce(&mut ClientPolicy)) {
        let mut kept = self.client(client).await;
        change(&mut kept.policy);
        self.changed(self.admin().set_client_policy(&kept)).await;
    }

    /// Disables a user as the command line does.
    pub async fn disable_user(&self, user: &TestUser) {
        let entry = NewRevocation::subject_blocked(user.subject);
        self.changed(self.admin().set_user_active(user.subject, false, &entry))
            .await;
    }

    /// Enables a user again as the command line does.
    pub async fn enable_user(&self, user: &TestUser) {
        let lift = NewRevocation::subject_lifted(user.subject, self.cutoff());
        self.changed(self.admin().set_user_active(user.subject, true, &lift))
            .await;
    }

    /// Deletes a user as the command line does.
    pub async fn delete_user(&self, user: &TestUser) {
        let entry = NewRevocation::subject_deleted(user.subject, self.cutoff());
        self.changed(self.admin().delete_user(user.subject, &entry)).await;
    }

    /// Gives a user another password as the command line does, which ends the sessions of the old one.
    pub async fn change_password(&self, user: &TestUser, password: &str) {
        let entry = NewRevocation::subject(user.subject, self.cutoff());
        let hash = symbolon_testkit::password_hash(password);
        self.changed(self.admin().set_password(user.subject, &hash, &entry))
            .await;
    }

    /// Gives a user these roles instead of those they have.
    pub async fn set_roles(&self, user: Subject, roles: &[&str]) {
        let roles = roles.iter().map(|role| role.parse().expect("a role")).collect();
        let present = self.node.store.user(user).await.expect("a store that reads");
        let present = present.expect("a user who is there");
        let profile = Profile::new(present.username, present.email, roles).expect("a profile");
        self.changed(self.admin().update_user(user, &profile)).await;
    }

    /// Disables a client as the command line does.
    pub async fn disable_client(&self, client: &TestClient) {
        let entry = NewRevocation::client_blocked(&id(client));
        self.changed(self.admin().set_client_active(client.uid, false, &entry))
            .await;
    }

    /// Enables a client again as the command line does.
    pub async fn enable_client(&self, client: &TestClient) {
        let lift = NewRevocation::client_lifted(&id(client), self.cutoff());
        self.changed(self.admin().set_client_active(client.uid, true, &lift))
            .await;
    }

    /// Deletes a client as the command line does.
    pub async fn delete_client(&self, client: &TestClient) {
        let entry = NewRevocation::client_deleted(&id(client), self.cutoff());
        self.changed(self.admin().delete_client(client.uid, &entry)).await;
    }

    /// A change on the database, made as a command makes it.
    async fn changed(&self, change: impl Future<Output = StoreResult<Change>>) {
        assert_eq!(change.await.expect("a store"), Change::Done);
        self.settle().await;
    }

    /// A cutoff that means now.
    fn cutoff(&self) -> UnixMillis {
        self.node.stores.clock.cutoff()
    }
}

#[expect(clippy::expect_used, reason = "test support: a bad id is a failed test")]
fn id(client: &TestClient) -> ClientId {
    client.id.parse().expect("a client id")
}
