//! Exactly once, whatever happens: each kind of operation alone, and in a tree of three SSFs with
//! branches, disturbed at every store request, at every pair of them, and overtaken at every one;
//! under random schedules also with garbage collectors that cannot wait.

use std::fmt::Debug;
use std::time::Duration;

use beldi::testing::{World, explore, seeds};
use beldi::{App, Limits, Table, When, field};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Room {
    free: u32,
}

const ROOMS: Table<str, Room> = Table::new("rooms");
const COUNTS: Table<str, u64> = Table::new("counts");
const TICKETS: Table<uuid::Uuid, String> = Table::new("tickets");
const NOTES: Table<(String, u32), String> = Table::new("notes");

/// Reads that decide where and what is written.
#[beldi::ssf]
async fn move_room(hotel: String) -> u32 {
    let room = ROOMS.get(&hotel).await.unwrap_or(Room { free: 0 });
    let target = format!("copy-{}", room.free);
    ROOMS.put(&target, &room).await;
    ROOMS.put(&hotel, &Room { free: room.free + 1 }).await;
    room.free
}

#[beldi::ssf]
async fn put_blindly(count: u64) {
    COUNTS.put("blind", &count).await;
}

#[beldi::ssf]
async fn delete_after_get(hotel: String) -> bool {
    let there = ROOMS.get(&hotel).await.is_some();
    ROOMS.delete(&hotel).await;
    there
}

#[beldi::ssf]
async fn increment(name: String) -> u64 {
    COUNTS
        .update(&name, |count| {
            let next = count.unwrap_or(0) + 1;
            *count = Some(next);
            next
        })
        .await
}

/// An update that changes nothing must leave its mark all the same.
#[beldi::ssf]
async fn increment_unless_odd(name: String) -> Option<u64> {
    let result = COUNTS
        .update(&name, |count| {
            let now = count.unwrap_or(0);
            (now % 2 == 0).then(|| {
                *count = Some(now + 1);
                now + 1
            })
        })
        .await;
    COUNTS.update("calls", |calls| *calls = Some(calls.unwrap_or(0) + 1)).await;
    result
}

#[beldi::ssf]
async fn take_if_free(hotel: String) -> bool {
    let taken = ROOMS.put(&hotel, &Room { free: 0 }).when(field("free").ge(1)).await;
    let name = if taken { "taken" } else { "refused" };
    COUNTS.update(name, |count| *count = Some(count.unwrap_or(0) + 1)).await;
    taken
}

#[beldi::ssf]
async fn create_once(hotel: String) -> bool {
    ROOMS.put(&hotel, &Room { free: 7 }).when(When::absent()).await
}

#[beldi::ssf]
async fn delete_if_empty(hotel: String) -> bool {
    ROOMS.delete(&hotel).when(field("free").eq(0)).await
}

#[beldi::ssf]
async fn read_many(hotels: Vec<String>) -> u32 {
    let rooms = ROOMS.get_many(&hotels).await;
    let sum = rooms.into_iter().flatten().map(|room| room.free).sum();
    COUNTS.put("sum", &u64::from(sum)).await;
    let all = NOTES.scan(..).await.len();
    COUNTS.put("notes", &(all as u64)).await;
    sum
}

#[beldi::ssf]
async fn issue_ticket(owner: String) -> uuid::Uuid {
    let id = beldi::uuid().await;
    let at = beldi::now().await.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let dice = beldi::random::<u64>().await;
    TICKETS.put(&id, &format!("{owner} {at} {dice}")).await;
    id
}

#[beldi::ssf]
async fn announce(text: String) {
    increment("before".into()).send().await;
    let at = COUNTS.get("before").await;
    NOTES.put(&(&text, 0), &"sent".to_owned()).await;
    increment("after".into()).send().await;
    let _ = at;
}

#[beldi::ssf]
async fn charge(cents: u64) -> Result<u64, String> {
    let before = COUNTS.get("balance").await.unwrap_or(0);
    let receipt: Result<u64, String> =
        beldi::effect("charge", async |key| if key.is_empty() { Err(key) } else { Ok(cents) })
            .await;
    let receipt = receipt?;
    COUNTS.put("balance", &(before + receipt)).await;
    Ok(before + receipt)
}

// A tree of three SSFs with branches.

#[beldi::ssf]
async fn book(hotel: String) -> Result<u64, String> {
    let (room, count) = beldi::join(ROOMS.get(&hotel), COUNTS.get("bookings")).await;
    room.ok_or("no such hotel")?;
    let (reserved, paid) = beldi::join(
        async {
            let reserved = reserve(hotel.clone()).await;
            COUNTS.update("tried", |n| *n = Some(n.unwrap_or(0) + 1)).await;
            reserved
        },
        async {
            let balance = COUNTS.get("balance").await.unwrap_or(0);
            COUNTS.put("balance", &(balance + 100)).await;
            balance + 100
        },
    )
    .await;
    reserved?;
    confirm(hotel.clone()).send().await;
    COUNTS.put("bookings", &(count.unwrap_or(0) + 1)).await;
    Ok(paid)
}

#[beldi::ssf]
async fn reserve(hotel: String) -> Result<u32, String> {
    let mut room = ROOMS.get(&hotel).await.ok_or("no such hotel")?;
    room.free = room.free.checked_sub(1).ok_or("sold out")?;
    ROOMS.put(&hotel, &room).await;
    log_reservation(hotel).await;
    Ok(room.free)
}

