//! Administrative changes that are watched.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use symbolon_core::audit::{Act, Actor, EventKind};
use symbolon_core::client::Client;
use symbolon_core::import::{ImportMode, Imported};
use symbolon_core::password::PasswordHash;
use symbolon_core::ports::{
    AdminStore, Change, ClientQuery, ListedAudience, NewUser, Page, RegisteredScope, StoreResult, UserQuery,
};
use symbolon_core::profile::Profile;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ClientSecretHash;
use symbolon_core::user::{Role, RoleName, User};
use symbolon_core::view::{ClientView, RoleView, ScopeView, UserView};
use symbolon_core::{ClientUid, Subject};
use symbolon_oauth_types::ScopeToken;
use uuid::Uuid;

use super::audit::{head, told_since};
use crate::{Fixture, fresh_subject};

/// Makes changes and sees that each leaves just the event that goes with it. It is the port itself, so that whoever adds a
/// method to it must say here which event that is.
pub(super) struct Watched<'a> {
    fixture: &'a Fixture,
    admin: Box<dyn AdminStore>,
    act: Act,
    seen: Mutex<BTreeSet<EventKind>>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(fixture: &'a Fixture) -> Self {
        let act = Act {
            via: Some("console".parse().unwrap()),
            request: Some(Uuid::from_u128(42)),
            address: Some("192.0.2.7".parse().unwrap()),
            ..Act::new(Actor::user(fresh_subject()), "as was agreed")
        };
        Self {
            fixture,
            admin: fixture.admins.acting(act.clone()),
            act,
            seen: Mutex::default(),
        }
    }

    /// The kinds of events that were left so far.
    pub(super) fn seen(&self) -> BTreeSet<EventKind> {
        self.seen.lock().unwrap().clone()
    }

    /// The only event that `change` leaves beside the entry on the revocation log that goes with it.
    async fn event<T>(&self, kind: EventKind, change: impl Future<Output = StoreResult<T>>) -> (T, Value) {
        let (before, log) = (head(self.fixture).await, self.fixture.log.head().await.unwrap());
        let done = change.await.unwrap();
        let told = told_since(self.fixture, before).await;
        let logged = self.fixture.log.head().await.unwrap().seq - log.seq;
        let (revoked, mut events): (Vec<_>, Vec<_>) = told
            .into_iter()
            .partition(|event| event["event"] == "revocation.logged");
        assert_eq!(revoked.len() as u64, logged, "{kind:?}");
        assert_eq!(events.len(), 1, "{kind:?}: {events:?}");
        for event in revoked.iter().chain(&events) {
            assert_eq!(event["outcome"], "done");
            assert_eq!(event["actor"], self.act.actor.as_str());
            assert_eq!(event["via"], "console");
            assert_eq!(event["request_id"], json!(Uuid::from_u128(42)));
            assert_eq!(event["address"], "192.0.2.7");
            assert_eq!(event["reason"], "as was agreed");
        }
        let event = events.remove(0);
        assert_eq!(event["event"], kind.as_str());
        self.seen.lock().unwrap().insert(kind);
        (done, event)
    }

    /// The same of a change of a record, and what the event says the record was before and is now.
    async fn sees(
        &self,
        kind: EventKind,
        target: (&str, String),
        [before, after]: [Option<Value>; 2],
        change: impl Future<Output = StoreResult<Change>>,
    ) -> StoreResult<Change> {
        let (done, event) = self.event(kind, change).await;
        assert_eq!(event["target"]["kind"], target.0, "{kind:?}");
        assert_eq!(event["target"]["id"], target.1, "{kind:?}");
        assert_eq!(event["details"].get("before"), before.as_ref(), "{kind:?}");
        if let Some(after) = after {
            assert_eq!(event["details"]["after"], after, "{kind:?}");
        } else {
            assert_eq!(event["details"].get("after"), None, "{kind:?}");
        }
        Ok(done)
    }

    async fn client(&self, uid: ClientUid) -> Option<Value> {
        let client = self.fixture.facts.client_by_uid(uid).await.unwrap();
        client.map(|client| json!(ClientView::from(&client)))
    }

    async fn user(&self, subject: Subject) -> Option<Value> {
        let user = self.fixture.facts.user(subject).await.unwrap();
        user.map(|user| json!(UserView::from(&user)))
    }

    async fn role(&self, name: &RoleName) -> Option<Value> {
        let roles = self.admin.roles().await.unwrap();
        let role = roles.iter().find(|role| role.name == *name);
        role.map(|role| json!(RoleView::from(role)))
    }

    async fn scope(&self, name: &ScopeToken) -> Option<Value> {
        let scopes = self.admin.scopes().await.unwrap();
        let scope = scopes.iter().find(|scope| scope.name == *name);
        scope.map(|scope| json!(ScopeView::from(scope)))
    }
}

