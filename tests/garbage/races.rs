//! Collectors, readers and roots that cross each other's way.

use std::cell::Cell;
use std::future::IntoFuture;
use std::time::Duration;

use beldi::testing::RequestKind::{Get, Update};
use beldi::testing::{Fault, Gate, World, in_virtual_time};
use beldi::{App, InstanceState};

use crate::schedule::{dies, disturb, held};
use crate::together::{bank, buy, mark};
use crate::{LAG, VALUES, WINDOW, collected, limits, set, settled};

const X: &str = "table/values/x";

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(false) };
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
    let app = App::new("races").limits(limits(16)).ssf(set).ssf(erase);
    World::new(app.ssf(look).ssf(add_in_txn).ssf(add_and_wait))
}

/// Lost roots in front of a live one in the due index.
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
        let late =
            futures_util::future::join_all((0..16).map(|n| {
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
        let count =
            host.stored().iter().filter(|(key, _)| key.partition.starts_with("root/late")).count();
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

/// It met the lock, and asks when the decision is empty.
#[test]
fn a_reader_that_sleeps_before_it_asks_for_the_decision_sees_what_was_committed() {
    in_virtual_time(async {
        let world = world().row(VALUES, "x", &10);
        let (settles, asks) = (Gate::default(), Gate::default());
        let (settled_at, mut is_decided) = (settles.clone(), false);
        world.store().script(move |request| {
            is_decided |= request.kind == Update && request.target.starts_with("root/k/txn/");
            let is_it = is_decided && request.kind == Update && request.target == X;
            if is_it { Fault::WaitBefore(settled_at.clone()) } else { Fault::None }
        });
        let (reader, host) = (world.new_host(), world.new_host());
        assert_eq!(world.call(add_in_txn(("x".into(), 1))).key("k").await.unwrap(), Ok(11));
        settles.reached().await;
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
            let app = App::new("shop").limits(limits(16)).ssf(buy).ssf(mark);
            let bank = App::new("bank").limits(limits(16)).ssf(bank::pay).ssf(bank::note).ssf(look);
            let world = World::new(app).with(World::new(bank));
            let (settles, asks) = (Gate::default(), Gate::default());
            // Both services share the script: their items have names of their own.
            let more = Gate::default();
            disturb(
                world.store(),
                [
                    (Update, "table/values/a", Fault::None),
                    (Update, "table/values/a", Fault::None),
                    (Update, "table/values/a", Fault::WaitBefore(settles.clone())),
                    (Update, "table/values/a", Fault::WaitBefore(more.clone())),
                ],
            );
            let (reader, host) = (world.new_host(), world.new_host());
            world.call(buy(("a".into(), 1))).key("k").await.unwrap().unwrap();
            settles.reached().await;
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

/// Versions begin anew where the head of a deleted item was collected.
#[test]
fn an_item_that_is_made_anew_is_not_taken_for_the_one_before() {
    in_virtual_time(async {
        let (world, writes) = (world(), Gate::default());
        world.call(set(("x".into(), 1))).await.unwrap();
        world.call(erase("x".into())).await.unwrap();
        settled(&world).await;
        tokio::time::sleep(2 * LAG).await;
        collected(&world).await;
        tokio::time::sleep(WINDOW + 2 * LAG).await;
        let host = world.new_host();
        disturb(world.store(), [(Update, X, Fault::WaitBefore(writes.clone()))]);
        let added = held(world.call(add_and_wait()), writes, async {
            collected(&host).await;
            assert!(host.stored().iter().all(|(key, _)| key.partition != "table/values"));
            host.call(set(("x".into(), 50))).await.unwrap();
            host.call(set(("x".into(), 60))).await.unwrap();
        });
        added.await;
        assert_eq!(world.peek(VALUES, "x"), Some(61));
    });
}

/// It was listed long before its last marks went.
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
            if request.kind == Update && request.target == X && seen > 1 {
                Fault::Fail
            } else {
                Fault::None
            }
        });
        let _ = stops.collect_garbage().await;
        let host = world.new_host();
        host.store().script(|_| Fault::None);
        collected(&host).await;
        tokio::time::sleep(WINDOW).await;
        assert_eq!(world.peek(VALUES, "x"), None);
    });
}

/// The abort was put by a rival, a window ago.
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
        let rules = [
            (Update, d, Fault::None),
            (Update, d, Fault::None),
            (Update, d, Fault::WaitBefore(gate.clone())),
        ];
        disturb(again.store(), rules);
        let told = held(again.call(add_in_txn(("x".into(), 1))).key("k"), gate, async {
            collected(&host).await;
        });
        let _ = told.await;
        settled(&host).await;
        let _ = host.call(add_in_txn(("x".into(), 1))).key("k").await;
        settled(&host).await;
        assert_eq!(host.peek(VALUES, "x"), Some(51));
    });
}
