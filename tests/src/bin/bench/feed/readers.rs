//! Those who read streams and do nothing with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use symbolon_verifier::feed::Events;
use symbolon_verifier::{Fetch as _, HttpFetch, Pieces};
use tokio::task::JoinSet;
use url::Url;

/// Longest time until every stream has brought what it should.
const PATIENCE: Duration = Duration::from_secs(60);

/// Open streams, each on a connection of its own.
pub(super) struct Readers {
    heads: Arc<AtomicU64>,
    count: u64,
    tasks: JoinSet<anyhow::Result<()>>,
}

/// What a head says of where it is.
#[derive(Deserialize)]
pub(super) struct Position {
    pub(super) log: String,
    pub(super) seq: u64,
}

impl Position {
    /// That of a signed head.
    ///
    /// # Errors
    /// It is no head.
    pub(super) fn of(head: &[u8]) -> anyhow::Result<Self> {
        let payload = str::from_utf8(head)?.split('.').nth(1).context("no JWS")?;
        Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
    }
}

impl Readers {
    /// Opens so many streams behind that position, one after the other, and waits until each has brought two heads.
    ///
    /// # Errors
    /// If one is refused, or ends.
    pub(super) async fn open(stream: &Url, behind: &Position, count: u32) -> anyhow::Result<Self> {
        let http = HttpFetch::new()?;
        let id = format!("{}:{}", behind.log, behind.seq);
        let mut readers = Self {
            heads: Arc::default(),
            count: count.into(),
            tasks: JoinSet::new(),
        };
        for _ in 0..count {
            let pieces = http.stream(stream, &id).await.context("a stream")?;
            readers.tasks.spawn(read(pieces, readers.heads.clone()));
        }
        readers.wait(2).await?;
        Ok(readers)
    }

    /// Waits until so many heads have come on each stream, on the average, from now on.
    ///
    /// # Errors
    /// If a stream ends, or they do not come.
    pub(super) async fn wait(&mut self, heads: u64) -> anyhow::Result<()> {
        let (began, before) = (Instant::now(), self.heads.load(Ordering::Relaxed));
        while self.heads.load(Ordering::Relaxed) < before + heads * self.count {
            ensure!(began.elapsed() < PATIENCE, "heads do not come");
            if let Some(ended) = self.tasks.try_join_next() {
                ended??;
                anyhow::bail!("a stream has ended");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Closes them.
    pub(super) async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn read(mut pieces: Box<dyn Pieces>, heads: Arc<AtomicU64>) -> anyhow::Result<()> {
    let mut events = Events::default();
    while let Some(piece) = pieces.next().await? {
        events.push(&piece, |event| {
            if event.name == "head" {
                heads.fetch_add(1, Ordering::Relaxed);
            }
        })?;
    }
    Ok(())
}
