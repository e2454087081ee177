//! What becomes of rows that nobody needs any more: they are emptied first, and removed later.
//!
//! All of it is safe to do twice, to stop anywhere and to come late. What is collected is in the due
//! index until its last row is done, and that row comes last.
//!
//! **A finished root** behind the [`horizon`](super::horizon), in this order: the heads it left with
//! marks are [pruned](super::prune); its slots and decisions are **emptied**; then its intent. What
//! is left of each is a **tombstone**: the key of the row, and what refuses a second put. A slot or
//! a decision that was deleted could be put again by a late attempt, which would then go on to
//! effects on rows that no fence protects ((h) and P6). The tombstone of the intent answers a late
//! duplicate of the request with the first result. Parts of slots and of the list of heads decide
//! nothing, and are deleted.
//!
//! **A tombstone** stays for the redelivery window. That of a root which a `send` or another service
//! began stays until the root it came from is behind its own horizon, since until then another attempt
//! may send it again, and for one window more, for what is on its way then. Then the rows of the
//! partition are deleted, the intent last.
//!
//! **An abort** of a root that was never registered has no intent to go with. It is kept for the window
//! too: it refuses the late decision of the try it aborted.
//!
//! **A prepare record** is emptied once the coordinator has told that its transaction is swept, and
//! removed after the window.
//!
//! The rows of [`items`] have a file of their own.

mod items;

pub(crate) use items::{list_bare, remove_head, remove_older, tidy};

use crate::id::{Epoch, Id};
use crate::protocol::intent::{self, Intent};
use crate::protocol::layout::{
    self, decision as decided, intent as begun, prepare as prepared, slot,
};
use crate::protocol::txn::{Decision, ItemKey, item_key, named};
use crate::store::{
    Condition, DUE_ORDER, DUE_SHARD, EXPIRES, Key, Query, Result, Row, Store, StoreError, Update,
    Updated,
};
use crate::value::Value;
use crate::weakness::{self, Weakness};

/// How long something is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone {
    /// Until when, in milliseconds since 1970.
    pub(crate) until: Epoch,
    /// Whether the store removes it by itself then.
    pub(crate) by_store: bool,
}

/// How much later than asked a store may remove a row, in milliseconds: DynamoDB mostly needs some days at
/// most.
const LATEST_REMOVAL: u64 = 3 * 24 * 3600 * 1000;

impl Tombstone {
    /// The update that leaves it, of a row that a collector is to find again.
    pub(crate) fn onto(&self, update: Update, shard_key: &str) -> Update {
        if self.by_store {
            // Stores remove rows late and in any order, and this one has to be the last of its kind.
            let last = Self { until: self.until.saturating_add(LATEST_REMOVAL), ..*self };
            return last.expire(update).remove(DUE_SHARD).remove(DUE_ORDER);
        }
        update.set(DUE_SHARD, layout::garbage_shard(shard_key)).set(DUE_ORDER, self.until)
    }

    /// The same of a row that goes with another.
    fn beside(&self, update: Update) -> Update {
        let update = update.remove(DUE_SHARD).remove(DUE_ORDER);
        if self.by_store { self.expire(update) } else { update }
    }

    fn expire(&self, update: Update) -> Update {
        update.set(EXPIRES, self.until.div_ceil(1000))
    }
}

/// Everything in the partition of a root: its intent, and the other rows.
pub(crate) async fn contents(
    store: &dyn Store,
    request_key: &str,
) -> Result<(Option<Row>, Vec<(Key, Row)>)> {
    let mut rows = all(store, layout::root_partition(request_key)).await?;
    let key = layout::intent_row(request_key);
    let intent = rows.iter().position(|(at, _)| *at == key);
    Ok((intent.map(|at| rows.remove(at).1), rows))
}

async fn all(store: &dyn Store, partition: String) -> Result<Vec<(Key, Row)>> {
    let (prefix, limit) = (String::new(), usize::MAX);
    let mut query = Query { partition, prefix, descending: false, limit, after: None };
    let mut rows = Vec::new();
    loop {
        let page = store.query(&query).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(rows),
        }
    }
}

/// Puts the list of items of a root that is about to finish, where it is too long for its intent.
pub(crate) async fn put_items(
    store: &dyn Store,
    request_key: &str,
    by: &str,
    items: &[ItemKey],
) -> Result<()> {
    for (number, part) in items.chunks(ITEMS_IN_A_ROW).enumerate() {
        let list = part.iter().map(|item| Value::map(named(item))).collect();
        let update = Update::when(Condition::always()).set(begun::ITEMS, Value::List(list));
        store.update(&layout::items_row(request_key, by, number), &update).await?;
    }
    Ok(())
}

/// So many names of tables and keys fit into a row at their longest.
const ITEMS_IN_A_ROW: usize = 128;

/// The items whose heads a finished root may have left with marks.
pub(crate) fn items(intent: &Intent, contents: &[(Key, Row)]) -> Result<Vec<ItemKey>> {
    let mut items = intent.left.items.clone();
    for (key, row) in contents {
        if let Some((_, retry)) = layout::parse_decision(&key.sort) {
            let decision = Decision::read(&intent.request_key, retry, row)?;
            items.extend(decision.items().cloned());
        } else if let Some(Value::List(part)) = row.get(begun::ITEMS) {
            let damaged = || StoreError::Corrupt(format!("the list of items {key}"));
            let part: Option<Vec<_>> = part.iter().map(item_key).collect();
            items.extend(part.ok_or_else(damaged)?);
        }
    }
    Ok(items)
}

