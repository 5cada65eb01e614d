//! Signing keys.

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::keys::{KeyState, SigningKeyRecord};
use symbolon_core::ports::{KeyStore, StoreError, StoreResult};
use symbolon_jose::Kid;

use crate::SqlStore;
use crate::convert::{bounded, corrupt, from_ms, parse, to_ms};
use crate::entity::signing_keys::{ActiveModel, Column, Entity, Model};
use crate::error::{store_error, unless_taken};
use crate::log::advance_facts;
use crate::transaction::commit;

/// Most keys that are not retired.
const MAX_KEYS: u64 = 1000;

#[async_trait]
impl KeyStore for SqlStore {
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKeyRecord>> {
        let rows = Entity::find()
            .filter(Column::State.ne(RETIRED))
            .order_by_asc(Column::CreatedMs)
            .order_by_asc(Column::Kid)
            .limit(MAX_KEYS + 1)
            .all(self.read())
            .await
            .map_err(store_error)?;
        let rows = bounded(rows, MAX_KEYS, "signing keys")?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn add_signing_keys(&self, keys: &[SigningKeyRecord]) -> StoreResult<bool> {
        let tx = self.writing().await?;
        for key in keys {
            let inserted = Entity::insert(row(key)).exec_without_returning(&tx).await;
            if unless_taken(inserted)?.is_none() {
                return Ok(false);
            }
        }
        advance_facts(&tx).await?;
        commit(tx).await?;
        Ok(true)
    }
}

const ACTIVE: &str = "active";
const COMPROMISED: &str = "compromised";
const PENDING: &str = "pending";
const RETIRED: &str = "retired";
const RETIRING: &str = "retiring";

/// Each state fills its own columns and no others.
fn row(key: &SigningKeyRecord) -> ActiveModel {
    let mut row = ActiveModel {
        kid: Set(key.kid.as_str().to_owned()),
        alg: Set(key.alg.as_str().to_owned()),
        state: Set(key.state.as_str().to_owned()),
        published_ms: Set(None),
        activated_ms: Set(None),
        retiring_ms: Set(None),
        retired_ms: Set(None),
        compromised_ms: Set(None),
        wrapped: Set(key.wrapped.clone()),
        created_ms: Set(to_ms(key.created)),
    };
    let some = |moment| Set(Some(to_ms(moment)));
    match key.state {
        KeyState::Pending { published } => row.published_ms = some(published),
        KeyState::Active { published, activated } => {
            (row.published_ms, row.activated_ms) = (some(published), some(activated));
        }
        KeyState::Retiring { published, retiring } => {
            (row.published_ms, row.retiring_ms) = (some(published), some(retiring));
        }
        KeyState::Retired { retired } => row.retired_ms = some(retired),
        KeyState::Compromised { compromised } => row.compromised_ms = some(compromised),
    }
    row
}

impl TryFrom<Model> for SigningKeyRecord {
    type Error = StoreError;

    fn try_from(row: Model) -> StoreResult<Self> {
        Ok(Self {
            kid: Kid::parse(&row.kid).map_err(|_| corrupt("a key id is not well-formed"))?,
            alg: parse(&row.alg, "the algorithm of a key")?,
            state: state(&row)?,
            wrapped: row.wrapped,
            created: from_ms(row.created_ms, "the making of a key")?,
        })
    }
}

fn state(row: &Model) -> StoreResult<KeyState> {
    let moment = |ms| from_ms(ms, "the state of a key");
    let moments = [
        row.published_ms,
        row.activated_ms,
        row.retiring_ms,
        row.retired_ms,
        row.compromised_ms,
    ];
    match (&*row.state, moments) {
        (PENDING, [Some(published), None, None, None, None]) => Ok(KeyState::Pending {
            published: moment(published)?,
        }),
        (ACTIVE, [Some(published), Some(activated), None, None, None]) => Ok(KeyState::Active {
            published: moment(published)?,
            activated: moment(activated)?,
        }),
        (RETIRING, [Some(published), None, Some(retiring), None, None]) => Ok(KeyState::Retiring {
            published: moment(published)?,
            retiring: moment(retiring)?,
        }),
        (RETIRED, [None, None, None, Some(retired), None]) => Ok(KeyState::Retired {
            retired: moment(retired)?,
        }),
        (COMPROMISED, [None, None, None, None, Some(compromised)]) => Ok(KeyState::Compromised {
            compromised: moment(compromised)?,
        }),
        _ => Err(corrupt("a signing key is in a state that does not exist")),
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::TryIntoModel;
    use symbolon_core::UnixMillis;
    use symbolon_jose::SigningAlg;

    use super::*;

    #[test]
    fn every_state_survives_its_row_and_no_mixture_does() {
        let at = UnixMillis;
        let states = [
            KeyState::Pending { published: at(1) },
            KeyState::Active {
                published: at(1),
                activated: at(2),
            },
            KeyState::Retiring {
                published: at(1),
                retiring: at(3),
            },
            KeyState::Retired { retired: at(4) },
            KeyState::Compromised { compromised: at(5) },
        ];
        for kept in states {
            let key = SigningKeyRecord {
                kid: Kid::parse("k1").unwrap(),
                alg: SigningAlg::Es256,
                state: kept,
                wrapped: "jwe".into(),
                created: at(1),
            };
            let mut model = row(&key).try_into_model().unwrap();
            assert_eq!(state(&model).unwrap(), kept);
            for other in states.iter().filter(|other| **other != kept) {
                model.state = other.as_str().to_owned();
                assert!(state(&model).is_err(), "{kept:?} as {other:?}");
            }
        }
    }
}
