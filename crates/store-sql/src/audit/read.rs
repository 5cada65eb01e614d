//! Searching the trail, and comparing it with itself.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use symbolon_core::audit::{AuditFilter, AuditHead, AuditRecord, EventKind, Order, link};
use symbolon_core::ports::StoreResult;

use super::{HEAD_ID, Trail, position, searched};
use crate::SqlStore;
use crate::convert::to_ms;
use crate::entity::audit_head;
use crate::entity::audit_log::{Column, Entity, Model};
use crate::error::store_error;

impl SqlStore {
    pub(super) async fn find_records(
        &self,
        filter: &AuditFilter,
        order: Order,
        from: Option<u64>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>> {
        let find = matching(filter);
        let find = match order {
            Order::Earliest => find
                .filter(seq().gt(anchor_or(from.map_or(0, position))))
                .order_by_asc(Column::Seq),
            Order::Latest => {
                let find = find.filter(seq().gt(anchor_or(0))).order_by_desc(Column::Seq);
                match from {
                    Some(from) => find.filter(Column::Seq.lt(position(from))),
                    None => find,
                }
            }
        };
        let rows = find.limit(u64::from(limit)).all(self.read()).await;
        let rows = rows.map_err(store_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub(super) async fn find_part(
        &self,
        after: u64,
        limit: u32,
    ) -> StoreResult<(AuditHead, Vec<AuditRecord>)> {
        let (trail, rows) = self.trail_and_rows(after, limit).await?;
        let records: StoreResult<_> = rows.into_iter().map(TryInto::try_into).collect();
        Ok((trail.anchor, records?))
    }

    pub(super) async fn first_that_differs(&self, after: u64, limit: u32) -> StoreResult<Option<u64>> {
        let (trail, rows) = self.trail_and_rows(after, limit).await?;
        if after <= trail.anchor.seq && limit > 0 && !begins_well(&trail, rows.first()) {
            return Ok(Some(trail.anchor.seq + 1));
        }
        let odd = rows.iter().find(|row| !says_what_it_searches_by(row));
        Ok(odd.and_then(|row| u64::try_from(row.seq).ok()))
    }

    pub(super) async fn first_before_anchor(&self) -> StoreResult<Option<u64>> {
        let found = Entity::find()
            .select_only()
            .column(Column::Seq)
            .filter(seq().lte(anchor_or(0)))
            .order_by_asc(Column::Seq)
            .into_tuple::<i64>()
            .one(self.read())
            .await
            .map_err(store_error)?;
        Ok(found.map(|seq| u64::try_from(seq).unwrap_or(0)))
    }

    /// Of one moment.
    async fn trail_and_rows(&self, after: u64, limit: u32) -> StoreResult<(Trail, Vec<Model>)> {
        let tx = self.snapshot().await?;
        let head = audit_head::Entity::find_by_id(HEAD_ID).one(&tx).await;
        let trail = Trail::of(head.map_err(store_error)?)?;
        let rows = Entity::find()
            .filter(Column::Seq.gt(position(Ord::max(after, trail.anchor.seq))))
            .order_by_asc(Column::Seq)
            .limit(u64::from(limit))
            .all(&tx)
            .await
            .map_err(store_error)?;
        Ok((trail, rows))
    }
}

fn matching(filter: &AuditFilter) -> Select<Entity> {
    let mut find = Entity::find();
    if let Some(from) = filter.from {
        find = find.filter(Column::AtMs.gte(to_ms(from)));
    }
    if let Some(until) = filter.until {
        find = find.filter(Column::AtMs.lt(to_ms(until)));
    }
    if !filter.kinds.is_empty() {
        let kinds = filter.kinds.iter().copied().map(EventKind::as_str);
        find = find.filter(Column::Event.is_in(kinds));
    }
    if !filter.without.is_empty() {
        let kinds = filter.without.iter().copied().map(EventKind::as_str);
        find = find.filter(Column::Event.is_not_in(kinds));
    }
    if let Some(actor) = &filter.actor {
        find = find.filter(Column::Actor.eq(searched::actor(actor)));
    }
    if let Some((kind, id)) = &filter.target {
        find = find.filter(Column::TargetKind.eq(kind));
        if let Some(id) = id {
            find = find.filter(Column::Target.eq(searched::target(id)));
        }
    }
    if let Some(request) = filter.request {
        find = find.filter(Column::RequestId.eq(request));
    }
    if let Some(done) = filter.done {
        find = find.filter(Column::Outcome.eq(if done { "done" } else { "refused" }));
    }
    find
}

fn seq() -> Expr {
    Expr::col((Entity, Column::Seq))
}

/// The position of the anchor at the moment of the statement, or that one where it is later. Nothing up to the anchor is on
/// the trail, whoever has put it there. As one bound, so that an index is entered at the later of the two.
fn anchor_or(after: i64) -> Expr {
    let anchor = Query::select()
        .column(audit_head::Column::AnchorSeq)
        .from(audit_head::Entity)
        .and_where(audit_head::Column::Id.eq(HEAD_ID))
        .and_where(audit_head::Column::AnchorSeq.gt(after))
        .take();
    Func::coalesce([anchor.into(), Expr::value(after)]).into()
}

/// Whether the earliest record is the one that follows the anchor, and follows from it. Where there is none, everything
/// has been swept.
fn begins_well(trail: &Trail, earliest: Option<&Model>) -> bool {
    let anchor = trail.anchor;
    let Some(row) = earliest else {
        return trail.head == anchor;
    };
    let hash = link(&anchor.hash, anchor.seq + 1, &row.body);
    row.seq == position(anchor.seq + 1) && row.hash == hash.0
}

pub(super) fn says_what_it_searches_by(row: &Model) -> bool {
    searched::Searched::of(&row.body).is_some_and(|searched| searched.is_in(row))
}
