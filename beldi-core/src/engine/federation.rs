//! Other owners' services: how they are reached, and what they may ask.
//!
//! Services share nothing but calls. A call outside of a transaction runs there under a key that
//! every attempt of the caller computes alike, and its result is kept there. Inside a transaction
//! the callee takes part: it locks in its own store, and its **prepare record** is its vote.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::{BoxFuture, Either, join, select, try_join_all};
use serde::{Deserialize, Serialize};

use super::attempt::Begin;
use super::ops::bug;
use super::txn::{Context, Layer, Retry, Tenure, Transaction, Within, refuse};
use super::what::{What, digest};
use super::{Attempt, Instance, Scope, Scoped, Service, Step, Stop};
use crate::error::Reason;
use crate::id::{Epoch, Id};
use crate::path::Path;
use crate::protocol::callback::{Callback, Delivered};
use crate::protocol::intent::Intent;
use crate::protocol::journal::{Journal, Kind};
use crate::protocol::prepare::{self, Prepare};
use crate::protocol::txn::{Decision, Outcome, Prepared, Txn};
use crate::protocol::{layout, send, txn};
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
    /// Runs the callee, once however often it is asked, and keeps its result.
    fn call(&self, errand: Errand) -> BoxFuture<'_, Result<Value, Declined>>;

    /// Runs the callee as part of a transaction, up to its prepare record.
    fn prepare(&self, errand: Errand, part: Part) -> BoxFuture<'_, Vote>;

    /// How a transaction ended that the peer coordinates. With `abort` it has ended then.
    fn ended(&self, txn: Txn, abort: bool) -> BoxFuture<'_, Result<Option<Ended>, StoreError>>;

    /// Puts in place what a transaction has prepared there, or takes it back.
    fn settle(&self, txn: Txn, ended: Ended) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Brings what a callee has returned to the service that called it.
    fn call_back(
        &self,
        callee: Id,
        callback: Callback,
        result: Value,
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

impl Step {
    /// Calls an SSF of another service.
    pub(crate) async fn call_service(
        &self,
        service: &str,
        ssf: &str,
        read_only: bool,
        input: Value,
    ) -> Value {
        let digest = digest(&input);
        let what = What::new(Kind::Call, &[service, ssf, &digest]);
        let read_only = read_only && matches!(self.context, Context::Plain);
        let callee = match read_only {
            // What led to the input is not logged yet: another attempt may come with another one.
            true => format!("{service}/{ssf}/{digest}"),
            false => format!("{service}/{ssf}"),
        };
        let errand = Errand {
            callee: self.instance.id.callee(&self.path, &callee),
            root: self.instance.attempt.intent.request_key.clone(),
            ssf: ssf.to_owned(),
            read_only,
            input,
        };
        let peer = self.or_stop(self.route(service, ssf)).await;
        match &self.context {
            Context::Snapshot(_) => {
                let why =
                    "a read-only transaction cannot see what another service has at that instant";
                self.stop(refuse(&what.to_string(), why)).await
            }
            Context::Txn(within) => {
                let prepared = self.prepare(within, &*peer, service, errand).await;
                self.or_stop(prepared).await
            }
            Context::Plain if read_only => self.observe(&what, self.ask(&*peer, errand)).await,
            // Its service keeps the result, so the reply needs no log before the next effect.
            Context::Plain => self.effect_on_row(&what, self.ask(&*peer, errand)).await,
        }
    }

    /// What the callee returns, or has returned to an earlier attempt that did not wait for it.
    async fn ask(&self, peer: &dyn Peer, errand: Errand) -> Result<Value, Stop> {
        if let Some(Some(result)) = self.instance.attempt.intent.called_back.get(&errand.callee) {
            return Ok(result.clone());
        }
        self.in_time(peer.call(errand)).await?.map_err(|no| no.stop(None))
    }

    /// The answer of another service, if it comes in time; otherwise the attempt halts, and asks later.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Stop> {
        let patience = self.instance.attempt.patience();
        match select(pin!(answer), self.service().outside.sleep(patience)).await {
            Either::Left((answer, _)) => Ok(answer),
            Either::Right(_) => {
                let why = format!("another service has not answered within {patience:?}");
                Err(Stop::Halt(StoreError::Unavailable(why)))
            }
        }
    }

    fn route(&self, service: &str, ssf: &str) -> Result<Arc<dyn Peer>, Stop> {
        self.service().peers.find(service).ok_or_else(|| {
            let text = format!(
                "no route to service `{service}`, which has `{ssf}`: connect the two with `Host::connect`"
            );
            bug("no_route", text)
        })
    }

    async fn prepare(
        &self,
        within: &Within,
        peer: &dyn Peer,
        service: &str,
        errand: Errand,
    ) -> Result<Value, Stop> {
        if self.instance.attempt.takes_part() {
            let why = "this service takes part in another's transaction, and cannot bring in a third: \
                       let the one that began it call both";
            return Err(refuse(&format!("`{service}` is called"), why));
        }
        let Within { transaction, layer } = within;
        let turn = transaction.take_part(service);
        // Each callee has to know what those before it have prepared there.
        let _turn = turn.lock().await;
        let (before, instance) = (layer.prepared(service), errand.callee);
        let part = Part { txn: transaction.txn.clone(), tenure: transaction.tenure(), before };
        self.instance.before_call(&self.path).await?;
        // A root that others hold locks for must not be registered late, behind the horizon: nobody
        // there could tell its commit from one that was collected.
        let registered = self.instance.before_effect(&self.path);
        let vote = self.in_time(peer.prepare(errand, part));
        let (registered, vote) = join(registered, vote).await;
        registered?;
        let Vote { result, tenure } = vote?;
        transaction.note(tenure);
        let result = result.map_err(|no| no.stop(Some(transaction)))?;
        let service = service.to_owned();
        layer.staged().prepared.push(Prepared { service, instance, commit: true });
        Ok(result)
    }
}

