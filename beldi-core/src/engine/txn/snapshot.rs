//! Read-only transactions: read, read again, and show only what did not change in between.
//!
//! Nothing is locked and nothing is written. The values of a snapshot were all current at one
//! instant: the end of the last read before a second look found every version as it was. That holds
//! for each value before the handler sees it. Who meets a lock asks for the decision
//! ([`txn::current`](crate::protocol::txn::current)); a commit that is not in place yet counts as one
//! version more, so a snapshot sees all of a transaction or nothing.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::steps::Retry;
use crate::engine::locks::millis;
use crate::engine::{Step, Stop};
use crate::error::Reason;
use crate::protocol::daal;
use crate::protocol::txn::{self, ItemKey};
use crate::value::Value;
use crate::weakness::{self, Weakness};

/// What a read-only transaction has seen.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Held while one step reads: the next has to fit to what that one saw.
    seen: tokio::sync::Mutex<Seen>,
}

type Seen = BTreeMap<ItemKey, (Option<Value>, u64)>;

impl Snapshot {
    pub(in crate::engine) async fn get_many(
        &self,
        step: &Step,
        table: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Value>>, Stop> {
        let items: Vec<ItemKey> = keys.iter().map(|key| (table.to_owned(), key.clone())).collect();
        let mut seen = self.seen.lock().await;
        let mut new: Vec<ItemKey> = items.clone();
        new.retain(|item| !seen.contains_key(item));
        new.sort();
        new.dedup();
        if !new.is_empty() {
            let found = read_with(step, &seen, new).await?;
            seen.extend(found);
        }
        Ok(items.iter().map(|item| seen.get(item).and_then(|(value, _)| value.clone())).collect())
    }
}

/// Reads items until they fit together and to what was seen.
async fn read_with(step: &Step, seen: &Seen, new: Vec<ItemKey>) -> Result<Seen, Stop> {
    let service = step.service();
    let deadline = service.outside.now() + millis(service.limits.lock_wait);
    let mut found = read(step, new).await?;
    if weakness::is(Weakness::SnapshotWithoutValidation) {
        return Ok(found);
    }
    loop {
        // One item alone is current when it is read; two may be from different times.
        let alone = found.len() == 1;
        let again = if alone { Vec::new() } else { found.keys().cloned().collect() };
        let old: Vec<ItemKey> = seen.keys().cloned().collect();
        let mut now = read(step, [old, again].concat()).await?;
        if let Some((table, key)) = changed(seen, &now) {
            return Err(overtaken(table, key));
        }
        now.retain(|item, _| !seen.contains_key(item));
        if alone || changed(&found, &now).is_none() {
            return Ok(found);
        }
        if service.outside.now() >= deadline {
            let (table, key) = changed(&found, &now).unwrap_or_default();
            return Err(Stop::Fail(restless(table, key)));
        }
        found = now;
    }
}

async fn read(step: &Step, items: Vec<ItemKey>) -> Result<Seen, Stop> {
    let service = step.service();
    let reads = items.into_iter().map(async |(table, key)| {
        let row = daal::read(&service.store, &table, &key).await?;
        let current = txn::current(service, &service.store, &table, &key, row).await?;
        Ok::<_, Stop>(((table, key), current))
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

/// An item that has another version now.
fn changed<'a>(before: &'a Seen, now: &Seen) -> Option<(&'a str, &'a str)> {
    // Without a value, versions may have begun anew.
    let seen = |(value, version): &(Option<Value>, u64)| (value.is_some(), *version);
    let other = |(item, before): &(&ItemKey, &(Option<Value>, u64))| {
        now.get(*item).is_none_or(|now| seen(now) != seen(before))
    };
    before.iter().find(other).map(|((table, key), _)| (&**table, &**key))
}

fn overtaken(table: &str, key: &str) -> Stop {
    let reason = restless(table, key);
    Stop::Retry(Box::new(Retry { transaction: None, is_taken_over: false, met: None, reason }))
}

fn restless(table: &str, key: &str) -> Reason {
    let key = key.escape_debug();
    Reason::new(
        "snapshot",
        format!(
            "`{key}` in table `{table}` changes so often that no snapshot could be taken; read what \
             belongs together with one `get_many`, or in a transaction that locks"
        ),
    )
}
