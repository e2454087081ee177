//! What could stay for ever: rows of what failed or was deleted, and what late requests put again.

use std::time::Duration;

use beldi::App;
use beldi::testing::RequestKind::{Delete, Update};
use beldi::testing::{Fault, World, in_virtual_time};

use crate::schedule::disturb;
use crate::{
    KEY, LAG, VALUES, WINDOW, assert_sound, collected, head, limits, older_rows, set, set_all,
    settled,
};

const X: &str = "table/values/x";
const MINUTE: Duration = Duration::from_secs(60);

#[beldi::ssf]
async fn erase() {
    VALUES.delete("x").await;
}

#[beldi::txn]
async fn fail_in_txn(key: String) -> Result<(), ()> {
    VALUES.get(&key).await;
    VALUES.put(&format!("{key} too"), &1).await;
    panic!("as it was told");
}

#[beldi::ssf]
async fn come_and_go(keys: u64) {
    for n in 0..keys {
        VALUES.put(&format!("{n:03}"), &n).await;
    }
    for n in 0..keys {
        VALUES.delete(&format!("{n:03}")).await;
    }
}

fn world(marks: u32) -> World {
    let app = App::new("leftovers").limits(limits(marks)).ssf(set).ssf(erase);
    World::new(app.ssf(fail_in_txn).ssf(come_and_go))
}

/// Four hours, in which the collector comes now and then.
async fn hours_pass(world: &World) {
    for _ in 0..80 {
        tokio::time::sleep(3 * MINUTE).await;
        world.collect_garbage().await.unwrap();
    }
}

/// Everything but what the service knows of itself.
fn left(world: &World) -> Vec<String> {
    let rows = world.stored().into_iter().filter(|(key, _)| key.partition != "service");
    rows.map(|(key, row)| format!("{key}: {row:?}")).collect()
}

#[test]
fn transactions_that_fail_leave_nothing() {
    in_virtual_time(async {
        let world = world(16);
        for n in 0..10 {
            for _ in 0..2 {
                let call = world.call(fail_in_txn(format!("none {n}")));
                assert!(call.key(format!("r{n}")).await.is_err());
            }
        }
        settled(&world).await;
        hours_pass(&world).await;
        assert_eq!(left(&world), [""; 0]);
    });
}

#[test]
fn a_root_that_puts_and_deletes_many_keys_leaves_nothing() {
    for (marks, keys) in [(16, 600), (1, 40)] {
        in_virtual_time(async {
            let world = world(marks);
            world.call(come_and_go(keys)).key(KEY).await.unwrap();
            settled(&world).await;
            assert!(!left(&world).is_empty());
            hours_pass(&world).await;
            assert_eq!(left(&world), [""; 0]);
        });
    }
}

/// Nothing was there, so its mark is all that it leaves.
#[test]
fn deleting_what_is_not_there_leaves_nothing() {
    for marks in [1, 2, 16] {
        in_virtual_time(async {
            let world = world(marks);
            for _ in 0..3 {
                world.call(erase()).await.unwrap();
            }
            settled(&world).await;
            hours_pass(&world).await;
            assert_eq!(left(&world), [""; 0]);
        });
    }
}

/// A bare head was listed for its first fence, and is kept for the window of the second.
#[test]
fn a_bare_head_keeps_its_fence_for_a_window_after_its_last_marks() {
    in_virtual_time(async {
        let world = world(16);
        set_all(&world, &[("x", 1)]).await;
        world.call(erase()).await.unwrap();
        settled(&world).await;
        tokio::time::sleep(3 * MINUTE).await;
        collected(&world).await;
        tokio::time::sleep(WINDOW - 8 * MINUTE).await;

        disturb(world.store(), [(Update, X, Fault::Late(10 * MINUTE))]);
        set_all(&world, &[("x", 2)]).await;
        world.call(erase()).await.unwrap();
        settled(&world).await;
        tokio::time::sleep(3 * MINUTE).await;
        collected(&world).await;
        tokio::time::sleep(6 * MINUTE + MINUTE / 2).await;
        collected(&world).await;
        assert_ne!(head(&world, "x").int("f"), None, "the fence stands");
        tokio::time::sleep(MINUTE).await;
        assert_eq!(world.peek(VALUES, "x"), None);
        hours_pass(&world).await;
        assert_eq!(left(&world), [""; 0]);
    });
}

/// A row of an old generation goes, a writer counts anew and puts one there, and the delete comes again.
#[test]
fn a_late_delete_of_an_older_row_leaves_what_was_put_in_its_place() {
    in_virtual_time(async {
        let world = world(1);
        set_all(&world, &[("x", 1), ("x", 2)]).await;
        assert_eq!(older_rows(&world, "x"), 1);
        world.call(erase()).await.unwrap();
        settled(&world).await;
        tokio::time::sleep(2 * LAG).await;
        // It is repeated at once, and comes again long after.
        disturb(world.store(), [(Delete, "older/values*", Fault::Late(WINDOW + 20 * MINUTE))]);
        collected(&world).await;
        assert_eq!(older_rows(&world, "x"), 0);
        tokio::time::sleep(WINDOW + 5 * MINUTE).await;
        collected(&world).await;
        assert!(head(&world, "x").0.is_empty(), "the next writer counts anew");

        tokio::time::sleep(14 * MINUTE).await;
        set_all(&world, &[("x", 3), ("x", 4)]).await;
        let rows = older_rows(&world, "x");
        assert!(rows > 0);
        tokio::time::sleep(2 * MINUTE).await;
        assert_eq!(older_rows(&world, "x"), rows, "it was another row that was meant");
        assert_sound(&world);
    });
}
