const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn reserve_room(hotel: String) -> Result<u32, String> {
    let free: String = ROOMS.get(&hotel).await;
    ROOMS.put(&hotel, "none").await;
    reserve_room(7).await?;
    Err(3)
}

#[beldi::ssf]
async fn forgot_the_value() -> u32 {
    ROOMS.get("ritz").await;
}

fn main() {}
