//! The linked DAAL: full heads, older rows, helpers (e).

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;

use beldi::store::{Key, MemoryStore, Row};
use beldi::testing::RequestKind::{Query, Update};
use beldi::testing::{Fault, FaultyStore, Gate, World, in_virtual_time};
use beldi::{App, Limits};

use crate::rows::swap;
use crate::{VALUES, app, dies, disturb, held, set, set_all};

const ROOT: &str = "r";

/// Heads hold two marks.
fn world() -> World {
    World::new(app().limits(Limits { marks: 2, ..Limits::default() }))
}

/// The root under test writes `x` once.
macro_rules! write {
    ($world:expr) => {
        $world.call(set(("x".into(), 1))).key(ROOT)
    };
}

/// In how many rows each mark of `x` stands. No row may hold more than the capacity.
fn marks(rows: Vec<(Key, Row)>, capacity: usize) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (key, row) in rows {
        let is_head = key.partition == "table/values" && key.sort == "x";
        if is_head || key.partition.starts_with("older/values") {
            let names: Vec<_> = row.0.into_keys().filter(|name| name.starts_with('m')).collect();
            assert!(names.len() <= capacity, "{key} holds {} marks", names.len());
            for name in names {
                *found.entry(name).or_default() += 1;
            }
        }
    }
    found
}

fn assert_each_mark_once(marks: &BTreeMap<String, usize>, expected: usize) {
    assert!(marks.values().all(|rows| *rows == 1), "{marks:?}");
    assert_eq!(marks.len(), expected);
}

#[test]
fn e_spilled_mark_is_found() {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, "table/values/x", Fault::CrashAfter)]);
        dies(&world, write!(world)).await;
        let host = world.new_host();
        set_all(&host, &[("x", 2), ("x", 3), ("x", 4), ("x", 5), ("x", 6)]).await;
        write!(host).await.unwrap();
        assert_eq!(host.peek(VALUES, "x"), Some(6));
        assert_each_mark_once(&marks(host.stored(), 2), 6);
    });
}

/// Held with the condition it had before anything was spilled.
#[test]
fn e_late_write_after_a_spill() {
    in_virtual_time(async {
        let world = world();
        let gate = Gate::default();
        disturb(world.store(), [(Update, "table/values/x", Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        held(write!(world), gate, async {
            write!(other).await.unwrap();
            set_all(&other, &[("x", 2), ("x", 3)]).await;
        })
        .await;
        assert_eq!(world.peek(VALUES, "x"), Some(3));
    });
}

/// Held after it has searched the older rows; its own mark is spilled to a newer one.
#[test]
fn e_mark_spilled_after_the_search() {
    in_virtual_time(async {
        let world = world();
        let gate = Gate::default();
        set_all(&world, &[("x", 2), ("x", 3), ("x", 4)]).await;
        let searched = (Query, "older/values*", Fault::WaitAfter(gate.clone()));
        disturb(world.store(), [searched]);
        let other = world.new_host();
        held(write!(world), gate, async {
            write!(other).await.unwrap();
            set_all(&other, &[("x", 5), ("x", 6)]).await;
        })
        .await;
        assert_eq!(world.peek(VALUES, "x"), Some(6));
        assert_each_mark_once(&marks(world.stored(), 2), 6);
    });
}

#[test]
fn e_two_spillers_copy_the_same_log() {
    for step in ["older/values*", "table/values/x"] {
        in_virtual_time(async {
            let world = world();
            set_all(&world, &[("x", 2), ("x", 3)]).await;
            let gate = Gate::default();
            // The first update of the head is the write that finds it full, the second the swing.
            let refused = (Update, "table/values/x", Fault::None);
            disturb(world.store(), [refused, (Update, step, Fault::WaitBefore(gate.clone()))]);
            let other = world.new_host();
            held(write!(world), gate, async {
                set_all(&other, &[("x", 4), ("x", 5)]).await;
            })
            .await;
            assert_eq!(world.peek(VALUES, "x"), Some(1));
            assert_each_mark_once(&marks(world.stored(), 2), 5);
        });
    }
}

#[test]
fn e_crash_between_s1_and_s2() {
    in_virtual_time(async {
        let world = world();
        set_all(&world, &[("x", 2), ("x", 3)]).await;
        disturb(world.store(), [(Update, "older/values*", Fault::CrashAfter)]);
        dies(&world, write!(world)).await;
        let host = world.new_host();
        set_all(&host, &[("x", 4)]).await;
        assert_each_mark_once(&marks(host.stored(), 2), 3);
        write!(host).await.unwrap();
        assert_eq!(host.peek(VALUES, "x"), Some(1));
        assert_each_mark_once(&marks(host.stored(), 2), 4);
    });
}

#[test]
fn e_failed_conditional_writes_count() {
    in_virtual_time(async {
        let world = world();
        for n in 0..5 {
            assert!(!world.call(swap((7, n))).key(format!("swap-{n}")).await.unwrap());
            marks(world.stored(), 2);
        }
        assert_each_mark_once(&marks(world.stored(), 2), 5);
    });
}

/// Hosts with other limits beside each other, as in every roll-out of a changed limit.
#[test]
fn e_helpers_with_other_capacities() {
    in_virtual_time(async {
        let rows = Arc::new(MemoryStore::new());
        let store = FaultyStore::new(Arc::clone(&rows));
        let open = |marks| {
            let limits = Limits { marks, ..Limits::default() };
            App::new("capacities").limits(limits).ssf(set).open(store.clone()).unwrap()
        };
        let (small, large) = (open(2), open(3));
        let write = |value| set(("x".to_owned(), value));
        for value in [2, 3] {
            small.call(write(value)).await.unwrap();
        }
        let gate = Gate::default();
        let refused = (Update, "table/values/x", Fault::None);
        disturb(&store, [refused, (Update, "table/values/x", Fault::WaitBefore(gate.clone()))]);
        let between_s1_and_s2 = async {
            gate.reached().await;
            large.call(write(1)).await.unwrap();
            large.call(write(5)).await.unwrap();
            gate.open();
        };
        let (spiller, ()) = tokio::join!(small.call(write(4)).into_future(), between_s1_and_s2);
        spiller.unwrap();
        assert_each_mark_once(&marks(rows.rows(), 3), 5);
    });
}
