//! The collector itself, disturbed at every request it makes, and beside another one.
//!
//! Each client makes one kind of garbage, and disturbs it in every way too. All of them may be run again
//! as often as one likes: what they leave at items is the same then.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use beldi::store::{Key, MemoryStore, Row};
use beldi::testing::RequestKind::{self, Get, Update};
use beldi::testing::{Fault, Gate, Points, World, in_virtual_time};
use beldi::{App, Host, Limits};
use futures_util::future::{Either, select};

use crate::schedule::disturb;
use crate::{AT_LAST, Gone, KEY, LAG, TEXTS, VALUES, WINDOW, collected, limits, set, settled};

/// The service that is called.
mod bank {
    use super::{App, Limits, VALUES};

    #[beldi::ssf]
    async fn note() {
        VALUES.update("notes", |notes| *notes = Some(notes.unwrap_or(0) + 1)).await;
    }

    #[beldi::ssf]
    pub(super) async fn pay() -> u64 {
        let paid = VALUES.get("x").await.unwrap_or(0) + 1;
        VALUES.put("x", &paid).await;
        note().send().await;
        paid
    }

    pub(super) fn app(limits: Limits) -> App {
        App::new("bank").limits(limits).ssf(pay).ssf(note)
    }
}

#[beldi::ssf(service = "bank")]
async fn pay() -> u64;

#[beldi::ssf]
async fn count_up() -> u64 {
    VALUES.update("x", |x| *x.insert(x.unwrap_or(0) + 1)).await
}

#[beldi::ssf]
async fn add_to_what_is_read() -> u64 {
    VALUES.put("y", &1).await;
    let value = VALUES.get("x").await.unwrap_or(0) + 1;
    VALUES.put("x", &value).await;
    value
}

/// What it reads does not fit into one row of its journal.
#[beldi::ssf]
async fn read_much() -> u64 {
    VALUES.put("y", &1).await;
    let mut read = 0;
    for _ in 0..2 {
        read += TEXTS.get("long").await.map_or(0, |text| text.len() as u64);
    }
    VALUES.put("x", &read).await;
    read
}

#[beldi::txn]
async fn add_in_txn() -> Result<u64, ()> {
    let value = VALUES.get("x").await.unwrap_or(0) + 1;
    VALUES.put("x", &value).await;
    Ok(value)
}

/// Nothing registers it: all there ever is of it is the abort.
#[beldi::txn]
async fn fail_in_txn() -> Result<u64, ()> {
    VALUES.get("y").await;
    panic!("the client gets an error, and does not come back");
}

#[beldi::ssf]
async fn send() {
    VALUES.put("y", &1).await;
    count_up().send().await;
}

#[beldi::ssf]
async fn erase() {
    VALUES.delete("x").await;
}

/// The names of what it leaves marks at do not fit into its intent.
#[beldi::ssf]
async fn put_at_long_keys(value: u64) {
    for n in 0..5 {
        VALUES.put(&format!("{}{n}", "k".repeat(990)), &value).await;
    }
}

#[beldi::ssf]
async fn order() -> u64 {
    let paid = pay().await;
    VALUES.put("paid", &paid).await;
    paid
}

#[beldi::ssf]
async fn buy() -> Result<u64, ()> {
    beldi::txn(async {
        let paid = pay().await;
        VALUES.put("paid", &paid).await;
        Ok(paid)
    })
    .await
}

fn app(limits: Limits) -> App {
    let app = App::new("shop").limits(limits).ssf(set).ssf(count_up).ssf(add_to_what_is_read);
    let app = app.ssf(read_much).ssf(add_in_txn).ssf(fail_in_txn).ssf(send).ssf(erase);
    app.ssf(put_at_long_keys).ssf(order).ssf(buy)
}

/// Attempts that crash are repeated within the window.
fn with_crashes() -> Limits {
    let Limits { attempt_time, request_time, call_time, attempts, .. } = Limits::default();
    Limits { attempts, attempt_time, request_time, call_time, ..limits(2) }
}

/// Attempts that are held go on, and are answered, however long that is.
fn with_holds() -> Limits {
    Limits { attempts: 10, redelivery: 100 * AT_LAST, ..limits(2) }
}

fn alone(limits: Limits) -> World {
    World::new(app(limits)).row(TEXTS, "long", &"a".repeat(170_000))
}

fn together(limits: Limits) -> World {
    World::new(app(limits.clone())).with(World::new(bank::app(limits)))
}

