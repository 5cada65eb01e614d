//! Users and clients, made on the database directly.

use secrecy::ExposeSecret;
use symbolon_core::audit::{Act, Actor};
use symbolon_core::client::Client;
use symbolon_core::password::{HashMemory, PasswordHash};
use symbolon_core::ports::{AdminStore, AdminStores, Change, NewUser};
use symbolon_core::revocation::NewRevocation;
use symbolon_core::secret::ClientSecrets;
use symbolon_core::user::{LoginName, Role, RoleName, User};
use symbolon_core::{ClientUid, Clock, Subject, SystemRng};
use symbolon_oauth_types::ScopeSet;
use symbolon_server::config::Settings;
use symbolon_server::node::password_cost;

use crate::fixtures::{ClientSpec, PASSWORD, TestClient, TestUser};

pub(super) struct Seeder<'a> {
    pub(super) store: &'a symbolon_store_sql::SqlStore,
    pub(super) secrets: &'a ClientSecrets,
    pub(super) clock: &'a dyn Clock,
    pub(super) settings: &'a Settings,
}

#[expect(
    clippy::expect_used,
    reason = "test support: whatever fails here is a failed test"
)]
impl Seeder<'_> {
    fn admin(&self) -> Box<dyn AdminStore> {
        let act = Act::new(Actor::operator("test"), "to begin with");
        self.store.acting(act)
    }

    pub(super) async fn client(&self, spec: ClientSpec) -> TestClient {
        spec.policy.validate().expect("a valid policy");
        let now = self.clock.now();
        let uid = ClientUid::new(now, &SystemRng);
        let confidential = spec.policy.client_type == symbolon_core::client::ClientType::Confidential;
        let secret = confidential.then(|| ClientSecrets::generate(&SystemRng));
        let client = Client {
            uid,
            client_id: spec.id.parse().expect("a client id"),
            active: true,
            created: now,
            policy: spec.policy,
            audiences: vec![],
            secrets: secret
                .iter()
                .filter_map(|secret| self.secrets.hash(uid, secret))
                .collect(),
        };
        let lift = NewRevocation::client_lifted(&client.client_id, now);
        done(self.admin().add_client(&client, &lift).await.expect("a store"));
        let secret = secret
            .map(|secret| secret.expose_secret().to_owned())
            .unwrap_or_default();
        TestClient {
            uid,
            id: spec.id,
            secret,
        }
    }

    pub(super) async fn user(&self, name: &str, email: Option<&str>, scope: &str) -> TestUser {
        let role: RoleName = format!("role-of-{name}").to_lowercase().parse().expect("a role");
        let scope: ScopeSet = scope.parse().expect("a scope");
        done(
            self.admin()
                .put_role(&Role {
                    name: role.clone(),
                    scope,
                })
                .await
                .expect("a store"),
        );
        let now = self.clock.now();
        let cost = password_cost(self.settings);
        let user = User {
            subject: Subject::new(now, &SystemRng),
            username: name.to_owned(),
            email: email.map(str::to_owned),
            active: true,
            roles: vec![role],
            scope: ScopeSet::default(),
            created: now,
        };
        let subject = user.subject;
        let names: Vec<LoginName> = [Some(name), email]
            .into_iter()
            .flatten()
            .map(|n| n.parse().expect("a name"))
            .collect();
        let password = PasswordHash::create(&PASSWORD.into(), cost, &SystemRng, &mut HashMemory::default());
        let new = NewUser {
            user,
            names,
            password: password.expect("a hash"),
        };
        done(self.admin().add_user(&new).await.expect("a store"));
        TestUser {
            subject,
            name: name.to_owned(),
        }
    }
}

#[track_caller]
fn done(change: Change) {
    assert_eq!(change, Change::Done);
}
