//! What a program without beldi would send: no marks, no log. Only for comparison.
//!
//! The rows are those of the linked DAAL, so the same tables can be read afterwards; nothing here
//! survives a request delivered twice, a reply that is lost, or a second attempt.

use crate::error::Reason;
use crate::protocol::daal::{Change, Refusal};
use crate::protocol::layout::{self, item};
use crate::store::{Condition, Store, Update, Updated};
use crate::value::Value;

/// An unconditional or conditional write: one round trip.
pub(crate) async fn write(
    store: &dyn Store,
    table: &str,
    key: &str,
    change: Change,
    when: Option<&Condition>,
) -> Result<bool, Refusal> {
    let when = when.map_or_else(Condition::always, |condition| condition.inside(item::VALUE));
    let updated = store.update(&layout::head(table, key), &plain(when, change)).await?;
    Ok(matches!(updated, Updated::Applied(_)))
}

/// A read and a write on condition that nothing came between, until it works: two round trips.
pub(crate) async fn update(
    store: &dyn Store,
    table: &str,
    key: &str,
    change: &mut (dyn FnMut(Option<Value>) -> Result<(Change, Value), Reason> + Send),
) -> Result<Value, Refusal> {
    let head = layout::head(table, key);
    loop {
        let row = store.get(&head).await?.unwrap_or_default();
        let unchanged = match row.get(item::VERSION) {
            Some(version) => Condition::equals(item::VERSION, version.clone()),
            None => Condition::absent(item::VERSION),
        };
        let (change, outcome) = change(row.0.get(item::VALUE).cloned()).map_err(Refusal::Value)?;
        if let Updated::Applied(_) = store.update(&head, &plain(unchanged, change)).await? {
            return Ok(outcome);
        }
    }
}

fn plain(when: Condition, change: Change) -> Update {
    let update = Update::when(when);
    match change {
        Change::Put(value) => update.set(item::VALUE, value).add(item::VERSION, 1),
        Change::Delete => update.remove(item::VALUE).add(item::VERSION, 1),
        Change::Keep => update,
    }
}
