//! Transactions under crashes, second attempts, and lost, doubled and late requests: all or nothing,
//! money conserved, no lock left.
//!
//! | file | what it holds |
//! |---|---|
//! | `bank` | transfers, alone and nested, disturbed everywhere |
//! | `federation` | calls and transactions across two owners' services |
//! | `rivals` | two services: rivals in opposite order, and payments that a nested block takes back |
//! | `counterexamples` | each schedule that breaks a weaker protocol, safe here and broken there |
//! | `decisions` | what was decided stands, whoever lost sight of it |
//! | `locks` | locks outside of transactions: exclusive, durable, released with their root |
//! | `opacity` | what a block sees fits together, in every try |
//! | `snapshots` | read-only transactions: consistent, cheap, never blocked |
//! | `limits` | keys, size, waits; what may not be done inside |
//! | `liveness` | nobody starves, and the dead hold nobody up for long |

mod bank;
mod counterexamples;
mod decisions;
mod federation;
mod limits;
mod liveness;
mod locks;
mod opacity;
mod rivals;
#[path = "../common/schedule.rs"]
mod schedule;
mod snapshots;

use beldi::testing::World;
use beldi::{Error, Reason, Table};

const VALUES: Table<str, u64> = Table::new("values");

/// Adds one to each, in order, as one transaction; returns what the first was.
#[beldi::txn]
async fn add_one(keys: Vec<String>) -> Result<u64, String> {
    let mut first = None;
    for key in &keys {
        let value = VALUES.get(key).await.unwrap_or(0);
        VALUES.put(key, &(value + 1)).await;
        first.get_or_insert(value);
    }
    first.ok_or("nothing to add to".to_owned())
}

/// A plain write.
#[beldi::ssf]
async fn set((key, value): (String, u64)) {
    VALUES.put(&key, &value).await;
}

/// A plain read.
#[beldi::ssf(read_only)]
async fn look(key: String) -> Option<u64> {
    VALUES.get(&key).await
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// Asks again when told to: whom it waits for may have crashed more than once.
async fn answered<T>(ask: impl AsyncFn() -> beldi::Result<T>) -> T {
    for _ in 0..5 {
        if let Ok(answer) = ask().await {
            return answer;
        }
    }
    ask().await.unwrap()
}

/// Why a call got no result.
#[track_caller]
fn reason(error: Error) -> Reason {
    match error {
        Error::Failed { reason } | Error::Parked { reason, .. } => reason,
        error => panic!("{error}"),
    }
}

/// No row is locked.
#[track_caller]
fn assert_unlocked(world: &World) {
    let locked: Vec<_> =
        world.stored().into_iter().filter(|(_, row)| row.get("l").is_some()).collect();
    assert!(locked.is_empty(), "locks are left: {locked:?}");
}
