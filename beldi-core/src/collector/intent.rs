//! The intent collector: finds unfinished roots whose lease or wait is over.
//!
//! It reads the due index, which may be out of date, and decides on the row it found there; the
//! claim that begins an attempt checks the row itself. A root whose attempts are used up is parked.

use crate::engine::{Service, out_of_attempts};
use crate::error::Reason;
use crate::protocol::intent::{self, Intent, State};
use crate::protocol::layout;
use crate::store::{DueQuery, Row, Store, StoreError};

/// What the due index shows.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Roots to begin an attempt of, oldest first.
    pub(crate) overdue: Vec<Intent>,
    /// Roots whose time has not come.
    pub(crate) waiting: usize,
    /// When the first of those comes, in milliseconds since 1970.
    pub(crate) earliest: Option<u64>,
    /// Rows that cannot be read; they stay where they are.
    pub(crate) damaged: Vec<StoreError>,
}

/// What a lease that has not run out means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leases {
    /// An attempt may be running.
    Hold,
    /// Nothing, for whoever began that attempt is gone.
    AreOver,
}

/// Looks through all unfinished roots.
pub(crate) async fn find(
    service: &Service,
    limit: usize,
    leases: Leases,
) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for shard in layout::intent_shards() {
        let mut query = DueQuery { shard, limit: PAGE, after: None };
        loop {
            let page = service.store.due(&query).await?;
            for (key, row) in page.rows {
                let Some(request_key) = layout::parse_root(&key) else { continue };
                found.sort_in(service, request_key, &row, leases).await?;
            }
            match page.next {
                Some(next) if found.overdue.len() < limit => query.after = Some(next),
                _ => break,
            }
        }
    }
    found.overdue.sort_by_key(|intent| intent.epoch);
    found.overdue.truncate(limit);
    Ok(found)
}

impl Found {
    async fn sort_in(
        &mut self,
        service: &Service,
        request_key: &str,
        row: &Row,
        leases: Leases,
    ) -> Result<(), StoreError> {
        let intent = match Intent::read(request_key, row) {
            Ok(intent) => intent,
            Err(damage) => {
                self.damaged.push(damage);
                return Ok(());
            }
        };
        if intent.state != State::Running {
            return Ok(());
        }
        if intent.next > service.outside.now() && leases == Leases::Hold {
            self.waiting += 1;
            self.earliest = Some(self.earliest.unwrap_or(u64::MAX).min(intent.next));
        } else if intent.counted_attempts() >= service.limits.attempts {
            let unknown =
                Reason::new("crashed", "it left no error: the process died or the lease ran out");
            let last = intent.reason.as_ref().unwrap_or(&unknown);
            let reason = out_of_attempts(intent.counted_attempts(), last);
            intent::park(&service.store, request_key, &reason).await?;
        } else {
            self.overdue.push(intent);
        }
        Ok(())
    }
}

const PAGE: usize = 256;
