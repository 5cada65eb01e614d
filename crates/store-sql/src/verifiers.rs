//! What verifiers report that they have applied.
//!
//! On PostgreSQL those who write it take turns, by a lock that they take first and that nobody else has: each decides by
//! all rows which ones must go.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::evidence::{
    ListedVerifier, MAX_KEYS, MAX_STEPS, MAX_VERIFIERS, Report, Step, Verifier, VerifierName, surplus,
};
use symbolon_core::ports::{StoreError, StoreResult, VerifierReports};
use symbolon_core::{ClientUid, UnixMillis};
use symbolon_jose::Kid;
use uuid::Uuid;

use crate::SqlStore;
use crate::convert::{bounded, from_ms, number, parse, to_ms};
use crate::entity::clients;
use crate::entity::verifiers::{ActiveModel, Column, Entity, Model};
use crate::error::store_error;
use crate::transaction::{Lock, Transaction, commit, retried};

/// One row of the table.
type Key = (ClientUid, VerifierName);

#[async_trait]
impl VerifierReports for SqlStore {
    async fn record_reports(&self, reports: &[Report]) -> StoreResult<()> {
        if reports.is_empty() {
            return Ok(());
        }
        retried(|| self.record_all(reports)).await
    }

    async fn verifiers(&self) -> StoreResult<Vec<ListedVerifier>> {
        let rows = Entity::find()
            .order_by_desc(Column::LastSeenMs)
            .order_by_asc(Column::ClientUid)
            .order_by_asc(Column::Name)
            .limit(MAX_VERIFIERS as u64)
            .all(self.read())
            .await
            .map_err(store_error)?;
        let uids: BTreeSet<Uuid> = rows.iter().map(|row| row.client_uid).collect();
        let names: Vec<(Uuid, String)> = clients::Entity::find()
            .select_only()
            .columns([clients::Column::Uid, clients::Column::ClientId])
            .filter(clients::Column::Uid.is_in(uids))
            .into_tuple()
            .all(self.read())
            .await
            .map_err(store_error)?;
        let names: HashMap<_, _> = names.into_iter().collect();
        rows.into_iter()
            // A client that was deleted has nobody who reports; its rows are swept.
            .filter_map(|row| Some((names.get(&row.client_uid)?, row)))
            .map(|(client_id, row)| {
                Ok(ListedVerifier {
                    client_id: parse(client_id, "a client id")?,
                    verifier: row.try_into()?,
                })
            })
            .collect()
    }

    async fn sweep_verifiers(&self, before: UnixMillis) -> StoreResult<u64> {
        let tx = self.writing(Lock::Rows).await?;
        take_turn(&tx).await?;
        let swept = Entity::delete_many()
            .filter(Column::LastSeenMs.lt(to_ms(before)))
            .exec(&tx)
            .await
            .map_err(store_error)?;
        commit(tx).await?;
        Ok(swept.rows_affected)
    }
}

impl SqlStore {
    async fn record_all(&self, reports: &[Report]) -> StoreResult<()> {
        let tx = self.writing(Lock::Rows).await?;
        take_turn(&tx).await?;
        let known = known(&tx, reports).await?;
        let has_new = reports
            .iter()
            .any(|report| !known.contains_key(&(report.client, report.name.clone())));
        let mut heard: BTreeMap<Key, Verifier> = BTreeMap::new();
        for report in reports.iter().cloned() {
            let key = (report.client, report.name.clone());
            match heard.remove(&key).or_else(|| known.get(&key).cloned()) {
                Some(mut verifier) => {
                    verifier.hear(report);
                    heard.insert(key, verifier);
                }
                None => drop(heard.insert(key, Verifier::new(report))),
            }
        }
        if has_new {
            make_room(&tx, &mut heard).await?;
        }
        write(&tx, heard.values()).await?;
        commit(tx).await
    }
}

/// Taken first and held to the end of the transaction.
async fn take_turn(tx: &Transaction) -> StoreResult<()> {
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let turn = format!("SELECT pg_advisory_xact_lock({VERIFIERS}, 1)");
    tx.execute_unprepared(&turn).await.map(drop).map_err(store_error)
}

/// The class of the advisory lock, so that it meets no others of this database.
const VERIFIERS: i32 = 0x5359_4D56;

/// Those of the rows that the reports are about, and perhaps some others of the same clients.
async fn known(tx: &Transaction, reports: &[Report]) -> StoreResult<BTreeMap<Key, Verifier>> {
    let clients: BTreeSet<_> = reports.iter().map(|report| report.client.0).collect();
    let names: BTreeSet<_> = reports.iter().map(|report| report.name.as_str()).collect();
    let rows = Entity::find()
        .filter(Column::ClientUid.is_in(clients))
        .filter(Column::Name.is_in(names))
        .all(tx)
        .await
        .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            let verifier = Verifier::try_from(row)?;
            Ok(((verifier.client, verifier.name.clone()), verifier))
        })
        .collect()
}

