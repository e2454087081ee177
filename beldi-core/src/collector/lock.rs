//! The lock collector, a part of the intent collector: settles locks whose holder has ended.
//!
//! It reads the due index, oldest locks first, and decides on the row it found there. A lock of a
//! transaction that is decided, or has had its time, is settled; the lock of an instance, once its
//! root has finished. Its cost grows with the locks that stand, not with the data.

use crate::engine::Service;
use crate::protocol::layout;
use crate::protocol::lock::{Holder, Lock};
use crate::store::{DueQuery, Store, StoreError};

/// What became of the locks in the due index.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) settled: usize,
    /// When the first of the transactions that still have time has had it, in milliseconds since
    /// 1970.
    pub(crate) earliest: Option<u64>,
    /// Rows that cannot be read; they stay where they are.
    pub(crate) damaged: Vec<StoreError>,
}

/// Settles all locks whose holder has ended.
pub(crate) async fn settle(service: &Service) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    for shard in layout::lock_shards() {
        let mut query = DueQuery { shard, limit: PAGE, after: None };
        loop {
            let page = service.store.due(&query).await?;
            for (key, row) in page.rows {
                let Some((table, key)) = layout::parse_head(&key) else { continue };
                match Lock::of(&row) {
                    Ok(Some(lock)) => settled.look_at(service, table, key, &lock).await?,
                    Ok(None) => {}
                    Err(damage) => settled.damaged.push(damage),
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    Ok(settled)
}

impl Settled {
    async fn look_at(
        &mut self,
        service: &Service,
        table: &str,
        key: &str,
        lock: &Lock,
    ) -> Result<(), StoreError> {
        let in_time = matches!(lock.holder, Holder::Txn(_)) && !service.is_overdue(lock);
        if in_time {
            let until = service.overdue_at(lock);
            self.earliest = Some(self.earliest.unwrap_or(u64::MAX).min(until));
        } else if service.settle(&service.item(table, key), lock).await? {
            self.settled += 1;
        }
        Ok(())
    }
}

const PAGE: usize = 256;
