//! Sessions that share their transactions with the revocation log and the facts. Elsewhere a change of facts returns only
//! once no node goes by older ones, and it is fences that say what must have been read.

use symbolon_core::TokenId;
use symbolon_core::ports::{Begin, NewSession};
use symbolon_core::revocation::{Head, NewRevocation};
use symbolon_core::rotation::{Rotation, RotationRequest};
use symbolon_core::user::Role;
use symbolon_oauth_types::revocation::{Digest, RevocationKind};

use super::sessions::{Begun, NOW, new_session, rotated};
use crate::{Fixture, SeqRng, fresh_session, fresh_subject};

async fn append(fixture: &Fixture, revocation: &NewRevocation) -> Head {
    fixture.log.append(revocation, NOW).await.unwrap().head
}

/// A head behind an entry: on a log without any, nothing says what a node has applied.
async fn applied(fixture: &Fixture) -> Head {
    append(fixture, &NewRevocation::subject(fresh_subject(), NOW)).await
}

/// One change of a fact alone is enough, whatever is on the log.
pub async fn a_fact_that_changed_must_be_read_first(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    let applied = applied(fixture).await;
    let role = Role {
        name: "clerk".parse().unwrap(),
        scope: Default::default(),
    };
    fixture.admin.put_role(&role).await.unwrap();
    let behind = RotationRequest {
        applied,
        ..session.request(0, 1_000).await
    };
    assert_eq!(fixture.sessions.rotate(&behind).await.unwrap(), Rotation::CatchUp);
    append(fixture, &NewRevocation::subject(fresh_subject(), NOW)).await;
    assert_eq!(fixture.sessions.rotate(&behind).await.unwrap(), Rotation::CatchUp);
    assert_eq!(session.rotate(0, 1_000).await, rotated(1, 1_000));
}

/// Each kind of entry that may be about it, among others that are not.
pub async fn what_concerns_a_session_must_be_read_first(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    let (subject, id) = (session.session.subject, session.session.session);
    for concerning in [
        NewRevocation::all(NOW),
        NewRevocation::client(&"any".parse().unwrap(), NOW),
        NewRevocation::subject(subject, NOW),
        NewRevocation::subject_lifted(subject, NOW),
        NewRevocation::session(id, session.session.ends),
    ] {
        let applied = applied(fixture).await;
        append(fixture, &NewRevocation::subject(fresh_subject(), NOW)).await;
        append(fixture, &concerning).await;
        append(fixture, &NewRevocation::subject(fresh_subject(), NOW)).await;
        let behind = RotationRequest {
            applied,
            ..session.request(0, 1_000).await
        };
        assert_eq!(fixture.sessions.rotate(&behind).await.unwrap(), Rotation::CatchUp);
        assert_eq!(fixture.sessions.peek(&behind).await.unwrap(), Rotation::CatchUp);
        let begin = fixture.sessions.begin(&session.session, applied).await;
        assert_eq!(begin.unwrap(), Begin::CatchUp);
    }
    assert_eq!(session.rotate(0, 2_000).await, rotated(1, 2_000));
}

/// However many revocations come meanwhile, logins and refreshes of others need not start over.
pub async fn what_concerns_others_turns_nobody_back(fixture: &Fixture) {
    let session = Begun::in_store(fixture).await;
    let applied = applied(fixture).await;
    let owner = Digest::of_uuid(RevocationKind::Session, session.session.session.0);
    let token = TokenId::new(NOW, &SeqRng::starting_at(77));
    let mut generation = 0;
    for other in [
        NewRevocation::subject(fresh_subject(), NOW),
        NewRevocation::subject_blocked(fresh_subject()),
        NewRevocation::session(fresh_session(NOW), NOW.plus(9_000)),
        NewRevocation::token(token, owner, NOW.plus(9_000)),
    ] {
        append(fixture, &other).await;
        let begun = NewSession {
            subject: session.session.subject,
            ..new_session()
        };
        let begin = fixture.sessions.begin(&begun, applied).await;
        assert_eq!(begin.unwrap(), Begin::Begun, "{other:?}");
        let behind = RotationRequest {
            applied,
            ..session.request(generation, 1_000).await
        };
        generation += 1;
        let expected = rotated(generation, 1_000);
        assert_eq!(fixture.sessions.peek(&behind).await.unwrap(), expected);
        assert_eq!(fixture.sessions.rotate(&behind).await.unwrap(), expected);
    }
}
