use serde::{Deserialize, Serialize};

const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[derive(Serialize, Deserialize)]
pub struct SoldOut;

#[derive(Serialize, Deserialize)]
pub enum TripError {
    NoRoom,
}

impl From<SoldOut> for TripError {
    fn from(SoldOut: SoldOut) -> Self {
        Self::NoRoom
    }
}

#[beldi::ssf]
pub async fn reserve_room(hotel: String) -> Result<(), SoldOut> {
    let free = ROOMS.get(&hotel).await.ok_or(SoldOut)?;
    let left = free.checked_sub(1).ok_or(SoldOut)?;
    ROOMS.put(&hotel, &left).await;
    Ok(())
}

#[beldi::ssf]
pub async fn book_trip(hotel: String) -> Result<(), TripError> {
    reserve_room(hotel).await?;
    Ok(())
}

#[beldi::ssf]
pub async fn free(hotel: String) -> Option<u32> {
    Some(ROOMS.get(&hotel).await? + 1)
}

fn main() {
    let _ = beldi::App::new("travel").ssf(reserve_room).ssf(book_trip).ssf(free);
}
