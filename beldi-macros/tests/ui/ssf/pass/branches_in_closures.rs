const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn total(hotels: Vec<String>) -> Result<u32, String> {
    let discount = 1;
    let free = beldi::join_all(hotels.iter().map(|hotel| async move {
        let free = ROOMS.get(hotel).await.ok_or_else(|| hotel.clone())?;
        Ok::<_, String>(free - discount)
    }))
    .await;
    let known = beldi::join_all(hotels.iter().map(|hotel| ROOMS.get(hotel))).await;
    let free = free.into_iter().sum::<Result<u32, _>>()?;
    Ok(free + known.len() as u32)
}

fn main() {
    let _ = beldi::App::new("travel").ssf(total);
}
