//! A verifier in a process of its own, so that its memory is nobody else's.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use symbolon_tests::Via;
use symbolon_verifier::Verifier;

use super::Site;
use crate::process::own_memory;
use crate::statistics::median;
use crate::symbolon::Session;

/// Longest time until it follows the feed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Checks between two looks at the time, and how many such looks.
const CHECKS: u32 = 1_000;
const LOOKS: u32 = 200;

#[derive(Args)]
pub(crate) struct FollowOptions {
    /// The issuer
    #[arg(long)]
    issuer: String,
    /// The audience of the token
    #[arg(long)]
    audience: String,
    /// The node
    #[arg(long)]
    node: SocketAddr,
    /// A token that is good
    #[arg(long)]
    token: String,
}

/// What following costs.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Followed {
    /// Resident memory once it follows, and at most until then, in KiB.
    pub(super) memory_kib: u64,
    pub(super) peak_kib: u64,
    /// Of how many subjects, clients, sessions, tokens and keys it knows entries.
    pub(super) entries: usize,
    /// From nothing until it is caught up.
    pub(super) caught_up_ms: f64,
    /// To verify a token whose signature was verified before.
    pub(super) check_ns: f64,
}

impl Followed {
    /// Follows the feed of a node in another process, and judges the token of a session.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub(super) fn of(site: &Site, session: &Session) -> anyhow::Result<Self> {
        let ready = &site.place.ready;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["follow", "--issuer", &ready.issuer]);
        command.args(["--audience", &ready.resource_server.audience]);
        command.args([
            "--node",
            &site.address().to_string(),
            "--token",
            &session.access_token,
        ]);
        let output = command.output()?;
        if !output.status.success() {
            bail!("following failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("following told something else than expected")
    }
}

/// Follows the feed, and prints what it costs.
///
/// # Errors
/// If the feed can't be followed, or the token is refused.
pub(crate) async fn follow(options: &FollowOptions) -> anyhow::Result<()> {
    let began = Instant::now();
    let verifier = Verifier::builder(&options.issuer, &options.audience)
        .fetch(Via::to(options.node))
        .build()
        .await?;
    let feed = loop {
        match verifier.feed() {
            Some(feed) if feed.is_caught_up && !feed.is_stale => break feed,
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        ensure!(began.elapsed() < PATIENCE, "the feed can't be followed");
    };
    let caught_up_ms = began.elapsed().as_secs_f64() * 1000.0;
    let memory = own_memory()?;
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        for _ in 0..CHECKS {
            verifier.verify(&options.token).await?;
        }
        looks.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS));
    }
    let followed = Followed {
        memory_kib: memory.now,
        peak_kib: memory.peak,
        entries: feed.entries,
        caught_up_ms,
        check_ns: median(looks),
    };
    println!("{}", serde_json::to_string(&followed)?);
    Ok(())
}
