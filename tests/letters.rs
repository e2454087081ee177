//! Calls between services when letters are lost, doubled and late, and when a callee takes longer than
//! its caller waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use beldi::testing::{Fault, PostFault, RequestKind, World, in_virtual_time};
use beldi::{App, InstanceState, Limits, Table};

const BALANCES: Table<str, u32> = Table::new("balances");
const VISITS: Table<str, u32> = Table::new("visits");
const ORDERS: Table<str, u32> = Table::new("orders");

mod payments {
    use std::time::Duration;

    #[beldi::ssf]
    pub(crate) async fn charge(amount: u32) -> u32 {
        super::BALANCES.update("ann", |sum| *sum.insert(sum.unwrap_or(0) + amount)).await
    }

    #[beldi::ssf(read_only)]
    pub(crate) async fn quote(amount: u32) -> u32 {
        2 * amount
    }

    #[beldi::ssf]
    pub(crate) async fn consider(amount: u32) -> u32 {
        let considered = async |_| tokio::time::sleep(Duration::from_secs(28)).await;
        beldi::effect("consider", considered).await;
        charge(amount).await
    }

    #[beldi::ssf]
    pub(crate) async fn visit() {
        super::VISITS.put("ann", &1).await;
    }
}

/// Two services that call each other without an end.
mod ping {
    #[beldi::ssf(service = "payments")]
    pub(crate) async fn pong(level: u32);

    #[beldi::ssf]
    pub(crate) async fn ping(level: u32) {
        super::VISITS.put(&format!("{level:03}"), &1).await;
        pong(level + 1).await;
    }
}

mod pong {
    #[beldi::ssf(service = "shop")]
    pub(crate) async fn ping(level: u32);

    #[beldi::ssf]
    pub(crate) async fn pong(level: u32) {
        super::VISITS.put(&format!("{level:03}"), &1).await;
        ping(level + 1).await;
    }
}

#[beldi::ssf(service = "payments")]
async fn charge(amount: u32) -> u32;

#[beldi::ssf(service = "payments")]
async fn consider(amount: u32) -> u32;

#[beldi::ssf(service = "payments", read_only)]
async fn quote(amount: u32) -> u32;

/// What somebody else's declarations may say.
mod wrong {
    #[beldi::ssf(service = "payments", read_only)]
    pub(crate) async fn charge(amount: u32) -> u32;
}

#[beldi::ssf]
async fn order(amount: u32) -> u32 {
    let charged = charge(amount).await;
    ORDERS.put("ann", &charged).await;
    charged
}

#[beldi::ssf]
async fn order_with_care(amount: u32) -> u32 {
    let charged = consider(amount).await;
    ORDERS.put("ann", &charged).await;
    charged
}

#[beldi::txn]
async fn order_at_once(amount: u32) -> Result<u32, String> {
    let charged = charge(amount).await;
    ORDERS.put("ann", &charged).await;
    Ok(charged)
}

/// Registered before it asks for a price of what it has read.
#[beldi::ssf]
async fn order_quoted() -> u32 {
    ORDERS.put("bob", &1).await;
    let price = quote(ORDERS.get("amount").await.unwrap_or(0)).await;
    ORDERS.put("ann", &price).await;
    price
}

#[beldi::ssf]
async fn order_wrongly() -> u32 {
    wrong::charge(30).await
}

#[beldi::ssf]
async fn set_amount(amount: u32) {
    ORDERS.put("amount", &amount).await;
}

fn shop() -> World {
    // Nobody waits for what does not end at once.
    let limits = Limits { call_time: Duration::from_millis(5), ..Limits::default() };
    let payments = App::new("payments").ssf(payments::charge).ssf(payments::visit);
    let payments = payments.ssf(payments::quote).limits(limits.clone());
    let shop = App::new("shop").ssf(order).ssf(order_at_once).ssf(order_many);
    let shop = shop.ssf(order_quoted).ssf(order_wrongly).ssf(set_amount).limits(limits);
    World::new(shop).with(World::new(payments))
}

fn sums(world: &World) -> (Option<u32>, Option<u32>) {
    (world.service("payments").peek(BALANCES, "ann"), world.peek(ORDERS, "ann"))
}

