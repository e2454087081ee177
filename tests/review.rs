//! Scratch: what a second review suspects.

use std::cell::Cell;
use std::future::IntoFuture;
use std::time::Duration;

use beldi::store::{Key, Row};
use beldi::testing::RequestKind::{self, Get, Update};
use beldi::testing::{Fault, Gate, World, explore, in_virtual_time};
use beldi::{App, InstanceState, Limits, Table};

#[path = "common/schedule.rs"]
mod schedule;
use schedule::{dies, disturb, held};

const VALUES: Table<str, u64> = Table::new("values");
const LAG: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(3600);
const AT_LAST: Duration = Duration::from_secs(24 * 3600);
const X: &str = "table/values/x";

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

fn limits() -> Limits {
    Limits {
        lag: LAG,
        redelivery: WINDOW,
        attempts: 1,
        attempt_time: 10 * AT_LAST,
        request_time: 10 * AT_LAST,
        call_time: 10 * AT_LAST,
        txn_time: Duration::from_secs(1),
        lock_wait: Duration::from_secs(5),
        ..Limits::default()
    }
}

#[beldi::ssf]
async fn set((key, value): (String, u64)) {
    VALUES.put(&key, &value).await;
}
#[beldi::ssf]
async fn erase(key: String) {
    VALUES.delete(&key).await;
}
#[beldi::ssf]
async fn look(key: String) -> Option<u64> {
    VALUES.get(&key).await
}
#[beldi::txn]
async fn add_in_txn((key, by): (String, u64)) -> Result<u64, ()> {
    let value = VALUES.get(&key).await.unwrap_or(0) + by;
    VALUES.put(&key, &value).await;
    Ok(value)
}
#[beldi::ssf]
async fn add_and_wait() {
    VALUES.update("x", |x| *x = Some(x.unwrap_or(0) + 1)).await;
    assert!(!FAILS.get(), "as it was told");
    VALUES.update("y", |x| *x = Some(x.unwrap_or(0) + 1)).await;
}

fn world() -> World {
    World::new(
        App::new("review").limits(limits()).ssf(set).ssf(erase).ssf(look).ssf(add_in_txn).ssf(add_and_wait),
    )
}
async fn settled(host: &World) {
    tokio::time::sleep(Duration::from_millis(1)).await;
    host.settle().await.unwrap();
}
async fn collected(host: &World) {
    for _ in 0..3 {
        host.collect_garbage().await.unwrap();
    }
}
fn head(world: &World, key: &str) -> Row {
    let at = Key::new("table/values", key);
    world.stored().into_iter().find(|(key, _)| *key == at).map(|(_, row)| row).unwrap_or_default()
}

#[test]
fn lost_roots_hide_no_live_one() {
    in_virtual_time(async {
        let world = world();
        let gates: Vec<_> = (0..16).map(|_| Gate::default()).collect();
        let (waits, mut seen) = (gates.clone(), 0);
        world.store().script(move |request| match request.kind {
            Update if request.target.starts_with("root/late") && seen < waits.len() => {
                seen += 1;
                Fault::WaitBefore(waits[seen - 1].clone())
            }
            // The host dies before it can confirm.
            Get if request.target.starts_with("service/") => Fault::CrashBefore,
            _ => Fault::None,
        });
        let host = world.new_host();
        let late = futures_util::future::join_all((0..16).map(|n| {
            world.call(set(("z".to_owned(), n))).key(format!("late-{n}")).into_future()
        }));
        let late = async {
            tokio::select! { _ = late => panic!("died"), () = tokio::time::sleep(3 * LAG) => {} }
        };
        let meanwhile = async {
            for gate in &gates {
                gate.reached().await;
            }
            tokio::time::sleep(2 * LAG).await;
            host.collect_garbage().await.unwrap();
            FAILS.set(true);
            assert!(host.call(add_and_wait()).key("live").await.is_err());
            FAILS.set(false);
            for gate in &gates {
                gate.open();
            }
        };
        tokio::join!(late, meanwhile);
        tokio::time::sleep(2 * LAG).await;
        let count = host.stored().iter().filter(|(key, _)| key.partition.starts_with("root/late")).count();
        assert_eq!(count, 16);
        let collected = host.collect_garbage().await.unwrap();
        assert_eq!(collected.held_back.map(|held| held.key).as_deref(), Some("live"));
        host.store().script(|_| Fault::None);
        host.resume("live").await.unwrap();
        host.call(add_and_wait()).key("live").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(host.instance("live").await.unwrap().state, InstanceState::Done);
        assert_eq!((host.peek(VALUES, "x"), host.peek(VALUES, "y")), (Some(1), Some(1)));
    });
}

