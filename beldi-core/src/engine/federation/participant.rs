//! The part of a callee in a transaction that another service coordinates.
//!
//! 1. Locks, as the handler asks for them, in the name of the coordinator's try. What they show stays
//!    until that try is decided. Nothing is logged and there is no intent: whoever asked asks again.
//! 2. The [prepare record](crate::protocol::prepare), put if absent: the vote.
//!
//! A crash before 2 leaves locks that another run of the callee finds as its own, or that whoever meets
//! them has decided by the coordinator, once they are overdue. After 2 that record stands: another run,
//! even if it took another way, answers what it says, and what only the other way has locked is released
//! as an item that no decision lists. A run whose caller has come another way, and asked what stands before it
//! in another order, answers nothing: its caller has the try aborted.
//!
//! A run that has to give way has the try aborted at the coordinator before it releases what it holds:
//! another run may be about to commit. A crash between the two leaves locks of a try that is decided.

use std::sync::Arc;

use super::{Declined, Errand, Part, Vote};
use crate::engine::attempt::Begin;
use crate::engine::txn::{Context, Layer, Tenure, Transaction, Within};
use crate::engine::{Attempt, Instance, Scope, Scoped, Service, Stop};
use crate::error::Reason;
use crate::id::Id;
use crate::path::Path;
use crate::protocol::intent::Intent;
use crate::protocol::journal::Journal;
use crate::protocol::prepare::{self, Prepare, Put};
use crate::protocol::txn::Decisions;
use crate::store::StoreError;
use crate::value::Value;

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
        let intent = intent.map_err(Declined::Refused)?;
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
            let instance =
                Arc::new(Instance::new(Arc::clone(&attempt), id, handler, errand.depth)?);
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
                    before: before.to_vec(),
                    reads: touched
                        .into_iter()
                        .filter(|item| !staged.writes.contains_key(item))
                        .collect(),
                    writes: staged.writes,
                    sends: staged.sends,
                    result,
                };
                match prepare::put(&self.store, txn, &prepare).await.map_err(unavailable)? {
                    Put::Mine => Ok(prepare.result),
                    Put::Theirs(result) => Ok(result),
                    Put::InAnotherOrder => {
                        let why = "an earlier attempt has called this service in another order";
                        Err(Declined::GaveWay(Reason::new("txn_order", why.to_owned())))
                    }
                    Put::Collected => Err(Declined::Decided),
                }
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
            let outcome = Decisions::outcome(self, &transaction.txn, true).await?;
            let outcome = outcome.unwrap_or_default();
            self.settle_all(&transaction.txn, &outcome, transaction.touched()).await
        };
        if let Err(error) = aborted.await {
            return unavailable(error);
        }
        declined
    }
}

fn unavailable(error: StoreError) -> Declined {
    match Stop::from(error) {
        Stop::Park(reason) => Declined::Refused(reason),
        Stop::Halt(error) => Declined::Unavailable(error.to_string()),
        other => Declined::Unavailable(format!("{other:?}")),
    }
}
