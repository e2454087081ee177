//! Locks outside of transactions: exclusive, durable, released with their root, never broken by time.

use std::time::Duration;

use beldi::testing::{Fault, Gate, RequestKind, World, explore, in_virtual_time, seeds};
use beldi::{App, Busy, Limits};
use futures_util::future::join_all;

use crate::schedule::{dies, disturb, held};
use crate::{VALUES, assert_unlocked, look, reason, set};

/// Reads and writes in two steps, which only the lock makes one.
#[beldi::ssf]
async fn add_locked(key: String) -> Result<u64, Busy> {
    let value = VALUES.lock(&key).await?.unwrap_or(0);
    VALUES.put(&key, &(value + 1)).await;
    VALUES.unlock(&key).await;
    Ok(value)
}

/// Locks both in order and forgets to unlock; gives up what it has if it must not wait.
#[beldi::ssf]
async fn move_one((from, to): (String, String)) -> Result<(), Busy> {
    let left = VALUES.lock(&from).await?.unwrap_or(0);
    let there = match VALUES.lock(&to).await {
        Ok(there) => there.unwrap_or(0),
        Err(Busy) => {
            VALUES.unlock(&from).await;
            return Err(Busy);
        }
    };
    VALUES.put(&from, &(left - 1)).await;
    VALUES.put(&to, &(there + 1)).await;
    Ok(())
}

/// Fails for good while it holds a lock, unless `z` is there.
#[beldi::ssf]
async fn lock_and_fail() -> u64 {
    let _ = VALUES.lock("x").await;
    VALUES.get("z").await.expect("a `z`")
}

/// Locks what it has locked, and gives it back.
#[beldi::ssf]
async fn lock_twice() -> (bool, bool) {
    let both = (VALUES.lock("x").await.is_ok(), VALUES.lock("x").await.is_ok());
    VALUES.unlock("x").await;
    both
}

fn world() -> World {
    let limits = Limits { attempts: 2, lock_wait: Duration::from_secs(3), ..Limits::default() };
    let app = App::new("locks").limits(limits).ssf(add_locked).ssf(move_one).ssf(lock_and_fail);
    let app = app.ssf(lock_twice);
    World::new(app.ssf(set).ssf(look)).row(VALUES, "x", &10).row(VALUES, "y", &10)
}

