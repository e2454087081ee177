//! Two owners' services: calls and transactions across them, through prepare records.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use beldi::testing::{Fault, Gate, PostFault, RequestKind, World, explore, in_virtual_time, seeds};
use beldi::{App, Error, Limits, Table};
use serde::{Deserialize, Serialize};

use super::{VALUES, answered, assert_unlocked};
use crate::schedule::{disturb, held};

pub(super) const BALANCES: Table<str, u64> = Table::new("balances");
pub(super) const RECEIPTS: Table<str, u64> = Table::new("receipts");
const ORDERS: Table<str, u64> = Table::new("orders");
pub(super) const MAILS: Table<str, u64> = Table::new("mails");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NoFunds;

/// The service that has the money.
pub(super) mod payments {
    use super::{App, BALANCES, MAILS, NoFunds, RECEIPTS};

    #[beldi::ssf]
    pub(super) async fn charge((account, amount): (String, u64)) -> Result<u64, NoFunds> {
        let left = BALANCES.get(&account).await.unwrap_or(0);
        let left = left.checked_sub(amount).ok_or(NoFunds)?;
        BALANCES.put(&account, &left).await;
        receipt(account.clone()).await;
        mail(account).send().await;
        Ok(left)
    }

    /// Holds the account until it has the receipts.
    #[beldi::txn]
    pub(super) async fn spend(account: String) -> Result<(), NoFunds> {
        BALANCES.update(&account, |left| *left = left.and_then(|left| left.checked_sub(1))).await;
        RECEIPTS.put(&account, &1).await;
        Ok(())
    }

    #[beldi::ssf]
    async fn receipt(account: String) {
        RECEIPTS.update(&account, |count| *count = Some(count.unwrap_or(0) + 1)).await;
    }

    #[beldi::ssf]
    async fn mail(account: String) {
        MAILS.update(&account, |count| *count = Some(count.unwrap_or(0) + 1)).await;
    }

    #[beldi::ssf]
    pub(super) async fn copy(text: String) -> String {
        text.repeat(2)
    }

    pub(in super::super) fn app() -> App {
        App::new("payments").ssf(charge).ssf(receipt).ssf(mail).ssf(spend).ssf(copy)
    }
}

#[beldi::ssf(service = "payments")]
pub(super) async fn charge(order: (String, u64)) -> Result<u64, NoFunds>;

/// Orders first, then pays twice: the second payment has to see the first.
#[beldi::ssf]
async fn order((account, amount): (String, u64)) -> Result<u64, NoFunds> {
    beldi::txn(async {
        ORDERS.update(&account, |count| *count = Some(count.unwrap_or(0) + 1)).await;
        charge((account.clone(), amount)).await?;
        charge((account, amount)).await
    })
    .await
}

/// The same without a transaction: the payment stays.
#[beldi::ssf]
async fn order_without((account, amount): (String, u64)) -> Result<u64, NoFunds> {
    let left = charge((account.clone(), amount)).await?;
    ORDERS.update(&account, |count| *count = Some(count.unwrap_or(0) + 1)).await;
    Ok(left)
}

fn world() -> World {
    let payments = World::new(payments::app()).row(BALANCES, "ann", &50);
    World::new(App::new("shop").ssf(order).ssf(order_without)).with(payments)
}

/// Two branches charge one account, each after it has an item of its own.
#[beldi::txn]
async fn order_side_by_side(account: String) -> Result<(), NoFunds> {
    let (one, other) = beldi::join(
        async {
            ORDERS.put("a", &1).await;
            charge((account.clone(), 10)).await
        },
        async {
            ORDERS.put("b", &1).await;
            charge((account.clone(), 20)).await
        },
    )
    .await;
    one.and(other).map(drop)
}

/// The attempt before has asked both, and halts where it would decide. Their records are of one try.
#[test]
fn branches_that_call_in_another_order_begin_again() {
    in_virtual_time(async {
        let payments = World::new(payments::app()).row(BALANCES, "ann", &50);
        let limits = Limits { request_tries: 1, ..Limits::default() };
        let shop = App::new("shop").ssf(order_side_by_side).limits(limits);
        let world = World::new(shop).with(payments);
        let gates: [Gate; 4] = Default::default();
        let (mut waits, mut has_halted) = (gates.clone().into_iter(), false);
        world.store().script(move |request| {
            let slow = if has_halted { "table/orders/a" } else { "table/orders/b" };
            let decides = request.target.starts_with("root/k/txn/") && !has_halted;
            match request.kind {
                RequestKind::Update if decides => {
                    has_halted = true;
                    Fault::Fail
                }
                RequestKind::Update if request.target == slow => {
                    waits.next().map_or(Fault::None, Fault::WaitBefore)
                }
                _ => Fault::None,
            }
        });
        let slowly = async {
            for gate in gates {
                gate.reached().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
                gate.open();
            }
            std::future::pending::<()>().await;
        };
        let ordered = world.call(order_side_by_side("ann".into())).key("k").into_future();
        tokio::select! {
            ordered = ordered => assert_eq!(ordered.unwrap(), Ok(())),
            () = slowly => {}
        }
        world.settle().await.unwrap();
        let payments = world.service("payments");
        let (left, receipts) = (payments.peek(BALANCES, "ann"), payments.peek(RECEIPTS, "ann"));
        assert_eq!((left, receipts), (Some(20), Some(2)));
        assert_unlocked(&world);
    });
}

