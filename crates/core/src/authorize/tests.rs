use symbolon_oauth_types::UnixMillis;
use symbolon_oauth_types::revocation::{Digest, Effect, Entry};
use uuid::Uuid;

use super::*;
use crate::client::ClientPolicy;
use crate::rights::{ADMIN_AUDIENCE, admin_audience};
use crate::{ClientUid, Subject};

fn set(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

fn uri(text: &str) -> ResourceIndicator {
    text.parse().unwrap()
}

fn client() -> Client {
    let audience = |text: &str, signing_alg| AllowedAudience {
        indicator: uri(text),
        signing_alg,
        access_token_lifetime: None,
        active: true,
    };
    Client {
        uid: ClientUid(Uuid::from_u128(1)),
        client_id: "app".parse().unwrap(),
        active: true,
        created: UnixMillis(0),
        policy: ClientPolicy {
            grants: [GrantType::Password, GrantType::RefreshToken].into(),
            scope: set("a b c users:write"),
            default_scope: set("a b"),
            signing_alg: Some(SigningAlg::EdDsa),
            ..ClientPolicy::new("App", ClientType::Confidential)
        },
        audiences: vec![
            audience("urn:one", None),
            audience("urn:es", Some(SigningAlg::Es256)),
            audience("urn:rs", Some(SigningAlg::Rs256)),
            audience(ADMIN_AUDIENCE, None),
        ],
        secrets: vec![],
    }
}

fn user() -> User {
    User {
        subject: Subject(Uuid::from_u128(2)),
        username: "alice".into(),
        email: None,
        active: true,
        roles: vec![],
        scope: set("a b x"),
        created: UnixMillis(0),
    }
}

struct Case {
    client: Client,
    user: Option<User>,
    cutoffs: Cutoffs,
    audiences: Option<Vec<ResourceIndicator>>,
}

impl Case {
    fn new() -> Self {
        Self {
            client: client(),
            user: Some(user()),
            cutoffs: Cutoffs::default(),
            audiences: None,
        }
    }

    fn ask(&self, purpose: Purpose<'_>) -> Result<Authorization, Refusal> {
        self.ask_bound(purpose, KeyBinding::default())
    }

    fn ask_bound(&self, purpose: Purpose<'_>, key_binding: KeyBinding<'_>) -> Result<Authorization, Refusal> {
        authorize(&Facts {
            purpose,
            grants: &[GrantType::Password],
            client: &self.client,
            owner: Owner::User(self.user.as_ref()),
            audiences: self.audiences.as_deref(),
            revocable: Revocable {
                started: UnixMillis(100),
                subject: Uuid::from_u128(2),
                client_id: "app",
                session: None,
                token: None,
                kid: None,
            },
            cutoffs: &self.cutoffs,
            key_binding,
        })
    }
}

const ISSUE: Purpose<'_> = Purpose::Issue { requested: None };

/// Every purpose, so that no check can hold on one path and be missing on its sibling.
fn on_every_path(case: &Case, expected: Refusal) {
    let granted = set("a");
    for purpose in [
        ISSUE,
        Purpose::Refresh {
            granted: &granted,
            requested: None,
        },
        Purpose::Introspect { scope: &granted },
    ] {
        assert_eq!(case.ask(purpose), Err(expected), "{purpose:?}");
    }
}

#[test]
fn every_path_makes_every_check() {
    let mut case = Case::new();
    case.client.active = false;
    on_every_path(&case, Refusal::ClientDisabled);

    let mut case = Case::new();
    case.user.as_mut().unwrap().active = false;
    on_every_path(&case, Refusal::UserDisabled);

    let mut case = Case::new();
    case.user = None;
    on_every_path(&case, Refusal::UserGone);

    let mut case = Case::new();
    case.client.policy.grants.remove(&GrantType::Password);
    on_every_path(&case, Refusal::GrantNotAllowed);

    let mut case = Case::new();
    case.client.audiences[0].active = false;
    on_every_path(&case, Refusal::AudienceNotAllowed);

    let mut case = Case::new();
    case.client.audiences.clear();
    on_every_path(&case, Refusal::AudienceNotAllowed);

    let mut case = Case::new();
    case.user.as_mut().unwrap().scope = set("x");
    on_every_path(&case, Refusal::ScopeEmpty);

    let mut case = Case::new();
    case.cutoffs.apply(&Entry {
        kind: RevocationKind::Client,
        digest: Digest::of(RevocationKind::Client, "app"),
        effect: Effect::Cutoff(UnixMillis(100)),
        expires: UnixMillis::NEVER,
    });
    on_every_path(&case, Refusal::Revoked(RevocationKind::Client));
}

#[test]
fn what_the_client_may_not_ask_is_refused_and_what_the_user_lacks_is_left_out() {
    let case = Case::new();
    let issue = |text: &str| {
        let requested = set(text);
        case.ask(Purpose::Issue {
            requested: Some(&requested),
        })
        .map(|yes| yes.scope.to_string())
    };
    assert_eq!(case.ask(ISSUE).unwrap().scope, set("a b"));
    assert_eq!(issue("a c").unwrap(), "a");
    assert_eq!(issue("a d"), Err(Refusal::ScopeNotAllowed));
    assert_eq!(issue("c"), Err(Refusal::ScopeEmpty));
}

#[test]
fn the_admin_api_is_nobodys_fellow() {
    let mut case = Case::new();
    for others in [&["urn:one"] as &[_], &["urn:one", "urn:es"]] {
        let mut both: Vec<_> = others.iter().map(|other| uri(other)).collect();
        both.push(admin_audience().clone());
        for _ in 0..both.len() {
            both.rotate_left(1);
            case.audiences = Some(both.clone());
            on_every_path(&case, Refusal::AudienceNotAllowed);
        }
    }
    case.audiences = Some(vec![admin_audience().clone()]);
    // What it gets unasked is ordinary scope, which is nothing there.
    assert_eq!(case.ask(ISSUE), Err(Refusal::ScopeEmpty));
}

#[test]
fn admin_scopes_are_for_the_admin_api_alone() {
    let (both, admin) = (set("a users:write"), set("users:write"));
    let issue = |case: &Case, requested: &ScopeSet| {
        let requested = Some(requested);
        case.ask(Purpose::Issue { requested }).map(|yes| yes.scope)
    };
    let refresh = |case: &Case, requested: Option<&ScopeSet>| {
        let granted = &both;
        case.ask(Purpose::Refresh { granted, requested })
            .map(|yes| yes.scope)
    };
    let introspect =
        |case: &Case, scope: &ScopeSet| case.ask(Purpose::Introspect { scope }).map(|yes| yes.scope);
    let mut case = Case::new();
    case.user.as_mut().unwrap().scope = set("a users:write");
    for audiences in [
        None,
        Some(vec![uri("urn:es")]),
        Some(vec![uri("urn:one"), uri("urn:es")]),
    ] {
        case.audiences = audiences;
        assert_eq!(issue(&case, &both), Err(Refusal::ScopeNotAllowed));
        assert_eq!(refresh(&case, None).unwrap(), set("a"));
        assert_eq!(refresh(&case, Some(&admin)), Err(Refusal::ScopeEmpty));
        assert_eq!(introspect(&case, &both).unwrap(), set("a"));
        assert_eq!(introspect(&case, &admin), Err(Refusal::ScopeEmpty));
    }
    case.audiences = Some(vec![admin_audience().clone()]);
    // Which has no others.
    assert_eq!(issue(&case, &both), Err(Refusal::ScopeNotAllowed));
    assert_eq!(issue(&case, &admin).unwrap(), admin);
    assert_eq!(refresh(&case, Some(&admin)).unwrap(), admin);
    assert_eq!(introspect(&case, &both).unwrap(), admin);
    assert_eq!(
        case.ask(ISSUE),
        Err(Refusal::ScopeEmpty),
        "none that is not asked for"
    );
    case.user.as_mut().unwrap().scope = set("a");
    assert_eq!(issue(&case, &admin), Err(Refusal::ScopeEmpty));
}

#[test]
fn the_shortest_lifetime_of_the_resource_servers_counts() {
    let mut case = Case::new();
    let lifetime = |case: &mut Case, wanted: &[&str]| {
        case.audiences = Some(wanted.iter().map(|w| uri(w)).collect());
        case.ask(ISSUE).unwrap().max_lifetime
    };
    case.client.audiences[1].access_token_lifetime = Some(60);
    case.client.audiences[2].access_token_lifetime = Some(30);
    case.client.audiences[2].signing_alg = None;
    assert_eq!(lifetime(&mut case, &["urn:one"]), None);
    assert_eq!(lifetime(&mut case, &["urn:one", "urn:es"]), Some(60));
    assert_eq!(lifetime(&mut case, &["urn:es", "urn:rs"]), Some(30));
}

#[test]
fn a_refresh_narrows_and_never_widens() {
    let mut case = Case::new();
    let granted = set("a b");
    let refresh = |case: &Case, requested: Option<&ScopeSet>| {
        case.ask(Purpose::Refresh {
            granted: &granted,
            requested,
        })
        .map(|yes| yes.scope.to_string())
    };
    assert_eq!(refresh(&case, None).unwrap(), "a b");
    assert_eq!(refresh(&case, Some(&set("b"))).unwrap(), "b");
    assert_eq!(
        refresh(&case, Some(&set("a b c"))),
        Err(Refusal::ScopeExceedsGrant)
    );
    case.client.policy.scope = set("a");
    assert_eq!(refresh(&case, None).unwrap(), "a");
    case.user.as_mut().unwrap().scope = set("a b c");
    case.client.policy.scope = set("a b c");
    assert_eq!(
        refresh(&case, None).unwrap(),
        "a b",
        "a scope gained later does not join the session"
    );
}

#[test]
fn the_resource_server_chooses_the_algorithm_before_the_client() {
    let mut case = Case::new();
    let mut alg = |wanted: &[&str]| {
        case.audiences = Some(wanted.iter().map(|w| uri(w)).collect());
        case.ask(ISSUE).map(|yes| yes.signing_alg)
    };
    assert_eq!(alg(&["urn:one"]), Ok(Some(SigningAlg::EdDsa)));
    assert_eq!(alg(&["urn:one", "urn:es"]), Ok(Some(SigningAlg::Es256)));
    assert_eq!(alg(&["urn:rs", "urn:es"]), Err(Refusal::AlgorithmConflict));
    assert_eq!(alg(&["urn:other"]), Err(Refusal::AudienceNotAllowed));
    assert_eq!(alg(&[]), Err(Refusal::AudienceNotAllowed));
}

#[test]
fn a_bound_session_needs_its_key() {
    let case = Case::new();
    let (mine, other) = ([1; 32], [2; 32]);
    let ask = |required, proved| case.ask_bound(ISSUE, KeyBinding { required, proved }).map(|_| ());
    assert_eq!(ask(Some(&mine), Some(&mine)), Ok(()));
    assert_eq!(ask(Some(&mine), Some(&other)), Err(Refusal::WrongKey));
    assert_eq!(ask(Some(&mine), None), Err(Refusal::WrongKey));
}

#[test]
fn public_clients_get_nothing_for_themselves() {
    let mut case = Case::new();
    case.client.policy.client_type = ClientType::Public;
    let facts = Facts {
        purpose: ISSUE,
        grants: &[],
        client: &case.client,
        owner: Owner::Client,
        audiences: None,
        revocable: Revocable {
            started: UnixMillis(100),
            subject: Uuid::from_u128(1),
            client_id: "app",
            session: None,
            token: None,
            kid: None,
        },
        cutoffs: &case.cutoffs,
        key_binding: KeyBinding::default(),
    };
    assert_eq!(authorize(&facts), Err(Refusal::PublicClient));
}
