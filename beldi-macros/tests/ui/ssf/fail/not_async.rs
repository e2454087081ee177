const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
fn reserve_room(hotel: String) -> bool {
    ROOMS.get(&hotel).await.is_some()
}

#[beldi::ssf]
async fn book_trip(hotel: String) -> bool {
    reserve_room(hotel).await
}

fn main() {
    let _ = beldi::App::new("travel").ssf(reserve_room).ssf(book_trip);
}
