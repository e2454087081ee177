//! A newcomer's first SSF.

use beldi::Table;
use serde::{Deserialize, Serialize};

/// What is left in a hotel.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Room {
    free: u32,
}

const ROOMS: Table<str, Room> = Table::new("rooms");

/// Takes one room, if there is one.
#[beldi::ssf]
pub async fn reserve_room(hotel: String) -> Result<u32, String> {
    let mut room = ROOMS.get(&hotel).await.ok_or("no such hotel")?;
    room.free = room.free.checked_sub(1).ok_or("sold out")?;
    ROOMS.put(&hotel, &room).await;
    Ok(room.free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use beldi::testing::World;

    #[test]
    fn a_crash_anywhere_takes_one_room() {
        let visited = World::crash_everywhere(
            || {
                let app = beldi::App::new("travel").ssf(reserve_room);
                World::new(app).row(ROOMS, "ritz", &Room { free: 1 })
            },
            async |world| world.call(reserve_room("ritz".into())).await.unwrap(),
            |world, left| {
                assert_eq!(left, Ok(0));
                assert_eq!(world.peek(ROOMS, "ritz"), Some(Room { free: 0 }));
            },
        );
        assert!(visited.points > 10, "{visited}");
    }
}
