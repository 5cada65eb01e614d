//! Changes of records, as somebody's doing.

use serde::Serialize;
use serde_json::Value;
use symbolon_core::audit::{Act, AuditEvent, EventKind, Target, Warrant};
use symbolon_core::client::Client;
use symbolon_core::ports::StoreResult;
use symbolon_core::rights::beyond;
use symbolon_core::user::{Role, User};
use symbolon_core::view::{ClientView, RoleView, UserView, Version};
use symbolon_oauth_types::ScopeSet;

use super::write;
use crate::SqlStore;
use crate::convert::corrupt;
use crate::news::News;
use crate::transaction::{Lock, Transaction};

/// A record that administrators see and change.
pub(crate) trait Recorded {
    /// What they see of it.
    type View: Serialize;

    /// As they see it.
    fn view(&self) -> Self::View;

    /// What it is called on the trail.
    fn target(&self) -> Target;
}

impl Recorded for Client {
    type View = ClientView;

    fn view(&self) -> ClientView {
        self.into()
    }

    fn target(&self) -> Target {
        Target::new("client", self.uid, Some(self.client_id.as_str()))
    }
}

impl Recorded for Role {
    type View = RoleView;

    fn view(&self) -> RoleView {
        self.into()
    }

    fn target(&self) -> Target {
        Target::new("role", &self.name, None)
    }
}

impl Recorded for User {
    type View = UserView;

    fn view(&self) -> UserView {
        self.into()
    }

    fn target(&self) -> Target {
        Target::new("user", self.subject, Some(&self.username))
    }
}

/// Whether the doing expects another state of the record than the one that it is in, be it that there is none.
pub(crate) fn is_stale<R: Recorded>(act: &Act, record: Option<&R>) -> bool {
    let version = record.map(|record| Version::of(&record.view()));
    act.expected.is_some_and(|expected| !expected.is_met_by(version))
}

/// Whether whoever does it holds all admin scope in this, and so may give it, and take over what has it.
pub(crate) fn may_handle(act: &Act, scope: &ScopeSet) -> bool {
    let warrant = act.warrant.as_ref();
    warrant.is_none_or(|warrant| beyond(&warrant.scope, scope).is_empty())
}

impl SqlStore {
    /// A transaction for somebody's doing, beside which nobody changes the log or a fact; `None` where a fact, or a
    /// revocation that concerns them, has come since they were judged.
    pub(crate) async fn changing(&self, act: &Act) -> StoreResult<Option<Transaction>> {
        let tx = self.writing(Lock::HeadAlone).await?;
        if let Some(Warrant { judged, .. }) = &act.warrant {
            let news = News::since(&tx, std::iter::once(judged.head)).await?;
            if news.concern_token(judged.head, &judged.of) {
                return Ok(None);
            }
        }
        Ok(Some(tx))
    }

    /// Writes the event of a change, with the record as it was and as it is: one that was made has not been before, one
    /// that was deleted is no more.
    pub(crate) async fn write_change<R: Recorded>(
        &self,
        tx: &Transaction,
        act: &Act,
        kind: EventKind,
        before: Option<&R>,
        after: Option<&R>,
    ) -> StoreResult<()> {
        let mut event = AuditEvent::new(kind, self.inner.clock.now(), act.clone());
        event.target = after.or(before).map(Recorded::target);
        for (name, record) in [("before", before), ("after", after)] {
            if let Some(record) = record {
                event = event.with(name, seen(record)?);
            }
        }
        write(tx, &[event]).await.map(drop)
    }
}

fn seen(record: &impl Recorded) -> StoreResult<Value> {
    serde_json::to_value(record.view()).map_err(|_| corrupt("a record has no form in JSON"))
}
