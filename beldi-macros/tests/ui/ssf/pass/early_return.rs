const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn reserve_room(hotel: String) -> Result<u32, String> {
    if hotel.is_empty() {
        return Err("no hotel".into());
    }
    match ROOMS.get(&hotel).await {
        None => return Err(hotel),
        Some(0) => {}
        Some(free) => return Ok(free),
    }
    let fallback = async {
        let free = ROOMS.get("fallback").await?;
        if free == 0 {
            return None;
        }
        Some(free)
    };
    fallback.await.ok_or(hotel)
}

fn main() {
    let _ = beldi::App::new("travel").ssf(reserve_room);
}
