//! What a run of the collector costs, and what it tells.

use std::cell::Cell;
use std::time::Duration;

use beldi::store::{Condition, DUE_ORDER, DUE_SHARD, Key, Store, Update};
use beldi::testing::RequestKind::Update as Change;
use beldi::testing::{Counts, Fault, World, in_virtual_time};
use beldi::{App, Limits};
use metrics::Label;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::Value;
use tracing::Level;

use crate::lines::Lines;
use crate::schedule::{dies, disturb};
use crate::{AT_LAST, KEY, LAG, VALUES, collected, limits, set, set_all, settled};

thread_local! {
    /// Whether who has come so far fails.
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

#[beldi::ssf]
async fn put_and_wait() {
    VALUES.put("x", &1).await;
    assert!(!FAILS.get(), "the printer is out of paper");
}

#[beldi::txn]
async fn put_in_txn() -> Result<(), ()> {
    VALUES.put("x", &1).await;
    Ok(())
}

fn world(limits: Limits) -> World {
    World::new(App::new("report").limits(limits).ssf(set).ssf(put_and_wait).ssf(put_in_txn))
}

/// Live keys, of whose writers nothing is left to do.
async fn with_keys(keys: u64) -> World {
    let world =
        (0..keys).fold(world(limits(16)), |world, n| world.row(VALUES, &format!("{n}"), &n));
    tokio::time::sleep(2 * LAG).await;
    collected(&world).await;
    world
}

/// The requests of one run, and how many roots it collected.
async fn run(world: &World) -> (Counts, u64) {
    let before = world.store().counts();
    let roots = world.collect_garbage().await.unwrap().roots as u64;
    let after = world.store().counts();
    let counts = Counts {
        gets: after.gets - before.gets,
        updates: after.updates - before.updates,
        queries: after.queries - before.queries,
        dues: after.dues - before.dues,
        deletes: after.deletes - before.deletes,
    };
    (counts, roots)
}

#[test]
fn an_idle_service_costs_the_same_however_much_it_has() {
    for keys in [0, 10, 1000] {
        let idle = in_virtual_time(async {
            let world = with_keys(keys).await;
            tokio::time::sleep(LAG).await;
            run(&world).await
        });
        // Two shards of each index, twice; the door, the horizon, and how far it is swept.
        assert_eq!(idle, (Counts { dues: 8, updates: 3, ..Counts::default() }, 0), "{keys} keys");
    }
}

/// So many simple roots, each with an item of its own that it wrote as the second.
async fn cost_of(roots: u64, keys: u64) -> Counts {
    let world = with_keys(keys).await;
    for n in 0..roots {
        world.call(set((format!("{n}"), n))).await.unwrap();
    }
    settled(&world).await;
    tokio::time::sleep(2 * LAG).await;
    let (counts, collected) = run(&world).await;
    assert_eq!(collected, roots);
    counts
}

#[test]
fn what_a_run_costs_grows_with_the_garbage_alone() {
    let cost = |roots, keys| in_virtual_time(cost_of(roots, keys));
    for keys in [200, 2000] {
        for roots in [1, 10, 100] {
            // Of each root, the intent is emptied, as the index shows it; its item is read, and
            // pruned if there are more marks than one.
            let right =
                Counts { dues: 8, updates: 3 + 2 * roots, queries: 0, gets: roots, deletes: 0 };
            assert_eq!(cost(roots, keys), right, "{roots} roots, {keys} keys");
        }
    }
}

/// An instance that nobody can finish, and what is told about it, before twice the lag and after.
async fn held_back(world: &World) -> (String, u64, String) {
    let (lines, _guard) = Lines::kept(Level::WARN);
    let is_warned = || {
        let message = |line: &Value| line["fields"]["message"].to_string();
        lines.parsed().iter().any(|line| message(line).contains("holds the garbage collector back"))
    };
    tokio::time::sleep(LAG + LAG / 2).await;
    set_all(world, &[("y", 1)]).await;
    let early = world.collect_garbage().await.unwrap();
    assert!(early.held_back.is_some() && !is_warned(), "it may end yet");
    tokio::time::sleep(2 * LAG).await;
    let late = world.collect_garbage().await.unwrap();
    assert!(is_warned(), "{}", lines.text());
    let held = late.held_back.expect("what holds it back");
    assert_eq!((held.since, late.horizon, late.roots), (late.horizon, held.since, 0));
    (held.key, held.since, held.why)
}

#[test]
fn a_parked_root_is_named_with_its_reason() {
    in_virtual_time(async {
        let world = world(limits(16));
        let began = world.now();
        FAILS.set(true);
        assert!(world.call(put_and_wait()).key(KEY).await.is_err());
        FAILS.set(false);
        let (key, since, why) = held_back(&world).await;
        assert_eq!((&*key, since), (KEY, began));
        assert!(why.starts_with("it is parked: ") && why.contains("out of paper"), "{why}");
        world.resume(KEY).await.unwrap();
        settled(&world).await;
        assert_eq!(world.collect_garbage().await.unwrap().held_back, None);
    });
}

#[test]
fn a_root_that_fails_is_named_with_the_last_failure() {
    in_virtual_time(async {
        let hour = Duration::from_secs(3600);
        let patient = Limits { backoff: hour, backoff_max: hour, attempts: 10, ..limits(16) };
        let patient = Limits { call_time: Duration::from_secs(1), ..patient };
        let world = world(patient);
        FAILS.set(true);
        assert!(world.call(put_and_wait()).key(KEY).await.is_err());
        FAILS.set(false);
        let (key, _, why) = held_back(&world).await;
        assert_eq!(key, KEY);
        assert!(why.starts_with("attempt 1 failed: ") && why.contains("out of paper"), "{why}");
    });
}

#[test]
fn a_root_whose_host_died_is_named() {
    in_virtual_time(async {
        let world = world(limits(16));
        disturb(world.store(), [(Change, "table/values/x", Fault::CrashBefore)]);
        dies(&world, world.call(put_and_wait()).key(KEY)).await;
        let (key, _, why) = held_back(&world.new_host()).await;
        assert_eq!((&*key, &*why), (KEY, "attempt 1 has not ended"));
    });
}

#[test]
fn a_root_that_only_a_decision_stands_for_is_named() {
    in_virtual_time(async {
        let world = world(limits(16));
        disturb(world.store(), [(Change, "root/k/txn/*", Fault::CrashAfter)]);
        dies(&world, world.call(put_in_txn()).key(KEY)).await;
        let (key, _, why) = held_back(&world.new_host()).await;
        assert_eq!(key, KEY);
        assert!(why.starts_with("a transaction has committed"), "{why}");
    });
}

#[test]
fn what_was_removed_is_told_and_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let removed = metrics::with_local_recorder(&recorder, || {
        in_virtual_time(async {
            let world = world(limits(2));
            set_all(&world, &[("x", 1), ("x", 2), ("x", 3), ("x", 4), ("x", 5)]).await;
            settled(&world).await;
            tokio::time::sleep(2 * LAG).await;
            world.collect_garbage().await.unwrap()
        })
    });
    let kinds = [removed.roots, removed.older_rows, removed.slots, removed.decisions];
    assert_eq!(kinds, [5, 2, 0, 0], "{removed:?}");
    assert_eq!(removed.removed(), 5 + 2 + removed.marks);
    let metrics = snapshotter.snapshot().into_vec();
    let value = |name: &str, kind: Option<&str>| {
        let found = metrics.iter().find(|(key, ..)| {
            let kinds = || key.key().labels().map(Label::value);
            key.key().name() == name && kind.is_none_or(|kind| kinds().any(|found| found == kind))
        });
        &found.unwrap_or_else(|| panic!("{name} of {kind:?}")).3
    };
    let counted = |kind| value("beldi_garbage_collected_total", Some(kind));
    assert_eq!(*counted("root"), DebugValue::Counter(5));
    assert_eq!(*counted("older_row"), DebugValue::Counter(2));
    assert_eq!(*counted("mark"), DebugValue::Counter(removed.marks as u64));
    for kind in ["slot", "decision", "prepare", "tombstone", "head"] {
        assert_eq!(*counted(kind), DebugValue::Counter(0), "{kind}");
    }
    let gauge = |name| match value(name, None) {
        DebugValue::Gauge(gauge) => gauge.into_inner(),
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(gauge("beldi_horizon_age_seconds"), LAG.as_secs_f64());
    let fine = ["beldi_horizon_is_held_back", "beldi_garbage_damaged", "beldi_peers_unreachable"];
    assert_eq!(fine.map(gauge), [0.0; 3]);
    assert!(matches!(value("beldi_garbage_seconds", None), DebugValue::Histogram(_)));
}

/// Puts a row into the garbage that nobody can read.
async fn damage(world: &World, key: &Key, shard: u8) {
    let row = Update::when(Condition::always())
        .set("state", "done")
        .set(DUE_SHARD, format!("garbage/{shard}"))
        .set(DUE_ORDER, 1);
    world.store().update(key, &row).await.unwrap();
}

#[test]
fn damaged_rows_stay_and_the_rest_is_collected() {
    for shard in 0..4 {
        in_virtual_time(async {
            let world = world(limits(16));
            let key = Key::new("root/damaged", "intent");
            damage(&world, &key, shard).await;
            for n in 0..8 {
                world.call(set((format!("{n}"), n))).await.unwrap();
            }
            settled(&world).await;
            tokio::time::sleep(2 * LAG).await;
            let (lines, _guard) = Lines::kept(Level::ERROR);
            let collected = world.collect_garbage().await.unwrap();
            assert_eq!((collected.roots, collected.damaged), (8, 1), "{shard}");
            assert!(collected.is_complete);
            assert!(lines.text().contains("cannot deal with a row"), "{}", lines.text());
            tokio::time::sleep(AT_LAST).await;
            assert_eq!(world.collect_garbage().await.unwrap().tombstones, 8);
            let left: Vec<_> = world.stored().into_iter().map(|(key, _)| key).collect();
            assert!(left.contains(&key), "it is kept for whoever can mend it");
        });
    }
}