/// A view with other values of some members.
fn with(view: &Option<Value>, members: Value) -> Option<Value> {
    let mut view = view.clone();
    if let (Some(Value::Object(view)), Value::Object(members)) = (&mut view, members) {
        view.extend(members);
    }
    view
}

#[async_trait]
impl AdminStore for Watched<'_> {
    async fn add_user(&self, user: &NewUser) -> StoreResult<Change> {
        let after = json!(UserView::from(&user.user));
        let target = ("user", user.user.subject.to_string());
        let change = self.admin.add_user(user);
        self.sees(EventKind::UserCreated, target, [None, Some(after)], change)
            .await
    }

    async fn import_users(&self, users: &[NewUser], mode: ImportMode) -> StoreResult<Option<Vec<Imported>>> {
        let change = self.admin.import_users(users, mode);
        let (outcomes, event) = self.event(EventKind::UsersImported, change).await;
        let added = users
            .iter()
            .zip(outcomes.iter().flatten())
            .filter(|(_, outcome)| **outcome == Imported::Added);
        let added: Vec<_> = added.map(|(new, _)| new.user.subject.to_string()).collect();
        assert_eq!(event["count"], added.len());
        assert_eq!(event["details"]["subjects"], json!(added));
        assert_eq!(event["details"]["roles"], json!({ "clerk": 1 }));
        Ok(outcomes)
    }

    async fn users(&self, query: &UserQuery, after: Option<&str>, limit: u32) -> StoreResult<Page<User>> {
        self.admin.users(query, after, limit).await
    }

    async fn update_user(&self, subject: Subject, profile: &Profile) -> StoreResult<Change> {
        let before = self.user(subject).await;
        let names = json!({ "username": profile.username(), "email": profile.email() });
        let renamed = with(&before, names);
        let roles: Vec<_> = profile.roles().iter().map(RoleName::as_str).collect();
        let after = with(&renamed, json!({ "roles": roles }));
        // Whoever changes both is not watched here: that leaves two.
        let kind = if renamed == before {
            EventKind::UserRolesSet
        } else {
            EventKind::UserUpdated
        };
        let change = self.admin.update_user(subject, profile);
        let target = ("user", subject.to_string());
        self.sees(kind, target, [before, after], change).await
    }

    async fn set_user_active(
        &self,
        subject: Subject,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let before = self.user(subject).await;
        let after = with(&before, json!({ "active": active }));
        let kind = if active {
            EventKind::UserEnabled
        } else {
            EventKind::UserDisabled
        };
        let change = self.admin.set_user_active(subject, active, entry);
        self.sees(kind, ("user", subject.to_string()), [before, after], change)
            .await
    }

    async fn set_password(
        &self,
        subject: Subject,
        hash: &PasswordHash,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let change = self.admin.set_password(subject, hash, entry);
        let (done, event) = self.event(EventKind::UserPasswordSet, change).await;
        assert_eq!(event["target"]["id"], subject.to_string());
        assert_eq!(event["details"], json!({}));
        Ok(done)
    }

    async fn delete_user(&self, subject: Subject, entry: &NewRevocation) -> StoreResult<Change> {
        let before = self.user(subject).await;
        let change = self.admin.delete_user(subject, entry);
        let target = ("user", subject.to_string());
        self.sees(EventKind::UserDeleted, target, [before, None], change)
            .await
    }

    async fn put_role(&self, role: &Role) -> StoreResult<Change> {
        let views = [self.role(&role.name).await, Some(json!(RoleView::from(role)))];
        let change = self.admin.put_role(role);
        self.sees(EventKind::RolePut, ("role", role.name.to_string()), views, change)
            .await
    }

    async fn roles(&self) -> StoreResult<Vec<Role>> {
        self.admin.roles().await
    }

    async fn delete_role(&self, name: &RoleName) -> StoreResult<Change> {
        let views = [self.role(name).await, None];
        let change = self.admin.delete_role(name);
        self.sees(EventKind::RoleDeleted, ("role", name.to_string()), views, change)
            .await
    }

    async fn add_client(&self, client: &Client, lift: &NewRevocation) -> StoreResult<Change> {
        let views = [None, Some(json!(ClientView::from(client)))];
        let change = self.admin.add_client(client, lift);
        self.sees(
            EventKind::ClientCreated,
            ("client", client.uid.to_string()),
            views,
            change,
        )
        .await
    }

    async fn set_client_policy(&self, client: &Client) -> StoreResult<Change> {
        let before = self.client(client.uid).await;
        let after = Some(json!(ClientView::from(client)));
        let change = self.admin.set_client_policy(client);
        let target = ("client", client.uid.to_string());
        self.sees(EventKind::ClientUpdated, target, [before, after], change)
            .await
    }

    async fn clients(
        &self,
        query: &ClientQuery,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Page<Client>> {
        self.admin.clients(query, after, limit).await
    }

    async fn audiences(&self, after: Option<&str>, limit: u32) -> StoreResult<Page<ListedAudience>> {
        self.admin.audiences(after, limit).await
    }

    async fn put_scope(&self, scope: &RegisteredScope) -> StoreResult<Change> {
        let views = [self.scope(&scope.name).await, Some(json!(ScopeView::from(scope)))];
        let change = self.admin.put_scope(scope);
        self.sees(
            EventKind::ScopePut,
            ("scope", scope.name.to_string()),
            views,
            change,
        )
        .await
    }

    async fn scopes(&self) -> StoreResult<Vec<RegisteredScope>> {
        self.admin.scopes().await
    }

    async fn delete_scope(&self, name: &ScopeToken) -> StoreResult<Change> {
        let views = [self.scope(name).await, None];
        let change = self.admin.delete_scope(name);
        self.sees(
            EventKind::ScopeDeleted,
            ("scope", name.to_string()),
            views,
            change,
        )
        .await
    }

    async fn set_client_active(
        &self,
        uid: ClientUid,
        active: bool,
        entry: &NewRevocation,
    ) -> StoreResult<Change> {
        let before = self.client(uid).await;
        let after = with(&before, json!({ "active": active }));
        let kind = if active {
            EventKind::ClientEnabled
        } else {
            EventKind::ClientDisabled
        };
        let change = self.admin.set_client_active(uid, active, entry);
        self.sees(kind, ("client", uid.to_string()), [before, after], change)
            .await
    }

    async fn set_client_secrets(&self, uid: ClientUid, secrets: &[ClientSecretHash]) -> StoreResult<Change> {
        let before = self.client(uid).await;
        let ids = |event: &Value| -> Vec<String> {
            let secrets = event["secrets"].as_array().unwrap().iter();
            secrets
                .map(|secret| secret["id"].as_str().unwrap().to_owned())
                .collect()
        };
        let (done, event) = self
            .event(
                EventKind::ClientSecretsSet,
                self.admin.set_client_secrets(uid, secrets),
            )
            .await;
        let expected: Vec<_> = secrets.iter().map(ClientSecretHash::id).collect();
        assert_eq!(Some(&event["details"]["before"]), before.as_ref());
        assert_eq!(ids(&event["details"]["after"]), expected);
        Ok(done)
    }

    async fn delete_client(&self, uid: ClientUid, entry: &NewRevocation) -> StoreResult<Change> {
        let before = self.client(uid).await;
        let change = self.admin.delete_client(uid, entry);
        let target = ("client", uid.to_string());
        self.sees(EventKind::ClientDeleted, target, [before, None], change)
            .await
    }
}
