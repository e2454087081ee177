const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn total(hotels: Vec<String>) -> u32 {
    let mut total = 0;
    for hotel in &hotels {
        total += ROOMS.get(hotel).await.unwrap_or(0);
    }
    while let Some(next) = ROOMS.get("next").await {
        if next == 0 {
            break;
        }
        ROOMS.put("next", &(next - 1)).await;
    }
    let last = loop {
        if let Some(last) = ROOMS.get("last").await {
            break last;
        }
    };
    total + last
}

fn main() {
    let _ = beldi::App::new("travel").ssf(total);
}