/// Asks with the same key until there is an answer.
async fn insist<T>(world: &World, ask: impl AsyncFn() -> beldi::Result<T>) -> T {
    for _ in 0..5 {
        if let Ok(answer) = ask().await {
            return answer;
        }
        world.settle().await.unwrap();
    }
    ask().await.unwrap()
}

/// Every letter in turn gets each fault: the order is charged once, and in place.
#[test]
fn lost_doubled_and_late_letters_charge_once() {
    let faults = [
        PostFault::Lose,
        PostFault::LoseAnswer,
        PostFault::Twice,
        PostFault::Late(Duration::from_millis(3)),
        PostFault::Late(Duration::from_secs(90)),
        PostFault::Hang,
    ];
    for fault in faults {
        for nth in 0..6 {
            in_virtual_time(async {
                let world = shop();
                let mut number = 0;
                world.post().script(move |_, _| {
                    number += 1;
                    if number == nth + 1 { fault } else { PostFault::None }
                });
                assert_eq!(
                    insist(&world, async || world.call(order(30)).key("plain").await).await,
                    30
                );
                assert_eq!(sums(&world), (Some(30), Some(30)), "{fault:?} of letter {nth}");

                let at_once = async || world.call(order_at_once(12)).key("txn").await;
                assert_eq!(insist(&world, at_once).await, Ok(42));
                tokio::time::sleep(Duration::from_secs(120)).await;
                world.settle().await.unwrap();
                assert_eq!(sums(&world), (Some(42), Some(42)), "{fault:?} of letter {nth}");
                assert_eq!(world.service("payments").locks().await.unwrap().len(), 0);
            });
        }
    }
}

/// What led to a question is not logged before it is asked: another attempt may ask something else.
#[test]
fn a_read_only_callee_is_asked_again_with_other_arguments() {
    in_virtual_time(async {
        let world = shop();
        world.call(set_amount(1)).await.unwrap();
        let is_asked = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_asked);
        world.post().script(move |_, _| {
            asked.store(true, Ordering::Relaxed);
            PostFault::None
        });
        world.store().script(move |request| {
            let is_shop = request.target.contains("order");
            match is_shop && is_asked.load(Ordering::Relaxed) {
                true => Fault::Fail,
                false => Fault::None,
            }
        });
        world.call(order_quoted()).key("order-17").await.unwrap_err();
        world.store().script(|_| Fault::None);
        world.call(set_amount(2)).await.unwrap();
        world.settle().await.unwrap();
        let instance = world.instance("order-17").await.unwrap();
        assert_eq!(instance.state, InstanceState::Done, "{instance:?}");
        assert_eq!(world.peek(ORDERS, "ann"), Some(4));
    });
}

/// Its effects would depend on what is not logged.
#[test]
fn a_callee_that_is_wrongly_declared_read_only_is_refused() {
    in_virtual_time(async {
        let world = shop();
        let error = world.call(order_wrongly()).key("order-17").await.unwrap_err();
        assert!(error.to_string().contains("take `read_only` off"), "{error}");
        assert_eq!(sums(&world).0, None);
    });
}

/// A world whose callees halt in their first attempts, after they are registered, so that nobody waits for
/// them.
fn slow_shop(callees: u32) -> World {
    let world = shop();
    let seen = AtomicU32::new(0);
    world.service("payments").store().script(move |request| {
        let is_charge = request.kind == RequestKind::Update && request.target.contains("balances");
        // Each request is sent four times.
        match is_charge && seen.fetch_add(1, Ordering::Relaxed) < 4 * callees {
            true => Fault::Fail,
            false => Fault::None,
        }
    });
    world
}

fn letters(world: &World, from: &str) -> usize {
    world.post().overheard().iter().filter(|(sender, ..)| sender == from).count()
}

/// The callee's service brings the result, and the caller need not ask again.
#[test]
fn a_late_result_is_called_back() {
    in_virtual_time(async {
        let world = slow_shop(1);
        let error = world.call(order(30)).key("order-17").await.unwrap_err();
        assert!(error.to_string().contains("order-17"), "{error}");
        let asked = letters(&world, "shop");
        world.settle().await.unwrap();
        assert_eq!(sums(&world), (Some(30), Some(30)));
        assert_eq!(letters(&world, "payments"), 1, "one callback");
        assert_eq!(letters(&world, "shop"), asked, "the caller asked once");
    });
}

