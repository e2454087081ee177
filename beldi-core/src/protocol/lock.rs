//! Locks: an attribute of the head that names its holder, so that whoever meets it can ask.
//!
//! A lock belongs to one try of a **transaction**, which its coordinator decides ([`txn`]), or, taken
//! with `Table::lock`, to an **instance**, until it gives it back or its root is finished. Either way
//! the lock survives the crash of whoever took it, and time alone breaks none.
//!
//! **Acquire** (transaction): one update, *if* nobody holds the item, no mark of this transaction's
//! says that this try or a later one was decided, the fence is not above its epoch, no older row can
//! hold that mark, and it is not an older one's [`turn`], *then* set the holder. It returns the value,
//! which stays until the try is decided: lock and read in one. Delivered twice, or by two attempts, the second finds the lock of
//! its own try, and the value; delivered after the decision was applied, the mark refuses it ((g) 2:
//! without it a late lock would be settled a second time, over somebody else's newer value).
//!
//! **Settle**: one update, *if* this very try holds the item, *then* change the value if the decision
//! says so, take the lock away, and leave the number of the try as the transaction's mark: the
//! **tombstone**. Anyone may settle who knows the decision; all that try write the same. One mark
//! serves all tries of a transaction, since a try only begins when the one before is decided. That of
//! another service's transaction names the service, and goes behind a fence of that service's own
//! ([`prune`](super::prune)).
//!
//! **Take** and **release** (instance): the lock's mark is that of the step that takes it, so a late
//! delivery cannot take it again; it is given back *if* that same step's lock stands. An instance that
//! asks again for what it holds leaves the mark of that step beside its lock. One that
//! holds a lock and meets an older holder **declines** by a mark that says so.
//!
//! A crash leaves a lock or it does not. One that is left is in the due index and is settled by the
//! collector, or by whoever meets it first, as its decision or its root tells. A head that has no value
//! when its lock is released is listed for the garbage collector ([`recycle`]), and a delete is named by its
//! decision or prepare record; a crash before that leaves it to the next writer.

use crate::id::Id;
use crate::protocol::daal::{
    self, Change, Cleared, Item, Obstacle, Refusal, absent_or, not_in_older_rows,
};
use crate::protocol::layout::{self, item, lock as field};
use crate::protocol::prune::{self, Pruning};
use crate::protocol::txn::{Fate, Txn};
use crate::protocol::{recycle, turn};
use crate::store::{
    Compare, Condition, DUE_ORDER, DUE_SHARD, DueQuery, Row, Store, StoreError, Update, Updated,
};
use crate::value::Value;
use crate::weakness::{self, Weakness};

/// What stands in the head of an item that somebody holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lock {
    pub(crate) holder: Holder,
    /// When it was taken, in milliseconds since 1970.
    pub(crate) since: u64,
}

/// Who holds an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Holder {
    Txn(Txn),
    Instance(Hold),
}

/// A lock outside of transactions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hold {
    pub(crate) instance: Id,
    /// The mark of the step that took it.
    pub(crate) step: Id,
    /// The request key of the instance's root.
    pub(crate) root: String,
}

/// How an attempt to lock an item ended.
#[derive(Debug)]
pub(crate) enum Acquired {
    /// The item is held by this try, and since when. It is not the first if another run of the try
    /// took it, or an earlier delivery of the same request.
    Held { value: Option<Value>, since: u64, first: bool },
    /// This try of the transaction was decided already, by another attempt or by whom it blocked.
    Decided,
    /// Somebody else holds it.
    Theirs(Lock),
    /// Nobody holds it, but an older transaction has the next turn.
    NotYet,
}

impl Lock {
    /// The lock in a head, if there is one.
    pub(crate) fn of(row: &Row) -> Result<Option<Self>, StoreError> {
        let Some(value) = row.get(item::LOCK) else { return Ok(None) };
        let since = row.int(item::LOCKED_SINCE).and_then(|since| u64::try_from(since).ok());
        let lock = Holder::read(value).zip(since);
        let lock = lock.map(|(holder, since)| Self { holder, since });
        lock.map(Some).ok_or_else(|| StoreError::Corrupt(format!("a lock that reads {value:?}")))
    }
}