/// What a client is run in, and how its rows are found.
#[derive(Clone, Copy)]
struct Case {
    world: fn(Limits) -> World,
    rows: fn(&World) -> Vec<(Key, Row)>,
}

const ALONE: Case = Case { world: alone, rows: World::stored };
const TOGETHER: Case = Case {
    world: together,
    rows: |world| [world.stored(), world.service("bank").stored()].concat(),
};

impl Case {
    /// Disturbs the client and the collectors after it: at every request, and by others who do the
    /// same while it is held. The client gets the same results whenever it asks, within the window.
    fn survives<T>(self, client: impl AsyncFn(&World) -> T, right: &T, values: &[(&str, u64)])
    where
        T: Debug + PartialEq,
    {
        let values: Vec<_> =
            values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        let goes = async |world: &World, has_zombies: bool| {
            let told = client(world).await;
            settled(world).await;
            tokio::time::sleep(2 * LAG).await;
            collected(world).await;
            // What another service had to be asked for is looked at less often.
            tokio::time::sleep(8 * LAG).await;
            collected(world).await;
            self.assert_emptied(world, has_zombies);
            assert_eq!(client(world).await, told, "a duplicate gets the first result");
            told
        };
        let check = |world: &World, told: T| {
            assert_eq!(&told, right);
            assert_eq!(world.rows(VALUES), values);
        };
        let setup = |limits: fn() -> Limits| move || (self.world)(limits());
        let run = async |world: &World| goes(world, false).await;
        let visited = World::crash_everywhere(setup(with_crashes), run, check);
        assert!(visited.requests > 20, "{visited}");
        let run = async |world: &World| goes(world, true).await;
        World::second_attempt_everywhere(setup(with_holds), run, check);
    }

    /// Disturbs everything to the very end, when the windows are over. Then the client is a new one.
    fn leaves_nothing<T>(self, client: impl AsyncFn(&World) -> T) {
        let run = async |world: &World| {
            client(world).await;
            settled(world).await;
            to_the_end(world).await;
            self.assert_nothing_left(world);
        };
        let setup = || (self.world)(with_crashes());
        World::crash_everywhere(setup, run, |_, ()| ());
        let points = Points::new();
        for wait in [Fault::WaitBefore, Fault::WaitAfter] {
            let overtaken = |n| in_virtual_time(self.beside_another(&client, n, wait));
            let visited = points.visit(overtaken);
            assert!(visited.requests > 5, "{visited}");
        }
    }

    /// Holds the n-th request of a collector while another does everything; tells whether there is one.
    async fn beside_another<T>(
        self,
        client: &impl AsyncFn(&World) -> T,
        n: usize,
        wait: fn(Gate) -> Fault,
    ) -> bool {
        let world = (self.world)(limits(2));
        client(&world).await;
        settled(&world).await;
        let values = world.rows(VALUES);
        let (gate, mut seen) = (Gate::default(), 0);
        let held = wait(gate.clone());
        world.store().script(move |_| {
            seen += 1;
            if seen == n { held.clone() } else { Fault::None }
        });
        let other = world.new_host();
        let meanwhile = async {
            gate.reached().await;
            to_the_end(&other).await;
            gate.open();
        };
        let (slow, meanwhile) = (pin!(to_the_end(&world)), pin!(meanwhile));
        let is_met = match select(slow, meanwhile).await {
            Either::Left(((), _)) => false,
            Either::Right(((), slow)) => {
                slow.await;
                true
            }
        };
        self.assert_nothing_left(&world);
        assert_eq!(world.rows(VALUES), values, "request {n}");
        is_met
    }

    /// Of what is finished, only tombstones are left, and the last marks of values.
    #[track_caller]
    fn assert_emptied(self, world: &World, has_zombies: bool) {
        for (key, row) in (self.rows)(world) {
            let is_abort = row.text("outcome") == Some("abort");
            let is_part = key.sort.starts_with("slot/") && key.sort.split('/').count() > 3;
            let whole = match key.sort.split('/').next() {
                // What decides nothing, a zombie may put again; it goes with the tombstone.
                Some("items") => !has_zombies,
                Some("slot") if is_part => !has_zombies,
                Some("slot") => row.get("entries").is_some(),
                Some("intent") => row.get("asked").is_none(),
                Some("txn") => row.get("by").is_some() && !is_abort,
                // A duplicate that locks a value before it knows leaves a mark to the next writer.
                _ => row.get("writes").is_some() && !has_zombies || crate::marks(&row) > 2,
            };
            assert!(!whole && !key.partition.starts_with("older/"), "{key} is left: {row:?}");
        }
    }

