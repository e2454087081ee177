//! Read-only transactions: consistent while others write, cheap, and blocked by nobody. (That one
//! cannot write does not compile otherwise: `beldi-macros/tests/ui`.)

use std::time::Duration;

use beldi::testing::{Fault, Gate, RequestKind, Weakness, World, in_virtual_time};
use beldi::{App, Table};
use futures_util::future::join_all;

use crate::schedule::{dies, disturb, held};
use crate::{VALUES, add_one, assert_unlocked, owned};

const ACCOUNTS: Table<u64, u64> = Table::new("accounts");
const SUM: u64 = 40;

#[beldi::txn]
async fn transfer((from, to): (u64, u64)) -> Result<(), ()> {
    let left = ACCOUNTS.get(&from).await.unwrap_or(0).checked_sub(1).ok_or(())?;
    let there = ACCOUNTS.get(&to).await.unwrap_or(0);
    ACCOUNTS.put(&from, &left).await;
    ACCOUNTS.put(&to, &(there + 1)).await;
    Ok(())
}

/// Once with one read, once in two parts.
#[beldi::txn(read_only)]
async fn sums() -> (u64, u64) {
    let all: u64 = ACCOUNTS.get_many([0, 1, 2, 3]).await.into_iter().flatten().sum();
    let first: u64 = ACCOUNTS.get_many([0, 1]).await.into_iter().flatten().sum();
    (all, first + ACCOUNTS.get_many([2, 3]).await.into_iter().flatten().sum::<u64>())
}

#[beldi::txn(read_only)]
async fn values(keys: Vec<String>) -> Vec<Option<u64>> {
    VALUES.get_many(&keys).await
}

fn world() -> World {
    let app = App::new("snapshots").ssf(transfer).ssf(sums).ssf(values).ssf(add_one);
    (0..4).fold(World::new(app), |world, account| world.row(ACCOUNTS, &account, &(SUM / 4)))
}

/// Values, and how many round trips they took.
async fn measured(world: &World, keys: &[&str]) -> (Vec<Option<u64>>, u64) {
    let asked = world.now();
    let seen = world.new_host().call(values(owned(keys))).await.unwrap();
    (seen, world.now() - asked)
}

/// Eight clients transfer while two take snapshots; whether every snapshot had the whole sum.
fn sums_while_transfers_run() -> bool {
    in_virtual_time(async {
        let world = world();
        let mut turn = 0;
        world.store().latency(move || {
            turn = (turn * 7 + 3) % 11;
            Duration::from_millis(1 + turn)
        });
        let transfers = (0..8_u64).map(async |client| {
            for round in 0..10 {
                let pair = (client % 4, (client + 1 + round % 3) % 4);
                let _ = world.call(transfer(pair)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50 * (client % 3))).await;
            }
        });
        let snapshots = (0..2).map(async |_| {
            let mut whole = true;
            for _ in 0..25 {
                whole &= world.call(sums()).await.unwrap() == (SUM, SUM);
            }
            whole
        });
        let (_, whole) = tokio::join!(join_all(transfers), join_all(snapshots));
        world.settle().await.unwrap();
        assert_unlocked(&world);
        assert_eq!(world.rows(ACCOUNTS).into_iter().map(|(_, left)| left).sum::<u64>(), SUM);
        whole.into_iter().all(|whole| whole)
    })
}

#[test]
fn a_snapshot_is_of_one_instant_while_transfers_run() {
    assert!(sums_while_transfers_run());
    let weak = Weakness::SnapshotWithoutValidation.during(sums_while_transfers_run);
    assert!(!weak, "without a second look a transfer is seen half");
}

#[test]
fn a_snapshot_of_one_item_takes_one_round_trip_and_of_several_two() {
    in_virtual_time(async {
        let world = world();
        world.store().latency(|| Duration::from_millis(1));
        assert_eq!(measured(&world, &["x"]).await, (vec![None], 1));
        assert_eq!(measured(&world, &["x", "y", "z"]).await, (vec![None; 3], 2));
    });
}

#[test]
fn a_commit_that_is_not_in_place_is_seen_for_one_round_trip_more() {
    in_virtual_time(async {
        let world = world();
        world.store().latency(|| Duration::from_millis(1));
        disturb(world.store(), [(RequestKind::Update, "root/k/txn/*", Fault::CrashAfter)]);
        dies(&world, world.call(add_one(owned(&["x", "y"]))).key("k")).await;
        assert_eq!(measured(&world, &["x"]).await, (vec![Some(1)], 2));
        // Each of the two looks asks for the decision.
        assert_eq!(measured(&world, &["x", "y"]).await, (vec![Some(1); 2], 4));
    });
}

#[test]
fn an_undecided_transaction_does_not_hold_a_snapshot_up() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        world.store().latency(|| Duration::from_millis(1));
        let decision = (RequestKind::Update, "root/k/txn/*", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [decision]);
        let meanwhile = async {
            assert_eq!(measured(&world, &["x", "y"]).await, (vec![None; 2], 4));
        };
        let told = held(world.call(add_one(owned(&["x", "y"]))).key("k"), gate, meanwhile).await;
        assert_eq!(told, Ok(0));
        assert_eq!(measured(&world, &["x", "y"]).await.0, [Some(1); 2]);
    });
}