impl Vote {
    /// Of a service that stops.
    pub(crate) fn stopped(tenure: Tenure) -> Self {
        let stopped = Declined::Unavailable("the other service stops".to_owned());
        Self { result: Err(stopped), tenure }
    }
}

impl Declined {
    fn stop(self, transaction: Option<&Arc<Transaction>>) -> Stop {
        match self {
            Self::Unavailable(why) => Stop::Halt(StoreError::Unavailable(why)),
            Self::Refused(reason) => Stop::Park(reason),
            Self::Failed(reason) => Stop::Fail(reason),
            Self::GaveWay(reason) => {
                let transaction = transaction.cloned();
                Stop::Retry(Box::new(Retry {
                    transaction,
                    is_taken_over: false,
                    met: None,
                    reason,
                }))
            }
            Self::Decided => Stop::Adopt,
        }
    }
}

impl Service {
    /// Runs a callee as part of a transaction that another service coordinates.
    pub(crate) async fn take_part(self: &Arc<Self>, errand: Errand, part: Part) -> Vote {
        // Locks elsewhere count: a transaction across services gives way to any older one.
        let limit = part.tenure.limit.min(self.limits.txn_time);
        let transaction = Transaction::new(part.txn, Tenure { limit, ..part.tenure }, true);
        let transaction = Arc::new(transaction);
        let result = self.prepare(&transaction, errand, &part.before).await;
        Vote { result, tenure: transaction.tenure() }
    }

    async fn prepare(
        self: &Arc<Self>,
        transaction: &Arc<Transaction>,
        errand: Errand,
        before: &[Id],
    ) -> Result<Value, Declined> {
        let txn = &transaction.txn;
        let handler = self.handler(&errand.ssf);
        let handler = handler
            .map_err(|error| Declined::Failed(Reason::new("unknown_ssf", error.to_string())))?;
        let key = errand.key(&txn.service);
        let intent = self.new_intent(key, handler, errand.input.clone());
        let epoch = txn.id.epoch();
        let intent = Intent { epoch, ..intent };
        let id = intent.instance(&self.name);
        let journal = Journal::default();
        let begin = Begin { intent, registered: false, asked: false, resumed: true, journal };
        let attempt = Arc::new(Attempt::taking_part(Arc::clone(self), begin));
        let layer = Layer::default();
        let records = prepare::find(&self.store, txn, before).await.map_err(unavailable)?;
        for record in records {
            layer.staged().writes.extend(record.writes);
        }
        let below = Arc::new(layer);
        let layer = Layer::over(&below);
        let within = Within { transaction: Arc::clone(transaction), layer: Arc::clone(&layer) };
        let run = async {
            let instance = Arc::new(Instance::new(Arc::clone(&attempt), id, handler, 0)?);
            let scope = Scope::new(instance, Path::default(), Context::Txn(within));
            attempt.drive(Scoped::new(scope, (handler.run)(errand.input.clone()))).await
        };
        match run.await {
            Ok(result) => {
                let staged = layer.take();
                let touched = transaction.touched();
                let prepare = Prepare {
                    instance: errand.callee,
                    by: attempt.by.clone(),
                    at: self.outside.now(),
                    service: txn.service.clone(),
                    reads: touched
                        .into_iter()
                        .filter(|item| !staged.writes.contains_key(item))
                        .collect(),
                    writes: staged.writes,
                    sends: staged.sends,
                    result,
                };
                let standing = prepare::put(&self.store, txn, &prepare).await;
                standing.map_err(unavailable)?.ok_or(Declined::Decided)
            }
            Err(stop) => Err(self.declined(transaction, stop).await),
        }
    }

