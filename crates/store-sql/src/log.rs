//! The revocation log and its head.

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use symbolon_core::audit::{AuditEvent, EventKind, Target};
use symbolon_core::ports::{Appended, RevocationLog, StoreError, StoreResult};
use symbolon_core::revocation::{Head, Logged, NewRevocation, Reach, Tip, UNKNOWN_TIP};
use symbolon_core::{Clock, Subject, UnixMillis};
use symbolon_oauth_types::revocation::{Digest, Effect, Entry, RevocationKind};

use crate::SqlStore;
use crate::audit;
use crate::convert::{corrupt, from_ms, number, to_ms};
use crate::entity::revocation_head::{self, Column as HeadColumn};
use crate::entity::revocation_log::{self, Column};
use crate::error::store_error;
use crate::notify;
use crate::transaction::{Lock, Transaction, commit, retried};

/// Key of the only row of the head.
pub(crate) const HEAD_ID: i32 = 1;

#[async_trait]
impl RevocationLog for SqlStore {
    async fn head(&self) -> StoreResult<Head> {
        head(self.vital()).await
    }

    async fn entries(&self, after: u64, now: UnixMillis, limit: u32) -> StoreResult<Vec<Logged>> {
        let rows = revocation_log::Entity::find()
            .filter(Column::Seq.gt(i64::try_from(after).unwrap_or(i64::MAX)))
            .filter(Column::ExpiresMs.gt(to_ms(now)))
            .order_by_asc(Column::Seq)
            .limit(u64::from(limit))
            .all(self.vital())
            .await
            .map_err(store_error)?;
        rows.into_iter().map(Logged::try_from).collect()
    }

    async fn tip_at(&self, seq: u64) -> StoreResult<Option<Tip>> {
        let Ok(seq) = i64::try_from(seq) else {
            return Ok(None);
        };
        let row = revocation_log::Entity::find_by_id(seq)
            .one(self.vital())
            .await
            .map_err(store_error)?;
        row.and_then(|row| row.tip).map(tip).transpose()
    }

    async fn append(&self, revocation: &NewRevocation, now: UnixMillis) -> StoreResult<Appended> {
        let head = retried(|| self.append_alone(revocation, now)).await?;
        Ok(Appended {
            head,
            reach: Reach::Everywhere,
        })
    }

    /// Sessions in this database are rotated and answered for by its own head.
    async fn promise(&self, _whose: Option<Subject>, _to: Head) -> StoreResult<Reach> {
        Ok(Reach::Everywhere)
    }

    async fn confirms(&self, _applied: Head) -> StoreResult<bool> {
        Ok(false)
    }

    async fn live_tokens(&self, owner: Digest, now: UnixMillis) -> StoreResult<u64> {
        revocation_log::Entity::find()
            .filter(Column::Owner.eq(owner.0.to_vec()))
            .filter(Column::Kind.eq(RevocationKind::Token.as_str()))
            .filter(Column::ExpiresMs.gt(to_ms(now)))
            .count(self.read())
            .await
            .map_err(store_error)
    }

    async fn sweep_log(&self, before: UnixMillis, limit: u32) -> StoreResult<u64> {
        // In this order a lift never goes before the block that it lifts: blocks expire with their lift at the latest.
        let expired = Query::select()
            .column(Column::Seq)
            .from(revocation_log::Entity)
            .and_where(Column::ExpiresMs.lt(to_ms(before)))
            .order_by(Column::ExpiresMs, sea_orm::Order::Asc)
            .order_by(Column::Seq, sea_orm::Order::Asc)
            .limit(u64::from(limit))
            .take();
        let tx = self.writing(Lock::HeadAlone).await?;
        let deleted = revocation_log::Entity::delete_many()
            .filter(Column::Seq.in_subquery(expired))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await?;
        Ok(deleted.rows_affected)
    }
}

impl SqlStore {
    async fn append_alone(&self, revocation: &NewRevocation, now: UnixMillis) -> StoreResult<Head> {
        let tx = self.writing(Lock::HeadAlone).await?;
        let head = append(&tx, revocation, now, 0).await?;
        commit(tx).await?;
        Ok(head)
    }
}

/// The head as the connection sees it; nobody moves it before the end of a transaction that has locked it.
pub(crate) async fn head(db: &impl ConnectionTrait) -> StoreResult<Head> {
    let row = revocation_head::Entity::find_by_id(HEAD_ID)
        .one(db)
        .await
        .map_err(store_error)?;
    read_head(row)
}

fn read_head(row: Option<revocation_head::Model>) -> StoreResult<Head> {
    let row = row.ok_or_else(|| {
        StoreError::Unavailable("the revocation log has not begun: run `symbolon migrate`".into())
    })?;
    Ok(Head {
        log: row.log_id,
        seq: number(row.seq, "the head of the log")?,
        facts: number(row.facts, "the version of the facts")?,
        tip: row.tip.map_or(Ok(UNKNOWN_TIP), tip)?,
    })
}

