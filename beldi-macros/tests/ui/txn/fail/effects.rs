//! What cannot be taken back or locked is an error where it is written.

use beldi::{Table, effect};

const ROOMS: Table<str, u32> = Table::new("rooms");

#[beldi::txn]
async fn whole(hotel: String) -> Result<usize, String> {
    beldi::effect("mail", async |_key| ()).await;
    ROOMS.put(&hotel, &1).await;
    Ok(ROOMS.scan(..).await.len())
}

#[beldi::ssf]
async fn block(hotel: String) -> Result<usize, String> {
    effect("before", async |_key| ()).await;
    beldi::txn(async {
        effect("inside", async |_key| ()).await;
        ROOMS.put(&hotel, &1).await;
        Ok(ROOMS.scan(..).await.len())
    })
    .await
}

fn main() {}