#[test]
fn a_reader_that_sleeps_before_it_asks_for_the_decision_sees_what_was_committed() {
    in_virtual_time(async {
        let world = world().row(VALUES, "x", &10);
        let (settles, asks) = (Gate::default(), Gate::default());
        let rules = [(Update, X, Fault::None), (Update, X, Fault::WaitBefore(settles.clone()))];
        disturb(world.store(), rules);
        let (reader, host) = (world.new_host(), world.new_host());
        assert_eq!(world.call(add_in_txn(("x".into(), 1))).key("k").await.unwrap(), Ok(11));
        disturb(reader.store(), [(Get, "root/k/txn/*", Fault::WaitBefore(asks.clone()))]);
        let seen = held(reader.call(look("x".into())), asks, async {
            settles.open();
            tokio::time::sleep(2 * LAG).await;
            settled(&host).await;
            collected(&host).await;
        });
        assert_eq!(seen.await, Some(11));
    });
}

/// The same of another service's transaction, whose prepare record goes between.
#[test]
fn a_reader_elsewhere_that_sleeps_sees_what_was_committed() {
    for held_at in ["root", "prepare"] {
        in_virtual_time(async {
            let app = App::new("shop").limits(limits()).ssf(buy).ssf(mark);
            let bank = App::new("bank").limits(limits()).ssf(bank::pay).ssf(bank::note).ssf(look);
            let world = World::new(app).with(World::new(bank));
            let (settles, asks) = (Gate::default(), Gate::default());
            // Both services share the script: their items have names of their own.
            let more = Gate::default();
            disturb(world.store(), [
                (Update, "table/values/a", Fault::None),
                (Update, "table/values/a", Fault::None),
                (Update, "table/values/a", Fault::WaitBefore(settles.clone())),
                (Update, "table/values/a", Fault::WaitBefore(more.clone())),
            ]);
            let (reader, host) = (world.new_host(), world.new_host());
            world.call(buy(("a".into(), 1))).key("k").await.unwrap().unwrap();
            let rules = [(Get, "root/k/txn/*", Fault::WaitBefore(asks.clone()))];
            match held_at {
                "root" => disturb(reader.store(), rules),
                _ => {
                    let wait = asks.clone();
                    let mut met = false;
                    reader.store().script(move |request| {
                        let is_it = !met && request.target.starts_with("prepare/");
                        met |= is_it;
                        if is_it { Fault::WaitBefore(wait.clone()) } else { Fault::None }
                    });
                }
            }
            let seen = held(reader.service("bank").call(look("a".into())), asks, async {
                settles.open();
                more.open();
                tokio::time::sleep(2 * LAG).await;
                settled(&host).await;
                collected(&host).await;
                tokio::time::sleep(9 * LAG).await;
                collected(&host).await;
            });
            assert_eq!(seen.await, Some(1), "{held_at}");
        });
    }
}

#[test]
fn a_head_keeps_its_fence_though_a_collector_stops_before_it_lists_it() {
    in_virtual_time(async {
        let world = world();
        world.call(set(("x".into(), 5))).await.unwrap();
        world.call(erase("x".into())).await.unwrap();
        settled(&world).await;
        tokio::time::sleep(2 * LAG).await;
        collected(&world).await;
        tokio::time::sleep(WINDOW - LAG).await;
        disturb(world.store(), [(Update, X, Fault::Late(WINDOW / 2))]);
        world.call(set(("x".into(), 7))).key("k").await.unwrap();
        world.call(erase("x".into())).await.unwrap();
        settled(&world).await;
        tokio::time::sleep(3 * LAG).await;
        let stops = world.new_host();
        let mut seen = 0;
        stops.store().script(move |request| {
            seen += usize::from(request.kind == Update && request.target == X);
            if request.kind == Update && request.target == X && seen > 1 { Fault::Fail } else { Fault::None }
        });
        let told = stops.collect_garbage().await;
        println!("{told:?} {:?}", head(&world, "x"));
        let host = world.new_host();
        host.store().script(|_| Fault::None);
        collected(&host).await;
        tokio::time::sleep(WINDOW).await;
        assert_eq!(world.peek(VALUES, "x"), None);
    });
}

