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

pub(super) use commit::note_abort;
pub(crate) use snapshot::Snapshot;
pub(crate) use steps::Retry;
pub(super) use steps::refuse;

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
    /// In milliseconds since 1970.
    pub(super) begun: u64,
    /// Whether an attempt before this one may hold locks of the same try.
    resumed: bool,
    /// Every item a lock was asked for, and its value once it is held.
    items: Mutex<BTreeMap<ItemKey, Option<Option<Value>>>>,
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
}

#[derive(Debug, Default)]
pub(crate) struct Staged {
    pub(crate) writes: BTreeMap<ItemKey, Option<Value>>,
    pub(crate) sends: Vec<Intent>,
    pub(crate) prepared: Vec<Prepared>,
}

impl Transaction {
    pub(super) fn new(txn: Txn, begun: u64, resumed: bool) -> Self {
        Self { txn, begun, resumed, items: Mutex::default() }
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
        self.resumed || items.any(|item| (&*item.0, &*item.1) != (table, key))
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
    fn over(outer: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { outer: Some(Arc::clone(outer)), staged: Mutex::default() })
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

    pub(crate) fn take(&self) -> Staged {
        std::mem::take(&mut self.staged())
    }

    pub(crate) fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