impl Holder {
    /// The id by which locks are compared: the smaller is the older.
    pub(crate) fn age(&self) -> Id {
        match self {
            Self::Txn(txn) => txn.id,
            Self::Instance(hold) => hold.instance,
        }
    }

    /// The request key of the root it belongs to.
    pub(crate) fn root(&self) -> &str {
        match self {
            Self::Txn(txn) => &txn.root,
            Self::Instance(hold) => &hold.root,
        }
    }

    /// The attribute; the same for the same holder, so that it can be compared whole.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Txn(txn) => Value::map([
                (field::TXN, Value::from(txn.id.to_string())),
                (field::RETRY, Value::from(txn.retry)),
                (field::SERVICE, Value::from(&*txn.service)),
                (field::ROOT, Value::from(&*txn.root)),
            ]),
            Self::Instance(hold) => Value::map([
                (field::INSTANCE, Value::from(hold.instance.to_string())),
                (field::STEP, Value::from(hold.step.to_string())),
                (field::ROOT, Value::from(&*hold.root)),
            ]),
        }
    }

    fn read(value: &Value) -> Option<Self> {
        let text = |name| value.field(name).and_then(Value::as_text).map(str::to_owned);
        let id = |name| text(name).and_then(|text| Id::parse(&text));
        let root = text(field::ROOT)?;
        match id(field::TXN) {
            Some(id) => {
                let retry = value.field(field::RETRY)?.as_int()?;
                let (retry, service) = (u32::try_from(retry).ok()?, text(field::SERVICE)?);
                Some(Self::Txn(Txn { id, retry, root, service }))
            }
            None => {
                let (instance, step) = (id(field::INSTANCE)?, id(field::STEP)?);
                Some(Self::Instance(Hold { instance, step, root }))
            }
        }
    }
}

/// What a settled item keeps of a transaction: the last try that was settled there.
struct Tombstone<'a> {
    mark: String,
    txn: &'a Txn,
    is_foreign: bool,
}

impl<'a> Tombstone<'a> {
    fn of(item: &Item<'_>, txn: &'a Txn) -> Self {
        let is_foreign = txn.service != item.service;
        let mark = if is_foreign { layout::foreign_mark(txn) } else { layout::mark(txn.id) };
        Self { mark, txn, is_foreign }
    }

    /// Whether neither this try nor a later one was settled.
    fn is_below(&self) -> Condition {
        absent_or(&self.mark, Compare::Less, self.txn.retry.into())
    }

    /// The same of what was found under its name.
    fn is_decided(&self, found: Option<&Value>) -> bool {
        let last = found.and_then(Value::as_int);
        last.is_some_and(|last| last >= i128::from(self.txn.retry))
    }

    /// The fence that is meant for it.
    fn fence(&self) -> String {
        match self.is_foreign {
            true => layout::foreign_fence(&self.txn.service),
            false => item::FENCE.to_owned(),
        }
    }
}

/// Locks an item for a try of a transaction and returns its value.
pub(crate) async fn acquire(item: &Item<'_>, txn: &Txn, now: u64) -> Result<Acquired, Refusal> {
    let holder = Holder::Txn(txn.clone());
    let tombstone = Tombstone::of(item, txn);
    let fence = tombstone.fence();
    let mut searched = None;
    loop {
        if weakness::is(Weakness::NoLocks) {
            let row = daal::read(item.store, item.table, item.key).await?;
            return Ok(Acquired::Held { value: daal::value_of(row), since: now, first: true });
        }
        let mut when = vec![
            free(),
            tombstone.is_below(),
            absent_or(&fence, Compare::LessOrEqual, txn.id.epoch()),
            not_in_older_rows(txn.id.epoch(), searched),
            turn::is_no_others(txn.id, now),
        ];
        if weakness::is(Weakness::NoTombstone) {
            when.truncate(1);
        }
        let update = turn::end(locking(item, when, &holder, now));
        let row = match item.send(&update).await? {
            Updated::Applied(row) => {
                return Ok(Acquired::Held { value: daal::value_of(row), since: now, first: true });
            }
            Updated::Refused(row) => row.unwrap_or_default(),
        };
        if tombstone.is_decided(row.get(&tombstone.mark)) {
            return Ok(Acquired::Decided);
        }
        match Lock::of(&row)? {
            Some(Lock { holder: standing, since }) if standing == holder => {
                return Ok(Acquired::Held { value: daal::value_of(row), since, first: false });
            }
            Some(lock) => return Ok(Acquired::Theirs(lock)),
            None => {}
        }
        if turn::is_anothers(&row, txn.id, now) {
            return Ok(Acquired::NotYet);
        }
        if prune::fence(&row, &fence).is_some_and(|fence| fence > txn.id.epoch()) {
            return Err(Refusal::Fenced);
        }
        match item.obstacle(&row, txn.id.epoch(), searched) {
            Obstacle::Older(generation) if row.get(&tombstone.mark).is_none() => {
                let (name, epoch) = (&*tombstone.mark, txn.id.epoch());
                let found = item.find_in_older_rows(name, epoch, searched).await?;
                if tombstone.is_decided(found.as_ref()) {
                    return Ok(Acquired::Decided);
                }
                searched = Some(generation);
            }
            Obstacle::Older(generation) => searched = Some(generation),
            Obstacle::Full | Obstacle::None => {}
        }
    }
}

