//! Transactions across two services that get in each other's way, or think again.

use std::time::Duration;

use beldi::App;
use beldi::testing::{World, in_virtual_time};
use futures_util::future::join;

use super::federation::{BALANCES, MAILS, NoFunds, RECEIPTS, charge, payments};
use super::{VALUES, assert_unlocked};

/// An item at home, then one elsewhere.
#[beldi::txn]
async fn home_first(account: String) -> Result<(), NoFunds> {
    VALUES.update("home", |value| *value = Some(value.unwrap_or(0) + 1)).await;
    charge((account, 1)).await.map(drop)
}

/// The other way round.
#[beldi::txn]
async fn home_last(account: String) -> Result<(), NoFunds> {
    charge((account, 1)).await?;
    VALUES.update("home", |value| *value = Some(value.unwrap_or(0) + 1)).await;
    Ok(())
}

/// Pays ten, and five that it takes back.
#[beldi::txn]
async fn think_again(account: String) -> Result<u64, NoFunds> {
    let left = charge((account.clone(), 10)).await?;
    let taken_back: Result<(), u64> = beldi::txn(async {
        let left = charge((account.clone(), 5)).await;
        Err(left.unwrap_or(0))
    })
    .await;
    VALUES.put("seen", &taken_back.unwrap_err()).await;
    Ok(left)
}

fn world() -> World {
    let payments = World::new(payments::app()).row(BALANCES, "ann", &100);
    World::new(App::new("shop").ssf(home_first).ssf(home_last).ssf(think_again)).with(payments)
}

#[test]
fn rivals_in_opposite_order_do_not_wait_until_they_are_overdue() {
    in_virtual_time(async {
        let (world, rounds) = (world(), 20);
        for service in [&world, world.service("payments")] {
            service.store().latency(|| Duration::from_millis(1));
        }
        let asked = world.now();
        let first = async {
            for _ in 0..rounds {
                world.call(home_first("ann".into())).await.unwrap().unwrap();
            }
        };
        let last = async {
            for _ in 0..rounds {
                world.call(home_last("ann".into())).await.unwrap().unwrap();
            }
        };
        join(first, last).await;
        let took = world.now() - asked;
        assert!(took < 10_000, "no try has to be aborted because it is overdue: {took} ms");
        world.settle().await.unwrap();
        assert_eq!(world.peek(VALUES, "home"), Some(2 * rounds));
        assert_eq!(world.service("payments").peek(BALANCES, "ann"), Some(100 - 2 * rounds));
        assert_unlocked(&world);
        assert_unlocked(world.service("payments"));
    });
}

async fn asked_once(world: &World) -> Result<u64, NoFunds> {
    world.call(think_again("ann".into())).key("one").await.unwrap()
}

fn check(world: &World, outcome: Result<u64, NoFunds>) {
    let payments = world.service("payments");
    assert_eq!(outcome, Ok(90));
    assert_eq!(world.peek(VALUES, "seen"), Some(85), "it saw what it took back later");
    assert_eq!(payments.peek(BALANCES, "ann"), Some(90));
    assert_eq!(payments.peek(RECEIPTS, "ann"), Some(1));
    assert_eq!(payments.peek(MAILS, "ann"), Some(1), "a send that was taken back never begins");
    assert_unlocked(world);
    assert_unlocked(payments);
}

#[test]
fn what_a_nested_block_takes_back_elsewhere_never_happened() {
    in_virtual_time(async {
        let world = world();
        let outcome = asked_once(&world).await;
        // Long before anything is overdue.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_unlocked(&world);
        assert_unlocked(world.service("payments"));
        world.settle().await.unwrap();
        check(&world, outcome);
    });
    World::crash_everywhere(world, asked_once, check);
    World::second_attempt_everywhere(world, asked_once, check);
}
