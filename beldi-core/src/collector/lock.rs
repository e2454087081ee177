//! The lock collector, a part of the intent collector: settles locks whose holder has ended.
//!
//! It reads the due index, the oldest locks of each shard first, and decides on the row it found there. A lock
//! of a transaction is settled once it has had its time, as was decided or by an abort; the lock of an
//! instance, once its root has finished. Its cost grows with the locks that stand, not with the data.

use tracing::warn;

use crate::engine::Service;
use crate::protocol::lock::{Holder, standing};
use crate::store::StoreError;

/// What became of the locks in the due index.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) settled: usize,
    /// When the first of the transactions that still have time has had it, in milliseconds since
    /// 1970.
    pub(crate) earliest: Option<u64>,
}

/// Settles all locks whose holder has ended.
pub(crate) async fn settle(service: &Service) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    for found in standing(&service.store).await? {
        let lock = &found.lock;
        if matches!(lock.holder, Holder::Txn(_)) && !service.is_overdue(lock) {
            let until = service.overdue_at(lock);
            settled.earliest = Some(settled.earliest.unwrap_or(u64::MAX).min(until));
            continue;
        }
        match service.settle(&service.item(&found.table, &found.key), lock).await {
            Ok(true) => settled.settled += 1,
            Ok(false) => {}
            // Its coordinator may be away for long; the others need not wait for that.
            Err(error) => {
                warn!(table = %found.table, key = %found.key, %error, "cannot settle a lock");
            }
        }
    }
    Ok(settled)
}
