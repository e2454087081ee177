//! The lock collector, a part of the intent collector: settles locks whose holder has ended.
//!
//! It reads the due index, the oldest locks of each shard first, and decides on the row it found there. A lock
//! of a transaction is settled once it has had its time, as was decided or by an abort; the lock of an
//! instance, once its root has finished. Its cost grows with the locks that stand, not with the data.
//!
//! Locks of one coordinator are settled one after the other, those of different ones side by side; one that
//! is away is asked once a look.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tracing::warn;

use crate::engine::Service;
use crate::protocol::lock::{Holder, Standing, standing};
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
    let mut earliest = None;
    let mut ended: BTreeMap<String, Vec<Standing>> = BTreeMap::new();
    for found in standing(&service.store).await? {
        let coordinator = match &found.lock.holder {
            Holder::Txn(_) if !service.is_overdue(&found.lock) => {
                let until = service.overdue_at(&found.lock);
                earliest = Some(earliest.unwrap_or(u64::MAX).min(until));
                continue;
            }
            Holder::Txn(txn) => &txn.service,
            Holder::Instance(_) => &service.name,
        };
        ended.entry(coordinator.clone()).or_default().push(found);
    }
    let settled = join_all(ended.values().map(|locks| settle_all(service, locks))).await;
    Ok(Settled { settled: settled.into_iter().sum(), earliest })
}

/// Settles the locks of one coordinator, unless it is away; tells how many.
async fn settle_all(service: &Service, locks: &[Standing]) -> usize {
    let mut settled = 0;
    for Standing { table, key, lock } in locks {
        match service.settle(&service.item(table, key), lock).await {
            Ok(done) => settled += usize::from(done),
            Err(error) => {
                warn!(%table, %key, %error, "cannot settle a lock");
                if error.is_transient() {
                    break;
                }
            }
        }
    }
    settled
}
