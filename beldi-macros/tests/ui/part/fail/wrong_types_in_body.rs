const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

struct SoldOut;

#[beldi::part]
async fn free(hotel: &str) -> Result<u32, SoldOut> {
    let free = ROOMS.get(hotel).await.ok_or(3)?;
    if free == 0 {
        return 0;
    }
    "none"
}

#[beldi::part]
async fn forgot_the_value(hotel: &str) -> u32 {
    ROOMS.get(hotel).await;
}

fn main() {}
