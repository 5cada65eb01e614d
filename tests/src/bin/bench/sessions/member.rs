//! A node of the cluster within this process, and its records in Redis.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use symbolon_core::cluster::SessionRecords as _;
use symbolon_core::cluster_clock::ClusterClock;
use symbolon_core::facts::Revocations as _;
use symbolon_core::revocation::Head;
use symbolon_core::{SystemClock, SystemRng};
use symbolon_revocation::LiveLog;
use symbolon_server::node::{self, Node, Stores, Surroundings, Wraps};
use symbolon_store_redis::{RedisConfig, RedisRecords, Topology};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::place::Place;

/// Long enough for a Redis that shares its core with all of this.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Member {
    pub(super) records: RedisRecords,
    node: Node,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Member {
    /// Opens a node and starts what it does beside requests. It has no listener.
    ///
    /// # Errors
    /// If the node can't be opened.
    pub(super) async fn join(place: &Place) -> anyhow::Result<Self> {
        let settings = place.settings()?;
        let redis = settings.redis.as_ref().context("no Redis is set")?;
        let records = RedisRecords::connect(&RedisConfig {
            url: redis.url.expose_secret().to_owned(),
            topology: Topology::Single,
            prefix: redis.key_prefix.clone(),
            connect_timeout: PATIENCE,
            response_timeout: PATIENCE,
            replicas: 0,
            ca_file: None,
            sentinel_username: None,
            sentinel_password: None,
        })
        .await?;
        let clock = node::cluster_clock(&settings, Arc::new(SystemClock::new()));
        let stores = Stores::open(&settings, clock, &SystemRng).await?;
        let around = Surroundings {
            rng: Arc::new(SystemRng),
            wraps: Wraps::default(),
        };
        let node = Node::open(&settings, stores, around).await?;
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        node.spawn(&tasks, &shutdown);
        let member = Self {
            records,
            node,
            tasks,
            shutdown,
        };
        member.records.rebuild(member.head()).await?;
        Ok(member)
    }

    /// How far it has applied the log.
    pub(super) fn head(&self) -> Head {
        self.log().applied().head
    }

    /// The log, with its fences in Redis.
    pub(super) fn log(&self) -> &LiveLog {
        &self.node.log
    }

    /// The cluster's time.
    pub(super) fn clock(&self) -> &ClusterClock {
        &self.node.stores.clock
    }

    /// Ends what it does beside requests, and its connections to the database.
    pub(super) async fn leave(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.node.store.close().await;
    }
}
