//! Transactions: one row decides, and everybody who meets a lock can find that row.
//!
//! A transaction runs in **tries**. A try locks every item it reads or writes ([`lock`]), keeps what
//! it writes in memory, and ends with its **decision**, a row put if absent in the partition of its
//! root. Locks name the try, the root and the coordinating service, so they need no registration.
//!
//! Order of writes, and why a crash between any two is safe:
//!
//! 1. locks, in any order. A crash leaves locks whose try is undecided; whoever meets one that is
//!    overdue, or the collector, **aborts** the try by putting its decision, and settles.
//! 2. what was observed so far goes to the journal beside a lock, and the locked value reaches the
//!    handler only when both are through. So all attempts of a try lock the same items.
//! 3. the decision: outcome, items changed and items only read, sends, and *the result of the block*,
//!    since the locked values are gone for a later attempt once they are unlocked ((g) 1). First one
//!    wins; who loses takes over the winner's. An attempt that must give way to an older transaction
//!    first wins the abort: a sibling attempt may be committing. For a root that is not registered,
//!    the decision carries its registration and is due like an intent.
//! 4. the items, side by side ([`lock::settle`]), and the sends. A crash leaves locks that everybody
//!    can settle from the decision, and sends that the next attempt of the root repeats: a root is
//!    finished only after that.
//!
//! The row of a decision is named by its step, and nothing else of a root that is not registered is
//! written before. So its run looks, beside its first lock, whether a root stands under its key: what
//! another request or other code did at another step would not meet the decision. Only what begins in
//! that very moment is not seen.
//!
//! A root that is not registered may run under two epochs at once. Both runs decide in the same row,
//! and the decision says which run's locks it means; a lock of the other run is simply released, by
//! that run, or by others once it is overdue. So is a lock on an item that the decision does not
//! list: only a slower attempt chose it.
//!
//! **Opacity.** A handler may see a value only if its try still held everything it saw before when
//! the value was locked, also in a try that somebody has aborted meanwhile. Nobody aborts a try but
//! the one attempt that took its locks first (which then sees nothing more), or anybody once it is
//! overdue. So an attempt looks at the decision row before it shows a value if it has met its own
//! try's lock, which makes it one of several runs, if an attempt before it may have left locks that it
//! never meets, while another service is asked, which may have it aborted, or if it has held locks for
//! half the time after which they are overdue; half, for clocks may differ by the other half.
//!
//! **Read.** Who finds a lock outside of the transaction looks up the decision. There is none: the
//! value in the row is current. A commit that changes the item: the new value is current, though the
//! row does not have it yet ((g) 5: the reply to the client may have overtaken it). What was decided
//! was collected meanwhile: it is in place, so the row is read again.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::id::{Epoch, Id};
use crate::protocol::daal;
use crate::protocol::intent::{self, Intent};
use crate::protocol::journal::{self, Entry};
use crate::protocol::layout::{self, decision as attr};
use crate::protocol::lock::{Holder, Lock};
use crate::store::{
    Condition, DUE_ORDER, DUE_SHARD, Result, Row, Store, StoreError, Update, Updated,
};
use crate::value::Value;
use crate::weakness::{self, Weakness};

/// One try of a transaction, as its locks name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Txn {
    pub(crate) id: Id,
    pub(crate) retry: u32,
    /// The request key of its root.
    pub(crate) root: String,
    /// The service that coordinates it.
    pub(crate) service: String,
}

/// The table and the key of an item.
pub(crate) type ItemKey = (String, String);

/// What becomes of an item that a decided try holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// It gets this value, or loses the one it has.
    Write(Option<Value>),
    Release,
}

/// What a decided try does to the items of this service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// The transaction, in the epoch of the run that decided: only its locks are meant.
    pub(crate) txn: Option<Id>,
    pub(crate) commit: bool,
    pub(crate) writes: BTreeMap<ItemKey, Option<Value>>,
    /// Whether the transaction is over; otherwise it is tried again.
    pub(crate) for_good: bool,
    /// Whether what was decided is not known any more: its root is collected, so it is in place.
    pub(crate) is_collected: bool,
}

