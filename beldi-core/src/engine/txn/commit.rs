//! The transactional step: run the block in a try, decide, put in place what was decided.
//!
//! 1. The block runs. Its locks log what led to them; a block without any logs that before it decides.
//! 2. The **decision**, which is also the log of this step, and the registration of a root that has none.
//!    If it may have come from behind the horizon, the step is taken over by an attempt that looks.
//! 3. Beside what comes next: the items, the sends, the word to services that take part. The root is
//!    finished only after that.
//!
//! A crash before 2 leaves a try that nobody decided, for the next attempt to go on with or for others to
//! abort once it is overdue. After 2 the next attempt recalls the result, and does 3 again. Who loses at
//! 2 releases what it holds as the winner's decision says. Why the rows bear all this is in
//! [`txn`](crate::protocol::txn).

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::{BoxFuture, pending, try_join_all};

use super::steps::{Retry, refuse};
use super::{Context, Layer, Runs, Snapshot, Staged, Tenure, Transaction, Within};
use crate::engine::ops::bug;
use crate::engine::what::What;
use crate::engine::{Attempt, Service, Step, Stop};
use crate::error::Reason;
use crate::protocol::journal::{Entry, Kind};
use crate::protocol::send;
use crate::protocol::txn::{self, Decided, Decision, ItemKey, Outcome, Put, Txn};
use crate::store::{MAX_ROW, StoreError};
use crate::value::Value;
use crate::weakness::{self, Weakness};

/// Whether a block commits, and its result, encoded.
pub(crate) type Ending = Result<(bool, Value), Reason>;

/// A block to be run at a step. Boxed, so that it is not moved again through every frame below.
pub(crate) type Block<'a, T> = Box<dyn FnOnce(Step) -> BoxFuture<'a, T> + Send + 'a>;

impl Step {
    /// Runs a block as a transaction, or as a part of the one around it.
    pub(crate) async fn txn(&self, block: Block<'_, Ending>) -> Value {
        let ended = match &self.context {
            Context::Txn(outer) => self.nested(outer, block).await,
            Context::Plain if self.is_raw() => self.ending(block(self.branch(0))).await,
            Context::Plain => self.outermost(block).await,
            Context::Snapshot(_) => {
                Err(refuse("`txn`", "this one is read-only and cannot have one in it that is not"))
            }
        };
        self.or_stop(ended).await
    }

    /// Runs a block so that it sees everything as at one instant.
    pub(crate) async fn snapshot(&self, block: Block<'_, Result<Value, Reason>>) -> Value {
        if !matches!(self.context, Context::Plain) || self.is_raw() {
            return self.check(block(self.branch(0)).await).await;
        }
        let inside = self.branch(0).within(Context::Snapshot(Arc::new(Snapshot::default())));
        let run = async { block(inside).await.map_err(Stop::Park) };
        self.observe(&What::new(Kind::Txn, &["read_only"]), run).await
    }

    async fn ending(&self, block: BoxFuture<'_, Ending>) -> Result<Value, Stop> {
        block.await.map(|(_, result)| result).map_err(Stop::Park)
    }

    async fn nested(&self, outer: &Within, block: Block<'_, Ending>) -> Result<Value, Stop> {
        let _turn = outer.layer.nested.lock().await;
        let layer = Layer::over(&outer.layer);
        let within = Within { layer: Arc::clone(&layer), ..outer.clone() };
        let ending = block(self.branch(0).within(Context::Txn(within))).await;
        let (commit, result) = ending.map_err(Stop::Park)?;
        layer.close(commit);
        Ok(result)
    }

