//! What becomes of the rows of an item: its older log rows, and its head once nothing is left in it.
//!
//! **An older row** whose largest epoch is below the horizon, and whose foreign tombstones are below what
//! their services have told: first the head is fenced, for every mark
//! in it, then the row is deleted, if it is still the one that was looked at. The other way round, a
//! late attempt would search the older rows in vain and write again. A late helper may put the row
//! again; it is in the index then, and goes again.
//!
//! **A head** without a value, marks or lock is kept for the redelivery window after its last marks
//! went, because of its fences, and then deleted if it is still so.

use super::{Tombstone, all};
use crate::id::Epoch;
use crate::protocol::daal::{Item, absent_or};
use crate::protocol::layout::{self, item as attr};
use crate::protocol::lock::Lock;
use crate::protocol::prune::{Fences, Mark, marks};
use crate::store::{Compare, Condition, DUE_ORDER, DUE_SHARD, Key, Result, Row, Update, Updated};
use crate::weakness::{self, Weakness};

/// Removes an older row that is behind the horizon, unless it holds a tombstone that is needed; tells
/// whether it is gone.
pub(crate) async fn remove_older(item: &Item<'_>, key: &Key, row: &Row) -> Result<bool> {
    let marks = || row.0.keys().filter_map(|name| Mark::of(name));
    if !marks().all(|mark| item.has_expired(&mark)) {
        return Ok(false);
    }
    let head = item.read_head().await?;
    let fences = Fences::for_marks(item, marks(), &head);
    let is_safe = head.0.is_empty() || fences.stand_in(&head);
    if !is_safe && !weakness::is(Weakness::OlderRowsWithoutFence) {
        // What can be spilled has counted its marks; a spill on its way may still take them.
        let fence = fences.onto(Update::when(Condition::exists(attr::MARKS)));
        let fenced = item.send(&fence).await?;
        if !matches!(fenced, Updated::Applied(_)) {
            return Ok(false);
        }
    }
    // A late helper may have put another row of this generation in its place.
    let same = match row.get(attr::SPILLED) {
        Some(spilled) => Condition::equals(attr::SPILLED, spilled.clone()),
        None => Condition::absent(attr::SPILLED),
    };
    item.store.delete(key, &same).await
}

/// Prunes the head of an item that was just read, and notes until when it is kept if nothing is left
/// in it. Returns how many marks went.
pub(crate) async fn tidy(item: &Item<'_>, row: Row, until: Epoch) -> Result<usize> {
    let (pruned, row) = item.prune(row, until).await?;
    if is_bare(&row) && !row.0.is_empty() && row.due().is_none() {
        let left = Tombstone { until, by_store: false };
        item.send(&left.onto(Update::when(bare()), item.key)).await?;
    }
    Ok(pruned)
}

/// Lists a head without a value, after a change that no finished root will name, for the garbage
/// collector to look at it.
pub(crate) async fn list_bare(item: &Item<'_>, row: &Row) -> Result<()> {
    if row.get(attr::VALUE).is_some() || row.due().is_some() {
        return Ok(());
    }
    let epochs = row.0.keys().filter_map(|name| Some(Mark::of(name)?.epoch()));
    let Some(newest) = epochs.max() else { return Ok(()) };
    let when = [attr::VALUE, attr::LOCK, DUE_SHARD].map(Condition::absent);
    let left = Tombstone { until: newest, by_store: false };
    let update = left.onto(Update::when(Condition::All(when.into())), item.key);
    item.send(&update).await.map(drop)
}

/// Removes a head in which nothing was left for the window; tidies one in which there was something,
/// and takes one with a value out of the garbage. Tells whether it is gone.
pub(crate) async fn remove_head(item: &Item<'_>, row: Row, until: Epoch) -> Result<bool> {
    let key = layout::head(item.table, item.key);
    if row.get(attr::VALUE).is_some() {
        let when = vec![
            Condition::exists(attr::VALUE),
            Condition::equals(DUE_SHARD, layout::garbage_shard(item.key)),
        ];
        let unlisted = Update::when(Condition::All(when)).remove(DUE_SHARD).remove(DUE_ORDER);
        item.send(&unlisted).await?;
        return Ok(false);
    }
    let Some((_, order)) = row.due() else { return Ok(false) };
    let is_over = is_bare(&row);
    // A writer that counts generations anew must not find the rows of old ones.
    let older = layout::older_partition(item.table, item.key);
    if is_over && (row.get(attr::GENERATION).is_none() || all(item.store, older).await?.is_empty())
    {
        let same = Condition::All(vec![bare(), Condition::equals(DUE_ORDER, order)]);
        return item.store.delete(&key, &same).await;
    }
    let pruned = tidy(item, row, until).await?;
    if pruned == 0 {
        super::postpone(item.store, &key, item.key, order, until).await?;
    }
    Ok(false)
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
