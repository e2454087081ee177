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
//! duplicate of the request with the first result. Parts of slots decide nothing, and are deleted.
//!
//! **A tombstone** stays for the redelivery window. That of a root which a `send` or another service
//! began also stays until the root it came from is behind its own horizon: until then another attempt
//! may send it again, however late. Then the rows of the partition are deleted, the intent last.
//!
//! **An older row** whose largest epoch is below the horizon: first the head is fenced, then the row is
//! deleted. The other way round, a late attempt would search the older rows in vain and write again.
//! A late helper may put the row again; it is in the index then, and goes again.
//!
//! **A head** without a value, marks or lock is kept for the redelivery window after its last mark
//! went, because of its fence, and then deleted if it is still so.
//!
//! **An abort** of a root that was never registered has no intent to go with. It is kept for the window
//! too: it refuses the late decision of the try it aborted.
//!
//! **A prepare record** is emptied once the coordinator has told that its transaction is swept, and
//! removed after the window.

use crate::id::{Epoch, Id};
use crate::protocol::daal::{self, Item, absent_or};
use crate::protocol::intent::{self, Intent};
use crate::protocol::layout::{self, decision as decided, item as attr, prepare as prepared, slot};
use crate::protocol::lock::Lock;
use crate::protocol::prune::{Mark, marks};
use crate::protocol::txn::{Decision, ItemKey};
use crate::store::{
    Compare, Condition, DUE_ORDER, DUE_SHARD, EXPIRES, Key, Query, Result, Row, Store, Update,
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

impl Tombstone {
    /// The update that leaves it, of a row that a collector is to find again.
    pub(crate) fn onto(&self, update: Update, shard_key: &str) -> Update {
        if self.by_store {
            return self.expire(update).remove(DUE_SHARD).remove(DUE_ORDER);
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

/// Everything in the partition of a root but its intent.
pub(crate) async fn contents(store: &dyn Store, request_key: &str) -> Result<Vec<(Key, Row)>> {
    let mut rows = all(store, layout::root_partition(request_key)).await?;
    let intent = layout::intent_row(request_key);
    rows.retain(|(key, _)| *key != intent);
    Ok(rows)
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

/// The items whose heads a finished root may have left with marks.
pub(crate) fn items(intent: &Intent, contents: &[(Key, Row)]) -> Result<Vec<ItemKey>> {
    let mut items = intent.items.clone();
    for (key, row) in contents {
        if let Some((_, retry)) = layout::parse_decision(&key.sort) {
            let decision = Decision::read(&intent.request_key, retry, row)?;
            items.extend(decision.items().cloned());
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

/// Removes what is left of a root below the horizon; returns how many rows that were.
pub(crate) async fn remove_root(
    store: &dyn Store,
    request_key: &str,
    horizon: Epoch,
) -> Result<usize> {
    let mut removed = 0;
    for (key, row) in contents(store, request_key).await? {
        // A new request under an old key may have begun: its rows are not meant.
        let (id, same) = match row.text(decided::TXN) {
            Some(txn) => (Id::parse(txn), Condition::equals(decided::TXN, txn)),
            None => (layout::instance_of(&key.sort), Condition::always()),
        };
        if id.is_some_and(|id| id.epoch() < horizon) {
            removed += usize::from(store.delete(&key, &same).await?);
        }
    }
    Ok(removed + usize::from(intent::forget(store, request_key).await?))
}

/// Removes an older row that is behind the horizon, or leaves it if it holds a tombstone that is
/// needed; tells whether it is gone.
pub(crate) async fn remove_older(item: &Item<'_>, key: &Key, row: &Row) -> Result<bool> {
    let expired = |(name, value): (&String, &Value)| {
        Mark::of(name, value).is_none_or(|mark| item.has_expired(&mark))
    };
    if !row.0.iter().all(expired) {
        return Ok(false);
    }
    if !weakness::is(Weakness::OlderRowsWithoutFence) {
        let horizon = item.horizons.own();
        let lower = absent_or(attr::FENCE, Compare::Less, horizon);
        let when = Condition::All(vec![Condition::exists(attr::GENERATION), lower]);
        item.send(&Update::when(when).set(attr::FENCE, horizon)).await?;
    }
    item.store.delete(key, &Condition::always()).await?;
    Ok(true)
}

/// Prunes the head of an item, and notes until when it is kept if nothing is left in it. Returns how
/// many marks went.
pub(crate) async fn tidy(item: &Item<'_>, row: Row, until: Epoch) -> Result<usize> {
    let (pruned, row) = item.prune(row).await?;
    let is_new = pruned > 0 || row.due().is_none();
    if is_bare(&row) && !row.0.is_empty() && is_new {
        let update = Update::when(bare());
        let left = Tombstone { until, by_store: false };
        item.send(&left.onto(update, item.key)).await?;
    }
    Ok(pruned)
}

/// Removes a head if nothing is left in it, or takes it out of the garbage; tells whether it is gone.
pub(crate) async fn remove_head(item: &Item<'_>, until: Epoch) -> Result<bool> {
    let row = daal::read(item.store, item.table, item.key).await?;
    let key = layout::head(item.table, item.key);
    if !is_bare(&row) {
        unlist(item.store, &key, item.key).await?;
        return Ok(false);
    }
    // A writer that counts generations anew must not find the rows of old ones.
    let older = layout::older_partition(item.table, item.key);
    if row.get(attr::GENERATION).is_some() && !all(item.store, older).await?.is_empty() {
        postpone(item.store, &key, item.key, until).await?;
        return Ok(false);
    }
    item.store.delete(&key, &bare()).await
}

/// Whether a head has neither value nor marks nor lock.
fn is_bare(row: &Row) -> bool {
    row.get(attr::VALUE).is_none() && marks(row) == 0 && matches!(Lock::of(row), Ok(None))
}

fn bare() -> Condition {
    Condition::All(vec![
        Condition::absent(attr::VALUE),
        Condition::absent(attr::LOCK),
        absent_or(attr::MARKS, Compare::LessOrEqual, 0),
    ])
}

/// Looks at a garbage row again later.
pub(crate) async fn postpone(
    store: &dyn Store,
    key: &Key,
    shard_key: &str,
    until: Epoch,
) -> Result<()> {
    let when = Condition::equals(DUE_SHARD, layout::garbage_shard(shard_key));
    store.update(key, &Update::when(when).set(DUE_ORDER, until)).await.map(drop)
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
        [prepared::SERVICE, prepared::WRITES, prepared::READS, prepared::SENDS, prepared::RESULT];
    update.remove = gone.map(str::to_owned).into();
    let update = left.onto(update, &key.partition);
    empty(store, key, update, Weakness::DeletedPrepareRecords).await
}

/// Removes what is left of a prepare record.
pub(crate) async fn remove_prepare(store: &dyn Store, key: &Key) -> Result<bool> {
    store.delete(key, &Condition::absent(prepared::WRITES)).await
}

/// Removes an abort that no intent stands for.
pub(crate) async fn remove_abort(store: &dyn Store, key: &Key, root: &str) -> Result<bool> {
    store.delete(key, &Condition::equals(DUE_SHARD, layout::garbage_shard(root))).await
}

/// Leaves a tombstone that has run out to a store which removes such rows by itself.
pub(crate) async fn leave_to_store(store: &dyn Store, key: &Key, left: &Tombstone) -> Result<()> {
    let update = left.onto(Update::when(Condition::exists(DUE_SHARD)), "");
    store.update(key, &update).await.map(drop)
}

/// Empties the intent of a finished root, whose other rows are empty by now.
pub(crate) async fn empty_intent(
    store: &dyn Store,
    intent: &Intent,
    left: &Tombstone,
) -> Result<()> {
    if weakness::is(Weakness::DeletedIntents) {
        let key = layout::intent_row(&intent.request_key);
        return store.delete(&key, &Condition::always()).await.map(drop);
    }
    intent::empty(store, intent, left).await
}
