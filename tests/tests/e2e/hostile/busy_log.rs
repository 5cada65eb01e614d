//! A revocation log that moves all the time: by many users who log out, or by one who does it on purpose.

use std::time::Duration;

use symbolon_core::ids::uuid_v7;
use symbolon_core::revocation::NewRevocation;
use symbolon_core::tokens::AccessTokens;
use symbolon_core::{Clock, SessionId, SystemRng};
use symbolon_tests::Harness;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Much longer than a node signs without knowing that its keys are still those of the store.
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

#[tokio::test]
async fn keeps_no_node_from_confirming_its_keys() {
    let h = Harness::start().await;
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    h.node.spawn(&tasks, &shutdown);
    // The first time it may be its keys' first reading that confirms them.
    for _ in 0..2 {
        h.clock.advance(TWO_HOURS);
        let confirmed = async {
            while h.node.keyring().can_sign(None).is_err() {
                let now = h.clock.now();
                let session = SessionId(uuid_v7(now, &SystemRng));
                h.log_revocation(NewRevocation::session(session, now.plus(3_600_000)))
                    .await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, confirmed).await.unwrap();
    }
    shutdown.cancel();
}