#[beldi::ssf]
async fn log_reservation(hotel: String) -> u64 {
    let parts = ["a", "b"];
    let counts = beldi::join_all(parts.map(|part| {
        let hotel = &hotel;
        async move { COUNTS.get(&format!("{hotel}-{part}")).await.unwrap_or(0) }
    }))
    .await;
    let mut sum = 0;
    for (part, count) in parts.iter().zip(counts) {
        COUNTS.put(&format!("{hotel}-{part}"), &(count + 1)).await;
        sum += count + 1;
    }
    sum
}

#[beldi::ssf]
async fn confirm(hotel: String) {
    let sent = COUNTS.get("confirmations").await.unwrap_or(0);
    COUNTS.put("confirmations", &(sent + 1)).await;
    NOTES.put(&(hotel, 1), &"confirmed".to_owned()).await;
}

fn app(limits: Limits) -> App {
    App::new("test")
        .limits(Limits { marks: 3, ..limits })
        .ssf(move_room)
        .ssf(put_blindly)
        .ssf(delete_after_get)
        .ssf(increment)
        .ssf(increment_unless_odd)
        .ssf(take_if_free)
        .ssf(create_once)
        .ssf(delete_if_empty)
        .ssf(read_many)
        .ssf(issue_ticket)
        .ssf(announce)
        .ssf(charge)
        .ssf(book)
        .ssf(reserve)
        .ssf(log_reservation)
        .ssf(confirm)
}

fn world() -> World {
    world_with(Limits::default())
}

/// Everything goes as soon as it may, and long before a client has seen its reply.
fn hurried_world() -> World {
    let (lag, redelivery) = (Duration::from_millis(30), Duration::from_secs(4 * 3600));
    world_with(Limits { lag, redelivery, ..Limits::default() }).collecting_garbage()
}

fn world_with(limits: Limits) -> World {
    World::new(app(limits))
        .row(ROOMS, "ritz", &Room { free: 2 })
        .row(ROOMS, "empty", &Room { free: 0 })
        .row(COUNTS, "even", &4)
        .row(COUNTS, "odd", &5)
}

/// What users can see: all rows of all tables, but not the tickets' random names.
#[derive(Debug, PartialEq)]
struct Seen {
    rooms: Vec<(String, Room)>,
    counts: Vec<(String, u64)>,
    notes: Vec<((String, u32), String)>,
    tickets: usize,
}

fn seen(world: &World) -> Seen {
    Seen {
        rooms: world.rows(ROOMS),
        counts: world.rows(COUNTS),
        notes: world.rows(NOTES),
        tickets: world.rows(TICKETS).len(),
    }
}

/// Compares every disturbed run with the one nothing happened to.
fn exactly_once<T: Debug + PartialEq>(run: impl AsyncFn(&World) -> T) {
    let (expected, rows) = beldi::testing::in_virtual_time(async {
        let world = world();
        let outcome = run(&world).await;
        world.settle().await.unwrap();
        (outcome, seen(&world))
    });
    let same = |world: &World, outcome: T| {
        assert_eq!(outcome, expected);
        assert_eq!(seen(world), rows);
    };
    println!("crash: {}", World::crash_everywhere(world, &run, same));
    println!("pairs: {}", World::crash_everywhere_twice(world, &run, same));
    let second = World::second_attempt_everywhere(world, &run, |world: &World, outcome: T| {
        assert_eq!(outcome, expected);
        assert_eq!(seen(world), rows);
    });
    println!("second: {second}");
    println!("{}", explore(seeds(50), world, &run, same));
    println!("collecting: {}", explore(seeds(200), hurried_world, &run, same));
}

#[test]
fn get_then_put() {
    exactly_once(async |world| world.call(move_room("ritz".into())).await.unwrap());
}

#[test]
fn put() {
    exactly_once(async |world| world.call(put_blindly(3)).await.unwrap());
}

#[test]
fn delete() {
    exactly_once(async |world| world.call(delete_after_get("ritz".into())).await.unwrap());
}

#[test]
fn update() {
    exactly_once(async |world| world.call(increment("visits".into())).await.unwrap());
}

#[test]
fn update_without_change() {
    exactly_once(async |world| {
        let odd = world.call(increment_unless_odd("odd".into())).await.unwrap();
        (odd, world.call(increment_unless_odd("even".into())).await.unwrap())
    });
}

#[test]
fn put_when_true_and_false() {
    exactly_once(async |world| {
        let free = world.call(take_if_free("ritz".into())).await.unwrap();
        (free, world.call(take_if_free("empty".into())).await.unwrap())
    });
}

#[test]
fn put_when_absent() {
    exactly_once(async |world| {
        let new = world.call(create_once("new".into())).await.unwrap();
        (new, world.call(create_once("ritz".into())).await.unwrap())
    });
}

#[test]
fn delete_when() {
    exactly_once(async |world| {
        let empty = world.call(delete_if_empty("empty".into())).await.unwrap();
        (empty, world.call(delete_if_empty("ritz".into())).await.unwrap())
    });
}

#[test]
fn get_many_and_scan() {
    let hotels = || vec!["ritz".to_owned(), "none".into(), "empty".into()];
    exactly_once(async |world| world.call(read_many(hotels())).await.unwrap());
}

#[test]
fn now_uuid_random() {
    exactly_once(async |world| {
        world.call(issue_ticket("ada".into())).await.unwrap();
    });
}

#[test]
fn send() {
    exactly_once(async |world| world.call(announce("hello".into())).await.unwrap());
}

#[test]
fn effect() {
    exactly_once(async |world| world.call(charge(7)).await.unwrap());
}

#[test]
fn a_tree_of_three_with_branches() {
    exactly_once(async |world| world.call(book("ritz".into())).await.unwrap());
}