/// Does with an item what the decision says, if this try of the transaction still holds it.
pub(crate) async fn settle(item: &Item<'_>, txn: &Txn, fate: &Fate) -> Result<(), StoreError> {
    let holder = Holder::Txn(txn.clone());
    let tombstone = Tombstone::of(item, txn);
    let mark = &tombstone.mark;
    let mut marked_before = false;
    loop {
        let is_marked = match marked_before {
            true => Condition::exists(mark),
            false => Condition::absent(mark),
        };
        let mut when = vec![held_by(&holder), is_marked];
        if !marked_before {
            when.push(item.has_room(0));
        }
        if weakness::is(Weakness::NoLocks) {
            when.remove(0);
        } else if weakness::is(Weakness::SettleUnlocked) {
            when.truncate(0);
        }
        let update = freeing(when).set(mark, txn.retry);
        let update = update.add(item::MARKS, i64::from(!marked_before));
        let update = match fate {
            Fate::Write(Some(value)) => Change::Put(value.clone()).onto(update),
            Fate::Write(None) => Change::Delete.onto(update),
            Fate::Release => update,
        };
        let row = match item.send(&update).await? {
            Updated::Applied(row) if *fate == Fate::Release => {
                return recycle::list_bare(item, &row).await;
            }
            Updated::Applied(_) => return Ok(()),
            Updated::Refused(row) => row.unwrap_or_default(),
        };
        if Lock::of(&row)?.is_none_or(|lock| lock.holder != holder) {
            return Ok(());
        }
        if item.is_full(&row) && row.get(mark).is_none() {
            item.make_room(&row).await?;
        }
        marked_before = row.get(mark).is_some();
    }
}

/// How an instance's attempt to take a lock ended.
#[derive(Debug)]
pub(crate) enum Taken {
    /// The instance holds it since this step, or took it at this step and has given it back.
    Mine(Option<Value>),
    /// The instance has declined to wait for it at this step.
    Declined,
    Theirs(Lock),
}

/// Takes a lock outside of transactions and returns the value of the item.
pub(crate) async fn take(item: &Item<'_>, hold: &Hold, now: u64) -> Result<Taken, Refusal> {
    let holder = Holder::Instance(hold.clone());
    let mark = layout::mark(hold.step);
    let mut searched = None;
    let mut pruning: Option<Pruning> = None;
    loop {
        let pruned = pruning.as_ref().map_or(0, Pruning::count);
        let mut when = item.may_mark(hold.step, searched, pruned);
        when.push(free());
        let update = locking(item, when, &holder, now).set(&*mark, true);
        let update = match pruning.take() {
            Some(pruning) => pruning.onto(update, 1),
            None => update.add(item::MARKS, 1),
        };
        let row = match item.send(&update).await? {
            Updated::Applied(row) => return Ok(Taken::Mine(daal::value_of(row))),
            Updated::Refused(row) => row.unwrap_or_default(),
        };
        match item.clear(&row, hold.step, &mut searched).await {
            Ok(Cleared::Marked(Value::Bool(true))) => {
                return Ok(Taken::Mine(daal::value_of(row)));
            }
            Ok(Cleared::Marked(_)) => return Ok(Taken::Declined),
            Ok(Cleared::Prunable) => pruning = item.prunable_for(&row, hold.step),
            Ok(Cleared::Nothing | Cleared::Searched | Cleared::Spilled) => {}
            Err(Refusal::Locked(lock)) if lock.holder.age() == hold.instance => {
                return take_again(item, hold, *lock, daal::value_of(row)).await;
            }
            Err(Refusal::Locked(lock)) => return Ok(Taken::Theirs(*lock)),
            Err(refusal) => return Err(refusal),
        }
    }
}