fn tip(kept: Vec<u8>) -> StoreResult<Tip> {
    number(kept.as_slice(), "a tip of the log")
}

/// Facts have changed: every cache of them is out of date once the transaction commits.
pub(crate) async fn advance_facts(tx: &Transaction) -> StoreResult<()> {
    advance(tx, 0, 1).await.map(drop)
}

/// Appends an entry that goes with a change of facts. The change holds from the clock's cutoff on, which is read once the
/// database is locked: who waited for the lock must not leave alive what began meanwhile by the old facts.
pub(crate) async fn append_with_facts(
    tx: &Transaction,
    revocation: &NewRevocation,
    clock: &dyn Clock,
) -> StoreResult<()> {
    let revocation = revocation.clone().reaching(clock.cutoff());
    append(tx, &revocation, clock.now(), 1).await.map(drop)
}

/// Does the same with as many entries as go with one change of facts, none included.
pub(crate) async fn append_all_with_facts(
    tx: &Transaction,
    revocations: &[NewRevocation],
    clock: &dyn Clock,
) -> StoreResult<()> {
    advance_facts(tx).await?;
    for revocation in revocations {
        let revocation = revocation.clone().reaching(clock.cutoff());
        append(tx, &revocation, clock.now(), 0).await?;
    }
    Ok(())
}

async fn append(
    tx: &Transaction,
    revocation: &NewRevocation,
    now: UnixMillis,
    facts: i64,
) -> StoreResult<Head> {
    let head = advance(tx, 1, facts).await?;
    let NewRevocation { entry, owner, .. } = revocation;
    let (effect, moment) = match entry.effect {
        Effect::Block => {
            expire_with(tx, entry).await?;
            (BLOCK, None)
        }
        Effect::Cutoff(moment) => (CUTOFF, Some(moment)),
        Effect::Lift(moment) => {
            expire_with(tx, entry).await?;
            (LIFT, Some(moment.max(blocked_at(tx, entry.digest).await?)))
        }
    };
    let row = revocation_log::ActiveModel {
        seq: Set(number(head.seq, "the head of the log")?),
        kind: Set(entry.kind.as_str().to_owned()),
        digest: Set(entry.digest.0.to_vec()),
        effect: Set(effect.to_owned()),
        moment_ms: Set(moment.map(to_ms)),
        owner: Set(owner.map(|digest| digest.0.to_vec())),
        // PostgreSQL keeps no NUL.
        reason: Set(revocation.act.reason.replace('\0', "")),
        actor: Set(revocation.act.actor.to_string()),
        at_ms: Set(to_ms(now)),
        expires_ms: Set(to_ms(entry.expires)),
        tip: Set(Some(head.tip.to_vec())),
    };
    revocation_log::Entity::insert(row)
        .exec_without_returning(tx)
        .await
        .map_err(store_error)?;
    audit::write(tx, &[event(revocation, head.seq, effect, moment, now)]).await?;
    Ok(head)
}

/// What the audit trail says of an entry. What never expires has no end.
fn event(
    revocation: &NewRevocation,
    seq: u64,
    effect: &str,
    moment: Option<UnixMillis>,
    now: UnixMillis,
) -> AuditEvent {
    let entry = &revocation.entry;
    let ends = Some(entry.expires).filter(|ends| *ends != UnixMillis::NEVER);
    let digest: String = entry.digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
    AuditEvent::new(EventKind::Revoked, now, revocation.act.clone())
        .to(Target::new("revocation", seq, None))
        .with("seq", seq)
        .with("kind", entry.kind.as_str())
        .with("effect", effect)
        .with("digest", digest)
        .with("moment_ms", moment.map(|moment| moment.0))
        .with("expires_ms", ends.map(|ends| ends.0))
        .with("sessions", revocation.sessions)
        .with("whose", revocation.whose.map(|subject| subject.to_string()))
}

/// Whether the last word of the log on whether the digest is blocked is that it is.
pub(crate) async fn is_blocked(tx: &Transaction, digest: Digest, now: UnixMillis) -> StoreResult<bool> {
    let last = revocation_log::Entity::find()
        .filter(Column::Digest.eq(digest.0.to_vec()))
        .filter(Column::Effect.is_in([BLOCK, LIFT]))
        .filter(Column::ExpiresMs.gt(to_ms(now)))
        .order_by_desc(Column::Seq)
        .one(tx)
        .await
        .map_err(store_error)?;
    Ok(last.is_some_and(|row| row.effect == BLOCK))
}

