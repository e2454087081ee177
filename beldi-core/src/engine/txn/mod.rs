//! Transactions and snapshots: what the steps inside of them do instead.
//!
//! The context travels with the scope, through branches and calls, so an SSF need not know whether
//! it runs in one. Inside a transaction a read locks, a write stays in memory, a send waits for the
//! commit; nothing is logged but what the locks do not protect (`now`).

mod commit;
mod snapshot;
mod steps;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use snapshot::Snapshot;
pub(crate) use steps::Retry;
pub(super) use steps::refuse;

use super::Service;
use crate::id::Id;
use crate::protocol::intent::Intent;
use crate::protocol::txn::{ItemKey, Prepared, Txn};
use crate::value::Value;

/// What a step runs in.
#[derive(Clone, Debug)]
pub(crate) enum Context {
    Plain,
    Txn(Within),
    Snapshot(Arc<Snapshot>),
}

/// One try of a transaction, as this run sees it.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) txn: Txn,
    tenure: Mutex<Tenure>,
    /// Whether it is another service's, which may have locked items there.
    foreign: bool,
    /// Every item a lock was asked for, and its value once it is held.
    items: Mutex<BTreeMap<ItemKey, Option<Option<Value>>>>,
    /// The services that were asked to take part.
    services: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Since when a try holds locks, in milliseconds since 1970, how long it may, and which runs of it do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenure {
    pub(crate) since: u64,
    /// The least `Limits::txn_time` of the services that take part.
    pub(crate) limit: Duration,
    pub(crate) by: Runs,
    /// Whether an attempt before this one may hold locks of the same try that it never meets.
    pub(crate) resumed: bool,
}

/// The runs of one try that hold locks, as far as one of them knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Runs {
    None,
    /// This one, which was first: another will meet its locks.
    One,
    /// Also others, or an earlier delivery of a request of this one.
    Several,
}

/// A place inside a transaction: nested ones have a layer each, over that of the one outside.
#[derive(Clone, Debug)]
pub(crate) struct Within {
    pub(crate) transaction: Arc<Transaction>,
    pub(crate) layer: Arc<Layer>,
}

/// What a transaction, or one nested in it, wants to have done.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    outer: Option<Arc<Layer>>,
    staged: Mutex<Staged>,
    /// Held by the nested transaction that runs: side by side they would not see each other.
    nested: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
pub(crate) struct Staged {
    pub(crate) writes: BTreeMap<ItemKey, Option<Value>>,
    pub(crate) sends: Vec<Intent>,
    pub(crate) prepared: Vec<Prepared>,
}

impl Transaction {
    pub(super) fn new(txn: Txn, tenure: Tenure, foreign: bool) -> Self {
        let (items, services) = (Mutex::default(), Mutex::default());
        Self { txn, tenure: Mutex::new(tenure), foreign, items, services }
    }

    pub(super) fn tenure(&self) -> Tenure {
        *self.tenure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how locks are held of which this run has just learned.
    pub(super) fn note(&self, other: Tenure) {
        let mut tenure = self.tenure.lock().unwrap_or_else(PoisonError::into_inner);
        tenure.since = tenure.since.min(other.since);
        tenure.limit = tenure.limit.min(other.limit);
        tenure.by = tenure.by.max(other.by);
        tenure.resumed |= other.resumed;
    }

    /// How long it has held locks.
    fn held_for(&self, service: &Service) -> Duration {
        let held = service.outside.now().saturating_sub(self.tenure().since);
        Duration::from_millis(held)
    }

    /// Whether others may abort it.
    pub(super) fn is_overdue(&self, service: &Service) -> bool {
        self.held_for(service) >= service.limits.txn_time
    }

    /// Whether this run may abort it: no other run of the same try can be sure of its locks.
    pub(super) fn may_be_aborted(&self, service: &Service) -> bool {
        self.tenure().by == Runs::One || self.is_overdue(service)
    }

    /// Whether somebody else may have aborted it.
    fn is_in_doubt(&self, service: &Service) -> bool {
        let Tenure { limit, by, resumed, .. } = self.tenure();
        let doubtful = resumed || by == Runs::Several || self.held_for(service) >= limit / 2;
        doubtful || self.asks_a_service()
    }

    /// Whether another service is asked just now: it may lose a race there.
    fn asks_a_service(&self) -> bool {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.values().any(|turn| turn.try_lock().is_err())
    }

    /// Notes that a lock is asked for; tells the value if the item is held already, otherwise how
    /// many items there are now.
    fn ask(&self, item: &ItemKey) -> Result<Option<Value>, usize> {
        let mut items = self.items();
        if let Some(Some(value)) = items.get(item) {
            return Ok(value.clone());
        }
        items.entry(item.clone()).or_default();
        Err(items.len())
    }

    fn hold(&self, item: ItemKey, value: Option<Value>) {
        self.items().insert(item, Some(value));
    }

    /// Whether it may hold an item beside this one, so that waiting could close a circle.
    pub(super) fn may_hold_beside(&self, table: &str, key: &str) -> bool {
        let mut items = self.items().clone().into_keys();
        let elsewhere = self.foreign || !self.services().is_empty();
        self.tenure().resumed || elsewhere || items.any(|item| (&*item.0, &*item.1) != (table, key))
    }

    /// Notes that a service is asked to take part, which it can do for one callee at a time.
    pub(super) fn take_part(&self, service: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(services.entry(service.to_owned()).or_default())
    }

    /// The services that were asked to take part.
    pub(super) fn services(&self) -> Vec<String> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.keys().cloned().collect()
    }

    /// All items it holds or may hold.
    pub(crate) fn touched(&self) -> Vec<ItemKey> {
        self.items().keys().cloned().collect()
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<ItemKey, Option<Option<Value>>>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layer {
    pub(super) fn over(outer: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { outer: Some(Arc::clone(outer)), ..Self::default() })
    }

    /// What the transaction itself has made of an item.
    fn find(&self, item: &ItemKey) -> Option<Option<Value>> {
        let written = self.staged().writes.get(item).cloned();
        written.or_else(|| self.outer.as_ref()?.find(item))
    }

    /// Gives everything to the layer outside, or undoes it: what other services have prepared is
    /// kept, as something not to be done.
    fn close(&self, commit: bool) {
        let Some(outer) = &self.outer else { return };
        let Staged { writes, sends, mut prepared } = self.take();
        let mut staged = outer.staged();
        if commit {
            staged.writes.extend(writes);
            staged.sends.extend(sends);
        } else {
            prepared.iter_mut().for_each(|prepared| prepared.commit = false);
        }
        staged.prepared.extend(prepared);
    }

    /// What a service has prepared, in order.
    pub(super) fn prepared(&self, service: &str) -> Vec<Id> {
        let mut all = self.outer.as_ref().map_or_else(Vec::new, |outer| outer.prepared(service));
        let staged = self.staged();
        let counts = |prepared: &&Prepared| prepared.commit && prepared.service == service;
        all.extend(staged.prepared.iter().filter(counts).map(|prepared| prepared.instance));
        all
    }

    pub(crate) fn take(&self) -> Staged {
        std::mem::take(&mut self.staged())
    }

    pub(crate) fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