/// A callee that is merely slow: its first attempt comes to the end when nobody waits any more.
#[test]
fn a_result_that_takes_longer_than_its_caller_waits_is_called_back() {
    in_virtual_time(async {
        let limits = Limits { backoff: Duration::from_secs(600), ..Limits::default() };
        let payments = App::new("payments").ssf(payments::consider).ssf(payments::charge);
        let world = World::new(App::new("shop").ssf(order_with_care).limits(limits.clone()));
        let world = world.with(World::new(payments.limits(limits)));
        assert_eq!(world.call(order_with_care(30)).key("order-17").await.unwrap(), 30);
        assert_eq!(sums(&world), (Some(30), Some(30)));
        let sent = ["shop", "payments"].map(|from| letters(&world, from));
        assert_eq!(sent, [1, 1], "one question, one callback");
    });
}

/// A callback that gets lost costs the caller a question, and nothing else.
#[test]
fn a_lost_callback_is_asked_for() {
    in_virtual_time(async {
        let world = slow_shop(1);
        world.post().script(|from, _| match from {
            "payments" => PostFault::Lose,
            _ => PostFault::None,
        });
        world.call(order(30)).key("order-17").await.unwrap_err();
        let asked = letters(&world, "shop");
        world.settle().await.unwrap();
        assert_eq!(sums(&world), (Some(30), Some(30)));
        assert!(letters(&world, "shop") > asked);
    });
}

/// Whoever listens and delivers every letter again, at the end and after it, changes nothing.
#[test]
fn replayed_letters_change_nothing() {
    in_virtual_time(async {
        let world = slow_shop(1);
        world.call(order(30)).key("order-17").await.unwrap_err();
        world.settle().await.unwrap();
        world.call(order_at_once(12)).key("order-18").await.unwrap().unwrap();
        world.settle().await.unwrap();
        let rows = |world: &World| (world.stored(), world.service("payments").stored());
        let before = rows(&world);
        for (_, to, letter) in world.post().overheard() {
            assert!(world.replay(&to, &letter).await);
        }
        assert_eq!(rows(&world), before);
        let state = world.instance("order-17").await.unwrap().state;
        assert_eq!(state, InstanceState::Done);
    });
}

/// A service that does not answer parks nobody who calls it, however long that lasts.
#[test]
fn a_service_that_hangs_parks_nothing() {
    in_virtual_time(async {
        let world = shop();
        world
            .post()
            .script(|_, to| if to == "payments" { PostFault::Hang } else { PostFault::None });
        world.call(order(30)).key("order-17").await.unwrap_err();
        let half_an_hour = Duration::from_secs(1800);
        assert!(tokio::time::timeout(half_an_hour, world.settle()).await.is_err(), "it waits");
        let instance = world.instance("order-17").await.unwrap();
        assert_eq!(instance.state, InstanceState::Running);
        assert!(instance.attempts > 10, "{instance:?}");
        world.post().script(|_, _| PostFault::None);
        world.settle().await.unwrap();
        assert_eq!(sums(&world), (Some(30), Some(30)));
    });
}

/// Nor does one whose store is away when it is called.
#[test]
fn a_callee_without_its_store_parks_nothing() {
    in_virtual_time(async {
        let world = shop();
        world.store().script(|request| {
            let is_theirs = ["root/~", "balances"].iter().any(|name| request.target.contains(name));
            if is_theirs { Fault::Fail } else { Fault::None }
        });
        world.call(order(30)).key("order-17").await.unwrap_err();
        let five_minutes = Duration::from_secs(300);
        let _ = tokio::time::timeout(five_minutes, world.settle()).await;
        let state = world.instance("order-17").await.unwrap().state;
        assert_eq!(state, InstanceState::Running);
        world.store().script(|_| Fault::None);
        world.settle().await.unwrap();
        assert_eq!(sums(&world), (Some(30), Some(30)));
    });
}