/// Empties everything in the partition of a finished root but its intent; returns how many slots and
/// decisions there were.
pub(crate) async fn empty_contents(
    store: &dyn Store,
    contents: &[(Key, Row)],
    left: &Tombstone,
) -> Result<(usize, usize)> {
    let (mut slots, mut decisions) = (0, 0);
    for (key, _) in contents {
        if layout::parse_slot(&key.sort).is_some() {
            slots += 1;
            empty(store, key, left.beside(emptied_slot()), Weakness::DeletedSlots).await?;
        } else if layout::parse_decision(&key.sort).is_some() {
            decisions += 1;
            empty(store, key, left.beside(emptied_decision()), Weakness::DeletedDecisions).await?;
        } else {
            store.delete(key, &Condition::always()).await?;
        }
    }
    Ok((slots, decisions))
}

/// Empties a row.
async fn empty(store: &dyn Store, key: &Key, update: Update, deleted: Weakness) -> Result<()> {
    if weakness::is(deleted) {
        return store.delete(key, &Condition::always()).await.map(drop);
    }
    store.update(key, &update).await.map(drop)
}

fn emptied_slot() -> Update {
    let whole = Condition::exists(slot::ENTRIES);
    let update = Update::when(whole).set(slot::BY, COLLECTED);
    update.remove(slot::ENTRIES).remove(slot::CODE).remove(slot::PARTS)
}

fn emptied_decision() -> Update {
    let mut update = Update::when(Condition::exists(decided::BY)).set(decided::OUTCOME, COLLECTED);
    update.remove = [
        decided::BY,
        decided::WRITES,
        decided::READS,
        decided::SENDS,
        decided::PREPARED,
        decided::INSTANCE,
        decided::CODE,
        decided::ENTRY,
        decided::ROOT,
    ]
    .map(str::to_owned)
    .into();
    update
}

/// What stands in an emptied row in the place of who wrote it, or of what was decided.
const COLLECTED: &str = "collected";

/// Removes what is left of a root below the horizon.
pub(crate) async fn remove_root(
    store: &dyn Store,
    left: &Intent,
    contents: &[(Key, Row)],
    horizon: Epoch,
) -> Result<()> {
    for (key, row) in contents {
        // A new request under an old key may have begun: its rows are not meant.
        let (id, same) = match row.text(decided::TXN) {
            Some(txn) => (Id::parse(txn), Condition::equals(decided::TXN, txn)),
            None => (layout::instance_of(&key.sort), Condition::always()),
        };
        if id.is_none_or(|id| id.epoch() < horizon) {
            store.delete(key, &same).await?;
        }
    }
    intent::forget(store, left).await.map(drop)
}

/// Looks at a garbage row again later; tells whether it was still there, in that place.
pub(crate) async fn postpone(
    store: &dyn Store,
    key: &Key,
    shard_key: &str,
    seen: Epoch,
    until: Epoch,
) -> Result<bool> {
    let when = Condition::All(vec![
        Condition::equals(DUE_SHARD, layout::garbage_shard(shard_key)),
        Condition::equals(DUE_ORDER, seen),
    ]);
    let updated = store.update(key, &Update::when(when).set(DUE_ORDER, until)).await?;
    Ok(matches!(updated, Updated::Applied(_)))
}

/// Takes a row out of the garbage.
pub(crate) async fn unlist(store: &dyn Store, key: &Key, shard_key: &str) -> Result<()> {
    let when = Condition::equals(DUE_SHARD, layout::garbage_shard(shard_key));
    let update = Update::when(when).remove(DUE_SHARD).remove(DUE_ORDER);
    store.update(key, &update).await.map(drop)
}

/// Empties a prepare record.
pub(crate) async fn empty_prepare(store: &dyn Store, key: &Key, left: &Tombstone) -> Result<()> {
    let whole = Condition::exists(prepared::WRITES);
    let mut update = Update::when(whole).set(prepared::BY, COLLECTED);
    let gone =
        [prepared::BEFORE, prepared::WRITES, prepared::READS, prepared::SENDS, prepared::RESULT];
    update.remove = gone.map(str::to_owned).into();
    let update = left.onto(update, &key.partition);
    empty(store, key, update, Weakness::DeletedPrepareRecords).await
}

/// Removes what is left of a prepare record.
pub(crate) async fn remove_prepare(store: &dyn Store, key: &Key) -> Result<bool> {
    store.delete(key, &Condition::absent(prepared::WRITES)).await
}

/// Removes an abort that no intent stands for.
pub(crate) async fn remove_abort(
    store: &dyn Store,
    key: &Key,
    root: &str,
    seen: Epoch,
) -> Result<bool> {
    let same = Condition::All(vec![
        Condition::equals(DUE_SHARD, layout::garbage_shard(root)),
        Condition::equals(DUE_ORDER, seen),
    ]);
    store.delete(key, &same).await
}

/// Empties the intent of a finished root, whose other rows are empty by now.
pub(crate) async fn empty_intent(
    store: &dyn Store,
    intent: &Intent,
    left: &Tombstone,
    is_over: bool,
) -> Result<()> {
    if weakness::is(Weakness::DeletedIntents) {
        let key = layout::intent_row(&intent.request_key);
        return store.delete(&key, &Condition::always()).await.map(drop);
    }
    intent::empty(store, intent, left, is_over).await
}