    /// Only values are left, and what the service knows of itself.
    #[track_caller]
    fn assert_nothing_left(self, world: &World) {
        for (key, row) in (self.rows)(world) {
            let is_value = key.partition.starts_with("table/") && row.get("v").is_some();
            let is_left = !is_value && key.partition != "service" || crate::marks(&row) > 2;
            assert!(!is_left, "{key} is left: {row:?}");
        }
    }
}

/// Collects until every window is over.
async fn to_the_end(world: &World) {
    for _ in 0..4 {
        tokio::time::sleep(WINDOW + 2 * LAG).await;
        collected(world).await;
    }
}

async fn counts(world: &World) -> (u64, u64) {
    let one = world.call(count_up()).key("one").await.unwrap();
    (one, world.call(add_to_what_is_read()).key("two").await.unwrap())
}

#[test]
fn roots_and_their_slots_go_whatever_happens() {
    ALONE.survives(counts, &(1, 2), &[("x", 2), ("y", 1)]);
    ALONE.leaves_nothing(counts);
}

/// The slot is in two rows and one more.
#[test]
fn a_slot_in_parts_goes_whatever_happens() {
    let client = async |world: &World| world.call(read_much()).key(KEY).await.unwrap();
    ALONE.survives(client, &340_000, &[("x", 340_000), ("y", 1)]);
}

async fn decides(world: &World) -> u64 {
    // Whether it was begun or not: it never ends.
    let failed = world.call(fail_in_txn()).key("fails").await;
    assert!(failed.is_err(), "{failed:?}");
    world.call(add_in_txn()).key(KEY).await.unwrap().unwrap()
}

#[test]
fn decisions_and_aborts_go_whatever_happens() {
    ALONE.survives(decides, &1, &[("x", 1)]);
    ALONE.leaves_nothing(decides);
}

async fn sends(world: &World) {
    world.call(send()).key(KEY).await.unwrap();
}

#[test]
fn what_was_sent_goes_whatever_happens() {
    ALONE.survives(sends, &(), &[("x", 1), ("y", 1)]);
    ALONE.leaves_nothing(sends);
}

async fn spills(world: &World) {
    for (n, key) in ["one", "two", "three", "four", "five"].into_iter().enumerate() {
        world.call(set(("x".into(), n as u64))).key(key).await.unwrap();
    }
}

#[test]
fn older_rows_go_whatever_happens() {
    ALONE.survives(spills, &(), &[("x", 4)]);
    ALONE.leaves_nothing(spills);
}

async fn erases(world: &World) {
    spills(world).await;
    world.call(erase()).key("erase").await.unwrap();
}

#[test]
fn a_deleted_item_goes_whatever_happens() {
    ALONE.survives(erases, &(), &[]);
    ALONE.leaves_nothing(erases);
}

#[test]
fn a_list_of_items_in_rows_of_its_own_goes_whatever_happens() {
    let client = async |world: &World| {
        for (value, key) in ["one", "two"].into_iter().enumerate() {
            world.call(put_at_long_keys(value as u64)).key(key).await.unwrap();
        }
    };
    in_virtual_time(async {
        let world = alone(with_crashes());
        client(&world).await;
        settled(&world).await;
        assert!(world.stored().iter().any(|(key, _)| key.sort.starts_with("items/")));
    });
    let keys: Vec<_> = (0..5).map(|n| format!("{}{n}", "k".repeat(990))).collect();
    let values: Vec<_> = keys.iter().map(|key| (&**key, 1)).collect();
    ALONE.survives(client, &(), &values);
    ALONE.leaves_nothing(client);
}

async fn orders(world: &World) -> u64 {
    world.call(order()).key(KEY).await.unwrap()
}

#[test]
fn what_another_service_has_called_goes_whatever_happens() {
    TOGETHER.survives(orders, &1, &[("paid", 1)]);
    TOGETHER.leaves_nothing(orders);
}

async fn buys(world: &World) -> u64 {
    world.call(buy()).key(KEY).await.unwrap().unwrap()
}

#[test]
fn what_was_prepared_for_another_service_goes_whatever_happens() {
    TOGETHER.survives(buys, &1, &[("paid", 1)]);
    TOGETHER.leaves_nothing(buys);
}

