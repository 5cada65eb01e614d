use symbolon_core::password::{HashMemory, PasswordCost, PasswordHash};
use symbolon_core::ports::NewUser;
use symbolon_core::profile::Profile;
use symbolon_core::user::{LoginName, User};
use symbolon_core::{Subject, UnixMillis};

use crate::{FakeClock, SeqRng, fresh_subject};

/// Makes a [`User`], or what a store makes one from.
#[derive(Clone, Debug)]
pub struct UserMother {
    user: User,
    password: Option<PasswordHash>,
}

/// An enabled user without e-mail address and roles.
pub fn user(username: &str) -> UserMother {
    UserMother {
        user: User {
            subject: fresh_subject(),
            username: username.to_owned(),
            email: None,
            active: true,
            roles: vec![],
            scope: Default::default(),
            created: FakeClock::START,
        },
        password: None,
    }
}

/// A hash of that password, as cheap as Argon2 allows.
pub fn password_hash(password: &str) -> PasswordHash {
    let cost = PasswordCost {
        memory_kib: 8,
        iterations: 1,
        parallelism: 1,
    };
    PasswordHash::create(&password.into(), cost, &SeqRng::new(), &mut HashMemory::default())
        .expect("Argon2 allows the cost")
}

impl UserMother {
    /// With that subject.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.user.subject = subject;
        self
    }

    /// With that e-mail address, by which the user can log in too.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        self.user.email = Some(email.to_owned());
        self
    }

    /// Holding those roles.
    #[must_use]
    pub fn roles(mut self, roles: &[&str]) -> Self {
        self.user.roles = roles.iter().map(|role| role.parse().unwrap()).collect();
        self
    }

    /// Allowed that scope by the roles; stores ignore it.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.user.scope = scope.parse().unwrap();
        self
    }

    /// With that password; without this, it is `password`.
    #[must_use]
    pub fn password(mut self, hash: PasswordHash) -> Self {
        self.password = Some(hash);
        self
    }

    /// Disabled.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.user.active = false;
        self
    }

    /// Made at that moment.
    #[must_use]
    pub fn created(mut self, at: UnixMillis) -> Self {
        self.user.created = at;
        self
    }

    /// The user as grants see it.
    pub fn build(self) -> User {
        self.user
    }

    /// What the user is called and holds.
    pub fn profile(self) -> Profile {
        let User {
            username,
            email,
            roles,
            ..
        } = self.user;
        Profile::new(username, email, roles).expect("it is within the rules")
    }

    /// What a store makes the user from: user name and e-mail address are the login names.
    pub fn build_new(self) -> NewUser {
        let names = [Some(&self.user.username), self.user.email.as_ref()];
        let names: Vec<LoginName> = names.into_iter().flatten().map(|n| n.parse().unwrap()).collect();
        NewUser {
            names,
            password: self.password.unwrap_or_else(|| password_hash("password")),
            user: self.user,
        }
    }
}
