//! A read-only transaction changes nothing, and a read-only SSF has none that might.

use beldi::Table;

const ROOMS: Table<str, u32> = Table::new("rooms");

#[beldi::txn(read_only)]
async fn puts(hotel: String) -> Result<(), String> {
    ROOMS.put(&hotel, &1).await;
    Ok(())
}

#[beldi::ssf(read_only)]
async fn may_change(hotel: String) -> Result<u32, String> {
    beldi::txn(async { ROOMS.get(&hotel).await.ok_or(hotel) }).await
}

fn main() {}