/// Marks that the instance, which holds the item since another step, has not taken it at this one: without
/// the mark, a late delivery of [`take`] could take it when it has been given back.
async fn take_again(
    item: &Item<'_>,
    hold: &Hold,
    standing: Lock,
    value: Option<Value>,
) -> Result<Taken, Refusal> {
    let item = Item { own_locks: vec![standing.holder], ..*item };
    match daal::write(&item, hold.step, Change::Keep, None).await {
        Ok(written) if written.outcome => Ok(Taken::Mine(value)),
        Ok(_) => Ok(Taken::Declined),
        Err(Refusal::Locked(lock)) => Ok(Taken::Theirs(*lock)),
        Err(refusal) => Err(refusal),
    }
}

/// Marks that the instance does not wait for this lock at this step: without the mark, a late
/// delivery of [`take`] could still take it.
pub(crate) async fn decline(item: Item<'_>, hold: &Hold, theirs: &Lock) -> Result<(), Refusal> {
    let item = Item { own_locks: vec![theirs.holder.clone()], ..item };
    let never = Condition::Any(Vec::new());
    match daal::write(&item, hold.step, Change::Keep, Some(&never)).await {
        Ok(_) | Err(Refusal::Locked(_)) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

/// Gives a lock back, if it stands.
pub(crate) async fn release(item: &Item<'_>, hold: &Hold) -> Result<(), StoreError> {
    let when = vec![held_by(&Holder::Instance(hold.clone()))];
    match item.send(&freeing(when)).await? {
        Updated::Applied(row) => recycle::list_bare(item, &row).await,
        Updated::Refused(_) => Ok(()),
    }
}

/// A lock, and the item it stands on.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) lock: Lock,
}

/// All locks in the due index; what is there may have gone meanwhile.
pub(crate) async fn standing(store: &dyn Store) -> Result<Vec<Standing>, StoreError> {
    let mut found = Vec::new();
    for shard in layout::lock_shards() {
        let mut query = DueQuery { shard, up_to: u64::MAX, limit: PAGE, after: None };
        loop {
            let page = store.due(&query).await?;
            for (key, row) in page.rows {
                let Some((table, key)) = layout::parse_head(&key) else { continue };
                match Lock::of(&row) {
                    Ok(Some(lock)) => {
                        found.push(Standing { table: table.to_owned(), key: key.to_owned(), lock });
                    }
                    Ok(None) => {}
                    Err(damage) => tracing::error!(%damage, "a lock cannot be read; it stays"),
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    Ok(found)
}

const PAGE: usize = 256;

/// Nobody holds the item.
pub(super) fn free() -> Condition {
    Condition::absent(item::LOCK)
}

/// Exactly this holder holds it.
pub(super) fn held_by(holder: &Holder) -> Condition {
    Condition::equals(item::LOCK, holder.value())
}

fn locking(item: &Item<'_>, when: Vec<Condition>, holder: &Holder, now: u64) -> Update {
    Update::when(Condition::All(when))
        .set(item::LOCK, holder.value())
        .set(item::LOCKED_SINCE, now)
        .set(DUE_SHARD, layout::lock_shard(item.key))
        .set(DUE_ORDER, now)
}

fn freeing(when: Vec<Condition>) -> Update {
    Update::when(Condition::All(when))
        .remove(item::LOCK)
        .remove(item::LOCKED_SINCE)
        .remove(DUE_SHARD)
        .remove(DUE_ORDER)
}