/// Takes those out of `heard`, and out of the table, that there is no room for.
async fn make_room(tx: &Transaction, heard: &mut BTreeMap<Key, Verifier>) -> StoreResult<()> {
    let rows: Vec<(Uuid, String, i64)> = Entity::find()
        .select_only()
        .columns([Column::ClientUid, Column::Name, Column::LastSeenMs])
        .into_tuple()
        .all(tx)
        .await
        .map_err(store_error)?;
    let mut seen: BTreeMap<Key, UnixMillis> = rows
        .into_iter()
        .map(|(client, name, at)| {
            let key = (ClientUid(client), parse(&name, "the name of a verifier")?);
            Ok((key, from_ms(at, LAST_SEEN)?))
        })
        .collect::<StoreResult<_>>()?;
    for (key, verifier) in &*heard {
        seen.insert(key.clone(), verifier.last_seen);
    }
    let mut gone: BTreeMap<ClientUid, Vec<String>> = BTreeMap::new();
    for (client, name) in surplus(seen.iter().map(|((client, name), at)| (*client, name, *at))) {
        gone.entry(client).or_default().push(name.to_string());
        heard.remove(&(client, name));
    }
    for (client, names) in gone {
        Entity::delete_many()
            .filter(Column::ClientUid.eq(client.0))
            .filter(Column::Name.is_in(names))
            .exec(tx)
            .await
            .map_err(store_error)?;
    }
    Ok(())
}

async fn write(tx: &Transaction, verifiers: impl Iterator<Item = &Verifier>) -> StoreResult<()> {
    let rows = verifiers.map(row).collect::<StoreResult<Vec<_>>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let replace = OnConflict::columns([Column::ClientUid, Column::Name])
        .update_columns([
            Column::LastSeenMs,
            Column::LogId,
            Column::Seq,
            Column::AsOfMs,
            Column::Kids,
            Column::Steps,
        ])
        .to_owned();
    Entity::insert_many(rows)
        .on_conflict(replace)
        .exec_without_returning(tx)
        .await
        .map(drop)
        .map_err(store_error)
}

fn row(verifier: &Verifier) -> StoreResult<ActiveModel> {
    let kids: Vec<_> = verifier.kids.iter().map(Kid::as_str).collect();
    let steps: Vec<_> = verifier
        .steps
        .iter()
        .map(|step| format!("{}@{}", step.seq, step.at.0))
        .collect();
    Ok(ActiveModel {
        client_uid: Set(verifier.client.0),
        name: Set(verifier.name.to_string()),
        first_seen_ms: Set(to_ms(verifier.first_seen)),
        last_seen_ms: Set(to_ms(verifier.last_seen)),
        log_id: Set(verifier.log),
        seq: Set(number(verifier.seq, SEQ)?),
        as_of_ms: Set(to_ms(verifier.as_of)),
        kids: Set(kids.join(" ")),
        steps: Set(steps.join(" ")),
    })
}

const LAST_SEEN: &str = "when a verifier was last seen";
const SEQ: &str = "what a verifier has applied";

impl TryFrom<Model> for Verifier {
    type Error = StoreError;

    fn try_from(row: Model) -> StoreResult<Self> {
        let kid = |text: &str| {
            Kid::parse(text).map_err(|_| crate::convert::corrupt("a key that a verifier knows is none"))
        };
        let kids = row
            .kids
            .split_terminator(' ')
            .map(kid)
            .collect::<StoreResult<Vec<_>>>()?;
        let steps = row
            .steps
            .split_terminator(' ')
            .map(step)
            .collect::<StoreResult<Vec<_>>>()?;
        Ok(Self {
            client: ClientUid(row.client_uid),
            name: parse(&row.name, "the name of a verifier")?,
            first_seen: from_ms(row.first_seen_ms, "when a verifier was first seen")?,
            last_seen: from_ms(row.last_seen_ms, LAST_SEEN)?,
            log: row.log_id,
            seq: number(row.seq, SEQ)?,
            as_of: from_ms(row.as_of_ms, "the head that a verifier knows")?,
            kids: bounded(kids, MAX_KEYS as u64, "keys that a verifier knows")?
                .into_iter()
                .collect(),
            steps: VecDeque::from(bounded(steps, MAX_STEPS as u64, "steps of a verifier")?),
        })
    }
}

/// `seq@milliseconds`.
fn step(text: &str) -> StoreResult<Step> {
    const WHAT: &str = "a step of a verifier";
    let (seq, at) = text.split_once('@').unwrap_or((text, ""));
    Ok(Step {
        seq: parse(seq, WHAT)?,
        at: UnixMillis(parse(at, WHAT)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        Model {
            client_uid: Uuid::from_u128(7),
            name: "api-1".into(),
            first_seen_ms: 1,
            last_seen_ms: 9,
            log_id: Uuid::from_u128(1),
            seq: 5,
            as_of_ms: 8,
            kids: "k1 k2".into(),
            steps: "4@1 5@9".into(),
        }
    }

    #[test]
    fn rows_that_can_not_be_are_corrupt() {
        let good = Verifier::try_from(model()).unwrap();
        assert_eq!((good.kids.len(), good.steps.len()), (2, 2));
        let many_kids: Vec<_> = (0..101).map(|i| format!("k{i}")).collect();
        let bad = [
            Model {
                name: "a b".into(),
                ..model()
            },
            Model { seq: -1, ..model() },
            Model {
                last_seen_ms: -1,
                ..model()
            },
            Model {
                kids: "k/1".into(),
                ..model()
            },
            Model {
                kids: many_kids.join(" "),
                ..model()
            },
            Model {
                steps: "4".into(),
                ..model()
            },
            Model {
                steps: "4@x".into(),
                ..model()
            },
            Model {
                steps: "-4@1".into(),
                ..model()
            },
            Model {
                steps: "4@1 ".repeat(65),
                ..model()
            },
        ];
        for row in bad {
            let text = format!("{row:?}");
            assert!(
                matches!(Verifier::try_from(row), Err(StoreError::Corrupt(_))),
                "{text}"
            );
        }
    }
}
