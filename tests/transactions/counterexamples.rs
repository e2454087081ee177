//! What breaks weaker protocols of transactions: each schedule set up exactly, safe with the protocol
//! and, where a condition can be forgotten, broken without it.

use std::time::Duration;

use beldi::testing::RequestKind::Update;
use beldi::testing::{Fault, Gate, Weakness, World, in_virtual_time};
use beldi::{App, Limits};

use crate::schedule::{dies, disturb, held};
use crate::{VALUES, add_one, assert_unlocked, look, owned, reason, set};

const X: &str = "table/values/x";
const DECISION: &str = "root/k/txn/*";
/// Longer than a transaction may hold locks in these worlds.
const OVERDUE: Duration = Duration::from_secs(2);

/// Adds to the item that a value outside names.
#[beldi::ssf]
async fn add_where_told() -> Result<u64, String> {
    let place = VALUES.get("place").await.unwrap_or(0);
    beldi::txn(async {
        let key = format!("at-{place}");
        let value = VALUES.get(&key).await.unwrap_or(0);
        VALUES.put(&key, &(value + 1)).await;
        Ok(place)
    })
    .await
}

/// The inner transaction takes back what it wrote, and only that.
#[beldi::txn]
async fn outer(inner_commits: bool) -> Result<Option<u64>, String> {
    VALUES.put("x", &1).await;
    let inner: Result<(), String> = beldi::txn(async {
        VALUES.put("x", &2).await;
        VALUES.put("y", &2).await;
        if inner_commits { Ok(()) } else { Err("no".to_owned()) }
    })
    .await;
    assert_eq!(inner.is_ok(), inner_commits);
    Ok(VALUES.get("x").await)
}

#[beldi::ssf]
async fn lock_then_txn() -> Result<(), String> {
    let _ = VALUES.lock("x").await;
    beldi::txn(async {
        VALUES.put("x", &1).await;
        Ok(())
    })
    .await
}

fn world() -> World {
    let limits = Limits {
        marks: 3,
        txn_time: Duration::from_secs(1),
        lock_wait: Duration::from_secs(3),
        ..Limits::default()
    };
    let app = App::new("counterexamples").limits(limits).ssf(add_one).ssf(set).ssf(look);
    World::new(app.ssf(add_where_told).ssf(outer).ssf(lock_then_txn))
}

async fn add(world: &World) -> u64 {
    world.call(add_one(owned(&["x"]))).key("k").await.unwrap().unwrap()
}

async fn set_x(world: &World, value: u64) {
    world.call(set(("x".into(), value))).key(format!("x={value}")).await.unwrap();
}

async fn look_at_x(world: &World) -> Option<u64> {
    world.new_host().call(look("x".into())).await.unwrap()
}

/// What the client was told, and what `x` is when nothing is left to do.
type Seen = (u64, Option<u64>);

async fn in_the_end(world: &World, told: u64) -> Seen {
    tokio::time::sleep(OVERDUE).await;
    world.new_host().settle().await.unwrap();
    assert_unlocked(world);
    (told, world.peek(VALUES, "x"))
}

/// The lock of a slower attempt arrives when a faster one has committed and `x` has moved on.
fn lock_after_commit_by_another_attempt() -> Seen {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, X, Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        let meanwhile = async {
            add(&other).await;
            other.settle().await.unwrap();
            set_x(&other, 100).await;
        };
        let told = held(world.call(add_one(owned(&["x"]))).key("k"), gate, meanwhile).await;
        in_the_end(&world, told.unwrap()).await
    })
}

/// The lock is delivered once more when its transaction has committed and `x` has moved on.
fn lock_again_after_commit(sets: u64) -> (Seen, World) {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, X, Fault::Late(OVERDUE / 2))]);
        let told = add(&world).await;
        for value in 0..sets {
            set_x(&world, 100 + value).await;
        }
        tokio::time::sleep(OVERDUE).await;
        (in_the_end(&world, told).await, world)
    })
}

