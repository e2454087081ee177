//! Sequential store round trips of each operation, exact: every request takes one millisecond of
//! virtual time, so elapsed milliseconds are round trips on the critical path.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beldi::testing::{Fault, RequestKind, World, in_virtual_time};
use beldi::{App, Table, When};
use serde::Serialize;
use tokio::time::Instant;

pub(crate) const COUNTS: Table<str, u64> = Table::new("counts");

/// What each operation costs, in sequential round trips.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Costs {
    pub(crate) get: u64,
    pub(crate) put: u64,
    pub(crate) delete: u64,
    pub(crate) put_when_true: u64,
    pub(crate) put_when_false: u64,
    pub(crate) update: u64,
    pub(crate) call: u64,
    pub(crate) send: u64,
    pub(crate) root_start: u64,
    pub(crate) root_finish: u64,
    pub(crate) read_only_tree_of_5: u64,
    pub(crate) replay_of_100_steps: u64,
}

thread_local! {
    static LAPS: RefCell<Vec<Instant>> = const { RefCell::new(Vec::new()) };
}

/// Notes the virtual time, from inside a handler.
pub(crate) fn lap() {
    LAPS.with_borrow_mut(|laps| laps.push(Instant::now()));
}

pub(crate) fn take_laps() -> Vec<Instant> {
    LAPS.take()
}

pub(crate) fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from((to - from).as_millis()).unwrap_or(u64::MAX)
}

/// Each operation once, nothing unlogged before it, the root registered.
#[beldi::ssf]
async fn operations() {
    COUNTS.put("first", &0).await;
    lap();
    COUNTS.put("put", &1).await;
    lap();
    COUNTS.delete("put").await;
    lap();
    let there = COUNTS.put("five", &6).when(When::equals(&5)).await;
    lap();
    let gone = COUNTS.put("five", &7).when(When::equals(&5)).await;
    lap();
    COUNTS.update("five", |count| *count = Some(count.unwrap_or(0) + 1)).await;
    lap();
    nothing().send().await;
    lap();
    nothing().await;
    lap();
    COUNTS.get("five").await;
    lap();
    assert!(there && !gone);
}

#[beldi::ssf]
async fn nothing() {}

#[beldi::ssf]
async fn blind_write() {
    lap();
    COUNTS.put("blind", &1).await;
    lap();
}

#[beldi::ssf(read_only)]
async fn read_only_tree() -> u64 {
    let own = COUNTS.get("a").await.unwrap_or(0);
    own + two_reads("b".into()).await + two_reads("c".into()).await
}

#[beldi::ssf(read_only)]
async fn two_reads(name: String) -> u64 {
    let first = COUNTS.get(&name).await.unwrap_or(0);
    first + COUNTS.get(&format!("{name}{first}")).await.unwrap_or(0)
}

#[beldi::ssf]
async fn hundred_steps() {
    for step in 0..50_u64 {
        let count = COUNTS.get("hundred").await.unwrap_or(0);
        COUNTS.put("hundred", &(count + step)).await;
    }
    lap();
    COUNTS.put("new", &1).await;
}

fn world() -> World {
    let app = App::new("costs")
        .ssf(operations)
        .ssf(nothing)
        .ssf(blind_write)
        .ssf(read_only_tree)
        .ssf(two_reads)
        .ssf(hundred_steps);
    measured(World::new(app).row(COUNTS, "five", &5))
}

/// The world with a millisecond for each request, and no laps yet.
pub(crate) fn measured(world: World) -> World {
    world.store().latency(|| Duration::from_millis(1));
    LAPS.take();
    world
}

/// Measures everything.
pub(crate) fn measure() -> Costs {
    let [put, delete, put_when_true, put_when_false, update, send, call, get] = operation_costs();
    let (root_start, root_finish) = root_costs();
    Costs {
        get,
        put,
        delete,
        put_when_true,
        put_when_false,
        update,
        call,
        send,
        root_start,
        root_finish,
        read_only_tree_of_5: read_only_cost(),
        replay_of_100_steps: replay_cost(),
    }
}

fn operation_costs() -> [u64; 8] {
    in_virtual_time(async {
        let world = world();
        world.call(operations()).await.expect("a quiet world");
        let laps = LAPS.take();
        let costs: Vec<u64> = laps.windows(2).map(|pair| millis(pair[0], pair[1])).collect();
        costs.try_into().expect("a lap around each operation")
    })
}

/// Of a handler that is one blind write: what comes before the write, and what after it.
fn root_costs() -> (u64, u64) {
    in_virtual_time(async {
        let world = world();
        let asked = Instant::now();
        world.call(blind_write()).await.expect("a quiet world");
        let answered = Instant::now();
        let laps = LAPS.take();
        let the_write_itself = 1;
        (millis(asked, laps[1]) - the_write_itself, millis(laps[1], answered))
    })
}

fn read_only_cost() -> u64 {
    in_virtual_time(async {
        let world = world();
        let asked = Instant::now();
        world.call(read_only_tree()).await.expect("a quiet world");
        millis(asked, Instant::now())
    })
}

/// Of fifty gets and fifty puts in turn.
fn replay_cost() -> u64 {
    replay(world, async |world| drop(world.call(hundred_steps()).await))
}

/// A host dies before `new` is put; from the first request of the next attempt to its first lap.
pub(crate) fn replay(setup: impl Fn() -> World, call: impl AsyncFn(&World)) -> u64 {
    in_virtual_time(async {
        let world = setup();
        world.store().script(|request| match request.kind {
            RequestKind::Update if request.target == "table/counts/new" => Fault::CrashBefore,
            _ => Fault::None,
        });
        tokio::select! {
            () = call(&world) => unreachable!("the host dies"),
            () = world.store().died() => {}
        }
        LAPS.take();
        let begun = Arc::new(Mutex::new(None));
        let first_request = Arc::clone(&begun);
        world.store().script(move |request| {
            if request.kind != RequestKind::Due {
                first_request.lock().expect("no panic").get_or_insert_with(Instant::now);
            }
            Fault::None
        });
        world.new_host().settle().await.expect("a quiet world");
        let begun = begun.lock().expect("no panic").expect("an attempt was begun");
        millis(begun, LAPS.take()[0])
    })
}