/// Nor does one whose store is away when what is decided is to be put in place.
#[test]
fn a_commit_that_cannot_be_put_in_place_parks_nothing() {
    in_virtual_time(async {
        let world = shop();
        let mut updates = 0;
        world.store().script(move |request| {
            let is_order = request.kind == RequestKind::Update && request.target.contains("orders");
            updates += u32::from(is_order);
            // The first one takes the lock.
            if is_order && updates > 1 { Fault::Fail } else { Fault::None }
        });
        let ordered = world.call(order_at_once(30)).key("order-17").await.unwrap();
        assert_eq!(ordered, Ok(30));
        let half_an_hour = Duration::from_secs(1800);
        assert!(tokio::time::timeout(half_an_hour, world.settle()).await.is_err(), "it waits");
        let instance = world.instance("order-17").await.unwrap();
        assert_eq!(instance.state, InstanceState::Running);
        assert!(instance.attempts > 10, "{instance:?}");
        world.store().script(|_| Fault::None);
        world.settle().await.unwrap();
        assert_eq!(world.instance("order-17").await.unwrap().state, InstanceState::Done);
        assert_eq!(sums(&world), (Some(30), Some(30)));
    });
}

/// What a transaction has locked waits for its service while that is away, and nothing else does.
#[test]
fn a_lock_of_a_service_that_is_away_holds_up_nothing_else() {
    in_virtual_time(async {
        let world = shop();
        let is_away = Arc::new(AtomicBool::new(false));
        let (away, mut visits) = (Arc::clone(&is_away), 0);
        world.store().script(move |request| {
            let is_shop = request.target.contains("order") && away.load(Ordering::Relaxed);
            let is_visit = request.kind == RequestKind::Update && request.target.contains("visits");
            visits += u32::from(is_visit);
            // The first attempts to visit halt: the collector begins another one.
            if is_shop || is_visit && visits <= 8 { Fault::Fail } else { Fault::None }
        });
        let away = Arc::clone(&is_away);
        world.post().script(move |_, to| {
            let is_asked = to == "shop" && away.load(Ordering::Relaxed);
            away.fetch_or(to == "payments", Ordering::Relaxed);
            if is_asked { PostFault::Hang } else { PostFault::None }
        });
        world.call(order_at_once(30)).key("order-17").await.unwrap_err();
        let payments = world.service("payments");
        assert_eq!(payments.locks().await.unwrap().len(), 1);

        payments.call(payments::visit()).key("visit").await.unwrap_err();
        let half_an_hour = Duration::from_secs(1800);
        assert!(tokio::time::timeout(half_an_hour, world.settle()).await.is_err(), "it waits");
        assert_eq!(payments.instance("visit").await.unwrap().state, InstanceState::Done);
        payments.collect_garbage().await.unwrap();
        assert_eq!(payments.locks().await.unwrap().len(), 1, "nobody knows what was decided");

        is_away.store(false, Ordering::Relaxed);
        world.store().script(|_| Fault::None);
        world.post().script(|_, _| PostFault::None);
        world.settle().await.unwrap();
        assert_eq!(payments.locks().await.unwrap().len(), 0);
        let sum = payments.peek(BALANCES, "ann");
        assert!(sum.is_none() || sum == Some(30), "{sum:?}");
        assert_eq!(sums(&world), (sum, sum));
    });
}

/// Several results that are brought while an attempt runs are no failed attempts.
#[test]
fn many_callbacks_park_nothing() {
    in_virtual_time(async {
        let world = slow_shop(12);
        world.call(order_many(12)).key("order-17").await.unwrap_err();
        world.settle().await.unwrap();
        let instance = world.instance("order-17").await.unwrap();
        assert_eq!(instance.state, InstanceState::Done, "{instance:?}");
        assert_eq!(sums(&world).0, Some(12));
    });
}

#[beldi::ssf]
async fn order_many(articles: u32) {
    beldi::join_all((0..articles).map(|_| charge(1))).await;
}

/// Each waits for the next, as deep as calls within a service may go.
#[test]
fn services_that_call_each_other_without_an_end_are_stopped() {
    in_virtual_time(async {
        let limits = Limits { attempts: 2, ..Limits::default() };
        let payments = App::new("payments").ssf(pong::pong).limits(limits.clone());
        let world = World::new(App::new("shop").ssf(ping::ping).limits(limits));
        let world = world.with(World::new(payments));
        world.call(ping::ping(0)).key("k").await.unwrap_err();
        world.settle().await.unwrap();
        let instance = world.instance("k").await.unwrap();
        assert_eq!(instance.state, InstanceState::Parked, "{instance:?}");
        let visits = [world.rows(VISITS), world.service("payments").rows(VISITS)].concat();
        assert_eq!(visits.len(), 1 + beldi::MAX_CALL_DEPTH as usize);
    });
}