    async fn outermost(&self, block: Block<'_, Ending>) -> Result<Value, Stop> {
        let what = What::new(Kind::Txn, &[]);
        if let Some(result) = self.recall(&what)? {
            if weakness::is(Weakness::DecisionWithoutResult) {
                return self.ending(block(self.branch(0))).await;
            }
            return Ok(result);
        }
        self.may_have_effects(&what)?;
        let _turn = self.instance.attempt.holdings.turn().await;
        let transaction = self.begin();
        let layer = Arc::new(Layer::default());
        let within = Within { transaction: Arc::clone(&transaction), layer: Arc::clone(&layer) };
        // Another try may take another way: its steps have paths of their own.
        let inside = self.branch(transaction.txn.retry).within(Context::Txn(within));
        let (commit, result) = block(inside).await.map_err(Stop::Park)?;
        let staged = if commit { layer.take() } else { undone(layer.take()) };
        self.decide(&transaction, staged, commit, self.entry(&what, result)).await
    }

    fn begin(&self) -> Arc<Transaction> {
        let Self { instance, path, .. } = self;
        let attempt = &instance.attempt;
        let id = instance.id.txn(path);
        let txn = Txn {
            id,
            retry: attempt.journal.next_try(id),
            root: attempt.intent.request_key.clone(),
            service: attempt.service.name.clone(),
        };
        let (since, limit) = (attempt.service.outside.now(), attempt.service.limits.txn_time);
        let tenure = Tenure { since, limit, by: Runs::None, resumed: attempt.is_resumed() };
        let transaction = Arc::new(Transaction::new(txn, tenure, false));
        attempt.holdings.begun(&transaction);
        transaction
    }

    async fn decide(
        &self,
        transaction: &Arc<Transaction>,
        staged: Staged,
        commit: bool,
        entry: Entry,
    ) -> Result<Value, Stop> {
        let attempt = &self.instance.attempt;
        let result = entry.value.clone();
        let touched = transaction.touched();
        if touched.is_empty() && staged.sends.is_empty() && staged.prepared.is_empty() {
            attempt.holdings.take_undecided();
            self.instance.observed(entry);
            return Ok(result);
        }
        if touched.is_empty() {
            // What led here was not logged by a lock; without, another attempt could take another way.
            self.instance.before_call(&self.path).await?;
            attempt.meets_no_root().await?;
        }
        if attempt.is_stopped() {
            return pending().await;
        }
        let is_read = |item: &ItemKey| !staged.writes.contains_key(item);
        let decision = Decision {
            txn: transaction.txn.id,
            retry: transaction.txn.retry,
            commit,
            by: attempt.by.clone(),
            reads: touched.into_iter().filter(is_read).collect(),
            writes: staged.writes,
            sends: staged.sends,
            prepared: staged.prepared,
            step: Some(Decided { instance: self.instance.id, code: self.instance.code, entry }),
            until: None,
            root: attempt.registration_to_carry(),
        };
        let carried = decision.root.as_ref().map(|root| root.epoch);
        small_enough(&decision)?;
        attempt.carries(decision.root.is_some());
        if weakness::is(Weakness::ReleaseBeforeDecision) {
            attempt.service.apply(&transaction.txn.root, &decision).await?;
        }
        attempt.puts_a_row();
        let put = txn::decide(&attempt.service.store, &transaction.txn.root, &decision).await?;
        match put {
            Put::Mine => {
                attempt.decided(decision);
                attempt.carries(false);
                match carried {
                    Some(epoch) if !attempt.service.is_secure(epoch).await? => Err(Stop::Adopt),
                    _ => Ok(result),
                }
            }
            Put::Theirs(theirs) => {
                attempt.carries(false);
                Err(attempt.lost(transaction, &theirs))
            }
        }
    }
}

/// What an aborted transaction leaves to be done: to release what others have prepared for it.
fn undone(staged: Staged) -> Staged {
    let mut prepared = staged.prepared;
    prepared.iter_mut().for_each(|prepared| prepared.commit = false);
    Staged { prepared, ..Staged::default() }
}