#[beldi::ssf(service = "payments")]
async fn copy(text: String) -> String;

#[beldi::ssf]
async fn order_copies(bytes: usize) {
    ORDERS.put("ann", &1).await;
    copy("x".repeat(bytes)).await;
}

/// Otherwise it would be asked for ever.
#[test]
fn a_callee_whose_row_has_no_room_parks_its_caller() {
    in_virtual_time(async {
        let world = World::new(App::new("shop").ssf(order_copies));
        let world = world.with(World::new(payments::app()));
        for (bytes, code) in [(150_000, "row_too_large"), (400_000, "input_too_large")] {
            let key = format!("{bytes} bytes");
            let error = world.call(order_copies(bytes)).key(&key).await.unwrap_err();
            let Error::Parked { reason, .. } = error else { panic!("{error}") };
            assert_eq!(reason.code, code);
        }
        assert_eq!(world.service("payments").stored(), []);
    });
}

/// A service that is away is asked once a look, however many of its locks stand.
#[test]
fn locks_of_a_service_that_is_away_cost_one_question() {
    in_virtual_time(async {
        let mut world = World::new(App::new("shop").ssf(order));
        world = world.with(World::new(payments::app()));
        for account in ["ann", "bob", "cid"] {
            // Whoever decides or aborts gets no answer, so the locks stay.
            world.store().script(|request| {
                let decides =
                    request.kind == RequestKind::Update && request.target.contains("/txn/");
                if decides { Fault::Fail } else { Fault::None }
            });
            world.call(order((account.into(), 0))).key(account).await.unwrap_err();
        }
        let payments = world.service("payments");
        assert_eq!(payments.locks().await.unwrap().len(), 6);
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        world.post().script(move |_, to| {
            count.fetch_add(u32::from(to == "shop"), Ordering::Relaxed);
            if to == "shop" { PostFault::Hang } else { PostFault::None }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        payments.settle().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    });
}

type Outcome = (Result<u64, NoFunds>, Result<u64, NoFunds>);

async fn two_orders(world: &World) -> Outcome {
    let ask = async |key: &str, amount| {
        answered(async || world.call(order(("ann".into(), amount))).key(key).await).await
    };
    (ask("one", 10).await, ask("two", 20).await)
}

fn check(world: &World, outcome: Outcome) {
    assert_eq!(outcome, (Ok(30), Err(NoFunds)));
    let payments = world.service("payments");
    assert_eq!(payments.peek(BALANCES, "ann"), Some(30));
    assert_eq!(payments.peek(RECEIPTS, "ann"), Some(2));
    assert_eq!(payments.peek(MAILS, "ann"), Some(2), "sends begin with the commit, once");
    assert_eq!(world.peek(ORDERS, "ann"), Some(1));
    assert_unlocked(world);
    assert_unlocked(payments);
}

#[test]
fn a_transaction_commits_or_aborts_in_both_services() {
    in_virtual_time(async {
        let world = world();
        let outcome = two_orders(&world).await;
        world.settle().await.unwrap();
        check(&world, outcome);
    });
}

#[test]
fn a_crash_of_both_at_every_request_loses_nothing() {
    let visited = World::crash_everywhere(world, two_orders, check);
    println!("{visited}");
}

#[test]
fn a_second_attempt_at_every_request_changes_nothing() {
    let visited = World::second_attempt_everywhere(world, two_orders, check);
    println!("{visited}");
}

#[test]
fn random_schedules_keep_both_services_in_step() {
    let explored = explore(seeds(300), world, two_orders, check);
    println!("{explored}");
}

#[test]
fn a_call_outside_of_a_transaction_happens_once() {
    let run = async |world: &World| {
        world.call(order_without(("ann".into(), 10))).key("one").await.unwrap()
    };
    let check = |world: &World, outcome| {
        assert_eq!(outcome, Ok(40));
        assert_eq!(world.service("payments").peek(BALANCES, "ann"), Some(40));
        assert_eq!(world.service("payments").peek(MAILS, "ann"), Some(1));
        assert_eq!(world.peek(ORDERS, "ann"), Some(1));
    };
    World::crash_everywhere(world, run, check);
    World::second_attempt_everywhere(world, run, check);
    explore(seeds(200), world, run, check);
}

#[test]
fn a_service_that_is_not_connected_is_named() {
    in_virtual_time(async {
        let world = World::new(App::new("shop").ssf(order));
        let error = world.call(order(("ann".into(), 10))).key("one").await.unwrap_err();
        let (Error::Failed { reason } | Error::Parked { reason, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(reason.code, "no_route");
        assert!(reason.message.contains("payments"), "{reason}");
        world.settle().await.unwrap();
        assert_unlocked(&world);
    });
}

thread_local! {
    /// What every run of [`watch`] has seen.
    static SEEN: RefCell<Vec<(Option<u64>, Option<u64>)>> = const { RefCell::new(Vec::new()) };
}

fn note(x: Option<u64>, z: Option<u64>) {
    SEEN.with_borrow_mut(|seen| seen.push((x, z)));
}

/// Locks an item elsewhere between two looks at home.
#[beldi::txn]
async fn watch() -> Result<(), NoFunds> {
    let x = VALUES.get("x").await;
    charge(("ann".into(), 1)).await?;
    note(x, VALUES.get("z").await);
    Ok(())
}

#[beldi::txn]
async fn set_both(value: u64) -> Result<(), ()> {
    VALUES.put("x", &value).await;
    VALUES.put("z", &value).await;
    Ok(())
}

/// A rival in the other service aborts a try there, while the try is on its way to its last item.
fn seen_by_a_try_that_is_aborted_elsewhere(at_home: u64, elsewhere: u64) {
    let limits = |seconds| Limits { txn_time: Duration::from_secs(seconds), ..Limits::default() };
    in_virtual_time(async {
        let payments = payments::app().limits(limits(elsewhere));
        let payments = World::new(payments).row(BALANCES, "ann", &50);
        let shop = App::new("shop").limits(limits(at_home)).ssf(watch).ssf(set_both);
        let (world, gate) = (World::new(shop).with(payments), Gate::default());
        let last = (RequestKind::Update, "table/values/z", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [last]);
        let meanwhile = async {
            let rival = payments::charge(("ann".into(), 2));
            world.service("payments").call(rival).await.unwrap().unwrap();
            world.call(set_both(1)).await.unwrap().unwrap();
        };
        held(world.call(watch()).key("k"), gate, meanwhile).await.unwrap();
        let seen = SEEN.take();
        assert!(seen.iter().all(|(x, z)| x == z), "{seen:?}");
    });
}

#[test]
fn a_try_that_is_aborted_elsewhere_sees_no_mixture() {
    seen_by_a_try_that_is_aborted_elsewhere(2, 2);
    seen_by_a_try_that_is_aborted_elsewhere(10, 2);
}

/// Looks at home while it pays.
#[beldi::txn]
async fn watch_and_pay() -> Result<(), NoFunds> {
    let look = async {
        let x = VALUES.get("x").await;
        note(x, VALUES.get("z").await);
    };
    beldi::join(look, charge(("ann".into(), 1))).await.1.map(drop)
}

/// An older rival in the other service has the try aborted there. The word of it is on its way while
/// the try locks its last item at home, where others go on.
#[test]
fn a_try_that_is_aborted_while_a_service_is_asked_sees_no_mixture() {
    in_virtual_time(async {
        let payments = World::new(payments::app()).row(BALANCES, "ann", &50);
        let shop = App::new("shop").ssf(watch_and_pay).ssf(set_both);
        let world = World::new(shop).with(payments);
        let [spent, looked, told] = [Gate::default(), Gate::default(), Gate::default()];
        let wait = |gate: &Gate| Fault::WaitBefore(gate.clone());
        let account = "table/balances/ann";
        let rules = [
            (RequestKind::Update, "table/receipts/ann", wait(&spent)),
            (RequestKind::Update, "table/values/z", wait(&looked)),
            // The older one locks it, the younger one asks for it, and takes that back.
            (RequestKind::Update, account, Fault::None),
            (RequestKind::Update, account, Fault::None),
            (RequestKind::Update, account, wait(&told)),
        ];
        disturb(world.store(), rules);
        let others = async {
            looked.reached().await;
            told.reached().await;
            world.new_host().call(set_both(1)).await.unwrap().unwrap();
            looked.open();
            tokio::time::sleep(Duration::from_millis(100)).await;
            told.open();
        };
        let younger = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let _ = tokio::join!(world.call(watch_and_pay()).key("k").into_future(), others);
        };
        let older = world.service("payments").call(payments::spend("ann".into()));
        held(older, spent, younger).await.unwrap();
        let seen = SEEN.take();
        assert!(!seen.is_empty() && seen.iter().all(|(x, z)| x == z), "{seen:?}");
    });
}