    /// Why a callee did not come to its prepare record. What it locked is released once the
    /// coordinator has aborted the try.
    async fn declined(&self, transaction: &Transaction, stop: Stop) -> Declined {
        let declined = match stop {
            Stop::Retry(retry) => Declined::GaveWay(retry.reason),
            Stop::Adopt | Stop::Collected => return Declined::Decided,
            Stop::Halt(error) => return unavailable(error),
            Stop::Park(reason) => Declined::Refused(reason),
            Stop::Fail(reason) => Declined::Failed(reason),
        };
        if !transaction.may_be_aborted(self) {
            return declined;
        }
        let aborted = async {
            let outcome = txn::Decisions::outcome(self, &transaction.txn, true).await?;
            let outcome = outcome.unwrap_or_default();
            self.settle_all(&transaction.txn, &outcome, transaction.touched()).await
        };
        if let Err(error) = aborted.await {
            return unavailable(error);
        }
        declined
    }

    /// How a transaction ended that this service coordinates, for one that takes part.
    pub(crate) async fn ended(
        &self,
        asker: &str,
        txn: &Txn,
        abort: bool,
    ) -> Result<Option<Ended>, StoreError> {
        let abort = abort.then(|| self.abort_by(self.nonce(), Vec::new()));
        let decision = txn::find(&self.store, txn, abort).await?;
        Ok(decision.map(|decision| Ended::of(&decision, asker)))
    }

    /// How a transaction ended that another service coordinates, for the items of this one.
    pub(super) async fn ask_coordinator(
        &self,
        txn: &Txn,
        abort: bool,
    ) -> Result<Option<Outcome>, StoreError> {
        let peer = self.peers.of(txn, &txn.service)?;
        let Some(ended) = peer.ended(txn.clone(), abort).await? else { return Ok(None) };
        Ok(Some(self.outcome_of(txn, &ended).await?.0))
    }

    /// What an ended transaction does here, and everything it has prepared here.
    async fn outcome_of(
        &self,
        txn: &Txn,
        ended: &Ended,
    ) -> Result<(Outcome, Vec<Prepare>), StoreError> {
        let records = prepare::all(&self.store, txn).await?;
        let mut outcome = Outcome {
            txn: Some(ended.txn),
            commit: ended.counting.is_some(),
            for_good: ended.for_good,
            is_collected: ended.is_collected,
            ..Outcome::default()
        };
        if let Some(counting) = &ended.counting {
            for instance in counting {
                let record = records.iter().find(|record| record.instance == *instance);
                outcome.is_collected |= record.is_none();
                outcome.writes.extend(record.into_iter().flat_map(|record| record.writes.clone()));
            }
        }
        Ok((outcome, records))
    }

    /// Puts in place what a transaction has prepared here, or takes it back.
    pub(crate) async fn settle_prepared(&self, txn: &Txn, ended: &Ended) -> Result<(), StoreError> {
        let (outcome, records) = self.outcome_of(txn, ended).await?;
        let counting = ended.counting.as_ref();
        let mut items = Vec::new();
        for record in records {
            items.extend(record.writes.into_keys().chain(record.reads));
            if counting.is_some_and(|counting| counting.contains(&record.instance)) {
                for receiver in record.sends {
                    send::send(&self.store, &receiver).await?;
                    self.announce(receiver.request_key);
                }
            }
        }
        items.sort();
        items.dedup();
        self.settle_all(txn, &outcome, items).await
    }

    /// Tells every service that takes part how a transaction ended.
    pub(super) async fn tell(
        &self,
        txn: &Txn,
        decision: &Decision,
        services: impl IntoIterator<Item = String>,
    ) -> Result<(), StoreError> {
        let tell = services.into_iter().map(async |service| {
            let peer = self.peers.of(txn, &service)?;
            peer.settle(txn.clone(), Ended::of(decision, &service)).await
        });
        try_join_all(tell).await.map(drop)
    }
}

impl Ended {
    fn of(decision: &Decision, service: &str) -> Self {
        let counts = |prepared: &&Prepared| prepared.commit && prepared.service == service;
        let counting = decision.prepared.iter().filter(counts);
        let counting: Vec<_> = counting.map(|prepared| prepared.instance).collect();
        let counting = decision.commit.then_some(counting);
        let (txn, for_good) = (decision.txn, decision.step.is_some());
        Self { txn, counting, for_good, is_collected: decision.is_collected() }
    }
}

fn unavailable(error: StoreError) -> Declined {
    match Stop::from(error) {
        Stop::Park(reason) => Declined::Refused(reason),
        Stop::Halt(error) => Declined::Unavailable(error.to_string()),
        other => Declined::Unavailable(format!("{other:?}")),
    }
}
