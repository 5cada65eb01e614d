use std::sync::Arc;

use symbolon_core::authorize::{self, Authorization, KeyBinding, Owner, Purpose};
use symbolon_core::client::Client;
use symbolon_core::revocation::{FactsVersion, Head};
use symbolon_core::user::User;
use symbolon_core::{ClientUid, Subject, UnixMillis};
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{GrantType, ResourceIndicator};

use crate::{Service, TokenError};

/// How often a request starts over because the log or a fact moved on beneath it.
pub(crate) const ATTEMPTS: u32 = 16;

/// A question to `authorize()`, before the facts are looked up.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) purpose: Purpose<'a>,
    pub(crate) grants: &'a [GrantType],
    pub(crate) client: ClientUid,
    /// The user; `None` where the client acts for itself.
    pub(crate) subject: Option<Subject>,
    pub(crate) audiences: Option<&'a [ResourceIndicator]>,
    pub(crate) revocable: Revocable<'a>,
    pub(crate) key_binding: KeyBinding<'a>,
}

/// A yes, the facts it rests on, and how far the log was applied.
pub(crate) struct Decision {
    pub(crate) authorization: Authorization,
    pub(crate) client: Arc<Client>,
    /// The user; `None` where the client acts for itself.
    pub(crate) user: Option<Arc<User>>,
    pub(crate) head: Head,
    /// When the question was asked. A token is issued at this moment, however long it takes from here to the signature: by
    /// facts that have changed meanwhile it lives no longer than one that was issued before they did.
    pub(crate) decided: UnixMillis,
}

impl Service {
    /// Looks the facts up and asks [`authorize::authorize`]. All facts are of one version, and that version and the
    /// revocations are those of `Decision::head`, which a store can compare with the present.
    pub(crate) async fn decide(&self, question: &Question<'_>) -> Result<Decision, TokenError> {
        for _ in 0..ATTEMPTS {
            let asked = self.parts.clock.now();
            let version = self.parts.revocations.applied().facts_version();
            let client = self.parts.facts.client_by_uid(question.client).await?;
            let client = client.ok_or(TokenError::ClientUnknown)?;
            let user = match question.subject {
                Some(subject) => self.parts.facts.user(subject).await?,
                None => None,
            };
            if let Some(decided) = self.ask(question, (asked, version), client, user) {
                let decision = decided?;
                if !matches!(question.purpose, Purpose::Introspect { .. }) {
                    self.parts.tokens.can_sign(decision.authorization.signing_alg)?;
                }
                return Ok(decision);
            }
        }
        Err(TokenError::CatchUpExhausted)
    }

    /// `None` where the facts moved on while they were read.
    fn ask(
        &self,
        question: &Question<'_>,
        (decided, version): (UnixMillis, FactsVersion),
        client: Arc<Client>,
        user: Option<Arc<User>>,
    ) -> Option<Result<Decision, TokenError>> {
        let applied = self.parts.revocations.applied();
        if applied.facts_version() != version {
            return None;
        }
        let owner = if question.subject.is_some() {
            Owner::User(user.as_deref())
        } else {
            Owner::Client
        };
        let answer = authorize::authorize(&authorize::Facts {
            purpose: question.purpose,
            grants: question.grants,
            client: &client,
            owner,
            audiences: question.audiences,
            revocable: question.revocable,
            cutoffs: &applied.cutoffs,
            key_binding: question.key_binding,
        });
        let head = applied.head;
        drop(applied);
        Some(
            answer
                .map(|authorization| Decision {
                    authorization,
                    client,
                    user,
                    head,
                    decided,
                })
                .map_err(TokenError::Refused),
        )
    }
}
