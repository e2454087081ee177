//! A part may be a transaction: it borrows, is generic, and joins one that is around it.

use beldi::{App, Table};

const ROOMS: Table<str, u32> = Table::new("rooms");

#[beldi::txn(part)]
async fn take<E: From<String> + serde::Serialize + serde::de::DeserializeOwned + Send>(
    table: Table<str, u32>,
    key: &str,
) -> Result<u32, E> {
    let left = table.get(key).await.unwrap_or(0).checked_sub(1);
    let left = left.ok_or_else(|| format!("no {key}"))?;
    table.put(key, &left).await;
    Ok(left)
}

#[beldi::txn(part, read_only)]
async fn left(keys: &[String]) -> u32 {
    ROOMS.get_many(keys).await.into_iter().flatten().sum()
}

#[beldi::ssf]
async fn book(hotel: String) -> Result<u32, String> {
    let before = left(&[hotel.clone()]).await;
    let (taken, _) = beldi::join(
        beldi::txn(async {
            take::<String>(ROOMS, &hotel).await?;
            beldi::txn(take::<String>(ROOMS, "savoy")).await
        }),
        take::<String>(ROOMS, "other"),
    )
    .await;
    Ok(before - taken?)
}

fn main() {
    let _app = App::new("travel").ssf(book);
}