fn from_to(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

/// The items that are locked, and by whom.
async fn holders(world: &World) -> Vec<(String, String)> {
    let locks = world.locks().await.unwrap();
    assert!(locks.iter().all(|lock| lock.table == "values" && !lock.in_transaction));
    locks.into_iter().map(|lock| (lock.key, lock.holder)).collect()
}

#[test]
fn a_lock_excludes_all_others() {
    in_virtual_time(async {
        let world = world();
        world.store().latency(|| Duration::from_millis(1));
        let clients = (0..8).map(async |_| world.call(add_locked("x".into())).await.unwrap());
        let mut told: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
        told.sort_unstable();
        assert_eq!(told, (10..18).collect::<Vec<_>>(), "each saw the one before");
        world.settle().await.unwrap();
        assert_unlocked(&world);
    });
}

#[test]
fn a_lock_survives_its_owner_until_another_attempt_has_finished() {
    in_virtual_time(async {
        let world = world();
        // The requests to x: lock, put, unlock.
        let faults = [Fault::None, Fault::None, Fault::CrashBefore];
        disturb(world.store(), faults.map(|fault| (RequestKind::Update, "table/values/x", fault)));
        dies(&world, world.call(add_locked("x".into())).key("owner")).await;

        let host = world.new_host();
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        assert_eq!(holders(&host).await, [from_to("x", "owner")], "time alone breaks no lock");
        assert_eq!(host.call(look("x".into())).await.unwrap(), Some(11), "reads do not wait");
        let refused = reason(host.call(set(("x".into(), 5))).key("other").await.unwrap_err());
        assert_eq!(refused.code, "lock_wait");
        assert!(
            refused.message.contains("`x` in table `values` is locked by `owner`"),
            "{refused}"
        );

        host.settle().await.unwrap();
        assert_eq!(holders(&host).await, []);
        assert_unlocked(&host);
    });
}

#[beldi::ssf]
async fn give_back() {
    VALUES.unlock("x").await;
}

/// A callee gives back what it holds; then it takes it again.
#[beldi::ssf]
async fn lock_again() {
    let _ = VALUES.lock("x").await;
    give_back().await;
    let _ = VALUES.lock("x").await;
    VALUES.put("x", &1).await;
    VALUES.put("y", &1).await;
}

/// A replay does not run the callee, and has both locks to choose from.
#[test]
fn a_replay_knows_its_own_lock() {
    World::crash_everywhere(
        || World::new(App::new("locks").ssf(lock_again).ssf(give_back)),
        async |world| world.call(lock_again()).key("k").await.unwrap(),
        |world, ()| {
            assert_eq!((world.peek(VALUES, "x"), world.peek(VALUES, "y")), (Some(1), Some(1)));
            assert_unlocked(world);
        },
    );
}

/// The item is free when the second lock arrives, but not for a step that has its answer.
#[test]
fn a_second_lock_of_the_same_item_that_is_late_takes_nothing() {
    in_virtual_time(async {
        let world = world();
        let an_hour = Duration::from_secs(3600);
        let faults = [Fault::None, Fault::Late(an_hour)];
        disturb(world.store(), faults.map(|fault| (RequestKind::Update, "table/values/x", fault)));
        assert_eq!(world.call(lock_twice()).await.unwrap(), (true, true));
        tokio::time::sleep(2 * an_hour).await;
        assert_unlocked(&world);
        assert_eq!(world.call(lock_twice()).await.unwrap(), (true, true));
    });
}

#[test]
fn the_lock_of_a_parked_instance_stands_until_it_is_resumed() {
    in_virtual_time(async {
        let world = world();
        reason(world.call(lock_and_fail()).key("owner").await.unwrap_err());
        world.settle().await.unwrap();
        tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
        world.settle().await.unwrap();
        assert_eq!(holders(&world).await, [from_to("x", "owner")]);

        world.call(set(("z".into(), 1))).await.unwrap();
        world.resume("owner").await.unwrap();
        world.settle().await.unwrap();
        assert_eq!(world.call(lock_and_fail()).key("owner").await.unwrap(), 1);
        assert_unlocked(&world);
    });
}

#[test]
fn the_younger_of_two_that_would_wait_for_each_other_is_busy() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        world.store().latency(|| Duration::from_millis(1));
        // The older holds x when the younger comes, and asks for y when the younger has it.
        let ask = (RequestKind::Update, "table/values/y", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [ask]);
        let younger = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            world.new_host().call(move_one(from_to("y", "x"))).key("younger").await.unwrap()
        };
        let told = async {
            assert_eq!(younger.await, Err(Busy));
        };
        let older = held(world.call(move_one(from_to("x", "y"))).key("older"), gate, told).await;
        assert_eq!(older, Ok(()));
        world.settle().await.unwrap();
        assert_eq!((world.peek(VALUES, "x"), world.peek(VALUES, "y")), (Some(9), Some(11)));
        assert_unlocked(&world);
    });
}

type Moved = (Result<(), Busy>, Result<u64, Busy>);

async fn move_and_add(world: &World) -> Moved {
    let moved = world.call(move_one(from_to("x", "y"))).key("move").await.unwrap();
    (moved, world.call(add_locked("x".into())).key("add").await.unwrap())
}

fn check(world: &World, told: Moved) {
    assert_eq!(told, (Ok(()), Ok(9)));
    assert_eq!((world.peek(VALUES, "x"), world.peek(VALUES, "y")), (Some(10), Some(11)));
    assert_unlocked(world);
}

/// Roots that wait for one another's second attempts need more patience.
fn patient_world() -> World {
    let app = App::new("locks").ssf(add_locked).ssf(move_one);
    World::new(app).row(VALUES, "x", &10).row(VALUES, "y", &10)
}

#[test]
fn a_crash_at_every_request_leaves_no_lock_and_loses_nothing() {
    println!("{}", World::crash_everywhere(patient_world, move_and_add, check));
}

#[test]
fn a_second_attempt_at_every_request_changes_nothing() {
    println!("{}", World::second_attempt_everywhere(patient_world, move_and_add, check));
}

#[test]
fn random_schedules_leave_no_lock_and_lose_nothing() {
    println!("{}", explore(seeds(100), patient_world, move_and_add, check));
}
