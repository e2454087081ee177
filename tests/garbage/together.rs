//! Two services under random schedules, with collectors that cannot wait: transactions over both, sends,
//! calls, deleted items. Whatever is done is done once, in both.

use std::future::IntoFuture;
use std::ops::Range;
use std::time::Duration;

use beldi::testing::{World, explore, seeds};
use beldi::{App, Limits};
use futures_util::future::join_all;

use crate::VALUES;

/// What the other owner has.
pub(crate) mod bank {
    use super::{App, Limits, VALUES};

    #[beldi::ssf]
    pub(crate) async fn pay((key, by): (String, u64)) -> u64 {
        let value = VALUES.get(&key).await.unwrap_or(0) + by;
        note().send().await;
        VALUES.put(&key, &value).await;
        value
    }
    /// Outside of transactions.
    #[beldi::ssf]
    pub(crate) async fn tip((key, by): (String, u64)) -> u64 {
        VALUES.update(&key, |value| *value.insert(value.unwrap_or(0) + by)).await
    }
    #[beldi::ssf]
    pub(crate) async fn note() {
        VALUES.update("notes", |notes| *notes = Some(notes.unwrap_or(0) + 1)).await;
    }
    pub(super) fn app(limits: Limits) -> App {
        App::new("bank").limits(limits).ssf(pay).ssf(tip).ssf(note)
    }
}

#[beldi::ssf(service = "bank")]
async fn pay(arg: (String, u64)) -> u64;
#[beldi::ssf(service = "bank")]
async fn tip(arg: (String, u64)) -> u64;

#[beldi::ssf]
pub(crate) async fn mark() {
    VALUES.update("marks", |marks| *marks = Some(marks.unwrap_or(0) + 1)).await;
}
#[beldi::ssf]
pub(crate) async fn buy((key, by): (String, u64)) -> Result<u64, ()> {
    let _ = beldi::now().await;
    beldi::txn(async {
        let had = VALUES.get(&key).await.unwrap_or(0);
        let _ = pay((key.clone(), by)).await;
        mark().send().await;
        VALUES.put(&key, &(had + by)).await;
        Ok(had + by)
    })
    .await
}
#[beldi::ssf]
async fn alone((key, by): (String, u64)) -> Result<u64, ()> {
    beldi::txn(async {
        let had = VALUES.get(&key).await.unwrap_or(0);
        mark().send().await;
        VALUES.put(&key, &(had + by)).await;
        Ok(had + by)
    })
    .await
}
#[beldi::ssf]
async fn order((key, by): (String, u64)) -> u64 {
    let told = tip((key.clone(), by)).await;
    mark().send().await;
    VALUES.update(&key, |value| *value = Some(value.unwrap_or(0) + by)).await;
    VALUES.put("tmp", &told).await;
    VALUES.delete("tmp").await;
    told
}

/// Two services that share a clock and nothing else.
fn world(lag: u64, marks: u32) -> World {
    let lag = Duration::from_millis(lag);
    let limits = Limits { lag, marks, attempts: 1000, ..Limits::default() };
    let app = App::new("shop").limits(limits.clone());
    let app = app.ssf(buy).ssf(alone).ssf(order).ssf(mark);
    World::new(app).with(World::new(bank::app(limits))).collecting_garbage()
}

/// Whether the root with this key is finished.
fn is_done(world: &World, key: &str) -> bool {
    let partition = format!("root/{key}");
    world.stored().iter().any(|(at, row)| {
        at.partition == partition && at.sort == "intent" && row.text("state") == Some("done")
    })
}

fn explored(lag: u64, marks: u32, seeds: Range<u64>) {
    let run = async |world: &World| {
        let buys = [(("a", 1), "k1"), (("b", 1000), "k4")];
        let buys = buys
            .map(|((item, by), key)| world.call(buy((item.to_owned(), by))).key(key).into_future());
        let alone = [(("a", 100), "k3"), (("b", 1), "k5")].map(|((item, by), key)| {
            world.call(alone((item.to_owned(), by))).key(key).into_future()
        });
        let order = world.call(order(("a".into(), 10))).key("k2").into_future();
        // Who is told that it is not known how far it came, does not ask again.
        let _ = tokio::join!(join_all(buys), join_all(alone), order);
    };
    let check = |world: &World, ()| {
        let bank = world.service("bank");
        let [k1, k2, k3, k4, k5] =
            ["k1", "k2", "k3", "k4", "k5"].map(|key| u64::from(is_done(world, key)));
        let values =
            |world: &World, keys: [&str; 3]| keys.map(|key| world.peek(VALUES, key).unwrap_or(0));
        let shop = [k1 + 10 * k2 + 100 * k3, 1000 * k4 + k5, k1 + k2 + k3 + k4 + k5];
        assert_eq!(values(world, ["a", "b", "marks"]), shop);
        assert_eq!(values(bank, ["a", "b", "notes"]), [k1 + 10 * k2, 1000 * k4, k1 + k4]);
        assert_eq!(world.peek(VALUES, "tmp"), None);
    };
    println!("lag {lag} ms: {}", explore(seeds, || world(lag, marks), run, check));
}

/// More seeds: `BELDI_SEEDS=1000 cargo test --release --test garbage together`.
#[test]
fn what_two_services_do_is_done_once_while_both_collect() {
    for (lag, marks) in [(40, 16), (400, 1)] {
        explored(lag, marks, seeds(20));
    }
}

#[test]
fn an_absurdly_short_lag_costs_only_requests() {
    explored(5, 2, seeds(20));
}
