//! Other owners' services: how they are reached, and what they may ask.
//!
//! Services share nothing but calls. One outside of a transaction ([`call`]) runs there under a key that
//! every attempt of the caller computes alike, and its result is kept there. Inside a transaction the
//! callee takes part ([`participant`]): it locks in its own store, and its **prepare record** is its
//! vote. How the transaction ended stands in one row of its coordinator, and both sides can look it up
//! ([`ending`]).

mod call;
mod ending;
mod participant;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::txn::Tenure;
use crate::error::Reason;
use crate::id::{Epoch, Id};
use crate::protocol::callback::{Callback, Delivered};
use crate::protocol::layout;
use crate::protocol::txn::Txn;
use crate::store::StoreError;
use crate::value::Value;

/// What one service asks another to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errand {
    /// The id of the callee, which every attempt of the caller computes alike.
    pub(crate) callee: Id,
    /// The request key of the caller's root.
    pub(crate) root: String,
    /// How many calls the callee is below the root that no other service called.
    pub(crate) depth: u32,
    pub(crate) ssf: String,
    /// Whether the caller relies on it that the callee changes nothing.
    pub(crate) read_only: bool,
    pub(crate) input: Value,
}

impl Errand {
    /// The request key under which the callee of a service runs: apart from what others call, and from
    /// what its own service sends.
    pub(crate) fn key(&self, caller: &str) -> String {
        layout::called_key(caller, self.callee)
    }
}

/// The transaction that a callee in another service takes part in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) txn: Txn,
    pub(crate) tenure: Tenure,
    /// What the same transaction has prepared there.
    pub(crate) before: Vec<Id>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vote {
    pub(crate) result: Result<Value, Declined>,
    pub(crate) tenure: Tenure,
}

impl Vote {
    /// Of a service that stops.
    pub(crate) fn stopped(tenure: Tenure) -> Self {
        let stopped = Declined::Unavailable("the other service stops".to_owned());
        Self { result: Err(stopped), tenure }
    }
}

/// How a transaction ended, for a service that takes part.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ended {
    /// The transaction, in the epoch of the run that decided.
    pub(crate) txn: Id,
    /// The prepare records that count, in order; none if it aborted.
    pub(crate) counting: Option<Vec<Id>>,
    /// Whether the transaction is over; otherwise it is tried again.
    pub(crate) for_good: bool,
    /// Whether what was decided is not known any more: its root is collected, so it is in place.
    pub(crate) is_collected: bool,
}

/// Why another service did not do what it was asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Declined {
    /// It does not answer, or not yet: the attempt is repeated.
    Unavailable(String),
    /// It cannot, and will not when it is asked again: a bug or a limit.
    Refused(Reason),
    /// It did not, this time: a failed attempt, or a callee that is parked.
    Failed(Reason),
    /// The try of the transaction has lost a race there.
    GaveWay(Reason),
    /// The transaction was decided meanwhile.
    Decided,
}

/// Another owner's service, as this one reaches it.
pub(crate) trait Peer: Send + Sync {
    /// Runs the callee, once however often it is asked, and keeps its result. It is waited for as long as
    /// the patience is.
    fn call(&self, errand: Errand, patience: Duration) -> BoxFuture<'_, Result<Value, Declined>>;

    /// Runs the callee as part of a transaction, up to its prepare record.
    fn prepare(&self, errand: Errand, part: Part) -> BoxFuture<'_, Vote>;

    /// How a transaction ended that the peer coordinates. With `abort` it has ended then.
    fn ended(&self, txn: Txn, abort: bool) -> BoxFuture<'_, Result<Option<Ended>, StoreError>>;

    /// Puts in place what a transaction has prepared there, or takes it back.
    fn settle(&self, txn: Txn, ended: Ended) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Brings what a callee has returned to the service that called it; nothing if it only is done.
    fn call_back(
        &self,
        callee: Id,
        callback: Callback,
        result: Option<Value>,
    ) -> BoxFuture<'_, Result<Delivered, StoreError>>;

    /// How far it is swept: no root of its below this epoch will ever ask again.
    fn swept(&self) -> BoxFuture<'_, Result<Epoch, StoreError>>;
}

/// The services this one can reach.
#[derive(Default)]
pub(crate) struct Peers(RwLock<BTreeMap<String, Arc<dyn Peer>>>);

impl Peers {
    pub(crate) fn add(&self, name: &str, peer: Arc<dyn Peer>) {
        let mut peers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        peers.insert(name.to_owned(), peer);
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<dyn Peer>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The peer that coordinates a transaction or takes part in it.
    fn of(&self, txn: &Txn, name: &str) -> Result<Arc<dyn Peer>, StoreError> {
        self.find(name).ok_or_else(|| {
            let root = txn.root.escape_debug();
            StoreError::Unavailable(format!(
                "no route to service `{name}`, to learn of or to end a transaction of `{root}` with it"
            ))
        })
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}