/// The host dies at the decision, `x` moves on, and the client asks again.
fn crash_after_decision() -> Seen {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, DECISION, Fault::CrashAfter)]);
        dies(&world, world.call(add_one(owned(&["x"]))).key("k")).await;
        set_x(&world.new_host(), 100).await;
        let told = add(&world.new_host()).await;
        in_the_end(&world, told).await
    })
}

/// A commit that took too long meets the abort of somebody it blocked.
fn commit_after_abort() -> Seen {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, DECISION, Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            tokio::time::sleep(OVERDUE).await;
            set_x(&world.new_host(), 100).await;
        };
        let told = held(world.call(add_one(owned(&["x"]))).key("k"), gate, meanwhile).await;
        in_the_end(&world, told.unwrap()).await
    })
}

/// What others see when the host has died at the decision.
fn seen_after(crash: Fault) -> Option<u64> {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, DECISION, crash)]);
        dies(&world, world.call(add_one(owned(&["x"]))).key("k")).await;
        look_at_x(&world).await
    })
}

/// What was decided arrives at `x` when somebody else has put it in place, and `x` has moved on.
fn late_settling() -> Seen {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        let [lock, settle] = [Fault::None, Fault::WaitBefore(gate.clone())];
        disturb(world.store(), [(Update, X, lock), (Update, X, settle)]);
        let told = add(&world).await;
        gate.reached().await;
        set_x(&world.new_host(), 100).await;
        gate.open();
        in_the_end(&world, told).await
    })
}

/// A plain write comes while the transaction is about to commit.
fn write_before_decision() -> Seen {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, DECISION, Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        let write = async {
            gate.reached().await;
            let soon = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                gate.open();
            };
            tokio::join!(set_x(&other, 100), soon);
        };
        let (told, ()) = tokio::join!(add(&world), write);
        in_the_end(&world, told).await
    })
}

#[test]
fn a_lock_that_arrives_after_the_commit_of_another_attempt_is_refused() {
    assert_eq!(lock_after_commit_by_another_attempt(), (0, Some(100)));
    let weak = Weakness::NoTombstone.during(lock_after_commit_by_another_attempt);
    assert_eq!(weak, (0, Some(1)), "without a tombstone the newer value is lost");
}

#[test]
fn a_lock_delivered_again_after_the_commit_is_refused() {
    assert_eq!(lock_again_after_commit(1).0, (0, Some(100)));
    let (weak, _) = Weakness::NoTombstone.during(|| lock_again_after_commit(1));
    assert_eq!(weak, (0, Some(1)), "without a tombstone the newer value is lost");
}

#[test]
fn a_tombstone_in_an_older_row_refuses_a_late_lock_too() {
    let (seen, world) = lock_again_after_commit(8);
    assert_eq!(seen, (0, Some(107)));
    let is_older = |key: &beldi::store::Key| key.partition.starts_with("older/values");
    assert!(world.stored().iter().any(|(key, _)| is_older(key)), "the head was full");
}

#[test]
fn a_decision_holds_the_result() {
    assert_eq!(crash_after_decision(), (0, Some(100)));
    let weak = Weakness::DecisionWithoutResult.during(crash_after_decision);
    assert_eq!(weak, (100, Some(101)), "without a result the block runs twice");
}

#[test]
fn the_first_decision_wins() {
    assert_eq!(commit_after_abort(), (100, Some(101)));
    let weak = Weakness::UnconditionalDecision.during(commit_after_abort);
    assert_eq!(weak, (0, Some(100)), "a commit is told that never happens");
}

#[test]
fn nothing_changes_before_the_decision() {
    assert_eq!(seen_after(Fault::CrashBefore), None);
    let weak = Weakness::ReleaseBeforeDecision.during(|| seen_after(Fault::CrashBefore));
    assert_eq!(weak, Some(1), "what is not decided is seen");
}

