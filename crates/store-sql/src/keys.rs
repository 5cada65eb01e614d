//! Signing keys.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::UnixMillis;
use symbolon_core::keys::{
    KeyChange, KeyChangeOutcome, KeyLease, KeyNode, KeySchedule, KeyState, ScheduleTime, SigningKeyRecord,
};
use symbolon_core::ports::{KeyStore, StoreError, StoreResult};
use symbolon_jose::Kid;
use uuid::Uuid;

use crate::SqlStore;
use crate::convert::{bounded, corrupt, from_ms, from_schedule_ms, parse, to_ms, to_schedule_ms};
use crate::entity::signing_keys::{ActiveModel, Column, Entity, Model};
use crate::error::store_error;
use crate::transaction::{Lock, commit, retried};

/// Most keys that are published.
const MAX_KEYS: u64 = 1000;

#[async_trait]
impl KeyStore for SqlStore {
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKeyRecord>> {
        let rows = Entity::find()
            .filter(Column::State.is_in(PUBLISHED))
            .order_by_asc(Column::CreatedMs)
            .order_by_asc(Column::Kid)
            .limit(MAX_KEYS + 1)
            .all(self.read())
            .await
            .map_err(store_error)?;
        let rows = bounded(rows, MAX_KEYS, "signing keys")?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn key_history(&self, limit: u32) -> StoreResult<Vec<SigningKeyRecord>> {
        let rows = Entity::find()
            .order_by_desc(Column::CreatedMs)
            .order_by_desc(Column::Kid)
            .limit(u64::from(limit))
            .all(self.read())
            .await
            .map_err(store_error)?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let (kid, published) = (row.kid.clone(), PUBLISHED.contains(&&*row.state));
            match row.try_into() {
                Ok(key) => keys.push(key),
                // The past keeps nobody from starting, nor from withdrawing a key that leaked.
                Err(error) if !published => {
                    tracing::error!(kid = kid.escape_debug().to_string(), %error, "a signing key of the past can't be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    async fn change_keys(&self, change: &KeyChange) -> StoreResult<KeyChangeOutcome> {
        retried(|| self.edit_keys(change)).await
    }

    async fn rewrap_key(&self, kid: &Kid, from: &str, to: &str) -> StoreResult<bool> {
        let tx = self.writing(Lock::Rows).await?;
        let updated = Entity::update_many()
            .col_expr(Column::Wrapped, Expr::value(to))
            .filter(Column::Kid.eq(kid.as_str()))
            .filter(Column::Wrapped.eq(from))
            // What was erased stays erased.
            .filter(Column::State.is_in(PUBLISHED))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await?;
        Ok(updated.rows_affected > 0)
    }

    async fn key_schedule(&self) -> StoreResult<KeySchedule> {
        self.schedule().await
    }

    async fn take_key_lease(
        &self,
        holder: Uuid,
        now: UnixMillis,
        ttl: Duration,
        elapsed: ScheduleTime,
    ) -> StoreResult<Option<KeyLease>> {
        retried(|| self.take_lease(holder, now, ttl, elapsed)).await
    }

    async fn release_key_lease(&self, lease: KeyLease) -> StoreResult<()> {
        self.release_lease(lease).await
    }

    async fn report_key_node(&self, node: &KeyNode) -> StoreResult<()> {
        self.report_node(node).await
    }

    async fn key_nodes(&self) -> StoreResult<Vec<KeyNode>> {
        self.nodes().await
    }

    async fn forget_key_node(&self, node: Uuid) -> StoreResult<()> {
        self.forget_node(node).await
    }
}

const ACTIVE: &str = "active";
const COMPROMISED: &str = "compromised";
const PENDING: &str = "pending";
const RETIRED: &str = "retired";
const RETIRING: &str = "retiring";

const PUBLISHED: [&str; 3] = [PENDING, ACTIVE, RETIRING];

/// The columns of [`moments`].
pub(crate) const MOMENTS: [Column; 5] = [
    Column::PublishedMs,
    Column::ActivatedMs,
    Column::RetiringMs,
    Column::RetiredMs,
    Column::CompromisedMs,
];

/// The moments that a state tells of. What a row knows beyond them, of the states before, it keeps.
pub(crate) fn moments(state: KeyState) -> [Option<UnixMillis>; 5] {
    match state {
        KeyState::Pending { published } => [Some(published), None, None, None, None],
        KeyState::Active { published, activated } => [Some(published), Some(activated), None, None, None],
        KeyState::Retiring {
            published,
            activated,
            retiring,
        } => [Some(published), Some(activated), Some(retiring), None, None],
        KeyState::Retired { activated, retired } => [None, activated, None, Some(retired), None],
        KeyState::Compromised {
            activated,
            compromised,
        } => [None, activated, None, None, Some(compromised)],
    }
}

/// The row of a new key. Only a key that is published has a private key.
pub(crate) fn row(key: &SigningKeyRecord) -> ActiveModel {
    let [
        published_ms,
        activated_ms,
        retiring_ms,
        retired_ms,
        compromised_ms,
    ] = moments(key.state).map(|moment| Set(moment.map(to_ms)));
    let wrapped = if key.state.is_published() {
        key.wrapped.clone()
    } else {
        String::new()
    };
    ActiveModel {
        kid: Set(key.kid.as_str().to_owned()),
        alg: Set(key.alg.as_str().to_owned()),
        state: Set(key.state.as_str().to_owned()),
        published_ms,
        activated_ms,
        retiring_ms,
        retired_ms,
        compromised_ms,
        wrapped: Set(wrapped),
        created_ms: Set(to_ms(key.created)),
        entered_schedule_ms: Set(to_schedule_ms(key.entered)),
        certificates: Set(key.certificates.clone()),
    }
}

impl TryFrom<Model> for SigningKeyRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> StoreResult<Self> {
        Ok(Self {
            kid: Kid::parse(&row.kid).map_err(|_| corrupt("a key id is not well-formed"))?,
            alg: parse(&row.alg, "the algorithm of a key")?,
            state: state(&row)?,
            entered: from_schedule_ms(row.entered_schedule_ms, "the state of a key")?,
            wrapped: row.wrapped,
            certificates: row.certificates,
            created: from_ms(row.created_ms, "the making of a key")?,
        })
    }
}

/// Each state needs its own moment and those of the states that must have gone before, and none of a later one.
fn state(row: &Model) -> StoreResult<KeyState> {
    let moment = |ms: Option<i64>| ms.map(|ms| from_ms(ms, "the state of a key")).transpose();
    let moments = [
        moment(row.published_ms)?,
        moment(row.activated_ms)?,
        moment(row.retiring_ms)?,
        moment(row.retired_ms)?,
        moment(row.compromised_ms)?,
    ];
    match (&*row.state, moments) {
        (PENDING, [Some(published), None, None, None, None]) => Ok(KeyState::Pending { published }),
        (ACTIVE, [Some(published), Some(activated), None, None, None]) => {
            Ok(KeyState::Active { published, activated })
        }
        (RETIRING, [Some(published), Some(activated), Some(retiring), None, None]) => {
            Ok(KeyState::Retiring {
                published,
                activated,
                retiring,
            })
        }
        (RETIRED, [_, activated, _, Some(retired), None]) => Ok(KeyState::Retired { activated, retired }),
        (COMPROMISED, [_, activated, _, _, Some(compromised)]) => Ok(KeyState::Compromised {
            activated,
            compromised,
        }),
        _ => Err(corrupt("a signing key is in a state that does not exist")),
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::TryIntoModel;
    use symbolon_jose::SigningAlg;

    use super::*;

    fn key(state: KeyState) -> SigningKeyRecord {
        SigningKeyRecord {
            kid: Kid::parse("k1").unwrap(),
            alg: SigningAlg::Es256,
            state,
            entered: ScheduleTime(7),
            wrapped: "jwe".into(),
            certificates: None,
            created: UnixMillis(1),
        }
    }

    /// Every state, along every way that leads to it.
    fn states() -> Vec<KeyState> {
        let at = UnixMillis;
        let pending = KeyState::Pending { published: at(1) };
        let active = pending.activate(at(2)).unwrap();
        let retiring = active.retire(at(3)).unwrap();
        let published = [pending, active, retiring];
        let retired = [pending, retiring].map(|state| state.finish(at(4)).unwrap());
        let unpublished = published
            .iter()
            .chain(&retired)
            .map(|state| state.compromise(at(5)).unwrap());
        published.into_iter().chain(retired).chain(unpublished).collect()
    }

    #[test]
    fn every_state_survives_its_row_and_passes_for_no_other() {
        for kept in states() {
            let mut model = row(&key(kept)).try_into_model().unwrap();
            assert_eq!(state(&model).unwrap(), kept);
            for other in states() {
                model.state = other.as_str().to_owned();
                let same = other.as_str() == kept.as_str();
                assert_eq!(state(&model).is_ok(), same, "{kept:?} as {other:?}");
            }
        }
    }

    #[test]
    fn only_published_keys_have_a_private_key() {
        for kept in states() {
            let model = row(&key(kept)).try_into_model().unwrap();
            let record = SigningKeyRecord::try_from(model).unwrap();
            assert_eq!(record.wrapped == "jwe", kept.is_published(), "{kept:?}");
            assert_eq!(record.wrapped.is_empty(), !kept.is_published(), "{kept:?}");
            assert_eq!(record.entered, ScheduleTime(7));
        }
    }
}
