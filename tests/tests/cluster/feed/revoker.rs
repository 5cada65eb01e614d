//! Tokens, and how their sessions are ended.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use symbolon_tests::binary::PATIENCE;
use tokio::time::{Instant, timeout};

use super::court::Court;

/// Between two attempts to revoke.
const RETRY: Duration = Duration::from_millis(50);

/// A token, and what became of its session.
pub(super) struct Watched {
    pub(super) user: &'static str,
    pub(super) access: String,
    pub(super) refresh: String,
    /// Whether somebody has begun to revoke it.
    asked: AtomicBool,
    /// When the revocation was answered.
    dead: OnceLock<Instant>,
    /// Whether the log may forget that it was revoked.
    forgotten: AtomicBool,
}

impl Watched {
    pub(super) fn new(user: &'static str, access: String, refresh: String) -> Self {
        Self {
            user,
            access,
            refresh,
            asked: AtomicBool::new(false),
            dead: OnceLock::new(),
            forgotten: AtomicBool::new(false),
        }
    }

    /// Nobody has begun to revoke it.
    pub(super) fn is_live(&self) -> bool {
        !self.is_asked()
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Its revocation was answered, and the log has not lost it since.
    pub(super) fn is_dead(&self) -> bool {
        self.dead.get().is_some() && !self.may_come_back()
    }

    /// How long ago its revocation was answered.
    pub(super) fn dead_for(&self) -> Option<Duration> {
        self.dead.get().map(Instant::elapsed)
    }

    /// From now on it will be revoked, or was.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// The revocation was answered.
    pub(super) fn die(&self) {
        // Once is enough.
        let _ = self.dead.set(Instant::now());
    }

    /// A backup is restored that does not know of the revocation.
    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::SeqCst);
    }

    pub(super) fn may_come_back(&self) -> bool {
        self.forgotten.load(Ordering::SeqCst)
    }
}

impl Court {
    /// Revokes the sessions of tokens that live still, one after the other, at the nodes by turns.
    pub(super) async fn revoke(&self, count: usize, pause: Duration) {
        let live: Vec<_> = self
            .tokens
            .iter()
            .filter(|token| token.is_live())
            .take(count)
            .collect();
        assert_eq!(live.len(), count, "not enough tokens");
        for (turn, token) in live.into_iter().enumerate() {
            self.revoke_one(token, turn).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Revokes the session of a token at the nodes by turns, until one answers that it holds everywhere.
    async fn revoke_one(&self, token: &Watched, first: usize) {
        token.ask();
        let revoking = async {
            for turn in first.. {
                let form = [("token", &*token.refresh)];
                let request = self.remotes[turn % 2].request("revocation_endpoint", &self.cast.app, &form);
                match request.send().await.map(|answer| answer.status()) {
                    Ok(StatusCode::OK) => break,
                    Ok(StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {}
                    Ok(status) => {
                        self.tally
                            .fault(format!("a revocation was answered with {status}"));
                        break;
                    }
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        if timeout(PATIENCE, revoking).await.is_err() {
            self.tally.fault("a revocation was never promised".to_owned());
        }
        token.die();
    }
}
