//! The service under test.

use std::time::Duration;

use beldi::{App, Limits, Table};
use serde::{Deserialize, Serialize};

pub(crate) const ROOMS: Table<str, Room> = Table::new("rooms");
pub(crate) const COUNTS: Table<str, u64> = Table::new("counts");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Room {
    pub(crate) free: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SoldOut {
    pub(crate) hotel: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Trip {
    pub(crate) hotel: String,
    pub(crate) guests: Vec<Guest>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Guest {
    pub(crate) age: u8,
}

/// One more, and how many that makes.
#[beldi::ssf]
pub(crate) async fn count(name: String) -> u64 {
    COUNTS.update(&name, |count| *count.insert(count.unwrap_or(0) + 1)).await
}

#[beldi::ssf]
pub(crate) async fn reset() {
    COUNTS.delete("home").await;
}

#[beldi::ssf]
pub(crate) async fn reserve(hotel: String) -> Result<Room, SoldOut> {
    let room = ROOMS.get(&hotel).await;
    let Some(mut room) = room else { return Err(SoldOut { hotel }) };
    room.free -= 1;
    ROOMS.put(&hotel, &room).await;
    Ok(room)
}

#[beldi::ssf]
pub(crate) async fn open_hotel(hotel: String) {
    ROOMS.put(&hotel, &Room { free: 3 }).await;
}

#[beldi::ssf]
pub(crate) async fn book(trip: Trip) -> u64 {
    trip.guests.len() as u64
}

#[beldi::ssf]
pub(crate) async fn echo(anything: serde_json::Value) -> serde_json::Value {
    anything
}

#[beldi::ssf]
pub(crate) async fn panics() {
    panic!("the printer is on fire")
}

/// Counts, and has it counted.
#[beldi::ssf]
pub(crate) async fn count_twice(name: String) {
    COUNTS.update(&name, |count| *count = Some(count.unwrap_or(0) + 1)).await;
    count("sent".to_owned()).send().await;
}

/// Counts, then cannot go on as long as there is no room.
#[beldi::ssf]
pub(crate) async fn needs_room(hotel: String) -> u32 {
    COUNTS.put("needs_room", &1).await;
    ROOMS.get(&hotel).await.expect("no such hotel").free
}

pub(crate) fn app() -> App {
    App::new("travel")
        .version("7")
        .ssf(book)
        .ssf(count)
        .ssf(count_twice)
        .ssf(echo)
        .ssf(needs_room)
        .ssf(open_hotel)
        .ssf(panics)
        .ssf(reserve)
        .ssf(reset)
}

/// Limits under which nothing takes long.
pub(crate) fn quick() -> Limits {
    Limits {
        attempt_time: Duration::from_millis(200),
        request_time: Duration::from_millis(50),
        backoff: Duration::from_millis(1),
        backoff_max: Duration::from_millis(10),
        collect_every: Duration::from_millis(20),
        ..Limits::default()
    }
}