/// One is held when it has read the index, or is about to empty the intent, and goes on when the other
/// has done everything already.
#[test]
fn two_collectors_at_once_keep_the_tombstone() {
    for held_at in [(Get, "table/values/x"), (Update, "root/r/intent")] {
        two_collectors(held_at);
    }
}

fn two_collectors((kind, target): (RequestKind, &'static str)) {
    in_virtual_time(async {
        let world = alone(limits(2));
        assert_eq!(world.call(count_up()).key("q").await.unwrap(), 1);
        assert_eq!(world.call(count_up()).key("r").await.unwrap(), 2);
        settled(&world).await;
        tokio::time::sleep(2 * LAG).await;
        let (one, two, gate) = (world.new_host(), world.new_host(), Gate::default());
        disturb(world.store(), [(kind, target, Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            gate.reached().await;
            collected(&two).await;
            gate.open();
        };
        let (removed, ()) = tokio::join!(one.collect_garbage(), meanwhile);
        removed.unwrap();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(300)).await;
            collected(&world).await;
            assert_eq!(world.call(count_up()).key("r").await.unwrap(), 2);
        }
        assert_eq!(world.peek(VALUES, "x"), Some(2));
    });
}

/// There is time for a shard or two, so a run ends with most of it left.
#[test]
fn a_collector_without_time_goes_on_where_it_stopped() {
    in_virtual_time(async {
        let hurried = Limits { garbage_time: Duration::from_millis(8), ..limits(2) };
        let world = alone(hurried);
        for n in 0..40 {
            world.call(set((format!("x{n}"), n))).key(format!("r{n}")).await.unwrap();
        }
        spills(&world).await;
        settled(&world).await;
        tokio::time::sleep(2 * LAG).await;
        world.store().latency(|| Duration::from_millis(1));
        // A world goes on until a run is complete.
        let collected = world.collect_garbage().await.unwrap();
        assert_eq!((collected.roots, collected.is_complete), (45, true));
        assert!(collected.took > Duration::from_millis(16), "several runs: {:?}", collected.took);
        ALONE.assert_emptied(&world, false);
        world.call(set(("x7".into(), 7))).key("r7").await.unwrap();
        Gone::Tombstones.by(&world).await;
        ALONE.assert_nothing_left(&world);
        assert_eq!(world.rows(VALUES).len(), 41);
    });
}

/// Rows of roots that are not collected.
fn whole_roots(rows: &MemoryStore) -> usize {
    let is_whole = |(key, row): &&(Key, Row)| key.sort == "intent" && row.get("asked").is_none();
    rows.rows().iter().filter(is_whole).count()
}

/// A host whose clock is the real one: what is finished may go as soon as that has ticked.
fn host(rows: &Arc<MemoryStore>, garbage_time: Duration) -> Host {
    let limits = Limits { lag: Duration::ZERO, garbage_time, ..limits(2) };
    app(limits).open(Arc::clone(rows)).unwrap()
}

#[test]
fn a_run_without_time_tells_that_it_is_not_complete() {
    in_virtual_time(async {
        let rows = Arc::new(MemoryStore::new());
        let hurried = host(&rows, Duration::ZERO);
        for n in 0..20 {
            hurried.call(set(("x".into(), n))).key(format!("r{n}")).await.unwrap();
        }
        let mut runs = 0;
        while whole_roots(&rows) > 0 {
            let collected = hurried.collect_garbage().await.unwrap();
            // Before the clock has ticked there is nothing to find.
            if collected.removed() > 0 {
                assert!(!collected.is_complete);
                runs += 1;
            }
        }
        assert!(runs >= 4, "one shard at a time");
        hurried.call(set(("x".into(), 3))).key("r3").await.unwrap();
        let unhurried = host(&rows, Duration::from_secs(20));
        assert!(unhurried.collect_garbage().await.unwrap().is_complete);
        let head =
            rows.rows().into_iter().find(|(key, _)| key.partition == "table/values").unwrap();
        assert_eq!(head.1.int("v"), Some(19));
    });
}

/// Nobody asks for it.
#[test]
fn a_host_collects_on_its_timer() {
    in_virtual_time(async {
        let rows = Arc::new(MemoryStore::new());
        let host = host(&rows, Duration::from_secs(20));
        for n in 0..5 {
            host.call(set(("x".into(), n))).await.unwrap();
        }
        assert_eq!(whole_roots(&rows), 5);
        let collecting = async {
            while whole_roots(&rows) > 0 {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        };
        let days = Duration::from_secs(10 * 24 * 3600);
        tokio::time::timeout(days, collecting).await.expect("all are collected");
    });
}
