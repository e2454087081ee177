const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn reserve_room(hotel: &str, nights: u32) -> Result<u32, String> {
    let free = ROOMS.get(hotel).await.ok_or("no such hotel")?;
    ROOMS.put(hotel, &(free - 1)).await;
    Ok(free * nights)
}

#[beldi::ssf]
async fn book_trip(hotel: String) -> Result<u32, String> {
    let (one, two) = beldi::join(reserve_room(&hotel, 1), async { reserve_room(&hotel, 2).await }).await;
    Ok(one? + two?)
}

fn main() {
    let _ = beldi::App::new("travel").ssf(reserve_room).ssf(book_trip);
}
