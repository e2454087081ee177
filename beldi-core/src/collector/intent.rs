//! The intent collector: finds unfinished roots whose lease or wait is over.
//!
//! It reads the due index, which may be out of date, and decides on the row it found there; the
//! claim that begins an attempt checks the row itself. A root whose attempts are used up is parked.
//! One that only a decision stands for is registered: first the intent is put if absent, then the
//! decision leaves the index, so a crash between the two repeats the first.

use futures_util::future::try_join_all;

use crate::engine::{Service, out_of_attempts};
use crate::error::Reason;
use crate::id::Id;
use crate::protocol::intent::{self, Intent, Registered, State};
use crate::protocol::layout;
use crate::protocol::txn::{self, Decision};
use crate::store::{DueQuery, Key, Row, Store, StoreError};

/// What the due index shows.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Roots to begin an attempt of, oldest first.
    pub(crate) overdue: Vec<Intent>,
    /// Roots whose time has not come.
    pub(crate) waiting: usize,
    /// When the first of those comes, in milliseconds since 1970.
    pub(crate) earliest: Option<u64>,
    /// What is wrong with rows that nothing can be done with; they stay where they are.
    pub(crate) damaged: Vec<StoreError>,
    /// Decisions whose roots were registered in this look: root, transaction, try.
    registered: Vec<(String, Id, u32)>,
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
        let mut query = DueQuery { shard, up_to: u64::MAX, limit: PAGE, after: None };
        loop {
            let page = service.store.due(&query).await?;
            for (key, row) in page.rows {
                match found.look_at(service, &key, &row, leases).await {
                    // One row must not stand in the way of all others.
                    Err(damage) if damage.is_of_one_row() => found.damaged.push(damage),
                    looked => looked?,
                }
            }
            match page.next {
                Some(next) if found.overdue.len() < limit => query.after = Some(next),
                _ => break,
            }
        }
    }
    found.hand_over(service).await?;
    found.overdue.sort_by_key(|intent| intent.epoch);
    found.overdue.truncate(limit);
    Ok(found)
}

impl Found {
    async fn look_at(
        &mut self,
        service: &Service,
        key: &Key,
        row: &Row,
        leases: Leases,
    ) -> Result<(), StoreError> {
        let Some(root) = layout::parse_root(key) else { return Ok(()) };
        match layout::parse_decision(&key.sort) {
            Some((_, retry)) => {
                let decision = Decision::read(root, retry, row)?;
                self.take_over(service, root, &decision, leases).await
            }
            None => self.sort_in(service, Intent::read(root, row)?, leases).await,
        }
    }

    /// Registers a root that only a decision stands for, once whoever decided has had its time.
    async fn take_over(
        &mut self,
        service: &Service,
        root: &str,
        decision: &Decision,
        leases: Leases,
    ) -> Result<(), StoreError> {
        let Some(intent) = &decision.root else { return Ok(()) };
        if self.must_wait(service, intent, leases) {
            return Ok(());
        }
        let registered = intent::register(&service.store, intent, None).await?;
        self.registered.push((root.to_owned(), decision.txn, decision.retry));
        match registered {
            Registered::Mine => self.sort_in(service, intent.clone(), leases).await,
            Registered::Theirs(_) => Ok(()),
        }
    }

    /// Takes the decisions out of the index whose roots have intents now.
    async fn hand_over(&mut self, service: &Service) -> Result<(), StoreError> {
        if self.registered.is_empty() {
            return Ok(());
        }
        // An index that lags must show the one before it loses the other: a round may look meanwhile.
        let lag = service.store.due_lag();
        if !lag.is_zero() {
            service.outside.sleep(lag).await;
        }
        let hand_over = self.registered.drain(..).map(async |(root, txn, retry)| {
            txn::hand_over(&service.store, &root, txn, retry).await
        });
        try_join_all(hand_over).await.map(drop)
    }

    fn must_wait(&mut self, service: &Service, intent: &Intent, leases: Leases) -> bool {
        let must = intent.next > service.outside.now() && leases == Leases::Hold;
        if must {
            self.waiting += 1;
            self.earliest = Some(self.earliest.unwrap_or(u64::MAX).min(intent.next));
        }
        must
    }

    async fn sort_in(
        &mut self,
        service: &Service,
        intent: Intent,
        leases: Leases,
    ) -> Result<(), StoreError> {
        if intent.state != State::Running {
            return Ok(());
        }
        if self.must_wait(service, &intent, leases) {
            return Ok(());
        }
        if intent.counted_attempts() >= service.limits.attempts {
            let unknown =
                Reason::new("crashed", "it left no error: the process died or the lease ran out");
            let last = intent.reason.as_ref().unwrap_or(&unknown);
            let reason = out_of_attempts(intent.counted_attempts(), last);
            intent::park(&service.store, &intent, &reason).await?;
        } else {
            self.overdue.push(intent);
        }
        Ok(())
    }
}

const PAGE: usize = 256;