#[test]
fn a_reader_between_decision_and_settling_sees_the_new_value() {
    assert_eq!(seen_after(Fault::CrashAfter), Some(1));
    let weak = Weakness::ReaderIgnoresDecision.during(|| seen_after(Fault::CrashAfter));
    assert_eq!(weak, None, "what is committed is not seen");
}

#[test]
fn what_was_decided_is_not_put_in_place_twice() {
    assert_eq!(late_settling(), (0, Some(100)));
    let weak = Weakness::SettleUnlocked.during(late_settling);
    assert_eq!(weak, (0, Some(1)), "the newer value is lost");
}

#[test]
fn a_plain_write_waits_for_an_undecided_transaction() {
    assert_eq!(write_before_decision(), (0, Some(100)));
    let weak = Weakness::PlainWriteIgnoresLock.during(write_before_decision);
    assert_eq!(weak, (0, Some(1)), "the write is lost");
}

#[test]
fn a_plain_read_of_an_undecided_transaction_sees_the_old_value_at_once() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, DECISION, Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            let asked = world.now();
            assert_eq!(look_at_x(&world).await, None);
            assert_eq!(world.now(), asked);
        };
        let told = held(world.call(add_one(owned(&["x"]))).key("k"), gate, meanwhile).await;
        assert_eq!(in_the_end(&world, told.unwrap()).await, (0, Some(1)));
    });
}

#[test]
fn a_plain_read_and_write_of_an_aborted_transaction_do_not_wait_for_it() {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, DECISION, Fault::CrashBefore)]);
        dies(&world, world.call(add_one(owned(&["x"]))).key("k")).await;
        tokio::time::sleep(OVERDUE).await;
        let asked = world.now();
        assert_eq!(look_at_x(&world).await, None);
        set_x(&world.new_host(), 100).await;
        assert_eq!(world.now(), asked);
        assert_eq!(add(&world.new_host()).await, 100, "the client asks again");
    });
}

#[test]
fn two_epochs_of_a_root_that_is_not_registered_commit_once() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, DECISION, Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(add(&world.new_host()).await, 0);
        };
        let told = held(world.call(add_one(owned(&["x"]))).key("k"), gate, meanwhile).await;
        assert_eq!(in_the_end(&world, told.unwrap()).await, (0, Some(1)));
    });
}

#[test]
fn an_item_that_only_a_slower_attempt_chose_is_released() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, "root/k/intent", Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            let other = world.new_host();
            other.call(set(("place".into(), 2))).await.unwrap();
            assert_eq!(other.call(add_where_told()).key("k").await.unwrap(), Ok(2));
        };
        let told = held(world.call(add_where_told()).key("k"), gate, meanwhile).await;
        assert_eq!(told, Ok(2));
        world.settle().await.unwrap();
        assert_unlocked(&world);
        assert_eq!((world.peek(VALUES, "at-0"), world.peek(VALUES, "at-2")), (None, Some(1)));
    });
}

#[test]
fn the_err_of_a_nested_transaction_undoes_what_it_did_and_the_outer_commits() {
    for (commits, x, y) in [(true, 2, Some(2)), (false, 1, None)] {
        in_virtual_time(async {
            let world = world();
            assert_eq!(world.call(outer(commits)).await.unwrap(), Ok(Some(x)));
            world.settle().await.unwrap();
            assert_eq!((world.peek(VALUES, "x"), world.peek(VALUES, "y")), (Some(x), y));
            assert_unlocked(&world);
        });
    }
}

#[test]
fn a_transaction_does_not_wait_for_a_lock_of_its_own_root() {
    in_virtual_time(async {
        let world = world();
        let reason = reason(world.call(lock_then_txn()).key("k").await.unwrap_err());
        assert_eq!(reason.code, "not_in_txn");
        assert!(reason.message.contains("`x` in table `values`"), "{reason}");
    });
}
