//! What the engine stores beside users' values, in bytes: of an item in the long run, and of a
//! finished request until it is forgotten. `docs/stored-form.md` shows these numbers.

#[path = "../examples/storage/bytes.rs"]
mod bytes;

use std::time::Duration;

use beldi::store::Key;
use beldi::testing::{World, in_virtual_time};
use beldi::{App, Call, Limits, Ssf, Table};
use bytes::Bytes;
use tokio::time::sleep;

/// Keys have 8 bytes, values 100.
const ITEMS: Table<str, String> = Table::new("items");
const KEY: &str = "item-001";
const OTHER_KEY: &str = "item-002";

const LAG: Duration = Duration::from_secs(30);
const REDELIVERY: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_secs(10);

fn value() -> String {
    "v".repeat(100)
}

#[beldi::ssf]
async fn save(key: String) {
    ITEMS.put(&key, &value()).await;
}

#[beldi::ssf]
async fn bump(key: String) {
    ITEMS.update(&key, |item| *item = Some(value())).await;
}

#[beldi::ssf]
async fn wipe(key: String) {
    ITEMS.delete(&key).await;
}

#[beldi::ssf(read_only)]
async fn look(key: String) -> bool {
    ITEMS.get(&key).await.is_some()
}

/// What is read is logged with the registration.
#[beldi::ssf]
async fn copy(key: String) {
    let there = ITEMS.get(&key).await.unwrap_or_default();
    ITEMS.put(&key, &there).await;
}

/// What is read at last is logged in a slot of its own.
#[beldi::ssf]
async fn pair(key: String) {
    for _ in 0..2 {
        let there = ITEMS.get(&key).await.unwrap_or_default();
        ITEMS.put(&key, &there).await;
    }
}

#[beldi::txn]
async fn swap((left, right): (String, String)) -> Result<(), String> {
    let first = ITEMS.get(&left).await.unwrap_or_default();
    let second = ITEMS.get(&right).await.unwrap_or_default();
    ITEMS.put(&left, &second).await;
    ITEMS.put(&right, &first).await;
    Ok(())
}

#[beldi::ssf]
async fn send(key: String) {
    save(key).send().await;
}

/// Both items are there, with the mark of whoever brought them.
fn world() -> World {
    let limits = Limits { lag: LAG, redelivery: REDELIVERY, ..Limits::default() };
    let app = App::new("site").limits(limits).ssf(save).ssf(bump).ssf(wipe).ssf(look);
    let app = app.ssf(copy).ssf(pair).ssf(swap).ssf(send);
    World::new(app).row(ITEMS, KEY, &value()).row(ITEMS, OTHER_KEY, &value())
}

/// Lets everything come to its end, and the collector run for so long.
async fn collect_for(world: &World, time: Duration) {
    world.settle().await.unwrap();
    for _ in 0..time.as_secs() / EVERY.as_secs() {
        sleep(EVERY).await;
        world.collect_garbage().await.unwrap();
    }
}

/// Long enough for the garbage of now to be collected.
const COLLECTED: Duration = Duration::from_secs(50);
/// Long enough, from then on, for what is left to be forgotten: the window, and a lag.
const FORGOTTEN: Duration = Duration::from_secs(160);

/// The first item with its older rows.
fn item(world: &World) -> Bytes {
    let is_meant = |key: &Key| match key.partition.split_once('/') {
        Some(("table", _)) => key.sort == KEY,
        Some(("older", item)) => item.ends_with(KEY),
        _ => false,
    };
    let rows: Vec<_> = world.stored().into_iter().filter(|(key, _)| is_meant(key)).collect();
    Bytes::of(&rows)
}

/// The key in its table, the name of the value and the value.
const VALUE: usize = 11 + 8 + 1 + 100;
/// The mark of a write: its name, and true.
const MARK: usize = 23 + 1;
/// How often the value was changed, how many marks there are, and the fence.
const HEAD: usize = 3 + 3 + 9;
/// Beside these, once the item has been hot: the number of older rows, and their largest epoch.
const HEAD_ONCE_HOT: usize = HEAD + 3 + 9;
/// 16 marks, the key and three numbers.
const OLDER_ROW: usize = 16 * MARK + 72;

