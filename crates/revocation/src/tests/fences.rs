//! Who may put fences up, and where.

use super::*;

fn restored(seq: u64) -> Head {
    Head {
        log: Uuid::from_u128(8),
        ..head(seq, 5)
    }
}

#[tokio::test]
async fn a_node_that_slept_does_not_put_the_old_log_back() {
    let (log, records) = (Arc::new(MemoryLog::at(restored(1))), Arc::new(Records::default()));
    *records.head.lock().unwrap() = Some(restored(1));
    let fenced = FencedLog::new(log.clone(), records.clone());
    let error = fenced.raise(None, head(3, 5)).await.unwrap_err();
    assert!(error.to_string().contains("replaced"), "{error}");
    assert_eq!(fenced.promise(None, head(3, 5)).await.unwrap(), Reach::Logged);
    assert_eq!(*records.head.lock().unwrap(), Some(restored(1)));
    // Nor while it can't ask the database.
    log.next(HeadAnswer::Fails);
    assert!(fenced.raise(None, head(3, 5)).await.is_err());
    assert_eq!(*records.head.lock().unwrap(), Some(restored(1)));
}

/// The command that gave the log its new identity may not have reached Redis.
#[tokio::test]
async fn a_node_that_has_read_the_new_log_replaces_the_old_ones_fences() {
    let (log, records) = (Arc::new(MemoryLog::at(restored(1))), Arc::new(Records::default()));
    *records.head.lock().unwrap() = Some(head(3, 5));
    let fenced = FencedLog::new(log, records.clone());
    fenced.raise(None, restored(1)).await.unwrap();
    assert_eq!(*records.head.lock().unwrap(), Some(restored(1)));
}

#[tokio::test]
async fn fences_that_were_put_up_behind_the_log_are_raised_to_it() {
    let (log, records) = (Arc::new(MemoryLog::at(head(3, 5))), Arc::new(Records::default()));
    *records.meanwhile.lock().unwrap() = Some((log.clone(), head(4, 5)));
    let fences = crate::cluster::Fences::new(records.clone(), log);
    fences.rebuild().await.unwrap();
    assert_eq!(*records.head.lock().unwrap(), Some(head(4, 5)));
}

#[tokio::test]
async fn all_who_miss_fences_put_them_up_once() {
    let (log, records) = (Arc::new(MemoryLog::at(head(3, 5))), Arc::new(Records::default()));
    let fences = Arc::new(crate::cluster::Fences::new(records.clone(), log));
    let ask = || {
        let fences = fences.clone();
        tokio::spawn(async move { fences.rebuild().await })
    };
    let all: Vec<_> = std::iter::repeat_with(ask).take(20).collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(records.rebuilt.load(Ordering::SeqCst), 1);
    fences.rebuild().await.unwrap();
    assert_eq!(
        records.rebuilt.load(Ordering::SeqCst),
        2,
        "they can be lost again"
    );
}
