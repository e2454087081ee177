const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn take(hotel: String) {
    ROOMS.put(&hotel, &0).await;
}

#[beldi::ssf(read_only)]
async fn peek(hotel: String) -> Option<u32> {
    let free = ROOMS.get(&hotel).await;
    ROOMS.put(&hotel, &0).await;
    take(hotel).await;
    free
}

fn main() {}