fn small_enough(decision: &Decision) -> Result<(), Stop> {
    let writes = decision.writes.iter().map(|((table, key), value)| {
        table.len() + key.len() + value.as_ref().map_or(0, Value::size) + 24
    });
    let reads = decision.reads.iter().map(|(table, key)| table.len() + key.len() + 16);
    let sends = decision.sends.iter().map(|send| send.input.size() + send.request_key.len() + 256);
    let result = decision.step.as_ref().map_or(0, |step| step.entry.value.size());
    let input = decision.root.as_ref().map_or(0, |root| root.input.size());
    let size = writes.chain(reads).chain(sends).sum::<usize>() + result + input;
    if size <= MAX_DECISION {
        return Ok(());
    }
    Err(bug(
        "txn_too_large",
        format!(
            "the transaction takes {size} bytes (what it writes and sends, the names of what it \
             reads, its result and the request); the limit is {MAX_DECISION}, for all of it is \
             decided in one row. Nothing was changed: make it smaller"
        ),
    ))
}

/// The most bytes a decision may take: a row, less the room for its other attributes.
const MAX_DECISION: usize = MAX_ROW - 16 * 1024;

impl Attempt {
    /// What is to be done now that another run or a rival has decided this try.
    fn lost(&self, transaction: &Arc<Transaction>, theirs: &Decision) -> Stop {
        let (service, outcome) = (Arc::clone(&self.service), theirs.outcome());
        let outcome_for_good = outcome.for_good;
        let (txn, touched) = (transaction.txn.clone(), transaction.touched());
        let (theirs, services) = (theirs.clone(), transaction.services());
        self.service.tasks.spawn(async move {
            service.settle_all(&txn, &outcome, touched).await?;
            service.tell(&txn, &theirs, services).await
        });
        if outcome_for_good {
            return Stop::Adopt;
        }
        let text = "another attempt or a rival aborted this try";
        Retry::stop(transaction, Reason::new("txn_aborted", text))
    }

    /// Aborts a try so that another can begin, and waits a little; tells whether it is aborted, not
    /// ended for good by another attempt.
    pub(crate) async fn abort(&self, transaction: &Transaction) -> Result<bool, StoreError> {
        let txn = &transaction.txn;
        if weakness::is(Weakness::DieBeforeAbort) {
            let nothing = Outcome::default();
            self.service.settle_all(txn, &nothing, transaction.touched()).await?;
        }
        let abort = self.service.abort_by(self.by.clone(), transaction.touched());
        let abort = Decision::abort(txn, abort);
        self.puts_a_row();
        let decision = match txn::decide(&self.service.store, &txn.root, &abort).await? {
            Put::Mine => abort,
            Put::Theirs(theirs) => *theirs,
        };
        self.service.settle_all(txn, &decision.outcome(), transaction.touched()).await?;
        let services = transaction.services();
        self.service.tell(txn, &decision, services).await?;
        Ok(decision.step.is_none())
    }
}

impl Service {
    /// Settles items that a decided try holds or may hold.
    pub(crate) async fn settle_all(
        &self,
        txn: &Txn,
        outcome: &Outcome,
        items: Vec<ItemKey>,
    ) -> Result<(), StoreError> {
        let settle = async |(table, key): ItemKey| {
            let fate = outcome.fate(txn.id, &table, &key);
            crate::protocol::lock::settle(&self.item(&table, &key), txn, &fate).await
        };
        try_join_all(items.into_iter().map(settle)).await.map(drop)
    }

    /// Puts everything in place that was decided. Doing it again changes nothing.
    pub(crate) async fn apply(&self, root: &str, decision: &Decision) -> Result<(), StoreError> {
        let txn = Txn {
            id: decision.txn,
            retry: decision.retry,
            root: root.to_owned(),
            service: self.name.clone(),
        };
        let outcome = decision.outcome();
        let items = decision.items().cloned().collect();
        let sends = decision.sends.iter().map(async |receiver| {
            send::send(&self.store, receiver).await?;
            self.announce(receiver.request_key.clone());
            Ok(())
        });
        let (settled, sent) =
            futures_util::future::join(self.settle_all(&txn, &outcome, items), try_join_all(sends))
                .await;
        settled.and(sent.map(drop))?;
        let services: BTreeSet<_> =
            decision.prepared.iter().map(|prepared| prepared.service.clone()).collect();
        self.tell(&txn, decision, services).await
    }
}
