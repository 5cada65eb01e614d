//! Whether a node that has not applied all of the log must do so before it may answer for a session, or change something on
//! somebody's word. While revocations of others come one after the other there is always one that it has not applied: these
//! it need not wait for.

use std::ops::RangeInclusive;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use symbolon_core::ports::StoreResult;
use symbolon_core::revocation::{Head, UNKNOWN_TIP};
use symbolon_core::{SessionId, Subject};
use symbolon_oauth_types::revocation::{Digest, Lookup, RevocationKind};

use crate::convert::number;
use crate::entity::revocation_log::{Column, Entity};
use crate::error::store_error;
use crate::log;

/// Most entries that are looked through; who is further behind must catch up.
const MOST: u64 = 1_000;

/// The head, and the entries up to it that some who ask have not applied.
pub(crate) struct News {
    head: Head,
    /// In order, from the one on that the first of those who ask has applied last.
    entries: Vec<Told>,
}

/// What matters of an entry.
struct Told {
    seq: u64,
    kind: String,
    digest: Vec<u8>,
    tip: Option<Vec<u8>>,
}

impl News {
    /// Reads what those who have applied this much may not know. What the connection has locked decides how long it holds.
    pub(crate) async fn since(
        db: &impl ConnectionTrait,
        applied: impl Iterator<Item = Head>,
    ) -> StoreResult<Self> {
        let head = log::head(db).await?;
        let first = applied
            .filter(|applied| is_earlier(*applied, head) && head.seq - applied.seq <= MOST)
            .map(|applied| applied.seq)
            .min();
        let entries = match first {
            Some(first) => read(db, first..=head.seq).await?,
            None => Vec::new(),
        };
        Ok(Self { head, entries })
    }

    /// Whether who has applied this much must catch up before it may answer for this session.
    pub(crate) fn concern(&self, applied: Head, subject: Subject, session: SessionId) -> bool {
        let subject = Digest::of_uuid(RevocationKind::Subject, subject.0);
        let session = Digest::of_uuid(RevocationKind::Session, session.0);
        self.has(applied, |entry| entry.concerns(subject, session))
    }

    /// Whether who was judged by this much, by that token, must be judged anew before they may change anything.
    pub(crate) fn concern_token(&self, judged: Head, token: &Lookup) -> bool {
        self.has(judged, |entry| entry.concerns_token(token))
    }

    /// Whether one of the entries that are not applied is such a one; also where these alone don't tell what has changed.
    fn has(&self, applied: Head, is_such: impl Fn(&Told) -> bool) -> bool {
        is_behind(applied, self.head)
            && self
                .behind(applied)
                .is_none_or(|behind| behind.iter().any(is_such))
    }

    /// The entries that are not applied; `None` where these alone don't tell what has changed.
    fn behind(&self, applied: Head) -> Option<&[Told]> {
        if !is_earlier(applied, self.head) || applied.tip == UNKNOWN_TIP {
            return None;
        }
        let at = self
            .entries
            .binary_search_by_key(&applied.seq, |entry| entry.seq)
            .ok()?;
        let (last, behind) = self.entries[at..].split_first()?;
        let continues = last.tip.as_deref() == Some(&applied.tip[..]);
        let seqs = behind.iter().map(|entry| entry.seq);
        (continues && seqs.eq(applied.seq + 1..=self.head.seq)).then_some(behind)
    }
}

impl Told {
    /// Keys and access tokens are no matter of a session; clients are told by an id that the asker does not name.
    fn concerns(&self, subject: Digest, session: Digest) -> bool {
        use RevocationKind::{Key, Session, Subject, Token};
        let is = |kind: RevocationKind| self.kind == kind.as_str();
        if is(Subject) {
            return self.digest == subject.0;
        }
        if is(Session) {
            return self.digest == session.0;
        }
        !is(Key) && !is(Token)
    }

    fn concerns_token(&self, token: &Lookup) -> bool {
        let digest = self.digest.as_slice().try_into();
        digest.map_or(true, |digest| token.is_concerned_by(Digest(digest)))
    }
}

/// Whether the log, and not a fact, has moved on.
fn is_earlier(applied: Head, head: Head) -> bool {
    applied.log == head.log && applied.facts == head.facts && applied.seq < head.seq
}

/// Whether what was applied is not what is there. A log with another identity is another log, whatever its position; one
/// that has gone back, or is back where the node was by another way, is another history.
pub(crate) fn is_behind(applied: Head, head: Head) -> bool {
    applied.log != head.log
        || applied.seq != head.seq
        || applied.facts != head.facts
        || applied.is_told_apart(head)
}

async fn read(db: &impl ConnectionTrait, seqs: RangeInclusive<u64>) -> StoreResult<Vec<Told>> {
    let at = |seq: u64| number::<_, i64>(seq, "a log position");
    type Row = (i64, String, Vec<u8>, Option<Vec<u8>>);
    let rows: Vec<Row> = Entity::find()
        .select_only()
        .columns([Column::Seq, Column::Kind, Column::Digest, Column::Tip])
        .filter(Column::Seq.between(at(*seqs.start())?, at(*seqs.end())?))
        .order_by_asc(Column::Seq)
        .into_tuple()
        .all(db)
        .await
        .map_err(store_error)?;
    rows.into_iter()
        .map(|(seq, kind, digest, tip)| {
            Ok(Told {
                seq: number(seq, "a log position")?,
                kind,
                digest,
                tip,
            })
        })
        .collect()
}
