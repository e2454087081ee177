//! Turns: whose a locked item is next, so that the oldest transaction that waits is not overtaken for
//! ever by younger ones that happen to look in the right moment.
//!
//! A turn is an attribute of the head beside the lock: the oldest transaction that waits, and since
//! when. Who waits **asks** for it in one update, *if* the same holder still has the item and nobody
//! older the turn. A younger transaction that finds the item free but promised leaves it alone, and
//! whoever locks it for a transaction ends the turn. It is a hint and nothing rests on it: a turn that was
//! lost, doubled, late, or left behind by a crash only lets somebody wait for [`LASTS`], or not wait.

use crate::id::Id;
use crate::protocol::daal::Item;
use crate::protocol::layout::item as attr;
use crate::protocol::lock::{Lock, held_by};
use crate::store::{Compare, Condition, Row, StoreError, Update, Updated};
use crate::value::Value;

/// How long a turn counts, in milliseconds, unless it is asked for again.
const LASTS: u64 = 2000;

/// The transaction whose an item is next, and since when it counts.
fn of(row: &Row) -> Option<(Id, u64)> {
    let Some(Value::Bytes(txn)) = row.get(attr::TURN) else { return None };
    let since = u64::try_from(row.int(attr::TURN_SINCE)?).ok()?;
    Some((Id::from_bytes(txn)?, since))
}

/// Whether a transaction has to leave an item to an older one.
pub(crate) fn is_anothers(row: &Row, txn: Id, now: u64) -> bool {
    of(row).is_some_and(|(first, since)| first < txn && since + LASTS > now)
}

/// The same as a condition, the other way round.
pub(super) fn is_no_others(txn: Id, now: u64) -> Condition {
    let over = now.saturating_sub(LASTS);
    Condition::Any(vec![
        Condition::absent(attr::TURN),
        Condition::compares(attr::TURN, Compare::GreaterOrEqual, txn.bytes()),
        Condition::compares(attr::TURN_SINCE, Compare::LessOrEqual, over),
    ])
}

/// Ends whatever turn there is.
pub(super) fn end(update: Update) -> Update {
    update.remove(attr::TURN).remove(attr::TURN_SINCE)
}

/// Asks for the next turn at a locked item, whose row was just read; tells whether it is granted.
pub(crate) async fn ask(
    item: &Item<'_>,
    lock: &Lock,
    row: &Row,
    txn: Id,
    now: u64,
) -> Result<bool, StoreError> {
    let has_it = of(row).is_some_and(|(first, since)| first == txn && since + LASTS / 2 > now);
    if has_it || is_anothers(row, txn, now) {
        return Ok(has_it);
    }
    let when = Condition::All(vec![held_by(&lock.holder), is_no_others(txn, now)]);
    let update = Update::when(when).set(attr::TURN, txn.bytes()).set(attr::TURN_SINCE, now);
    Ok(matches!(item.send(&update).await?, Updated::Applied(_)))
}