#[test]
fn an_abort_that_goes_while_its_root_comes_again_lets_it_commit_once() {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, "root/k/txn/*", Fault::CrashBefore)]);
        dies(&world, world.call(add_in_txn(("x".into(), 1))).key("k")).await;
        let host = world.new_host();
        tokio::time::sleep(Duration::from_secs(2)).await;
        host.call(set(("x".into(), 50))).await.unwrap();
        settled(&host).await;
        tokio::time::sleep(WINDOW + 2 * LAG).await;
        let (again, gate) = (world.new_host(), Gate::default());
        let d = "root/k/txn/*";
        let rules = [(Update, d, Fault::None), (Update, d, Fault::None), (Update, d, Fault::WaitBefore(gate.clone()))];
        disturb(again.store(), rules);
        let told = held(again.call(add_in_txn(("x".into(), 1))).key("k"), gate, async {
            collected(&host).await;
        });
        println!("{:?}", told.await);
        settled(&host).await;
        let told = host.call(add_in_txn(("x".into(), 1))).key("k").await;
        println!("{told:?}");
        settled(&host).await;
        assert_eq!(host.peek(VALUES, "x"), Some(51));
    });
}

// ------------------------------------------------------------------ random

mod bank {
    use super::{App, Limits, VALUES};

    #[beldi::ssf]
    pub(super) async fn pay((key, by): (String, u64)) -> u64 {
        let value = VALUES.get(&key).await.unwrap_or(0) + by;
        note().send().await;
        VALUES.put(&key, &value).await;
        value
    }
    /// Outside of transactions.
    #[beldi::ssf]
    pub(super) async fn tip((key, by): (String, u64)) -> u64 {
        VALUES.update(&key, |value| *value.insert(value.unwrap_or(0) + by)).await
    }
    #[beldi::ssf]
    pub(super) async fn note() {
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
async fn mark() {
    VALUES.update("marks", |marks| *marks = Some(marks.unwrap_or(0) + 1)).await;
}
#[beldi::ssf]
async fn buy((key, by): (String, u64)) -> Result<u64, ()> {
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

fn together(lag: u64, marks: u32) -> World {
    let limits = Limits { lag: Duration::from_millis(lag), marks, attempts: 1000, ..Limits::default() };
    let app = App::new("shop").limits(limits.clone());
    let app = app.ssf(buy).ssf(alone).ssf(order).ssf(mark).ssf(look);
    World::new(app).with(World::new(bank::app(limits))).collecting_garbage()
}

fn random(lag: u64, marks: u32) {
    let from: u64 = std::env::var("FROM").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let count: u64 = std::env::var("COUNT").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let explored = explore(
        from..from + count,
        move || together(lag, marks),
        async |world| {
            let one = async { world.call(buy(("a".into(), 1))).key("k1").await };
            let two = async { world.call(order(("a".into(), 10))).key("k2").await };
            let three = async { world.call(alone(("a".into(), 100))).key("k3").await };
            let four = async { world.call(buy(("b".into(), 1000))).key("k4").await };
            let five = async { world.call(alone(("b".into(), 1))).key("k5").await };
            let (one, two, three, four, five) = tokio::join!(one, two, three, four, five);
            let _ = (one, two, three, four, five);
        },
        |world, ()| {
            let bank = world.service("bank");
            let done: Vec<bool> = ["k1", "k2", "k3", "k4", "k5"]
                .iter()
                .map(|key| world.stored().iter().any(|(at, row)| at.partition == format!("root/{key}") && at.sort == "intent" && row.text("state") == Some("done")))
                .collect();
            let parked: Vec<_> = world.stored().into_iter().chain(bank.stored()).filter(|(_, row)| row.text("state") == Some("parked")).collect();
            assert!(parked.is_empty(), "{parked:?}");
            let n = |at: usize| u64::from(done[at]);
            let a = n(0) + 10 * n(1) + 100 * n(2);
            let b = 1000 * n(3) + n(4);
            let seen = |world: &World, key: &str| world.peek(VALUES, key).unwrap_or(0);
            assert_eq!((seen(world, "a"), seen(world, "b")), (a, b), "{done:?}");
            assert_eq!((seen(bank, "a"), seen(bank, "b")), (n(0) + 10 * n(1), 1000 * n(3)), "{done:?}");
            assert_eq!(seen(world, "marks"), n(0) + n(1) + n(2) + n(3) + n(4), "{done:?}");
            assert_eq!(seen(bank, "notes"), n(0) + n(3), "{done:?}");
            assert!(world.peek(VALUES, "tmp").is_none());
        },
    );
    println!("{explored}");
}

#[test]
fn random_40() {
    random(40, 16);
}
#[test]
fn random_5() {
    random(5, 2);
}
#[test]
fn random_0() {
    random(0, 1);
}
#[test]
fn random_400() {
    random(400, 1);
}
const _: Option<RequestKind> = None;
