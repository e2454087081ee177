const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

async fn free(hotel: &str) -> u32 {
    ROOMS.get(hotel).await.unwrap_or(0)
}

fn main() {
    let _ = free("ritz");
}
