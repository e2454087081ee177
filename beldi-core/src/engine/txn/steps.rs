//! The steps inside a transaction: a read locks and returns the value, a write stays in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join3, try_join_all};

use super::{Runs, Tenure, Transaction, Within};
use crate::engine::locks::Met;
use crate::engine::ops::{Changing, Write, bug};
use crate::engine::sizes::{changed, small_enough};
use crate::engine::{Step, Stop};
use crate::error::Reason;
use crate::protocol::layout::item as attr;
use crate::protocol::lock::{self, Acquired};
use crate::protocol::txn::Decisions;
use crate::store::{Condition, Row};
use crate::value::Value;

impl Within {
    /// The value of an item, which stays until the transaction is decided.
    pub(in crate::engine) async fn get(
        &self,
        step: &Step,
        table: &str,
        key: &str,
    ) -> Result<Option<Value>, Stop> {
        let item = (table.to_owned(), key.to_owned());
        if let Some(written) = self.layer.find(&item) {
            return Ok(written);
        }
        let asked = match self.transaction.ask(&item) {
            Ok(value) => return Ok(value),
            Err(asked) => asked,
        };
        self.check(step, asked, table, key).map_err(Stop::Park)?;
        // The value must not be seen before all that led here is logged: then every attempt of
        // this try locks the same items.
        let logged = step.instance.before_call(&step.path);
        let (attempt, lock) = (&step.instance.attempt, self.lock(step, table, key));
        let (logged, looked, locked) = join3(logged, attempt.meets_no_root(), lock).await;
        logged.and(looked)?;
        let value = locked?;
        if self.transaction.is_in_doubt(step.service()) {
            self.still_open(step, table, key).await?;
        }
        self.transaction.hold(item.clone(), value.clone());
        // A branch beside this one may have written it meanwhile.
        Ok(self.layer.find(&item).unwrap_or(value))
    }

    pub(in crate::engine) async fn get_many(
        &self,
        step: &Step,
        table: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Value>>, Stop> {
        // Once each: who met a lock of its own took itself for one of two runs.
        let once: BTreeSet<_> = keys.iter().collect();
        let get =
            async |key: &String| Ok::<_, Stop>((key.clone(), self.get(step, table, key).await?));
        let found = try_join_all(once.into_iter().map(get)).await?;
        let found: BTreeMap<_, _> = found.into_iter().collect();
        Ok(keys.iter().map(|key| found.get(key).cloned().flatten()).collect())
    }

    pub(in crate::engine) async fn write(
        &self,
        step: &Step,
        table: &str,
        key: &str,
        write: Write,
        when: Option<&Condition>,
    ) -> Result<bool, Stop> {
        let new = match write {
            Write::Put(value) => {
                small_enough(table, key, &value).map_err(Stop::Park)?;
                Some(value)
            }
            Write::Delete => None,
        };
        let old = self.get(step, table, key).await?;
        let row = Row(old.into_iter().map(|old| (attr::VALUE.to_owned(), old)).collect());
        if when.is_some_and(|when| !when.inside(attr::VALUE).holds(Some(&row))) {
            return Ok(false);
        }
        self.stage(table, key, new);
        Ok(true)
    }

    pub(in crate::engine) async fn update(
        &self,
        step: &Step,
        table: &str,
        key: &str,
        changing: Changing<'_>,
    ) -> Result<Value, Stop> {
        let old = self.get(step, table, key).await?;
        let (new, result) = changed(table, key, old.clone(), changing).map_err(Stop::Park)?;
        if new != old {
            self.stage(table, key, new);
        }
        Ok(result)
    }

    fn stage(&self, table: &str, key: &str, new: Option<Value>) {
        self.layer.staged().writes.insert((table.to_owned(), key.to_owned()), new);
    }

    async fn lock(&self, step: &Step, table: &str, key: &str) -> Result<Option<Value>, Stop> {
        let service = step.service();
        let item = step.item(table, key);
        let mut waiting = step.waiting();
        loop {
            match lock::acquire(&item, &self.transaction.txn, service.outside.now()).await? {
                Acquired::Held { value, since, first } => {
                    let by = if first { Runs::One } else { Runs::Several };
                    let limit = service.limits.txn_time;
                    self.transaction.note(Tenure { since, limit, by, resumed: false });
                    return Ok(value);
                }
                Acquired::Decided => {
                    self.still_open(step, table, key).await?;
                    return Err(Stop::Collected);
                }
                Acquired::NotYet => {
                    Box::pin(waiting.out(&item, None, Some(&self.transaction))).await?;
                }
                Acquired::Theirs(theirs) => {
                    Box::pin(waiting.out(&item, Some(theirs), Some(&self.transaction))).await?;
                }
            }
        }
    }

    /// Makes sure that nobody else has ended this try.
    async fn still_open(&self, step: &Step, table: &str, key: &str) -> Result<(), Stop> {
        let outcome = step.service().outcome(&self.transaction.txn, false).await?;
        match outcome {
            None => Ok(()),
            Some(outcome) if outcome.for_good => Err(Stop::Adopt),
            Some(_) => {
                let key = key.escape_debug();
                let text = format!(
                    "`{key}` in table `{table}` was taken back while this transaction was away"
                );
                Err(Retry::stop(&self.transaction, Reason::new("txn_aborted", text)))
            }
        }
    }

    fn check(&self, step: &Step, asked: usize, table: &str, key: &str) -> Result<(), Reason> {
        let limit = step.service().limits.txn_keys;
        if asked <= limit {
            return Ok(());
        }
        let key = key.escape_debug();
        Err(Reason::new(
            "txn_keys",
            format!(
                "`{key}` in table `{table}` is item {asked} of the transaction; the limit is {limit}. \
                 Nothing was changed: make it smaller, or raise `Limits::txn_keys`"
            ),
        ))
    }
}

/// Why a handler has to be run again, and what it gave up.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The try to be aborted; none for a snapshot.
    pub(crate) transaction: Option<Arc<Transaction>>,
    /// Whether another run of the same root, in another epoch, goes on with the try.
    pub(crate) is_taken_over: bool,
    /// The lock in the way: before it is gone, the next try would lose as well.
    pub(crate) met: Option<Met>,
    pub(crate) reason: Reason,
}

impl Retry {
    /// Ends a run whose try is over.
    pub(in crate::engine) fn stop(transaction: &Arc<Transaction>, reason: Reason) -> Stop {
        let transaction = Some(Arc::clone(transaction));
        Stop::Retry(Box::new(Self { transaction, is_taken_over: false, met: None, reason }))
    }
}

/// What may not be done in a transaction.
pub(in crate::engine) fn refuse(what: &str, why: &str) -> Stop {
    bug("not_in_txn", format!("{what} inside a transaction: {why}"))
}