/// When the digest was last blocked. No lift reaches back before that: what the block killed must stay dead even if the
/// clock of whoever lifts it is behind, or has stepped back.
async fn blocked_at(tx: &Transaction, digest: Digest) -> StoreResult<UnixMillis> {
    let last = revocation_log::Entity::find()
        .filter(Column::Digest.eq(digest.0.to_vec()))
        .filter(Column::Effect.eq(BLOCK))
        .order_by_desc(Column::Seq)
        .one(tx)
        .await
        .map_err(store_error)?;
    last.map_or(Ok(UnixMillis(0)), |row| {
        from_ms(row.at_ms, "the time of an entry on the log")
    })
}

/// The last word on whether something is blocked sets when all words are forgotten: a block that outlived its lift
/// would hold again.
async fn expire_with(tx: &Transaction, last: &Entry) -> StoreResult<()> {
    let expires = to_ms(last.expires);
    revocation_log::Entity::update_many()
        .col_expr(Column::ExpiresMs, Expr::value(expires))
        .filter(Column::Digest.eq(last.digest.0.to_vec()))
        .filter(Column::ExpiresMs.gt(expires))
        .exec(tx)
        .await
        .map_err(store_error)?;
    Ok(())
}

/// A tip that no other history has: drawn by lot, since of a change of facts nothing else is told here.
pub(crate) fn new_tip(db: &impl ConnectionTrait) -> Expr {
    Expr::cust(match db.get_database_backend() {
        DbBackend::Postgres => "uuid_send(gen_random_uuid())",
        _ => "randomblob(16)",
    })
}

/// Moves the head, which the transaction has locked, and spreads the word once it commits.
async fn advance(tx: &Transaction, seq: i64, facts: i64) -> StoreResult<Head> {
    notify::tell(tx).await?;
    let moved = revocation_head::Entity::update_many()
        .col_expr(HeadColumn::Seq, Expr::col(HeadColumn::Seq).add(seq))
        .col_expr(HeadColumn::Facts, Expr::col(HeadColumn::Facts).add(facts))
        .col_expr(HeadColumn::Tip, new_tip(tx))
        .filter(HeadColumn::Id.eq(HEAD_ID))
        .exec_with_returning(tx)
        .await
        .map_err(store_error)?;
    read_head(moved.into_iter().next())
}

const BLOCK: &str = "block";
const CUTOFF: &str = "cutoff";
const LIFT: &str = "lift";

const KINDS: [RevocationKind; 6] = [
    RevocationKind::All,
    RevocationKind::Client,
    RevocationKind::Key,
    RevocationKind::Session,
    RevocationKind::Subject,
    RevocationKind::Token,
];

/// The effect of an entry by its name and moment.
pub(crate) fn effect(name: &str, moment_ms: Option<i64>) -> StoreResult<Effect> {
    let moment = moment_ms.map(|ms| from_ms(ms, "a cutoff on the log"));
    match (name, moment.transpose()?) {
        (BLOCK, None) => Ok(Effect::Block),
        (CUTOFF, Some(moment)) => Ok(Effect::Cutoff(moment)),
        (LIFT, Some(moment)) => Ok(Effect::Lift(moment)),
        _ => Err(corrupt("an entry on the log has no effect that exists")),
    }
}

impl TryFrom<revocation_log::Model> for Logged {
    type Error = StoreError;

    fn try_from(row: revocation_log::Model) -> StoreResult<Self> {
        let entry = Entry {
            kind: KINDS
                .into_iter()
                .find(|kind| kind.as_str() == row.kind)
                .ok_or_else(|| corrupt("an entry on the log is of an unknown kind"))?,
            digest: Digest(number(row.digest.as_slice(), "a digest on the log")?),
            effect: effect(&row.effect, row.moment_ms)?,
            expires: from_ms(row.expires_ms, "the end of an entry on the log")?,
        };
        Ok(Self {
            seq: number(row.seq, "a log position")?,
            entry,
            at: from_ms(row.at_ms, "the time of an entry on the log")?,
            tip: row.tip.map(tip).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(effect: &str, moment_ms: Option<i64>) -> revocation_log::Model {
        revocation_log::Model {
            seq: 1,
            kind: "subject".into(),
            digest: vec![7; 16],
            effect: effect.into(),
            moment_ms,
            owner: None,
            reason: String::new(),
            actor: String::new(),
            at_ms: 0,
            expires_ms: i64::MAX,
            tip: None,
        }
    }

    #[test]
    fn rows_that_can_not_be_are_corrupt() {
        let good = Logged::try_from(row("block", None)).unwrap().entry;
        assert_eq!((good.effect, good.expires), (Effect::Block, UnixMillis::NEVER));
        let bad = [
            row("block", Some(1)),
            row("cutoff", None),
            row("lift", Some(-1)),
            row("pardon", Some(1)),
            revocation_log::Model {
                kind: "planet".into(),
                ..row("block", None)
            },
            revocation_log::Model {
                digest: vec![7; 15],
                ..row("block", None)
            },
        ];
        for row in bad {
            let text = format!("{row:?}");
            assert!(
                matches!(Logged::try_from(row), Err(StoreError::Corrupt(_))),
                "{text}"
            );
        }
    }
}
