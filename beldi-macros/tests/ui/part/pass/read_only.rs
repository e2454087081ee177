const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::part(read_only)]
async fn free(hotel: &str) -> u32 {
    ROOMS.get(hotel).await.unwrap_or(0)
}

#[beldi::ssf(read_only)]
async fn report(hotels: Vec<String>) -> u32 {
    let (first, second) = beldi::join(free(&hotels[0]), async { free(&hotels[1]).await }).await;
    let rest = beldi::join_all(hotels.iter().skip(2).map(|hotel| free(hotel))).await;
    first + second + rest.into_iter().sum::<u32>()
}

#[beldi::ssf]
async fn reserve(hotels: Vec<String>) -> u32 {
    let free = free(&hotels[0]).await + report(hotels).await;
    ROOMS.put("total", &free).await;
    free
}

fn main() {
    let _ = beldi::App::new("travel").ssf(report).ssf(reserve);
}
