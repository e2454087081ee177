//! What each operation may cost, held exactly: sequential round trips, operation by
//! operation, of whole roots, and of replays.

#[path = "../examples/costs/measure.rs"]
mod measure;
#[path = "../examples/costs/transactions.rs"]
mod transactions;

use std::time::Duration;

use beldi::App;
use beldi::store::MemoryStore;
use beldi::testing::{FaultyStore, World, in_virtual_time};
use measure::{COUNTS, Costs, lap, measured, millis, replay};
use tokio::time::Instant;
use transactions::TransactionCosts;

#[test]
fn operations_cost_what_they_may() {
    let limits = Costs {
        get: 1,
        put: 1,
        delete: 1,
        put_when_true: 1,
        put_when_false: 2,
        update: 2,
        call: 0,
        send: 1,
        root_start: 1,
        root_finish: 0,
        read_only_tree_of_5: 5,
        // The journal in one query beside the claim, and the put after the last slot once more.
        replay_of_100_steps: 2,
    };
    assert_eq!(measure::measure(), limits);
}

/// n items, r callees in other services: n + r + 1 to the reply, whatever is called in between.
#[test]
fn transactions_cost_what_they_may() {
    let limits = TransactionCosts {
        lock: 1,
        of_2_items: 3,
        of_2_callees: 3,
        until_unlocked: 1,
        of_1_item_elsewhere: 3,
        snapshot_of_2_items: 2,
        get_of_a_locked_item: 2,
    };
    assert_eq!(transactions::measure(), limits);
}

#[beldi::ssf]
async fn in_turn(operations: String) {
    for operation in operations.split(", ") {
        match operation {
            "get" => drop(COUNTS.get("a").await),
            "five gets" => drop(COUNTS.get_many(["a", "b", "c", "d", "e"]).await),
            "hundred calls" => {
                for _ in 0..100 {
                    nothing().await;
                }
            }
            _ => COUNTS.put("a", &1).await,
        }
    }
}

#[beldi::ssf]
async fn nothing() {}

/// A whole root without a key of its own, from the request to the reply.
fn whole(operations: &str) -> u64 {
    in_virtual_time(async {
        let store = FaultyStore::new(MemoryStore::new());
        store.latency(|| Duration::from_millis(1));
        let host = App::new("costs").ssf(in_turn).ssf(nothing).open(store).unwrap();
        let asked = Instant::now();
        host.call(in_turn(operations.to_owned())).await.unwrap();
        millis(asked, Instant::now())
    })
}

/// Observations ride in one write before the next effect, and registration rides with the first.
#[test]
fn handlers_cost_their_operations_and_their_alternations() {
    // get, intent with slot, put
    assert_eq!(whole("get, put"), 3);
    // intent, put, get, slot
    assert_eq!(whole("put, get"), 4);
    // gets side by side, intent with slot, put
    assert_eq!(whole("five gets, put"), 3);
    // get: nobody relies on the reply but who has it
    assert_eq!(whole("get"), 1);
    // nothing: a root without effects leaves no trace, however many calls it makes
    assert_eq!(whole("hundred calls"), 0);
}

#[beldi::ssf]
async fn thousand_puts() {
    for step in 0..1000_u64 {
        COUNTS.put(&format!("row-{step}"), &step).await;
    }
    lap();
    COUNTS.put("new", &1).await;
}

/// Blind writes log nothing, but a replay of very many must not issue all of them again.
#[test]
fn a_replay_of_a_thousand_blind_writes_is_short() {
    let setup = || measured(World::new(App::new("costs").ssf(thousand_puts)));
    let replayed = replay(setup, async |world| drop(world.call(thousand_puts()).await));
    assert!(replayed <= 1 + 64, "{replayed} round trips");
}