impl Outcome {
    pub(crate) fn fate(&self, txn: Id, table: &str, key: &str) -> Fate {
        if !self.commit || self.txn != Some(txn) {
            return Fate::Release;
        }
        let write = self.writes.get(&(table.to_owned(), key.to_owned()));
        write.cloned().map_or(Fate::Release, Fate::Write)
    }
}

/// Who knows how tries ended: this service, or the one that coordinates.
pub(crate) trait Decisions: Send + Sync {
    /// How the try ended, if it did. With `abort` it has ended when this returns.
    fn outcome<'a>(&'a self, txn: &'a Txn, abort: bool) -> BoxFuture<'a, Result<Option<Outcome>>>;
}

/// How one try ended.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) txn: Id,
    pub(crate) retry: u32,
    pub(crate) commit: bool,
    /// The run that decided.
    pub(crate) by: String,
    /// Of an abort, since its root may never be registered: until when it is kept at least.
    pub(crate) until: Option<Epoch>,
    pub(crate) writes: BTreeMap<ItemKey, Option<Value>>,
    pub(crate) reads: Vec<ItemKey>,
    pub(crate) sends: Vec<Intent>,
    pub(crate) prepared: Vec<Prepared>,
    /// The step it ends; none if the transaction is to be tried again.
    pub(crate) step: Option<Decided>,
    /// The registration of a root that was not registered.
    pub(crate) root: Option<Intent>,
}

/// A prepare record in another service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) service: String,
    /// The instance that prepared it.
    pub(crate) instance: Id,
    /// Whether it counts, that is, was not taken back by a nested transaction.
    pub(crate) commit: bool,
}

/// Who aborts, and until when the decision is kept at least, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Abort {
    pub(crate) by: String,
    pub(crate) until: Epoch,
    /// The items it holds or may hold, as far as they are known.
    pub(crate) touched: Vec<ItemKey>,
}

/// The transactional step and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) instance: Id,
    pub(crate) code: u64,
    pub(crate) entry: Entry,
}

/// Who decided.
#[derive(Debug)]
pub(crate) enum Put {
    Mine,
    Theirs(Box<Decision>),
}

/// Decides a try, unless it is decided.
pub(crate) async fn decide(store: &dyn Store, root: &str, decision: &Decision) -> Result<Put> {
    let key = layout::decision_row(root, decision.txn, decision.retry);
    let row = match store.update(&key, &decision.update(root)?).await? {
        Updated::Applied(_) => return Ok(Put::Mine),
        Updated::Refused(row) => row.unwrap_or_default(),
    };
    let theirs = Decision::read(root, decision.retry, &row)?;
    // A run that ends while its commit is on its way decides twice: it must not take that back.
    let is_mine = theirs.by == decision.by && theirs.commit == decision.commit;
    Ok(if is_mine { Put::Mine } else { Put::Theirs(Box::new(theirs)) })
}

/// The decision on a try, if there is one; with `abort` there is.
pub(crate) async fn find(
    store: &dyn Store,
    txn: &Txn,
    abort: Option<Abort>,
) -> Result<Option<Decision>> {
    if let Some(abort) = abort {
        let abort = Decision::abort(txn, abort);
        return Ok(Some(match decide(store, &txn.root, &abort).await? {
            Put::Mine => abort,
            Put::Theirs(decision) => *decision,
        }));
    }
    let row = store.get(&layout::decision_row(&txn.root, txn.id, txn.retry)).await?;
    row.map(|row| Decision::read(&txn.root, txn.retry, &row)).transpose()
}

