//! What is generated is quiet under the lints of a strict crate.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]

use beldi::Table;

const ROOMS: Table<str, u32> = Table::new("rooms");

/// Takes one room.
#[beldi::ssf]
#[must_use]
pub async fn reserve_room(hotel: String) -> Option<u32> {
    let free = (ROOMS.get(&hotel)).await?;
    ROOMS.put(&hotel, &(free - 1)).await;
    spare(&hotel).await;
    Some(free)
}

/// Counts the rooms.
#[expect(unused_variables)]
#[beldi::ssf(read_only)]
#[cfg(not(any()))]
pub async fn count(hotel: String) -> u32 {
    #![allow(unused_mut)]
    let mut free = 0;
    free
}

#[beldi::ssf]
#[cfg(any())]
async fn count(hotel: NoSuchType) {}

#[beldi::part]
async fn spare(hotel: &str) {
    ROOMS.delete(hotel).await;
}

fn main() {
    let _ = beldi::App::new("travel").ssf(reserve_room).ssf(count);
}
