//! What locks, transactions and snapshots cost, counted as in [`measure`](super::measure).

use beldi::testing::{Fault, RequestKind, World, in_virtual_time};
use beldi::{App, Call, Ssf};
use serde::Serialize;
use tokio::time::{Duration, Instant, sleep};

use super::measure::{COUNTS, lap, measured, millis, take_laps};

/// What each costs, in sequential round trips.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TransactionCosts {
    pub(crate) lock: u64,
    /// To the reply, of a root that is nothing else.
    pub(crate) of_2_items: u64,
    /// To the reply, with an item in each of two callees of the service.
    pub(crate) of_2_callees: u64,
    /// From that reply until nothing is locked.
    pub(crate) until_unlocked: u64,
    /// To the reply, with one item, which is another service's.
    pub(crate) of_1_item_elsewhere: u64,
    pub(crate) snapshot_of_2_items: u64,
    /// Of an item whose new value is decided and not in place.
    pub(crate) get_of_a_locked_item: u64,
}

#[beldi::part]
async fn take_one(key: &str) -> Result<(), String> {
    let left = COUNTS.get(key).await.unwrap_or(9).checked_sub(1).ok_or("none left")?;
    COUNTS.put(key, &left).await;
    Ok(())
}

#[beldi::ssf]
async fn lock_one() {
    COUNTS.put("first", &0).await;
    lap();
    let _ = COUNTS.lock("locked").await;
    lap();
}

#[beldi::txn]
async fn take_two() -> Result<(), String> {
    take_one("hotel").await?;
    take_one("flight").await
}

#[beldi::ssf]
async fn reserve(key: String) -> Result<(), String> {
    take_one(&key).await
}

#[beldi::txn]
async fn book() -> Result<(), String> {
    reserve("hotel".into()).await?;
    reserve("flight".into()).await
}

mod elsewhere {
    #[beldi::ssf]
    pub(super) async fn charge() -> Result<(), String> {
        super::take_one("balance").await
    }
}

#[beldi::ssf(service = "payments")]
async fn charge() -> Result<(), String>;

#[beldi::txn]
async fn pay() -> Result<(), String> {
    charge().await
}

#[beldi::txn(read_only)]
async fn look_at_two() -> u64 {
    COUNTS.get_many(["hotel", "flight"]).await.into_iter().flatten().sum()
}

#[beldi::ssf(read_only)]
async fn look_at_one() -> Option<u64> {
    COUNTS.get("hotel").await
}

fn world() -> World {
    let app = App::new("costs").ssf(lock_one).ssf(take_two).ssf(reserve).ssf(book).ssf(pay);
    let app = app.ssf(look_at_two).ssf(look_at_one);
    let payments = World::new(App::new("payments").ssf(elsewhere::charge));
    measured(World::new(app).with(payments))
}

/// Measures everything.
pub(crate) fn measure() -> TransactionCosts {
    let (of_2_callees, until_unlocked) = booking_costs();
    TransactionCosts {
        lock: lock_cost(),
        of_2_items: to_the_reply(take_two()),
        of_2_callees,
        until_unlocked,
        of_1_item_elsewhere: to_the_reply(pay()),
        snapshot_of_2_items: to_the_reply(look_at_two()),
        get_of_a_locked_item: locked_get_cost(),
    }
}

fn to_the_reply<S: Ssf>(call: Call<S>) -> u64 {
    in_virtual_time(async {
        let world = world();
        let asked = Instant::now();
        world.call(call).await.expect("a quiet world");
        millis(asked, Instant::now())
    })
}

/// Nothing unlogged before it, the root registered.
fn lock_cost() -> u64 {
    in_virtual_time(async {
        world().call(lock_one()).await.expect("a quiet world");
        let laps = take_laps();
        millis(laps[0], laps[1])
    })
}

/// Requests take two milliseconds here, so that looks can fall between them.
fn booking_costs() -> (u64, u64) {
    in_virtual_time(async {
        let world = world();
        world.store().latency(|| Duration::from_millis(2));
        let asked = Instant::now();
        world.call(book()).await.expect("a quiet world").expect("nothing is sold out");
        let answered = Instant::now();
        sleep(Duration::from_millis(1)).await;
        while world.stored().iter().any(|(_, row)| row.get("l").is_some()) {
            sleep(Duration::from_millis(2)).await;
        }
        (millis(asked, answered) / 2, millis(answered, Instant::now()) / 2)
    })
}

/// The host dies between the decision and what it decides.
fn locked_get_cost() -> u64 {
    in_virtual_time(async {
        let world = world();
        world.store().script(|request| match request.kind {
            RequestKind::Update if request.target.contains("/txn/") => Fault::CrashAfter,
            _ => Fault::None,
        });
        tokio::select! {
            _ = IntoFuture::into_future(world.call(take_two())) => unreachable!("the host dies"),
            () = world.store().died() => {}
        }
        let asked = Instant::now();
        let seen = world.new_host().call(look_at_one()).await.expect("a quiet world");
        assert_eq!(seen, Some(8));
        millis(asked, Instant::now())
    })
}