/// Takes a decision out of the due index once the root's intent is registered.
pub(crate) async fn hand_over(store: &dyn Store, root: &str, txn: Id, retry: u32) -> Result<()> {
    let update = Update::when(Condition::exists(DUE_SHARD)).remove(DUE_SHARD).remove(DUE_ORDER);
    store.update(&layout::decision_row(root, txn, retry), &update).await.map(drop)
}

/// Takes the sends off a decision that was applied, where their receivers may be forgotten before the
/// root ends.
pub(crate) async fn strip_sends(store: &dyn Store, root: &str, decision: &Decision) -> Result<()> {
    let same = Condition::equals(attr::TXN, decision.txn.to_string());
    let update = Update::when(same).remove(attr::SENDS);
    let key = layout::decision_row(root, decision.txn, decision.retry);
    store.update(&key, &update).await.map(drop)
}

/// The value of an item and how often it has changed, for a reader outside of transactions.
pub(crate) async fn current(
    decisions: &dyn Decisions,
    store: &dyn Store,
    table: &str,
    key: &str,
    mut row: Row,
) -> Result<(Option<Value>, u64)> {
    let mut asked = None;
    loop {
        let version = daal::version_of(&row);
        let txn = match Lock::of(&row)? {
            Some(Lock { holder: Holder::Txn(txn), .. }) if asked.as_ref() != Some(&txn) => txn,
            // What was collected is in place: a lock that stands after it changes nothing.
            _ => return Ok((daal::value_of(row), version)),
        };
        if weakness::is(Weakness::ReaderIgnoresDecision) {
            return Ok((daal::value_of(row), version));
        }
        let Some(outcome) = decisions.outcome(&txn, false).await? else {
            return Ok((daal::value_of(row), version));
        };
        if outcome.is_collected {
            // It may have been committed, and told, before the row was read.
            row = daal::read(store, table, key).await?;
            asked = Some(txn);
            continue;
        }
        return Ok(match outcome.fate(txn.id, table, key) {
            Fate::Write(value) => (value, version + 1),
            Fate::Release => (daal::value_of(row), version),
        });
    }
}

impl Decision {
    /// The decision that a try is to be repeated.
    pub(crate) fn abort(txn: &Txn, abort: Abort) -> Self {
        Self {
            txn: txn.id,
            retry: txn.retry,
            commit: false,
            by: abort.by,
            until: Some(abort.until),
            writes: BTreeMap::new(),
            reads: abort.touched,
            sends: Vec::new(),
            prepared: Vec::new(),
            step: None,
            root: None,
        }
    }

