const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::part]
async fn take(hotel: &str) {
    ROOMS.put(hotel, &0).await;
}

#[beldi::part(read_only)]
async fn peek(hotel: &str) -> Option<u32> {
    ROOMS.delete(hotel).await;
    take(hotel).await;
    async { ROOMS.put(hotel, &1).await }.await;
    ROOMS.get(hotel).await
}

fn main() {}
