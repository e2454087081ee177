//! The test that README.md shows, and that it is this one.

use beldi::testing::World;
use beldi::{App, Table};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Room {
    free: u32,
}

const ROOMS: Table<str, Room> = Table::new("rooms");

#[beldi::ssf]
async fn reserve_room(hotel: String) -> Result<u32, String> {
    let mut room = ROOMS.get(&hotel).await.ok_or("no such hotel")?;
    room.free = room.free.checked_sub(1).ok_or("sold out")?;
    ROOMS.put(&hotel, &room).await;
    Ok(room.free)
}

fn app() -> App {
    App::new("travel").ssf(reserve_room)
}

#[test]
fn a_crash_anywhere_takes_one_room() {
    let visited = World::crash_everywhere(
        || World::new(app()).row(ROOMS, "ritz", &Room { free: 1 }),
        async |world| world.call(reserve_room("ritz".into())).await.unwrap(),
        |world, left| {
            assert_eq!(left, Ok(0));
            assert_eq!(world.peek(ROOMS, "ritz").unwrap().free, 0);
        },
    );
    println!("{visited}");
}

#[test]
fn the_readme_shows_the_test_above() {
    let (readme, here) = (include_str!("../README.md"), include_str!("readme.rs"));
    let shown = readme.split("```rust,ignore\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(here.contains(shown), "README.md and tests/readme.rs differ:\n{shown}");
}
