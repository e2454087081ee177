//! What one run of a root has under way: transactions, locks, decisions on their way into place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::txn::Transaction;
use crate::id::Id;
use crate::protocol::lock::Hold;
use crate::protocol::txn::{Decision, ItemKey};
use crate::store::StoreError;

/// A decision on its way into place; `None` if the host ends first.
type Applying = JoinHandle<Option<Result<(), StoreError>>>;

/// What a run has to bring to an end before its root is finished.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// Held by the transaction that runs: two of one root would be each other's rivals, and the one
    /// that lost would take the other with it when the root is run again.
    turn: tokio::sync::Mutex<()>,
    /// The transaction begun and not decided.
    open: Mutex<Option<Arc<Transaction>>>,
    /// The locks that instances have taken outside of transactions. Of several on one item a replay does not
    /// know which stands: what let the others go may lie in a callee that it does not run again.
    held: Mutex<BTreeMap<ItemKey, Vec<Hold>>>,
    /// The decision that carries the registration of the root.
    carrier: Mutex<Option<(Id, u32)>>,
    applying: Mutex<Vec<Applying>>,
    /// Items to be pruned once the root is behind the horizon.
    untidy: Mutex<BTreeSet<ItemKey>>,
}

impl Holdings {
    pub(super) fn new(carrier: Option<(Id, u32)>) -> Self {
        Self { carrier: Mutex::new(carrier), ..Self::default() }
    }

    /// Waits until no other transaction of the run is under way.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Notes a transaction that is to be aborted if the run ends for good.
    pub(super) fn begun(&self, transaction: &Arc<Transaction>) {
        *lock(&self.open) = Some(Arc::clone(transaction));
    }

    /// The transaction begun and not decided.
    pub(super) fn take_undecided(&self) -> Option<Arc<Transaction>> {
        lock(&self.open).take()
    }

    /// Notes a decision of this run.
    pub(super) fn decided(&self, decision: &Decision) {
        *lock(&self.open) = None;
        if decision.root.is_some() {
            *lock(&self.carrier) = Some((decision.txn, decision.retry));
        }
    }

    /// The decision that carries the registration of the root, if one does.
    pub(super) fn carrier(&self) -> Option<(Id, u32)> {
        *lock(&self.carrier)
    }

    /// Notes an item whose head holds, or may hold, more than a mark of this step.
    pub(super) fn is_untidy(&self, table: &str, key: &str) {
        lock(&self.untidy).insert((table.to_owned(), key.to_owned()));
    }

    /// The items to be pruned.
    pub(super) fn untidy(&self) -> Vec<ItemKey> {
        lock(&self.untidy).iter().cloned().collect()
    }

    pub(super) fn apply(&self, applying: Applying) {
        lock(&self.applying).push(applying);
    }

    /// Waits until everything decided is in place.
    pub(super) async fn applied(&self) -> Result<(), StoreError> {
        let applying = std::mem::take(&mut *lock(&self.applying));
        for task in applying {
            match task.await {
                Ok(Some(applied)) => applied?,
                _ => return Err(StoreError::Unavailable("the host stops".to_owned())),
            }
        }
        Ok(())
    }

    /// Notes a lock that an instance has taken.
    pub(super) fn hold(&self, table: &str, key: &str, hold: Hold) {
        lock(&self.held).entry((table.to_owned(), key.to_owned())).or_default().push(hold);
    }

    /// Forgets the locks on an item, which are to be released.
    pub(super) fn let_go(&self, table: &str, key: &str) -> Vec<Hold> {
        lock(&self.held).remove(&(table.to_owned(), key.to_owned())).unwrap_or_default()
    }

    /// The locks that this root has taken on an item.
    pub(super) fn held(&self, table: &str, key: &str) -> Vec<Hold> {
        let held = lock(&self.held);
        if held.is_empty() {
            return Vec::new();
        }
        held.get(&(table.to_owned(), key.to_owned())).cloned().unwrap_or_default()
    }

    /// Whether this root holds any lock.
    pub(super) fn holds_any(&self) -> bool {
        !lock(&self.held).is_empty()
    }

    /// Forgets the locks of one instance, or of all, which are to be released.
    pub(super) fn take_holds(&self, of: Option<Id>) -> Vec<(ItemKey, Hold)> {
        let mut taken = Vec::new();
        lock(&self.held).retain(|item, holds| {
            let is_taken = |hold: &mut Hold| of.is_none_or(|instance| hold.instance == instance);
            taken.extend(holds.extract_if(.., is_taken).map(|hold| (item.clone(), hold)));
            !holds.is_empty()
        });
        taken
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
