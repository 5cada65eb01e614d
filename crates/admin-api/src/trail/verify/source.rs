//! Trails that are verified.

use std::io::BufRead;

use async_trait::async_trait;
use symbolon_core::audit::{AuditFilter, AuditHead, AuditRecord, AuditStore, Checkpoint, Order};

use super::VerifyError;
use crate::trail::export::Lines;

/// Records that are read at a time.
const BATCH: u32 = 500;

/// A trail, wherever it is.
#[async_trait]
pub(super) trait Source: Send {
    async fn anchor(&mut self) -> Result<AuditHead, VerifyError>;

    /// Where it says that it ends; `None` where it says nothing.
    async fn head(&mut self) -> Result<Option<AuditHead>, VerifyError>;

    /// The records behind that position, the earliest first, at most [`BATCH`].
    async fn records(&mut self, after: u64) -> Result<Vec<AuditRecord>, VerifyError>;

    /// The position of a record that stands where there can be none: at or before the anchor.
    async fn before_anchor(&mut self) -> Result<Option<u64>, VerifyError>;

    /// The first of as many records behind that position that is searched by something else than it says.
    async fn columns_differ(&mut self, after: u64, records: usize) -> Result<Option<u64>, VerifyError>;

    /// The checkpoints behind that position, the earliest first, at most [`BATCH`].
    async fn checkpoints(&mut self, after: u64) -> Result<Vec<Checkpoint>, VerifyError>;
}

/// As a store keeps it.
pub(super) struct Stored<'a>(pub(super) &'a dyn AuditStore);

#[async_trait]
impl Source for Stored<'_> {
    async fn anchor(&mut self) -> Result<AuditHead, VerifyError> {
        Ok(self.0.audit_anchor().await?)
    }

    async fn head(&mut self) -> Result<Option<AuditHead>, VerifyError> {
        Ok(Some(self.0.audit_head().await?))
    }

    async fn records(&mut self, after: u64) -> Result<Vec<AuditRecord>, VerifyError> {
        let everything = AuditFilter::default();
        Ok(self
            .0
            .audit_records(&everything, Order::Earliest, Some(after), BATCH)
            .await?)
    }

    async fn before_anchor(&mut self) -> Result<Option<u64>, VerifyError> {
        Ok(self.0.audit_before_anchor().await?)
    }

    async fn columns_differ(&mut self, after: u64, records: usize) -> Result<Option<u64>, VerifyError> {
        let limit = u32::try_from(records).unwrap_or(BATCH);
        Ok(self.0.audit_columns_differ(after, limit).await?)
    }

    async fn checkpoints(&mut self, after: u64) -> Result<Vec<Checkpoint>, VerifyError> {
        Ok(self.0.checkpoints(after, BATCH).await?)
    }
}

/// As it was exported.
pub(super) struct Exported<R> {
    pub(super) lines: Lines<R>,
    pub(super) anchor: AuditHead,
}

#[async_trait]
impl<R: BufRead + Send> Source for Exported<R> {
    async fn anchor(&mut self) -> Result<AuditHead, VerifyError> {
        Ok(self.anchor)
    }

    async fn head(&mut self) -> Result<Option<AuditHead>, VerifyError> {
        Ok(None)
    }

    async fn records(&mut self, _after: u64) -> Result<Vec<AuditRecord>, VerifyError> {
        let mut records = Vec::new();
        while records.len() < BATCH as usize
            && let Some(record) = self.lines.next()?
        {
            records.push(record);
        }
        Ok(records)
    }

    /// The walk finds it: an export has its records one after the other.
    async fn before_anchor(&mut self) -> Result<Option<u64>, VerifyError> {
        Ok(None)
    }

    async fn columns_differ(&mut self, _after: u64, _records: usize) -> Result<Option<u64>, VerifyError> {
        Ok(None)
    }

    async fn checkpoints(&mut self, _after: u64) -> Result<Vec<Checkpoint>, VerifyError> {
        Ok(Vec::new())
    }
}
