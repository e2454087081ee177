use beldi::Table;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Room {
    free: u32,
}

const ROOMS: Table<str, Room> = Table::new("rooms");

#[beldi::ssf]
async fn reserve_room(hotel: String) -> bool {
    let (city, _) = hotel.split_once('/').unwrap_or((&hotel, ""));
    let Some(room) = ROOMS.get(city).await else {
        return false;
    };
    ROOMS.put(&hotel, &Room { free: room.free - 1 }).await;
    ROOMS.put(&format!("{city}/last"), &room).await;
    true
}

fn main() {
    let _ = beldi::App::new("travel").ssf(reserve_room);
}