#[test]
fn an_item_written_now_and_then_has_one_mark_at_most() {
    in_virtual_time(async {
        let world = world();
        for _ in 0..10 {
            world.call(save(KEY.to_owned())).await.unwrap();
            let Bytes { values, marks, older_rows, .. } = item(&world);
            assert_eq!((values, older_rows), (VALUE, 0));
            assert!(marks <= 2 * MARK, "until the garbage collector comes: {marks}");

            collect_for(&world, COLLECTED).await;
            let Bytes { values, marks, heads, older_rows, .. } = item(&world);
            assert_eq!((values, heads, older_rows), (VALUE, HEAD, 0));
            assert!(marks <= MARK, "after it: {marks}");
        }
    });
}

#[test]
fn an_item_that_was_hot_has_one_mark_at_most() {
    in_virtual_time(async {
        let world = world();
        for _ in 0..40 {
            world.call(save(KEY.to_owned())).await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
        let Bytes { marks, older_rows, .. } = item(&world);
        assert_eq!((marks, older_rows), (9 * MARK, 2 * OLDER_ROW), "41 marks");

        collect_for(&world, COLLECTED).await;
        let Bytes { values, marks, heads, older_rows, .. } = item(&world);
        assert_eq!((values, heads, older_rows), (VALUE, HEAD_ONCE_HOT, 0));
        assert!(marks <= MARK, "{marks}");
    });
}

/// No more than are younger than the lag and the pause of the collector, with one row to fill.
#[test]
fn a_hot_item_has_the_marks_of_a_lag() {
    const RATE: usize = 10;
    in_virtual_time(async {
        let world = world();
        let marks = RATE * usize::try_from((LAG + EVERY).as_secs()).unwrap();
        let most = VALUE + HEAD_ONCE_HOT + 1 + 16 * MARK + marks.div_ceil(16) * OLDER_ROW;
        for _ in 0..30 {
            for _ in 0..RATE * 10 {
                world.call(bump(KEY.to_owned())).await.unwrap();
                sleep(Duration::from_secs(1) / RATE as u32).await;
            }
            let total = item(&world).total();
            assert!(total <= most, "{total} bytes are more than {most}");
            world.collect_garbage().await.unwrap();
        }
    });
}

#[test]
fn a_deleted_item_leaves_a_bare_head_and_then_nothing() {
    in_virtual_time(async {
        let world = world();
        world.call(wipe(KEY.to_owned())).await.unwrap();
        collect_for(&world, COLLECTED).await;
        let Bytes { values, marks, heads, .. } = item(&world);
        let (key, due) = (11 + 8, 3 + 9 + 3 + 8);
        assert_eq!((values, marks, heads), (0, 0, key + HEAD + due));

        collect_for(&world, FORGOTTEN).await;
        assert_eq!(item(&world), Bytes::default());
    });
}

/// Names of SSFs have 4 bytes, request keys and inputs 8, results 1; what is read has 100.
#[test]
fn a_finished_request_leaves_a_tombstone_and_then_nothing() {
    let (key, both) = (|| KEY.to_owned(), || (KEY.to_owned(), OTHER_KEY.to_owned()));
    assert_eq!(left_by(async |world| assert!(call(world, look(key())).await)), (0, 0));
    assert_eq!(left_by(async |world| call(world, save(key())).await), (304, 109));
    assert_eq!(left_by(async |world| call(world, copy(key())).await), (416, 109));
    assert_eq!(left_by(async |world| call(world, pair(key())).await), (648, 169));
    assert_eq!(left_by(async |world| call(world, swap(both())).await.unwrap()), (817, 196));
    assert_eq!(left_by(async |world| call(world, send(key())).await), (497, 233));
}

async fn call<S: Ssf>(world: &World, call: Call<S>) -> S::Output {
    world.call(call).key("order-01").await.unwrap()
}

/// What a request leaves until it is collected, and until it is forgotten.
fn left_by(ask: impl AsyncFn(&World)) -> (usize, usize) {
    in_virtual_time(async {
        let world = world();
        ask(&world).await;
        world.settle().await.unwrap();
        let whole = Bytes::of(&world.stored());
        collect_for(&world, COLLECTED).await;
        let collected = Bytes::of(&world.stored());
        collect_for(&world, FORGOTTEN).await;
        let forgotten = Bytes::of(&world.stored());
        assert_eq!((whole.tombstones, collected.requests), (0, 0));
        assert_eq!((forgotten.tombstones, forgotten.requests), (0, 0));
        (whole.requests, collected.tombstones)
    })
}