    /// What it does to items.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            txn: Some(self.txn),
            commit: self.commit,
            writes: self.writes.clone(),
            for_good: self.step.is_some(),
            is_collected: self.is_collected(),
        }
    }

    /// Whether it is what the garbage collector has left.
    pub(crate) fn is_collected(&self) -> bool {
        self.by.is_empty()
    }

    /// The items it concerns.
    pub(crate) fn items(&self) -> impl Iterator<Item = &ItemKey> {
        self.writes.keys().chain(&self.reads)
    }

    fn update(&self, root: &str) -> Result<Update> {
        let undecided = match weakness::is(Weakness::UnconditionalDecision) {
            true => Condition::always(),
            false => Condition::absent(attr::OUTCOME),
        };
        let mut update = Update::when(undecided)
            .set(attr::OUTCOME, if self.commit { COMMIT } else { ABORT })
            .set(attr::TXN, self.txn.to_string())
            .set(attr::BY, &*self.by);
        let lists = [
            (attr::WRITES, self.writes.iter().map(written).collect::<Vec<_>>()),
            (attr::READS, self.reads.iter().map(|item| Value::map(named(item))).collect()),
            (attr::SENDS, self.sends.iter().map(Intent::to_value).collect()),
            (attr::PREPARED, self.prepared.iter().map(Prepared::to_value).collect()),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                update = update.set(name, Value::List(list));
            }
        }
        if let Some(Decided { instance, code, entry }) = &self.step {
            update = update
                .set(attr::INSTANCE, instance.to_string())
                .set(attr::CODE, intent::code_text(*code))
                .set(attr::ENTRY, journal::encode_entry(entry)?);
        }
        if let Some(until) = self.until {
            update = update.set(DUE_SHARD, layout::garbage_shard(root)).set(DUE_ORDER, until);
        }
        if let Some(intent) = &self.root {
            update = update
                .set(attr::ROOT, intent.to_value())
                .set(DUE_SHARD, layout::intent_shard(root))
                .set(DUE_ORDER, intent.epoch);
        }
        Ok(update)
    }

    /// The decision in a row.
    pub(crate) fn read(root: &str, retry: u32, row: &Row) -> Result<Self> {
        Self::try_read(retry, row).ok_or_else(|| {
            StoreError::Corrupt(format!("the decision on try {retry} of a transaction of `{root}`"))
        })
    }

    fn try_read(retry: u32, row: &Row) -> Option<Self> {
        let list = |name| match row.get(name) {
            Some(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        let step = match row.text(attr::INSTANCE) {
            None => None,
            Some(instance) => {
                let Some(Value::Bytes(entry)) = row.get(attr::ENTRY) else { return None };
                Some(Decided {
                    instance: Id::parse(instance)?,
                    code: u64::from_str_radix(row.text(attr::CODE)?, 16).ok()?,
                    entry: journal::decode_entry(entry)?,
                })
            }
        };
        let root = row.get(attr::ROOT).map(|root| Intent::from_value(root).ok());
        Some(Self {
            txn: Id::parse(row.text(attr::TXN)?)?,
            retry,
            commit: row.text(attr::OUTCOME)? == COMMIT,
            by: row.text(attr::BY).unwrap_or_default().to_owned(),
            until: row
                .due()
                .filter(|(shard, _)| layout::is_garbage_shard(shard))
                .map(|(_, until)| until),
            writes: list(attr::WRITES).iter().map(read_write).collect::<Option<_>>()?,
            reads: list(attr::READS).iter().map(item_key).collect::<Option<_>>()?,
            sends: list(attr::SENDS)
                .iter()
                .map(|send| Intent::from_value(send).ok())
                .collect::<Option<_>>()?,
            prepared: list(attr::PREPARED).iter().map(Prepared::read).collect::<Option<_>>()?,
            step,
            root: match root {
                Some(root) => Some(root?),
                None => None,
            },
        })
    }
}

impl Prepared {
    fn to_value(&self) -> Value {
        Value::map([
            ("service", Value::from(&*self.service)),
            ("instance", Value::from(self.instance.to_string())),
            ("commit", Value::from(self.commit)),
        ])
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            service: value.field("service")?.as_text()?.to_owned(),
            instance: Id::parse(value.field("instance")?.as_text()?)?,
            commit: *value.field("commit")? == Value::Bool(true),
        })
    }
}

const COMMIT: &str = "commit";
const ABORT: &str = "abort";

/// An item as a list of items has it.
pub(super) fn named((table, key): &ItemKey) -> [(&'static str, Value); 2] {
    [("table", Value::from(&**table)), ("key", Value::from(&**key))]
}

/// A write as a list of writes has it; without a value, the item is deleted.
pub(super) fn written((item, value): (&ItemKey, &Option<Value>)) -> Value {
    Value::map(named(item).into_iter().chain(value.clone().map(|value| ("value", value))))
}

pub(super) fn item_key(value: &Value) -> Option<ItemKey> {
    let text = |name| value.field(name).and_then(Value::as_text).map(str::to_owned);
    Some((text("table")?, text("key")?))
}

/// Reads what [`written`] made.
pub(super) fn read_write(value: &Value) -> Option<(ItemKey, Option<Value>)> {
    Some((item_key(value)?, value.field("value").cloned()))
}
